/** HAProxy as the way in, with bridges behind it: what is planned, what the whole chart makes of it, what HAProxy does, how the sandbox plays it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import { Namespaces } from "../../components/cluster/namespaces";
import { CertManager, certManagerValues } from "../../components/edge/cert-manager";
import { composeEdge } from "../../components/edge/edge";
import { Exposures } from "../../components/edge/exposures";
import {
    HaproxyIngress,
    haproxyIngressValues,
    haproxyOrigin,
    restrictedClassKeys,
    restrictedSources,
} from "../../components/edge/haproxy";
import { tunnelRules } from "../../components/edge/names";
import { textRange } from "../../components/network/addresses";
import { MetalLb, metalLbAddresses } from "../../components/network/metallb";
import { serviceLb } from "../../components/network/service-lb";
import { bridgeKeys, bridgeNamespaces, bridgeSecrets, clusterBridges } from "../../lab/bridges";
import { cloudflareRecords } from "../../lab/cloudflare";
import { HAPROXY_NAMESPACE, haproxyWays, type HaproxyWaysConfig } from "../../lab/haproxy";
import { Lab } from "../../lab/lab";
import { podSecurityFaults } from "../../policy/pod-security";
import { podOf } from "../../policy/rules/kubernetes";
import { assembleCharts } from "../../sandbox/charts/assemble";
import { collections, type View } from "../../sandbox/controllers/controller";
import { haproxyIngress } from "../../sandbox/operators/haproxy-ingress/controller";
import type { PlannedResource } from "../../tools/plan/plan";
import type { RenderedObject } from "../../tools/plan/rendered";
import { planComponent } from "./component-plan";
import { builtInFaults, haveOpenApi } from "./kubernetes-schema";
import { dig, lookInto } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";

jest.setTimeout(120_000);

const domain = "lab.example";
const account = { accountId: "a".repeat(32), zoneId: "b".repeat(32), tunnel: "magi" };
const production = { email: "me@lab.example", server: "production" } as const;
const PRIVATE = "192.168.0.0/16,172.16.0.0/12,10.0.0.0/8";
const bridges = bridgeKeys.parse({
    "minio-api": { address: "192.168.1.10", port: 9000, host: "s3" },
    "minio-console": { address: "192.168.1.10", port: 9002, host: "minio" },
    opnsense: { address: "192.168.1.1", port: 4443, scheme: "https", host: "opnsense" },
    truenas: { address: "192.168.1.10", port: 443, scheme: "https", host: "truenas", serverName: "nas.lab.example" },
    printer: { address: "192.168.1.77", port: 631 },
});

interface Planned {
    readonly resources: PlannedResource[];
    readonly exposures: Exposures;
}

/** The ways in, two apps and the bridges, as a recipe builds them. */
async function plan(said: Partial<HaproxyWaysConfig> = {}, nodes = 3): Promise<Planned> {
    const exposures: Exposures[] = [];
    const resources = await planComponent(async () => {
        const config = { domain, certificates: production, network: { ingressAddress: "192.168.1.230" }, ...said };
        const base = { ...config, timezone: "Etc/UTC", delivery: "pulumi" as const, protectData: true, apps: {} };
        const refs = ["cloudflare.apiToken", "cloudflare.dnsToken", ...bridgeSecrets(bridges)];
        const lab = new Lab("magi", base, { path: "secrets.enc.yaml", refs }, {} as never, {
            root: "/",
            readSops: () => Promise.resolve(() => "[secret]"),
        });
        await lab.look(Promise.resolve({ cluster: "" }), { machines: "the machines", silent: "warn" });
        const machines = Object.assign(new pulumi.ComponentResource("test:machines", "machines"), {
            kubeconfig: pulumi.secret("kubeconfig"),
        });
        const cluster = lab.connect(machines, {
            lan: "192.168.1.0/24",
            podCidr: "10.244.0.0/16",
            serviceCidr: "10.96.0.0/12",
        });
        const addresses = new MetalLb(
            "metallb",
            { cluster, pool: textRange("192.168.1.230-192.168.1.250") },
            lab.after(machines),
        );
        const certManager = new CertManager("cert-manager", {}, lab.after(machines));
        const namespaces = new Namespaces(
            "namespaces",
            { [HAPROXY_NAMESPACE]: "restricted", web: "restricted", ...bridgeNamespaces(bridges) },
            lab.after(certManager),
        );
        const host = {
            cluster,
            opts: lab.after(certManager),
            namespaces,
            storage: { record: () => undefined, owner: { uid: 1000, gid: 1000 } } as never,
            secrets: lab.secrets,
        };
        const outside = clusterBridges(lab, bridges, host, lab.after(machines));
        const { edge, haproxy, tunnel } = haproxyWays(lab, config, {
            host,
            certManager,
            addresses,
            nodes,
            ownCertificates: { "portfolio-staging": "staging" },
            core: [certManager],
        });
        for (const workload of ["portfolio", "portfolio-staging", "homarr"]) {
            edge.expose(
                workload,
                { host: workload, access: workload === "homarr" ? "local" : "external" },
                { workload, namespace: namespaces.name("web"), service: workload, port: 8080 },
                lab.objectAfter(haproxy),
            );
        }
        outside?.expose(edge, lab.secrets, lab.objectAfter(haproxy));
        const rows = lab.exposures.seal();
        cloudflareRecords(lab, config.cloudflare, "records", tunnel);
        tunnel?.publish(rows);
        exposures.push(lab.exposures);
    });
    return { resources, exposures: exposures[0] as Exposures };
}

const lookAt = ({ resources }: Pick<Planned, "resources">) => lookInto(() => ({ resources }));
let whole: Planned;
let bare: Planned;
beforeAll(async () => {
    whole = await plan({ cloudflare: account });
    bare = await plan({ certificates: undefined }, 1);
});
const ingress = (of: Planned, name: string) => lookAt(of).find(":Ingress", name).inputs;
const keys = (of: Planned, name: string) => (dig(ingress(of, name), "metadata", "annotations") ?? {}) as object;

describe("what is planned", () => {
    test("addresses, certificate, controller, classes at their address, routes; and deleted the other way round", () => {
        const { inOrder, find } = lookAt(whole);
        inOrder(
            find(":L2Advertisement", "metallb-advertisement"),
            find(":ConfigMap", "haproxy-ingress-restricted"),
            find(":Release", "haproxy-ingress"),
            find(":IngressClass", "haproxy-ingress-restricted-class"),
            find(":Command", "haproxy-ingress-address"),
            find(":Ingress", "homarr"),
        );
        inOrder(find(":Certificate", "certificates"), find(":Release", "haproxy-ingress"));
    });

    test("Service ingress-haproxy/haproxy-ingress is pinned to .230 and keeps the source address (M-EDGE-03)", () => {
        const { find } = lookAt(whole);
        const release = find(":Release", "haproxy-ingress").inputs;
        expect([dig(release, "namespace"), dig(release, "name")]).toEqual(["ingress-haproxy", "haproxy-ingress"]);
        expect(dig(release, "values", "controller", "service")).toEqual({
            type: "LoadBalancer",
            annotations: { "metallb.io/loadBalancerIPs": "192.168.1.230" },
            externalTrafficPolicy: "Local",
        });
        expect(dig(find(":Command", "haproxy-ingress-address").inputs, "environment", "ADDRESS")).toBe("192.168.1.230");
    });

    test("haproxy is the default class; haproxy-restricted is of the same controller and holds its Ingresses to the three ranges (M-EDGE-08..11)", () => {
        const { find, values } = lookAt(whole);
        expect(dig(values("haproxy-ingress"), "controller", "ingressClass")).toBe("haproxy");
        expect(dig(values("haproxy-ingress"), "controller", "ingressClassResource")).toEqual({
            enabled: true,
            default: true,
        });
        expect(find(":IngressClass", "haproxy-ingress-restricted-class").inputs).toEqual({
            apiVersion: "networking.k8s.io/v1",
            kind: "IngressClass",
            metadata: { name: "haproxy-restricted" },
            spec: {
                controller: "haproxy-ingress.github.io/controller",
                parameters: { kind: "ConfigMap", name: "haproxy-restricted" },
            },
        });
        const { metadata, data } = find(":ConfigMap", "haproxy-ingress-restricted").inputs as Record<string, object>;
        expect(metadata).toEqual({ name: "haproxy-restricted", namespace: "ingress-haproxy" });
        expect(data).toEqual({
            "allowlist-source-range": PRIVATE,
            "config-backend-early": "http-request deny deny_status 403 if { var(txn.passed_on) -m bool }",
        });
    });

    test("a local host is of the restricted class and says the ranges itself; an external one is of haproxy (M-EDGE-10)", () => {
        expect(ingress(whole, "homarr")).toEqual({
            apiVersion: "networking.k8s.io/v1",
            kind: "Ingress",
            metadata: {
                name: "homarr",
                namespace: "web",
                labels: { "app.kubernetes.io/name": "homarr" },
                annotations: { "haproxy-ingress.github.io/allowlist-source-range": PRIVATE },
            },
            spec: {
                ingressClassName: "haproxy-restricted",
                tls: [{ hosts: ["homarr.lab.example"] }],
                rules: [
                    {
                        host: "homarr.lab.example",
                        http: {
                            paths: [
                                {
                                    path: "/",
                                    pathType: "Prefix",
                                    backend: { service: { name: "homarr", port: { number: 8080 } } },
                                },
                            ],
                        },
                    },
                ],
            },
        });
        expect(dig(ingress(whole, "portfolio"), "spec", "ingressClassName")).toBe("haproxy");
        expect(dig(ingress(whole, "portfolio"), "metadata")).not.toHaveProperty("annotations");
    });

    test("without a tunnel an external host is a local one, and restricted", () => {
        expect(dig(ingress(bare, "portfolio"), "spec", "ingressClassName")).toBe("haproxy-restricted");
        expect(bare.exposures.rows.map(({ access }) => access)).not.toContain("external");
    });

    test("issuers for both directories by DNS-01 at Cloudflare, checked at public resolvers (M-SEC-01, M-DNS-02)", () => {
        const { find, all } = lookAt(whole);
        const issuers = all(":ClusterIssuer").map(({ inputs }) => [
            dig(inputs, "metadata", "name"),
            dig(inputs, "spec", "acme", "server"),
            dig(inputs, "spec", "acme", "solvers", 0, "dns01", "cloudflare", "apiTokenSecretRef", "key"),
        ]);
        expect(issuers).toEqual([
            ["letsencrypt-prod", "https://acme-v02.api.letsencrypt.org/directory", "token"],
            ["letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory", "token"],
        ]);
        const gone = find(":Command", "certificates-challenges-gone");
        for (const { urn } of all(":ClusterIssuer")) expect(gone.dependsOn).toContain(urn);
        expect(dig(find(":Certificate", "certificates").inputs, "spec", "issuerRef", "name")).toBe("letsencrypt-prod");
        expect(certManagerValues()).toMatchObject({
            dns01RecursiveNameservers: "https://1.1.1.1:443/dns-query,https://1.0.0.1:443/dns-query",
            dns01RecursiveNameserversOnly: true,
        });
        expect(lookAt(bare).all(":ClusterIssuer")).toEqual([]);
    });

    test("a host with an issuer of its own has a certificate of its own, and no browser is told to insist on it", () => {
        expect(keys(whole, "portfolio-staging")).toEqual({
            "cert-manager.io/cluster-issuer": "letsencrypt-staging",
            "haproxy-ingress.github.io/hsts": "false",
        });
        expect(dig(ingress(whole, "portfolio-staging"), "spec", "tls")).toEqual([
            { hosts: ["portfolio-staging.lab.example"], secretName: "portfolio-staging-tls" },
        ]);
        // The house's own authority signs no more than the domain's.
        expect(keys(bare, "portfolio-staging")).not.toHaveProperty("cert-manager.io/cluster-issuer");
    });

    test("a tunnel comes in by the controller's Service, external hosts only; records for all (M-EDGE-01, M-DNS-03)", () => {
        expect(tunnelRules(whole.exposures.rows, haproxyOrigin(domain, "production"))).toEqual([
            ...["portfolio", "portfolio-staging"].map((name) => ({
                hostname: `${name}.lab.example`,
                service: "https://haproxy-ingress.ingress-haproxy.svc.cluster.local:443",
                originRequest: { originServerName: "haproxy-ingress.lab.example" },
            })),
            { service: "http_status:404" },
        ]);
        const records = lookAt(whole).all(":DnsRecord");
        expect(records.map(({ inputs }) => [dig(inputs, "name"), dig(inputs, "type")]).sort()).toEqual(
            [
                ["homarr", "A"],
                ["minio", "A"],
                ["opnsense", "A"],
                ["portfolio-staging", "CNAME"],
                ["portfolio", "CNAME"],
                ["s3", "A"],
                ["truenas", "A"],
            ].map(([name, type]) => [`${name}.lab.example`, type]),
        );
        expect(lookAt(bare).all(":DnsRecord")).toEqual([]);
    });
});

describe("bridges", () => {
    test("each is a Service without a selector and an EndpointSlice that leads out of the cluster (M-EDGE-04..07)", () => {
        const { find, all, inOrder } = lookAt(whole);
        expect(find("core/v1:Service", "bridges-minio-api").inputs).toEqual({
            apiVersion: "v1",
            kind: "Service",
            metadata: { name: "minio-api", namespace: "other", labels: { "app.kubernetes.io/name": "minio-api" } },
            spec: { type: "ClusterIP", ports: [{ name: "http", port: 9000, targetPort: 9000, protocol: "TCP" }] },
        });
        expect(find(":EndpointSlice", "bridges-minio-api-endpoints").inputs).toEqual({
            apiVersion: "discovery.k8s.io/v1",
            kind: "EndpointSlice",
            metadata: {
                name: "minio-api",
                namespace: "other",
                labels: {
                    "app.kubernetes.io/name": "minio-api",
                    "kubernetes.io/service-name": "minio-api",
                    "endpointslice.kubernetes.io/managed-by": "pulumi",
                },
            },
            addressType: "IPv4",
            ports: [{ name: "http", port: 9000, protocol: "TCP" }],
            endpoints: [{ addresses: ["192.168.1.10"], conditions: { ready: true } }],
        });
        const ends = all(":EndpointSlice").map(({ inputs }) => [
            dig(inputs, "metadata", "name"),
            `${String(dig(inputs, "endpoints", 0, "addresses", 0))}:${String(dig(inputs, "ports", 0, "port"))}`,
        ]);
        expect(ends).toEqual([
            ["minio-api", "192.168.1.10:9000"],
            ["minio-console", "192.168.1.10:9002"],
            ["opnsense", "192.168.1.1:4443"],
            ["truenas", "192.168.1.10:443"],
            ["printer", "192.168.1.77:631"],
        ]);
        inOrder(find(":EndpointSlice", "bridges-opnsense-endpoints"), find(":Ingress", "bridges-opnsense-route"));
    });

    test("they wait for no edge, so that databases can wait for them (M-NET-12)", () => {
        const { waitsFor, all, find } = lookAt(whole);
        const edge = find(":Release", "haproxy-ingress").urn;
        for (const { urn } of [...all(":EndpointSlice"), find(":Bridges", "bridges")]) {
            expect([urn, waitsFor(urn).has(edge)]).toEqual([urn, false]);
        }
    });

    test("a TLS machine is met by TLS: with its authority where it has one, else whatever it shows", () => {
        expect(keys(whole, "bridges-minio-api-route")).not.toHaveProperty("haproxy-ingress.github.io/backend-protocol");
        expect(keys(whole, "bridges-opnsense-route")).toEqual({
            "haproxy-ingress.github.io/allowlist-source-range": PRIVATE,
            "haproxy-ingress.github.io/backend-protocol": "h1-ssl",
            "pulumi.com/skipAwait": "true",
        });
        expect(keys(whole, "bridges-truenas-route")).toEqual({
            "haproxy-ingress.github.io/allowlist-source-range": PRIVATE,
            "haproxy-ingress.github.io/backend-protocol": "h1-ssl",
            "haproxy-ingress.github.io/secure-verify-ca-secret": "truenas-authority",
            "haproxy-ingress.github.io/secure-sni": "nas.lab.example",
            "pulumi.com/skipAwait": "true",
        });
        const secret = lookAt(whole).find(":Secret", "bridges-truenas-authority").inputs;
        expect(dig(secret, "metadata", "namespace")).toBe("other");
        expect(dig(secret, "metadata", "name")).toBe("truenas-authority");
    });

    test("one without a host has a name in the cluster and none outside", () => {
        expect(
            whole.resources.filter(({ type, name }) => type.endsWith(":Ingress") && name.includes("printer")),
        ).toEqual([]);
        expect(whole.exposures.rows.map(({ workload }) => workload)).not.toContain("printer");
        expect(whole.exposures.rows).toContainEqual({
            workload: "minio-api",
            host: "s3.lab.example",
            access: "local",
            auth: "none",
            address: "192.168.1.230",
            port: 443,
        });
    });

    test("an edge that speaks plain HTTP to what is behind it says so instead of breaking the route", () => {
        const edge = composeEdge({
            domain,
            exposures: new Exposures(),
            loadBalancer: serviceLb,
            routes: { scheme: "http", port: 80, address: () => "192.168.1.2", route: () => undefined as never },
            names: { tunnel: false },
        });
        expect(() =>
            edge.expose(
                "opnsense",
                { host: "opnsense", access: "local" },
                { workload: "opnsense", namespace: "other", service: "opnsense", port: 4443, tls: {} },
                {},
            ),
        ).toThrow(/opnsense speaks TLS at port 4443, and this cluster's edge speaks plain HTTP/);
    });

    test("Services, slices, classes and Ingresses are of Kubernetes' own types", () => {
        if (!haveOpenApi) return console.warn("skipped: Kubernetes' sources are not here");
        const kinds = ["Service", "EndpointSlice", "Ingress", "IngressClass"];
        const faults = whole.resources
            .filter(({ inputs }) => kinds.includes(String(dig(inputs, "kind"))))
            .map(({ inputs }) => builtInFaults(inputs as never));
        expect(faults.length).toBeGreaterThan(15);
        expect(faults.flat()).toEqual([]);
    });
});

describe("the whole chart", () => {
    const rendered: Record<string, readonly RenderedObject[]> = {};
    let standIn: readonly RenderedObject[] = [];
    const out = mkdtempSync(join(tmpdir(), "haproxy-"));
    beforeAll(async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        for (const [name, of] of Object.entries({ whole, bare })) {
            const releases = { resources: [lookAt(of).find(":Release", "haproxy-ingress")] };
            rendered[name] = (await renderReleases(releases, "1.35.1")).flatMap(({ objects }) => objects);
            if (name === "bare") continue;
            standIn = (await renderReleases(releases, "1.35.1", assembleCharts({ out }))).flatMap(
                ({ objects }) => objects,
            );
        }
    });
    afterAll(() => rmSync(out, { recursive: true }));
    const find = (of: string, kind: string) => rendered[of]?.find((one) => one.kind === kind);

    test("is the one whose Service, Deployment and class are called as in the seed, by the release's name alone", () => {
        if (rendered["whole"] === undefined) return;
        const titles = rendered["whole"].map(({ kind, metadata }) => `${kind} ${metadata.name}`);
        expect(titles).toEqual(
            expect.arrayContaining([
                "Service haproxy-ingress",
                "Deployment haproxy-ingress",
                "IngressClass haproxy",
                "ServiceMonitor haproxy-ingress",
            ]),
        );
        expect(find("whole", "Service")?.metadata.namespace).toBe("ingress-haproxy");
        expect(dig(find("whole", "IngressClass"), "metadata", "annotations")).toEqual({
            "ingressclass.kubernetes.io/is-default-class": "true",
        });
        const made = standIn.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
        expect(made.filter((name) => !titles.includes(name))).toEqual([]);
        expect(made).toHaveLength(5);
    });

    test("it serves the domain's certificate, says where it serves, and its stand-in is told the same", () => {
        if (rendered["whole"] === undefined) return;
        const args = (of: readonly RenderedObject[]) =>
            dig(
                of.find(({ kind }) => kind === "Deployment"),
                ...["spec", "template", "spec", "containers"],
                0,
                "args",
            );
        const told = [
            "--configmap=ingress-haproxy/haproxy-ingress",
            "--ingress-class=haproxy",
            "--publish-service=$(POD_NAMESPACE)/haproxy-ingress",
            "--default-ssl-certificate=ingress-haproxy/lab-example-tls",
        ];
        expect(args(rendered["whole"])).toEqual(expect.arrayContaining(told));
        expect(args(standIn)).toEqual(told);
    });

    test("a pod of level restricted, with a memory limit, spread over machines; a budget where there is more than one", () => {
        if (rendered["whole"] === undefined) return;
        const deployment = find("whole", "Deployment");
        const pod = podOf({
            urn: "",
            type: "kubernetes:apps/v1:Deployment",
            name: "haproxy-ingress",
            inputs: deployment ?? {},
        });
        expect(podSecurityFaults("restricted", pod?.spec ?? {})).toEqual([]);
        const container = dig(deployment, "spec", "template", "spec", "containers", 0);
        expect(dig(container, "resources", "limits", "memory")).toBe("1Gi");
        expect(dig(container, "securityContext", "capabilities")).toEqual({ drop: ["ALL"], add: ["NET_BIND_SERVICE"] });
        expect(dig(deployment, "spec", "replicas")).toBe(2);
        expect(dig(find("whole", "PodDisruptionBudget"), "spec", "minAvailable")).toBe(1);
        expect(dig(find("bare", "Deployment"), "spec", "replicas")).toBe(1);
        expect(find("bare", "PodDisruptionBudget")).toBeUndefined();
        const spread = dig(deployment, "spec", "template", "spec", "topologySpreadConstraints", 0, "labelSelector");
        expect(dig(deployment, "spec", "template", "metadata", "labels")).toMatchObject(
            dig(spread, "matchLabels") as object,
        );
    });

    test("its configuration: 301, long silences, insisting on TLS only with a certificate that browsers trust", () => {
        if (rendered["whole"] === undefined) return;
        const data = (of: string) =>
            dig(
                rendered[of]?.find(({ kind, metadata }) => kind === "ConfigMap" && metadata.name === "haproxy-ingress"),
                "data",
            );
        expect(data("whole")).toMatchObject({
            "ssl-redirect-code": "301",
            hsts: "true",
            "hsts-max-age": "15768000",
            "timeout-client": "10m",
            "timeout-server": "10m",
            "timeout-tunnel": "1h",
        });
        expect(data("bare")).toMatchObject({ hsts: "false" });
        // Nothing limits a body, and no header of the request decides where it comes from.
        for (const key of ["proxy-body-size", "allowlist-source-header"]) {
            expect(data("whole")).not.toHaveProperty(key);
        }
    });

    test("objects are of Kubernetes' own types", () => {
        if (rendered["whole"] === undefined || !haveOpenApi)
            return console.warn("skipped: Kubernetes' sources are not here");
        expect(rendered["whole"].flatMap((object) => builtInFaults(object as never) ?? [])).toEqual([]);
    });
});

/** Where the controller puts our lines among its own: rootfs/etc/templates/haproxy/haproxy.tmpl of v0.16.1. */
const installed = spawnSync("haproxy", ["-v"]).status === 0;
(installed ? describe : describe.skip)(
    `HAProxy itself${installed ? "" : " (skipped: haproxy is not on the PATH)"}`,
    () => {
        const folder = mkdtempSync(join(tmpdir(), "haproxy-run-"));
        let backend: Server;
        let proxy: ChildProcess | undefined;
        let port = 0;
        // Loopback has no outside: its lower half stands for the private ranges, and a part of that for pods.
        const PODS = "127.10.0.0/16";
        beforeAll(async () => {
            backend = createServer(({ headers }, answer) =>
                answer.end(JSON.stringify([headers["x-forwarded-for"], headers["x-real-ip"]])),
            );
            const free = createServer();
            for (const server of [backend, free])
                await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
            port = (free.address() as AddressInfo).port;
            await new Promise((done) => free.close(done));
            const { config } = haproxyIngressValues({
                loadBalancer: metalLbAddresses,
                address: "192.168.1.230",
                certificate: "a/b",
                server: "production",
                nodes: 1,
                podCidr: PODS,
            }).controller;
            const restricted = restrictedClassKeys(PRIVATE);
            const lines = [
                "defaults",
                "    mode http",
                "    timeout client 5s",
                "    timeout server 5s",
                "    timeout connect 5s",
                "frontend front",
                `    bind 127.0.0.1:${port}`,
                ...config["config-frontend-early"].split("\n").map((line) => `    ${line}`),
                "    http-request del-header x-forwarded-for",
                "    option forwardfor",
                "    http-request set-header X-Real-IP %[src]",
                "    use_backend restricted if { req.hdr(host) -m str restricted }",
                "    default_backend open",
                "backend restricted",
                `    ${restricted["config-backend-early"]}`,
                "    acl allow_rule_src0 src 127.0.0.0/9",
                "    http-request deny if !allow_rule_src0",
                `    server one 127.0.0.1:${(backend.address() as AddressInfo).port}`,
                "backend open",
                `    server one 127.0.0.1:${(backend.address() as AddressInfo).port}`,
            ];
            const file = join(folder, "haproxy.cfg");
            writeFileSync(file, `${lines.join("\n")}\n`);
            proxy = spawn("haproxy", ["-db", "-f", file], { stdio: "ignore" });
            for (let tries = 0; tries < 50; tries += 1) {
                if ((await ask("open", "127.0.0.5").catch(() => undefined)) !== undefined) return;
                await new Promise((done) => setTimeout(done, 100));
            }
            throw new Error("haproxy does not serve with these lines");
        });
        afterAll(() => {
            proxy?.kill();
            backend.close();
            rmSync(folder, { recursive: true });
        });
        const ask = (host: string, localAddress: string, headers: Record<string, string> = {}) =>
            new Promise<string>((done, failed) => {
                request({ host: "127.0.0.1", port, localAddress, headers: { host, ...headers } }, (answer) => {
                    let text = "";
                    answer.on("data", (part: Buffer) => (text += part.toString()));
                    answer.on("end", () => done(answer.statusCode === 200 ? text : String(answer.statusCode)));
                })
                    .on("error", failed)
                    .end();
            });
        const [lan, pod, outside] = ["127.0.0.5", "127.10.0.9", "127.200.0.5"] as const;

        test.each<[string, string, Record<string, string>]>([
            ["from outside", outside, {}],
            ["from outside with a private address in a header", outside, { "X-Forwarded-For": lan }],
            ["from outside with Cloudflare's header made up", outside, { "CF-Connecting-IP": lan }],
            ["through the tunnel", pod, { "CF-Connecting-IP": "198.51.100.7" }],
            ["through the tunnel over IPv6", pod, { "CF-Connecting-IP": "2001:db8::7" }],
            ["through the tunnel, as if from the house", pod, { "CF-Connecting-IP": lan }],
            ["through a proxy of the house", lan, { "X-Forwarded-For": "198.51.100.7" }],
            ["through a proxy of the house that names itself alone", lan, { Via: "1.1 proxy" }],
            ["through a proxy of the house of the newer kind", lan, { Forwarded: "for=198.51.100.7" }],
        ])("a restricted host refuses who comes %s", async (_, from, headers) => {
            expect(await ask("restricted", from, headers)).toBe("403");
        });

        test("a restricted host answers the house and pods; an open one knows its visitor, from the tunnel alone", async () => {
            expect(await ask("restricted", lan)).toBe(JSON.stringify([lan, lan]));
            expect(await ask("restricted", pod)).toBe(JSON.stringify([pod, pod]));
            const claimed = { "CF-Connecting-IP": "198.51.100.7", "X-Forwarded-For": "198.51.100.8" };
            expect(await ask("open", pod, claimed)).toBe(JSON.stringify(["198.51.100.7", "198.51.100.7"]));
            expect(await ask("open", outside, claimed)).toBe(JSON.stringify([outside, outside]));
        });
    },
);

describe("in the sandbox", () => {
    const labels = { "app.kubernetes.io/name": "haproxy-ingress" };
    const controller = (args: readonly string[], ready = 1) => ({
        metadata: { name: "haproxy-ingress", namespace: "ingress-haproxy", generation: 1, labels },
        spec: {
            replicas: 1,
            template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "i", args }] } },
        },
        status: { observedGeneration: 1, readyReplicas: ready, updatedReplicas: ready },
    });
    const PUBLISH = ["--ingress-class=haproxy", "--publish-service=$(POD_NAMESPACE)/haproxy-ingress"];
    const classOf = (name: string, of = "haproxy-ingress.github.io/controller") => ({
        metadata: { name },
        spec: { controller: of },
    });
    const route = (name: string, ingressClassName: string | undefined, annotations = {}) => ({
        metadata: { name, namespace: "web", annotations },
        spec: { ingressClassName },
    });
    const shown = async (change: Readonly<Record<string, readonly object[]>> = {}) => {
        const lists: Readonly<Record<string, readonly object[]>> = {
            [collections.deployments]: [controller(PUBLISH)],
            [collections.ingressClasses]: [
                classOf("haproxy"),
                classOf("haproxy-restricted"),
                classOf("cilium", "cilium.io/i"),
            ],
            [collections.ingresses]: [route("portfolio", "haproxy"), route("homarr", "haproxy-restricted")],
            [collections.services]: [
                {
                    metadata: { name: "haproxy-ingress", namespace: "ingress-haproxy" },
                    status: { loadBalancer: { ingress: [{ ip: "192.168.1.230" }] } },
                },
            ],
            ...change,
        };
        const view: View = {
            now: 0,
            list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
            get: () => Promise.resolve(undefined),
        };
        return (await haproxyIngress.reconcile(view)).map((action) => [
            action.path.split("/").at(-2),
            dig(action, "body", "status", "loadBalancer", "ingress", 0, "ip"),
        ]);
    };

    test("Ingresses of both classes show the one address", async () => {
        expect(await shown()).toEqual([
            ["portfolio", "192.168.1.230"],
            ["homarr", "192.168.1.230"],
        ]);
    });

    test.each<[string, Readonly<Record<string, readonly object[]>>]>([
        ["no class", { [collections.ingresses]: [route("a", undefined)] }],
        ["another controller's class", { [collections.ingresses]: [route("a", "cilium")] }],
        [
            "an annotation of another class, which wins",
            { [collections.ingresses]: [route("a", "haproxy", { "kubernetes.io/ingress.class": "nginx" })] },
        ],
        ["a class that is not there", { [collections.ingressClasses]: [] }],
        ["a controller that is not up", { [collections.deployments]: [controller(PUBLISH, 0)] }],
        ["a controller that publishes no Service", { [collections.deployments]: [controller([])] }],
        [
            "a controller of another name for its classes",
            { [collections.deployments]: [controller([...PUBLISH, "--controller-class=other"])] },
        ],
        ["a Service without an address", { [collections.services]: [] }],
    ])("nothing is shown with %s", async (_, change) => expect(await shown(change)).toEqual([]));
});

test.each([
    ["192.168.1.0/24", "10.244.0.0/16", PRIVATE],
    ["100.64.7.0/24", "10.244.0.0/16", `${PRIVATE},100.64.7.0/24`],
    ["192.168.1.0/24", "100.64.0.0/16", `${PRIVATE},100.64.0.0/16`],
    ["192.168.0.0/15", "172.0.0.0/8", `${PRIVATE},192.168.0.0/15,172.0.0.0/8`],
])("the restricted class answers the household in %s and pods in %s", (lan, podCidr, sources) => {
    expect(restrictedSources({ lan, podCidr })).toBe(sources);
});

test("the component takes any load balancer's addresses", async () => {
    const resources = await planComponent(() => {
        new HaproxyIngress(
            "haproxy-ingress",
            {
                cluster: { kubeconfig: pulumi.secret("kubeconfig"), lan: "192.168.0.0/24", podCidr: "10.42.0.0/16" },
                namespace: "ingress-haproxy",
                loadBalancer: { pin: (address) => ({ "lbipam.cilium.io/ips": address }) },
                address: "192.168.0.240",
                certificate: "tls",
                server: "staging",
                nodes: 1,
            },
            {},
        );
    });
    const values = lookInto(() => ({ resources })).values("haproxy-ingress");
    expect(dig(values, "controller", "service", "annotations")).toEqual({ "lbipam.cilium.io/ips": "192.168.0.240" });
    expect(dig(values, "controller", "config", "hsts")).toBe("false");
});
