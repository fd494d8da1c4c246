/** Every value that the program sets must be one that the chart knows: Helm drops a misspelt key without a word. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { charts } from "../../components/charts";
import { stackNames } from "../../stacks";
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";

const SHARED = join(ROOT, "..", "shared", "charts");
const here = existsSync(SHARED) ? test : test.skip;
const skipped = existsSync(SHARED) ? "" : " (skipped: ../shared/charts is not here)";

/** Charts whose values are not at hand; what is set of them was read from their templates. */
const WITHOUT_VALUES: Record<string, string> = {
    coredns: "the facts have no chart of CoreDNS; the values' shape is asserted in network.test.ts",
    "trust-manager": "the facts do not know this chart; the values' shape is asserted in mesh.test.ts",
    "ceph-csi-drivers": "the facts know this chart by name only; the values' shape is asserted in storage.test.ts",
};

/** Directories of values that are not called after the chart: `loki` is the retired one of Grafana itself. */
const DIRECTORIES: Record<string, string> = {
    base: "istio-base",
    gateway: "istio-gateway",
    loki: "loki-community",
    "intel-device-plugins-gpu": "intel-gpu-device-plugin",
    "intel-device-plugins-operator": "intel-device-plugin-operator",
};

/** Keys of subcharts stand in their own values.yaml. */
const SUBCHARTS: Record<string, Record<string, string>> = {
    "kube-prometheus-stack": {
        grafana: "grafana",
        "kube-state-metrics": "kube-state-metrics",
        "prometheus-node-exporter": "prometheus-node-exporter",
    },
    "rook-ceph": { "ceph-csi-operator": "ceph-csi-operator" },
};

/** Charts of which only the whole archive is at hand. */
const ARCHIVES: Record<string, string> = {
    "amd-gpu": "amd-gpu-0.21.0.tgz",
    "bitwarden-sdk-server": "bitwarden-sdk-server-v0.6.0.tgz",
    "ceph-csi-operator": "ceph-csi-operator-1.0.4.tgz",
};

/** Maps whose keys are the application's own settings, not the chart's. */
const FREE_MAPS = [
    "configs.cm",
    "configs.params",
    "grafana.ini",
    "grafana.grafana.ini",
    // Loki's own block; the chart copies it whole into Loki's configuration.
    "loki.limits_config",
    // The CephCluster's own spec: its CRD is what knows its fields (tests/unit/storage.test.ts).
    "cephClusterSpec",
    // Kubernetes' own type, copied whole.
    "controller.updateStrategy.rollingUpdate",
    // The blackbox exporter's own file.
    "config.modules",
];

/** Keys that a chart takes although its values.yaml has them in a comment only: the line that proves it. */
const COMMENTED: Record<string, Record<string, string>> = {
    cilium: {
        "loadBalancer.algorithm": "  # algorithm: random\n",
        "loadBalancer.mode": "  # mode: snat\n",
        "socketLB.hostNamespaceOnly": "  # hostNamespaceOnly: false\n",
    },
    // Of all five parts of cert-manager; their templates go through one helper.
    "cert-manager": Object.fromEntries(
        ["", "webhook.", "cainjector.", "startupapicheck.", "acmesolver."].map((part) => [
            `${part}image.digest`,
            `${part === "" ? "" : "  "}  # digest: sha256:0e072dddd1f7f8fc8909a2ca6f65e76c5f0d2fcfb8be47935ae3457e8bbceb20\n`,
        ]),
    ),
    descheduler: {
        startingDeadlineSeconds: "# startingDeadlineSeconds: 200\n",
        successfulJobsHistoryLimit: "# successfulJobsHistoryLimit: 3\n",
        failedJobsHistoryLimit: "# failedJobsHistoryLimit: 1\n",
        ttlSecondsAfterFinished: "# ttlSecondsAfterFinished: 600\n",
        activeDeadlineSeconds: "# activeDeadlineSeconds: 60 #",
        timeZone: "# timeZone: Etc/UTC\n",
        "deschedulerPolicy.maxNoOfPodsToEvictPerNode": "  # maxNoOfPodsToEvictPerNode: 10\n",
    },
    "linkerd-control-plane": {
        destinationResources: "#destinationResources:\n",
        identityResources: "#identityResources:\n",
        proxyInjectorResources: "#proxyInjectorResources:\n",
        spValidatorResources: "#spValidatorResources:\n",
    },
    vault: { "server.readinessProbe.path": "    # path: /v1/sys/health?standbyok=true\n" },
    reloader: { "image.digest": "  # digest: sha256:1234567\n" },
    "local-path-provisioner": {
        "storageClass.provisionerName": "  # provisionerName: rancher.io/local-path\n",
        storageClassConfigs: "# storageClassConfigs: {}\n",
    },
    grafana: {
        annotations: "## Deployment annotations\n# annotations: {}\n",
        "persistence.storageClassName": "  # storageClassName: default\n",
    },
    velero: {
        "image.digest": "  # digest:\n",
        "configuration.repositoryMaintenanceJob.repositoryConfigData.global.podResources":
            "      # global:\n      #   podResources:\n",
    },
    loki: { "loki.storage.bucketNames": "    # bucketNames:\n    #   chunks: FIXME\n    #   ruler: FIXME\n" },
};

type Tree = Record<string, unknown>;
const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);
function valuesFile(chart: string): string {
    const archive = ARCHIVES[chart];
    if (archive === undefined) return readFileSync(join(SHARED, DIRECTORIES[chart] ?? chart, "values.yaml"), "utf8");
    const path = join(SHARED, "..", "charts-full", archive);
    const { status, stdout, stderr } = spawnSync("tar", ["-xzOf", path, `${chart}/values.yaml`], { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return stdout;
}
/** Istio's charts have their defaults below a key of their own, and take values without it. */
function upstream(chart: string): Tree {
    const values = parse(valuesFile(chart), { merge: true }) as Tree;
    const wrapped = values["_internal_defaults_do_not_set"];
    return isTree(wrapped) ? wrapped : values;
}

function merged(below: Tree, above: Tree): Tree {
    const both = { ...below };
    for (const [key, value] of Object.entries(above)) {
        const other = both[key];
        both[key] = isTree(value) && isTree(other) ? merged(other, value) : value;
    }
    return both;
}

/** What a `resources` map may hold: Kubernetes' own type, of which charts name the half that they set. */
const RESOURCES: Tree = { claims: [], limits: {}, requests: {} };

/** Paths that upstream does not know. An empty map or null upstream takes anything. */
function strangers(own: Tree, known: Tree, path: string[] = []): string[] {
    return Object.entries(own).flatMap(([key, value]) => {
        const here = [...path, key];
        if (!(key in known)) return [here.join(".")];
        const there = known[key];
        // Linkerd's have a form of their own: cpu and memory, each with limit and request.
        const below = key === "resources" && isTree(there) && !isTree(there["memory"]) ? RESOURCES : there;
        const free = FREE_MAPS.includes(here.join("."));
        return isTree(value) && isTree(below) && Object.keys(below).length > 0 && !free
            ? strangers(value, below, here)
            : [];
    });
}

/** Chart and values of every Release of a stack; an OCI reference ends with the chart's name. */
async function releasesOf(stack: string): Promise<{ chart: string; values: Tree }[]> {
    const { resources } = await planStack(stack, readStackValue(ROOT, stack), ROOT);
    return resources
        .filter(({ type }) => type.endsWith(":Release"))
        .map(({ inputs }) => {
            const { chart, values = {} } = inputs as { chart: string; values?: Tree };
            return { chart: chart.replace(/^oci:.*\//, ""), values };
        });
}

/** Whether a comment of the chart knows the path, or one of its subchart. */
function isCommented(chart: string, path: string): boolean {
    const [key = "", ...below] = path.split(".");
    const subchart = SUBCHARTS[chart]?.[key];
    return (
        COMMENTED[chart]?.[path] !== undefined ||
        (subchart !== undefined && COMMENTED[subchart]?.[below.join(".")] !== undefined)
    );
}

const releases: Record<string, { chart: string; values: Tree }[]> = {};
beforeAll(async () => {
    for (const stack of stackNames(ROOT)) releases[stack] = await releasesOf(stack);
});

describe.each(stackNames(ROOT))("stack %s", (stack) => {
    here(`values of every Release exist in the pinned chart${skipped}`, () => {
        const faults = (releases[stack] ?? []).flatMap(({ chart, values }) => {
            if (chart in WITHOUT_VALUES) return [];
            const known = upstream(chart);
            for (const [key, subchart] of Object.entries(SUBCHARTS[chart] ?? {})) {
                known[key] = merged(upstream(subchart), isTree(known[key]) ? known[key] : {});
            }
            return strangers(values, known)
                .filter((path) => !isCommented(chart, path))
                .map((path) => `${chart}: ${path}`);
        });
        expect(faults).toEqual([]);
    });
});

here(`exceptions are needed, and the comment that proves each stands in the chart${skipped}`, () => {
    const all = Object.values(releases).flat();
    // A chart that only other stacks than the committed ones have is set by nobody here.
    const used = Object.entries(COMMENTED).filter(([name]) => all.some(({ chart }) => chart === name));
    for (const [chart, paths] of used) {
        for (const [path, line] of Object.entries(paths)) {
            expect([chart, path, valuesFile(chart).includes(line)]).toEqual([chart, path, true]);
            const set = all.some(
                (release) => release.chart === chart && strangers(release.values, upstream(chart)).includes(path),
            );
            expect([chart, path, set]).toEqual([chart, path, true]);
        }
    }
    const released = new Set(all.map(({ chart }) => chart));
    for (const chart of Object.keys(WITHOUT_VALUES)) {
        expect([
            chart,
            released.has(chart),
            readdirSync(SHARED).includes(chart) && existsSync(join(SHARED, chart, "values.yaml")),
        ]).toEqual([chart, true, false]);
    }
});

here(`pinned versions are those the facts were taken from${skipped}`, () => {
    const facts = JSON.parse(readFileSync(join(SHARED, "..", "facts", "charts-and-crds.json"), "utf8")) as {
        chart: string;
        effectiveVersion: string;
    }[];
    const known = new Set(facts.map(({ chart, effectiveVersion }) => `${chart} ${effectiveVersion}`));
    const strange = Object.values(charts).filter(
        ({ name, version }) => !known.has(`${name} ${version}`) && ARCHIVES[name] !== `${name}-${version}.tgz`,
    );
    expect(strange.map(({ name }) => name).sort()).toEqual(Object.keys(WITHOUT_VALUES).sort());
});
