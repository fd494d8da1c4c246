/** Values of the chart `vault`, https://developer.hashicorp.com/vault/docs/platform/k8s/helm/configuration */
import { imageReference, images } from "../../images";
import { UNSEAL_KEY, VAULT, VAULT_PORT, VAULT_SERVER_NAME, VAULT_TLS, vaultPodUrl } from "./names";

export interface VaultValuesArgs {
    /** Servers: an odd number, each on a node of its own. */
    readonly replicas: number;
    readonly storageClass: string;
    /** Size of each server's volume, e.g. `10Gi`. */
    readonly size: string;
    readonly ui: boolean;
}

const TLS = "/vault/tls";
const KEY = "/vault/unseal";

/** Hours that a metric is kept for the next scrape; Vault answers no scrape without it. */
const RETENTION = "24h";

/**
 * Vault's own configuration. The chart replaces some words in capitals by addresses, so none of them may stand here. No
 * `enable_unauthenticated_access`: a new root token can then be started only by somebody who is logged in already.
 */
export function serverConfig({ replicas, ui }: Pick<VaultValuesArgs, "replicas" | "ui">): string {
    const join = (ordinal: number) => `  retry_join {
    leader_api_addr = "${vaultPodUrl(ordinal)}"
    leader_ca_cert_file = "${TLS}/ca.crt"
    leader_tls_servername = "${VAULT_SERVER_NAME}"
  }`;
    return `ui = ${ui}
# Raft maps its database into memory, which does not go with mlock; Kubernetes' nodes have no swap.
disable_mlock = true

listener "tcp" {
  address = "[::]:${VAULT_PORT}"
  cluster_address = "[::]:8201"
  tls_cert_file = "${TLS}/tls.crt"
  tls_key_file = "${TLS}/tls.key"
  telemetry {
    unauthenticated_metrics_access = true
  }
}

storage "raft" {
  path = "/vault/data"
${Array.from({ length: replicas }, (_, ordinal) => join(ordinal)).join("\n")}
}

service_registration "kubernetes" {}

telemetry {
  prometheus_retention_time = "${RETENTION}"
  disable_hostname = true
}
`;
}

/**
 * Beside each server: unseals it where the key is there, and tells it to read its certificate
 * again when that was renewed. The key goes from file to server; `key=@file` is no argument with a key in it.
 */
export const KEEPER = `
seen=$(sha256sum < ${TLS}/tls.crt)
while true; do
  sleep 5
  now=$(sha256sum < ${TLS}/tls.crt)
  if [ "$now" != "$seen" ]; then
    # The server alone: its shell has the same words further on in its command line.
    if pkill -HUP -f '^vault server'; then
      echo "the certificate was renewed: Vault reads it again"
      seen=$now
    fi
  fi
  state=0
  vault status > /dev/null 2>&1 || state=$?
  # 2 is sealed; 1 is no answer. One with an empty volume joins the others by the same key.
  if [ "$state" = 2 ] && [ -s ${KEY}/${UNSEAL_KEY.key} ]; then
    if vault write sys/unseal key=@${KEY}/${UNSEAL_KEY.key} > /dev/null; then
      echo "unseal key given"
    else
      echo "the unseal key was not taken" >&2
    fi
  fi
done
`.trim();

const CONTAINER = {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
};

const CLIENT = { VAULT_CACERT: `${TLS}/ca.crt`, VAULT_TLS_SERVER_NAME: VAULT_SERVER_NAME };

/** What the two containers of a pod request. */
export const VAULT_REQUESTS = {
    server: { cpu: "100m", memory: "256Mi" },
    keeper: { cpu: "10m", memory: "64Mi" },
} as const;

/** Values for the chart in components/charts.ts. */
export function vaultValues({ replicas, storageClass, size, ui }: VaultValuesArgs) {
    const { repository, tag, digest } = images.vault;
    return {
        global: { tlsDisable: false },
        injector: { enabled: false },
        csi: { enabled: false },
        ui: { enabled: ui, activeVaultPodOnly: true },
        server: {
            // The chart has no key for a digest.
            image: { repository, tag: `${tag}@${digest}` },
            // One after the other, each unsealed before the next: what is not unsealed is not ready.
            updateStrategyType: "RollingUpdate",
            includeConfigAnnotation: true,
            resources: { requests: VAULT_REQUESTS.server, limits: { memory: "512Mi" } },
            // The keeper signals the server.
            shareProcessNamespace: true,
            // A signal to the process by its name would end the keeper's commands, too.
            preStop: ["/bin/sh", "-c", "sleep 5 && pkill -TERM -f '^vault server'"],
            terminationGracePeriodSeconds: 30,
            readinessProbe: {
                enabled: true,
                // Sealed and uninitialised servers answer with 503 and 501.
                path: "/v1/sys/health?standbyok=true",
                port: VAULT_PORT,
            },
            // A sealed server is well; one that is restarted for it would be sealed again.
            livenessProbe: {
                enabled: true,
                path: "/v1/sys/health?standbyok=true&sealedcode=204&uninitcode=204",
                port: VAULT_PORT,
                initialDelaySeconds: 60,
                failureThreshold: 6,
                periodSeconds: 10,
            },
            extraEnvironmentVars: CLIENT,
            extraContainers: [
                {
                    name: "keeper",
                    image: imageReference(images.vault),
                    command: ["/bin/sh", "-c", KEEPER],
                    env: [
                        ...Object.entries({ VAULT_ADDR: `https://127.0.0.1:${VAULT_PORT}`, ...CLIENT }).map(
                            ([name, value]) => ({ name, value }),
                        ),
                        { name: "HOME", value: "/tmp" },
                    ],
                    securityContext: CONTAINER,
                    resources: { requests: VAULT_REQUESTS.keeper, limits: { memory: "256Mi" } },
                    volumeMounts: [
                        { name: "tls", mountPath: TLS, readOnly: true },
                        { name: "unseal-key", mountPath: KEY, readOnly: true },
                        { name: "tmp", mountPath: "/tmp" },
                    ],
                },
            ],
            volumes: [
                { name: "tls", secret: { secretName: VAULT_TLS, defaultMode: 288 } },
                // There from the first initialisation on.
                { name: "unseal-key", secret: { secretName: UNSEAL_KEY.secret, defaultMode: 288, optional: true } },
                { name: "tmp", emptyDir: { medium: "Memory", sizeLimit: "16Mi" } },
            ],
            volumeMounts: [
                { name: "tls", mountPath: TLS, readOnly: true },
                { name: "tmp", mountPath: "/tmp" },
            ],
            affinity: {
                podAntiAffinity: {
                    requiredDuringSchedulingIgnoredDuringExecution: [
                        {
                            labelSelector: {
                                matchLabels: {
                                    "app.kubernetes.io/name": VAULT,
                                    "app.kubernetes.io/instance": VAULT,
                                    component: "server",
                                },
                            },
                            topologyKey: "kubernetes.io/hostname",
                        },
                    ],
                },
            },
            dataStorage: { enabled: true, size, storageClass },
            auditStorage: { enabled: false },
            standalone: { enabled: false },
            ha: {
                enabled: true,
                replicas,
                // By name, which the certificate has. Kubernetes fills in only what stands before it in the chart's list.
                apiAddr: `https://$(VAULT_K8S_POD_NAME).${VAULT}-internal:${VAULT_PORT}`,
                disruptionBudget: { enabled: true },
                raft: { enabled: true, setNodeId: true, config: serverConfig({ replicas, ui }) },
            },
            serviceAccount: { create: true, serviceDiscovery: { enabled: true } },
            statefulSet: {
                securityContext: {
                    pod: {
                        runAsNonRoot: true,
                        runAsUser: 100,
                        runAsGroup: 1000,
                        fsGroup: 1000,
                        seccompProfile: { type: "RuntimeDefault" },
                    },
                    container: CONTAINER,
                },
            },
        },
        serverTelemetry: {
            serviceMonitor: {
                enabled: true,
                // Sealed servers and followers too, not the leader alone.
                matchLabels: { "vault-internal": "true" },
                selectors: { release: "kube-prometheus-stack" },
                tlsConfig: {
                    ca: { secret: { name: VAULT_TLS, key: "ca.crt" } },
                    serverName: VAULT_SERVER_NAME,
                },
            },
            prometheusRules: {
                enabled: true,
                selectors: { release: "kube-prometheus-stack" },
                rules: vaultAlerts(replicas),
            },
        },
    };
}

/** Twice the pause between two snapshots of `@every day`, and an hour. */
const STALE_SECONDS = 2 * 86400 + 3600;

/** What to be told of. https://developer.hashicorp.com/vault/docs/internals/telemetry */
export function vaultAlerts(replicas: number) {
    const rule = (alert: string, expr: string, duration: string, severity: string, summary: string) => ({
        alert,
        expr,
        for: duration,
        labels: { severity },
        annotations: { summary },
    });
    const pods = `namespace="${VAULT}",job="${VAULT}-internal"`;
    return [
        rule(
            "VaultSealed",
            `vault_core_unsealed{${pods}} == 0`,
            "5m",
            "critical",
            "Vault on {{ $labels.pod }} is sealed: its keeper does not open it (docs/vault.md#after-a-reboot)",
        ),
        rule(
            "VaultNoLeader",
            `(sum(vault_core_active{${pods}}) or vector(0)) < 1`,
            "5m",
            "critical",
            "no Vault server leads: nothing can be read (docs/vault.md#no-leader)",
        ),
        rule(
            "VaultServerMissing",
            `(count(up{${pods}} == 1) or vector(0)) < ${replicas}`,
            "15m",
            "warning",
            `fewer than ${replicas} Vault servers answer`,
        ),
        rule(
            "VaultSnapshotStale",
            `time() - max(kube_cronjob_status_last_successful_time{namespace="${VAULT}",cronjob="vault-snapshot"}) > ${STALE_SECONDS} or absent(kube_cronjob_status_last_successful_time{namespace="${VAULT}",cronjob="vault-snapshot"})`,
            "1h",
            "critical",
            "no snapshot of Vault has reached the bucket for two days (docs/vault.md#snapshots)",
        ),
    ];
}
