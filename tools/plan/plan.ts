/** Plans a stack: runs its program against the recording monitor and derives the tables people ask for. */
import * as pulumi from "@pulumi/pulumi";
import { unsupportedPairs, type SupportFinding } from "../../components/kubernetes-support";
import { openStack, type OpenStack } from "../../stacks";
import type { Stage, StackContext, StackSummary } from "../../lab/context";
import { PROJECT } from "../../stacks/stack-file";
import { deliveredByGit } from "./git";
import { keptByPulumi, type KeptByPulumi } from "./owners";
import { isObject, PlanMonitor, readable, type Json, type Registration } from "./monitor";

export interface PlannedResource {
    readonly urn: string;
    readonly type: string;
    readonly name: string;
    /** False for what only groups others: components and the stack itself. */
    readonly custom: boolean;
    /** URN of the owner; null for the stack itself. */
    readonly parent: string | null;
    /** Every URN that the engine waits for before it makes this one: explicit, through data, and through owners. */
    readonly dependsOn: readonly string[];
    readonly protect: boolean;
    readonly retainOnDelete: boolean;
    /** Paths of inputs that keep the value with which the resource was made; absent: none. */
    readonly ignoreChanges?: readonly string[];
    /** URN of the provider instance; null for components and providers themselves. */
    readonly provider: string | null;
    /** Earlier URNs under which the engine looks for it, too: a rename with one of them is no delete and create. */
    readonly aliases: readonly string[];
    readonly inputs: Json;
}

export interface PlannedImage {
    readonly image: string;
    readonly pinned: boolean;
    /** Names of the resources that use it. */
    readonly usedBy: readonly string[];
}

/** A DNS record and who keeps it: this program, or external-dns in the cluster. */
export interface PlannedRecord {
    readonly name: string;
    readonly type: string;
    readonly content: string;
    readonly proxied: boolean;
    readonly access: string;
    /** `resolver`: nobody here; a person sets it in the LAN's resolver. */
    readonly owner: "pulumi" | "external-dns" | "resolver";
}

export interface Plan {
    readonly stack: string;
    readonly recipe: string;
    /** The machines, and what is special about the recipe, in a few words. */
    readonly machines: string;
    readonly special: string;
    /** Sorted by URN. */
    readonly resources: readonly PlannedResource[];
    readonly dns: readonly PlannedRecord[];
    readonly tunnel: readonly { hostname: string | null; service: string }[];
    readonly exposures: StackSummary["exposures"];
    /** What a person must set on the router; empty where addresses announce themselves. */
    readonly routes: NonNullable<StackSummary["routes"]>;
    /** Absent: there is nothing to say. */
    readonly notes?: NonNullable<StackSummary["notes"]>;
    /** BGP neighbours that a person must set on the router; absent where nobody peers. */
    readonly peering?: NonNullable<StackSummary["peering"]>;
    /** Hosts that Let's Encrypt asks for on plain HTTP; absent where names are proven otherwise. */
    readonly challenges?: NonNullable<StackSummary["challenges"]>;
    readonly volumes: StackSummary["volumes"];
    readonly images: readonly PlannedImage[];
    /** Charts whose project does not support the Kubernetes of the stack's nodes, where both are known. */
    readonly unsupported: readonly SupportFinding[];
    /** What Pulumi keeps and why, where Git delivers something; absent: it delivers nothing. */
    readonly kept?: readonly KeptByPulumi[];
    /** In the order in which the engine can make them. */
    readonly order: readonly string[];
    readonly stages: readonly Stage[];
}

/**
 * Plans one stack as for an empty cluster, or as after an `up` that left its apps `delivered` so. `answers`: what commands
 * that look before they decide have found, by name. Throws what the program throws.
 */
export async function planStack(
    name: string,
    value: unknown,
    root: string,
    delivered: NonNullable<StackContext["delivered"]> = () => undefined,
    answers: Readonly<Record<string, string>> = {},
): Promise<Plan> {
    const stack = openStack(name, value);
    // Every value that the stack says it needs is there, none other, and none is real.
    const readSops: StackContext["readSops"] = (_, path) => {
        const refs = stack.secrets.filter((file) => file.path === path).flatMap((file) => file.refs);
        return Promise.resolve((ref) => (refs.includes(ref) ? "[secret]" : undefined));
    };
    return planProgram(stack, () => stack.run({ root, readSops, delivered, showsGit: true }), answers);
}

/** What of a stack stands in its plan as it is. */
type PlannedStack = Pick<OpenStack, "name" | "recipe" | "machinesText" | "special"> & Partial<Pick<OpenStack, "nodes">>;

/** Plans what a program registers under the name of a stack. Throws what the program throws. */
export async function planProgram(
    stack: PlannedStack,
    program: () => Promise<StackSummary>,
    answers: Readonly<Record<string, string>> = {},
): Promise<Plan> {
    const monitor = new PlanMonitor(PROJECT, stack.name, answers);
    const giveBack = await monitor.install();
    const ended: PromiseSettledResult<StackSummary>[] = [];
    let stages: readonly Stage[] = [];
    try {
        await pulumi.runtime.runInPulumiStack(async () => {
            // What is rejected in here is rejected in promises of the SDK, too, which nobody waits for: that ends the process.
            const [one] = await Promise.allSettled([program()]);
            ended.push(one);
            if (one.status === "fulfilled") pulumi.all([...one.value.stages]).apply((known) => (stages = known));
        });
        await pulumi.runtime.disconnect();
    } finally {
        giveBack();
    }
    const [one] = ended;
    if (one?.status === "rejected") throw one.reason;
    if (one === undefined) throw new Error(`stack ${stack.name} ended without a summary`);
    return describe(stack, monitor.registrations, one.value, stages);
}

function describe(
    stack: PlannedStack,
    registrations: readonly Registration[],
    summary: StackSummary,
    stages: readonly Stage[],
): Plan {
    const byUrn = new Map(registrations.map((registration) => [registration.urn, registration]));
    const resources = registrations
        .map((registration) => planned(registration, byUrn))
        .sort((a, b) => (a.urn < b.urn ? -1 : 1));
    const access = new Map(summary.exposures.map((exposure) => [exposure.host, exposure.access]));
    return {
        stack: stack.name,
        recipe: stack.recipe,
        machines: stack.machinesText,
        special: stack.special,
        resources,
        dns: [
            ...dnsTable(resources).map((row) => ({ ...row, owner: "pulumi" as const })),
            ...(summary.dns ?? []).map((row) => ({ ...row, owner: "external-dns" as const })),
            ...(summary.resolver ?? []).map((row) => ({ ...row, owner: "resolver" as const })),
        ].map((row) => ({ ...row, access: row.proxied || access.get(row.name) === "external" ? "external" : "local" })),
        tunnel: tunnelTable(resources),
        exposures: [...summary.exposures].sort((a, b) => (a.host < b.host ? -1 : 1)),
        routes: summary.routes ?? [],
        ...((summary.notes ?? []).length === 0 ? {} : { notes: summary.notes }),
        ...(summary.peering === undefined ? {} : { peering: summary.peering }),
        ...(summary.challenges === undefined ? {} : { challenges: summary.challenges }),
        volumes: [...summary.volumes].sort((a, b) =>
            `${a.workload}${a.mountPath}` < `${b.workload}${b.mountPath}` ? -1 : 1,
        ),
        images: imageTable(resources),
        unsupported: supportTable(resources, stack.nodes?.[0]?.kubeletVersion),
        ...(deliveredByGit({ resources }).size === 0 ? {} : { kept: keptByPulumi({ resources }) }),
        order: bootstrapOrder(registrations, resources),
        stages,
    };
}

export function planned(registration: Registration, byUrn: ReadonlyMap<string, Registration>): PlannedResource {
    const waitsFor = new Set(registration.dependencies);
    // A resource is registered after its owner, and the owner after what it waits for.
    for (let owner = byUrn.get(registration.parent); owner !== undefined; owner = byUrn.get(owner.parent)) {
        for (const urn of owner.dependencies) waitsFor.add(urn);
    }
    const provider = registration.provider.replace(/::[^:]*$/, "");
    if (provider !== "") waitsFor.add(provider);
    return {
        urn: registration.urn,
        type: registration.type,
        name: registration.name,
        custom: registration.custom,
        parent: registration.parent === "" ? null : registration.parent,
        dependsOn: [...waitsFor].sort(),
        protect: registration.protect,
        retainOnDelete: registration.retainOnDelete,
        ...(registration.ignoreChanges.length > 0 && { ignoreChanges: registration.ignoreChanges }),
        provider: provider === "" ? null : provider,
        aliases: registration.aliases,
        inputs: readable(registration.inputs),
    };
}

/** A topological order that keeps the program's own order wherever dependencies leave a choice. */
function bootstrapOrder(registrations: readonly Registration[], resources: readonly PlannedResource[]): string[] {
    const planByUrn = new Map(resources.map((resource) => [resource.urn, resource]));
    const order: string[] = [];
    const visited = new Set<string>();
    const visit = (urn: string) => {
        const resource = planByUrn.get(urn);
        if (resource === undefined || visited.has(urn)) return;
        visited.add(urn);
        if (resource.parent !== null) visit(resource.parent);
        resource.dependsOn.forEach(visit);
        order.push(urn);
    };
    registrations.forEach(({ urn }) => visit(urn));
    return order;
}

function inputsOf(resource: PlannedResource): Record<string, Json> {
    return isObject(resource.inputs) ? resource.inputs : {};
}

function supportTable(resources: readonly PlannedResource[], kubernetes: string | undefined): SupportFinding[] {
    if (kubernetes === undefined) return [];
    const releases = resources.filter(({ type }) => type === "kubernetes:helm.sh/v3:Release").map(inputsOf);
    const versions = new Map(releases.map(({ chart, version }) => [chartName(String(chart)), String(version)]));
    return unsupportedPairs(versions, kubernetes);
}

/** An OCI reference ends with the chart's name. */
const chartName = (chart: string): string => chart.split("/").at(-1) ?? chart;

function dnsTable(resources: readonly PlannedResource[]) {
    return resources
        .filter(({ type }) => type === "cloudflare:index/dnsRecord:DnsRecord")
        .map((resource) => {
            const inputs = inputsOf(resource);
            return {
                name: String(inputs["name"]),
                type: String(inputs["type"]),
                content: String(inputs["content"]),
                proxied: inputs["proxied"] === true,
            };
        })
        .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function tunnelTable(resources: readonly PlannedResource[]) {
    return resources
        .filter(({ type }) => type.endsWith(":ZeroTrustTunnelCloudflaredConfig"))
        .flatMap((resource) => {
            const config = inputsOf(resource)["config"];
            const rules = isObject(config) && Array.isArray(config["ingresses"]) ? config["ingresses"] : [];
            return rules.filter(isObject).map((rule) => ({
                hostname: typeof rule["hostname"] === "string" ? rule["hostname"] : null,
                service: String(rule["service"]),
            }));
        });
}

/** Every `image` text anywhere in a resource's inputs: pods, values of charts, and objects written as JSON text. */
function imageTable(resources: readonly PlannedResource[]): PlannedImage[] {
    const users = new Map<string, Set<string>>();
    const walk = (value: Json, user: string): void => {
        if (Array.isArray(value)) return value.forEach((item) => walk(item, user));
        if (typeof value === "string" && value.startsWith("{")) return walk(objectsIn(value), user);
        if (!isObject(value)) return;
        for (const [key, item] of Object.entries(value)) {
            if (key === "image" && typeof item === "string") users.set(item, (users.get(item) ?? new Set()).add(user));
            else walk(item, user);
        }
    };
    for (const resource of resources) walk(resource.inputs, resource.name);
    return [...users]
        .map(([image, names]) => ({ image, pinned: image.includes("@sha256:"), usedBy: [...names].sort() }))
        .sort((a, b) => (a.image < b.image ? -1 : 1));
}

/** A text is one object, or one a line, as kubectl is given several. */
const objectsIn = (text: string): Json => parseJson(text) ?? text.split("\n").map(parseJson);

/** Null for a text that only looks like JSON. */
function parseJson(text: string): Json {
    try {
        return JSON.parse(text) as Json;
    } catch {
        return null;
    }
}
