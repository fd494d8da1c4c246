/** What looks at every node's network, what it tells, and what that silences; logs and dashboards on volumes. */
import { parse } from "yaml";
import { RULES } from "../../components/monitoring/alerts";
import { inhibitRules, inhibitRulesOfChart } from "../../components/monitoring/inhibitions";
import { lookingFrom, probeModules } from "../../components/monitoring/node-probe";
import { alertmanagerConfig } from "../../components/monitoring/receivers";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { openStack } from "../../stacks";
import { planStack, type Plan } from "../../tools/plan/plan";
import { crdFaults, haveCrds } from "./crd-schema";
import { builtInFaults, haveOpenApi } from "./kubernetes-schema";
import { dig, lookInto, type Inputs } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";

jest.setTimeout(120_000);

const NODES = [
    { name: "k3s1", address: "192.168.10.21" },
    { name: "k3s2", address: "192.168.10.22" },
    { name: "desktop", address: "192.168.10.40", optional: true },
];
const NAMES = NODES.map(({ name }) => name);
const config = (from: string) =>
    lookingFrom("node-probe", NODES.find(({ name }) => name === from) ?? { name: from, address: "" }, {
        nodes: NODES,
        dnsAddress: "10.43.0.10",
        namespace: "observability",
    });

describe("from every node to every node (K-MON-01)", () => {
    test.each(NAMES)("%s looks at all others by address and from pod to pod, and at the cluster's DNS", (from) => {
        const { staticConfigs } = config(from);
        const pairs = staticConfigs.map(({ labels: { via, node } }) => [via, node]);
        const others = NAMES.filter((name) => name !== from);
        expect(pairs).toEqual([
            ...others.map((name) => ["icmp", name]),
            ...others.map((name) => ["pods", name]),
            ["dns", from],
        ]);
        expect(staticConfigs.every(({ labels }) => labels.from === from)).toBe(true);
        // Each way is a module of the exporter.
        for (const { labels } of staticConfigs) expect(Object.keys(probeModules())).toContain(labels.via);
    });

    test("an address is asked as such, a pod by the name that its node's Service has, DNS at its Service", () => {
        expect(config("k3s1").staticConfigs.map(({ targets }) => targets[0])).toEqual([
            "192.168.10.22",
            "192.168.10.40",
            "http://node-probe-k3s2.observability.svc.cluster.local:9115/-/healthy",
            "http://node-probe-desktop.observability.svc.cluster.local:9115/-/healthy",
            "10.43.0.10",
        ]);
        expect(config("k3s1").relabelings).toContainEqual({
            targetLabel: "__address__",
            replacement: "node-probe-k3s1.observability.svc.cluster.local:9115",
        });
    });
});

describe("on a cluster", () => {
    let plan: Plan;
    beforeAll(async () => {
        const value = readStackValue(ROOT, "chongus") as { monitoring: object };
        const monitoring = {
            nodeProbe: true,
            servers: { r730: "192.168.10.5:2049" },
            loki: { storage: "50Gi" },
            grafanaStorage: "5Gi",
            receivers: [{ kind: "ntfy" }],
        };
        plan = await planStack("chongus", { ...value, monitoring }, ROOT);
    });
    const { all, find, values, below } = lookInto(() => plan);

    test("an exporter on each node, whatever keeps other pods off it, as nobody and with no capability", () => {
        const daemons = all("apps/v1:DaemonSet").filter(({ name }) => name.startsWith("node-probe-"));
        expect(daemons.map(({ name }) => name)).toEqual([
            "node-probe-node01",
            "node-probe-node02",
            "node-probe-node03",
        ]);
        for (const { name, inputs } of daemons) {
            const pod = dig(inputs, "spec", "template", "spec") as Inputs;
            expect(pod["nodeSelector"]).toEqual({ "kubernetes.io/hostname": name.replace("node-probe-", "") });
            expect(pod["tolerations"]).toEqual([{ operator: "Exists" }]);
            expect(pod["securityContext"]).toMatchObject({
                runAsNonRoot: true,
                // Without it an ICMP echo would need NET_RAW.
                sysctls: [{ name: "net.ipv4.ping_group_range", value: "0 2147483647" }],
            });
            expect(dig(pod, "containers", 0, "securityContext", "capabilities")).toEqual({ drop: ["ALL"] });
            expect(pod).not.toHaveProperty("hostNetwork");
            expect(dig(find("core/v1:Service", name).inputs, "spec")).toMatchObject({
                clusterIP: "None",
                selector: dig(inputs, "spec", "selector", "matchLabels"),
            });
        }
        const file = dig(find(":ConfigMap", "node-probe").inputs, "data", "blackbox.yaml") as string;
        expect(parse(file)).toEqual({ modules: probeModules() });
        expect(JSON.stringify(find(":ScrapeConfig", "node-probe-node02").inputs)).toContain("10.96.0.10");
    });

    test("the objects are valid", () => {
        if (!haveCrds || !haveOpenApi)
            return console.warn("skipped: ../shared/crds or Kubernetes' sources are not here");
        const objects = [...below("node-probe"), ...below("blackbox"), ...below("alerts")].filter(
            ({ type }) => type.startsWith("kubernetes:") && !type.endsWith(":Release"),
        );
        expect(objects.length).toBeGreaterThan(10);
        const faults = objects.flatMap(({ type, inputs }) =>
            type.includes("monitoring.coreos.com")
                ? crdFaults(inputs as never)
                : (builtInFaults(inputs as never) ?? []),
        );
        expect(faults).toEqual([]);
    });

    test("its rules are there, the chart's two of the same matter are not, and both ways to silence know the network", () => {
        const rules = all(":PrometheusRule").map(({ inputs }) => dig(inputs, "metadata", "name"));
        expect(rules).toEqual(expect.arrayContaining(["node-network", "node-pods", "servers"]));
        expect(values("prometheus")).toMatchObject({
            defaultRules: { disabled: { KubePodCrashLooping: true, KubePodNotReady: true } },
            alertmanager: { config: { global: { resolve_timeout: "5m" }, inhibit_rules: inhibitRulesOfChart(true) } },
        });
        expect(dig(find(":AlertmanagerConfig", "prometheus-receivers").inputs, "spec", "inhibitRules")).toEqual(
            inhibitRules(true),
        );
    });

    test("the file server must take a connection (K-DR-01)", () => {
        const probe = find(":Probe", "blackbox-server-r730").inputs;
        expect(dig(probe, "spec")).toMatchObject({
            module: "tcp_connect",
            targets: { staticConfig: { static: ["192.168.10.5:2049"], labels: { server: "r730" } } },
        });
        expect(dig(values("blackbox"), "config", "modules", "tcp_connect")).toMatchObject({ prober: "tcp" });
    });

    test("logs and Grafana's own are on volumes of the class that the recipe gives, without a key of any bucket (K-STOR-08)", () => {
        expect(values("loki")).toMatchObject({
            loki: {
                storage: { type: "filesystem" },
                schemaConfig: { configs: [{ object_store: "filesystem" }] },
                compactor: { delete_request_store: "filesystem" },
            },
            singleBinary: { persistence: { size: "50Gi" } },
        });
        expect(JSON.stringify(values("loki"))).not.toMatch(/s3/i);
        expect(values("grafana")).toMatchObject({
            persistence: { enabled: true, size: "5Gi" },
            deploymentStrategy: { type: "Recreate" },
        });
        // One class for all four.
        const classes = [
            dig(values("loki"), "singleBinary", "persistence", "storageClass"),
            dig(values("grafana"), "persistence", "storageClassName"),
            ...["prometheus.prometheusSpec.storageSpec", "alertmanager.alertmanagerSpec.storage"].map((path) =>
                dig(values("prometheus"), ...path.split("."), "volumeClaimTemplate", "spec", "storageClassName"),
            ),
        ];
        expect(classes).toEqual(Array.from({ length: 4 }, () => "ceph-block"));
        const refs = openStack("bitty", {
            ...(readStackValue(ROOT, "bitty") as object),
            secrets: {},
            backups: undefined,
            monitoring: { loki: { storage: "50Gi" } },
        }).secrets.flatMap((file) => file.refs);
        expect(refs.filter((ref) => ref.startsWith("monitoring."))).toEqual([]);
    });

    test("the whole charts take these values", async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        const resources = ["loki", "grafana", "blackbox", "prometheus"].map((name) => find(":Release", name));
        const rendered = await renderReleases({ resources }, "1.33.0");
        const of = (name: string) => rendered.find(({ release }) => release.name === name)?.objects ?? [];
        const loki = of("loki").find(({ kind, metadata }) => kind === "ConfigMap" && metadata.name === "loki");
        const file = parse(dig(loki, "data", "config.yaml") as string) as object;
        expect(dig(file, "common", "storage")).toEqual({
            filesystem: { chunks_directory: "/var/loki/chunks", rules_directory: "/var/loki/rules" },
        });
        expect(
            dig(
                of("grafana").find(({ kind }) => kind === "PersistentVolumeClaim"),
                "spec",
            ),
        ).toMatchObject({
            storageClassName: "ceph-block",
        });
        const modules = parse(
            dig(
                of("blackbox").find(({ kind }) => kind === "ConfigMap"),
                "data",
                "blackbox.yaml",
            ) as string,
        ) as object;
        expect(Object.keys(dig(modules, "modules") as object).sort()).toEqual(["http_2xx", "tcp_connect"]);
        expect(JSON.stringify(of("prometheus"))).not.toMatch(/"alert":"KubePod(CrashLooping|NotReady)"/);
    });
});

test("without the key nothing of it is there", async () => {
    const plan = await planStack("bitty", readStackValue(ROOT, "bitty"), ROOT);
    const { all, values } = lookInto(() => plan);
    expect(all("apps/v1:DaemonSet").filter(({ name }) => name.startsWith("node-probe"))).toEqual([]);
    expect(values("prometheus")).not.toHaveProperty("defaultRules");
    expect(values("blackbox")).not.toHaveProperty("config");
});

describe("what silences what (K-MON-02, K-NET-12)", () => {
    const network = inhibitRules(true).at(-1);
    const alerts = Object.values(RULES).flat() as readonly {
        alert: string;
        expr: string;
        layer?: string;
        summary: string;
    }[];
    const byLayer = (layer: string) => alerts.filter((rule) => rule.layer === layer);

    test("a node's network silences storage and pods of that node, and nothing else", () => {
        expect(network).toEqual({
            sourceMatch: [{ name: "alertname", value: "NodeNetworkUnreachable|NodeNetworkIsolated", matchType: "=~" }],
            targetMatch: [{ name: "layer", value: "storage|pods", matchType: "=~" }],
            equal: ["node"],
        });
        expect(inhibitRulesOfChart(true).at(-2)).toEqual({
            source_matchers: ['alertname =~ "NodeNetworkUnreachable|NodeNetworkIsolated"'],
            target_matchers: ['layer =~ "storage|pods"'],
            equal: ["node"],
        });
        expect(inhibitRules(false)).toEqual(inhibitRules(true).slice(0, -1));
        expect(alertmanagerConfig([], "none").inhibitRules).toEqual(inhibitRules(false));
    });

    test("its sources exist and are of the network; every alert of the network or of what stands on it says which node or server", () => {
        const sources = ["NodeNetworkUnreachable", "NodeNetworkIsolated"];
        for (const source of sources) expect(byLayer("network").map(({ alert }) => alert)).toContain(source);
        for (const { alert, expr, summary } of ["network", "storage", "pods"].flatMap(byLayer)) {
            expect([alert, summary]).toEqual([alert, expect.stringMatching(/\$labels\.(node|server)/)]);
            // A sum without the label would lose it.
            expect([alert, expr]).toEqual([alert, expect.not.stringMatching(/by \((?!.*node)[^)]*\)$/)]);
        }
        expect(byLayer("storage").map(({ alert }) => alert)).toEqual([
            "LonghornNodeNotReady",
            "LonghornVolumeFaulted",
            "LonghornVolumeDegraded",
            "LonghornDiskNotReady",
            "LonghornDiskAlmostFull",
        ]);
    });

    test("machines that are not in the cluster alarm nobody", () => {
        for (const { alert, expr } of RULES["node-network"]) {
            if (alert === "NodeProbesAbsent") continue;
            expect([alert, expr]).toEqual([alert, expect.stringMatching(/and on \(node\) kube_node_info$/)]);
        }
    });
});
