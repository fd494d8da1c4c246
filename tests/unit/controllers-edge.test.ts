import { collections, type Controller, resources, type Action, type View } from "../../sandbox/controllers/controller";
import { envoyGateway, proxyName } from "../../sandbox/operators/envoy-gateway/controller";
import { externalDns, flagsOf, registryName } from "../../sandbox/operators/external-dns/controller";
import { hostsMeet } from "../../sandbox/operators/gateway-api/routes";
import type { Deployment } from "../../sandbox/controllers/objects";

const T0 = Date.parse("2026-01-01T00:00:00Z");

function viewOf(lists: Record<string, readonly object[]>, now = T0): View {
    return {
        now,
        list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
        get: () => Promise.resolve(undefined),
    };
}

const bodyAt = (actions: readonly Action[], path: string) => {
    const found = actions.find((action) => action.path === path);
    return found !== undefined && "body" in found ? found.body : undefined;
};

const rolledOut = (name: string, namespace: string, more: object = {}, args: readonly string[] = []): Deployment =>
    ({
        metadata: { name, namespace, generation: 1, ...more },
        spec: { replicas: 1, template: { spec: { containers: [{ name: "c", image: "i", args }] } } },
        status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
    }) as Deployment;

const GATEWAY_API = "gateway.networking.k8s.io";
const classes = resources(GATEWAY_API, "v1", "gatewayclasses");
const gateways = resources(GATEWAY_API, "v1", "gateways");
const routes = resources(GATEWAY_API, "v1", "httproutes");
const proxies = resources("gateway.envoyproxy.io", "v1alpha1", "envoyproxies");

const accepted = { conditions: [{ type: "Accepted", status: "True" }] };
const gatewayClass = (status: object | undefined = accepted) => ({
    metadata: { name: "envoy", generation: 1 },
    spec: { controllerName: "gateway.envoyproxy.io/gatewayclass-controller" },
    status,
});
const gateway = {
    metadata: { name: "inside", namespace: "network", generation: 1 },
    spec: {
        gatewayClassName: "envoy",
        infrastructure: { parametersRef: { group: "gateway.envoyproxy.io", kind: "EnvoyProxy", name: "inside" } },
        listeners: [
            { name: "http", protocol: "HTTP", port: 80 },
            {
                name: "https",
                protocol: "HTTPS",
                port: 443,
                hostname: "*.example.org",
                allowedRoutes: { namespaces: { from: "All" } },
                tls: { certificateRefs: [{ kind: "Secret", name: "tls" }] },
            },
        ],
    },
};
const proxy = {
    metadata: { name: "inside", namespace: "network" },
    spec: {
        provider: {
            kubernetes: {
                envoyDeployment: { replicas: 2 },
                envoyService: { annotations: { "lbipam.cilium.io/ips": "10.0.0.1" } },
            },
        },
    },
};
const route = (spec: object = {}, namespace = "media") => ({
    metadata: { name: "app", namespace, generation: 1 },
    spec: {
        hostnames: ["app.example.org"],
        parentRefs: [{ name: "inside", namespace: "network", sectionName: "https" }],
        rules: [{ backendRefs: [{ name: "app", port: 80 }] }],
        ...spec,
    },
});
const backend = { metadata: { name: "app", namespace: "media" }, spec: { ports: [{ port: 80 }] } };
const name = proxyName("network", "inside");

describe("Envoy Gateway", () => {
    const lists = (more: Record<string, readonly object[]> = {}) => ({
        [collections.deployments]: [rolledOut("envoy-gateway", "network")],
        [collections.services]: [backend],
        [collections.secrets]: [{ metadata: { name: "tls", namespace: "network" } }],
        [classes]: [gatewayClass()],
        [gateways]: [gateway],
        [proxies]: [proxy],
        ...more,
    });
    const run = async (more?: Record<string, readonly object[]>) => envoyGateway.reconcile(viewOf(lists(more)));
    const status = `${gateways.replace("/gateways", "/namespaces/network/gateways")}/inside/status`;
    const routeStatus = (actions: readonly Action[]) =>
        bodyAt(actions, `${routes.replace("/httproutes", "/namespaces/media/httproutes")}/app/status`);

    test("the name of a proxy is upstream's: namespace, name and the hash of both", () => {
        // As seen on clusters: default/eg.
        expect(proxyName("default", "eg")).toBe("envoy-default-eg-e41e7b31");
        expect(proxyName("n".repeat(60), "x")).toMatch(/^envoy-n{48}-[0-9a-f]{8}$/);
    });

    test("a class is accepted and held while a gateway uses it", async () => {
        const actions = await run({ [classes]: [gatewayClass({})] });
        expect(bodyAt(actions, `${classes}/envoy/status`)).toMatchObject({ status: accepted });
        expect(bodyAt(actions, `${classes}/envoy`)).toEqual({
            metadata: { finalizers: ["gateway-exists-finalizer.gateway.networking.k8s.io"] },
        });
    });

    test("a gateway gets a load balancer and proxies beside the controller, by its EnvoyProxy", async () => {
        const actions = await run();
        expect(bodyAt(actions, `/api/v1/namespaces/network/services/${name}`)).toMatchObject({
            metadata: { annotations: { "lbipam.cilium.io/ips": "10.0.0.1" } },
            spec: {
                type: "LoadBalancer",
                ports: [
                    { name: "http-80", port: 80, targetPort: 10080 },
                    { name: "https-443", port: 443, targetPort: 10443 },
                ],
            },
        });
        expect(bodyAt(actions, `/apis/apps/v1/namespaces/network/deployments/${name}`)).toMatchObject({
            spec: { replicas: 2 },
        });
        expect(bodyAt(actions, status)).toMatchObject({
            status: { conditions: [{ type: "Accepted" }, { type: "Programmed", reason: "AddressNotAssigned" }] },
        });
    });

    test("it is programmed once the address is there and the proxies run", async () => {
        const service = {
            metadata: { name, namespace: "network" },
            spec: {},
            status: { loadBalancer: { ingress: [{ ip: "10.0.0.1" }] } },
        };
        const up = [rolledOut("envoy-gateway", "network"), rolledOut(name, "network")];
        const actions = await run({ [collections.services]: [service], [collections.deployments]: up });
        expect(bodyAt(actions, status)).toMatchObject({
            status: {
                addresses: [{ type: "IPAddress", value: "10.0.0.1" }],
                conditions: [{}, { type: "Programmed", status: "True" }],
                listeners: [
                    { name: "http" },
                    { name: "https", conditions: [{ status: "True" }, {}, { status: "True" }] },
                ],
            },
        });
    });

    test("a listener without its certificate says so; a gateway without its EnvoyProxy is invalid", async () => {
        expect(bodyAt(await run({ [collections.secrets]: [] }), status)).toMatchObject({
            status: { listeners: [{}, { conditions: [{ status: "False" }, {}, { reason: "InvalidCertificateRef" }] }] },
        });
        expect(bodyAt(await run({ [proxies]: [] }), status)).toMatchObject({
            status: { conditions: [{ type: "Accepted", status: "False", reason: "InvalidParameters" }, {}] },
        });
    });

    test("the proxies of a gateway that is gone go", async () => {
        const left = rolledOut(name, "network", {
            labels: {
                "gateway.envoyproxy.io/owning-gateway-name": "inside",
                "gateway.envoyproxy.io/owning-gateway-namespace": "network",
            },
        });
        const actions = await run({
            [gateways]: [],
            [collections.deployments]: [rolledOut("envoy-gateway", "network"), left],
        });
        expect(actions).toContainEqual({
            verb: "delete",
            path: `/apis/apps/v1/namespaces/network/deployments/${name}`,
        });
    });

    test("a route is accepted by its listener, with its backend found", async () => {
        expect(routeStatus(await run({ [routes]: [route()] }))).toMatchObject({
            status: {
                parents: [
                    {
                        controllerName: "gateway.envoyproxy.io/gatewayclass-controller",
                        conditions: [
                            { type: "Accepted", status: "True" },
                            { type: "ResolvedRefs", status: "True" },
                        ],
                    },
                ],
            },
        });
    });

    test.each([
        ["NoMatchingParent", { parentRefs: [{ name: "inside", namespace: "network", sectionName: "nope" }] }, 0],
        ["NotAllowedByListeners", { parentRefs: [{ name: "inside", namespace: "network", sectionName: "http" }] }, 0],
        ["NoMatchingListenerHostname", { hostnames: ["app.example.net"] }, 0],
        ["BackendNotFound", { rules: [{ backendRefs: [{ name: "other", port: 80 }] }] }, 1],
        ["PortNotFound", { rules: [{ backendRefs: [{ name: "app", port: 81 }] }] }, 1],
        ["RefNotPermitted", { rules: [{ backendRefs: [{ name: "app", namespace: "web", port: 80 }] }] }, 1],
    ])("a route's fault is told: %s", async (reason, spec, index) => {
        const body = routeStatus(await run({ [routes]: [route(spec)] })) as {
            status: { parents: { conditions: object[] }[] };
        };
        expect(body.status.parents[0]?.conditions[index]).toMatchObject({ status: "False", reason });
    });

    test("a wildcard covers what ends in it, not the domain itself", () => {
        expect(hostsMeet("a.example.org", "*.example.org")).toBe(true);
        expect(hostsMeet("example.org", "*.example.org")).toBe(false);
    });
});

describe("external-dns", () => {
    interface Record_ {
        id: string;
        name: string;
        type: string;
        content: string;
        proxied: boolean;
    }
    const cloud = (records: Record_[] = []) => {
        const metrics = new Map<string, string | undefined>();
        return {
            metrics,
            records,
            lines: () => records.map(({ type, name: host, content }) => `${type} ${host} ${content}`).sort(),
            state: () =>
                ({ zones: [{ id: "z", name: "example.org" }], records: { z: structuredClone(records) } }) as never,
            writeRecord: (_: string, body: Readonly<Record<string, unknown>>, id?: string) => {
                const record = { proxied: false, ...body, id: id ?? String(records.length + 1) } as Record_;
                const at = records.findIndex((one) => one.id === id);
                if (at < 0) records.push(record);
                else records[at] = record;
                return { status: 200 };
            },
            deleteRecord: (_: string, id: string) => {
                records.splice(
                    records.findIndex((one) => one.id === id),
                    1,
                );
            },
            publishMetrics: (key: string, text: string | undefined) => void metrics.set(key, text),
        };
    };
    const FLAGS = [
        ...["--interval=1m", "--events", "--policy=sync", "--registry=txt", "--txt-owner-id=me", "--txt-prefix=k8s."],
        ...["--source=service", "--source=gateway-httproute", "--source=crd", "--domain-filter=example.org"],
    ];
    const deployment = (args: readonly string[] = FLAGS) =>
        rolledOut("external-dns", "network", { labels: { "app.kubernetes.io/name": "external-dns" } }, args);
    const served = {
        ...gateway,
        metadata: { ...gateway.metadata, annotations: {} as Record<string, string> },
        status: { addresses: [{ value: "10.0.0.1" }] },
    };
    const admitted = {
        ...route(),
        status: {
            parents: [{ parentRef: { name: "inside", namespace: "network", sectionName: "https" }, ...accepted }],
        },
    };
    const endpoint = {
        metadata: { name: "tunnel", namespace: "network" },
        spec: {
            endpoints: [{ dnsName: "external.example.org", recordType: "CNAME", targets: ["t.cfargotunnel.com"] }],
        },
        status: { observedGeneration: 1 },
    };
    const service = {
        metadata: {
            name: "graphite",
            namespace: "o",
            annotations: { "external-dns.alpha.kubernetes.io/hostname": "graphite.example.org" },
        },
        spec: {},
        status: { loadBalancer: { ingress: [{ ip: "10.0.0.3" }] } },
    };
    const everything = {
        [collections.deployments]: [deployment()],
        [collections.services]: [service],
        [gateways]: [served],
        [routes]: [admitted],
        [resources("externaldns.k8s.io", "v1alpha1", "dnsendpoints")]: [endpoint],
    };
    const quiet = { log: () => undefined };
    const pass = async (controller: Controller, lists: Record<string, readonly object[]>, seconds = 0) =>
        controller.reconcile(viewOf(lists, T0 + seconds * 1000));

    test("Services, routes and DNSEndpoints have their records, each with one that says whose it is", async () => {
        const zone = cloud();
        await pass(externalDns(zone, quiet), everything);
        expect(zone.lines()).toEqual([
            "A app.example.org 10.0.0.1",
            "A graphite.example.org 10.0.0.3",
            "CNAME external.example.org t.cfargotunnel.com",
            expect.stringMatching(/^TXT k8s\.a-app\.example\.org "heritage=external-dns,external-dns\/owner=me,/),
            expect.stringMatching(/^TXT k8s\.a-graphite\.example\.org /),
            expect.stringMatching(/^TXT k8s\.cname-external\.example\.org /),
        ]);
    });

    test("what nobody asks for goes within seconds of the change; its books say when it is done", async () => {
        const zone = cloud();
        const controller = externalDns(zone, quiet);
        await pass(controller, everything);
        const less = { ...everything, [routes]: [] };
        await pass(controller, less, 3);
        expect(zone.lines()).toContain("A app.example.org 10.0.0.1");
        await pass(controller, less, 6);
        expect(zone.lines().filter((line) => line.includes("app.example.org"))).toEqual([]);
        expect(zone.metrics.get("external-dns")).toContain("external_dns_source_endpoints_total 2\n");
        await pass(controller, { ...less, [collections.deployments]: [] }, 7);
        expect(zone.metrics.get("external-dns")).toBeUndefined();
        expect(zone.lines()).toContain("A graphite.example.org 10.0.0.3");
    });

    test("without events it is as slow as its interval", async () => {
        const zone = cloud();
        const controller = externalDns(zone, quiet);
        const slow = [deployment(FLAGS.filter((flag) => flag !== "--events"))];
        await pass(controller, { [collections.deployments]: slow });
        await pass(controller, { ...everything, [collections.deployments]: slow }, 30);
        expect(zone.lines()).toEqual([]);
        await pass(controller, { ...everything, [collections.deployments]: slow }, 60);
        expect(zone.lines()).toHaveLength(6);
    });

    test("another's record stays; a changed target is written", async () => {
        const foreign = { id: "1", name: "app.example.org", type: "A", content: "10.0.0.9", proxied: false };
        const mine = { id: "2", name: "graphite.example.org", type: "A", content: "10.0.0.8", proxied: false };
        const mark = {
            id: "3",
            name: "k8s.a-graphite.example.org",
            type: "TXT",
            content: '"heritage=external-dns,external-dns/owner=me,external-dns/resource=service/o/graphite"',
            proxied: false,
        };
        const zone = cloud([foreign, mine, mark]);
        await pass(externalDns(zone, quiet), { ...everything, [routes]: [] });
        expect(zone.lines()).toContain("A app.example.org 10.0.0.9");
        expect(zone.lines()).toContain("A graphite.example.org 10.0.0.3");
        expect(zone.lines()).not.toContain("A graphite.example.org 10.0.0.8");
    });

    test("a zone above the filter's domain is found by its id alone", async () => {
        const below = FLAGS.map((flag) =>
            flag.startsWith("--domain-filter") ? "--domain-filter=graphite.example.org" : flag,
        );
        const recordsBy = async (flags: readonly string[]) => {
            const zone = cloud();
            await pass(externalDns(zone, quiet), { ...everything, [collections.deployments]: [deployment(flags)] });
            return zone.records.map(({ name, type }) => `${type} ${name}`);
        };
        expect(await recordsBy(below)).toEqual([]);
        expect(await recordsBy([...below, "--zone-id-filter=z"])).toEqual([
            "A graphite.example.org",
            "TXT k8s.a-graphite.example.org",
        ]);
        expect(await recordsBy([...FLAGS, "--zone-id-filter=other"])).toEqual([]);
    });

    test("a gateway's target annotation makes a CNAME; policy upsert-only deletes nothing", async () => {
        const zone = cloud();
        const target = { "external-dns.alpha.kubernetes.io/target": "external.example.org" };
        const outside = { ...served, metadata: { ...served.metadata, annotations: target } };
        const keep = [deployment(FLAGS.map((flag) => flag.replace("=sync", "=upsert-only")))];
        const controller = externalDns(zone, quiet);
        await pass(controller, { ...everything, [gateways]: [outside], [collections.deployments]: keep });
        expect(zone.lines()).toContain("CNAME app.example.org external.example.org");
        await pass(controller, { [collections.deployments]: keep }, 60);
        expect(zone.lines()).toHaveLength(6);
    });

    test("flags are read as they stand in the command line", () => {
        const flags = flagsOf(deployment());
        expect(flags.get("source")).toEqual(["service", "gateway-httproute", "crd"]);
        expect(flags.has("events")).toBe(true);
        expect(registryName("app.example.org", "CNAME", "k8s.")).toBe("k8s.cname-app.example.org");
    });
});
