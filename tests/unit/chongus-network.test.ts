/** Network of chongus: CRD layer, Cilium, CoreDNS, certificates, gateways and DNS, each component planned alone. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { BASH } from "../../components/cluster/cluster-command";
import { CustomResourceDefinitions } from "../../components/cluster/custom-resource-definitions";
import { crds, pinnedFiles, type CrdBundle } from "../../components/crds";
import { CertManager, certManagerValues } from "../../components/edge/cert-manager";
import { composeEdge, type Exposure } from "../../components/edge/edge";
import {
    EnvoyGateway,
    envoyGatewayValues,
    externalGatewayOrigin,
    GATEWAY_NAMESPACE,
} from "../../components/edge/envoy-gateway";
import { envoyGatewayRoutes } from "../../components/edge/envoy-gateway-routes";
import { Exposures } from "../../components/edge/exposures";
import {
    ExternalDns,
    externalDnsNames,
    externalDnsRows,
    externalDnsValues,
    RECORDS_GONE,
    tunnelTarget,
} from "../../components/edge/external-dns";
import { LetsEncrypt } from "../../components/edge/lets-encrypt";
import { tunnelRules } from "../../components/edge/names";
import { Cilium, ciliumValues, KUBE_PRISM, type Announce } from "../../components/network/cilium";
import { CiliumAddressPool, staticRoutes, type CiliumAddressPoolArgs } from "../../components/network/cilium-pool";
import { clusterDnsAddress, CoreDns, coreDnsValues } from "../../components/network/coredns";
import type { SecretStore } from "../../components/secrets/secret-store";
import type { PlannedResource } from "../../tools/plan/plan";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";

const SHARED = join(ROOT, "..", "shared");
const whenThere = existsSync(SHARED) ? test : test.skip;
const skipped = existsSync(SHARED) ? "" : " (skipped: ../shared is not here)";

const domain = "rtrox.io";
const addresses = { internalAddress: "172.22.12.1", externalAddress: "172.22.12.2" };
const loadBalancer = { pin: (address: string) => ({ "lbipam.cilium.io/ips": address }) };
const nodes = [{ address: "172.30.11.1" }, { address: "172.30.11.2" }, { address: "172.30.11.3" }];
const cluster = () => ({ kubeconfig: pulumi.output("kubeconfig"), podCidr: "10.244.0.0/16" });
const cilium = (announce: Announce = "routed") =>
    new Cilium(
        "cilium",
        {
            cluster: cluster(),
            apiServer: KUBE_PRISM,
            nodeCount: nodes.length,
            profile: { kind: "native-routing", nativeRoutingCidr: "10.244.0.0/16", announce },
        },
        {},
    );
/** A store that hands out names and makes nothing. */
const secrets: SecretStore = {
    deliver: (_name, { name }) => pulumi.output(name),
    refer: (_name, { name }) => pulumi.output(name),
};

const look = (resources: PlannedResource[]) => lookInto(() => ({ resources }) as never);
const script = (resource: PlannedResource, when: "create" | "update" | "delete") =>
    String(dig(resource.inputs, when) ?? "");
const environment = (resource: PlannedResource) => dig(resource.inputs, "environment") as Record<string, string>;
const spec = (resource: PlannedResource) => dig(resource.inputs, "spec") as Inputs;
const kinds = (resources: PlannedResource[]) =>
    resources.filter(({ provider }) => provider !== null).map(({ type }) => type.split(":").at(-1) ?? "");

/** Every `resources` in values, by path: to see that memory is limited. */
function memoryLimits(value: unknown, path = ""): Record<string, unknown> {
    if (typeof value !== "object" || value === null) return {};
    return Object.entries(value).reduce<Record<string, unknown>>(
        (found, [key, item]) => ({
            ...found,
            ...(/resources$/i.test(key) ? { [`${path}${key}`]: dig(item, "limits", "memory") } : {}),
            ...memoryLimits(item, `${path}${key}.`),
        }),
        {},
    );
}

describe("CRD layer", () => {
    const bundles: CrdBundle[] = Object.values(crds);
    let layer: PlannedResource[];
    beforeAll(async () => {
        layer = await planComponent(() => {
            new CustomResourceDefinitions("crds", { cluster: cluster(), bundles }, {});
        });
    });

    test("external-dns, gateway-api, keda, prometheus and external-secrets are in it (C-BOOT-11)", () => {
        const { find, all } = look(layer);
        for (const project of ["external-dns", "gateway-api", "keda", "prometheus-operator", "external-secrets"]) {
            expect(environment(find(":Command", `crds-${project}`))["CRD_PROJECT"]).toBe(project);
        }
        expect(environment(find(":Command", "crds-keda"))["CRD_NAMES"]).toContain(" scaledobjects.keda.sh");
        expect(all(":Command").map(({ name }) => name)).toEqual([
            "crds-gateway-api",
            "crds-external-dns",
            "crds-keda",
            "crds-prometheus-operator",
            "crds-external-secrets",
            "crds-envoy-gateway",
            "crds-istio",
            "crds-external-snapshotter",
            "crds-velero",
            "crds-redis-enterprise",
            "crds-node-feature-discovery",
            "crds-intel-device-plugins",
        ]);
    });

    test("another version is applied in place: a replaced command would delete the definitions", () => {
        for (const command of look(layer).all(":Command")) {
            expect(dig(command.inputs, "triggers")).toBeUndefined();
            expect(script(command, "update")).toBe(script(command, "create"));
            expect(script(command, "create")).toContain("kubectl apply --server-side");
            expect(script(command, "create")).toContain("Established");
            expect(script(command, "delete")).toContain("kubectl delete crd $CRD_NAMES --ignore-not-found");
        }
    });

    test("files are upstream's, at the commit of the pinned version, each with its checksum", () => {
        for (const bundle of bundles) {
            const { CRD_FOLDER: folder = "", CRD_FILES: files = "" } = environment(
                look(layer).find(":Command", `crds-${bundle.project}`),
            ) as Record<string, string>;
            expect(folder).toMatch(/^https:\/\/raw\.githubusercontent\.com\/[\w-]+\/[\w-]+\/[0-9a-f]{40}\/[\w./-]+$/);
            expect(folder).toContain(`/${bundle.repository}/`);
            for (const file of files.split(" ")) expect(file).toMatch(/^[\w./-]+\.yaml=[0-9a-f]{64}$/);
            expect(files.split(" ").map((file) => file.split("=")[0])).toEqual(bundle.files);
        }
    });

    test("a bundle whose version was raised without new checksums is refused with the command that gets them", () => {
        expect(() => pinnedFiles({ ...crds.keda, version: "9.9.9" })).toThrow(/run {2}npm run crds$/);
        expect(() => pinnedFiles({ ...crds.keda, files: ["bases/new.yaml"] })).toThrow(/run {2}npm run crds$/);
        expect(() => pinnedFiles({ ...crds.keda, project: "new" })).toThrow(/has new not at all/);
    });

    test("a file with another checksum is refused, and nothing of the bundle is applied", () => {
        const folder = mkdtempSync(join(tmpdir(), "crds-"));
        try {
            mkdirSync(join(folder, "work"));
            writeFileSync(join(folder, "one.yaml"), "kind: CustomResourceDefinition\n");
            writeFileSync(join(folder, "kubectl"), `#!/bin/sh\necho "$*" >> '${folder}/calls'\n`, { mode: 0o755 });
            const sum = createHash("sha256").update("kind: CustomResourceDefinition\n").digest("hex");
            const body = script(look(layer).find(":Command", "crds-keda"), "create").split("\nfiles=")[1] ?? "";
            const apply = (files: string) =>
                spawnSync("bash", ["-euo", "pipefail", "-c", `work='${folder}/work'\nfiles=${body}`], {
                    encoding: "utf8",
                    env: {
                        ...process.env,
                        ...{ PATH: `${folder}:${process.env["PATH"] ?? ""}`, CRD_NAMES: "ones.example.com" },
                        ...{ CRD_FOLDER: pathToFileURL(folder).href, CRD_FILES: files },
                    },
                });
            const wrong = apply(`one.yaml=${"0".repeat(64)}`);
            expect(wrong.status).toBe(1);
            expect(wrong.stderr).toContain(`one.yaml has the SHA-256 ${sum}, and ${"0".repeat(64)} was expected`);
            expect(existsSync(join(folder, "calls"))).toBe(false);
            expect([apply(`one.yaml=${sum}`).status, apply("gone.yaml=0").status]).toEqual([0, 37]);
            expect(readFileSync(join(folder, "calls"), "utf8")).toContain(
                `apply --server-side --force-conflicts --filename ${folder}/work/crds --recursive`,
            );
        } finally {
            rmSync(folder, { recursive: true });
        }
    });

    test("what the Gateway API's file brings besides CRDs goes with it", () => {
        expect(environment(look(layer).find(":Command", "crds-gateway-api"))["CRD_OTHERS"]).toBe(
            "validatingadmissionpolicy/safe-upgrades.gateway.networking.k8s.io " +
                "validatingadmissionpolicybinding/safe-upgrades.gateway.networking.k8s.io",
        );
    });

    whenThere.each(bundles)(`names of $project are those of its definitions${skipped}`, ({ project, names }) => {
        const files = readdirSync(join(SHARED, "crds", project)).map((file) => file.replace(/\.yaml$/, ""));
        // The definitions at hand are of 0.22, which added one.
        const later = project === "external-dns" ? ["dnsrecords.externaldns.k8s.io"] : [];
        // Of Intel's devices the bundle has GPUs only.
        const wanted = project === "intel-device-plugins" ? files.filter((name) => name.startsWith("gpu")) : files;
        expect([...names, ...later].sort()).toEqual(wanted.sort());
    });
});

describe("Cilium with native routing", () => {
    const values = ciliumValues({
        cluster: { podCidr: "10.244.0.0/16" },
        apiServer: KUBE_PRISM,
        nodeCount: 3,
        profile: { kind: "native-routing", nativeRoutingCidr: "10.244.0.0/16", announce: "routed" },
    }) as Inputs;

    test("addresses of pods come from Kubernetes, packets travel as they are (C-NET-05, C-NET-06)", () => {
        expect(values["ipam"]).toEqual({ mode: "kubernetes" });
        expect(values["routingMode"]).toBe("native");
        expect(values["autoDirectNodeRoutes"]).toBe(true);
        expect(values["ipv4NativeRoutingCIDR"]).toBe("10.244.0.0/16");
        expect(values).not.toHaveProperty("tunnelProtocol");
    });

    test("Maglev, DSR, no kube-proxy (C-NET-07, C-NET-08, C-NET-09)", () => {
        expect(values["loadBalancer"]).toEqual({ algorithm: "maglev", mode: "dsr" });
        expect(values["kubeProxyReplacement"]).toBe(true);
        expect([values["k8sServiceHost"], values["k8sServicePort"]]).toEqual(["localhost", 7445]);
    });

    test("BBR and IPv4 BIG TCP, with the eBPF masquerading that they need (C-NET-10, C-NET-11)", () => {
        expect(values["bandwidthManager"]).toEqual({ enabled: true, bbr: true });
        expect(values["enableIPv4BIGTCP"]).toBe(true);
        expect(values["bpf"]).toEqual({ masquerade: true });
    });

    test("Gateway API, and no ingress controller (C-NET-03)", () => {
        expect(values["gatewayAPI"]).toEqual({ enabled: true });
        expect(values).not.toHaveProperty("ingressController");
    });

    test("Hubble with relay and UI (C-MON-02, C-MON-03)", () => {
        expect(dig(values, "hubble", "ui", "enabled")).toBe(true);
        expect(dig(values, "hubble", "relay", "enabled")).toBe(true);
    });

    test("on Talos: its cgroup mount, no kernel modules", () => {
        expect(values["cgroup"]).toEqual({ autoMount: { enabled: false }, hostRoot: "/sys/fs/cgroup" });
        const capabilities = dig(values, "securityContext", "capabilities") as Record<string, string[]>;
        expect(Object.keys(capabilities)).toEqual(["ciliumAgent", "cleanCiliumState"]);
        expect(Object.values(capabilities).flat()).not.toContain("SYS_MODULE");
    });

    test("memory of every container is limited, CPU is not", () => {
        expect(memoryLimits(values)).toEqual({
            resources: "2Gi",
            initResources: "512Mi",
            "envoy.resources": "512Mi",
            "operator.resources": "512Mi",
            "hubble.relay.resources": "256Mi",
            "hubble.ui.frontend.resources": "64Mi",
            "hubble.ui.backend.resources": "128Mi",
        });
        expect(JSON.stringify(values)).not.toMatch(/"limits":{[^}]*"cpu"/);
    });

    test.each([
        ["routed", false, false, ["ciliumloadbalancerippools"]],
        ["l2", true, false, ["ciliumloadbalancerippools", "ciliuml2announcementpolicies"]],
        [
            "bgp",
            false,
            true,
            ["ciliumloadbalancerippools", "ciliumbgpadvertisements", "ciliumbgpclusterconfigs", "ciliumbgppeerconfigs"],
        ],
    ] as const)("announce %s: what is on, and which CRDs are waited for", async (announce, l2, bgp, needed) => {
        const { find, inOrder } = look(await planComponent(() => void cilium(announce)));
        const own = find(":Release", "cilium");
        expect(dig(own.inputs, "values", "l2announcements", "enabled")).toBe(l2);
        expect(dig(own.inputs, "values", "bgpControlPlane", "enabled")).toBe(bgp);
        const ready = find(":Command", "cilium-ready");
        expect([...script(ready, "create").matchAll(/--for=create crd\/(\w+)/g)].map(([, crd]) => crd)).toEqual(needed);
        inOrder(find(":Command", "cilium-crd-cleanup"), own, ready);
    });
});

describe("address pool", () => {
    const planPool = (args: Omit<CiliumAddressPoolArgs, "cilium" | "pool">) =>
        planComponent(() => {
            new CiliumAddressPool("lan", { cilium: cilium(args.announce), pool: "172.22.12.0/24", ...args }, {});
        });
    const bgp = { localAsn: 64513, peerAsn: 64512, peerAddress: "172.30.11.254" };

    test("is the whole network, once Cilium is ready (C-NET-04)", async () => {
        const { find, inOrder, all } = look(await planPool({ announce: "routed" }));
        const pool = find(":CiliumLoadBalancerIPPool", "lan");
        expect(pool.inputs).toEqual({
            apiVersion: "cilium.io/v2",
            kind: "CiliumLoadBalancerIPPool",
            metadata: { name: "lan" },
            spec: { allowFirstLastIPs: "No", blocks: [{ cidr: "172.22.12.0/24" }] },
        });
        inOrder(find(":Command", "cilium-ready"), pool);
        expect([...all(":CiliumL2AnnouncementPolicy"), ...all(":CiliumBGPClusterConfig")]).toEqual([]);
    });

    test("routed: the router's routes through every node (C-NET-14)", () => {
        expect(staticRoutes("172.22.12.0/24", nodes)).toEqual([
            { destination: "172.22.12.0/24", via: "172.30.11.1" },
            { destination: "172.22.12.0/24", via: "172.30.11.2" },
            { destination: "172.22.12.0/24", via: "172.30.11.3" },
        ]);
    });

    test("l2: a policy, on the interfaces named", async () => {
        const { find } = look(await planPool({ announce: "l2", interfaces: ["^eno1$"] }));
        expect(spec(find(":CiliumL2AnnouncementPolicy", "lan-announcements"))).toEqual({
            loadBalancerIPs: true,
            externalIPs: false,
            interfaces: ["^eno1$"],
        });
    });

    test("bgp: every node peers with the router and advertises every Service's address", async () => {
        const { find, inOrder } = look(await planPool({ announce: "bgp", bgp }));
        const [advertisement, peer, config] = [
            find(":CiliumBGPAdvertisement", "lan-advertisement"),
            find(":CiliumBGPPeerConfig", "lan-peer"),
            find(":CiliumBGPClusterConfig", "lan-bgp"),
        ] as const;
        expect(dig(spec(peer), "families", 0, "advertisements", "matchLabels")).toEqual(
            dig(advertisement.inputs, "metadata", "labels"),
        );
        expect(spec(config)).toEqual({
            bgpInstances: [
                {
                    name: "lan",
                    localASN: 64513,
                    peers: [
                        {
                            name: "router",
                            peerASN: 64512,
                            peerAddress: "172.30.11.254",
                            peerConfigRef: { name: "lan" },
                        },
                    ],
                },
            ],
        });
        inOrder(advertisement, config);
        inOrder(peer, config);
    });

    test("bgp without a peer is an error", () => {
        const args = { cilium: undefined as never, pool: "172.22.12.0/24", announce: "bgp" } as const;
        expect(() => new CiliumAddressPool("lan", args, {})).toThrow("lan announces its addresses by bgp");
    });
});

describe("CoreDNS", () => {
    test("answers at the tenth address of the Service network", async () => {
        expect(clusterDnsAddress("10.96.0.0/12")).toBe("10.96.0.10");
        expect(clusterDnsAddress("10.43.0.0/16")).toBe("10.43.0.10");
        const { find } = look(
            await planComponent(() => {
                new CoreDns("coredns", { serviceCidr: "10.96.0.0/12" }, {});
            }),
        );
        expect(find(":Release", "coredns").inputs).toMatchObject({
            chart: "oci://ghcr.io/coredns/charts/coredns",
            version: "1.45.2",
            name: "coredns",
            namespace: "kube-system",
            values: {
                service: { name: "kube-dns", clusterIP: "10.96.0.10" },
                k8sAppLabelOverride: "kube-dns",
                replicaCount: 2,
            },
        });
    });

    test("serves TCP too, and what probes and metrics need", () => {
        const { servers, resources } = coreDnsValues({ serviceCidr: "10.96.0.0/12" });
        expect(servers.map(({ zones, port }) => ({ zones, port }))).toEqual([
            { zones: [{ zone: ".", use_tcp: true }], port: 53 },
        ]);
        const plugins = servers[0]?.plugins.map(({ name }) => name) ?? [];
        expect(plugins).toEqual(expect.arrayContaining(["health", "ready", "prometheus", "kubernetes", "loop"]));
        expect(resources.limits.memory).toBe("256Mi");
    });
});

describe("certificates", () => {
    const planCertificates = (server: "production" | "staging") =>
        planComponent(() => {
            const operator = new CertManager("cert-manager", {}, {});
            const certificate = new LetsEncrypt(
                "certificate",
                {
                    cluster: cluster(),
                    operator,
                    domain,
                    email: "admin@rtrox.io",
                    server,
                    namespace: GATEWAY_NAMESPACE,
                    secrets,
                },
                {},
            );
            certificate.secretName.apply((name) => expect(name).toBe("rtrox-io-tls"));
        });
    let plan: PlannedResource[];
    beforeAll(async () => {
        plan = await planCertificates("production");
    });

    test("cert-manager with its CRDs, which an uninstall takes along", () => {
        const { find } = look(plan);
        expect(find(":Release", "cert-manager").inputs).toMatchObject({
            chart: "oci://quay.io/jetstack/charts/cert-manager",
            name: "cert-manager",
            namespace: "cert-manager",
            values: { crds: { enabled: true, keep: false } },
        });
        expect(dig(find(":Namespace", "cert-manager").inputs, "metadata", "labels")).toMatchObject({
            "pod-security.kubernetes.io/enforce": "restricted",
        });
        expect(Object.values(memoryLimits(certManagerValues()))).toEqual(["256Mi", "128Mi", "512Mi", "128Mi"]);
    });

    test("Let's Encrypt by DNS challenge in Cloudflare's zone (C-SEC-01, C-SEC-24)", () => {
        const issuer = look(plan).find(":ClusterIssuer", "certificate-issuer");
        expect(dig(issuer.inputs, "metadata")).toEqual({
            name: "letsencrypt-production",
            annotations: { "pulumi.com/waitFor": "condition=Ready" },
        });
        expect(spec(issuer)).toEqual({
            acme: {
                email: "admin@rtrox.io",
                server: "https://acme-v02.api.letsencrypt.org/directory",
                privateKeySecretRef: { name: "letsencrypt-production-account" },
                solvers: [
                    {
                        selector: { dnsZones: [domain] },
                        dns01: {
                            cloudflare: { apiTokenSecretRef: { name: "cloudflare-dns-token", key: "token" } },
                        },
                    },
                ],
            },
        });
    });

    test("one wildcard certificate in a Secret beside the gateways (C-SEC-15)", () => {
        const { find, inOrder } = look(plan);
        const certificate = find(":Certificate", "certificate");
        expect(certificate.inputs).toMatchObject({
            metadata: { name: "rtrox-io", namespace: "network" },
            spec: {
                secretName: "rtrox-io-tls",
                dnsNames: [domain, `*.${domain}`],
                issuerRef: { kind: "ClusterIssuer", name: "letsencrypt-production" },
            },
        });
        inOrder(
            find(":Release", "cert-manager"),
            find(":ClusterIssuer", "certificate-issuer"),
            find(":Command", "certificate-challenges-gone"),
            certificate,
        );
    });

    test("staging has an issuer and an account of its own", async () => {
        const issuer = look(await planCertificates("staging")).find(":ClusterIssuer", "certificate-issuer");
        expect(dig(issuer.inputs, "metadata", "name")).toBe("letsencrypt-staging");
        expect(dig(spec(issuer), "acme", "server")).toBe("https://acme-staging-v02.api.letsencrypt.org/directory");
    });
});

describe("gateways", () => {
    const planEdge = (hasTunnel: boolean) =>
        planComponent(() => {
            const externalDns = new ExternalDns(
                "external-dns",
                {
                    cluster: cluster(),
                    domain,
                    zoneId: "0123456789abcdef0123456789abcdef",
                    namespace: GATEWAY_NAMESPACE,
                    secrets,
                    owner: "chongus",
                    ...(hasTunnel ? { tunnelHostname: pulumi.output("0000.cfargotunnel.com") } : {}),
                },
                {},
            );
            const gateway = new EnvoyGateway(
                "envoy-gateway",
                {
                    cluster: cluster(),
                    namespace: GATEWAY_NAMESPACE,
                    domain,
                    loadBalancer,
                    ...addresses,
                    certificate: pulumi.output("rtrox-io-tls"),
                    ...(hasTunnel ? { tunnelTarget: tunnelTarget(domain) } : {}),
                },
                { dependsOn: externalDns },
            );
            const ledger = new Exposures();
            const edge = composeEdge({
                domain,
                exposures: ledger,
                loadBalancer,
                routes: envoyGatewayRoutes({ gateway, ...addresses }),
                names: externalDnsNames(hasTunnel),
            });
            const backend = (workload: string) => ({ workload, namespace: "apps", service: workload, port: 8080 });
            edge.expose("sonarr", { host: "sonarr", access: "local" }, backend("sonarr"), {});
            edge.expose("echo", { host: "echo-server", access: "external" }, backend("echo"), {});
            edge.expose(
                "graphite",
                { host: "graphite", access: "dedicated", address: "172.22.12.3" },
                backend("graphite"),
                {},
            );
            exposures = ledger.seal();
            expect(edge.url("sonarr", "local")).toBe("https://sonarr.rtrox.io");
            dedicated = edge.dedicatedService("172.22.12.3", "graphite");
        });
    let exposures: readonly Exposure[] = [];
    let dedicated: unknown;
    let plan: PlannedResource[];
    beforeAll(async () => {
        plan = await planEdge(true);
    });
    const gateway = (which: string) => look(plan).find(":Gateway", `envoy-gateway-${which}`);

    test("class envoy of Envoy Gateway (C-EDGE-01)", () => {
        const { find } = look(plan);
        expect(find(":GatewayClass", "envoy-gateway-class").inputs).toMatchObject({
            metadata: { name: "envoy" },
            spec: { controllerName: "gateway.envoyproxy.io/gatewayclass-controller" },
        });
        expect(find(":Release", "envoy-gateway").inputs).toMatchObject({
            chart: "oci://docker.io/envoyproxy/gateway-helm",
            version: "v1.9.0",
            name: "envoy-gateway",
            namespace: "network",
            skipCrds: true,
            values: { crds: { enabled: false }, topologyInjector: { enabled: false } },
        });
    });

    test("are exactly two, in namespace network (C-EDGE-03, C-EDGE-08)", () => {
        expect(
            look(plan)
                .all("gateway.networking.k8s.io/v1:Gateway")
                .map(({ inputs }) => [dig(inputs, "metadata", "namespace"), dig(inputs, "metadata", "name")]),
        ).toEqual([
            ["network", "envoy-internal"],
            ["network", "envoy-external"],
        ]);
    });

    test.each([
        ["external", "172.22.12.2"],
        ["internal", "172.22.12.1"],
    ])("the %s one has its pinned address and a Service by its own name (C-EDGE-04)", (which, address) => {
        const name = `envoy-${which}`;
        const proxy = look(plan).find(":EnvoyProxy", `envoy-gateway-${which}-proxy`);
        expect(dig(proxy.inputs, "metadata")).toEqual({ name, namespace: "network" });
        expect(dig(spec(proxy), "provider", "kubernetes", "envoyService")).toEqual({
            name,
            type: "LoadBalancer",
            annotations: { "lbipam.cilium.io/ips": address },
            externalTrafficPolicy: "Cluster",
        });
        expect(dig(spec(gateway(which)), "infrastructure", "parametersRef", "name")).toBe(name);
    });

    test("end TLS with the certificate, for routes of every namespace (C-SEC-16)", () => {
        for (const which of ["internal", "external"]) {
            expect(spec(gateway(which))["listeners"]).toEqual([
                {
                    name: "http",
                    protocol: "HTTP",
                    port: 80,
                    allowedRoutes: { namespaces: { from: "Same" } },
                },
                {
                    name: "https",
                    protocol: "HTTPS",
                    port: 443,
                    hostname: "*.rtrox.io",
                    allowedRoutes: { namespaces: { from: "All" } },
                    tls: { mode: "Terminate", certificateRefs: [{ kind: "Secret", name: "rtrox-io-tls" }] },
                },
            ]);
            const redirect = look(plan).find(":HTTPRoute", `envoy-gateway-${which}-redirect`);
            expect(spec(redirect)).toEqual({
                parentRefs: [{ name: `envoy-${which}`, namespace: "network", sectionName: "http" }],
                rules: [
                    { filters: [{ type: "RequestRedirect", requestRedirect: { scheme: "https", statusCode: 301 } }] },
                ],
            });
        }
    });

    test("memory of controller and proxies is limited", () => {
        expect(memoryLimits(envoyGatewayValues())).toEqual({
            "deployment.envoyGateway.resources": "1Gi",
            "certgen.job.resources": "128Mi",
        });
        const proxy = look(plan).find(":EnvoyProxy", "envoy-gateway-internal-proxy");
        const found = memoryLimits(spec(proxy));
        expect(Object.values(found)).toEqual(["1Gi", "128Mi"]);
    });

    test("answers may take as long as they take", () => {
        expect(spec(look(plan).find(":BackendTrafficPolicy", "envoy-gateway-timeouts"))).toEqual({
            targetRefs: ["envoy-internal", "envoy-external"].map((name) => ({
                group: "gateway.networking.k8s.io",
                kind: "Gateway",
                name,
            })),
            timeout: { http: { requestTimeout: "0s" } },
        });
    });

    test("a host is internal unless it asks for the internet (C-EDGE-02, C-EDGE-06, C-EDGE-07, C-EDGE-09, C-EDGE-10, C-DNS-01)", () => {
        const route = look(plan).find(":HTTPRoute", "sonarr");
        expect(route.inputs).toEqual({
            apiVersion: "gateway.networking.k8s.io/v1",
            kind: "HTTPRoute",
            metadata: { name: "sonarr", namespace: "apps", labels: { "app.kubernetes.io/name": "sonarr" } },
            spec: {
                hostnames: ["sonarr.rtrox.io"],
                parentRefs: [{ name: "envoy-internal", namespace: "network", sectionName: "https" }],
                rules: [
                    {
                        matches: [{ path: { type: "PathPrefix", value: "/" } }],
                        backendRefs: [{ name: "sonarr", port: 8080 }],
                    },
                ],
            },
        });
        expect(kinds(plan)).not.toContain("Ingress");
    });

    test("an external host goes by the external gateway and is proxied (C-EDGE-12, C-DNS-05)", () => {
        const route = look(plan).find(":HTTPRoute", "echo");
        expect(dig(spec(route), "parentRefs", 0, "name")).toBe("envoy-external");
        expect(dig(route.inputs, "metadata", "annotations")).toEqual({
            "external-dns.alpha.kubernetes.io/cloudflare-proxied": "true",
        });
        expect(dig(gateway("external").inputs, "metadata", "annotations")).toEqual({
            "pulumi.com/waitFor": "condition=Programmed",
            "external-dns.alpha.kubernetes.io/target": "external.rtrox.io",
        });
        expect(dig(gateway("internal").inputs, "metadata", "annotations")).toEqual({
            "pulumi.com/waitFor": "condition=Programmed",
        });
    });

    test("a host with an address of its own has no route: its Service says both", () => {
        expect(
            look(plan)
                .all(":HTTPRoute")
                .map(({ name }) => name),
        ).not.toContain("graphite");
        expect(dedicated).toEqual({
            annotations: {
                "lbipam.cilium.io/ips": "172.22.12.3",
                "external-dns.alpha.kubernetes.io/hostname": "graphite.rtrox.io",
            },
            spec: { type: "LoadBalancer" },
        });
    });

    test("the tables: exposures, records, tunnel rules (C-EDGE-04)", () => {
        expect(exposures).toEqual([
            {
                workload: "sonarr",
                host: "sonarr.rtrox.io",
                access: "local",
                auth: "none",
                address: "172.22.12.1",
                port: 443,
            },
            {
                workload: "echo",
                host: "echo-server.rtrox.io",
                access: "external",
                auth: "none",
                address: "172.22.12.2",
                port: 443,
            },
            {
                workload: "graphite",
                host: "graphite.rtrox.io",
                access: "dedicated",
                auth: "none",
                address: "172.22.12.3",
                port: 8080,
            },
        ]);
        expect(externalDnsRows(exposures, domain, "0000.cfargotunnel.com")).toEqual([
            { name: "echo-server.rtrox.io", type: "CNAME", content: "external.rtrox.io", proxied: true },
            { name: "external.rtrox.io", type: "CNAME", content: "0000.cfargotunnel.com", proxied: true },
            { name: "graphite.rtrox.io", type: "A", content: "172.22.12.3", proxied: false },
            { name: "sonarr.rtrox.io", type: "A", content: "172.22.12.1", proxied: false },
        ]);
        const origin = externalGatewayOrigin(domain, "production");
        expect(tunnelRules(exposures, origin)).toEqual([
            {
                hostname: "echo-server.rtrox.io",
                service: "https://envoy-external.network.svc.cluster.local:443",
                originRequest: { originServerName: "external.rtrox.io" },
            },
            { service: "http_status:404" },
        ]);
        expect(tunnelRules(exposures, externalGatewayOrigin(domain, "staging"))[0]?.originRequest).toEqual({
            originServerName: "external.rtrox.io",
            noTlsVerify: true,
        });
        expect(tunnelRules(exposures, "http://edge:80")).toEqual([
            { hostname: "echo-server.rtrox.io", service: "http://edge:80" },
            { service: "http_status:404" },
        ]);
    });

    test("up: DNS, controller, class, gateways, routes; destroy the other way, with a gate after each that cleans up", () => {
        const { find, inOrder } = look(plan);
        const drained = find(":Command", "external-dns-records-gone");
        const proxiesGone = find(":Command", "envoy-gateway-proxies-gone");
        for (const which of ["internal", "external"]) {
            inOrder(
                find(":Release", "external-dns"),
                drained,
                find(":Release", "envoy-gateway"),
                find(":GatewayClass", "envoy-gateway-class"),
                proxiesGone,
                find(":EnvoyProxy", `envoy-gateway-${which}-proxy`),
                gateway(which),
                find(":HTTPRoute", which === "internal" ? "sonarr" : "echo"),
            );
        }
        inOrder(drained, find(":DNSEndpoint", "external-dns-tunnel"));
        expect(script(proxiesGone, "delete")).toContain("--for=delete");
        expect(script(drained, "delete")).toContain(RECORDS_GONE);
    });

    test("without a tunnel every host is internal, and nothing points at one", async () => {
        const { all, find } = look(await planEdge(false));
        expect(dig(spec(find(":HTTPRoute", "echo")), "parentRefs", 0, "name")).toBe("envoy-internal");
        expect(exposures.map(({ access }) => access)).toEqual(["local", "local", "dedicated"]);
        expect(all(":DNSEndpoint")).toEqual([]);
        expect(JSON.stringify(all(":Gateway"))).not.toContain("external-dns.alpha.kubernetes.io/target");
        expect(externalDnsRows(exposures, domain).map(({ type }) => type)).toEqual(["A", "A", "A"]);
    });
});

describe("external-dns", () => {
    const zoneId = "0123456789abcdef0123456789abcdef";
    const values = externalDnsValues({ domain, zoneId, owner: "chongus", tokenSecret: "external-dns-cloudflare" });

    test("Cloudflare; sources service, gateway-httproute, crd; policy sync (C-DNS-02, C-DNS-03, C-DNS-04)", () => {
        expect(values).toMatchObject({
            provider: { name: "cloudflare" },
            sources: ["service", "gateway-httproute", "crd"],
            policy: "sync",
            registry: "txt",
            txtOwnerId: "chongus",
            domainFilters: ["rtrox.io"],
            extraArgs: { "zone-id-filter": zoneId },
        });
        expect(values.resources.limits.memory).toBe("256Mi");
    });

    test("its token is a reference to a Secret", () => {
        expect(values.env).toEqual([
            {
                name: "CF_API_TOKEN",
                valueFrom: { secretKeyRef: { name: "external-dns-cloudflare", key: "token" } },
            },
        ]);
    });

    test("the tunnel's name is a record of its own", async () => {
        const { find } = look(
            await planComponent(() => {
                const tunnelHostname = pulumi.output("0000.cfargotunnel.com");
                const args = {
                    cluster: cluster(),
                    domain,
                    zoneId: "z",
                    namespace: "network",
                    secrets,
                    owner: "chongus",
                };
                new ExternalDns("external-dns", { ...args, tunnelHostname }, {});
            }),
        );
        expect(spec(find(":DNSEndpoint", "external-dns-tunnel"))).toEqual({
            endpoints: [
                {
                    dnsName: "external.rtrox.io",
                    recordType: "CNAME",
                    targets: ["0000.cfargotunnel.com"],
                    providerSpecific: [{ name: "external-dns.alpha.kubernetes.io/cloudflare-proxied", value: "true" }],
                },
            ],
        });
        expect(environment(find(":Command", "external-dns-records-gone"))["METRICS"]).toBe(
            "/api/v1/namespaces/network/services/external-dns:http/proxy/metrics",
        );
    });

    describe("gate on its records", () => {
        let work: string;
        beforeEach(() => {
            work = mkdtempSync(join(tmpdir(), "records-gone-"));
        });
        afterEach(() => rmSync(work, { recursive: true }));

        /** Runs the gate against a kubectl that answers with what a pass left behind; undefined: nothing answers. */
        function gate(metrics: { names: number; begun: string; ended: string } | undefined) {
            const answer =
                metrics === undefined
                    ? "echo 'Error from server (ServiceUnavailable)' >&2; exit 1"
                    : [
                          "cat <<'METRICS'",
                          "# HELP external_dns_source_endpoints_total Number of Endpoints in all sources",
                          `external_dns_source_endpoints_total ${metrics.names}`,
                          `external_dns_controller_last_reconcile_timestamp_seconds ${metrics.begun}`,
                          `external_dns_controller_last_sync_timestamp_seconds ${metrics.ended}`,
                          "METRICS",
                      ].join("\n");
            writeFileSync(
                join(work, "kubectl"),
                `#!/bin/sh\nif [ "$2" = --raw ]; then\n${answer}\nelse echo httproute/left-over; fi\n`,
            );
            chmodSync(join(work, "kubectl"), 0o755);
            const [bash = "", ...flags] = BASH;
            return spawnSync(bash, [...flags, RECORDS_GONE], {
                encoding: "utf8",
                env: { PATH: `${work}:${process.env["PATH"] ?? ""}`, METRICS: "/metrics", TIMEOUT_SECONDS: "0" },
            });
        }

        test("opens when a pass that found nothing has ended", () => {
            expect(gate({ names: 0, begun: "1.7634567891e+09", ended: "1.7634567893e+09" }).status).toBe(0);
        });

        test.each([
            ["names are left", { names: 3, begun: "1.76e+09", ended: "1.77e+09" }, "still finds 3 names"],
            ["a pass is under way or failed", { names: 0, begun: "1.77e+09", ended: "1.76e+09" }, "has not ended well"],
            ["no pass has ended yet", { names: 0, begun: "0", ended: "0" }, "has not ended well"],
            ["nothing answers", undefined, "does not answer: Error from server (ServiceUnavailable)"],
        ])("stays shut when %s, and says what to do", (_, metrics, message) => {
            const { status, stderr } = gate(metrics);
            expect(status).toBe(1);
            expect(stderr).toContain(message);
            expect(stderr).toContain("httproute/left-over");
            expect(stderr).toContain("pulumi state delete");
        });
    });
});

describe("against upstream", () => {
    type Tree = Record<string, unknown>;
    const isTree = (value: unknown): value is Tree =>
        typeof value === "object" && value !== null && !Array.isArray(value);
    /** Knobs that the chart's values.yaml only mentions in comments. */
    const COMMENTED = /^loadBalancer\.(algorithm|mode)$|(^|\.)image\.digest$/;
    const strangers = (own: Tree, known: Tree, path: string[] = []): string[] =>
        Object.entries(own).flatMap(([key, value]) => {
            const here = [...path, key];
            if (!(key in known)) return COMMENTED.test(here.join(".")) ? [] : [here.join(".")];
            const below = known[key];
            return isTree(value) && isTree(below) && Object.keys(below).length > 0 ? strangers(value, below, here) : [];
        });

    const profile = { kind: "native-routing", nativeRoutingCidr: "10.244.0.0/16", announce: "l2" } as const;
    whenThere.each([
        ["cilium", () => ciliumValues({ cluster: cluster(), apiServer: KUBE_PRISM, nodeCount: 3, profile })],
        ["cert-manager", certManagerValues],
        ["gateway-helm", envoyGatewayValues],
        ["external-dns", () => externalDnsValues({ domain, zoneId: "z", owner: "chongus", tokenSecret: "token" })],
    ] as const)(`every value of %s exists in the pinned chart${skipped}`, (chart, values) => {
        const known = parse(readFileSync(join(SHARED, "charts", chart, "values.yaml"), "utf8")) as Tree;
        expect(strangers(values() as Tree, known)).toEqual([]);
    });

    test("scripts are Bash", () => {
        for (const body of [RECORDS_GONE]) execFileSync("bash", ["-n", "-c", body]);
    });
});
