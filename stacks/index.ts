/** Stack name to stack: the one list of clusters. Program, plan, sandbox and tests read it. */
import type * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { withIdentity } from "../components/cluster/identity";
import type { StackClaim } from "../config/claims";
import { ConfigError, parseConfig, show, type CrossRule } from "../config/parse";
import type { CloudAccounts, Machines, NodeInfo, SecretsFile, Stage, StackContext, StackSummary } from "../lab/context";
import {
    chongus,
    chongusClouds,
    chongusMachines,
    chongusNodes,
    chongusSecrets,
    chongusStages,
    talosSecrets,
} from "./chongus";
import { chongusClaims, chongusRules, chongusSchema } from "./chongus.schema";
import { homelab, homelabClouds, homelabNode, homelabSecrets, homelabStages } from "./homelab";
import { homelabClaims, homelabRules, homelabSchema, type HomelabConfig } from "./homelab.schema";

/** How the program reaches a stack's machines: by ssh, or by Talos' API. */
export type MachineAccess = "ssh" | "talos";

/** A cluster: the shape of its configuration and what follows from it. */
interface StackDefinition<S extends z.ZodType<{ readonly protectData: boolean }>> {
    readonly name: string;
    readonly schema: S;
    readonly rules: readonly CrossRule<z.output<S>>[];
    /** The program. */
    run(config: z.output<S>, context: StackContext): Promise<StackSummary>;
    nodes(config: z.output<S>): NodeInfo[];
    stages(config: z.output<S>): Stage[];
    secrets(config: z.output<S>): SecretsFile | readonly SecretsFile[];
    clouds(config: z.output<S>): CloudAccounts;
    /** `root`: folder that paths of the configuration are seen from. */
    machines(config: z.output<S>, root: string): Machines;
    /** What it takes for itself, for comparison with other clusters. */
    claims(config: z.output<S>): StackClaim[];
    /** Default "ssh". */
    readonly machine?: MachineAccess;
    /** Network of the Services, for a stack that asks for addresses in it; default: whatever the control plane takes. */
    serviceCidr?(config: z.output<S>): string;
}

/** A stack with its configuration parsed. */
export interface OpenStack {
    readonly name: string;
    readonly nodes: readonly NodeInfo[];
    readonly stages: readonly Stage[];
    /** Every secrets file the program reads. */
    readonly secrets: readonly SecretsFile[];
    readonly machine: MachineAccess;
    readonly serviceCidr?: string;
    readonly clouds: CloudAccounts;
    machines(root: string): Machines;
    readonly claims: readonly StackClaim[];
    run(context: StackContext): Promise<StackSummary & { readonly cluster: pulumi.Output<string> }>;
}

/** Throws `ConfigError` with every fault of the value. */
type Opener = (value: unknown) => OpenStack;

function defineStack<S extends z.ZodType<{ readonly protectData: boolean }>>(
    definition: StackDefinition<S>,
): readonly [name: string, open: Opener] {
    const { name, schema, rules } = definition;
    return [
        name,
        (value) => {
            const config = parseConfig(name, schema, rules, value);
            return {
                name,
                nodes: definition.nodes(config),
                stages: definition.stages(config),
                secrets: [definition.secrets(config)].flat(),
                machine: definition.machine ?? "ssh",
                ...(definition.serviceCidr !== undefined && { serviceCidr: definition.serviceCidr(config) }),
                clouds: definition.clouds(config),
                machines: (root) => definition.machines(config, root),
                claims: definition.claims(config),
                run: (context) => withIdentity(() => definition.run(config, context), config),
            };
        },
    ];
}

const stacks: ReadonlyMap<string, Opener> = new Map([
    defineStack({
        name: "homelab",
        schema: homelabSchema,
        rules: homelabRules,
        run: homelab,
        stages: homelabStages,
        secrets: homelabSecrets,
        clouds: homelabClouds,
        machines: (config) => ({ kind: "nixos-k3s", args: homelabNode(config), ageKey: config.secrets.ageKey }),
        claims: homelabClaims,
        nodes: ({ node }: HomelabConfig): NodeInfo[] => [
            {
                name: node.name,
                address: node.address,
                labels: {
                    "kubernetes.io/hostname": node.name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                    "node-role.kubernetes.io/control-plane": "true",
                    "node.kubernetes.io/instance-type": "k3s",
                },
                capacity: node.capacity,
            },
        ],
    }),
    defineStack({
        name: "chongus",
        schema: chongusSchema,
        rules: chongusRules,
        run: chongus,
        stages: chongusStages,
        secrets: (config) => [chongusSecrets(config), talosSecrets(config)],
        clouds: chongusClouds,
        machines: (config, root) => ({ kind: "talos", args: chongusMachines(config, root) }),
        claims: chongusClaims,
        nodes: chongusNodes,
        machine: "talos",
        serviceCidr: ({ network }) => network.serviceCidr,
    }),
]);

export const stackNames: readonly string[] = [...stacks.keys()];

/** A stack by name with its parsed configuration. Throws `ConfigError` on an unknown name or a faulty value. */
export function openStack(name: string, value: unknown): OpenStack {
    const open = stacks.get(name);
    if (open === undefined) {
        throw new ConfigError(name, [
            { rule: "unknown-stack", path: "stack", got: show(name), allowed: `one of ${stackNames.join(", ")}` },
        ]);
    }
    return open(value);
}
