/** k3d's configuration file as k3d 5.8 reads it: unknown keys, filters, names and marks are refused. */
import { parse } from "yaml";
import { z } from "zod";
import { Refused } from "./refused";

const filters = z.array(z.string());
const filtered = <K extends string>(key: K) =>
    z.array(
        z.strictObject({ [key]: z.string(), nodeFilters: filters.optional() } as Record<K, z.ZodString> & {
            nodeFilters: z.ZodOptional<typeof filters>;
        }),
    );

/** pkg/config/v1alpha5/schema.json, without registries, files and host aliases, which nothing here uses. */
const schema = z.strictObject({
    apiVersion: z.literal("k3d.io/v1alpha5"),
    kind: z.literal("Simple"),
    metadata: z.strictObject({ name: z.string() }).optional(),
    servers: z.number().min(1).default(1),
    agents: z.number().min(0).default(0),
    kubeAPI: z
        .strictObject({ host: z.string().optional(), hostIP: z.ipv4().optional(), hostPort: z.string().optional() })
        .default({}),
    image: z.string().default("docker.io/rancher/k3s:latest"),
    network: z.string().optional(),
    subnet: z.string().optional(),
    token: z.string().optional(),
    volumes: filtered("volume").default([]),
    ports: filtered("port").default([]),
    env: filtered("envVar").default([]),
    options: z
        .strictObject({
            k3d: z
                .strictObject({
                    wait: z.boolean().optional(),
                    timeout: z.string().optional(),
                    disableLoadbalancer: z.boolean().optional(),
                    disableImageVolume: z.boolean().optional(),
                    disableRollback: z.boolean().optional(),
                })
                .optional(),
            k3s: z
                .strictObject({ extraArgs: filtered("arg").optional(), nodeLabels: filtered("label").optional() })
                .optional(),
            kubeconfig: z
                .strictObject({
                    updateDefaultKubeconfig: z.boolean().optional(),
                    switchCurrentContext: z.boolean().optional(),
                })
                .optional(),
            runtime: z.looseObject({ labels: filtered("label").optional() }).optional(),
        })
        .default({}),
});

export type K3dFile = z.infer<typeof schema>;

export interface Node {
    readonly name: string;
    readonly role: "server" | "agent" | "loadbalancer";
}

/** Reads the file, and expands variables as k3d does before anything else. */
export function readConfig(text: string, env: NodeJS.ProcessEnv): K3dFile {
    const expanded = text.replace(
        /\$(?:\{([^}]*)\}|([A-Za-z0-9_]+))/g,
        (_, braced?: string, bare?: string) => env[braced ?? bare ?? ""] ?? "",
    );
    const read = schema.safeParse(parse(expanded));
    if (!read.success)
        throw new Refused(`FATA[0000] Schema Validation failed for config file: ${z.prettifyError(read.error)}`);
    return read.data;
}

export function nodesOf({ servers, agents, options }: K3dFile, cluster: string): Node[] {
    const many = (role: "server" | "agent", count: number): Node[] =>
        Array.from({ length: count }, (_, index) => ({ name: `k3d-${cluster}-${role}-${index}`, role }));
    const balancer: Node[] =
        options.k3d?.disableLoadbalancer === true ? [] : [{ name: `k3d-${cluster}-serverlb`, role: "loadbalancer" }];
    return [...balancer, ...many("server", servers), ...many("agent", agents)];
}

const FILTER =
    /^(?<group>server|servers|agent|agents|loadbalancer|all)(?::(?:(?<list>(?:\d+,?)+)|(?<range>\d*-\d*)|(?<all>\*)))?$/;

/** pkg/util/filter.go: none means all. */
export function filterNodes(nodes: readonly Node[], wanted: readonly string[] | undefined): readonly Node[] {
    if (wanted === undefined || wanted.length === 0) return nodes;
    return wanted.flatMap((filter) => {
        const { group = "", list, all } = FILTER.exec(filter)?.groups ?? {};
        if (group === "")
            throw new Refused(`FATA[0000] Failed to parse node filters: invalid format or empty subset in '${filter}'`);
        if (group === "all") return nodes;
        const role = group.replace(/s$/, "");
        const group_ = nodes.filter((node) => node.role === role);
        if (role === "loadbalancer") {
            if (group_.length === 0)
                throw new Refused(`FATA[0000] Node filter '${filter}' targets a node that does not exist (disabled?)`);
            return group_;
        }
        if (all !== undefined) return group_;
        if (list === undefined)
            throw new Refused(`FATA[0000] Failed to parse node specifiers: unknown subset in '${filter}'`);
        return list.split(",").map((index) => {
            const node = group_[Number(index)];
            if (node === undefined)
                throw new Refused(
                    `FATA[0000] Index out of range: index '${index}' < 0 or > number of available nodes in filter '${filter}'`,
                );
            return node;
        });
    });
}

/** Values of those entries that are for a node. */
export function forNode<K extends string>(
    entries: readonly ({ readonly nodeFilters?: readonly string[] | undefined } & Readonly<Record<K, string>>)[],
    key: K,
    nodes: readonly Node[],
    node: Node,
    needsFilter: string | undefined = undefined,
): string[] {
    return entries
        .filter((entry) => {
            if (needsFilter !== undefined && nodes.length > 1 && (entry.nodeFilters ?? []).length === 0) {
                throw new Refused(
                    `FATA[0000] ${needsFilter} '${entry[key]}' lacks a node filter, but there's more than one node`,
                );
            }
            return filterNodes(nodes, entry.nodeFilters).includes(node);
        })
        .map((entry) => entry[key]);
}
