import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as tailscale from "@pulumi/tailscale";
import { imageReference, images } from "../images";
import { rangeToCidrs, type AddressRange } from "../network/addresses";
import type { Cluster } from "../platform";
import { isOurPolicy, tailnetPolicy } from "./policy";

export interface SubnetRouterArgs {
    cluster: Pick<Cluster, "name">;
    namespace: pulumi.Output<string>;
    /** Tag of the router, without `tag:`. */
    tag: string;
    /** The load balancer's pool: what the tailnet reaches. */
    pool: AddressRange;
    /** Whether this stack owns the tailnet's policy. */
    policy: "manage" | "leave";
}

/**
 * The tailnet's way to the cluster's local hosts: a subnet router that announces exactly the load balancer's pool, and
 * (when asked) the policy that lets it. Names need nothing: the public zone already resolves them to these addresses.
 */
export class SubnetRouter extends pulumi.ComponentResource {
    readonly routes: readonly string[];

    constructor(name: string, args: SubnetRouterArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:tailnet:SubnetRouter", name, {}, opts);
        const child = { parent: this };
        this.routes = rangeToCidrs(args.pool);
        const acl = args.policy === "manage" ? this.policy(name, args) : undefined;
        const key = new tailscale.TailnetKey(
            name,
            {
                description: `${args.cluster.name} subnet router`,
                reusable: true,
                preauthorized: true,
                tags: [`tag:${args.tag}`],
                // A router that is gone for good disappears from the tailnet by itself.
                ephemeral: true,
                // The router keeps its identity in a Secret: the key is for its first start and for rebuilds.
                expiry: 90 * 24 * 3600,
                recreateIfInvalid: "always",
            },
            // The tag must exist in the policy before a key may carry it.
            { parent: this, ...(acl === undefined ? {} : { dependsOn: acl }) },
        );
        const labels = { "app.kubernetes.io/name": "tailscale-router", "app.kubernetes.io/part-of": "infra" };
        const metadata = { name: "tailscale-router", namespace: args.namespace, labels };
        const authKey = new k8s.core.v1.Secret(
            `${name}-auth-key`,
            { metadata: { ...metadata, name: "tailscale-auth-key" }, type: "Opaque", stringData: { authkey: key.key } },
            child,
        );
        const account = new k8s.core.v1.ServiceAccount(name, { metadata }, child);
        const role = new k8s.rbac.v1.Role(
            name,
            {
                metadata,
                rules: [
                    { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
                    {
                        apiGroups: [""],
                        resources: ["secrets"],
                        resourceNames: ["tailscale-router-state"],
                        verbs: ["get", "update", "patch"],
                    },
                ],
            },
            child,
        );
        const binding = new k8s.rbac.v1.RoleBinding(
            name,
            {
                metadata,
                roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
                subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace: args.namespace }],
            },
            child,
        );
        // The state Secret is the router's identity; made here, so that destroy removes it.
        const state = new k8s.core.v1.Secret(
            `${name}-state`,
            { metadata: { ...metadata, name: "tailscale-router-state" }, type: "Opaque" },
            { parent: this, ignoreChanges: ["data", "stringData"] },
        );
        new k8s.apps.v1.Deployment(
            name,
            {
                metadata,
                spec: {
                    replicas: 1,
                    // Two routers with one identity would throw each other out.
                    strategy: { type: "Recreate" },
                    selector: { matchLabels: { "app.kubernetes.io/name": "tailscale-router" } },
                    template: {
                        metadata: { labels },
                        spec: {
                            serviceAccountName: account.metadata.name,
                            securityContext: {
                                runAsNonRoot: true,
                                runAsUser: 1000,
                                runAsGroup: 1000,
                                seccompProfile: { type: "RuntimeDefault" },
                            },
                            containers: [
                                {
                                    name: "tailscale",
                                    image: imageReference(images.tailscale),
                                    env: [
                                        { name: "TS_HOSTNAME", value: `${args.cluster.name}-router` },
                                        { name: "TS_ROUTES", value: this.routes.join(",") },
                                        // In user space connections leave as the pod's own, which Cilium sends to
                                        // the Service behind an address of the pool; no privilege is needed.
                                        { name: "TS_USERSPACE", value: "true" },
                                        { name: "TS_AUTH_ONCE", value: "true" },
                                        { name: "TS_KUBE_SECRET", value: state.metadata.name },
                                        {
                                            name: "TS_AUTHKEY",
                                            valueFrom: {
                                                secretKeyRef: { name: authKey.metadata.name, key: "authkey" },
                                            },
                                        },
                                        // The image serves /healthz there.
                                        { name: "TS_LOCAL_ADDR_PORT", value: "0.0.0.0:9002" },
                                        { name: "TS_ENABLE_HEALTH_CHECK", value: "true" },
                                    ],
                                    ports: [{ name: "health", containerPort: 9002 }],
                                    readinessProbe: {
                                        httpGet: { path: "/healthz", port: "health" },
                                        periodSeconds: 10,
                                    },
                                    livenessProbe: {
                                        httpGet: { path: "/healthz", port: "health" },
                                        periodSeconds: 30,
                                        failureThreshold: 10,
                                    },
                                    resources: {
                                        requests: { cpu: "10m", memory: "64Mi" },
                                        limits: { memory: "256Mi" },
                                    },
                                    securityContext: {
                                        allowPrivilegeEscalation: false,
                                        readOnlyRootFilesystem: true,
                                        capabilities: { drop: ["ALL"] },
                                    },
                                    volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
                                },
                            ],
                            volumes: [{ name: "tmp", emptyDir: { sizeLimit: "64Mi" } }],
                        },
                    },
                },
            },
            { parent: this, dependsOn: binding },
        );
        this.registerOutputs({ routes: this.routes });
    }

    /**
     * The tailnet's policy file. It survives destroy (other machines live by it), so the next `up` meets its own
     * earlier policy: that one is adopted. A policy a person wrote makes Tailscale refuse, as it should.
     */
    private policy(name: string, args: SubnetRouterArgs): tailscale.Acl {
        const current = tailscale.getAclOutput({ parent: this });
        return new tailscale.Acl(
            `${name}-policy`,
            {
                acl: tailnetPolicy({ tag: args.tag, routes: this.routes }),
                overwriteExistingContent: current.hujson.apply(isOurPolicy),
            },
            // Decided once, at creation: later it is ours anyhow.
            { parent: this, ignoreChanges: ["overwriteExistingContent"] },
        );
    }
}
