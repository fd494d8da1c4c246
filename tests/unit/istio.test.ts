/** Istio as the way in: what is planned, what the whole charts make of it, and how the sandbox plays it behind k3s' load balancer. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { crds } from "../../components/crds";
import { composeEdge } from "../../components/edge/edge";
import { Exposures } from "../../components/edge/exposures";
import { Istio, istioBaseValues } from "../../components/edge/istio";
import { IstioGateway, istioOrigin } from "../../components/edge/istio-gateway";
import { istioRoutes } from "../../components/edge/istio-routes";
import { tunnelRules } from "../../components/edge/names";
import { serviceLb } from "../../components/network/service-lb";
import { TOOLS } from "../../lib/toolchain";
import { podSecurityFaults, type PodSecurityLevel } from "../../policy/pod-security";
import { podOf } from "../../policy/rules/kubernetes";
import { standInCrds } from "../../sandbox/charts/crds";
import {
    type Action,
    collections,
    type Controller,
    resources as apiOf,
    type View,
} from "../../sandbox/controllers/controller";
import { istio as istioPlay } from "../../sandbox/operators/istio/controller";
import { serviceLb as serviceLbPlay } from "../../sandbox/cluster/service-lb";
import type { PlannedResource } from "../../tools/plan/plan";
import type { RenderedObject } from "../../tools/plan/rendered";
import { planComponent } from "./component-plan";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";

jest.setTimeout(120_000);

const HOST = "192.168.1.254";
const exposures = new Exposures();
let resources: PlannedResource[];
let url = "";
const look = lookInto(() => ({ resources }));

beforeAll(async () => {
    resources = await planComponent(() => {
        const istio = new Istio("istio", { cluster: { kubeconfig: pulumi.secret("kubeconfig") } }, {});
        const namespace = new k8s.core.v1.Namespace("istio-ingress", { metadata: { name: "istio-ingress" } });
        const gateway = new IstioGateway(
            "istio-ingress",
            {
                istio,
                namespace: namespace.metadata.name,
                domain: "lab.example",
                certificate: pulumi.output("lab-example-tls"),
                ports: { http: 8080, https: 8443 },
            },
            {},
        );
        const edge = composeEdge({
            domain: "lab.example",
            exposures,
            loadBalancer: serviceLb,
            routes: istioRoutes(gateway, HOST),
            names: { tunnel: true },
        });
        url = edge.url("echo", "local");
        edge.expose(
            "echo",
            { host: "echo", access: "external" },
            { workload: "echo", namespace: "selfhosted", service: "echo", port: 8081 },
            {},
        );
        expect(() => edge.dedicatedService("192.168.1.9", "plex")).toThrow(
            /192\.168\.1\.9 cannot be the address of one app/,
        );
    });
    exposures.seal();
});

describe("what is planned", () => {
    test("base, istiod, class, gateway, routes, in this order, and deleted the other way round (T-EDGE-02)", () => {
        look.inOrder(
            look.find(":Namespace", "istio-system"),
            look.find(":Release", "istio-base"),
            look.find(":Command", "istio-leftovers"),
            look.find(":Release", "istio"),
            look.find(":GatewayClass", "istio-class"),
            look.find(":Release", "istio-ingress"),
            look.find("networking.k8s.io/v1:Gateway", "istio-ingress-gateway"),
            look.find(":HTTPRoute", "echo"),
        );
        expect(look.all(":Release").map(({ inputs }) => [dig(inputs, "name"), dig(inputs, "chart")])).toEqual([
            ["istio-base", "base"],
            ["istiod", "istiod"],
            ["istio-ingress", "gateway"],
        ]);
    });

    test("plain HTTP leads to the port at which the machine has HTTPS, not to the listener's", () => {
        expect(dig(look.find(":HTTPRoute", "istio-ingress-redirect").inputs, "spec")).toEqual({
            parentRefs: [{ name: "istio-ingress", namespace: "istio-ingress", sectionName: "http" }],
            rules: [
                {
                    filters: [
                        {
                            type: "RequestRedirect",
                            requestRedirect: { scheme: "https", port: 8443, statusCode: 301 },
                        },
                    ],
                },
            ],
        });
    });

    test("a host is known by its name and the machine's address and port; its route names no port (T-EDGE-03)", () => {
        expect(url).toBe("https://echo.lab.example:8443");
        expect(exposures.rows).toEqual([
            { workload: "echo", host: "echo.lab.example", access: "external", auth: "none", address: HOST, port: 8443 },
        ]);
        expect(look.find(":HTTPRoute", "echo").inputs).toMatchObject({
            metadata: { name: "echo", namespace: "selfhosted" },
            spec: {
                hostnames: ["echo.lab.example"],
                parentRefs: [{ name: "istio-ingress", namespace: "istio-ingress", sectionName: "https" }],
                rules: [{ backendRefs: [{ name: "echo", port: 8081 }] }],
            },
        });
    });

    test("a tunnel comes in by the gateway's Service, and knows it by a name of the certificate", () => {
        expect(tunnelRules(exposures.rows, istioOrigin("lab.example", "staging"))).toEqual([
            {
                hostname: "echo.lab.example",
                service: "https://istio-ingress.istio-ingress.svc.cluster.local:443",
                originRequest: { originServerName: "istio-ingress.lab.example", noTlsVerify: true },
            },
            { service: "http_status:404" },
        ]);
    });

    test("custom resources are of their definitions", () => {
        if (!haveCrds) return console.warn("skipped: ../shared/crds is not here");
        const custom = resources.filter(({ type }) => type.includes("gateway.networking.k8s.io"));
        expect(custom).toHaveLength(4);
        expect(custom.flatMap(({ inputs }) => crdFaults(inputs as never))).toEqual([]);
    });

    // pkg/config/schema/gvr of Istio 1.30; a version that is not served would keep istiod from ever being ready.
    test.each([
        "gatewayclasses/v1",
        "gateways/v1",
        "httproutes/v1",
        "grpcroutes/v1",
        "tlsroutes/v1",
        "backendtlspolicies/v1",
        "listenersets/v1",
        "referencegrants/v1beta1",
    ])("the pinned Gateway API serves %s, which istiod watches", (watched) => {
        const served = standInCrds(crds.gatewayApi.project).flatMap(({ spec }) =>
            spec.versions.filter((one) => one.served).map(({ name }) => `${spec.names.plural}/${name}`),
        );
        expect(served).toContain(watched);
    });
});

describe("the whole charts", () => {
    let rendered: readonly RenderedObject[] | undefined;
    const definitions: string[] = [];
    beforeAll(async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        const releases = await renderReleases({ resources: look.all(":Release") }, TOOLS.kubectl.version);
        rendered = releases.flatMap(({ objects }) => objects);
        for (const release of releases) definitions.push(...release.definitions);
    });
    const find = (kind: string, name: string) =>
        rendered?.find((one) => one.kind === kind && one.metadata.name === name);

    test("the Gateway is bound to the Service that is there, whose ports its listeners have", () => {
        if (rendered === undefined) return;
        const service = find("Service", "istio-ingress");
        const { name, namespace } = service?.metadata ?? {};
        const gateway = look.find("networking.k8s.io/v1:Gateway", "istio-ingress-gateway").inputs;
        expect(dig(gateway, "spec", "addresses")).toEqual([
            { type: "Hostname", value: `${name}.${namespace}.svc.cluster.local` },
        ]);
        expect(dig(gateway, "metadata", "namespace")).toBe(namespace);
        const listeners = dig(gateway, "spec", "listeners") as { port: number }[];
        const ports = dig(service, "spec", "ports") as { port: number }[];
        expect(listeners.map(({ port }) => port)).toEqual(ports.map(({ port }) => port));
        expect([dig(service, "spec", "type"), ports.length]).toEqual(["LoadBalancer", 2]);
    });

    test("definitions are a layer of their own", () => {
        if (rendered === undefined) return;
        expect(definitions).toEqual([]);
        expect(istioBaseValues().base.excludedCRDs).toHaveLength(15);
    });

    test("nothing is injected but where it is asked for", () => {
        if (rendered === undefined) return;
        const webhook = find("MutatingWebhookConfiguration", "istio-sidecar-injector");
        for (const hook of dig(webhook, "webhooks") as object[]) {
            // By the namespace's label, or by the pod's.
            const asked = [dig(hook, "namespaceSelector"), dig(hook, "objectSelector")].flatMap(
                (selector) => dig(selector, "matchExpressions") as { operator: string; values?: string[] }[],
            );
            expect(
                asked.some(
                    ({ operator, values }) =>
                        operator === "In" && values?.some((one) => /enabled|true|default/.test(one)),
                ),
            ).toBe(true);
        }
        expect(find("Deployment", "istio-ingress")).toMatchObject({
            spec: { template: { metadata: { labels: { "sidecar.istio.io/inject": "true" } } } },
        });
    });

    test.each([
        ["istiod", "restricted"],
        ["istio-ingress", "restricted"],
    ] as [string, PodSecurityLevel][])("the pod of %s keeps the level %s, with a memory limit", (name, level) => {
        if (rendered === undefined) return;
        const deployment = find("Deployment", name);
        const pod = podOf({ urn: "", type: "kubernetes:apps/v1:Deployment", name, inputs: deployment ?? {} });
        expect(podSecurityFaults(level, pod?.spec ?? {})).toEqual([]);
        expect(dig(deployment, "spec", "template", "spec", "containers", 0, "resources", "limits", "memory")).toBe(
            "1Gi",
        );
    });

    test("istiod is told to make neither classes nor gateways of its own", () => {
        if (rendered === undefined) return;
        const env = dig(find("Deployment", "istiod"), "spec", "template", "spec", "containers", 0, "env");
        for (const name of ["DEPLOYMENT", "GATEWAYCLASS"]) {
            expect(env).toContainEqual({ name: `PILOT_ENABLE_GATEWAY_API_${name}_CONTROLLER`, value: "false" });
        }
        expect(find("PodDisruptionBudget", "istiod")).toBeUndefined();
        expect(find("HorizontalPodAutoscaler", "istiod")).toBeUndefined();
    });
});

describe("in the sandbox", () => {
    const API = "gateway.networking.k8s.io";
    const [classes, gateways, routes] = ["gatewayclasses", "gateways", "httproutes"].map((plural) =>
        apiOf(API, "v1", plural),
    ) as [string, string, string];
    const planned = (type: string, name: string) => {
        const { metadata, spec } = look.find(type, name).inputs as Record<string, object>;
        return { metadata: { ...metadata, generation: 1 }, spec };
    };
    const deployment = (
        name: string,
        namespace: string,
        labels: object,
        creationTimestamp: string,
        env: object[] = [],
    ) => ({
        metadata: { name, namespace, generation: 1, creationTimestamp, labels },
        spec: { replicas: 1, template: { metadata: { labels }, spec: { containers: [{ name, image: "i", env }] } } },
        status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
    });
    const off = [{ name: "PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER", value: "false" }];
    const istiod = (env: object[] = off) =>
        deployment("istiod", "istio-system", { app: "istiod" }, "2026-01-01T00:00:00Z", env);
    const proxy = (made = "2026-01-01T00:01:00Z") =>
        deployment("istio-ingress", "istio-ingress", { app: "istio-ingress" }, made);
    const service = (ips: string[] = ["172.18.0.3"], ports = [80, 443], namespace = "istio-ingress") => ({
        metadata: { name: "istio-ingress", namespace, resourceVersion: "1", creationTimestamp: "2026-01-01T00:01:00Z" },
        spec: { type: "LoadBalancer", selector: { app: "istio-ingress" }, ports: ports.map((port) => ({ port })) },
        status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
    });
    const certificate = { metadata: { name: "lab-example-tls", namespace: "istio-ingress" } };
    const lists = (change: Record<string, readonly object[]> = {}): Record<string, readonly object[]> => ({
        [collections.deployments]: [istiod(), proxy()],
        [collections.services]: [
            service(),
            { metadata: { name: "echo", namespace: "selfhosted" }, spec: { ports: [{ port: 8081 }] } },
        ],
        [collections.secrets]: [certificate],
        [collections.namespaces]: [{ metadata: { name: "selfhosted" } }],
        [classes]: [planned(":GatewayClass", "istio-class")],
        [gateways]: [planned("networking.k8s.io/v1:Gateway", "istio-ingress-gateway")],
        [routes]: [planned(":HTTPRoute", "echo"), planned(":HTTPRoute", "istio-ingress-redirect")],
        ...change,
    });
    const run = async (
        controller: Controller,
        given: Record<string, readonly object[]>,
    ): Promise<readonly Action[]> => {
        const view: View = {
            now: 0,
            list: <T>(path: string) => (given[path] ?? []) as readonly T[],
            get: () => Promise.resolve(undefined),
        };
        return controller.reconcile(view);
    };
    const bodyAt = (actions: readonly Action[], end: string) => {
        const found = actions.find(({ path }) => path.endsWith(end));
        return found !== undefined && "body" in found ? found.body : undefined;
    };
    const gatewayStatus = async (change: Record<string, readonly object[]> = {}) =>
        dig(bodyAt(await run(istioPlay, lists(change)), "gateways/istio-ingress/status"), "status");
    const conditions = (status: unknown) =>
        Object.fromEntries(
            ((dig(status, "conditions") ?? []) as { type: string; status: string; message: string }[]).map((one) => [
                one.type,
                one,
            ]),
        );

    test("what is planned is taken: class, gateway with the Service's addresses, routes with their backends", async () => {
        const actions = await run(istioPlay, lists());
        expect(bodyAt(actions, "gatewayclasses/istio/status")).toMatchObject({
            status: { conditions: [{ type: "Accepted", status: "True" }] },
        });
        const status = dig(bodyAt(actions, "gateways/istio-ingress/status"), "status");
        expect(conditions(status)).toMatchObject({ Accepted: { status: "True" }, Programmed: { status: "True" } });
        expect(dig(status, "addresses")).toEqual([{ type: "IPAddress", value: "172.18.0.3" }]);
        expect(
            (dig(status, "listeners") as { name: string; attachedRoutes: number }[]).map(({ name, attachedRoutes }) => [
                name,
                attachedRoutes,
            ]),
        ).toEqual([
            ["http", 1],
            ["https", 1],
        ]);
        for (const name of ["echo", "istio-ingress-redirect"]) {
            expect(bodyAt(actions, `httproutes/${name}/status`)).toMatchObject({
                status: {
                    parents: [
                        {
                            controllerName: "istio.io/gateway-controller",
                            conditions: [
                                { type: "Accepted", status: "True" },
                                { type: "ResolvedRefs", status: "True" },
                            ],
                        },
                    ],
                },
            });
        }
        expect(bodyAt(actions, "namespaces/selfhosted/configmaps")).toMatchObject({
            metadata: { name: "istio-ca-root-cert" },
        });
    });

    test.each([
        ["no Service", { [collections.services]: [] }, /not found$/],
        [
            "a Service of another namespace",
            { [collections.services]: [service(["1.1.1.1"], [80, 443], "network")] },
            /hostname "istio-ingress\.istio-ingress\.svc\.cluster\.local" not found/,
        ],
        [
            "a Service without a listener's port",
            { [collections.services]: [service(["1.1.1.1"], [443])] },
            /port 80 not found/,
        ],
        ["a Service without an address", { [collections.services]: [service([])] }, /address pending for hostname/],
        ["no proxy", { [collections.deployments]: [istiod()] }, /no instances found/],
        [
            "a proxy that was made before istiod could fill in its image",
            { [collections.deployments]: [istiod(), proxy("2025-12-31T00:00:00Z")] },
            /no instances found/,
        ],
    ] as [string, Record<string, object[]>, RegExp][])("%s: the gateway is not programmed", async (_, change, said) => {
        const { Programmed } = conditions(await gatewayStatus(change));
        expect(Programmed).toMatchObject({ status: "False", message: expect.stringMatching(said) });
    });

    test("a gateway that is bound to nothing gets no Service from this sandbox", async () => {
        const bare = planned("networking.k8s.io/v1:Gateway", "istio-ingress-gateway");
        const { addresses: _addresses, ...spec } = bare.spec as Record<string, unknown>;
        const status = await gatewayStatus({ [gateways]: [{ ...bare, spec }] });
        expect(conditions(status)["Programmed"]).toMatchObject({
            status: "False",
            message: expect.stringContaining("istio-ingress-istio.istio-ingress.svc.cluster.local"),
        });
    });

    test("without its certificate the listener says so", async () => {
        const status = await gatewayStatus({ [collections.secrets]: [] });
        const https = (dig(status, "listeners") as object[])[1];
        expect(conditions(https)).toMatchObject({
            ResolvedRefs: { status: "False", message: "Secret istio-ingress/lab-example-tls does not exist." },
            Programmed: { status: "False" },
        });
    });

    test("an istiod that is not told otherwise makes its class itself; without istiod nothing happens", async () => {
        const told = (actions: readonly Action[]) => actions.filter(({ path }) => path === classes);
        const none = { [classes]: [], [gateways]: [] };
        expect(told(await run(istioPlay, lists({ ...none, [collections.deployments]: [istiod([])] })))).toHaveLength(1);
        expect(told(await run(istioPlay, lists(none)))).toEqual([]);
        expect(await run(istioPlay, lists({ [collections.deployments]: [proxy()] }))).toEqual([]);
    });

    describe("k3s' load balancer", () => {
        const node = (name: string, address: string, taints: object[] = [], labels: object = {}) => ({
            metadata: { name, labels },
            spec: { taints },
            status: {
                addresses: [
                    { type: "InternalIP", address },
                    { type: "Hostname", address: name },
                ],
            },
        });
        const server = node("server", "172.18.0.2", [
            { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" },
        ]);
        const agent = node("agent", "172.18.0.3");
        const addresses = async (nodes: object[], services: object[] = [service([])]) =>
            (await run(serviceLbPlay, { [collections.nodes]: nodes, [collections.services]: services })).map(
                (action) => [
                    action.path,
                    (
                        (dig("body" in action ? action.body : {}, "status", "loadBalancer", "ingress") ?? []) as {
                            ip: string;
                        }[]
                    ).map(({ ip }) => ip),
                ],
            );
        const path = "/api/v1/namespaces/istio-ingress/services/istio-ingress/status";

        test("a Service has the addresses of the nodes on which its pods may run", async () => {
            await expect(addresses([server, agent])).resolves.toEqual([[path, ["172.18.0.2", "172.18.0.3"]]]);
            const closed = node("closed", "172.18.0.4", [{ key: "gpu", effect: "NoSchedule" }]);
            await expect(addresses([agent, closed])).resolves.toEqual([[path, ["172.18.0.3"]]]);
            const chosen = node("chosen", "172.18.0.5", [], { "svccontroller.k3s.cattle.io/enablelb": "true" });
            await expect(addresses([server, agent, chosen])).resolves.toEqual([[path, ["172.18.0.5"]]]);
        });

        test("a port of a node is one Service's: the second gets none", async () => {
            const second = {
                metadata: { name: "other", namespace: "media", creationTimestamp: "2026-01-01T00:02:00Z" },
                spec: { type: "LoadBalancer", ports: [{ port: 443 }] },
            };
            await expect(addresses([agent], [second, service([])])).resolves.toEqual([[path, ["172.18.0.3"]]]);
        });

        test("what is there already is left alone, and so is another class", async () => {
            await expect(addresses([agent], [service(["172.18.0.3"])])).resolves.toEqual([]);
            const other = { ...service([]), spec: { ...service([]).spec, loadBalancerClass: "tailscale" } };
            await expect(addresses([agent], [other])).resolves.toEqual([]);
        });
    });
});
