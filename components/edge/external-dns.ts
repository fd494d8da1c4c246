import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { RELOAD_ANNOTATIONS } from "../cluster/reloader";
import type { Cluster } from "../platform";
import type { SecretStore } from "../secrets/secret-store";
import type { Exposure } from "./edge";
import { DNS_TOKEN_REF } from "./lets-encrypt";
import { dnsRows, type DnsRecordRow, type Names } from "./names";

/** Annotations that external-dns reads: `target` on Gateways, the others on routes and Services. */
export const EXTERNAL_DNS = {
    target: "external-dns.alpha.kubernetes.io/target",
    hostname: "external-dns.alpha.kubernetes.io/hostname",
    proxied: "external-dns.alpha.kubernetes.io/cloudflare-proxied",
} as const;

/** Names as external-dns reads them off routes and Services. `tunnel`: whether one leads in. */
export function externalDnsNames(tunnel: boolean): Names {
    return {
        tunnel,
        // Cloudflare resolves a tunnel's name only for itself.
        route: (access) => (access === "external" ? { [EXTERNAL_DNS.proxied]: "true" } : {}),
        service: (host) => ({ [EXTERNAL_DNS.hostname]: host }),
    };
}

/** The one name that leads into the tunnel; external hosts are CNAMEs of it. */
export function tunnelTarget(domain: string): string {
    return `external.${domain}`;
}

export interface ExternalDnsArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    domain: string;
    /** Zone of Cloudflare that the domain is or is in. */
    zoneId: string;
    namespace: pulumi.Input<string>;
    secrets: SecretStore;
    /** Whose records they are; another cluster with the same zone has another. */
    owner: string;
    /** Name that Cloudflare gives to the tunnel; absent: there is none. */
    tunnelHostname?: pulumi.Output<string>;
}

/**
 * external-dns, the owner of every DNS record of its cluster: it reads routes, Services and DNSEndpoints, and deletes
 * what nobody asks for any more.
 *
 * What makes or announces names (gateways, Services, through them routes) must depend on this component. On destroy
 * they go first, then `recordsGone` sees external-dns delete the records, and only then does external-dns go.
 */
export class ExternalDns extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;

    constructor(name: string, args: ExternalDnsArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:ExternalDns", name, {}, opts);
        const { namespace } = args;
        const token = args.secrets.deliver(
            `${name}-token`,
            { name: "external-dns-cloudflare", namespace, data: { token: DNS_TOKEN_REF } },
            { parent: this },
        );
        this.release = helmRelease(
            name,
            charts.externalDns,
            {
                name: "external-dns",
                namespace,
                timeout: 600,
                // It is a layer of its own.
                skipCrds: true,
                values: externalDnsValues({ ...args, tokenSecret: token }),
            },
            { parent: this },
        );
        const recordsGone = clusterCommand(
            `${name}-records-gone`,
            args.cluster,
            {
                create: "kubectl get --raw /apis/externaldns.k8s.io/v1alpha1 > /dev/null",
                delete: RECORDS_GONE,
                environment: {
                    METRICS: pulumi.interpolate`/api/v1/namespaces/${namespace}/services/external-dns:http/proxy/metrics`,
                    TIMEOUT_SECONDS: "600",
                },
            },
            { parent: this, dependsOn: this.release },
        );
        if (args.tunnelHostname !== undefined) {
            new k8s.apiextensions.CustomResource(
                `${name}-tunnel`,
                {
                    apiVersion: "externaldns.k8s.io/v1alpha1",
                    kind: "DNSEndpoint",
                    metadata: { name: "tunnel", namespace },
                    spec: {
                        endpoints: [
                            {
                                dnsName: tunnelTarget(args.domain),
                                recordType: "CNAME",
                                targets: [args.tunnelHostname],
                                providerSpecific: [{ name: EXTERNAL_DNS.proxied, value: "true" }],
                            },
                        ],
                    },
                },
                { parent: this, dependsOn: recordsGone },
            );
        }
        this.registerOutputs({});
    }
}

/**
 * Values for the chart in components/charts.ts. Sources: seed 002 (DNS),
 * https://kubernetes-sigs.github.io/external-dns/latest/docs/tutorials/cloudflare/
 */
export function externalDnsValues(
    args: Pick<ExternalDnsArgs, "domain" | "zoneId" | "owner"> & { tokenSecret: pulumi.Input<string> },
) {
    return {
        provider: { name: "cloudflare" },
        deploymentAnnotations: RELOAD_ANNOTATIONS,
        env: [{ name: "CF_API_TOKEN", valueFrom: { secretKeyRef: { name: args.tokenSecret, key: "token" } } }],
        sources: ["service", "gateway-httproute", "crd"],
        policy: "sync",
        registry: "txt",
        txtOwnerId: args.owner,
        // A TXT record may not stand beside a CNAME of the same name.
        txtPrefix: "k8s.",
        domainFilters: [args.domain],
        // By the names alone it would pass over a zone that the domain is below, and say so to nobody.
        extraArgs: { "zone-id-filter": args.zoneId },
        interval: "1m",
        // A new route has its record in seconds.
        triggerLoopOnEvent: true,
        resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } },
        serviceMonitor: { enabled: true },
    };
}

/**
 * The records that external-dns makes of a stack's exposures, for the tables that people compare.
 * `tunnelHostname` as text, e.g. `<id>.cfargotunnel.com`; absent: there is no tunnel.
 */
export function externalDnsRows(
    exposures: readonly Exposure[],
    domain: string,
    tunnelHostname?: string,
): DnsRecordRow[] {
    const entrance: DnsRecordRow[] =
        tunnelHostname === undefined
            ? []
            : [{ name: tunnelTarget(domain), type: "CNAME", content: tunnelHostname, proxied: true }];
    const hosts = dnsRows(exposures).map(({ name, type, target }): DnsRecordRow =>
        target === "tunnel"
            ? { name, type, content: tunnelTarget(domain), proxied: true }
            : { name, type, content: target.address, proxied: false },
    );
    return [...entrance, ...hosts].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Waits until a pass of external-dns has begun with nothing left to publish and has ended well: with policy sync that
 * pass deleted every record of this owner. Its metrics say so, and no token is needed to read them: it notes when a pass
 * begins (last_reconcile), how many names it found, and when it ended without an error (last_sync).
 *
 * METRICS is a path below the API server, or a URL where the API server cannot reach pods.
 */
export const RECORDS_GONE = `
metrics() {
  case "$METRICS" in
    http://*) curl --silent --show-error --fail --max-time 10 "$METRICS" ;;
    *) kubectl get --raw "$METRICS" ;;
  esac
}
judge='
  $1 == "external_dns_source_endpoints_total" { names = $2 }
  $1 == "external_dns_controller_last_reconcile_timestamp_seconds" { begun = $2 }
  $1 == "external_dns_controller_last_sync_timestamp_seconds" { ended = $2 }
  END {
    if (names == "" || begun == "" || ended == "") print "its metrics lack the times of its passes"
    else if (names + 0 > 0) print "it still finds " names " names to publish"
    else if (ended + 0 == 0 || ended + 0 < begun + 0) print "its last pass has not ended well"
    else print "done"
  }'
until=$((SECONDS + TIMEOUT_SECONDS))
while true; do
  if answer=$(metrics 2>&1); then state=$(awk "$judge" <<< "$answer"); else state="it does not answer: $answer"; fi
  if [ "$state" = done ]; then exit 0; fi
  if [ "$SECONDS" -ge "$until" ]; then break; fi
  sleep 2
done
echo "external-dns has not deleted its records: $state. Delete what below still asks for names, or see to external-dns," >&2
echo "and run destroy again. To leave the records in the zone instead, take this command out of the state" >&2
echo "(pulumi state delete; its URN ends in -records-gone)." >&2
kubectl get httproutes,dnsendpoints --all-namespaces --output name >&2
exit 1
`.trim();
