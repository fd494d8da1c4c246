/** Every value that the program sets must be one that the chart knows: Helm drops a misspelt key without a word. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { charts } from "../../components/charts";
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../tools/stack-file";

const SHARED = join(ROOT, "..", "shared", "charts");
const here = existsSync(SHARED) ? test : test.skip;
const skipped = existsSync(SHARED) ? "" : " (skipped: ../shared/charts is not here)";

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
    "grafana.ini",
    "loki.limits_config",
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

/** Directory of a chart among the facts, where it is not the chart's name. */
const DIRECTORIES: Record<string, string> = { loki: "loki-community" };

/** Keys that the charts' templates read and their values.yaml only shows commented out, or as an empty example. */
const COMMENTED_OUT = [
    "alloy: configReloader.resources.limits",
    "ceph-csi-drivers: operatorConfig.driverSpecDefaults.controllerPlugin.priorityClassName",
    "cilium: loadBalancer.algorithm",
    "cilium: loadBalancer.mode",
    "grafana: annotations",
    "loki: loki.storage.bucketNames",
    "metrics-server: resources.limits",
];

here.each([
    ["homelab", 4],
    ["chongus", 23],
])(`values of every Release of %s exist in the pinned chart${skipped}`, async (stack, count) => {
    const plan = await planStack(stack, readStackValue(ROOT, stack), ROOT);
    const releases = plan.resources.filter(({ type }) => type.endsWith(":Release"));
    expect(releases.length).toBe(count);
    const faults = releases.flatMap(({ inputs }) => {
        const { chart: reference, values } = inputs as { chart: string; values?: Tree };
        const chart = reference.slice(reference.lastIndexOf("/") + 1);
        const directory = DIRECTORIES[chart] ?? chart;
        if (!existsSync(join(SHARED, directory, "values.yaml"))) return [];
        const known = upstream(directory);
        for (const [key, subchart] of Object.entries(SUBCHARTS[chart] ?? {})) {
            known[key] = merged(upstream(subchart), isTree(known[key]) ? known[key] : {});
        }
        return strangers(values ?? {}, known).map((path) => `${chart}: ${path}`);
    });
    expect(faults.filter((fault) => !COMMENTED_OUT.includes(fault))).toEqual([]);
});

/** Charts of which the facts have nothing. */
const UNKNOWN_CHARTS = ["coredns", "ceph-csi-drivers"];

here(`pinned versions are those the facts were taken from${skipped}`, () => {
    const facts = JSON.parse(readFileSync(join(SHARED, "..", "facts", "charts-and-crds.json"), "utf8")) as {
        chart: string;
        effectiveVersion: string;
    }[];
    const known = new Set(facts.map(({ chart, effectiveVersion }) => `${chart} ${effectiveVersion}`));
    const strange = Object.values(charts).filter(({ name, version }) => !known.has(`${name} ${version}`));
    expect(strange.map(({ name }) => name)).toEqual(UNKNOWN_CHARTS);
});
