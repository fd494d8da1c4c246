import type * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand } from "../cluster/cluster-command";
import { imageReference, images } from "../images";
import type { Cluster } from "../platform";

export interface RedisEnterpriseOperatorArgs {
    cluster: Pick<Cluster, "kubeconfig" | "generation">;
    /** The one namespace that it works in. */
    namespace: pulumi.Output<string>;
}

/** What its pod requests. */
export const OPERATOR_REQUESTS = { cpu: "750m", memory: "512Mi" } as const;

const NAME = "redis-enterprise-operator";
const labels = { app: "redis-enterprise", "app.kubernetes.io/name": NAME };

/**
 * The operator of Redis Enterprise for one namespace, with the webhook that judges databases before they are stored. Its
 * CRDs are `crds.redisEnterprise`. Objects and not a chart: the one that upstream publishes brings no release that its
 * repository has a tag of, and cannot be upgraded. https://redis.io/docs/latest/operate/kubernetes/deployment/quick-start/
 */
export class RedisEnterpriseOperator extends pulumi.ComponentResource {
    readonly deployment: k8s.apps.v1.Deployment;
    /** Done when the API server asks it about databases. Deleted after the last of them, and before it. */
    readonly webhook: command.local.Command;

    constructor(name: string, args: RedisEnterpriseOperatorArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:database:RedisEnterpriseOperator", name, {}, opts);
        const { cluster, namespace } = args;
        const child = { parent: this };
        const metadata = { name: NAME, namespace, labels };
        const account = new k8s.core.v1.ServiceAccount(name, { metadata }, child);
        const role = new k8s.rbac.v1.Role(name, { metadata, rules: RULES.map(rule) }, child);
        const binding = new k8s.rbac.v1.RoleBinding(
            name,
            {
                metadata,
                roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
                subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace }],
            },
            child,
        );
        this.deployment = new k8s.apps.v1.Deployment(
            name,
            {
                metadata,
                spec: {
                    replicas: 1,
                    strategy: { type: "Recreate" },
                    selector: { matchLabels: { name: NAME } },
                    template: {
                        metadata: { labels: { ...labels, name: NAME } },
                        spec: {
                            serviceAccountName: account.metadata.name,
                            securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
                            containers: [
                                container(NAME, "operator", {
                                    port: 8080,
                                    requests: { cpu: "500m", memory: "256Mi" },
                                    livenessProbe: { httpGet: { path: "/liveness", port: 8080 } },
                                }),
                                container("admission", "admission", {
                                    port: 8443,
                                    requests: { cpu: "250m", memory: "256Mi" },
                                    livenessProbe: { httpGet: { path: "/liveness", port: 8443, scheme: "HTTPS" } },
                                    readinessProbe: { httpGet: { path: "/readiness", port: 8443, scheme: "HTTPS" } },
                                }),
                            ],
                        },
                    },
                },
            },
            { ...child, dependsOn: binding },
        );
        const service = new k8s.core.v1.Service(
            `${name}-admission`,
            {
                metadata: { name: "admission", namespace, labels },
                spec: { selector: { name: NAME }, ports: [{ port: 443, targetPort: 8443 }] },
            },
            // The engine waits for endpoints.
            { ...child, dependsOn: this.deployment },
        );
        this.webhook = clusterCommand(
            `${name}-webhook`,
            cluster,
            {
                create: WEBHOOK,
                update: WEBHOOK,
                delete: 'kubectl delete validatingwebhookconfiguration "$WEBHOOK_NAME" --ignore-not-found',
                environment: {
                    NAMESPACE: namespace,
                    WEBHOOK_NAME: namespace.apply(webhookName),
                    CONFIGURATION: pulumi
                        .all([namespace, service.metadata.name])
                        .apply(([where, asked]) => JSON.stringify(webhookConfiguration(where, asked))),
                },
            },
            { parent: this, dependsOn: [this.deployment, service] },
        );
        this.registerOutputs({});
    }
}

const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });

function container(
    name: string,
    program: "operator" | "admission",
    {
        port,
        requests,
        ...probes
    }: {
        port: number;
        requests: { readonly cpu: string; readonly memory: string };
        livenessProbe: k8s.types.input.core.v1.Probe;
        readinessProbe?: k8s.types.input.core.v1.Probe;
    },
): k8s.types.input.core.v1.Container {
    return {
        name,
        image: imageReference(images.redisEnterpriseOperator),
        command: ["operator-root", program],
        env: [
            field("POD_NAMESPACE", "metadata.namespace"),
            field("WATCH_NAMESPACE", "metadata.namespace"),
            field("POD_NAME", "metadata.name"),
            ...(program === "operator" ? [{ name: "OPERATOR_NAME", value: NAME }] : []),
        ],
        ports: [{ containerPort: port }],
        resources: { requests, limits: { memory: "512Mi" } },
        securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
        },
        ...probes,
    };
}

const EDIT = ["create", "delete", "get", "list", "patch", "update", "watch"];

/** What it may do in its namespace, by API group; the verbs are all of `EDIT` where none stand there. */
const RULES: readonly (readonly [group: string, resources: readonly string[], verbs?: readonly string[]])[] = [
    ["app.redislabs.com", ["*"]],
    ["", ["configmaps", "persistentvolumeclaims", "pods", "secrets", "serviceaccounts", "services"]],
    ["", ["events"], ["create", "patch"]],
    ["apps", ["deployments", "replicasets", "statefulsets"]],
    ["batch", ["cronjobs"]],
    ["discovery.k8s.io", ["endpointslices"], ["get", "list", "watch"]],
    ["networking.k8s.io", ["ingresses"]],
    ["policy", ["poddisruptionbudgets"]],
    ["rbac.authorization.k8s.io", ["rolebindings", "roles"]],
];

const rule = ([group, resources, verbs = EDIT]: (typeof RULES)[number]) => ({
    apiGroups: [group],
    resources: [...resources],
    verbs: [...verbs],
});

const webhookName = (namespace: string): string => `redis-enterprise-admission-${namespace}`;

/** Stands where the certificate comes that the operator made. */
const CERTIFICATE = "CERTIFICATE";

/**
 * Of the operator's own namespace alone: without a server behind it every change of a database is refused, and to take a
 * finalizer away is one.
 */
function webhookConfiguration(namespace: string, service: string) {
    return {
        apiVersion: "admissionregistration.k8s.io/v1",
        kind: "ValidatingWebhookConfiguration",
        metadata: { name: webhookName(namespace), labels },
        webhooks: [
            {
                name: "redisenterprise.admission.redislabs",
                // All that the operator answers in.
                admissionReviewVersions: ["v1beta1"],
                clientConfig: {
                    service: { name: service, namespace, path: "/admission" },
                    caBundle: CERTIFICATE,
                },
                failurePolicy: "Fail",
                matchPolicy: "Exact",
                sideEffects: "None",
                timeoutSeconds: 30,
                namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
                rules: [
                    {
                        apiGroups: ["app.redislabs.com"],
                        apiVersions: ["v1alpha1"],
                        operations: ["CREATE", "UPDATE"],
                        resources: [
                            "redisenterprisedatabases",
                            "redisenterpriseactiveactivedatabases",
                            "redisenterpriseremoteclusters",
                        ],
                    },
                ],
            },
        ],
    };
}

/** The operator makes a certificate of its own, which the API server must know. */
const WEBHOOK = `
kubectl --namespace "$NAMESPACE" wait secret/admission-tls --for=create --timeout=300s >&2 || {
  echo "The operator of Redis Enterprise made no certificate for its webhook: see  kubectl --namespace $NAMESPACE logs deployment/${NAME} --all-containers --tail=50" >&2
  exit 1
}
certificate=$(kubectl --namespace "$NAMESPACE" get secret admission-tls --output=jsonpath='{.data.cert}')
test -n "$certificate" || { echo "The Secret $NAMESPACE/admission-tls has no cert: delete it, and the operator makes another; then run pulumi up again." >&2; exit 1; }
printf '%s' "\${CONFIGURATION/${CERTIFICATE}/$certificate}" | kubectl apply --server-side --force-conflicts --field-manager=redis-enterprise-webhook --filename=- >&2`.trim();
