/** A Gateway that Cilium itself serves, as the way in: configuration, what is planned, what whole charts make of it, how the sandbox plays it. */
import * as pulumi from "@pulumi/pulumi";
import { CertManager, certManagerValues } from "../../components/edge/cert-manager";
import { ciliumGatewayOrigin } from "../../components/edge/cilium-gateway";
import { hostListeners, MOST_LISTENERS } from "../../components/edge/gateway-api";
import { tunnelRules } from "../../components/edge/names";
import { Namespaces } from "../../components/cluster/namespaces";
import { Cilium, ciliumValues, K3S_LOCAL_API, type Announce } from "../../components/network/cilium";
import { frrConfiguration } from "../../components/network/router";
import { announcedPoolFaults } from "../../lab/announced-pool";
import {
    challengeOf,
    ciliumGatewayDefaults,
    ciliumGatewayNetwork,
    ciliumGatewayWays,
    gatewayAddress,
    gatewayCertificateFaults,
    gatewaySecrets,
    GATEWAY_NAMESPACE,
    type CiliumGatewayConfig,
} from "../../lab/cilium-gateway";
import type { StackSummary } from "../../lab/context";
import { Lab } from "../../lab/lab";
import { TOOLS } from "../../lib/toolchain";
import { standInCrds } from "../../sandbox/charts/crds";
import { certManager as certManagerPlay } from "../../sandbox/operators/cert-manager/controller";
import { ciliumBgp } from "../../sandbox/operators/cilium/bgp";
import { ciliumGateway } from "../../sandbox/operators/cilium/gateway";
import { resources as apiOf } from "../../sandbox/controllers/controller";
import type { Gateway, HttpRoute, ReferenceGrant } from "../../sandbox/operators/gateway-api/routes";
import { answerOf, type Request } from "../../sandbox/operators/gateway-api/http-routing";
import { loadBalancer } from "../../sandbox/cluster/load-balancer";
import type { KubeObject, Secret } from "../../sandbox/controllers/objects";
import { crds } from "../../components/crds";
import type { PlannedResource } from "../../tools/plan/plan";
import { routerNotes } from "../../tools/plan/render";
import type { RenderedObject } from "../../tools/plan/rendered";
import { planComponent } from "./component-plan";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto } from "./planned";
import { PlayedCluster } from "./played-cluster";
import { cannotRender, renderReleases } from "./rendered-charts";

jest.setTimeout(120_000);

const domain = "fletcherlabs.net";
const nodes = [
    { name: "k3s-master1", address: "192.168.10.20", controlPlane: true },
    { name: "k3s1", address: "192.168.10.21", controlPlane: false },
    { name: "k3s2", address: "192.168.10.22", controlPlane: false },
    { name: "k3s3", address: "192.168.10.23", controlPlane: false },
];
const lan = "192.168.10.0/24";
const bgp = { localAsn: 64512, peerAsn: 64513, peerAddress: "192.168.10.1" };
const network = (said: Record<string, unknown> = {}) =>
    ciliumGatewayNetwork.parse(
        ciliumGatewayDefaults({ pool: "192.168.10.224/28", gateway: "192.168.10.224", bgp, ...said }, lan),
    );
const config = (said: Partial<CiliumGatewayConfig> = {}): CiliumGatewayConfig => ({
    domain,
    network: network(),
    certificates: { email: "josh@fletcherlabs.net", server: "production" },
    ...said,
});
const account = { accountId: "a".repeat(32), zoneId: "b".repeat(32), tunnel: "k3s-home" };

interface Planned {
    readonly resources: PlannedResource[];
    readonly said: Pick<StackSummary, "routes" | "peering" | "challenges">;
    readonly urls: readonly string[];
}

/** The ways in with two apps behind them, as a recipe builds them. */
async function plan(
    of: CiliumGatewayConfig,
    hosts = ["sonarr", "jellyfin"],
    told = [...hosts, "radarr"],
): Promise<Planned> {
    let said: Planned["said"] = {};
    let urls: string[] = [];
    const resources = await planComponent(async () => {
        const base = { ...of, timezone: "Etc/UTC", delivery: "pulumi" as const, protectData: true, apps: {} };
        const refs = of.cloudflare === undefined ? [] : ["cloudflare.apiToken", "cloudflare.dnsToken"];
        const lab = new Lab("k3s-home", base, { path: "secrets.enc.yaml", refs }, {} as never, {
            root: "/",
            readSops: () => Promise.resolve(() => "[secret]"),
        });
        await lab.look(Promise.resolve({ cluster: "" }), { machines: "the machines", silent: "warn" });
        const machines = Object.assign(new pulumi.ComponentResource("test:machines", "machines"), {
            kubeconfig: pulumi.secret("kubeconfig"),
        });
        const { podCidr, serviceCidr, announce } = of.network;
        const cluster = lab.connect(machines, { lan, podCidr, serviceCidr });
        const cilium = new Cilium(
            "cilium",
            { cluster, apiServer: K3S_LOCAL_API, nodeCount: nodes.length, profile: { kind: "tunnel", announce } },
            lab.after(machines),
        );
        const certManager = new CertManager("cert-manager", { gatewayApi: true }, lab.after(cilium));
        const namespaces = new Namespaces(
            "namespaces",
            { [GATEWAY_NAMESPACE]: "restricted", media: "baseline" },
            lab.after(certManager),
        );
        const ways = ciliumGatewayWays(lab, of, {
            host: {
                cluster,
                opts: lab.after(certManager),
                namespaces,
                storage: { record: () => undefined, owner: { uid: 1000, gid: 1000 } } as never,
                secrets: lab.secrets,
            },
            cilium,
            certManager,
            core: [certManager],
            nodes,
            hosts: told,
            pinned: [],
        });
        for (const host of hosts) {
            ways.edge.expose(
                host,
                { host, access: host === "jellyfin" ? "external" : "local" },
                { workload: host, namespace: namespaces.name("media"), service: host, port: 8096 },
                lab.objectAfter(ways.gateway),
            );
        }
        // Git's: recorded, without a route of this program.
        ways.edge.expose(
            "radarr",
            { host: "radarr", access: "local" },
            { workload: "radarr", namespace: "media", service: "radarr", port: 7878 },
            undefined,
        );
        ways.edge.expose(
            "syncthing",
            { host: "syncthing", access: "dedicated", address: "192.168.10.230" },
            { workload: "syncthing", namespace: "media", service: "syncthing", port: 22000 },
            undefined,
        );
        urls = hosts.map((host) => ways.edge.url(host, "local"));
        lab.exposures.seal();
        said = ways.publish();
    });
    return { resources, said, urls };
}
const lookAt = ({ resources }: Pick<Planned, "resources">) => lookInto(() => ({ resources }));

describe("configuration", () => {
    test("a peer makes it bgp, a pool in the machines' network l2, anything else routed; the Gateway is in the pool", () => {
        const of = (said: object, near: unknown = lan) =>
            ciliumGatewayDefaults({ pool: "192.168.10.224/28", ...said }, near);
        expect(of({ bgp })).toMatchObject({ announce: "bgp", gateway: "192.168.10.225" });
        expect(of({})).toMatchObject({ announce: "l2" });
        expect(of({}, "10.0.0.0/24")).not.toHaveProperty("announce");
        expect(of({ bgp, announce: "routed", gateway: "192.168.10.224" })).toMatchObject({
            announce: "routed",
            gateway: "192.168.10.224",
        });
        expect(ciliumGatewayDefaults({ pool: 7 }, lan)).toEqual({ pool: 7 });
    });

    test.each([
        ["http01 without Cloudflare", {}, "http01", []],
        ["dns01 with it", { cloudflare: account }, "dns01", ["cloudflare.dnsToken"]],
        [
            "http01 with it, where it is said",
            { cloudflare: account, certificates: { email: "a@b.cc", server: "staging", challenge: "http01" } },
            "http01",
            [],
        ],
        ["none without certificates", { certificates: undefined }, undefined, []],
    ] as [string, Partial<CiliumGatewayConfig>, string | undefined, string[]][])(
        "names are proven by %s",
        (_, said, challenge, refs) => {
            expect(challengeOf(config(said))).toBe(challenge);
            expect(gatewaySecrets(config(said))).toEqual(refs);
        },
    );

    test.each([
        [{}, []],
        [{ cloudflare: account }, []],
        [{ certificates: undefined, cloudflare: account }, []],
        // The zone leads no name to the router of the house.
        [
            { cloudflare: account, certificates: { email: "a@b.cc", server: "staging", challenge: "http01" } },
            ["http01-beside-zone"],
        ],
    ] as [Partial<CiliumGatewayConfig>, string[]][])("%j: a challenge that somebody can answer", (said, rules) => {
        expect(gatewayCertificateFaults(config(said), []).map(({ rule }) => rule)).toEqual(rules);
    });

    test("dns01 without a zone, and more hosts than a Gateway has listeners, are faults", () => {
        const dns01 = config({ certificates: { email: "a@b.cc", server: "staging", challenge: "dns01" } });
        expect(gatewayCertificateFaults(dns01, []).map(({ rule }) => rule)).toEqual(["dns01-without-zone"]);
        const hosts = (count: number) =>
            Array.from({ length: count }, (_, at) => [`apps.a${at}.host`, `a${at}`] as const);
        expect(gatewayCertificateFaults(config(), hosts(63))).toEqual([]);
        expect(gatewayCertificateFaults(config(), hosts(64))).toMatchObject([
            { rule: "too-many-listeners", got: "64 hosts by http01" },
        ]);
        expect(gatewayCertificateFaults(config({ cloudflare: account }), hosts(64))).toEqual([]);
        expect(
            hostListeners(
                hosts(63).map(([, host]) => `${host}.${domain}`),
                domain,
            ),
        ).toHaveLength(MOST_LISTENERS);
        expect(() =>
            hostListeners(
                hosts(64).map(([, host]) => `${host}.${domain}`),
                domain,
            ),
        ).toThrow(/64 hosts with a certificate each/);
    });

    test("the pool's first address may be the Gateway's; the LAN's own may not", () => {
        const pool = (said: Record<string, unknown>, firstAndLast = true) => {
            const own = network(said);
            return announcedPoolFaults({
                ...own,
                machines: ["network.lan", lan],
                networks: [],
                near: [],
                pinned: [gatewayAddress(own)],
                firstAndLast,
            }).map(({ rule }) => rule);
        };
        expect(pool({ bgp: undefined })).toEqual([]);
        expect(pool({ bgp: undefined }, false)).toEqual(["address-first-or-last"]);
        const atTheEnd = { pool: "192.168.10.240/28", gateway: "192.168.10.255", bgp: undefined };
        expect(pool(atTheEnd)).toEqual(["address-first-or-last"]);
    });
});

describe("Cilium in a tunnel with Gateways", () => {
    const values = (announce: Announce = "bgp") =>
        ciliumValues({
            cluster: { podCidr: "10.42.0.0/16" },
            apiServer: K3S_LOCAL_API,
            nodeCount: 4,
            profile: { kind: "tunnel", announce },
        }) as Record<string, unknown>;

    test("VXLAN, no kube-proxy, no masquerading by iptables", () => {
        expect(values()).toMatchObject({
            routingMode: "tunnel",
            tunnelProtocol: "vxlan",
            kubeProxyReplacement: true,
            bpf: { masquerade: true },
            k8sServiceHost: "127.0.0.1",
            k8sServicePort: 6444,
            ipam: { operator: { clusterPoolIPv4PodCIDRList: ["10.42.0.0/16"] } },
            operator: { replicas: 2 },
        });
        expect(values()).not.toHaveProperty("ingressController");
    });

    test("ALPN and appProtocol are on, and no argument of the component switches them off", () => {
        for (const announce of ["routed", "l2", "bgp"] as const) {
            expect(values(announce)["gatewayAPI"]).toEqual({
                enabled: true,
                enableAlpn: true,
                enableAppProtocol: true,
                gatewayClass: { create: "true" },
            });
        }
    });

    test.each([
        ["routed", false, false],
        ["l2", true, false],
        ["bgp", false, true],
    ] as const)("announced by %s: L2 %s, BGP %s", (announce, l2, control) => {
        expect(values(announce)).toMatchObject({
            l2announcements: { enabled: l2 },
            bgpControlPlane: { enabled: control },
        });
    });
});

describe("what is planned, by HTTP-01", () => {
    let planned: Planned;
    const look = lookInto(() => planned);
    beforeAll(async () => {
        planned = await plan(config());
    });
    const gateway = () => look.find("networking.k8s.io/v1:Gateway", "gateway-gateway");

    test("one Gateway, with a listener a host and one for plain HTTP, at its address", () => {
        expect(gateway().inputs).toMatchObject({
            metadata: { name: "shared-gateway", namespace: "networking" },
            spec: { gatewayClassName: "cilium", addresses: [{ type: "IPAddress", value: "192.168.10.224" }] },
        });
        const listeners = dig(gateway().inputs, "spec", "listeners") as Record<string, unknown>[];
        expect(listeners.map(({ name, port, hostname }) => [name, port, hostname])).toEqual([
            ["http", 80, undefined],
            ["https-jellyfin", 443, "jellyfin.fletcherlabs.net"],
            ["https-radarr", 443, "radarr.fletcherlabs.net"],
            ["https-sonarr", 443, "sonarr.fletcherlabs.net"],
        ]);
        expect(dig(listeners[3], "tls")).toEqual({
            mode: "Terminate",
            certificateRefs: [{ kind: "Secret", name: "sonarr-tls" }],
        });
    });

    test("a certificate a host without a wildcard, also of a host whose route is Git's", () => {
        const certificates = look
            .all(":Certificate")
            .map(({ inputs }) => dig(inputs, "spec") as Record<string, unknown>);
        expect(certificates.map(({ secretName, dnsNames }) => [secretName, dnsNames])).toEqual([
            ["sonarr-tls", ["sonarr.fletcherlabs.net"]],
            ["jellyfin-tls", ["jellyfin.fletcherlabs.net"]],
            ["radarr-tls", ["radarr.fletcherlabs.net"]],
        ]);
        expect(dig(look.find(":ClusterIssuer", "certificates-issuer").inputs, "spec", "acme")).toMatchObject({
            server: "https://acme-v02.api.letsencrypt.org/directory",
            solvers: [
                {
                    http01: {
                        gatewayHTTPRoute: {
                            parentRefs: [{ name: "shared-gateway", namespace: "networking", sectionName: "http" }],
                        },
                    },
                },
            ],
        });
    });

    test("routes hang on their host's listener; the redirect on plain HTTP, for every host", () => {
        expect(dig(look.find(":HTTPRoute", "sonarr").inputs, "spec")).toMatchObject({
            hostnames: ["sonarr.fletcherlabs.net"],
            parentRefs: [{ name: "shared-gateway", namespace: "networking", sectionName: "https-sonarr" }],
        });
        expect(dig(look.find(":HTTPRoute", "gateway-redirect").inputs, "spec")).toEqual({
            parentRefs: [{ name: "shared-gateway", namespace: "networking", sectionName: "http" }],
            rules: [{ filters: [{ type: "RequestRedirect", requestRedirect: { scheme: "https", statusCode: 301 } }] }],
        });
        expect(planned.urls).toEqual(["https://sonarr.fletcherlabs.net", "https://jellyfin.fletcherlabs.net"]);
    });

    test("Cilium, pool, Gateway, then routes and certificates side by side", () => {
        const [route, certificate] = [
            look.find(":HTTPRoute", "sonarr"),
            look.find(":Certificate", "certificates-sonarr.fletcherlabs.net"),
        ];
        look.inOrder(
            look.find(":Command", "cilium-ready"),
            look.find(":CiliumLoadBalancerIPPool", "pool"),
            gateway(),
            route,
        );
        look.inOrder(
            gateway(),
            look.find(":ClusterIssuer", "certificates-issuer"),
            look.find(":Command", "certificates-challenges-gone"),
            certificate,
        );
        expect([look.waitsFor(route.urn).has(certificate.urn), look.waitsFor(certificate.urn).has(route.urn)]).toEqual([
            false,
            false,
        ]);
    });

    test("another app changes the Gateway's listeners and nothing else that is there", async () => {
        const more = await plan(config(), ["sonarr", "jellyfin", "lidarr"]);
        const before = new Map(planned.resources.map((one) => [one.urn, JSON.stringify(one.inputs)]));
        const changed = more.resources.filter(({ urn, inputs }) => before.get(urn) !== JSON.stringify(inputs));
        expect(changed.map(({ name }) => name).sort()).toEqual([
            "certificates-lidarr.fletcherlabs.net",
            "gateway-gateway",
            "lidarr",
        ]);
        expect(more.resources.length - planned.resources.length).toBe(2);
    });

    test("the pool's first address is given out, as the Gateway has it", () => {
        expect(dig(look.find(":CiliumLoadBalancerIPPool", "pool").inputs, "spec")).toEqual({
            allowFirstLastIPs: "Yes",
            blocks: [{ cidr: "192.168.10.224/28" }],
        });
    });

    test("workers peer with the router, which keeps routes over a restart", () => {
        expect(dig(look.find(":CiliumBGPClusterConfig", "pool-bgp").inputs, "spec")).toEqual({
            nodeSelector: {
                matchExpressions: [{ key: "node-role.kubernetes.io/control-plane", operator: "DoesNotExist" }],
            },
            bgpInstances: [
                {
                    name: "pool",
                    localASN: 64512,
                    peers: [
                        {
                            name: "router",
                            peerASN: 64513,
                            peerAddress: "192.168.10.1",
                            peerConfigRef: { name: "pool" },
                        },
                    ],
                },
            ],
        });
        expect(dig(look.find(":CiliumBGPPeerConfig", "pool-peer").inputs, "spec")).toMatchObject({
            timers: { connectRetryTimeSeconds: 30, holdTimeSeconds: 30, keepAliveTimeSeconds: 10 },
            gracefulRestart: { enabled: true, restartTimeSeconds: 120 },
        });
        expect(look.all(":CiliumL2AnnouncementPolicy")).toEqual([]);
    });

    test("what the household's router must hold is said: neighbours, the way in for Let's Encrypt", () => {
        const { peering, challenges, routes } = planned.said;
        expect(peering?.cluster.neighbours.map(({ name }) => name)).toEqual(["k3s1", "k3s2", "k3s3"]);
        expect(peering && frrConfiguration(peering)).toBe(
            [
                "router bgp 64513",
                " bgp router-id 192.168.10.1",
                " neighbor cluster peer-group",
                " neighbor cluster remote-as 64512",
                " neighbor cluster timers 10 30",
                " neighbor 192.168.10.21 peer-group cluster",
                " neighbor 192.168.10.21 description k3s1",
                " neighbor 192.168.10.22 peer-group cluster",
                " neighbor 192.168.10.22 description k3s2",
                " neighbor 192.168.10.23 peer-group cluster",
                " neighbor 192.168.10.23 description k3s3",
                " address-family ipv4 unicast",
                "  maximum-paths 3",
                "  neighbor cluster activate",
                "  neighbor cluster prefix-list cluster-pool in",
                "  neighbor cluster prefix-list nothing out",
                " exit-address-family",
                "exit",
                "ip prefix-list cluster-pool seq 5 permit 192.168.10.224/28 ge 32",
                "ip prefix-list nothing seq 5 deny any",
            ].join("\n"),
        );
        expect(challenges).toEqual({
            address: "192.168.10.224",
            port: 80,
            hosts: ["sonarr", "jellyfin", "radarr"].map((host) => `${host}.fletcherlabs.net`),
        });
        expect(routes).toBeUndefined();
    });

    test("and a plan says it", () => {
        const { peering, challenges } = planned.said;
        const text = routerNotes({ ...(peering && { peering }), ...(challenges && { challenges }) }).join("\n");
        expect(text).toContain("\n     neighbor 192.168.10.21 description k3s1\n");
        expect(text).toMatch(
            /asks the host for it on port 80, 3 in all: .* your router leads port 80 to 192\.168\.10\.224\./,
        );
        expect(routerNotes({})).toEqual([]);
    });

    test("custom resources are of their definitions", () => {
        if (!haveCrds) return console.warn("skipped: ../shared/crds is not here");
        const custom = planned.resources.filter(({ type }) =>
            /^kubernetes:(cilium\.io|cert-manager\.io|gateway\.networking)/.test(type),
        );
        expect(custom.length).toBeGreaterThanOrEqual(12);
        expect(custom.flatMap(({ inputs }) => crdFaults(inputs as never))).toEqual([]);
    });

    test("cert-manager answers by routes, and is as before where nobody asks for that", () => {
        expect(dig(look.values("cert-manager"), "config", "gatewayAPI")).toEqual({ enabled: true });
        expect(certManagerValues()).not.toHaveProperty("config");
    });
});

describe("what is planned otherwise", () => {
    test.each([
        ["by an authority of the cluster's own", { certificates: undefined }, ":Certificate"],
        ["by DNS-01", { cloudflare: account }, ":Certificate"],
    ] as [string, Partial<CiliumGatewayConfig>, string][])("%s: one certificate and one listener", async (_, said) => {
        const { find, all } = lookAt(await plan(config(said)));
        const listeners = dig(find("networking.k8s.io/v1:Gateway", "gateway-gateway").inputs, "spec", "listeners");
        expect((listeners as { name: string }[]).map(({ name }) => name)).toEqual(["http", "https"]);
        expect(dig(find(":HTTPRoute", "sonarr").inputs, "spec", "parentRefs", 0, "sectionName")).toBe("https");
        expect(all(":Certificate").filter(({ inputs }) => dig(inputs, "spec", "isCA") !== true)).toHaveLength(1);
        expect(
            all(":ClusterIssuer")
                .map(({ inputs }) => JSON.stringify(inputs))
                .join(),
        ).not.toContain("http01");
    });

    test("with Cloudflare an external host comes through the tunnel, by its own name, and records are the program's", async () => {
        const planned = await plan(config({ cloudflare: account }));
        const { all } = lookAt(planned);
        expect(all(":DnsRecord").map(({ inputs }) => [dig(inputs, "name"), dig(inputs, "type")])).toEqual([
            ["sonarr.fletcherlabs.net", "A"],
            ["radarr.fletcherlabs.net", "A"],
            ["syncthing.fletcherlabs.net", "A"],
            ["jellyfin.fletcherlabs.net", "CNAME"],
        ]);
        expect(planned.said).not.toHaveProperty("challenges");
        const exposure = { workload: "j", access: "external", auth: "own", address: "1.1.1.1", port: 443 } as const;
        expect(tunnelRules([{ ...exposure, host: `j.${domain}` }], ciliumGatewayOrigin("production"))[0]).toEqual({
            hostname: "j.fletcherlabs.net",
            service: "https://cilium-gateway-shared-gateway.networking.svc.cluster.local:443",
            originRequest: { originServerName: "j.fletcherlabs.net" },
        });
    });

    test("routed: static routes instead of a peering; a Gateway inside the pool leaves its ends", async () => {
        const routed = network({ announce: "routed", bgp: undefined, gateway: "192.168.10.226" });
        const planned = await plan(config({ network: routed }));
        expect(planned.said.routes).toHaveLength(4);
        expect(planned.said).not.toHaveProperty("peering");
        const { all, find } = lookAt(planned);
        expect(all(":CiliumBGPClusterConfig")).toEqual([]);
        expect(dig(find(":CiliumLoadBalancerIPPool", "pool").inputs, "spec", "allowFirstLastIPs")).toBe("No");
    });

    test("a range of addresses: Cilium gets its ends, the router each of its networks", async () => {
        const pool = "192.168.10.230-192.168.10.232";
        const ranged = { pool, gateway: "192.168.10.230" };
        const planned = await plan(config({ network: network(ranged) }));
        expect(dig(lookAt(planned).find(":CiliumLoadBalancerIPPool", "pool").inputs, "spec")).toEqual({
            blocks: [{ start: "192.168.10.230", stop: "192.168.10.232" }],
        });
        const { peering } = planned.said;
        expect((peering && frrConfiguration(peering))?.split("\n").slice(-3)).toEqual([
            "ip prefix-list cluster-pool seq 5 permit 192.168.10.230/31 ge 32",
            "ip prefix-list cluster-pool seq 10 permit 192.168.10.232/32",
            "ip prefix-list nothing seq 5 deny any",
        ]);
        const routed = await plan(config({ network: network({ ...ranged, announce: "routed", bgp: undefined }) }));
        expect(
            routed.said.routes?.map(({ destination }) => destination).filter((one, at, all) => all.indexOf(one) === at),
        ).toEqual(["192.168.10.230/31", "192.168.10.232/32"]);
    });

    test("hosts that are exposed and told to the Gateway are the same, or nothing is built on", async () => {
        const told = ["sonarr", "jellyfin", "radarr"];
        await expect(plan(config(), ["sonarr", "jellyfin", "lidarr"], told)).rejects.toThrow(
            /^lidarr\.fletcherlabs\.net is exposed, and the Gateway has no listener for it \(sonarr\./,
        );
        await expect(plan(config(), ["sonarr", "jellyfin"], ["sonarr", "jellyfin", "plex"])).rejects.toThrow(
            "Exposed without a listener: radarr.fletcherlabs.net. With a listener and not exposed: plex.fletcherlabs.net.",
        );
        await expect(plan(config({ certificates: undefined }), ["sonarr"], [])).resolves.toBeDefined();
    });
});

/** Kinds of the Gateway API without one of which Cilium's operator serves none: operator/pkg/gateway-api/helpers of 1.20. */
const REQUIRED_KINDS = [
    "gatewayclasses",
    "gateways",
    "httproutes",
    "grpcroutes",
    "tlsroutes",
    "referencegrants",
    "backendtlspolicies",
];

test.each(REQUIRED_KINDS)(
    "the pinned Gateway API serves %s/v1, which Cilium's operator looks for at its start",
    (kind) => {
        const served = standInCrds(crds.gatewayApi.project).flatMap(({ spec }) =>
            spec.versions.filter((one) => one.served).map(({ name }) => `${spec.names.plural}/${name}`),
        );
        expect(served).toContain(`${kind}/v1`);
    },
);

describe("the whole charts", () => {
    let rendered: readonly RenderedObject[] | undefined;
    beforeAll(async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        const { resources } = await plan(config());
        const releases = await renderReleases(
            { resources: lookAt({ resources }).all(":Release") },
            TOOLS.kubectl.version,
        );
        rendered = releases.flatMap(({ objects }) => objects);
    });
    const find = (kind: string, name: string) =>
        rendered?.find((one) => one.kind === kind && one.metadata.name === name);

    test("Cilium is told of ALPN and appProtocol, of a tunnel, and of BGP", () => {
        if (rendered === undefined) return;
        expect(dig(find("ConfigMap", "cilium-config"), "data")).toMatchObject({
            "enable-gateway-api": "true",
            "enable-gateway-api-alpn": "true",
            "enable-gateway-api-app-protocol": "true",
            "enable-gateway-api-secrets-sync": "true",
            "kube-proxy-replacement": "true",
            "enable-bpf-masquerade": "true",
            "routing-mode": "tunnel",
            "tunnel-protocol": "vxlan",
            "enable-bgp-control-plane": "true",
        });
        expect(dig(find("GatewayClass", "cilium"), "spec", "controllerName")).toBe("io.cilium/gateway-controller");
    });

    test("the operator runs on a server that takes nothing else, while no node is ready", () => {
        if (rendered === undefined) return;
        const tolerations = dig(find("Deployment", "cilium-operator"), "spec", "template", "spec", "tolerations");
        for (const key of ["node-role.kubernetes.io/control-plane", "node.kubernetes.io/not-ready"]) {
            expect(tolerations).toContainEqual({ key, operator: "Exists" });
        }
    });

    test("cert-manager's controller reads that it answers by routes, and may make them", () => {
        if (rendered === undefined) return;
        const file = String(dig(find("ConfigMap", "cert-manager"), "data", "config.yaml"));
        expect(file).toMatch(/gatewayAPI:\n\s+enabled: true/);
        expect(JSON.stringify(dig(find("Deployment", "cert-manager"), "spec"))).toContain(
            "--config=/var/cert-manager/config/config.yaml",
        );
    });
});

describe("in the sandbox", () => {
    const GATEWAY_API = "gateway.networking.k8s.io";
    const all = { [`/apis/${GATEWAY_API}/v1`]: REQUIRED_KINDS };
    const lists = {
        routes: apiOf(GATEWAY_API, "v1", "httproutes"),
        challenges: apiOf("acme.cert-manager.io", "v1", "challenges"),
        certificates: apiOf("cert-manager.io", "v1", "certificates"),
        nodeConfigs: apiOf("cilium.io", "v2", "ciliumbgpnodeconfigs"),
    };
    let planned: Planned;
    beforeAll(async () => {
        planned = await plan(config());
    });
    /** Objects of the plan, by the end of their type. */
    const objects = (...types: string[]) =>
        planned.resources
            .filter(({ type }) => types.some((end) => type.endsWith(`:${end}`)))
            .map(({ inputs }) => inputs as unknown as KubeObject);
    const deployment = (namespace: string, name: string, labels: object = {}, args: string[] = []) => ({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name, namespace, generation: 1, labels },
        spec: { replicas: 1, template: { spec: { containers: [{ name, image: "i", args }] } } },
        status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
    });
    const configMap = (namespace: string, name: string, data: object) => ({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, namespace },
        data,
    });
    const platform = () => [
        deployment("kube-system", "cilium-operator"),
        configMap("kube-system", "cilium-config", {
            "enable-gateway-api": "true",
            "kube-proxy-replacement": "true",
            "enable-bgp-control-plane": "true",
        }),
        deployment(
            "cert-manager",
            "cert-manager",
            { "app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller" },
            ["--config=/var/cert-manager/config/config.yaml"],
        ),
        configMap("cert-manager", "cert-manager", { "config.yaml": "gatewayAPI:\n  enabled: true\n" }),
        ...["networking", "media"].map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
        ...["sonarr", "jellyfin"].map((name) => ({
            apiVersion: "v1",
            kind: "Service",
            metadata: { name, namespace: "media" },
            spec: { ports: [{ port: 8096 }] },
        })),
        ...nodes.map(({ name, controlPlane }) => ({
            apiVersion: "v1",
            kind: "Node",
            metadata: {
                name,
                labels: controlPlane ? { "node-role.kubernetes.io/control-plane": "true" } : {},
            },
        })),
        {
            apiVersion: `${GATEWAY_API}/v1`,
            kind: "GatewayClass",
            metadata: { name: "cilium" },
            spec: { controllerName: "io.cilium/gateway-controller" },
        },
    ];
    const controllers = () => [loadBalancer, ciliumBgp, ciliumGateway(), certManagerPlay];
    const cluster = (kinds: Record<string, string[]> = all) =>
        new PlayedCluster(controllers(), kinds).give(
            ...platform(),
            ...objects("CiliumLoadBalancerIPPool", "CiliumBGPClusterConfig", "CiliumBGPPeerConfig"),
            ...objects("Gateway", "HTTPRoute"),
        );
    const certificates = () => objects("ClusterIssuer", "Certificate");
    const gatewayIn = (here: PlayedCluster) =>
        here.get(`${GATEWAY_API}/v1`, "Gateway", "networking", "shared-gateway") as unknown as Gateway;
    const conditions = (object: unknown, ...path: (string | number)[]) =>
        Object.fromEntries(
            ((dig(object, ...path, "conditions") ?? []) as { type: string; status: string; message: string }[]).map(
                ({ type, status, message }) => [type, { status, message }],
            ),
        );
    const listenersOf = (here: PlayedCluster) =>
        Object.fromEntries(
            ((dig(gatewayIn(here), "status", "listeners") ?? []) as { name: string }[]).map((one) => [
                one.name,
                conditions(one),
            ]),
        );
    const ask = (here: PlayedCluster, request: Request) =>
        answerOf(gatewayIn(here), request, {
            routes: here.all(lists.routes) as unknown as HttpRoute[],
            namespaces: here.all("/api/v1/namespaces") as unknown as KubeObject[],
            secrets: here.all("/api/v1/secrets") as unknown as Secret[],
            grants: [] as ReferenceGrant[],
        });
    /** Why the challenges that are there are not answered. */
    const pending = (here: PlayedCluster) => here.all(lists.challenges).map((one) => dig(one, "status", "reason"));
    const ready = (here: PlayedCluster) =>
        here.all(lists.certificates).map((one) => conditions(one, "status")["Ready"]?.status);

    test("the first time: a Gateway with its address and plain HTTP, while no certificate is there", async () => {
        const here = await cluster().settle();
        expect(conditions(gatewayIn(here), "status")).toMatchObject({
            Accepted: { status: "True" },
            Programmed: { status: "True" },
        });
        expect(dig(gatewayIn(here), "status", "addresses")).toEqual([{ type: "IPAddress", value: "192.168.10.224" }]);
        expect(listenersOf(here)).toMatchObject({
            http: { Accepted: { status: "True" }, Programmed: { status: "True" } },
            "https-sonarr": {
                Accepted: {
                    status: "False",
                    message: "Listener not valid. Invalid CertificateRef, Secret networking/sonarr-tls does not exist.",
                },
                ResolvedRefs: { status: "False" },
                Programmed: { status: "False" },
            },
        });
        expect(ask(here, { scheme: "https", host: "sonarr.fletcherlabs.net", path: "/" })).toMatchObject({
            kind: "reset",
        });
        expect(ask(here, { scheme: "http", host: "sonarr.fletcherlabs.net", path: "/" })).toMatchObject({
            kind: "redirect",
        });
    });

    test("then challenges are answered through it, and every listener has its certificate", async () => {
        const here = await cluster().settle();
        here.give(...certificates());
        await here.settle();
        expect(ready(here)).toEqual(["True", "True", "True"]);
        expect(listenersOf(here)).toMatchObject({
            "https-sonarr": { Accepted: { status: "True" }, Programmed: { status: "True" } },
        });
        // Nothing of a challenge is left, and its route took nothing from the redirect.
        expect(here.all(lists.challenges)).toEqual([]);
        expect(
            here
                .all(lists.routes)
                .map(({ metadata }) => metadata.name)
                .sort(),
        ).toEqual(["jellyfin", "shared-gateway-redirect", "sonarr"]);
        expect(ask(here, { scheme: "https", host: "sonarr.fletcherlabs.net", path: "/" })).toMatchObject({
            kind: "backend",
            service: "sonarr",
        });
        for (const scheme of ["http", "https"] as const) {
            expect(ask(here, { scheme, host: "radarr.fletcherlabs.net", path: "/" }).kind).toBe(
                scheme === "http" ? "redirect" : "404",
            );
        }
    });

    test("a challenge is answered although the redirect of everything is older; everything else is still redirected", async () => {
        const here = await cluster().settle();
        const route = {
            apiVersion: `${GATEWAY_API}/v1`,
            kind: "HTTPRoute",
            metadata: { name: "zz-solver", namespace: "networking" },
            spec: {
                parentRefs: [{ name: "shared-gateway", namespace: "networking", sectionName: "http" }],
                hostnames: ["sonarr.fletcherlabs.net"],
                rules: [
                    {
                        matches: [{ path: { type: "Exact", value: "/.well-known/acme-challenge/t" } }],
                        backendRefs: [{ name: "solver", port: 8089 }],
                    },
                ],
            },
        };
        await here.give(route).settle();
        const get = (host: string, path: string) => ask(here, { scheme: "http", host, path }).kind;
        expect(get("sonarr.fletcherlabs.net", "/.well-known/acme-challenge/t")).toBe("backend");
        expect(get("jellyfin.fletcherlabs.net", "/.well-known/acme-challenge/t")).toBe("redirect");
        // Envoy chooses by host first: while a challenge of a host is open, its other paths have no rule.
        expect(get("sonarr.fletcherlabs.net", "/")).toBe("404");
    });

    describe("the trap: otherwise no challenge is ever answered", () => {
        const certificate = () => [
            ...objects("ClusterIssuer"),
            ...objects("Certificate").filter(({ metadata }) => metadata.name === "sonarr"),
        ];
        const issuerWith = (change: object) =>
            certificate().map((one) => {
                if (one.kind !== "ClusterIssuer") return one;
                const parent = dig(one, "spec", "acme", "solvers", 0, "http01", "gatewayHTTPRoute", "parentRefs", 0);
                const solvers = [
                    { http01: { gatewayHTTPRoute: { parentRefs: [{ ...(parent as object), ...change }] } } },
                ];
                return { ...one, spec: { acme: { ...(dig(one, "spec", "acme") as object), solvers } } };
            });

        test("a listener for plain HTTP of the host's own, with the redirect on it", async () => {
            const here = cluster();
            const gateway = objects("Gateway")[0] as unknown as Gateway;
            const host = "sonarr.fletcherlabs.net";
            const own = { name: "http-sonarr", protocol: "HTTP", port: 80, hostname: host };
            const redirect = objects("HTTPRoute").find(({ metadata }) => metadata.name.endsWith("-redirect"));
            here.give(
                { ...gateway, spec: { ...gateway.spec, listeners: [...gateway.spec.listeners, own] } },
                {
                    ...redirect,
                    spec: {
                        ...(dig(redirect, "spec") as object),
                        parentRefs: [{ name: "shared-gateway", namespace: "networking", sectionName: "http-sonarr" }],
                    },
                },
            );
            await here.settle();
            await here.give(...certificate()).settle();
            expect(ready(here)).toEqual(["False"]);
            expect(pending(here)[0]).toMatch(
                /^Waiting for HTTP-01 challenge propagation: .*EOF \(Secret networking\/sonarr-tls does not exist\.\)$/,
            );
            // On that listener the challenge is before the redirect again: by its path.
            await here.give(...issuerWith({ sectionName: "http-sonarr" })).settle();
            for (const one of here.all(lists.challenges))
                here.take("acme.cert-manager.io/v1", "Challenge", "networking", one.metadata.name);
            await here.settle();
            expect(ready(here)).toEqual(["True"]);
        });

        test("the challenge on the listener whose certificate it is for", async () => {
            const here = await cluster().settle();
            await here.give(...issuerWith({ sectionName: "https-sonarr" })).settle();
            expect([ready(here), pending(here)[0]]).toEqual([["False"], expect.stringContaining("EOF (Secret")]);
        });

        test("a certificate in the namespace of its app, whose routes plain HTTP does not take", async () => {
            const here = await cluster().settle();
            await here
                .give(
                    ...certificate().map((one) =>
                        one.kind === "Certificate"
                            ? { ...one, metadata: { ...one.metadata, namespace: "media" } }
                            : one,
                    ),
                )
                .settle();
            expect([ready(here), pending(here)[0]]).toEqual([["False"], expect.stringContaining("EOF (")]);
            const solver = here.all(lists.routes).find(({ metadata }) => metadata.name.startsWith("cm-acme"));
            expect(conditions(solver, "status", "parents", 0)["Accepted"]).toEqual({
                status: "False",
                message: "HTTPRoute is not allowed to attach to this Gateway due to namespace restrictions",
            });
        });

        test("a controller that is not told to answer by routes, or a wildcard", async () => {
            const here = await cluster().settle();
            here.give(configMap("cert-manager", "cert-manager", { "config.yaml": "{}" }), ...certificate());
            await here.settle();
            expect([ready(here), pending(here)[0]]).toEqual([
                ["False"],
                expect.stringContaining("gateway api is not enabled"),
            ]);
            const wild = await cluster().settle();
            await wild
                .give(
                    ...certificate().map((one) =>
                        one.kind === "Certificate"
                            ? { ...one, spec: { ...(dig(one, "spec") as object), dnsNames: ["*.fletcherlabs.net"] } }
                            : one,
                    ),
                )
                .settle();
            expect(conditions(wild.all(lists.certificates)[0], "status")["Ready"]?.message).toContain(
                "no configured challenge solvers can be used for the challenge of *.fletcherlabs.net",
            );
        });
    });

    test("a certificate that is taken out while its challenge is open leaves nothing, as long as cert-manager runs", async () => {
        const here = await cluster().settle();
        const gateway = gatewayIn(here);
        here.give({ ...gateway, spec: { ...gateway.spec, addresses: [{ type: "IPAddress", value: "192.168.99.9" }] } });
        await here.settle();
        await here.give(...certificates()).settle();
        expect(here.all(lists.challenges)).toHaveLength(3);
        if (haveCrds) {
            const written = [...here.all(lists.challenges), ...here.all(lists.routes), ...here.all(lists.certificates)];
            expect([gatewayIn(here), ...written].flatMap((one) => crdFaults(one))).toEqual([]);
        }
        for (const name of ["sonarr", "jellyfin", "radarr"])
            here.take("cert-manager.io/v1", "Certificate", "networking", name);
        await here.settle();
        expect(here.all(lists.challenges)).toEqual([]);
    });

    test.each([
        [
            "outside every pool",
            { addresses: [{ type: "IPAddress", value: "192.168.99.9" }] },
            "AddressNotAssigned",
            "Gateway waiting for address",
        ],
        [
            "of a kind that Cilium does not take",
            { addresses: [{ type: "Hostname", value: "a.b" }] },
            undefined,
            "Address is not ready",
        ],
    ] as [string, object, string | undefined, string][])(
        "an address %s: not programmed",
        async (_, change, __, message) => {
            const here = cluster();
            const gateway = objects("Gateway")[0] as unknown as Gateway;
            await here.give({ ...gateway, spec: { ...gateway.spec, ...change } }).settle();
            expect(conditions(gatewayIn(here), "status")["Programmed"]).toEqual({ status: "False", message });
        },
    );

    test("a pool that keeps its ends back does not give the Gateway its first address", async () => {
        const here = cluster();
        const pool = objects("CiliumLoadBalancerIPPool")[0] as unknown as { spec: object };
        await here.give({ ...pool, spec: { ...pool.spec, allowFirstLastIPs: "No" } }).settle();
        expect(conditions(gatewayIn(here), "status")["Programmed"]).toMatchObject({ status: "False" });
    });

    test("two listeners for one host, or none that can be served", async () => {
        const gateway = objects("Gateway")[0] as unknown as Gateway;
        const [http] = gateway.spec.listeners;
        const twice = await cluster()
            .give({ ...gateway, spec: { ...gateway.spec, listeners: [http, { ...http, name: "again" }] } })
            .settle();
        expect(listenersOf(twice)).toMatchObject({
            http: { Conflicted: { status: "True" } },
            again: { Conflicted: { status: "True" } },
        });
        expect(conditions(gatewayIn(twice), "status")).toMatchObject({
            Accepted: { status: "False", message: "No Accepted Listeners" },
        });
        const bare = await cluster()
            .give({ ...gateway, spec: { ...gateway.spec, listeners: gateway.spec.listeners.slice(1) } })
            .settle();
        expect(dig(gatewayIn(bare), "status", "addresses")).toBeUndefined();
    });

    test("kinds that come after the operator has started are not seen before it starts anew", async () => {
        const [controller, kinds] = [ciliumGateway(), { [`/apis/${GATEWAY_API}/v1`]: REQUIRED_KINDS.slice(0, 4) }];
        const here = new PlayedCluster([controller], kinds).give(...platform());
        await here.settle();
        const accepted = () =>
            conditions(here.get(`${GATEWAY_API}/v1`, "GatewayClass", undefined, "cilium"), "status")["Accepted"]
                ?.status;
        kinds[`/apis/${GATEWAY_API}/v1`] = REQUIRED_KINDS;
        await here.settle();
        expect(accepted()).toBeUndefined();
        here.give({
            ...deployment("kube-system", "cilium-operator"),
            metadata: { name: "cilium-operator", namespace: "kube-system", generation: 2 },
            status: { observedGeneration: 2, readyReplicas: 1, updatedReplicas: 1 },
        });
        await here.settle();
        expect(accepted()).toBe("True");
    });

    test("workers have a session with the router; without its settings, or without a node, Cilium says so", async () => {
        const here = await cluster().settle();
        const sessions = () =>
            Object.fromEntries(
                here
                    .all(lists.nodeConfigs)
                    .map((one) => [
                        one.metadata.name,
                        dig(one, "status", "bgpInstances", 0, "peers", 0, "peeringState"),
                    ]),
            );
        expect(sessions()).toEqual({ k3s1: "established", k3s2: "established", k3s3: "established" });
        if (haveCrds) expect(here.all(lists.nodeConfigs).flatMap((one) => crdFaults(one))).toEqual([]);
        const own = objects("CiliumBGPClusterConfig")[0] as unknown as { spec: object };
        await here.give({ ...own, spec: { ...own.spec, nodeSelector: { matchLabels: { nobody: "here" } } } }).settle();
        const said = conditions(here.get("cilium.io/v2", "CiliumBGPClusterConfig", undefined, "pool"), "status");
        expect(said["cilium.io/NoMatchingNode"]?.status).toBe("True");
        expect(sessions()).toEqual({});
    });
});
