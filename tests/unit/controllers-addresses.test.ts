import { ciliumPools, type CiliumPool, type MetalLbPool, metalLbPools } from "../../sandbox/cluster/address-pools";
import { collections, type View } from "../../sandbox/controllers/controller";
import { ingressStatus } from "../../sandbox/cluster/ingress-status";
import { allocate } from "../../sandbox/cluster/ipam";
import { ciliumClaim, loadBalancer } from "../../sandbox/cluster/load-balancer";
import type { Service } from "../../sandbox/controllers/objects";
import { contains, formatAddress, rangeOf, rangeOfCidr, sizeOf } from "../../sandbox/cluster/ranges";

/** A cluster that holds just these collections. */
export function viewOf(lists: Record<string, readonly object[]>, now = Date.parse("2026-01-01T00:00:00Z")): View {
    return {
        now,
        list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
        get: () => Promise.resolve(undefined),
    };
}

let counter = 0;
function service(
    name: string,
    more: Partial<Service["metadata"]> & { spec?: Partial<Service["spec"]>; held?: string[] } = {},
): Service {
    const { spec, held, ...metadata } = more;
    counter += 1;
    return {
        metadata: {
            name,
            namespace: "default",
            uid: name,
            resourceVersion: "7",
            creationTimestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, counter)).toISOString(),
            ...metadata,
        },
        spec: { type: "LoadBalancer", ports: [{ port: 80, protocol: "TCP" }], ...spec },
        ...(held !== undefined && { status: { loadBalancer: { ingress: held.map((ip) => ({ ip })) } } }),
    };
}

const pool = (name: string, spec: CiliumPool["spec"], created = "2026-01-01T00:00:00Z"): CiliumPool => ({
    metadata: { name, generation: 1, creationTimestamp: created },
    spec,
});
const lan = pool("lan", { blocks: [{ start: "192.168.0.240", stop: "192.168.0.250" }] });
const pin = (address: string) => ({ annotations: { "lbipam.cilium.io/ips": address } });
const run = (pools: readonly CiliumPool[], services: readonly Service[]) =>
    Object.fromEntries(
        [...allocate(ciliumPools(pools).usable, services.map(ciliumClaim))].map(([key, { addresses, problem }]) => [
            key.replace("default/", ""),
            problem?.reason ?? addresses.join(),
        ]),
    );

const operator = {
    metadata: { name: "cilium-operator", namespace: "kube-system", generation: 1 },
    spec: { replicas: 1, template: {} },
    status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
};

describe("ranges", () => {
    test("a CIDR has all its addresses, or all but the ends", () => {
        const whole = rangeOfCidr("10.0.0.8/30");
        const inner = rangeOfCidr("10.0.0.8/30", false);
        expect(whole && [formatAddress("IPv4", whole.first), formatAddress("IPv4", whole.last)]).toEqual([
            "10.0.0.8",
            "10.0.0.11",
        ]);
        expect(inner && [formatAddress("IPv4", inner.first), formatAddress("IPv4", inner.last)]).toEqual([
            "10.0.0.9",
            "10.0.0.10",
        ]);
    });

    test("IPv6 counts as well", () => {
        const range = rangeOfCidr("2001:db8::/126");
        expect(range && [sizeOf(range), contains(range, "2001:db8::3"), contains(range, "2001:db8::4")]).toEqual([
            4n,
            true,
            false,
        ]);
    });

    test.each([
        ["10.0.0.9", "10.0.0.8"],
        ["10.0.0.9", "::1"],
        ["nine", "10.0.0.8"],
    ])("%s to %s is no range", (start, stop) => {
        expect(rangeOf(start, stop)).toBeUndefined();
    });
});

describe("address management", () => {
    test("hands out the lowest free address, the oldest service first", () => {
        expect(run([lan], [service("a"), service("b")])).toEqual({ a: "192.168.0.240", b: "192.168.0.241" });
    });

    test("a pinned address is not taken by a service that has no wish, in the same pass", () => {
        expect(run([lan], [service("any"), service("plex", pin("192.168.0.240"))])).toEqual({
            plex: "192.168.0.240",
            any: "192.168.0.241",
        });
    });

    test("what is held is kept, even where it is pinned by another", () => {
        expect(
            run([lan], [service("late", { ...pin("192.168.0.240") }), service("early", { held: ["192.168.0.240"] })]),
        ).toEqual({
            early: "192.168.0.240",
            late: "already_allocated",
        });
    });

    test("a held address that left the pools is given back", () => {
        expect(run([lan], [service("a", { held: ["192.168.0.9"] })])).toEqual({ a: "192.168.0.240" });
    });

    test.each([
        ["outside the pools", [lan], pin("192.168.1.9"), "no_pool"],
        ["without a pool", [], {}, "no_pool"],
        ["with a disabled pool", [pool("off", { ...lan.spec, disabled: true })], {}, "no_pool"],
        [
            "with a pool for others",
            [pool("x", { ...lan.spec, serviceSelector: { matchLabels: { a: "b" } } })],
            {},
            "no_pool",
        ],
        [
            "pinned into a pool for others",
            [pool("x", { ...lan.spec, serviceSelector: { matchLabels: { a: "b" } } })],
            pin("192.168.0.241"),
            "pool_selector_mismatch",
        ],
    ])("%s there is no address", (_, pools, metadata, reason) => {
        expect(run(pools, [service("a", metadata)])).toEqual({ a: reason });
    });

    test("a pool runs out", () => {
        const one = pool("one", { blocks: [{ cidr: "192.168.0.240/32" }] });
        expect(run([one], [service("a"), service("b")])).toEqual({ a: "192.168.0.240", b: "out_of_ips" });
    });

    test("a pool can select by namespace and name of the service", () => {
        const picky = pool("x", {
            ...lan.spec,
            serviceSelector: {
                matchExpressions: [{ key: "io.kubernetes.service.namespace", operator: "In", values: ["media"] }],
            },
        });
        expect(run([picky], [service("a"), service("b", { namespace: "media" })])).toEqual({
            a: "no_pool",
            "media/b": "192.168.0.240",
        });
    });

    test("an annotation of the old name and spec.loadBalancerIP pin as well", () => {
        const old = service("old", { annotations: { "io.cilium/lb-ipam-ips": "192.168.0.245" } });
        const field = service("field", { spec: { loadBalancerIP: "192.168.0.246" } });
        expect(run([lan], [old, field])).toEqual({ old: "192.168.0.245", field: "192.168.0.246" });
    });

    describe("sharing", () => {
        const shared = (name: string, port: number, more: object = {}) =>
            service(name, {
                annotations: { "lbipam.cilium.io/sharing-key": "dns", ...more },
                spec: { ports: [{ port, protocol: "UDP" }] },
            });

        test("one key, other ports: one address", () => {
            expect(run([lan], [shared("a", 53), shared("b", 54)])).toEqual({ a: "192.168.0.240", b: "192.168.0.240" });
        });

        test("the same port: another address, or none when pinned", () => {
            expect(run([lan], [shared("a", 53), shared("b", 53)])).toEqual({ a: "192.168.0.240", b: "192.168.0.241" });
            const at = { "lbipam.cilium.io/ips": "192.168.0.240" };
            expect(run([lan], [shared("a", 53, at), shared("b", 53, at)])).toEqual({
                a: "192.168.0.240",
                b: "already_allocated_incompatible_service",
            });
        });

        test("across namespaces only where both allow it", () => {
            const [first, second] = [shared("a", 53), shared("b", 54)];
            const closed = { ...second, metadata: { ...second.metadata, namespace: "other" } };
            expect(run([lan], [first, closed])).toEqual({ a: "192.168.0.240", "other/b": "192.168.0.241" });
        });
    });

    test("of two pools that overlap, the later gives nothing", () => {
        const later = pool("later", { blocks: [{ cidr: "192.168.0.240/29" }] }, "2026-01-02T00:00:00Z");
        const { usable, conflicts } = ciliumPools([later, lan]);
        expect(usable.map(({ name }) => name)).toEqual(["lan"]);
        expect([...conflicts.keys()]).toEqual(["later"]);
    });
});

describe("the load-balancer controller", () => {
    const lists = (more: Record<string, readonly object[]>) => ({ [collections.deployments]: [operator], ...more });

    test("does nothing before the operator is ready", async () => {
        const view = viewOf({
            [collections.deployments]: [{ ...operator, status: { readyReplicas: 0 } }],
            [collections.ciliumPools]: [lan],
            [collections.services]: [service("a")],
        });
        expect(await loadBalancer.reconcile(view)).toEqual([]);
    });

    test("writes address and condition over the version it saw", async () => {
        const [action] = await loadBalancer.reconcile(
            viewOf(
                lists({
                    [collections.ciliumPools]: [lan],
                    [collections.services]: [service("plex", pin("192.168.0.241"))],
                }),
            ),
        );
        expect(action).toEqual({
            verb: "patch",
            path: "/api/v1/namespaces/default/services/plex/status",
            body: {
                metadata: { resourceVersion: "7" },
                status: {
                    loadBalancer: { ingress: [{ ip: "192.168.0.241", ipMode: "VIP" }] },
                    conditions: [
                        {
                            type: "cilium.io/IPAMRequestSatisfied",
                            status: "True",
                            reason: "satisfied",
                            message: "",
                            lastTransitionTime: "2026-01-01T00:00:00Z",
                        },
                    ],
                },
            },
        });
    });

    test("says why there is none, once", async () => {
        const lonely = service("a");
        const [action] = await loadBalancer.reconcile(viewOf(lists({ [collections.services]: [lonely] })));
        expect(action).toMatchObject({
            body: { status: { loadBalancer: { ingress: [] }, conditions: [{ status: "False", reason: "no_pool" }] } },
        });
        const told = { ...lonely, status: (action as unknown as { body: { status: Service["status"] } }).body.status };
        expect(await loadBalancer.reconcile(viewOf(lists({ [collections.services]: [told] })))).toEqual([]);
    });

    test("counts a pool's addresses", async () => {
        const held = service("a", { held: ["192.168.0.240"] });
        const actions = await loadBalancer.reconcile(
            viewOf(lists({ [collections.ciliumPools]: [lan], [collections.services]: [held] })),
        );
        const status = actions.find(({ path }) => path === "/apis/cilium.io/v2/ciliumloadbalancerippools/lan/status");
        expect(status).toMatchObject({
            body: {
                status: {
                    conditions: [
                        { type: "cilium.io/PoolConflict", status: "False" },
                        { type: "cilium.io/IPsTotal", message: "11" },
                        { type: "cilium.io/IPsAvailable", message: "10" },
                        { type: "cilium.io/IPsUsed", message: "1" },
                    ],
                },
            },
        });
    });

    test("leaves services of another load balancer's class alone", async () => {
        const foreign = service("a", { spec: { loadBalancerClass: "tailscale" } });
        const actions = await loadBalancer.reconcile(
            viewOf(lists({ [collections.ciliumPools]: [], [collections.services]: [foreign] })),
        );
        expect(actions).toEqual([]);
    });

    test("serves MetalLB's pools when its controller is there, with an event where it fails", async () => {
        const labels = { "app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller" };
        const controller = {
            ...operator,
            metadata: { name: "controller", namespace: "metallb-system", generation: 1, labels },
        };
        const metalLb: MetalLbPool = {
            metadata: { name: "home", namespace: "metallb-system" },
            spec: { addresses: ["192.168.1.200-192.168.1.201"] },
        };
        const actions = await loadBalancer.reconcile(
            viewOf({
                [collections.deployments]: [controller],
                [collections.metalLbPools]: [metalLb],
                [collections.services]: [
                    service("a"),
                    service("b", { annotations: { "metallb.io/loadBalancerIPs": "192.168.9.9" } }),
                ],
            }),
        );
        expect(actions).toEqual([
            expect.objectContaining({ path: "/api/v1/namespaces/default/services/a/status" }),
            expect.objectContaining({
                body: { metadata: { annotations: { "metallb.io/ip-allocated-from-pool": "home" } } },
            }),
            expect.objectContaining({
                verb: "create",
                body: expect.objectContaining({ reason: "AllocationFailed", type: "Warning" }),
            }),
        ]);
    });
});

test("MetalLB pools that do not assign by themselves wait to be asked for", () => {
    const [manual] = metalLbPools([
        { metadata: { name: "m" }, spec: { addresses: ["10.0.0.0/30"], autoAssign: false } },
    ]);
    const pools = manual === undefined ? [] : [manual];
    const asked = allocate(pools, [{ service: service("a"), requested: [], sharingNamespaces: [], pool: "m" }]);
    const unasked = allocate(pools, [{ service: service("a"), requested: [], sharingNamespaces: [] }]);
    expect(asked.get("default/a")?.addresses).toEqual(["10.0.0.0"]);
    expect(unasked.get("default/a")?.problem?.reason).toBe("no_pool");
});

describe("ingress status", () => {
    const ingress = (spec: object, annotations = {}) => ({
        metadata: { name: "web", namespace: "apps", annotations },
        spec,
    });
    const shared = service("cilium-ingress", { namespace: "kube-system", held: ["192.168.0.240"] });
    const reconcile = (object: object, services: readonly Service[], classes: readonly object[] = []) =>
        ingressStatus.reconcile(
            viewOf({
                [collections.deployments]: [operator],
                [collections.ingresses]: [object],
                [collections.services]: services,
                [collections.ingressClasses]: classes,
            }),
        );

    test("shows the shared address", async () => {
        expect(await reconcile(ingress({ ingressClassName: "cilium" }), [shared])).toMatchObject([
            {
                path: "/apis/networking.k8s.io/v1/namespaces/apps/ingresses/web/status",
                body: { status: { loadBalancer: { ingress: [{ ip: "192.168.0.240" }] } } },
            },
        ]);
    });

    test("shows nothing while the shared service has none, nor for another class", async () => {
        expect(
            await reconcile(ingress({ ingressClassName: "cilium" }), [
                service("cilium-ingress", { namespace: "kube-system" }),
            ]),
        ).toEqual([]);
        expect(await reconcile(ingress({ ingressClassName: "nginx" }), [shared])).toEqual([]);
    });

    test("an ingress without class counts only when cilium is the default", async () => {
        expect(await reconcile(ingress({}), [shared])).toEqual([]);
        const isDefault = {
            metadata: { name: "cilium", annotations: { "ingressclass.kubernetes.io/is-default-class": "true" } },
        };
        expect(await reconcile(ingress({}), [shared], [isDefault])).toHaveLength(1);
    });

    test("in dedicated mode it gets a service of its own first", async () => {
        const own = ingress({ ingressClassName: "cilium" }, { "ingress.cilium.io/loadbalancer-mode": "dedicated" });
        expect(await reconcile(own, [shared])).toMatchObject([
            { verb: "create", body: { metadata: { name: "cilium-ingress-web", namespace: "apps" } } },
        ]);
    });
});
