/** Tables of a cluster's parts and apps, and of who applies what: Pulumi, or Git. */
import { total } from "../../config/quantities";
import { deliveredByGit, type GitOwner } from "../plan/git";
import { isObject, type Json } from "../plan/monitor";
import { isOfApp, keptByPulumi, ownName } from "../plan/owners";
import type { Plan } from "../plan/plan";
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

/** Every chart of the platform, and who applies it. */
export function platformTable(plan: Plan): string {
    const git = deliveredByGit(plan);
    return markdownTable(
        ["namespace", "release", "chart", "version", "by"],
        plan.resources
            .filter(({ type }) => type === RELEASE)
            .map(({ urn, inputs }) => [
                text(inputs, "namespace"),
                text(inputs, "name"),
                text(inputs, "chart").split("/").at(-1) ?? "",
                text(inputs, "version"),
                git.has(urn) ? "Git" : "Pulumi",
            ])
            .sort((a, b) => (a.join("/") < b.join("/") ? -1 : 1)),
    );
}

const TOP = 8;

/** Who applies what. */
export function ownerTable(plan: Plan): string {
    const git = deliveredByGit(plan);
    const list = (names: readonly string[]) => {
        const known = [...new Set(names)].sort();
        return known.length > TOP
            ? `${known.slice(0, TOP).join(", ")} and ${known.length - TOP} more`
            : known.join(", ");
    };
    const byPulumi = plan.resources.filter((one) => !git.has(one.urn) && isOfApp(one));
    const delivered = [...git].filter(([, { form }]) => form !== "files");
    const byGit = (what: string, owners: readonly (readonly [string, GitOwner])[]) =>
        owners.length === 0
            ? []
            : [
                  [
                      what,
                      "Git",
                      String(owners.length),
                      list(owners.map(([, { app }]) => app)),
                      "a push is enough to change them",
                  ],
              ];
    const isPart = ([, { path }]: readonly [string, GitOwner]) => /(^|\/)platform\//.test(path);
    const kept = keptByPulumi(plan);
    return markdownTable(
        ["what", "by", "objects", "such as", "why"],
        [
            ...byGit(
                "apps",
                delivered.filter((one) => !isPart(one)),
            ),
            ...byGit("parts of the platform", delivered.filter(isPart)),
            ...(byPulumi.length === 0
                ? []
                : [
                      [
                          "apps",
                          "Pulumi",
                          String(byPulumi.length),
                          list(byPulumi.filter(({ type }) => WORKLOADS.test(type)).map(ownName)),
                          "their `delivery` says so",
                      ],
                  ]),
            ...[...new Set(kept.map(({ what }) => what))].map((what) => {
                const rows = kept.filter((one) => one.what === what);
                return [
                    what,
                    "Pulumi",
                    String(total(rows, ({ objects }) => objects)),
                    list(rows.flatMap(({ names }) => names)),
                    rows[0]?.why ?? "",
                ];
            }),
        ],
    );
}
