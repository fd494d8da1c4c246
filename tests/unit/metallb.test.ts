/** MetalLB: what is planned, what the whole chart makes of it, how the sandbox plays it, and what a file may say. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { textRange } from "../../components/network/addresses";
import { MetalLb, metalLbAddresses } from "../../components/network/metallb";
import { addressPool } from "../../config/fields";
import { metalLbClaims, metalLbDefaults, metalLbFaults, type MetalLbPool, type Pin } from "../../lab/metallb";
import { podSecurityFaults } from "../../policy/pod-security";
import { podOf } from "../../policy/rules/kubernetes";
import { assembleCharts } from "../../sandbox/charts/assemble";
import { type Action, collections, resources as apiOf, type View } from "../../sandbox/controllers/controller";
import { loadBalancer } from "../../sandbox/cluster/load-balancer";
import { metalLbWebhook } from "../../sandbox/operators/metallb/controller";
import type { PlannedResource } from "../../tools/plan/plan";
import type { RenderedObject } from "../../tools/plan/rendered";
import { planComponent } from "./component-plan";
import { crdFaults, haveCrds } from "./crd-schema";
import { builtInFaults, haveOpenApi } from "./kubernetes-schema";
import { dig, lookInto } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";

jest.setTimeout(120_000);

/** A cluster that holds just these collections. */
const viewOf = (lists: Readonly<Record<string, readonly object[]>>, now = 0): View => ({
    now,
    list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
    get: () => Promise.resolve(undefined),
});

const POOL = "192.168.1.230-192.168.1.250";
let resources: PlannedResource[];
const look = lookInto(() => ({ resources }));

beforeAll(async () => {
    resources = await planComponent(() => {
        new MetalLb(
            "metallb",
            {
                cluster: { kubeconfig: pulumi.secret("kubeconfig") },
                pool: textRange(POOL),
                interfaces: ["enp1s0"],
            },
            {},
        );
    });
});

describe("what is planned", () => {
    test("release, gate, pool, advertisement in this order, and deleted the other way round (M-NET-03)", () => {
        look.inOrder(
            look.find(":Namespace", "metallb-system"),
            look.find(":Release", "metallb"),
            look.find(":Command", "metallb-webhook"),
            look.find(":IPAddressPool", "metallb-pool"),
            look.find(":L2Advertisement", "metallb-advertisement"),
        );
        expect(dig(look.find(":IPAddressPool", "metallb-pool").inputs, "spec")).toEqual({
            addresses: [POOL],
            autoAssign: false,
        });
        expect(dig(look.find(":L2Advertisement", "metallb-advertisement").inputs, "spec")).toEqual({
            ipAddressPools: ["metallb"],
            interfaces: ["enp1s0"],
        });
    });

    test("the gate asks the webhook, and on destroy sees the last Service of type LoadBalancer gone", () => {
        const { create, delete: gone, environment } = look.find(":Command", "metallb-webhook").inputs as never;
        expect(create).toContain("kubectl create --namespace");
        expect(create).toContain("--dry-run=server");
        expect(gone).toContain("--field-selector spec.type=LoadBalancer");
        expect(JSON.parse(String(dig(environment, "PROBE")))).toEqual({
            apiVersion: "metallb.io/v1beta1",
            kind: "L2Advertisement",
            metadata: { generateName: "probe-" },
            spec: {},
        });
    });

    test("a Service pins its address, alone or with others of its key (M-NET-08)", () => {
        expect(metalLbAddresses.pin("192.168.1.232")).toEqual({ "metallb.io/loadBalancerIPs": "192.168.1.232" });
        expect(metalLbAddresses.pin("192.168.1.235", "unifi")).toEqual({
            "metallb.io/loadBalancerIPs": "192.168.1.235",
            "metallb.io/allow-shared-ip": "unifi",
        });
    });

    test("custom resources are of their definitions", () => {
        if (!haveCrds) return console.warn("skipped: ../shared/crds is not here");
        const custom = resources.filter(({ type }) => type.includes("metallb.io"));
        expect(custom).toHaveLength(2);
        expect(custom.flatMap(({ inputs }) => crdFaults(inputs as never))).toEqual([]);
    });
});

describe("the whole chart", () => {
    let rendered: readonly RenderedObject[] | undefined;
    let standIn: readonly RenderedObject[] = [];
    const out = mkdtempSync(join(tmpdir(), "metallb-"));
    beforeAll(async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        const releases = { resources: look.all(":Release") };
        rendered = (await renderReleases(releases, "1.35.1")).flatMap(({ objects }) => objects);
        standIn = (await renderReleases(releases, "1.35.1", assembleCharts({ out }))).flatMap(({ objects }) => objects);
    });
    afterAll(() => rmSync(out, { recursive: true }));

    const title = ({ kind, metadata }: RenderedObject) => `${kind} ${metadata.name}`;
    const podFaults = (level: "restricted" | "privileged", kind: string, name: string) => {
        const object = rendered?.find((one) => title(one) === `${kind} ${name}`);
        const pod = podOf({ urn: "", type: `kubernetes:apps/v1:${kind}`, name, inputs: object ?? {} });
        return podSecurityFaults(level, pod?.spec ?? {});
    };

    test("a controller, a speaker of one container with raw sockets and no BGP, and the stand-in has no more", () => {
        if (rendered === undefined) return;
        const workloads = rendered.filter(({ kind }) => kind === "Deployment" || kind === "DaemonSet");
        expect(workloads.map(title).sort()).toEqual(["DaemonSet metallb-speaker", "Deployment metallb-controller"]);
        for (const workload of workloads) {
            const containers = dig(workload, "spec", "template", "spec", "containers") as object[];
            expect(containers).toHaveLength(1);
            expect(dig(containers[0], "resources", "limits", "memory")).toBe("256Mi");
            expect(JSON.stringify(containers)).not.toMatch(/frr/i);
        }
        const speaker = workloads.find(({ kind }) => kind === "DaemonSet");
        expect(dig(speaker, "spec", "template", "spec", "hostNetwork")).toBe(true);
        // kubeadm's label keeps a control plane from answering for an address, and may be all that there is.
        const [announcing] = dig(speaker, "spec", "template", "spec", "containers") as { args: string[] }[];
        expect(announcing?.args).toContain("--ignore-exclude-lb");
        expect(podFaults("privileged", "DaemonSet", "metallb-speaker")).toEqual([]);
        const whole = rendered.map(title);
        expect(standIn.map(title).filter((name) => !whole.includes(name))).toEqual([]);
        expect(standIn).toHaveLength(7);
    });

    test("its webhook refuses what it cannot check, and alerts know no BGP", () => {
        if (rendered === undefined) return;
        const hooks = rendered.find(({ kind }) => kind === "ValidatingWebhookConfiguration");
        for (const hook of dig(hooks, "webhooks") as object[]) expect(dig(hook, "failurePolicy")).toBe("Fail");
        const rules = rendered.find(({ kind }) => kind === "PrometheusRule");
        expect(JSON.stringify(rules)).toContain("MetalLBAddressPoolExhausted");
        expect(JSON.stringify(rules)).not.toContain("BGPSession");
    });

    test("objects are of Kubernetes' own types", () => {
        if (rendered === undefined || !haveOpenApi) return console.warn("skipped: Kubernetes' sources are not here");
        expect(rendered.flatMap((object) => builtInFaults(object as never) ?? [])).toEqual([]);
    });
});

describe("in the sandbox", () => {
    const labels = { "app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller" };
    const controller = (ready = 1) => ({
        metadata: { name: "metallb-controller", namespace: "metallb-system", generation: 1, labels },
        spec: { replicas: 1, template: { metadata: { labels } } },
        status: { observedGeneration: 1, readyReplicas: ready, updatedReplicas: ready },
    });
    const pool = (name = "metallb", addresses = [POOL], namespace = "metallb-system", made = "2026-01-01") => ({
        metadata: { name, namespace, creationTimestamp: `${made}T00:00:00Z` },
        spec: { addresses, autoAssign: false },
    });
    let made = 0;
    const service = (name: string, annotations: Readonly<Record<string, string>>, spec: object = {}) => ({
        metadata: {
            name,
            namespace: "productivity",
            resourceVersion: "1",
            creationTimestamp: `2026-01-02T00:00:0${(made = (made + 1) % 10)}Z`,
            annotations,
        },
        spec: { type: "LoadBalancer", ports: [{ port: 80, protocol: "TCP" }], selector: { app: name }, ...spec },
    });
    const given = async (pools: readonly object[], services: readonly object[]) => {
        const actions = await loadBalancer.reconcile(
            viewOf({
                [collections.deployments]: [controller()],
                [collections.metalLbPools]: pools,
                [collections.services]: services,
            }),
        );
        const of = (name: string) =>
            actions.find(({ path }) => path === `/api/v1/namespaces/productivity/services/${name}/status`);
        const why = (name: string) =>
            dig(
                actions.find((one) => "body" in one && dig(one.body, "involvedObject", "name") === name),
                "body",
                "message",
            );
        return (name: string) => dig(of(name), "body", "status", "loadBalancer", "ingress", 0, "ip") ?? why(name);
    };
    const unifi = (name: string, protocol: string, port: number, spec: object = {}, key = "unifi") =>
        service(name, metalLbAddresses.pin("192.168.1.235", key), { ports: [{ port, protocol }], ...spec });

    test("addresses as they are pinned; two Services at one by their key (M-NET-10, M-APP-23)", async () => {
        const address = await given(
            [pool()],
            [
                service("plex", metalLbAddresses.pin("192.168.1.232")),
                unifi("unifi-tcp", "TCP", 8080),
                unifi("unifi-udp", "UDP", 3478),
            ],
        );
        expect(["plex", "unifi-tcp", "unifi-udp"].map(address)).toEqual([
            "192.168.1.232",
            "192.168.1.235",
            "192.168.1.235",
        ]);
    });

    test.each([
        ["another key", unifi("unifi-udp", "UDP", 3478, {}, "other")],
        ["no key", service("unifi-udp", metalLbAddresses.pin("192.168.1.235"))],
        ["a port that the first has", unifi("unifi-udp", "TCP", 8080)],
        ["local traffic to other pods", unifi("unifi-udp", "UDP", 3478, { externalTrafficPolicy: "Local" })],
    ])("no address for the second with %s", async (_, second) => {
        made = 0;
        const address = await given([pool()], [unifi("unifi-tcp", "TCP", 8080), second]);
        expect(address("unifi-udp")).toMatch(/^Failed to allocate IP for "productivity\/unifi-udp": The IP/);
    });

    test.each([
        ["no pool yet", [], {}, undefined],
        ["a pool in another namespace", [pool("metallb", [POOL], "default")], {}, undefined],
        [
            "an address that is none",
            [pool()],
            { annotations: { "metallb.io/loadBalancerIPs": "192.168.1.x" } },
            /invalid/,
        ],
        ["two ways of asking", [pool()], { spec: { loadBalancerIP: "192.168.1.232" } }, /can not have both/],
        ["no pin, and no pool that assigns by itself", [pool()], { annotations: {} }, /no enabled pools/],
    ])(
        "no address with %s",
        async (_, pools, change: { annotations?: Record<string, string>; spec?: object }, said) => {
            const annotations = change.annotations ?? metalLbAddresses.pin("192.168.1.232");
            const found = (await given(pools, [service("plex", annotations, change.spec)]))("plex");
            expect(found).toMatch(said ?? /No pool exists|^Failed to allocate/);
        },
    );

    test("who takes any address may take the one that a later Service pins, as with the real one", async () => {
        made = 0;
        const greedy = { ...pool(), spec: { addresses: ["192.168.1.230-192.168.1.250"] } };
        const address = await given(
            [greedy],
            [service("any", {}), service("plex", metalLbAddresses.pin("192.168.1.230"))],
        );
        expect(address("any")).toBe("192.168.1.230");
        expect(address("plex")).toMatch(/already allocated/);
    });

    test("a pool that overlaps an older one gives nothing", async () => {
        const later = pool("later", ["192.168.1.250-192.168.1.252"], "metallb-system", "2026-01-03");
        const found = (await given([later, pool()], [service("plex", metalLbAddresses.pin("192.168.1.252"))]))("plex");
        expect(found).toMatch(/No pool exists/);
    });

    describe("the webhook", () => {
        const group = "admissionregistration.k8s.io";
        const [hooks, policies, bindings] = [
            "validatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ].map((plural) => apiOf(group, "v1", plural)) as [string, string, string];
        const configuration = {
            metadata: { name: "metallb-webhook-configuration" },
            webhooks: [{ name: "ipaddresspoolvalidationwebhook.metallb.io", clientConfig: { service: {} } }],
        };
        const refusal = { metadata: { name: "sandbox-metallb-webhook" } };
        const lists = (ready: number, refused: boolean, hook: object[] = [configuration]) => ({
            [collections.deployments]: [controller(ready)],
            [hooks]: hook,
            [policies]: refused ? [refusal] : [],
            [bindings]: refused ? [refusal] : [],
        });
        const told = async (actions: readonly Action[] | Promise<readonly Action[]>) =>
            (await actions).map(({ verb, path }) => `${verb} ${path.split("/").slice(-2).join("/")}`);

        test("refuses MetalLB's objects until the controller has had time for its certificate, then no more", async () => {
            const webhook = metalLbWebhook();
            expect(await told(webhook.reconcile(viewOf(lists(0, false), 0)))).toEqual([
                "apply validatingadmissionpolicies/sandbox-metallb-webhook",
                "apply validatingadmissionpolicybindings/sandbox-metallb-webhook",
            ]);
            expect(await told(webhook.reconcile(viewOf(lists(1, true), 1000)))).toEqual([]);
            expect(await told(webhook.reconcile(viewOf(lists(1, true), 4000)))).toEqual([
                "delete validatingadmissionpolicybindings/sandbox-metallb-webhook",
                "delete validatingadmissionpolicies/sandbox-metallb-webhook",
                "patch validatingwebhookconfigurations/metallb-webhook-configuration",
            ]);
        });

        test("refuses before the release brings its configuration: a policy is read later than it is made", async () => {
            const namespace = (leaving: object) => ({
                ...lists(0, false, []),
                [collections.namespaces]: [{ metadata: { name: "metallb-system", ...leaving } }],
            });
            expect(await told(metalLbWebhook().reconcile(viewOf(namespace({}), 0)))).toHaveLength(2);
            const leaving = namespace({ deletionTimestamp: "2026-01-01T00:00:00Z" });
            expect(await told(metalLbWebhook().reconcile(viewOf(leaving, 0)))).toEqual([]);
        });

        test("leaves nothing behind when the release is gone", async () => {
            expect(await told(metalLbWebhook().reconcile(viewOf(lists(0, true, []), 0)))).toEqual([
                "delete validatingadmissionpolicybindings/sandbox-metallb-webhook",
                "delete validatingadmissionpolicies/sandbox-metallb-webhook",
            ]);
        });

        test("what it refuses by is of Kubernetes' own types", async () => {
            if (!haveOpenApi) return console.warn("skipped: Kubernetes' sources are not here");
            const actions = await metalLbWebhook().reconcile(viewOf(lists(0, false), 0));
            expect(actions).toHaveLength(2);
            expect(actions.map((one) => builtInFaults(dig(one, "body") as never))).toEqual([[], []]);
        });
    });
});

describe("what a file may say", () => {
    const own = (change: Partial<MetalLbPool> = {}): MetalLbPool => ({
        lan: "192.168.1.0/24",
        pool: POOL,
        interfaces: undefined,
        taken: [["nodes.0.address", "192.168.1.13"]],
        networks: [["network.podCidr", "10.244.0.0/16"]],
        pinned: [
            { path: "network.ingressAddress", address: "192.168.1.230" },
            { path: "apps.plex.address", address: "192.168.1.232" },
        ],
        ...change,
    });
    const pin = (path: string, ports: string[], key = "unifi", localPods?: string): Pin => ({
        path,
        address: "192.168.1.235",
        sharing: { key, ports, ...(localPods === undefined ? {} : { localPods }) },
    });
    const tcp = pin("tcp", ["TCP/8080"]);

    test.each<[string, Partial<MetalLbPool>]>([
        ["the seed's", {}],
        ["a network", { pool: "192.168.1.224/28" }],
        ["two Services at one address by their key", { pinned: [tcp, pin("udp", ["UDP/3478"])] }],
        [
            "two Services at one address with local traffic to the same pods",
            { pinned: [pin("a", ["TCP/1"], "k", "app=a"), pin("b", ["TCP/2"], "k", "app=a")] },
        ],
    ])("%s", (_, change) => expect(metalLbFaults(own(change))).toEqual([]));

    test.each<[string, string, Partial<MetalLbPool>]>([
        ["networks-overlap", "network.podCidr", { networks: [["network.podCidr", "192.168.0.0/16"]] }],
        ["outside-lan", "network.pool", { pool: "192.168.2.230-192.168.2.250", pinned: [] }],
        ["network-edge", "network.pool", { pool: "192.168.1.230-192.168.1.255" }],
        ["node-in-pool", "nodes.0.address", { taken: [["nodes.0.address", "192.168.1.240"]] }],
        [
            "address-outside-pool",
            "apps.plex.address",
            { pinned: [{ path: "apps.plex.address", address: "192.168.1.9" }] },
        ],
        [
            "address-claimed-twice",
            "b",
            {
                pinned: [
                    { path: "a", address: "192.168.1.232" },
                    { path: "b", address: "192.168.1.232" },
                ],
            },
        ],
        ["address-claimed-twice", "udp", { pinned: [tcp, pin("udp", ["UDP/3478"], "other")] }],
        ["address-shared-port", "udp", { pinned: [tcp, pin("udp", ["TCP/8080"])] }],
        ["address-shared-traffic", "udp", { pinned: [tcp, pin("udp", ["UDP/3478"], "unifi", "app=unifi")] }],
    ])("%s at %s", (rule, path, change) =>
        expect(metalLbFaults(own(change)).map((fault) => [fault.rule, fault.path])).toEqual([[rule, path]]),
    );

    test.each([
        ["192.168.1.250-192.168.1.230", /not after its last/],
        ["192.168.1.225/28", /without host bits/],
        ["192.168.1.230", /a range such as/],
        ["192.168.1.230-250", /a range such as/],
    ])("no pool: %s", (text, said) => expect(addressPool.safeParse(text).error?.issues[0]?.message).toMatch(said));

    test("by default the end of the machine's /24, with the ingress at the first", () => {
        expect(metalLbDefaults({ address: "192.168.7.10" }, undefined)).toEqual({
            lan: "192.168.7.0/24",
            pool: "192.168.7.240-192.168.7.250",
            ingressAddress: "192.168.7.240",
        });
        expect(metalLbDefaults({ address: "192.168.1.13" }, { pool: POOL })).toEqual({
            lan: "192.168.1.0/24",
            pool: POOL,
            ingressAddress: "192.168.1.230",
        });
        expect(metalLbDefaults({ address: "192.168.1.13" }, { pool: "nonsense" })).not.toHaveProperty("ingressAddress");
    });

    test("other clusters see the pool as a range", () => {
        expect(metalLbClaims({ lan: "192.168.1.0/24", pool: "192.168.1.224/28" })).toEqual([
            { kind: "lan", value: "192.168.1.0/24", path: "network.lan" },
            { kind: "pool", value: "192.168.1.224-192.168.1.239", path: "network.pool" },
        ]);
    });
});
