/** What watches chongus: metrics, their long memory, logs, dashboards, probes, exporters, alerts. */
import * as k8s from "@pulumi/kubernetes";
import { volSyncValues } from "../../components/backup/volsync";
import { Alerts, RULES } from "../../components/monitoring/alerts";
import { Alloy, alloyValues } from "../../components/monitoring/alloy";
import { Blackbox, blackboxValues } from "../../components/monitoring/blackbox";
import { graphiteMapping } from "../../components/monitoring/graphite-mapping";
import { Grafana, grafanaValues } from "../../components/monitoring/grafana";
import { Loki, LOKI, lokiValues } from "../../components/monitoring/loki";
import { PROMETHEUS_IMAGES, PrometheusStack, THANOS_SIDECARS } from "../../components/monitoring/prometheus-stack";
import { chartResources } from "../../components/monitoring/resources";
import { Thanos, THANOS_QUERY, thanosValues } from "../../components/monitoring/thanos";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { deploy, testPlatform, type TestPlatform } from "./test-platform";

const NAMESPACE = "observability";
const bucket = (name: string) => ({ endpoint: "https://minio.rtrox.io", bucket: name });

let look: ReturnType<typeof lookInto>;
let platform: TestPlatform;
beforeAll(async () => {
    const resources = await planComponent(() => {
        platform = testPlatform({ [NAMESPACE]: "privileged", apps: "restricted" });
        const namespace = platform.namespaces.name(NAMESPACE);
        const storageClass = "ceph-block";
        const prometheus = new PrometheusStack(
            "prometheus",
            {
                namespace,
                size: "cluster",
                crdsBelow: true,
                retention: "14d",
                storage: "55Gi",
                storageClass,
                bucket: bucket("thanos"),
                receivers: [],
                hosts: { prometheus: "prometheus", alertmanager: "alertmanager" },
            },
            platform,
            {},
        );
        const { objectStore } = prometheus;
        if (objectStore === undefined) throw new Error("Prometheus has a bucket and no object store");
        new Thanos("thanos", { namespace, objectStore, storageClass }, {});
        new Loki("loki", { namespace, kept: bucket("loki"), storageClass, secrets: platform.secrets }, {});
        new Alloy("alloy", { namespace }, {});
        new Grafana("grafana", { namespace, host: "grafana", metrics: "thanos", logs: true }, platform, {});
        new Blackbox("blackbox", { namespace, probes: { nas: "https://nas.rtrox.io" } }, {});
        deploy(platform, {
            awair: { rooms: { office: "172.30.40.11" } },
            "graphite-exporter": { address: "172.22.12.3" },
        });
        const fluxNamespace = new k8s.core.v1.Namespace("flux-system", { metadata: { name: "flux-system" } });
        new Alerts(
            "alerts",
            {
                namespace,
                groups: ["volsync", "cloudnative-pg", "probes", "flux"],
                flux: {
                    namespace: fluxNamespace.metadata.name,
                    sharedNamespaces: { apps: platform.namespaces.name("apps") },
                },
            },
            { dependsOn: prometheus },
        );
    });
    look = lookInto(() => ({ resources }));
});
const release = (name: string) => look.find(":Release", name).inputs as Inputs;
const asked = (name: string) => platform.secrets.asked.find((secret) => secret.name === name);
/** Every `resources` below: where the chart's containers get them from. */
const limits = (value: unknown): unknown[] =>
    typeof value !== "object" || value === null
        ? []
        : Object.entries(value).flatMap(([key, item]) =>
              /resources$/i.test(key) ? [dig(item, "limits", "memory")] : limits(item),
          );

describe("Prometheus", () => {
    const spec = () => dig(look.values("prometheus"), "prometheus", "prometheusSpec") as Inputs;

    test("kube-prometheus-stack from its repository, the CRDs below it", () => {
        expect(release("prometheus")).toMatchObject({
            chart: "kube-prometheus-stack",
            repositoryOpts: { repo: "https://prometheus-community.github.io/helm-charts" },
            name: "kube-prometheus-stack",
            namespace: NAMESPACE,
        });
        expect(look.values("prometheus")["crds"]).toEqual({ enabled: false });
    });

    test("14 days on 55Gi of Ceph, each minute, 100m and 2Gi (C-MON-04, C-MON-06, C-MON-07, C-MON-08)", () => {
        expect(spec()["retention"]).toBe("14d");
        expect(spec()["scrapeInterval"]).toBe("1m");
        expect(spec()["resources"]).toEqual({ requests: { cpu: "100m" }, limits: { memory: "2Gi" } });
        expect(spec()["storageSpec"]).toEqual({
            volumeClaimTemplate: {
                spec: {
                    storageClassName: "ceph-block",
                    accessModes: ["ReadWriteOnce"],
                    resources: { requests: { storage: "55Gi" } },
                },
            },
        });
    });

    test("monitors, rules and probes of every namespace and chart count", () => {
        const nilUsesHelmValues = Object.entries(spec()).filter(([key]) => key.endsWith("NilUsesHelmValues"));
        expect(nilUsesHelmValues.map(([key]) => key).sort()).toEqual(
            ["podMonitor", "probe", "rule", "scrapeConfig", "serviceMonitor"].map(
                (kind) => `${kind}SelectorNilUsesHelmValues`,
            ),
        );
        expect(new Set(nilUsesHelmValues.map(([, value]) => value))).toEqual(new Set([false]));
    });

    test("Cilium's chart brings its monitors here: no second ones", () => {
        expect(look.all("Monitor").map(({ name }) => name)).toEqual(["awair-office", "graphite-exporter"]);
    });

    test("the sidecar uploads to MinIO, and its Service leads to it (C-MON-05)", () => {
        expect(dig(spec(), "thanos", "objectStorageConfig")).toEqual({
            existingSecret: { name: "thanos-objectstore", key: "objstore.yml" },
        });
        expect(dig(look.values("prometheus"), "prometheus", "thanosService")).toEqual({ enabled: true });
        expect(spec()["externalLabels"]).toEqual({ cluster: "test" });
        const text = asked("thanos-objectstore")?.templates?.["objstore.yml"]?.((ref) => `<${ref}>`);
        expect(text).toBe(
            [
                "type: S3",
                "config:",
                "  bucket: thanos",
                "  endpoint: minio.rtrox.io",
                "  insecure: false",
                '  access_key: "<observability.s3AccessKeyId>"',
                '  secret_key: "<observability.s3SecretAccessKey>"',
                "",
            ].join("\n"),
        );
    });

    test("Alertmanager has 1Gi, resolves after 5m and has no limits of its own (C-MON-09, C-MON-10, C-POL-22)", () => {
        expect(dig(look.values("prometheus"), "alertmanager")).toEqual({
            enabled: true,
            config: { global: { resolve_timeout: "5m" } },
            alertmanagerSpec: {
                ...PROMETHEUS_IMAGES.alertmanager,
                storage: {
                    volumeClaimTemplate: {
                        spec: {
                            storageClassName: "ceph-block",
                            accessModes: ["ReadWriteOnce"],
                            resources: { requests: { storage: "1Gi" } },
                        },
                    },
                },
            },
        });
    });

    test("node-exporter and kube-state-metrics are not switched off, and limited (C-MON-15, C-MON-16)", () => {
        const values = look.values("prometheus");
        expect(values["kube-state-metrics"]).toEqual({
            ...PROMETHEUS_IMAGES.kubeStateMetrics,
            resources: chartResources("64Mi", "512Mi"),
        });
        expect(values["prometheus-node-exporter"]).toEqual({
            ...PROMETHEUS_IMAGES.nodeExporter,
            resources: chartResources("32Mi", "128Mi"),
        });
        expect(values).not.toHaveProperty("nodeExporter");
        expect(values).not.toHaveProperty("kubeStateMetrics");
    });

    test("what Talos and Cilium leave nothing to scrape of is off", () => {
        const off = ["kubeControllerManager", "kubeScheduler", "kubeEtcd", "kubeProxy"];
        expect(off.map((key) => look.values("prometheus")[key])).toEqual(off.map(() => ({ enabled: false })));
    });

    test("every other container is limited, the jobs of the admission webhook too", () => {
        const { prometheusOperator } = look.values("prometheus");
        expect(prometheusOperator).toEqual({
            ...PROMETHEUS_IMAGES.operator,
            resources: chartResources("64Mi", "256Mi"),
            prometheusConfigReloader: {
                ...PROMETHEUS_IMAGES.configReloader,
                resources: chartResources("32Mi", "64Mi", "10m"),
            },
            admissionWebhooks: { patch: { resources: chartResources("16Mi", "64Mi", "10m") } },
        });
        expect(dig(spec(), "thanos", "resources")).toEqual(chartResources("64Mi", "512Mi"));
    });

    test("after the release: both are Available, and both are local hosts", () => {
        const ready = look.find(":Command", "prometheus-ready");
        look.inOrder(look.find(":Secret", "prometheus-objectstore"), look.find(":Release", "prometheus"), ready);
        expect(dig(ready.inputs, "create")).toContain(
            "kubectl --namespace observability wait prometheus,alertmanager --all --for=condition=Available --timeout=600s",
        );
        expect(platform.edge.exposures.slice(0, 2)).toMatchObject([
            { workload: "prometheus", host: "prometheus.example.net", access: "local", port: 9090 },
            { workload: "alertmanager", host: "alertmanager.example.net", access: "local", port: 9093 },
        ]);
        expect(platform.edge.backends.slice(0, 2).map(({ service }) => service)).toEqual([
            "kube-prometheus-stack-prometheus",
            "kube-prometheus-stack-alertmanager",
        ]);
    });
});

describe("Thanos", () => {
    const values = thanosValues({
        sidecars: "dnssrv+_grpc._tcp.sidecars",
        objectStore: "thanos-objectstore",
        storageClass: "ceph-block",
    });

    test("queries go over the sidecars and the bucket, compressed (C-MON-05)", () => {
        expect(release("thanos")).toMatchObject({
            chart: "oci://ghcr.io/stevehipwell/helm-charts/thanos",
            name: "thanos",
            namespace: NAMESPACE,
        });
        expect(values.objstoreConfig).toEqual({ create: false, name: "thanos-objectstore", key: "objstore.yml" });
        expect(look.values("thanos")["additionalEndpoints"]).toEqual([
            `dnssrv+_grpc._tcp.${THANOS_SIDECARS}.observability.svc.cluster.local`,
        ]);
        expect(THANOS_SIDECARS).toBe("kube-prometheus-stack-thanos-discovery");
        expect(values.query.extraArgs).toEqual(["--grpc-compression=snappy"]);
        // The label that Prometheus gives its replicas.
        expect(values.additionalReplicaLabels).toEqual(["replica"]);
        look.inOrder(look.find(":Secret", "prometheus-objectstore"), look.find(":Release", "thanos"));
    });

    test("the compactor prunes the bucket; raw blocks outlive Prometheus' own (C-MON-05)", () => {
        expect(values.compact.enabled).toBe(true);
        expect(values.compact.extraArgs).toEqual([
            "--retention.resolution-raw=90d",
            "--retention.resolution-5m=1y",
            "--retention.resolution-1h=5y",
        ]);
        expect(values.storeGateway.persistence).toEqual({
            enabled: true,
            storageClass: "ceph-block",
            size: "20Gi",
            retainDeleted: false,
        });
        expect(limits(values)).toEqual(["1Gi", "2Gi", "2Gi"]);
    });
});

describe("logs", () => {
    const values = lokiValues({ kept: bucket("loki"), storageClass: "ceph-block" }, "loki-s3");

    test("Loki is one process; the chart refuses it beside a scalable one (C-MON-12)", () => {
        expect(release("loki")).toMatchObject({
            chart: "oci://ghcr.io/grafana-community/helm-charts/loki",
            name: "loki",
            namespace: NAMESPACE,
        });
        expect(values.deploymentMode).toBe("Monolithic");
        expect(
            [values.singleBinary, values.read, values.write, values.backend].map(({ replicas }) => replicas),
        ).toEqual([1, 0, 0, 0]);
        const off = [values.gateway, values.chunksCache, values.resultsCache, values.lokiCanary, values.test];
        expect(off).toEqual(off.map(() => ({ enabled: false })));
        expect(limits(values)).toEqual(["2Gi", "128Mi"]);
    });

    test("its chunks are in the bucket, its credentials in the environment only", () => {
        expect(values.loki.storage).toEqual({
            type: "s3",
            bucketNames: { chunks: "loki", ruler: "loki" },
            s3: {
                endpoint: "https://minio.rtrox.io",
                // Loki's client gives up without a region, whatever the endpoint.
                region: "us-east-1",
                accessKeyId: "${S3_ACCESS_KEY_ID}",
                secretAccessKey: "${S3_SECRET_ACCESS_KEY}",
                s3ForcePathStyle: true,
            },
        });
        expect(values.singleBinary.extraEnvFrom).toEqual([{ secretRef: { name: "loki-s3" } }]);
        expect(asked("loki-s3")?.data).toEqual({
            S3_ACCESS_KEY_ID: "observability.s3AccessKeyId",
            S3_SECRET_ACCESS_KEY: "observability.s3SecretAccessKey",
        });
        look.inOrder(look.find(":Secret", "loki"), look.find(":Release", "loki"));
    });

    test("logs go after 31 days", () => {
        expect(values.loki.limits_config).toEqual({ retention_period: "744h" });
        expect(values.loki.compactor).toEqual({ retention_enabled: true, delete_request_store: "s3" });
    });

    test("Alloy sends them from every node to Loki's Service (C-MON-13)", () => {
        expect(release("alloy")).toMatchObject({ chart: "alloy", name: "alloy", namespace: NAMESPACE });
        const { alloy, crds } = alloyValues();
        expect(crds).toEqual({ create: false });
        expect(alloy.mounts).toEqual({ varlog: true });
        expect(alloy.configMap.content).toContain(`url = "http://${LOKI.service}:${LOKI.port}/loki/api/v1/push"`);
        expect(alloy.configMap.content).toContain(
            `field = "spec.nodeName=" + coalesce(sys.env("HOSTNAME"), constants.hostname)`,
        );
        expect(limits(alloyValues())).toEqual(["512Mi", "64Mi"]);
    });

    test("a container's files are found by namespace, pod and container, as a relabelling rule expands them", () => {
        const rule = /source_labels = (\[.*container_name"\])\s+regex\s+= "(.*)"\s+replacement\s+= "(.*)"/.exec(
            alloyValues().alloy.configMap.content,
        );
        const [, labels = "", regex = "", replacement = ""] = rule ?? [];
        expect(JSON.parse(labels)).toEqual([
            "__meta_kubernetes_namespace",
            "__meta_kubernetes_pod_name",
            "__meta_kubernetes_pod_container_name",
        ]);
        // Go takes the longest name it can: "$1_" would be the group "1_", which is empty.
        expect(replacement).not.toMatch(/\$\d/);
        const groups = new RegExp(`^${regex}$`).exec("media;sonarr-5d8f;sonarr") ?? [];
        expect(replacement.replaceAll(/\$\{(\d)\}/g, (_, group: string) => groups[Number(group)] ?? "")).toBe(
            "/var/log/pods/media_sonarr-5d8f_*/sonarr/*.log",
        );
    });
});

describe("Grafana", () => {
    test("is a release of its own, not the stack's, whose dashboards it shows (C-MON-11)", () => {
        expect(look.values("prometheus")["grafana"]).toEqual({ enabled: false, forceDeployDashboards: true });
        expect(release("grafana")).toMatchObject({
            chart: "oci://ghcr.io/grafana-community/helm-charts/grafana",
            name: "grafana",
            namespace: NAMESPACE,
        });
        expect(dig(look.values("grafana"), "sidecar", "dashboards")).toEqual({
            enabled: true,
            searchNamespace: "ALL",
        });
    });

    test("its limits are its own (C-POL-23)", () => {
        expect(dig(look.values("grafana"), "resources")).toEqual(chartResources("256Mi", "1Gi"));
        expect(limits(look.values("grafana"))).toEqual(["1Gi", "256Mi"]);
    });

    test("asks Thanos, Loki and Alertmanager by their Services", () => {
        const values = grafanaValues({
            ...{ adminSecret: "a", rootUrl: "https://grafana.example.net", annotations: {} },
            ...{ metrics: "thanos", logs: true },
        });
        const { datasources } = values.datasources["datasources.yaml"];
        expect(datasources.map(({ uid, type, url }) => [uid, type, url])).toEqual([
            ["prometheus", "prometheus", "http://thanos-query:10902"],
            ["loki", "loki", "http://loki:3100"],
            ["alertmanager", "alertmanager", "http://kube-prometheus-stack-alertmanager:9093"],
        ]);
        expect([THANOS_QUERY, LOKI]).toEqual([
            { service: "thanos-query", port: 10902 },
            { service: "loki", port: 3100 },
        ]);
        expect(values["grafana.ini"].server).toEqual({ root_url: "https://grafana.example.net" });
    });

    test("its administrator comes from the store; a rotated password restarts it (C-OPS-06)", () => {
        expect(asked("grafana-admin")?.data).toEqual({
            "admin-user": "grafana.adminUser",
            "admin-password": "grafana.adminPassword",
        });
        expect(look.values("grafana")).toMatchObject({
            admin: { existingSecret: "grafana-admin", userKey: "admin-user", passwordKey: "admin-password" },
            annotations: { "reloader.stakater.com/auto": "true" },
        });
        expect(platform.edge.backends.find(({ workload }) => workload === "grafana")).toMatchObject({
            service: "grafana",
            port: 80,
        });
    });
});

describe("exporters", () => {
    test("the blackbox exporter probes what it was told to (C-MON-14)", () => {
        expect(release("blackbox")).toMatchObject({
            chart: "prometheus-blackbox-exporter",
            name: "prometheus-blackbox-exporter",
            namespace: NAMESPACE,
        });
        expect(limits(blackboxValues())).toEqual(["64Mi"]);
        expect(look.find(":Probe", "blackbox-nas").inputs).toEqual({
            apiVersion: "monitoring.coreos.com/v1",
            kind: "Probe",
            metadata: { name: "nas", namespace: NAMESPACE },
            spec: {
                jobName: "nas",
                module: "http_2xx",
                prober: { url: "prometheus-blackbox-exporter:9115" },
                targets: { staticConfig: { static: ["https://nas.rtrox.io"] } },
            },
        });
    });

    const monitor = (name: string) => look.find(":ServiceMonitor", name).inputs;

    test("one awair exporter for each room (C-MON-17)", () => {
        const container = look.container("awair-office");
        expect(container["env"]).toEqual([
            { name: "TZ", value: "America/Los_Angeles" },
            { name: "AWAIR_HOSTNAME", value: "172.30.40.11" },
        ]);
        expect(container["ports"]).toEqual([{ name: "http", containerPort: 8080 }]);
        expect(dig(container, "readinessProbe", "httpGet")).toEqual({ path: "/healthz", port: "http" });
        expect(dig(look.pod("awair-office"), "securityContext")).toMatchObject({
            runAsNonRoot: true,
            runAsUser: 10001,
        });
        expect(dig(monitor("awair-office"), "spec")).toEqual({
            selector: { matchLabels: { "app.kubernetes.io/name": "awair-office" } },
            endpoints: [{ port: "http", interval: "1m" }],
        });
        expect(dig(look.find(":Service", "awair-office").inputs, "metadata", "labels")).toMatchObject({
            "app.kubernetes.io/name": "awair-office",
        });
    });

    test("the graphite exporter listens at an address of its own and is scraped (C-MON-18)", () => {
        expect(look.container("graphite-exporter")["args"]).toEqual([
            "--graphite.listen-address=:2003",
            "--graphite.mapping-config=/etc/graphite-exporter/mapping.yaml",
            "--web.listen-address=:9108",
        ]);
        expect(look.container("graphite-exporter")["volumeMounts"]).toContainEqual(
            expect.objectContaining({ mountPath: "/etc/graphite-exporter/mapping.yaml", readOnly: true }),
        );
        expect(look.find(":Service", "graphite-exporter").inputs).toMatchObject({
            metadata: { annotations: { "test/address": "172.22.12.3", "test/host": "graphite" } },
            spec: {
                type: "LoadBalancer",
                ports: [
                    { name: "graphite", port: 2003, targetPort: "graphite" },
                    { name: "metrics", port: 9108, targetPort: "metrics" },
                ],
            },
        });
        expect(dig(monitor("graphite-exporter"), "spec")).toEqual({
            selector: { matchLabels: { "app.kubernetes.io/name": "graphite-exporter" } },
            endpoints: [{ port: "metrics", interval: "1m" }],
        });
    });
});

describe("graphite-exporter's mapping", () => {
    interface Mapping {
        readonly match: string;
        readonly name: string;
        readonly labels: Readonly<Record<string, string>>;
    }
    const { mappings } = JSON.parse(graphiteMapping()) as { mappings: Mapping[] };
    /** As the exporter reads it: a `*` is one component, the first mapping that fits holds. */
    const metric = (path: string) => {
        for (const { match, name, labels } of mappings) {
            const found = new RegExp(`^${match.replaceAll(".", "\\.").replaceAll("*", "([^.]+)")}$`).exec(path);
            if (found === null) continue;
            return [
                name,
                Object.fromEntries(Object.entries(labels).map(([label, at]) => [label, found[Number(at.slice(1))]])),
            ];
        }
        return undefined;
    };

    test.each([
        ["truenas.nas.system.ram.used", "truenas_memory", { host: "nas", kind: "used" }],
        ["truenas.nas.system.load.load1", "truenas_load", { host: "nas", window: "load1" }],
        ["truenas.nas.system.io.in", "truenas_system", { host: "nas", chart: "io", dimension: "in" }],
        ["truenas.nas.disk.sda.reads", "truenas_disk_io", { host: "nas", disk: "sda", operation: "reads" }],
        ["truenas.nas.net.eno1.sent", "truenas_network", { host: "nas", interface: "eno1", direction: "sent" }],
        [
            "truenas.nas.smart_log_smart.disktemp.sda.S1",
            "truenas_disk_temperature_celsius",
            { host: "nas", disk: "sda", serial: "S1" },
        ],
        [
            "truenas.nas.novel.thing.value",
            "truenas_other",
            { host: "nas", chart: "novel", instance: "thing", dimension: "value" },
        ],
    ])("%s", (path, name, labels) => {
        expect(metric(path)).toEqual([name, labels]);
    });

    test("names are metrics', labels none that a scrape sets, and each is used once for one set of labels", () => {
        for (const { name, labels } of mappings) {
            expect(name).toMatch(/^truenas_[a-z_]+$/);
            expect(Object.keys(labels)).not.toEqual(expect.arrayContaining(["job"]));
        }
        expect(new Set(mappings.map(({ match }) => match)).size).toBe(mappings.length);
        expect(mappings.at(-1)?.match).toBe("truenas.*.*.*.*");
    });
});

describe("alerts", () => {
    const rules = (name: string) => look.find(":PrometheusRule", `alerts-${name}`).inputs;
    const alerts = (name: string) =>
        (dig(rules(name), "spec", "groups", 0, "rules") as Inputs[]).map(({ alert, labels }) => [
            alert,
            dig(labels, "severity"),
        ]);

    test("VolSync: gone, late, late again and again (C-MON-20)", () => {
        expect(alerts("volsync")).toEqual([
            ["VolSyncComponentAbsent", "critical"],
            ["VolSyncVolumeOutOfSync", "critical"],
            ["VolSyncMissedIntervals", "warning"],
        ]);
        expect(rules("volsync")).toMatchObject({
            apiVersion: "monitoring.coreos.com/v1",
            metadata: { name: "volsync", namespace: NAMESPACE },
        });
    });

    test("a VolSync that cannot be scraped is as bad as none; its metrics ask for no token, for nobody sends one", () => {
        expect(dig(rules("volsync"), "spec", "groups", 0, "rules", 0)).toEqual({
            alert: "VolSyncComponentAbsent",
            // The job is the Service's name in VolSync's chart.
            expr: 'absent(up{job="volsync-metrics"} == 1)',
            for: "15m",
            labels: { severity: "critical" },
            annotations: { summary: "VolSync is gone: no volume is backed up" },
        });
        expect(volSyncValues().metrics).toEqual({ disableAuth: true });
    });

    test("CloudNativePG: instances, lag, WAL, backups (C-MON-21)", () => {
        expect(alerts("cloudnative-pg")).toEqual([
            ["CloudNativePgInstanceDown", "critical"],
            ["CloudNativePgReplicationLag", "warning"],
            ["CloudNativePgWalArchiveFailing", "critical"],
            ["CloudNativePgBackupOld", "critical"],
        ]);
        // The plugin's metric: the operator's own is that of the backups it no longer makes.
        expect(RULES["cloudnative-pg"]?.[3]?.expr).toBe(
            "time() - max by (job) (barman_cloud_cloudnative_pg_io_last_available_backup_timestamp) > 129600",
        );
    });

    test("probes: failing, not made at all, a certificate that ends", () => {
        expect(alerts("probes")).toEqual([
            ["ProbeFailing", "critical"],
            ["ProbesAbsent", "warning"],
            ["ProbeCertificateExpires", "warning"],
        ]);
        expect(dig(rules("probes"), "spec", "groups", 0, "rules", 0)).toMatchObject({
            expr: "probe_success == 0",
            for: "15m",
        });
        // The job is the Service's name, which is the release's.
        expect(RULES["probes"]?.[1]?.expr).toBe(`absent(up{job="${String(release("blackbox")["name"])}"} == 1)`);
    });

    test("Flux: itself, and what it delivers (C-MON-22)", () => {
        expect(alerts("flux")).toEqual([
            ["FluxInstanceNotReady", "critical"],
            ["FluxResourceNotReady", "warning"],
        ]);
    });

    test("Flux tells Alertmanager of errors (C-MON-19)", () => {
        expect(look.find(":Provider", "alerts-flux-provider").inputs).toEqual({
            apiVersion: "notification.toolkit.fluxcd.io/v1beta3",
            kind: "Provider",
            metadata: { name: "alertmanager", namespace: "flux-system" },
            spec: {
                type: "alertmanager",
                address:
                    "http://kube-prometheus-stack-alertmanager.observability.svc.cluster.local:9093/api/v2/alerts/",
            },
        });
        // An alert hears its own namespace only: one for each in which Flux has objects.
        expect(look.all(":Alert").map(({ inputs }) => dig(inputs, "metadata"))).toEqual(
            ["flux-system", "apps"].map((namespace) => ({ name: "alertmanager", namespace })),
        );
        expect(look.all(":Provider").map(({ inputs }) => dig(inputs, "metadata", "namespace"))).toEqual([
            "flux-system",
            "apps",
        ]);
        const alert = look.find(":Alert", "alerts-flux-alert").inputs;
        expect(dig(look.find(":Alert", "alerts-flux-apps-alert").inputs, "spec")).toEqual(dig(alert, "spec"));
        expect(alert).toMatchObject({
            apiVersion: "notification.toolkit.fluxcd.io/v1beta3",
            metadata: { name: "alertmanager", namespace: "flux-system" },
            spec: { providerRef: { name: "alertmanager" }, eventSeverity: "error" },
        });
        expect(dig(alert, "spec", "eventSources")).toEqual(
            ["GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "HelmRelease", "Kustomization"].map(
                (kind) => ({ kind, name: "*" }),
            ),
        );
    });

    test("rules and alert come after what they speak to", () => {
        look.inOrder(look.find(":Release", "prometheus"), look.find(":PrometheusRule", "alerts-volsync"));
        look.inOrder(look.find(":Namespace", "flux-system"), look.find(":Alert", "alerts-flux-alert"));
    });
});
