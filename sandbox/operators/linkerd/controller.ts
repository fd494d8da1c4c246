/** Linkerd and what it gets its certificates by: trust-manager's bundles, the authorities of webhooks, and pods that cannot start without. */
import {
    type Action,
    collections,
    type Controller,
    objectPath,
    resources,
    type View,
} from "../../controllers/controller";
import { type CustomResource, isLeaving, labelled, running, statusOf } from "../../controllers/custom-resources";
import { type ConfigMap, type KubeObject, keyOf, type Secret } from "../../controllers/objects";

const ADMISSION = "admissionregistration.k8s.io";
const mutating = resources(ADMISSION, "v1", "mutatingwebhookconfigurations");
const validating = resources(ADMISSION, "v1", "validatingwebhookconfigurations");
const policies = resources(ADMISSION, "v1", "validatingadmissionpolicies");
const bindings = resources(ADMISSION, "v1", "validatingadmissionpolicybindings");
const bundles = resources("trust.cert-manager.io", "v1alpha1", "bundles");
const certificates = resources("cert-manager.io", "v1", "certificates");
const daemonSets = "/apis/apps/v1/daemonsets";

interface BundleSpec {
    readonly sources: readonly { readonly secret?: { readonly name: string; readonly key: string } }[];
    readonly target: {
        readonly configMap?: { readonly key: string };
        readonly namespaceSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    };
}

type Bundle = CustomResource<BundleSpec>;

interface Hooks extends KubeObject {
    readonly webhooks?: readonly { readonly clientConfig?: { readonly caBundle?: string } }[];
}

interface DaemonSet extends KubeObject {
    readonly status?: { readonly desiredNumberScheduled?: number; readonly numberReady?: number };
}

export const linkerd: Controller = {
    name: "linkerd",
    lists: [
        collections.deployments,
        collections.secrets,
        collections.configMaps,
        collections.namespaces,
        ...[mutating, validating, policies, bindings, bundles, certificates, daemonSets],
    ],
    reconcile(view): Action[] {
        return [...trustManager(view), ...authorities(view), ...refusals(view)];
    },
};

function trustManager(view: View): Action[] {
    const operator = running(view, labelled({ "app.kubernetes.io/name": "trust-manager" }));
    if (operator === undefined) return [];
    const secrets = new Map(view.list<Secret>(collections.secrets).map((secret) => [keyOf(secret), secret]));
    return view
        .list<Bundle>(bundles)
        .filter((bundle) => !isLeaving(bundle))
        .flatMap((bundle) => synced(view, bundle, operator.metadata.namespace ?? "", secrets));
}

function synced(view: View, bundle: Bundle, home: string, secrets: ReadonlyMap<string, Secret>): Action[] {
    const { sources, target } = bundle.spec;
    const parts = sources.map(({ secret }) => ({
        secret,
        text: secret && secrets.get(`${home}/${secret.name}`)?.data?.[secret.key],
    }));
    const missing = parts.find(({ text }) => text === undefined);
    const status = (met: "True" | "False", reason: string, message: string) =>
        statusOf(bundles, bundle, view.now, {}, [{ type: "Synced", status: met, reason, message }]);
    if (missing !== undefined) {
        return status(
            "False",
            "SourceNotFound",
            `Bundle source was not found: secrets "${missing.secret?.name}" not found`,
        );
    }
    const { name } = bundle.metadata;
    const key = target.configMap?.key ?? "";
    const text =
        parts
            .map((part) =>
                Buffer.from(part.text ?? "", "base64")
                    .toString("utf8")
                    .trim(),
            )
            .join("\n") + "\n";
    const present = new Map(view.list<ConfigMap>(collections.configMaps).map((map) => [keyOf(map), map]));
    const wanted = Object.entries(target.namespaceSelector?.matchLabels ?? {});
    const chosen = view
        .list<KubeObject>(collections.namespaces)
        .filter((one) => !isLeaving(one))
        .filter(({ metadata }) => wanted.every(([label, value]) => metadata.labels?.[label] === value))
        .map(({ metadata }) => metadata.name);
    return [
        ...chosen
            .filter((namespace) => present.get(`${namespace}/${name}`)?.data?.[key] !== text)
            .map((namespace): Action => ({
                verb: "apply",
                path: objectPath("/api/v1/configmaps", { namespace, name }),
                body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: { [key]: text } },
            })),
        ...status("True", "Synced", "Successfully synced Bundle to namespaces that match this label selector"),
    ];
}

/** cert-manager's cainjector: the authority of a Certificate, into every webhook that asks for it. */
function authorities(view: View): Action[] {
    const injector = running(
        view,
        labelled({ "app.kubernetes.io/name": "cainjector", "app.kubernetes.io/component": "cainjector" }),
    );
    if (injector === undefined) return [];
    const issued = new Map(
        view.list<CustomResource<{ readonly secretName: string }>>(certificates).map((one) => [keyOf(one), one]),
    );
    const secrets = new Map(view.list<Secret>(collections.secrets).map((secret) => [keyOf(secret), secret]));
    return [mutating, validating].flatMap((collection) =>
        view.list<Hooks>(collection).flatMap((hooks): Action[] => {
            const from = hooks.metadata.annotations?.["cert-manager.io/inject-ca-from"] ?? "";
            const [namespace = ""] = from.split("/");
            const secretName = issued.get(from)?.spec.secretName;
            const caBundle = secrets.get(`${namespace}/${secretName}`)?.data?.["ca.crt"];
            const { webhooks = [] } = hooks;
            if (caBundle === undefined || webhooks.every(({ clientConfig }) => clientConfig?.caBundle === caBundle)) {
                return [];
            }
            return [
                {
                    verb: "patch",
                    path: objectPath(collection, { name: hooks.metadata.name }),
                    body: {
                        webhooks: webhooks.map((one) => ({ ...one, clientConfig: { ...one.clientConfig, caBundle } })),
                    },
                },
            ];
        }),
    );
}

/** Stand where a kubelet would: no pod of a sandbox mounts anything, and nobody redirects its connections. */
function refusals(view: View): Action[] {
    const has = (list: string, key: string) => view.list<KubeObject>(list).some((one) => keyOf(one) === key);
    const cni = view.list<DaemonSet>(daemonSets).find((one) => keyOf(one) === "linkerd-cni/linkerd-cni");
    const { desiredNumberScheduled: wanted = 0, numberReady: ready = 0 } = cni?.status ?? {};
    const injects = view.list<Hooks>(mutating).some(({ metadata, webhooks = [] }) => {
        const authority = webhooks.every(({ clientConfig }) => (clientConfig?.caBundle ?? "") !== "");
        return metadata.name === "linkerd-proxy-injector-webhook-config" && authority;
    });
    const installed = has(collections.namespaces, "linkerd");
    const certified =
        has(collections.secrets, "linkerd/linkerd-identity-issuer") &&
        has(collections.configMaps, "linkerd/linkerd-identity-trust-roots");
    return [
        ...refusal(
            view,
            "sandbox-linkerd-identity",
            installed && !certified,
            '!has(object.metadata.labels) || !("linkerd.io/control-plane-component" in object.metadata.labels)',
            "the control plane of Linkerd does not start: its issuer's Secret or the ConfigMap with the trust anchors is not there",
        ),
        ...refusal(
            view,
            "sandbox-linkerd-cni",
            injects && (wanted === 0 || ready < wanted),
            '!has(object.metadata.annotations) || !("linkerd.io/inject" in object.metadata.annotations) || object.metadata.annotations["linkerd.io/inject"] != "enabled"',
            "linkerd-network-validator: Failed to validate networking configuration. The CNI plugin of Linkerd is not on every node",
        ),
    ];
}

function refusal(view: View, name: string, wanted: boolean, expression: string, message: string): Action[] {
    const present = (collection: string) =>
        view.list<KubeObject>(collection).some(({ metadata }) => metadata.name === name);
    if (!wanted) {
        return [bindings, policies]
            .filter(present)
            .map((collection): Action => ({ verb: "delete", path: objectPath(collection, { name }) }));
    }
    const bodies = [
        [
            policies,
            {
                apiVersion: `${ADMISSION}/v1`,
                kind: "ValidatingAdmissionPolicy",
                metadata: { name },
                spec: {
                    failurePolicy: "Fail",
                    matchConstraints: {
                        resourceRules: [
                            { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] },
                        ],
                    },
                    validations: [{ expression, message }],
                },
            },
        ],
        [
            bindings,
            {
                apiVersion: `${ADMISSION}/v1`,
                kind: "ValidatingAdmissionPolicyBinding",
                metadata: { name },
                spec: { policyName: name, validationActions: ["Deny"] },
            },
        ],
    ] as const;
    return bodies
        .filter(([collection]) => !present(collection))
        .map(([collection, body]): Action => ({ verb: "apply", path: objectPath(collection, { name }), body }));
}
