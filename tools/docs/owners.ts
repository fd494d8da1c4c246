/** Tables of a cluster's parts and apps, and of who applies what: Pulumi, or Git. */
import { deliveredByGit } from "../plan/git";
import { isObject, type Json } from "../plan/monitor";
import type { Plan, PlannedResource } from "../plan/plan";
import { markdownTable } from "./markdown";

const text = (value: Json | undefined, ...path: readonly string[]): string => {
    const found = path.reduce<Json | undefined>((node, key) => (isObject(node) ? node[key] : undefined), value);
    return typeof found === "string" ? found : "";
};

const WORKLOADS = /^kubernetes:(apps\/v1:(Deployment|StatefulSet|DaemonSet)|batch\/v1:CronJob)$/;
const RELEASE = "kubernetes:helm.sh/v3:Release";

/** Every app's workload with its way in and who applies it. */
export function appTable(plan: Plan): string {
    const git = deliveredByGit(plan);
    const rows = plan.resources
        .filter(({ type }) => WORKLOADS.test(type))
        .map(({ urn, type, inputs }) => ({
            namespace: text(inputs, "metadata", "namespace"),
            name: text(inputs, "metadata", "name"),
            kind: type.split(":").at(-1) ?? "",
            by: git.has(urn) ? "Git" : "Pulumi",
        }))
        .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
    const ofOthers = [...new Set(plan.exposures.map(({ workload }) => workload))]
        .filter((workload) => rows.every(({ name }) => name !== workload))
        .sort()
        .map((name) => ({ namespace: "", name, kind: "of a chart, or outside", by: "Pulumi" }));
    return markdownTable(
        ["namespace", "workload", "kind", "reached at", "access", "address", "by"],
        [...rows, ...ofOthers].flatMap(({ namespace, name, kind, by }) => {
            const ways = plan.exposures.filter(({ workload }) => workload === name);
            const row = (host: string, access: string, address: string) => [
                namespace,
                name,
                kind,
                host,
                access,
                address,
                by,
            ];
            return ways.length === 0
                ? [row("", "", "")]
                : ways.map(({ host, access, address, port }) => row(host, access, `${address}:${port}`));
        }),
    );
}

/** Every chart of the platform. */
export const platformTable = (plan: Plan): string =>
    markdownTable(
        ["namespace", "release", "chart", "version"],
        plan.resources
            .filter(({ type }) => type === RELEASE)
            .map(({ inputs }) => [
                text(inputs, "namespace"),
                text(inputs, "name"),
                text(inputs, "chart").split("/").at(-1) ?? "",
                text(inputs, "version"),
            ])
            .sort((a, b) => (a.join("/") < b.join("/") ? -1 : 1)),
    );

/** What Pulumi keeps whoever delivers the apps, and why, by what its type says. The first that fits. */
const KEPT: readonly { readonly what: string; readonly type: RegExp; readonly why: string }[] = [
    {
        what: "charts",
        type: /:Release$/,
        why: "what everything else stands on: made in order, each when the one before it works",
    },
    {
        what: "definitions",
        type: /:CustomResourceDefinition$/,
        why: "an object of theirs that is pruned takes data along",
    },
    { what: "namespaces", type: /core\/v1:Namespace$/, why: "one that is pruned takes everything in it along" },
    {
        what: "volumes",
        type: /:(PersistentVolume|PersistentVolumeClaim|StorageClass)$/,
        why: "a tree that loses a file must not lose data",
    },
    {
        what: "backups",
        type: /volsync|velero\.io|longhorn\.io.*RecurringJob/,
        why: "a restore comes before the pod that would start empty",
    },
    { what: "databases", type: /postgresql\.cnpg\.io|redis|barmancloud/i, why: "the same" },
    {
        what: "names and tunnels",
        type: /^(cloudflare|tailscale):/,
        why: "derived from the apps' own words, in accounts outside the cluster",
    },
    { what: "Git's own hand", type: /argoproj\.io|fluxcd|toolkit/, why: "where it follows, and what it may do" },
    { what: "commands", type: /^command:/, why: "waits, looks and last backups: they are no objects" },
    {
        what: "Secrets of the platform",
        type: /core\/v1:Secret$|external-secrets\.io/,
        why: "the stores themselves, and what opens them",
    },
    { what: "the rest of the platform", type: /^kubernetes:/, why: "settings of the above" },
];

const TOP = 8;

/** Who applies what. */
export function ownerTable(plan: Plan): string {
    const git = deliveredByGit(plan);
    const named = ({ name, inputs, type }: PlannedResource): string =>
        (type === RELEASE ? text(inputs, "name") : text(inputs, "metadata", "name")) || name;
    const list = (names: readonly string[]) => {
        const known = [...new Set(names)].sort();
        return known.length > TOP
            ? `${known.slice(0, TOP).join(", ")} and ${known.length - TOP} more`
            : known.join(", ");
    };
    const byPulumi = plan.resources.filter(
        ({ urn, custom, type }) => custom && !git.has(urn) && !type.startsWith("pulumi:"),
    );
    const apps = byPulumi.filter(({ urn }) => /homelab:apps:(Scheduled)?Workload\$kubernetes:/.test(urn));
    const platform = byPulumi.filter((one) => !apps.includes(one));
    const data = /:(PersistentVolume|PersistentVolumeClaim)$/;
    const delivered = [...new Set([...git.values()].filter(({ files }) => !files).map(({ app }) => app))];
    const rows = KEPT.flatMap(({ what, why }, index) => {
        const own = [...platform, ...apps.filter((one) => data.test(one.type))].filter(
            (one) => KEPT.findIndex((other) => other.type.test(one.type)) === index,
        );
        return own.length === 0 ? [] : [[what, "Pulumi", String(own.length), list(own.map(named)), why]];
    });
    const workloads = apps.filter(({ type }) => WORKLOADS.test(type)).map(named);
    return markdownTable(
        ["what", "by", "objects", "such as", "why"],
        [
            ...(delivered.length === 0
                ? []
                : [["apps", "Git", String(git.size), list(delivered), "a push is enough to change them"]]),
            ...(workloads.length === 0
                ? []
                : [
                      [
                          "apps",
                          "Pulumi",
                          String(apps.filter(({ type }) => !data.test(type)).length),
                          list(workloads),
                          "their `delivery` says so",
                      ],
                  ]),
            ...rows,
        ],
    );
}
