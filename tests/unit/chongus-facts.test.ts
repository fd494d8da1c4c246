/**
 * Facts of chongus' seed (002), held against the plan of the committed stack file. Those whose subject has a test file of
 * its own stand there: `npm run facts -- --stack chongus --json` says where.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { charts } from "../../components/charts";
import { tagOnlyImages } from "../../components/images";
import { cidrRange, contains } from "../../components/network/addresses";
import { stackNames } from "../../stacks";
import { planStack, type Plan, type PlannedResource } from "../../tools/plan/plan";
import { PROJECT, readStackValue, ROOT } from "../../stacks/stack-file";
import { dig, lookInto, type Inputs } from "./planned";

jest.setTimeout(120_000);

let plan: Plan;
beforeAll(async () => {
    plan = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT);
});
const { all, find, values, container, inOrder, waitsFor } = lookInto(() => plan);

const CEPH = "ceph-block";
const spec = (type: string, name: string) => dig(find(type, name).inputs, "spec") as Inputs;
const metadata = ({ inputs }: PlannedResource) =>
    dig(inputs, "metadata") as {
        name: string;
        namespace?: string;
        labels?: Record<string, string>;
        annotations?: Record<string, string>;
    };
const release = (name: string) => find(":Release", name).inputs as Inputs;
/** Files of the project, without what tools put beside them. */
const projectFiles = (): string[] =>
    readdirSync(ROOT, { withFileTypes: true })
        .filter(({ name }) => !["node_modules", ".git", ".sandbox", "coverage"].includes(name))
        .flatMap((entry) =>
            entry.isDirectory()
                ? readdirSync(join(ROOT, entry.name), { recursive: true, encoding: "utf8" }).map(
                      (path) => `${entry.name}/${path}`,
                  )
                : [entry.name],
        );

const alertRules = (name: string) => {
    const groups = spec(":PrometheusRule", `alerts-${name}`)["groups"] as {
        rules: { alert: string; expr: string }[];
    }[];
    return groups.flatMap(({ rules }) => rules);
};

/** Every pod that is declared here, with the controller it belongs to. */
const pods = (): { controller: PlannedResource; pod: Inputs }[] =>
    plan.resources.flatMap((controller) => {
        const at = controller.type.endsWith("apps/v1:Deployment")
            ? ["spec", "template", "spec"]
            : controller.type.endsWith("batch/v1:CronJob")
              ? ["spec", "jobTemplate", "spec", "template", "spec"]
              : undefined;
        return at === undefined ? [] : [{ controller, pod: dig(controller.inputs, ...at) as Inputs }];
    });
const containersOf = (pod: Inputs) => [
    ...((pod["initContainers"] as Inputs[] | undefined) ?? []),
    ...(pod["containers"] as Inputs[]),
];

describe("hand-off to Git", () => {
    test("Flux, by its operator, and no other GitOps engine (C-GITOPS-01, C-BOOT-14)", () => {
        // The stacks of this seed that are built.
        const stacks = stackNames(ROOT).filter((name) => ["chongus", "bitty"].includes(name));
        expect(stacks).toContain("chongus");
        expect(release("flux-operator")).toMatchObject({ name: "flux-operator", namespace: "flux-system" });
        expect(metadata(find(":FluxInstance", "flux"))).toMatchObject({ name: "flux", namespace: "flux-system" });
        inOrder(find(":Release", "flux-operator"), find(":FluxInstance", "flux"));
        expect(JSON.stringify(plan.resources)).not.toMatch(/argoproj|argo-cd/i);
    });

    test("it starts from the active tree, cluster-apps/, and looks at Git each minute (C-GITOPS-03, C-GITOPS-39)", () => {
        expect(spec("v1:GitRepository", "flux-source")).toEqual({
            url: "https://github.com/rtrox/home-ops.git",
            ref: { name: "refs/heads/main" },
            interval: "1m",
        });
        expect(spec("v1:Kustomization", "flux-root")["path"]).toBe("./cluster-apps/chongus");
    });

    test("its three big controllers have a memory limit of 2Gi each (C-POL-19, C-POL-20, C-POL-21)", () => {
        const patches = dig(spec(":FluxInstance", "flux"), "kustomize", "patches") as {
            target: Inputs;
            patch: string;
        }[];
        for (const controller of ["kustomize-controller", "helm-controller", "source-controller"]) {
            const own = patches.filter(
                ({ target, patch }) => target["name"] === controller && patch.includes("memory"),
            );
            expect(own.map(({ target, patch }): unknown => [target["kind"], JSON.parse(patch)])).toEqual([
                [
                    "Deployment",
                    [{ op: "replace", path: "/spec/template/spec/containers/0/resources/limits/memory", value: "2Gi" }],
                ],
            ]);
        }
    });

    test("nothing is filled in from a SOPS secret, and no chart source is shared (C-SEC-05, C-SEC-13, C-GITOPS-21, C-GITOPS-33)", () => {
        const kustomizations = plan.resources.filter(({ type }) => type.endsWith(":Kustomization"));
        expect(kustomizations.map(({ name }) => name)).toEqual(["flux-root"]);
        expect(JSON.stringify(kustomizations)).not.toMatch(/postBuild|substitute|decryption/i);
        expect(plan.resources.filter(({ type }) => type.endsWith(":HelmRepository"))).toEqual([]);
    });

    test("each release has a chart of its own, at an exact version (C-GITOPS-19, C-GITOPS-30, C-GITOPS-41)", () => {
        const used = all(":Release").map(({ inputs }) => String(dig(inputs, "chart")).replace(/^oci:.*\//, ""));
        expect(used.length).toBeGreaterThan(20);
        expect(new Set(used).size).toBe(used.length);
        const names = Object.values(charts).map(({ name }) => name as string);
        expect(new Set(names).size).toBe(names.length);
        for (const { inputs } of all(":Release")) expect(dig(inputs, "version")).toMatch(/^v?\d+\.\d+\.\d+$/);
    });

    test("errors of Flux reach Alertmanager (C-MON-01, C-MON-19)", () => {
        const provider = find(":Provider", "alerts-flux-provider");
        const { name, namespace } = { name: "kube-prometheus-stack-alertmanager", namespace: "observability" };
        expect(dig(provider.inputs, "spec")).toEqual({
            type: "alertmanager",
            address: `http://${name}.${namespace}.svc.cluster.local:9093/api/v2/alerts/`,
        });
        expect(release("prometheus")).toMatchObject({ name: "kube-prometheus-stack", namespace });
        const alert = find(":Alert", "alerts-flux-alert");
        expect(dig(alert.inputs, "spec")).toMatchObject({
            eventSeverity: "error",
            providerRef: { name: metadata(provider).name },
        });
        // Each hears its own namespace: Flux' own, and those that Pulumi makes and Flux may use.
        for (const type of [":Alert", ":Provider"]) {
            expect(
                all(type)
                    .map((one) => `${metadata(one).namespace} ${metadata(one).name}`)
                    .sort(),
            ).toEqual(["ai", "apps", "flux-system", "media", "productivity"].map((one) => `${one} alertmanager`));
        }
        const kinds = (dig(alert.inputs, "spec", "eventSources") as Inputs[]).map(({ kind }) => kind);
        expect(kinds).toEqual(
            expect.arrayContaining(["GitRepository", "OCIRepository", "HelmRelease", "Kustomization"]),
        );
        // Objects in other namespaces have no Alert from here; the rule over metrics sees all of them.
        expect(alertRules("flux").map(({ expr }) => expr)).toContain(
            'flux_resource_info{ready="False", suspended!="True"} == 1',
        );
    });

    test("nothing of the legacy tree (C-GITOPS-35)", () => {
        expect(JSON.stringify(plan.resources)).not.toContain("cluster-cd");
        expect(projectFiles().filter((path) => path.includes("cluster-cd"))).toEqual([]);
    });

    test("no shell scripts: npm and Pulumi are the commands (C-OPS-05, C-OPS-07)", () => {
        // What runs in a pod is no command of a person's.
        const inPods = ["components/backup/kopia.sh"];
        expect(projectFiles().filter((path) => /\.(sh|bash)$/.test(path))).toEqual(inPods);
        const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
            scripts: Record<string, string>;
        };
        expect(Object.keys(scripts)).toEqual(expect.arrayContaining(["sandbox", "plan", "facts", "docs", "test"]));
        expect(Object.values(scripts).filter((line) => /\b(bash|sh)\b/.test(line))).toEqual([]);
    });
});

describe("bootstrap", () => {
    test("CRDs of the five projects before every release (C-BOOT-10)", () => {
        for (const project of ["external-dns", "gateway-api", "keda", "prometheus-operator", "external-secrets"]) {
            const bundle = find(":Command", `crds-${project}`);
            for (const later of all(":Release")) inOrder(bundle, later);
        }
    });

    test("the database operator is there before Flux (C-DATA-02)", () => {
        inOrder(find(":Release", "cloudnative-pg"), find(":FluxInstance", "flux"));
        inOrder(find(":Release", "cloudnative-pg-barman-cloud"), find(":FluxInstance", "flux"));
    });
});

describe("secrets", () => {
    const externalSecrets = () => all(":ExternalSecret").map(({ inputs }) => inputs as Inputs);

    test("Doppler by the External Secrets operator, its token in external-secrets/doppler-token (C-SEC-02, C-SEC-03, C-SEC-18)", () => {
        expect(release("external-secrets")).toMatchObject({ chart: "external-secrets", namespace: "external-secrets" });
        const store = find(":ClusterSecretStore", "doppler");
        expect(metadata(store).name).toBe("doppler");
        expect(dig(store.inputs, "spec", "provider")).toEqual({
            doppler: {
                auth: {
                    secretRef: {
                        dopplerToken: { name: "doppler-token", namespace: "external-secrets", key: "dopplerToken" },
                    },
                },
                project: "home-ops",
                config: "chongus",
            },
        });
        const token = find("core/v1:Secret", "doppler-token");
        expect(metadata(token)).toMatchObject({ name: "doppler-token", namespace: "external-secrets" });
        inOrder(find(":Release", "external-secrets"), token, store, find(":FluxInstance", "flux"));
    });

    test("every ExternalSecret asks the store doppler and owns a Secret of its own name (C-SEC-06, C-SEC-07, C-SEC-08, C-SEC-09)", () => {
        expect(externalSecrets().length).toBeGreaterThan(20);
        for (const object of externalSecrets()) {
            expect(object["apiVersion"]).toBe("external-secrets.io/v1");
            expect(object["spec"]).toMatchObject({
                secretStoreRef: { kind: "ClusterSecretStore", name: "doppler" },
                target: {
                    name: dig(object, "metadata", "name"),
                    creationPolicy: "Owner",
                    template: { engineVersion: "v2" },
                },
            });
        }
    });

    test("each names the keys it takes, and fills in no other (C-SEC-10, C-SEC-11)", () => {
        for (const object of externalSecrets()) {
            const data = dig(object, "spec", "data") as { secretKey: string; remoteRef: { key: string } }[];
            expect(data.length).toBeGreaterThan(0);
            for (const { secretKey, remoteRef } of data) {
                expect(remoteRef.key).toMatch(/^[A-Z][A-Z0-9_]*$/);
                expect(secretKey).toBe(remoteRef.key);
            }
            const template = JSON.stringify(dig(object, "spec", "target", "template", "data"));
            const filled = [...template.matchAll(/\{\{ \.(\w+) \}\}/g)].map(([, key]) => key);
            expect([...new Set(filled)].sort()).toEqual(data.map(({ secretKey }) => secretKey).sort());
            expect(object["spec"]).not.toHaveProperty("dataFrom");
        }
    });

    test("they are read again each hour, and Reloader restarts who reads them (C-SEC-20, C-OPS-06, C-OPS-48)", () => {
        for (const object of externalSecrets()) expect(dig(object, "spec", "refreshInterval")).toBe("1h");
        expect(release("reloader")).toMatchObject({
            chart: "reloader",
            values: { reloader: { reloadStrategy: "annotations" } },
        });
        // The router's key is for its first login only; afterwards it has an identity.
        const readers = pods().filter(
            ({ controller, pod }) =>
                /secretKeyRef|"secret":|"configMap":/.test(JSON.stringify(pod)) &&
                // Its one file is no secret, and a change of it rolls the pods.
                !["tailnet", "graphite-exporter"].includes(controller.name),
        );
        expect(readers.map(({ controller }) => controller.name).sort()).toEqual([
            "cloudflared",
            "media-wiring",
            "paperless",
            "prowlarr",
            "radarr",
            "recyclarr",
            "sabnzbd",
            "sonarr",
        ]);
        for (const { controller } of readers) {
            expect([controller.name, metadata(controller).annotations]).toEqual([
                controller.name,
                expect.objectContaining({ "reloader.stakater.com/auto": "true" }),
            ]);
        }
        expect(values("grafana")["annotations"]).toEqual({ "reloader.stakater.com/auto": "true" });
    });

    test("an app's secrets are ExternalSecrets, never Secrets (C-GITOPS-12)", () => {
        const apps = all("core/v1:Secret").filter(({ urn }) => urn.includes("homelab:apps:"));
        expect(apps).toEqual([]);
        for (const name of ["sonarr", "radarr", "sabnzbd", "recyclarr", "paperless"]) {
            expect(metadata(find(":ExternalSecret", name)).namespace).toBe(
                metadata(pods().find(({ controller }) => controller.name === name)?.controller as PlannedResource)
                    .namespace,
            );
        }
    });
});

describe("network and ways in", () => {
    test("both gateways have addresses of the pool, and not the same (C-NET-12)", () => {
        const address = (name: string) =>
            String(
                dig(
                    spec(":EnvoyProxy", `envoy-gateway-${name}-proxy`),
                    "provider",
                    "kubernetes",
                    "envoyService",
                    "annotations",
                    "lbipam.cilium.io/ips",
                ),
            );
        const [block] = spec(":CiliumLoadBalancerIPPool", "pool")["blocks"] as { cidr: string }[];
        expect([address("internal"), address("external")]).toEqual(["172.22.12.1", "172.22.12.2"]);
        for (const which of ["internal", "external"])
            expect(contains(cidrRange(block?.cidr ?? ""), address(which))).toBe(true);
    });

    test("the tailnet reaches the internal gateway: a router for the pool, approved, and a grant (C-EDGE-05, C-NET-13)", () => {
        const pool = "172.22.12.0/24";
        expect(contains(cidrRange(pool), "172.22.12.1")).toBe(true);
        expect(container("tailnet")["env"]).toContainEqual({ name: "TS_ROUTES", value: pool });
        const policy = JSON.parse(
            String(dig(find(":Command", "tailnet-policy").inputs, "environment", "POLICY_FRAGMENT")),
        ) as Inputs;
        expect(dig(policy, "routes", pool)).toEqual(["tag:chongus"]);
        expect(policy["grants"]).toEqual([
            { src: ["autogroup:member"], dst: ["172.22.12.1", "172.22.12.2"], ip: ["tcp:80", "tcp:443"] },
            // Graphite's own address, for TrueNAS.
            { src: ["autogroup:member"], dst: ["172.22.12.3"], ip: ["tcp:2003"] },
        ]);
        expect(dig(find(":TailnetKey", "tailnet").inputs, "tags")).toEqual(["tag:chongus"]);
        // Nothing of the tunnel leads there.
        expect(JSON.stringify(plan.tunnel)).not.toContain("envoy-internal");
    });

    test("the internet comes by the tunnel only, to the external gateway (C-EDGE-13, C-APP-03)", () => {
        expect(find(":ZeroTrustTunnelCloudflared", "tunnel")).toBeDefined();
        expect(metadata(find("apps/v1:Deployment", "cloudflared")).namespace).toBe("network");
        expect(container("cloudflared")["args"]).toEqual(expect.arrayContaining(["tunnel", "run"]));
        const services = plan.tunnel.filter(({ hostname }) => hostname !== null).map(({ service }) => service);
        expect(services).toEqual(["https://envoy-external.network.svc.cluster.local:443"]);
        expect(
            dig(spec(":EnvoyProxy", "envoy-gateway-external-proxy"), "provider", "kubernetes", "envoyService", "name"),
        ).toBe("envoy-external");
        expect(JSON.stringify(plan.resources)).not.toMatch(/hostPort|hostNetwork":true|NodePort/);
    });

    test("no Ingress, anywhere (C-EDGE-11)", () => {
        expect(plan.resources.filter(({ type }) => /:Ingress(Class)?$/.test(type))).toEqual([]);
        expect(JSON.stringify(all(":Release").map(({ inputs }) => dig(inputs, "values")))).not.toMatch(
            /"ingress(Controller)?":\{"enabled":true/,
        );
    });

    test("Cilium alone enforces network policies (C-POL-16)", () => {
        const used = all(":Release").map(({ inputs }) => String(dig(inputs, "chart")));
        expect(used.filter((chart) => /calico|antrea|kube-router|weave|canal/.test(chart))).toEqual([]);
        expect(used.filter((chart) => chart === "cilium")).toHaveLength(1);
        expect(values("cilium")).not.toHaveProperty("policyEnforcementMode");
        expect(plan.resources.filter(({ type }) => type.includes("projectcalico"))).toEqual([]);
    });
});

describe("storage, backups, databases", () => {
    test("every claim of an app is backed up, but for models that are fetched again (C-BKP-13)", () => {
        const claims = all(":PersistentVolumeClaim");
        expect(claims.map(({ inputs }) => dig(inputs, "spec", "storageClassName"))).toEqual(claims.map(() => CEPH));
        const backedUp = (name: string, namespace: unknown) =>
            all(":ReplicationSource").filter(
                ({ inputs }) =>
                    dig(inputs, "spec", "sourcePVC") === name && dig(inputs, "metadata", "namespace") === namespace,
            ).length;
        const without = claims.map(metadata).filter(({ name, namespace }) => backedUp(name, namespace) !== 2);
        expect(without.map(({ name }) => name)).toEqual(["ollama-cache"]);
    });

    test("no Velero (C-BKP-09)", () => {
        expect(JSON.stringify(plan.resources)).not.toMatch(/velero/i);
    });

    test("PostgreSQL: three instances, one a node, WAL and base backups in MinIO, bzip2, 14 days (C-DATA-01, C-BKP-14, C-BKP-15, C-BKP-16)", () => {
        const server = spec(":Cluster", "postgres");
        expect(server).toMatchObject({
            instances: 3,
            affinity: { enablePodAntiAffinity: true, podAntiAffinityType: "required" },
            storage: { storageClass: CEPH },
            plugins: [
                {
                    name: "barman-cloud.cloudnative-pg.io",
                    isWALArchiver: true,
                    // Known once the bucket was looked into.
                    parameters: { barmanObjectName: "postgres", serverName: "[unknown]" },
                },
            ],
        });
        expect(spec(":ObjectStore", "postgres-archive")).toMatchObject({
            retentionPolicy: "14d",
            configuration: {
                endpointURL: "https://minio.rtrox.io",
                destinationPath: "s3://cloudnative-pg/",
                data: { compression: "bzip2" },
                wal: { compression: "bzip2" },
            },
        });
        // What 1.30 deprecates, and the plugin replaces.
        expect(server).not.toHaveProperty("backup");
    });

    test("a backup each day and at once (C-BKP-17)", () => {
        expect(spec(":ScheduledBackup", "postgres-backup")).toMatchObject({
            schedule: "0 0 0 * * *",
            immediate: true,
            cluster: { name: "postgres" },
            method: "plugin",
            pluginConfiguration: { name: "barman-cloud.cloudnative-pg.io" },
        });
    });

    test("a rebuilt cluster recovers its databases from the archive of the life before (C-DR-07)", async () => {
        const text = readFileSync(
            join(ROOT, "tests", "fixtures", "valid", "chongus", "rebuild-after-disaster.yaml"),
            "utf8",
        );
        const value = dig(parse(text), "config", `${PROJECT}:cluster`);
        const rebuilt = await planStack("chongus", value, ROOT, undefined, {
            "postgres-life": "postgres-v2 postgres-v1",
        });
        const server = dig(rebuilt.resources.find(({ type }) => type.endsWith(":Cluster"))?.inputs, "spec");
        const archive = (serverName: string) => ({
            name: "barman-cloud.cloudnative-pg.io",
            parameters: { barmanObjectName: "postgres", serverName },
        });
        expect(server).toMatchObject({
            bootstrap: { recovery: { source: "postgres-v1" } },
            externalClusters: [{ name: "postgres-v1", plugin: archive("postgres-v1") }],
            plugins: [{ ...archive("postgres-v2"), isWALArchiver: true }],
        });
        expect(server).not.toHaveProperty("bootstrap.initdb");
        const restores = rebuilt.resources.filter(({ type }) => type.endsWith(":ReplicationDestination"));
        expect(restores.length).toBe(6);
        for (const { inputs } of restores) expect(dig(inputs, "spec", "restic", "repository")).toMatch(/-volsync-b2$/);
    });

    test("the first life starts empty", async () => {
        const first = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT, undefined, {
            "postgres-life": "postgres-v1 -",
        });
        const server = dig(first.resources.find(({ type }) => type.endsWith(":Cluster"))?.inputs, "spec");
        expect(server).toMatchObject({
            bootstrap: { initdb: { database: "app", owner: "app" } },
            plugins: [{ parameters: { serverName: "postgres-v1" } }],
        });
        expect(server).not.toHaveProperty("externalClusters");
    });
});

describe("GPUs", () => {
    test("nvidia.com/gpu by the device plugin, on chongus and on no stack without such nodes (C-HW-06)", async () => {
        expect(release("nvidia")).toMatchObject({
            chart: "nvidia-device-plugin",
            values: { nodeSelector: { "nvidia.com/gpu.present": "true" }, runtimeClassName: "nvidia" },
        });
        expect(dig(find(":RuntimeClass", "nvidia").inputs, "handler")).toBe("nvidia");
        const users = pods().filter(({ pod }) => JSON.stringify(pod).includes("nvidia.com/gpu"));
        expect(users.map(({ controller }) => controller.name).sort()).toEqual(["jellyfin", "ollama"]);
        for (const { controller, pod } of users) {
            expect(pod["runtimeClassName"]).toBe("nvidia");
            expect(dig(containersOf(pod)[0], "resources", "limits", "nvidia.com/gpu")).toBe("1");
            expect(waitsFor(controller.urn).has(find(":Release", "nvidia").urn)).toBe(true);
        }
        for (const other of stackNames(ROOT).filter((name) => name !== "chongus" && name !== "k3s-home")) {
            const { resources } = await planStack(other, readStackValue(ROOT, other), ROOT);
            expect(JSON.stringify(resources)).not.toContain("nvidia.com/gpu");
        }
    });
});

describe("monitoring", () => {
    const prometheus = () => dig(values("prometheus"), "prometheus", "prometheusSpec") as Inputs;

    test("kube-prometheus-stack in namespace observability: 14 d, 1m, 55Gi of ceph-block, 100m and 2Gi (C-APP-05, C-MON-04, C-MON-06, C-MON-07, C-MON-08)", () => {
        expect(release("prometheus")).toMatchObject({
            chart: "kube-prometheus-stack",
            name: "kube-prometheus-stack",
            namespace: "observability",
        });
        expect(prometheus()).toMatchObject({
            retention: "14d",
            scrapeInterval: "1m",
            storageSpec: {
                volumeClaimTemplate: { spec: { storageClassName: CEPH, resources: { requests: { storage: "55Gi" } } } },
            },
            resources: { requests: { cpu: "100m" }, limits: { memory: "2Gi" } },
        });
    });

    test("Thanos keeps them in S3, compressed, and prunes the bucket (C-MON-05)", () => {
        expect(prometheus()).toMatchObject({
            walCompression: true,
            thanos: { objectStorageConfig: { existingSecret: { name: "thanos-objectstore", key: "objstore.yml" } } },
        });
        const store = String(
            dig(
                find(":ExternalSecret", "prometheus-objectstore").inputs,
                "spec",
                "target",
                "template",
                "data",
                "objstore.yml",
            ),
        );
        expect(parse(store.replaceAll(/\{\{.*?\}\}/g, "key"))).toEqual({
            type: "S3",
            config: {
                bucket: "thanos",
                endpoint: "minio.rtrox.io",
                insecure: false,
                access_key: "key",
                secret_key: "key",
            },
        });
        expect(values("thanos")).toMatchObject({
            objstoreConfig: { create: false, name: "thanos-objectstore", key: "objstore.yml" },
            compact: { enabled: true },
            storeGateway: { persistence: { enabled: true, storageClass: CEPH } },
            query: { extraArgs: ["--grpc-compression=snappy"] },
        });
    });

    test("Alertmanager: 1Gi, 5m, no limits of its own (C-MON-09, C-MON-10, C-POL-22)", () => {
        const alertmanager = values("prometheus")["alertmanager"] as Inputs;
        expect(alertmanager).toMatchObject({
            enabled: true,
            config: { global: { resolve_timeout: "5m" } },
            alertmanagerSpec: {
                storage: {
                    volumeClaimTemplate: {
                        spec: { storageClassName: CEPH, resources: { requests: { storage: "1Gi" } } },
                    },
                },
            },
        });
        expect(alertmanager["alertmanagerSpec"]).not.toHaveProperty("resources.limits");
    });

    test("Grafana is a release of its own, with limits (C-MON-11, C-POL-23)", () => {
        expect(dig(values("prometheus"), "grafana", "enabled")).toBe(false);
        expect(release("grafana")).toMatchObject({ name: "grafana", namespace: "observability" });
        expect(dig(values("grafana"), "resources", "limits", "memory")).toMatch(/^\d+[MG]i$/);
        const sources = dig(values("grafana"), "datasources", "datasources.yaml", "datasources") as Inputs[];
        expect(sources.map(({ type, url }) => `${String(type)} ${String(url)}`)).toEqual([
            "prometheus http://thanos-query:10902",
            "loki http://loki:3100",
            "alertmanager http://kube-prometheus-stack-alertmanager:9093",
        ]);
    });

    test("Alloy collects logs and Loki keeps them, in S3 (C-MON-12, C-MON-13)", () => {
        expect(release("loki")).toMatchObject({ name: "loki", namespace: "observability" });
        expect(dig(values("loki"), "loki", "storage")).toMatchObject({
            type: "s3",
            bucketNames: { chunks: "loki" },
            s3: { endpoint: "https://minio.rtrox.io" },
        });
        expect(values("alloy")).toMatchObject({ alloy: { mounts: { varlog: true } } });
        expect(dig(values("alloy"), "alloy", "configMap", "content")).toContain(
            'url = "http://loki:3100/loki/api/v1/push"',
        );
        inOrder(find(":Release", "loki"), find(":Release", "alloy"));
    });

    test("exporters: blackbox, node, kube-state-metrics, awair, graphite (C-MON-14, C-MON-15, C-MON-16, C-MON-17, C-MON-18)", () => {
        expect(release("blackbox")).toMatchObject({
            chart: "prometheus-blackbox-exporter",
            name: "prometheus-blackbox-exporter",
        });
        expect(spec(":Probe", "blackbox-nas")).toMatchObject({ prober: { url: "prometheus-blackbox-exporter:9115" } });
        // Parts of the stack's chart that are on unless switched off.
        for (const part of ["nodeExporter", "kubeStateMetrics"]) expect(values("prometheus")).not.toHaveProperty(part);
        for (const part of ["prometheus-node-exporter", "kube-state-metrics"]) {
            expect(dig(values("prometheus"), part, "resources", "limits", "memory")).toMatch(/^\d+Mi$/);
        }
        for (const [name, image] of [
            ["awair-office", /prometheus-awair-exporter:/],
            ["graphite-exporter", /\/graphite-exporter:/],
        ] as const) {
            expect(container(name)["image"]).toMatch(image);
            expect(dig(spec(":ServiceMonitor", name), "selector", "matchLabels")).toEqual({
                "app.kubernetes.io/name": name,
            });
            const ports = dig(find("core/v1:Service", name).inputs, "spec", "ports") as Inputs[];
            const [endpoint] = spec(":ServiceMonitor", name)["endpoints"] as Inputs[];
            expect(ports.map(({ name: port }) => port)).toContain(endpoint?.["port"]);
        }
    });

    test("alert rules for VolSync, CloudNativePG and Flux (C-MON-20, C-MON-21, C-MON-22)", () => {
        for (const [name, metric] of [
            ["volsync", /volsync_volume_out_of_sync/],
            ["cloudnative-pg", /cnpg_collector_up/],
            ["flux", /flux_resource_info/],
        ] as const) {
            expect(alertRules(name).length).toBeGreaterThan(1);
            expect(
                alertRules(name)
                    .map(({ expr }) => expr)
                    .join("\n"),
            ).toMatch(metric);
        }
        expect(prometheus()["ruleSelectorNilUsesHelmValues"]).toBe(false);
    });

    test("Cilium is scraped once: by the monitors of its own chart", () => {
        expect(values("cilium")).toMatchObject({
            prometheus: { serviceMonitor: { enabled: true } },
            operator: { prometheus: { serviceMonitor: { enabled: true } } },
            hubble: { metrics: { serviceMonitor: { enabled: true } } },
        });
        const monitors = plan.resources.filter(({ type }) => /:(Service|Pod)Monitor$/.test(type));
        expect(monitors.map(({ name }) => name).sort()).toEqual([
            "awair-office",
            "graphite-exporter",
            "postgres-metrics",
        ]);
    });
});

describe("policies", () => {
    test("images: tag and digest, but for those without a digest that could be named (C-POL-01, C-POL-05, C-POL-26)", () => {
        const exempt = Object.values(tagOnlyImages).map(({ repository, tag }) => `${repository}:${tag}`);
        for (const { image } of plan.images) {
            if (!exempt.includes(image)) expect(image).toMatch(/^[^:@]+:[^:@]+@sha256:[0-9a-f]{64}$/);
            expect(image).not.toMatch(/:(latest|stable|main|master|edge|nightly)(@|$)/);
        }
    });

    test("memory is limited on every container that is declared here (C-POL-03, C-POL-06, C-POL-27)", () => {
        expect(pods().length).toBeGreaterThan(15);
        for (const { controller, pod } of pods()) {
            for (const one of containersOf(pod)) {
                expect([controller.name, dig(one, "resources", "limits", "memory")]).toEqual([
                    controller.name,
                    expect.stringMatching(/^\d+[MG]i$/),
                ]);
            }
        }
        // And in every chart but those of Ceph.
        const unlimited = all(":Release").filter(
            ({ inputs }) => !/"limits":\{("cpu":"1",)?"memory":"\d+[MG]i"/.test(JSON.stringify(dig(inputs, "values"))),
        );
        expect(unlimited.map(({ name }) => name).sort()).toEqual(["ceph", "ceph-csi-drivers", "rook-ceph"]);
        const volsync = [...all(":ReplicationSource"), ...all(":ReplicationDestination")];
        for (const { inputs } of volsync)
            expect(dig(inputs, "spec", "restic", "moverResources", "limits", "memory")).toBe("2Gi");
    });

    test("no root, a read-only root filesystem, no capabilities, no token (C-POL-13, C-POL-18)", () => {
        // Its init starts as root and drops to USERMAP_UID; LibreOffice writes beside its programs.
        const [asRoot, writes] = [["paperless"], ["paperless", "paperless-gotenberg"]];
        // They talk to the API server, each with a Role of its own.
        const withAccount = ["snapshot-controller", "tailnet"];
        for (const { controller, pod } of pods()) {
            const { name } = controller;
            if (!asRoot.includes(name))
                expect([name, dig(pod, "securityContext", "runAsNonRoot")]).toEqual([name, true]);
            for (const one of containersOf(pod)) {
                expect([name, dig(one, "securityContext", "allowPrivilegeEscalation")]).toEqual([name, false]);
                if (!writes.includes(name))
                    expect([name, dig(one, "securityContext", "readOnlyRootFilesystem")]).toEqual([name, true]);
                if (!asRoot.includes(name))
                    expect([name, dig(one, "securityContext", "capabilities")]).toEqual([name, { drop: ["ALL"] }]);
            }
            if (withAccount.includes(name)) expect(pod["serviceAccountName"]).toMatch(/./);
            else
                expect([name, pod["automountServiceAccountToken"], pod["serviceAccountName"]]).toEqual([
                    name,
                    false,
                    undefined,
                ]);
        }
        const bindings = plan.resources.filter(({ type }) => type.endsWith("RoleBinding"));
        expect(bindings.map(({ name }) => name).sort()).toEqual([
            "snapshot-controller",
            "snapshot-controller",
            "tailnet",
        ]);
        expect(JSON.stringify(bindings.map(({ inputs }) => inputs))).not.toContain("cluster-admin");
        for (const { inputs } of plan.resources.filter(({ type }) => /:(Cluster)?Role$/.test(type)))
            expect(JSON.stringify(dig(inputs, "rules"))).not.toContain('"*"');
    });

    test("every namespace says its Pod Security level, and only the one function sets one (C-POL-04, C-POL-15, C-GITOPS-32)", () => {
        const level = ({ inputs }: PlannedResource) =>
            dig(inputs, "metadata", "labels", "pod-security.kubernetes.io/enforce");
        const namespaces = all("core/v1:Namespace");
        expect(namespaces.length).toBeGreaterThan(15);
        for (const namespace of namespaces) expect(level(namespace)).toMatch(/^(restricted|baseline|privileged)$/);
        const privileged = namespaces.filter((namespace) => level(namespace) === "privileged").map(({ name }) => name);
        // Ceph's disks, local volumes, the device plugin, node-exporter.
        expect(privileged.sort()).toEqual(["nvidia", "observability", "openebs", "rook-ceph"]);
        const sources = projectFiles()
            .filter((path) => /^(components|apps|stacks)\/.*\.ts$/.test(path))
            .filter((path) => readFileSync(join(ROOT, path), "utf8").includes("pod-security.kubernetes.io"));
        expect(sources).toEqual(["components/cluster/namespaces.ts"]);
    });

    test("namespace, privileged namespace, backup and alerts are components, not copies (C-GITOPS-07, C-GITOPS-22, C-GITOPS-34)", () => {
        const components = new Set(plan.resources.filter(({ custom }) => !custom).map(({ type }) => type));
        for (const type of ["homelab:cluster:Namespaces", "homelab:backup:BackedUpVolume", "homelab:monitoring:Alerts"])
            expect(components).toContain(type);
        // What they bring comes from nowhere else.
        for (const [kind, owner] of [
            [":ReplicationSource", "BackedUpVolume"],
            [":ReplicationDestination", "BackedUpVolume"],
            [":PrometheusRule", "Alerts"],
        ] as const) {
            for (const { urn } of all(kind)) expect(urn).toContain(`${owner}$`);
        }
        const copies = plan.resources.filter(({ type }) => /kubernetes:yaml|kustomize/.test(type));
        expect(copies.map(({ name }) => name)).toEqual(["flux-root"]);
    });

    test("names: kebab-case, and the standard label on all that runs (C-POL-07, C-POL-10)", () => {
        const workloads = plan.resources.filter(({ type }) => /^homelab:apps:/.test(type));
        for (const { name } of workloads) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
        for (const { controller } of pods()) {
            const { name, labels } = metadata(controller);
            expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
            expect(labels).toMatchObject({ "app.kubernetes.io/name": name });
        }
    });

    test("an app is one file that every cluster shares (C-GITOPS-04)", async () => {
        const homelab = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
        const apps = (of: Plan) =>
            of.resources.filter(({ type }) => type === "homelab:apps:Workload").map(({ name }) => name);
        const both = apps(plan).filter((name) => apps(homelab).includes(name));
        expect(both.sort()).toEqual(["cloudflared", "echo-server", "prowlarr", "radarr", "sonarr"]);
        const files = projectFiles().filter((path) => path.startsWith("apps/"));
        for (const name of ["echo-server", "prowlarr", "radarr", "sonarr"])
            expect(files.filter((path) => path.endsWith(`/${name}.ts`))).toHaveLength(1);
    });

    test("configuration of an app is declared beside it and makes one ConfigMap (C-GITOPS-14)", () => {
        const config = find("core/v1:ConfigMap", "recyclarr");
        expect(all("core/v1:ConfigMap").map(({ name }) => name)).toEqual([
            "media-wiring",
            "recyclarr",
            "graphite-exporter",
        ]);
        expect(metadata(config)).toMatchObject({ name: "recyclarr", namespace: "media" });
        const [text] = Object.values(dig(config.inputs, "data") as Record<string, string>);
        expect(text).toContain("base_url: http://sonarr.media.svc.cluster.local:8989");
        expect(text).toContain("api_key: !env_var SONARR_API_KEY");
    });
});
