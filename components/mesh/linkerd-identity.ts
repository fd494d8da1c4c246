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
 * another generation, trusted before it signs.
 *
 * Another list of anchors goes in this order: what must still be trusted stays (`kept`), all are trusted, everything meshed
 * reads them (`read`), the first signs. Each generation has an issuer of its own name: cert-manager signs a certificate anew
 * for another issuer, not for another key of the same one. docs/linkerd.md
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
        const trusted = [...anchors].sort((one, other) => one - other).map(anchorName);
        const kept = clusterCommand(
            `${name}-kept`,
            args.cluster,
            { create: KEPT, triggers: [trusted.join(" ")], environment: { ANCHORS: trusted.join(" ") } },
            { parent: this, dependsOn: certManager.release },
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
            { parent: this, dependsOn: [answers, kept, ...made.map(({ certificate }) => certificate)] },
        );
        const read = clusterCommand(
            `${name}-read`,
            args.cluster,
            {
                create: READ,
                triggers: [trusted.join(" ")],
                environment: { COUNT: String(trusted.length) },
            },
            // Every restart waits for the one before.
            { parent: this, dependsOn: [roots], customTimeouts: { create: "2h" } },
        );
        const signer = object(
            `${name}-signer-${signing.generation}`,
            "ClusterIssuer",
            { name: anchorName(signing.generation) },
            { ca: { secretName: anchorName(signing.generation) } },
            this,
            [signing.certificate, read],
        );
        const issuer = object(
            `${name}-issuer`,
            "Certificate",
            { name: ISSUER, namespace },
            {
                secretName: ISSUER,
                issuerRef: { group: "cert-manager.io", kind: "ClusterIssuer", name: anchorName(signing.generation) },
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

/**
 * An anchor that goes takes along the trust in whatever it signed: the issuer's certificate, and for a day those of proxies
 * that the issuer had signed before it was another anchor's.
 */
const KEPT = `
[ -n "$(kubectl get crd bundles.trust.cert-manager.io --ignore-not-found --output=name)" ] || exit 0
before=$(kubectl get bundles.trust.cert-manager.io ${TRUST_ROOTS} --ignore-not-found --output=jsonpath='{.spec.sources[*].secret.name}')
gone=""
for anchor in $before; do
  case " $ANCHORS " in *" $anchor "*) ;; *) gone="$gone $anchor" ;; esac
done
[ -n "$gone" ] || exit 0
signed=$(kubectl --namespace ${LINKERD.controlPlane} get certificate ${ISSUER} --ignore-not-found --output=jsonpath='{.spec.issuerRef.name} {.status.notBefore}')
[ -n "$signed" ] || exit 0
by=\${signed%% *}
since=\${signed#* }
case " $gone " in *" $by "*)
  echo "mesh.anchors leaves out generation \${by##*-}, whose key signs in the mesh: no proxy would trust another any more. Say the new one first and keep it, as in [2, 1]; a day after that up it may go. Nothing was changed." >&2
  exit 1 ;;
esac
day=$(($(date +%s) - 86400))
latest=$(date -u -d "@$day" +%Y-%m-%dT%H:%M:%SZ 2> /dev/null || date -u -r "$day" +%Y-%m-%dT%H:%M:%SZ)
if [ -z "$since" ] || [[ "$since" > "$latest" ]]; then
  echo "mesh.anchors leaves out$gone, and the issuer's certificate is of \${since:-an unknown time}: for a day proxies may have one that the other anchor stands for. Run pulumi up again a day after that; nothing was changed." >&2
  exit 1
fi`.trim();

/**
 * Proxies and control plane read the anchors at their start, so whatever is in the mesh is restarted, one after the other, before
 * another anchor signs. The very first time there is nobody. The kubelet hands the file on to the injector within two minutes;
 * its new pod has it at once.
 */
const READ = `
mesh="kubectl --namespace ${LINKERD.controlPlane}"
[ -n "$($mesh get deployment linkerd-proxy-injector --ignore-not-found --output=name)" ] || exit 0
for attempt in $(seq 1 60); do
  there=$($mesh get configmap ${TRUST_ROOTS} --ignore-not-found --output=jsonpath='{.data.ca-bundle\\.crt}' | grep --count 'BEGIN CERTIFICATE') || there=0
  [ "$there" != "$COUNT" ] || break
  sleep 2
done
[ "$there" = "$COUNT" ] || { echo "trust-manager has written $there of $COUNT anchors into ${LINKERD.controlPlane}/${TRUST_ROOTS}: see  kubectl describe bundle ${TRUST_ROOTS}" >&2; exit 1; }
restart() {
  kubectl --namespace "$1" rollout restart "$2" > /dev/null
  kubectl --namespace "$1" rollout status "$2" --timeout=900s > /dev/null || {
    echo "$1/$2 was restarted to read the mesh's trust anchors and is not ready: mend it, then run pulumi up again" >&2
    exit 1
  }
}
for deployment in linkerd-identity linkerd-destination linkerd-proxy-injector; do
  restart ${LINKERD.controlPlane} "deployment/$deployment"
done
meshed=$(kubectl get deployments,statefulsets,daemonsets --all-namespaces --output=jsonpath='{range .items[?(@.spec.template.metadata.annotations.linkerd\\.io/inject=="enabled")]}{.metadata.namespace}{" "}{.kind}/{.metadata.name}{"\\n"}{end}')
while read -r namespace workload; do
  [ -z "$workload" ] || restart "$namespace" "$workload"
done <<< "$meshed"
echo "Linkerd: everything in the mesh has read the $COUNT trust anchors" >&2`.trim();

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
