import * as cloudflare from "@pulumi/cloudflare";
import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { BASH } from "../cluster/cluster-command";
import { SWEEP_PRIVATE_FILES } from "../cluster/private-files";
import { images } from "../images";
import type { WorkloadHost } from "../platform";
import { scratch } from "../storage/volumes";
import { Workload } from "../workload";
import type { Exposure } from "./edge";
import { tunnelRules, type TunnelOrigin } from "./names";

export interface CloudflareTunnelArgs {
    accountId: string;
    /** Name of the tunnel in the account. */
    tunnel: string;
    /** API token with Account / Cloudflare Tunnel / Edit and Zone / DNS / Edit. */
    apiToken: pulumi.Output<string>;
    /** Where the connector runs. Its namespace must be declared there. */
    host: WorkloadHost;
    namespace: string;
    /** What every hostname is sent to: the edge, which knows hosts. A text is its URL inside the cluster. */
    origin: string | TunnelOrigin;
}

/**
 * A remotely managed tunnel and its connector. Order on destroy: connector, then the gate that sees its last
 * connection closed, then the tunnel, which Cloudflare does not delete while it is in use.
 */
export class CloudflareTunnel extends pulumi.ComponentResource {
    readonly tunnel: cloudflare.ZeroTrustTunnelCloudflared;
    /** Name that CNAME records point at. */
    readonly hostname: pulumi.Output<string>;
    readonly connector: Workload;

    constructor(
        private readonly name: string,
        private readonly args: CloudflareTunnelArgs,
        opts: pulumi.ComponentResourceOptions,
    ) {
        super("homelab:edge:CloudflareTunnel", name, {}, opts);
        const { accountId } = args;
        this.tunnel = new cloudflare.ZeroTrustTunnelCloudflared(
            name,
            { accountId, name: args.tunnel, configSrc: "cloudflare" },
            { parent: this },
        );
        this.hostname = pulumi.interpolate`${this.tunnel.id}.cfargotunnel.com`;
        const drained = new command.local.Command(
            `${name}-drain`,
            {
                interpreter: BASH,
                create: "command -v curl > /dev/null || { echo 'curl is not on the PATH: install it' >&2; exit 1; }",
                update: ":",
                delete: DRAIN_CONNECTIONS,
                // Another tunnel is another gate: the old one then closes the old tunnel's connections.
                triggers: [this.tunnel.id],
                environment: { ACCOUNT: accountId, TUNNEL: this.tunnel.id, CLOUDFLARE_API_TOKEN: args.apiToken },
                logging: "stderr",
            },
            { parent: this },
        );
        // The function's result is not marked secret by the provider.
        const token = pulumi.secret(
            cloudflare.getZeroTrustTunnelCloudflaredTokenOutput(
                { accountId, tunnelId: this.tunnel.id },
                { parent: this },
            ).token,
        );
        const tokenSecret = new k8s.core.v1.Secret(
            `${name}-token`,
            {
                metadata: { name: "cloudflared-token", namespace: args.host.namespaces.name(args.namespace) },
                type: "Opaque",
                stringData: { token },
            },
            { parent: this, dependsOn: drained },
        );
        this.connector = new Workload(
            "cloudflared",
            {
                namespace: args.namespace,
                group: "infra",
                image: images.cloudflared,
                args: ["tunnel", "--no-autoupdate", "--metrics", "0.0.0.0:2000", "run"],
                replicas: 2,
                ports: { metrics: 2000 },
                secretEnv: { TUNNEL_TOKEN: { secret: tokenSecret.metadata.name, key: "token" } },
                volumes: { "/tmp": scratch("16Mi") },
                health: { http: "/ready", port: "metrics" },
                cpu: "10m",
                memory: { request: "64Mi", limit: "256Mi" },
                security: { user: 65532 },
                // A new tunnel has a new token, which running connectors would not notice.
                podAnnotations: { "homelab/tunnel": this.tunnel.id },
            },
            args.host,
            { parent: this },
        );
        this.registerOutputs({ hostname: this.hostname });
    }

    /** Sends the external hosts to the edge, and everything else nowhere. Call once, when all are declared. */
    publish(exposures: readonly Exposure[]): cloudflare.ZeroTrustTunnelCloudflaredConfig {
        return new cloudflare.ZeroTrustTunnelCloudflaredConfig(
            `${this.name}-rules`,
            {
                accountId: this.args.accountId,
                tunnelId: this.tunnel.id,
                source: "cloudflare",
                config: { ingresses: tunnelRules(exposures, this.args.origin) },
            },
            { parent: this },
        );
    }
}

// Closes what a stopped connector left open. The token goes to curl by standard input, not by argument.
const DRAIN_CONNECTIONS = `
url="\${CLOUDFLARE_BASE_URL:-https://api.cloudflare.com/client/v4}/accounts/$ACCOUNT/cfd_tunnel/$TUNNEL/connections"
${SWEEP_PRIVATE_FILES}
answer=$(mktemp "$private/$$.XXXXXX")
trap 'rm -f "$answer"' EXIT
call() {
  printf 'header = "Authorization: Bearer %s"\\n' "$CLOUDFLARE_API_TOKEN" |
    curl --silent --show-error --max-time 20 --retry 4 --config - --output "$answer" --write-out '%{http_code}' "$@" "$url"
}
for attempt in $(seq 1 30); do
  status=$(call)
  case "$status" in
    404) exit 0 ;;
    200) ;;
    *) echo "Cloudflare answers $status to a look at the connections of tunnel $TUNNEL: $(cat "$answer")" >&2; exit 1 ;;
  esac
  if tr -d ' \\n' < "$answer" | grep -Eq '"result":(\\[\\]|null)'; then exit 0; fi
  call -X DELETE > /dev/null
  sleep 2
done
echo "tunnel $TUNNEL still has connections after a minute: is another cloudflared running with its token?" >&2
exit 1
`.trim();
