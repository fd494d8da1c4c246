/** What Pulumi keeps where Git delivers, and why: for the plan, the pages and the tree itself. docs/app-of-apps.md */
import { deliveredByGit } from "./git";
import { isObject, type Json } from "./monitor";
import type { Plan, PlannedResource } from "./plan";

/** Objects that stay Pulumi's for one reason. */
export interface KeptByPulumi {
    readonly what: string;
    /** The platform's area in Git; undefined: what Git itself stands on, or an account outside the cluster. */
    readonly area: string | undefined;
    readonly why: string;
    /** How many objects. */
    readonly objects: number;
    /** Each once, sorted. */
    readonly names: readonly string[];
}

const text = (value: Json | undefined, ...path: readonly string[]): string => {
    const found = path.reduce<Json | undefined>((node, key) => (isObject(node) ? node[key] : undefined), value);
    return typeof found === "string" ? found : "";
};

/** Types of a resource and of its owners, as they stand in its URN: `homelab:edge:Bridges$kubernetes:core/v1:Service`. */
const chainOf = ({ urn }: PlannedResource): string => urn.split("::")[2] ?? "";

/** What, and why, by the chain of types. The first that fits. */
const KEPT: readonly { readonly what: string; readonly chain: RegExp; readonly why: string }[] = [
    {
        what: "bridges",
        chain: /homelab:edge:Bridges\$kubernetes:(core\/v1:Service|discovery)/,
        why: "Argo CD passes over every EndpointSlice, and databases restore over them before there is an Argo CD",
    },
    {
        what: "the tunnel's connector",
        chain: /homelab:edge:CloudflareTunnel\$homelab:apps:/,
        why: "it goes before its tunnel, which Cloudflare does not delete while it is in use",
    },
    {
        what: "charts",
        chain: /:Release$/,
        why: "what everything else stands on: made in order, each when the one before it works",
    },
    {
        what: "definitions",
        chain: /:CustomResourceDefinition$/,
        why: "an object of theirs that is pruned takes data along",
    },
    { what: "namespaces", chain: /core\/v1:Namespace$/, why: "one that is pruned takes everything in it along" },
    {
        what: "volumes",
        chain: /:(PersistentVolume|PersistentVolumeClaim|StorageClass)$/,
        why: "a tree that loses a file must not lose data",
    },
    {
        what: "backups",
        chain: /volsync|velero\.io|longhorn\.io.*RecurringJob/,
        why: "a restore comes before the pod that would start empty",
    },
    { what: "databases", chain: /kubernetes:.*(postgresql\.cnpg\.io|redis|barmancloud)/i, why: "the same" },
    {
        what: "names and tunnels",
        chain: /(^|\$)(cloudflare|tailscale):/,
        why: "derived from the apps' own words, in accounts outside the cluster",
    },
    {
        what: "Git's own hand",
        chain: /kubernetes:.*(argoproj\.io|fluxcd|toolkit)/,
        why: "where it follows, and what it may do",
    },
    { what: "commands", chain: /command:[^$]*$/, why: "waits, looks and last backups: they are no objects" },
    {
        what: "Secrets of the platform",
        chain: /core\/v1:Secret$|kubernetes:external-secrets\.io/,
        why: "the stores themselves, and what opens them",
    },
    {
        what: "rights of apps",
        chain: /homelab:pages:/,
        why: "an app's project in Git makes nothing of the whole cluster",
    },
    { what: "the rest of the platform", chain: /kubernetes:/, why: "settings of the above" },
];

/** The platform's area by the component that makes an object. */
const AREAS: readonly (readonly [area: string, component: RegExp])[] = [
    ["mesh", /^homelab:mesh:/],
    ["data", /^homelab:database:/],
    ["storage", /^homelab:(storage|backup):/],
    ["scheduling", /^homelab:(scheduling|gpu):|:MetricsServer$/],
    ["security", /^homelab:secrets:|:Reloader$/],
    ["networking", /^homelab:(network|edge|tailnet):/],
];

function areaOf(resource: PlannedResource): string | undefined {
    if (/:(PersistentVolume|PersistentVolumeClaim|StorageClass)$/.test(resource.type)) return "storage";
    if (/^(cloudflare|tailscale):/.test(resource.type)) return undefined;
    const areas = chainOf(resource)
        .split("$")
        .flatMap((type) => AREAS.find(([, component]) => component.test(type))?.[0] ?? []);
    return areas.at(-1);
}

/** By the object's own name, Helm's of a release. */
export const ownName = ({ name, inputs, type }: PlannedResource): string =>
    (type.endsWith(":Release") ? text(inputs, "name") : text(inputs, "metadata", "name")) || name;

const DATA = /:(PersistentVolume|PersistentVolumeClaim)$/;

/** Whether it is an object of an app's own, which Git could have, too. */
export const isOfApp = ({ urn, type }: PlannedResource): boolean =>
    /^homelab:apps:((Scheduled)?Workload|SharedPod)\$kubernetes:/.test(urn.split("::")[2] ?? "") && !DATA.test(type);

/** What Pulumi has and Git never, by reason and area, in the order of the reasons. */
export function keptByPulumi(plan: Pick<Plan, "resources">): KeptByPulumi[] {
    const git = deliveredByGit(plan);
    const kept = plan.resources.filter(
        (one) => one.custom && !git.has(one.urn) && !one.type.startsWith("pulumi:") && !isOfApp(one),
    );
    return KEPT.flatMap(({ what, why }, index) => {
        const own = kept.filter((one) => KEPT.findIndex(({ chain }) => chain.test(chainOf(one))) === index);
        const areas = [...new Set(own.map(areaOf))].sort((a, b) => ((a ?? "~") < (b ?? "~") ? -1 : 1));
        return areas.map((area) => {
            const here = own.filter((one) => areaOf(one) === area);
            return { what, area, why, objects: here.length, names: [...new Set(here.map(ownName))].sort() };
        });
    });
}
