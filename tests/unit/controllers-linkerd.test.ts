/** How the sandbox plays Linkerd: bundles of anchors, authorities of webhooks, and pods that a kubelet would not start. */
import { type Action, collections, resources, type View } from "../../sandbox/controllers/controller";
import { linkerd } from "../../sandbox/operators/linkerd/controller";
import { dig } from "./planned";

const ADMISSION = "admissionregistration.k8s.io";
const mutating = resources(ADMISSION, "v1", "mutatingwebhookconfigurations");
const policies = resources(ADMISSION, "v1", "validatingadmissionpolicies");
const bindings = resources(ADMISSION, "v1", "validatingadmissionpolicybindings");
const bundles = resources("trust.cert-manager.io", "v1alpha1", "bundles");
const certificates = resources("cert-manager.io", "v1", "certificates");
const daemonSets = "/apis/apps/v1/daemonsets";

type Lists = Readonly<Record<string, readonly object[]>>;

async function run(lists: Lists): Promise<readonly Action[]> {
    const view: View = {
        now: Date.parse("2026-01-01T00:00:00Z"),
        list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
        get: () => Promise.resolve(undefined),
    };
    return linkerd.reconcile(view);
}
const told = (actions: readonly Action[]) => actions.map(({ verb, path }) => `${verb} ${path}`);
const bodyAt = (actions: readonly Action[], path: string) => {
    const found = actions.find((action) => action.path === path);
    return found !== undefined && "body" in found ? found.body : undefined;
};

const encoded = (text: string) => Buffer.from(text).toString("base64");
const secret = (namespace: string, name: string, data: Record<string, string>) => ({
    metadata: { namespace, name },
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, encoded(text)])),
});
const deployment = (namespace: string, labels: Record<string, string>, ready = 1) => ({
    metadata: { namespace, name: "one", generation: 1, labels },
    spec: { replicas: 1, template: {} },
    status: { observedGeneration: 1, readyReplicas: ready, updatedReplicas: ready },
});
const namespace = (name: string) => ({ metadata: { name, labels: { "kubernetes.io/metadata.name": name } } });

describe("trust-manager", () => {
    const bundle = {
        metadata: { name: "linkerd-identity-trust-roots", generation: 1 },
        spec: {
            sources: [2, 1].map((one) => ({ secret: { name: `linkerd-trust-anchor-${one}`, key: "tls.crt" } })),
            target: {
                configMap: { key: "ca-bundle.crt" },
                namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "linkerd" } },
            },
        },
    };
    const anchor = (one: number, home = "cert-manager") =>
        secret(home, `linkerd-trust-anchor-${one}`, { "tls.crt": `anchor ${one}\n`, "tls.key": "private" });
    const lists = (secrets: readonly object[], ready = 1): Lists => ({
        [collections.deployments]: [deployment("cert-manager", { "app.kubernetes.io/name": "trust-manager" }, ready)],
        [collections.namespaces]: ["linkerd", "media"].map(namespace),
        [collections.secrets]: secrets,
        [bundles]: [bundle],
    });
    const configMap = "/api/v1/namespaces/linkerd/configmaps/linkerd-identity-trust-roots";
    const status = "/apis/trust.cert-manager.io/v1alpha1/bundles/linkerd-identity-trust-roots/status";

    test("all anchors go into the chosen namespace alone, and no key", async () => {
        const actions = await run(lists([anchor(1), anchor(2)]));
        expect(dig(bodyAt(actions, configMap), "data")).toEqual({ "ca-bundle.crt": "anchor 2\nanchor 1\n" });
        expect(told(actions).filter((one) => one.includes("/configmaps/"))).toHaveLength(1);
        expect(JSON.stringify(actions)).not.toContain("private");
        expect(bodyAt(actions, status)).toMatchObject({ status: { conditions: [{ type: "Synced", status: "True" }] } });
    });

    test.each([
        ["one is missing", [anchor(1)]],
        ["one is in another namespace", [anchor(1), anchor(2, "linkerd")]],
    ])("%s: nothing is handed out", async (_why, secrets) => {
        const actions = await run(lists(secrets));
        expect(bodyAt(actions, configMap)).toBeUndefined();
        expect(bodyAt(actions, status)).toMatchObject({
            status: { conditions: [{ status: "False", reason: "SourceNotFound" }] },
        });
    });

    test("without its pod nothing happens", async () => {
        expect(told(await run(lists([anchor(1), anchor(2)], 0))).join()).not.toMatch(/configmaps|bundles/);
    });
});

describe("webhooks", () => {
    const hooks = (caBundle = "") => ({
        metadata: {
            name: "linkerd-proxy-injector-webhook-config",
            annotations: { "cert-manager.io/inject-ca-from": "linkerd/linkerd-proxy-injector" },
        },
        webhooks: [{ name: "one", clientConfig: { caBundle } }],
    });
    const lists = (hook: object, data: Record<string, string>): Lists => ({
        [collections.deployments]: [
            deployment("cert-manager", {
                "app.kubernetes.io/name": "cainjector",
                "app.kubernetes.io/component": "cainjector",
            }),
        ],
        [mutating]: [hook],
        [certificates]: [
            { metadata: { namespace: "linkerd", name: "linkerd-proxy-injector" }, spec: { secretName: "tls" } },
        ],
        [collections.secrets]: [secret("linkerd", "tls", data)],
    });
    const path = `${mutating}/linkerd-proxy-injector-webhook-config`;

    test("get the authority of their certificate, once", async () => {
        expect(dig(bodyAt(await run(lists(hooks(), { "ca.crt": "authority" })), path), "webhooks", 0)).toEqual({
            name: "one",
            clientConfig: { caBundle: encoded("authority") },
        });
        expect(bodyAt(await run(lists(hooks(encoded("authority")), { "ca.crt": "authority" })), path)).toBeUndefined();
    });

    test("and none while there is no certificate", async () => {
        expect(bodyAt(await run(lists(hooks(), { "tls.crt": "no authority" })), path)).toBeUndefined();
    });
});

describe("pods that would not start", () => {
    const hooks = (caBundle: string) => ({
        metadata: { name: "linkerd-proxy-injector-webhook-config" },
        webhooks: [{ clientConfig: { caBundle } }],
    });
    const cni = (wanted: number, ready: number) => ({
        metadata: { namespace: "linkerd-cni", name: "linkerd-cni" },
        status: { desiredNumberScheduled: wanted, numberReady: ready },
    });
    const refused = async (name: string, lists: Lists) => {
        const actions = await run(lists);
        return {
            policy: bodyAt(actions, `${policies}/${name}`),
            binding: bodyAt(actions, `${bindings}/${name}`),
            told: told(actions).filter((one) => one.includes(name)),
        };
    };
    const CNI = "sandbox-linkerd-cni";
    const IDENTITY = "sandbox-linkerd-identity";

    test.each([
        ["no plugin at all", []],
        ["none of its pods", [cni(3, 0)]],
        ["one machine without", [cni(3, 2)]],
        ["nobody counted yet", [cni(0, 0)]],
    ])("%s: a pod that asks for a proxy is refused, and no other", async (_why, sets) => {
        const { policy, binding } = await refused(CNI, { [mutating]: [hooks("QQ==")], [daemonSets]: sets });
        expect(dig(policy, "spec")).toMatchObject({
            failurePolicy: "Fail",
            matchConstraints: { resourceRules: [{ operations: ["CREATE"], resources: ["pods"] }] },
            validations: [
                {
                    // True lets it in: whoever has no annotation, or another word in it.
                    expression:
                        '!has(object.metadata.annotations) || !("linkerd.io/inject" in object.metadata.annotations) || object.metadata.annotations["linkerd.io/inject"] != "enabled"',
                    message: expect.stringContaining("CNI plugin of Linkerd is not on every node") as string,
                },
            ],
        });
        expect(dig(binding, "spec")).toEqual({ policyName: CNI, validationActions: ["Deny"] });
    });

    test("on every machine: the refusal goes, and stays away", async () => {
        const there = { [policies]: [{ metadata: { name: CNI } }], [bindings]: [{ metadata: { name: CNI } }] };
        const whole = { [mutating]: [hooks("QQ==")], [daemonSets]: [cni(3, 3)] };
        // The binding first: a policy that is bound would refuse by its absence.
        expect((await refused(CNI, { ...there, ...whole })).told).toEqual([
            `delete ${bindings}/${CNI}`,
            `delete ${policies}/${CNI}`,
        ]);
        expect((await refused(CNI, whole)).told).toEqual([]);
    });

    test("a webhook without an authority injects nothing, so nobody waits for the plugin", async () => {
        expect((await refused(CNI, { [mutating]: [hooks("")], [daemonSets]: [cni(3, 0)] })).told).toEqual([]);
    });

    test("one that is there already is not sent again", async () => {
        const there = { [policies]: [{ metadata: { name: CNI } }], [bindings]: [{ metadata: { name: CNI } }] };
        expect((await refused(CNI, { ...there, [mutating]: [hooks("QQ==")], [daemonSets]: [] })).told).toEqual([]);
    });

    test("the control plane waits for issuer and anchors, both", async () => {
        const issuer = secret("linkerd", "linkerd-identity-issuer", {});
        const anchors = { metadata: { namespace: "linkerd", name: "linkerd-identity-trust-roots" } };
        const at = (secrets: readonly object[], maps: readonly object[], namespaces = [namespace("linkerd")]) =>
            refused(IDENTITY, {
                [collections.namespaces]: namespaces,
                [collections.secrets]: secrets,
                [collections.configMaps]: maps,
            });
        for (const [secrets, maps] of [
            [[], []],
            [[issuer], []],
            [[], [anchors]],
        ] as const) {
            expect(dig((await at(secrets, maps)).policy, "spec", "validations", 0, "expression")).toContain(
                "linkerd.io/control-plane-component",
            );
        }
        expect((await at([issuer], [anchors])).told).toEqual([]);
        expect((await at([], [], [])).told).toEqual([]);
    });
});
