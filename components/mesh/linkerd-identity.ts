/** Who vouches for whom in Linkerd: trust anchor, identity issuer, and the certificates of the webhooks. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import type { CertManager } from "../edge/cert-manager";
import { TEN_YEARS } from "../edge/own-authority";
import type { Cluster } from "../platform";

/** Namespaces, by Linkerd's own names. */
export const LINKERD = { controlPlane: "linkerd", cni: "linkerd-cni", viz: "linkerd-viz" } as const;

/** ConfigMap with the anchors, which Linkerd reads by this name. */
const TRUST_ROOTS = "linkerd-identity-trust-roots";
const ISSUER = "linkerd-identity-issuer";

/** Certificate and Service of each webhook, and the Secret that it reads. */
export const WEBHOOKS = {
    controlPlane: [
        {
            name: "linkerd-proxy-injector",
            service: "linkerd-proxy-injector",
            secretName: "linkerd-proxy-injector-k8s-tls",
        },
        { name: "linkerd-sp-validator", service: "linkerd-sp-validator", secretName: "linkerd-sp-validator-k8s-tls" },
        {
            name: "linkerd-policy-validator",
            service: "linkerd-policy-validator",
            secretName: "linkerd-policy-validator-k8s-tls",
        },
    ],
    viz: [
        { name: "tap", service: "tap", secretName: "tap-k8s-tls" },
        { name: "linkerd-tap-injector", service: "tap-injector", secretName: "tap-injector-k8s-tls" },
    ],
} as const;

type Webhook = (typeof WEBHOOKS)[keyof typeof WEBHOOKS][number];

export interface LinkerdIdentityArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    certManager: CertManager;
    /** Of the control plane. */
    namespace: pulumi.Input<string>;
    /** Generations of the trust anchor: the first signs, all are trusted. */
    anchors: readonly number[];
}

/**
 * The trust anchor's key never leaves cert-manager's namespace, and is in nobody's values or state. It signs the issuer's
 * certificate, which is renewed by a new key every two weeks, and that one signs those of the proxies, for a day. Proxies read
 * the anchors once, at their start: so an anchor is renewed with the key it has, which they go on trusting, and another key is
 * another generation, trusted before it signs. docs/linkerd.md
 */
export class LinkerdIdentity extends pulumi.ComponentResource {
    /** What the control plane cannot start without. */
    readonly needed: readonly pulumi.Resource[];

    constructor(name: string, args: LinkerdIdentityArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:mesh:LinkerdIdentity", name, {}, opts);
        const { certManager, namespace, anchors } = args;
        const home = certManager.namespace;
        const self = selfSigned(`${name}-own`, "linkerd-trust-root", home, certManager, this);
        const made = anchors.map((generation) => ({
            generation,
            certificate: object(
                `${name}-anchor-${generation}`,
                "Certificate",
                { name: anchorName(generation), namespace: home },
                {
                    secretName: anchorName(generation),
                    issuerRef: { group: "cert-manager.io", kind: "Issuer", name: "linkerd-trust-root" },
                    isCA: true,
                    // Two anchors must not be taken for each other.
                    commonName:
                        generation === 1 ? "root.linkerd.cluster.local" : `root-${generation}.linkerd.cluster.local`,
                    duration: TEN_YEARS,
                    renewBefore: "8760h",
                    privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Never" },
                },
                this,
                [self],
            ),
        }));
        const [signing] = made;
        if (signing === undefined) throw new pulumi.ResourceError(`${name}: at least one trust anchor`, this, true);
        const signer = object(
            `${name}-signer`,
            "ClusterIssuer",
            { name: "linkerd-trust-anchor" },
            { ca: { secretName: anchorName(signing.generation) } },
            this,
            [signing.certificate],
        );
        const issuer = object(
            `${name}-issuer`,
            "Certificate",
            { name: ISSUER, namespace },
            {
                secretName: ISSUER,
                issuerRef: { group: "cert-manager.io", kind: "ClusterIssuer", name: "linkerd-trust-anchor" },
                isCA: true,
                commonName: "identity.linkerd.cluster.local",
                dnsNames: ["identity.linkerd.cluster.local"],
                usages: ["cert sign", "crl sign", "server auth", "client auth"],
                duration: "720h",
                renewBefore: "360h",
                privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
            },
            this,
            [signer],
        );
        const release = helmRelease(
            `${name}-trust-manager`,
            charts.trustManager,
            { name: "trust-manager", namespace: home, timeout: 300, values: trustManagerValues(home) },
            { parent: this, dependsOn: certManager.release },
        );
        const answers = clusterCommand(
            `${name}-trust-manager-answers`,
            args.cluster,
            {
                create: ANSWERS,
                triggers: [charts.trustManager.version],
                environment: { PROBE: JSON.stringify(bundle("probe", [1])) },
            },
            { parent: this, dependsOn: release },
        );
        const { apiVersion, kind, metadata, spec } = bundle(TRUST_ROOTS, anchors);
        const roots = new k8s.apiextensions.CustomResource(
            `${name}-trust-roots`,
            {
                apiVersion,
                kind,
                metadata: { ...metadata, annotations: { "pulumi.com/waitFor": "condition=Synced" } },
                spec,
            },
            { parent: this, dependsOn: [answers, ...made.map(({ certificate }) => certificate)] },
        );
        this.needed = [issuer, roots];
        this.registerOutputs({});
    }
}

const anchorName = (generation: number) => `linkerd-trust-anchor-${generation}`;

/** Values for the chart in components/charts.ts. */
export function trustManagerValues(trust: pulumi.Input<string>) {
    return {
        crds: { enabled: true, keep: false },
        // The public authorities, in an image of their own: nobody here asks for them.
        defaultPackage: { enabled: false },
        app: { trust: { namespace: trust } },
        resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } },
    };
}

/** Certificates without their keys, from cert-manager's namespace into that of the control plane. */
function bundle(name: string, anchors: readonly number[]) {
    return {
        apiVersion: "trust.cert-manager.io/v1alpha1",
        kind: "Bundle",
        metadata: { name },
        spec: {
            sources: anchors.map((generation) => ({ secret: { name: anchorName(generation), key: "tls.crt" } })),
            target: {
                configMap: { key: "ca-bundle.crt" },
                namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": LINKERD.controlPlane } },
            },
        },
    };
}

/** Certificates of webhooks, each signed by itself; cert-manager writes them into the webhooks and renews them. */
export function webhookCertificates(
    name: string,
    webhooks: readonly Webhook[],
    namespace: pulumi.Output<string>,
    certManager: CertManager,
    parent: pulumi.Resource,
): pulumi.Resource[] {
    const self = selfSigned(`${name}-webhooks`, "linkerd-webhooks", namespace, certManager, parent);
    return webhooks.map(({ name: webhook, service, secretName }) =>
        object(
            `${name}-${webhook}-certificate`,
            "Certificate",
            { name: webhook, namespace },
            {
                secretName,
                issuerRef: { group: "cert-manager.io", kind: "Issuer", name: "linkerd-webhooks" },
                dnsNames: [namespace.apply((of) => `${service}.${of}.svc`)],
                privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
                usages: ["server auth"],
            },
            parent,
            [self],
        ),
    );
}

const selfSigned = (
    resource: string,
    name: string,
    namespace: pulumi.Input<string>,
    certManager: CertManager,
    parent: pulumi.Resource,
) => object(resource, "Issuer", { name, namespace }, { selfSigned: {} }, parent, [certManager.release]);

function object(
    resource: string,
    kind: string,
    metadata: { readonly name: string; readonly namespace?: pulumi.Input<string> },
    spec: object,
    parent: pulumi.Resource,
    dependsOn: pulumi.Resource[],
) {
    return new k8s.apiextensions.CustomResource(
        resource,
        {
            apiVersion: "cert-manager.io/v1",
            kind,
            metadata: { ...metadata, annotations: { "pulumi.com/waitFor": "condition=Ready" } },
            spec,
        },
        { parent, dependsOn },
    );
}

/** Its pod is ready before cert-manager has written the webhook's authority into it, and until then every Bundle is refused. */
const ANSWERS = `
for attempt in $(seq 1 60); do
  if said=$(kubectl create --dry-run=server --filename - <<< "$PROBE" 2>&1); then exit 0; fi
  sleep 2
done
echo "trust-manager's webhook refuses its objects after two minutes: $said
Look at  kubectl --namespace cert-manager logs deploy/trust-manager" >&2
exit 1
`.trim();
