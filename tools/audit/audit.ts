/** Gathers what is declared, what is in the state and what is there, by reading only, and compares. */
import { runProgram } from "../../lib/run-program";
import { openStack, stackNames, type OpenStack } from "../../stacks";
import type { CloudAccounts } from "../../lab/context";
import { cloudflareReader } from "../live/cloudflare";
import { isRecord, records } from "../../lib/json";
import { orReason, textOf, Unreachable } from "../live/get";
import type { Told } from "../../lib/told";
import { kubeReader } from "../live/kube";
import { credential, openSecrets } from "../live/reach";
import { readState, type State } from "../live/state";
import { tailscaleReader } from "../live/tailscale";
import { isObject } from "../plan/monitor";
import { deliveredByGit } from "../plan/git";
import { planStack, type Plan } from "../plan/plan";
import { readTunnels, readZone } from "./cloudflare";
import { readCluster, wouldBeFound, type Cluster } from "./cluster";
import { compare, type Audit } from "./compare";
import { readTailnet } from "./tailnet";
import {
    dnsKey,
    objectKey,
    rulesKey,
    thingsOf,
    TYPES,
    type Declared,
    type Live,
    type Place,
    type Thing,
} from "./things";

export interface Audited {
    readonly plan: Plan;
    readonly audit: Audit;
    readonly state: State;
    /** Places that could be looked at. */
    readonly seen: ReadonlySet<Place>;
    /** Of these, the ones of which some part did not answer. */
    readonly inPart: ReadonlySet<Place>;
    /** What could not be looked at, with the reason. */
    readonly notLookedAt: readonly string[];
    /** What a token of least scopes does not show; no stack declares such a thing. */
    readonly hidden: readonly string[];
    /** Places this stack has nothing to do with. */
    readonly absent: readonly Place[];
}

export interface Surroundings {
    readonly root: string;
    readonly env: NodeJS.ProcessEnv;
    readonly timeout: number;
    /** Reads a stack's structured value; throws for a stack without a file. */
    readonly valueOf: (stack: string) => unknown;
}

/** Throws `ConfigError` or `UserError` when the stack's own file is at fault. */
export async function auditStack(name: string, around: Surroundings): Promise<Audited> {
    const value = around.valueOf(name);
    const stack = openStack(name, value);
    const plan = await planStack(name, value, around.root);
    const others = await declaredByOthers(name, around);
    const [state, live] = await Promise.all([
        readState(name, around.root, runProgram, around.timeout),
        lookAtEverything(stack, around),
    ]);
    const declared = [
        ...declaredOf(plan, stack.clouds).map((one) => withNamespace(one, live.namespaced)),
        // Another stack's cluster is another cluster; zone, account and tailnet may be the same.
        ...others.declared.filter(({ place }) => place !== "cluster"),
    ];
    return {
        plan,
        audit: compare(name, { declared, live: live.things, state: stateOf(state, live.namespaced), seen: live.found }),
        state,
        seen: live.seen,
        inPart: live.inPart,
        notLookedAt: [...live.notLookedAt, ...others.faults],
        hidden: live.hidden,
        absent: live.absent,
    };
}

/** What the other stacks declare, one after the other: the SDK has one monitor at a time. */
async function declaredByOthers(
    name: string,
    { root, valueOf }: Surroundings,
): Promise<{ declared: Declared[]; faults: string[] }> {
    const declared: Declared[] = [];
    const faults: string[] = [];
    for (const other of stackNames(root).filter((candidate) => candidate !== name)) {
        try {
            const value = valueOf(other);
            const { clouds } = openStack(other, value);
            declared.push(...declaredOf(await planStack(other, value, root), clouds));
        } catch (error) {
            const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
            faults.push(`what ${other} declares, so its records may be called undeclared: ${reason}`);
        }
    }
    return { declared, faults };
}

/** Everything a plan says that there is. */
export function declaredOf(plan: Plan, { cloudflare }: CloudAccounts): Declared[] {
    const git = deliveredByGit(plan);
    return [
        ...plan.resources.flatMap((resource) =>
            thingsOf(resource).map(({ urn, ...thing }) => ({
                ...thing,
                stack: plan.stack,
                // What Git delivers is no resource of the program: nothing of it can be missing from the state.
                ...(urn === undefined ? {} : git.has(urn) ? { fromGit: true } : { urn }),
            })),
        ),
        ...rulesOf(plan),
        ...(cloudflare === undefined ? [] : recordsOfControllers(plan, cloudflare.zoneId)),
    ];
}

/** A tunnel's rules, by the tunnel beside them: its id is not known to a plan. */
function rulesOf(plan: Plan): Declared[] {
    return plan.resources
        .filter(({ type }) => type === TYPES.tunnelConfig)
        .flatMap(({ urn, parent, inputs }): Declared[] => {
            const tunnel = plan.resources.find((other) => other.type === TYPES.tunnel && other.parent === parent);
            if (tunnel === undefined) return [];
            const name = textOf(tunnel.inputs, "name");
            const account = textOf(tunnel.inputs, "accountId");
            const config = isObject(inputs) ? inputs["config"] : undefined;
            const rules = isRecord(config) ? records(config["ingresses"]) : [];
            const key = rulesKey(account, name);
            return [
                { stack: plan.stack, place: "tunnels", key, title: `rules of ${name}`, urn },
                ...rules
                    .map((rule) => textOf(rule, "hostname"))
                    .filter((host) => host !== "")
                    .map((host) => ({
                        stack: plan.stack,
                        place: "tunnels" as const,
                        key: `${key} ${host}`,
                        title: `rule ${host} of ${name}`,
                    })),
            ];
        });
}

/** Records that external-dns makes of a stack's objects. */
function recordsOfControllers(plan: Plan, zoneId: string): Declared[] {
    return plan.dns
        .filter(({ owner }) => owner === "external-dns")
        .map(({ name, type, content }) => ({
            stack: plan.stack,
            place: "zone",
            key: dnsKey(zoneId, type, name),
            title: `${type} ${name}`,
            ...(content.includes("<") ? {} : { content }),
        }));
}

/** Without a namespace an object goes to "default". */
function withNamespace<T extends { key: string }>(one: T, namespaced: ReadonlySet<string>): T {
    const [, kind = "", name = ""] = /^object ([^ ]+) \/(.+)$/.exec(one.key) ?? [];
    const [group = "", plain = ""] = kind.split("/");
    return namespaced.has(kind) && name !== "" ? { ...one, key: objectKey(group, plain, "default", name) } : one;
}

function stateOf(state: State, namespaced: ReadonlySet<string>) {
    if (state.kind === "not read") return undefined;
    const resources = state.kind === "none" ? [] : state.resources;
    return {
        urns: new Set(resources.map(({ urn }) => urn)),
        keys: new Set(
            resources
                .flatMap((resource) => thingsOf({ ...resource, name: resource.urn.split("::").at(-1) ?? "" }))
                .map((thing) => withNamespace(thing, namespaced).key),
        ),
    };
}

interface Looked {
    readonly things: readonly Live[];
    readonly notLookedAt: readonly string[];
    readonly hidden: readonly string[];
    readonly seen: ReadonlySet<Place>;
    readonly inPart: ReadonlySet<Place>;
    readonly found: (one: Thing) => boolean;
    readonly absent: readonly Place[];
    readonly namespaced: ReadonlySet<string>;
}

async function lookAtEverything(stack: OpenStack, { root, env, timeout }: Surroundings): Promise<Looked> {
    const { cloudflare, tailscale } = stack.clouds;
    const secrets = await openSecrets(stack, root, env);
    const nothing: Told<Live[]> = { ok: true, value: [] };
    const api = (): Told<ReturnType<typeof cloudflareReader>> => {
        const token = credential(stack, secrets, cloudflare?.apiToken ?? "");
        return token.ok ? { ok: true, value: cloudflareReader(token.value, env, timeout) } : token;
    };
    const inCloudflare = async (read: (reader: ReturnType<typeof cloudflareReader>) => Promise<Told<Live[]>>) => {
        const reader = cloudflare === undefined ? undefined : api();
        return reader === undefined ? nothing : reader.ok ? read(reader.value) : reader;
    };
    const tailnet = async () => {
        const [id, secret] = [
            credential(stack, secrets, tailscale?.clientId ?? ""),
            credential(stack, secrets, tailscale?.clientSecret ?? ""),
        ];
        if (!id.ok) return id;
        if (!secret.ok) return secret;
        const account = { tailnet: tailscale?.tailnet ?? "-", clientId: id.value, clientSecret: secret.value };
        const reader = await orReason(tailscaleReader(account, env, timeout));
        return reader.ok ? { ok: true as const, value: await readTailnet(reader.value) } : reader;
    };
    const [zone, tunnels, net, cluster] = await Promise.all([
        inCloudflare((reader) => readZone(reader, cloudflare?.zoneId ?? "")),
        inCloudflare((reader) => readTunnels(reader, cloudflare?.accountId ?? "")),
        tailscale === undefined ? undefined : tailnet(),
        clusterOf(stack, root, timeout),
    ]);
    const seen = new Set<Place>();
    const notLookedAt: string[] = [];
    const note = (place: Place, what: string, told: Told<unknown>, faults: readonly string[] = []) => {
        if (!told.ok) notLookedAt.push(`${what}: ${told.reason}`);
        else if (faults.length === 0) seen.add(place);
        notLookedAt.push(...faults);
    };
    if (cloudflare !== undefined) {
        note("zone", `the zone ${cloudflare.domain}`, zone);
        note("tunnels", "the tunnel list", tunnels);
    }
    if (net !== undefined) note("tailnet", "the tailnet", net, net.ok ? net.value.notLookedAt : []);
    note("cluster", "the cluster", cluster);
    const unlisted: ReadonlySet<string> = cluster.ok ? cluster.value.unlisted : new Set();
    if (cluster.ok) notLookedAt.push(...cluster.value.notLookedAt);
    return {
        things: [
            ...(zone.ok ? zone.value : []),
            ...(tunnels.ok ? tunnels.value : []),
            ...(net?.ok === true ? net.value.things : []),
            ...(cluster.ok ? cluster.value.things : []),
        ],
        notLookedAt,
        hidden: net?.ok === true ? net.value.hidden : [],
        seen,
        inPart: new Set(unlisted.size === 0 ? [] : ["cluster"]),
        // One API that is down, such as the metrics server's, must not hide that an object of another is gone.
        found: (one) => seen.has(one.place) && (one.place !== "cluster" || wouldBeFound(one, unlisted)),
        absent: [
            ...(cloudflare === undefined ? (["zone", "tunnels"] as const) : []),
            ...(tailscale === undefined ? (["tailnet"] as const) : []),
        ],
        namespaced: cluster.ok ? cluster.value.namespaced : new Set(),
    };
}

async function clusterOf(stack: OpenStack, root: string, timeout: number): Promise<Told<Cluster>> {
    const kubeconfig = await stack.machines.kubeconfig({ root, timeout });
    if (!kubeconfig.ok) return kubeconfig;
    try {
        return { ok: true, value: await readCluster(kubeReader(kubeconfig.value, timeout)) };
    } catch (error) {
        if (error instanceof Unreachable) return { ok: false, status: 0, reason: error.message };
        return { ok: false, status: -1, reason: error instanceof Error ? error.message : String(error) };
    }
}
