/** Every value that the program sets must be one that the chart knows: Helm drops a misspelt key without a word. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { charts } from "../../components/charts";
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../tools/stack-file";

const SHARED = join(ROOT, "..", "shared", "charts");
const here = existsSync(SHARED) ? test : test.skip;

/** Keys of subcharts stand in their own values.yaml. */
const SUBCHARTS: Record<string, Record<string, string>> = {
    "kube-prometheus-stack": {
        grafana: "grafana",
        "kube-state-metrics": "kube-state-metrics",
        "prometheus-node-exporter": "prometheus-node-exporter",
    },
};

/** Maps whose keys are the application's own settings, not the chart's. */
const FREE_MAPS = [
    "configs.cm",
    "configs.params",
    "grafana.grafana.ini",
    // The CephCluster's own spec: its CRD is what knows its fields (tests/unit/storage.test.ts).
    "cephClusterSpec",
];

type Tree = Record<string, unknown>;
const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);
const upstream = (chart: string) =>
    parse(readFileSync(join(SHARED, chart, "values.yaml"), "utf8"), { merge: true }) as Tree;

function merged(below: Tree, above: Tree): Tree {
    const both = { ...below };
    for (const [key, value] of Object.entries(above)) {
        const other = both[key];
        both[key] = isTree(value) && isTree(other) ? merged(other, value) : value;
    }
    return both;
}

/** Paths that upstream does not know. An empty map or null upstream takes anything. */
function strangers(own: Tree, known: Tree, path: string[] = []): string[] {
    return Object.entries(own).flatMap(([key, value]) => {
        const here = [...path, key];
        if (!(key in known)) return [here.join(".")];
        const below = known[key];
        const free = FREE_MAPS.includes(here.join("."));
        return isTree(value) && isTree(below) && Object.keys(below).length > 0 && !free
            ? strangers(value, below, here)
            : [];
    });
}

here("values of every Release exist in the pinned chart", async () => {
    const plan = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
    const releases = plan.resources.filter(({ type }) => type.endsWith(":Release"));
    expect(releases.length).toBe(4);
    const faults = releases.flatMap(({ inputs }) => {
        const { chart, values } = inputs as { chart: string; values?: Tree };
        const known = upstream(chart);
        for (const [key, subchart] of Object.entries(SUBCHARTS[chart] ?? {})) {
            known[key] = merged(upstream(subchart), isTree(known[key]) ? known[key] : {});
        }
        return strangers(values ?? {}, known).map((path) => `${chart}: ${path}`);
    });
    expect(faults).toEqual([]);
});

/** Charts of which the facts have nothing. */
const UNKNOWN_CHARTS = ["coredns", "ceph-csi-drivers"];

here("pinned versions are those the facts were taken from", () => {
    const facts = JSON.parse(readFileSync(join(SHARED, "..", "facts", "charts-and-crds.json"), "utf8")) as {
        chart: string;
        effectiveVersion: string;
    }[];
    const known = new Set(facts.map(({ chart, effectiveVersion }) => `${chart} ${effectiveVersion}`));
    const strange = Object.values(charts).filter(({ name, version }) => !known.has(`${name} ${version}`));
    expect(strange.map(({ name }) => name)).toEqual(UNKNOWN_CHARTS);
});
