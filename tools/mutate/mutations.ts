/**
 * Edits that each break one fact of a seed. The test whose own title names the fact must fail of each by an assertion:
 * `npm run mutate` applies them one by one to a copy of the project.
 */

export interface Mutation {
    /** Id of the fact that is no longer true. */
    readonly fact: string;
    /** Seen from the project's root. */
    readonly file: string;
    /** Text that stands there once. */
    readonly find: string;
    readonly replace: string;
}

/** An edit of one text: where, what, into what, and which fact it breaks. */
type Row = readonly [fact: string, find: string, replace: string];

const HOMELAB: readonly Row[] = [
    ["H-DNS-13", "domain: peterstorm.io", "domain: peterstorm.dev"],
    ["H-NET-08", "last: 192.168.0.250", "last: 192.168.0.251"],
    ["H-NET-04", "ingressAddress: 192.168.0.240", "ingressAddress: 192.168.0.242"],
    ["H-NET-05", "address: 192.168.0.241", "address: 192.168.0.243"],
    ["H-BOOT-08", "path: /var/lib/sops-nix/keys.txt", "path: /var/lib/sops/keys.txt"],
    ["H-STOR-01", "configs: /var/data/configs", "configs: /var/data/config"],
    ["H-STOR-02", "media: /var/data/media", "media: /var/data/films"],
    ["H-STOR-03", "torrents: /var/data/torrents", "torrents: /var/data/downloads"],
    ["H-DNS-12", "host: argocd", "host: argo"],
    ["H-MON-04", "host: grafana", "host: graphs"],
    ["H-GITOPS-03", "    path: k8s/argocd-homelab", "    path: k8s/argocd"],
    ["H-APP-10", "      overseerr: {}", "      overseerr: { host: requests }"],
];

const CHONGUS: readonly Row[] = [
    ["C-DNS-01", "domain: rtrox.io", "domain: rtrox.dev"],
    ["C-HW-02", "address: 172.30.11.3", "address: 172.30.11.4"],
    ["C-HW-05", "ata-Samsung_SSD_870_EVO_2TB_S000000000000B2", "ata-Crucial_MX500_2TB_S000000000000B2"],
    ["C-BOOT-02", "version: v1.10.6", "version: v1.10.5"],
    ["C-BOOT-03", "kubernetes: 1.33.0", "kubernetes: 1.32.3"],
    ["C-NET-01", "podCidr: 10.244.0.0/16", "podCidr: 10.245.0.0/16"],
    ["C-NET-02", "serviceCidr: 10.96.0.0/12", "serviceCidr: 10.112.0.0/12"],
    ["C-NET-04", "pool: 172.22.12.0/24", "pool: 172.22.12.0/25"],
    ["C-EDGE-05", "internalGateway: 172.22.12.1", "internalGateway: 172.22.12.4"],
    ["C-EDGE-04", "externalGateway: 172.22.12.2", "externalGateway: 172.22.12.5"],
    ["C-STOR-06", "localHostpath: /var/mnt/local-hostpath", "localHostpath: /var/mnt/hostpath"],
    ["C-STOR-09", "server: nas.rtrox.io", "server: nas2.rtrox.io"],
    ["C-BKP-06", "https://s3.us-west-004.backblazeb2.com", "https://s3.us-west-004.example.com"],
    [
        "C-BKP-07",
        "    minio:\n        endpoint: https://minio.rtrox.io",
        "    minio:\n        endpoint: https://objects.rtrox.io",
    ],
    [
        "C-BKP-14",
        "    backup:\n        endpoint: https://minio.rtrox.io",
        "    backup:\n        endpoint: https://objects.rtrox.io",
    ],
    [
        "C-MON-05",
        "    thanos:\n        endpoint: https://minio.rtrox.io",
        "    thanos:\n        endpoint: https://objects.rtrox.io",
    ],
    ["C-GITOPS-03", "path: cluster-apps/chongus", "path: cluster-apps/house"],
    ["C-APP-03", "tunnel: chongus", "tunnel: house"],
];

const TRUENAS: readonly Row[] = [
    ["T-BOOT-05", "k3s: v1.33.6+k3s1", "k3s: v1.33.5+k3s1"],
    ["T-NET-02", "        http: 8080", "        http: 8081"],
    ["T-STOR-01", "fast: /mnt/spool/appdata", "fast: /mnt/spool/apps"],
    ["T-STOR-02", "bulk: /mnt/dpool/media", "bulk: /mnt/dpool/films"],
    ["T-BKP-01", "repository: /mnt/dpool/kopia-repo", "repository: /mnt/dpool/kopia"],
];

const K3S_HOME: readonly Row[] = [
    ["K-BOOT-01", "version: v1.32.5+k3s1", "version: v1.32.4+k3s1"],
    ["K-NET-06", "pool: 192.168.10.224/28", "pool: 192.168.10.224/29"],
    ["K-NET-08", "localAsn: 64512", "localAsn: 64514"],
    ["K-HW-15", "nvidia: { shares: 4, memory: 16Gi }", "nvidia: { shares: 3, memory: 16Gi }"],
    ["K-STOR-01", "configs: /mnt/nvme_storage", "configs: /mnt/tank"],
];

const MAGI: readonly Row[] = [
    ["M-BOOT-01", "version: v1.35.1", "version: v1.35.0"],
    ["M-NET-03", "pool: 192.168.1.230-192.168.1.250", "pool: 192.168.1.230-192.168.1.249"],
    ["M-STOR-12", "models: { namespace: ai, size: 500Gi }", "models: { namespace: ai, size: 400Gi }"],
    ["M-BKP-08", "retain: { daily: 7, weekly: 4, monthly: 3 }", "retain: { daily: 7, weekly: 4, monthly: 6 }"],
    ["M-BKP-11", "retention: 30d", "retention: 14d"],
    ["M-APP-18", "plex: { address: 192.168.1.232 }", "plex: { address: 192.168.1.236 }"],
];

/** Components, recipes and what else is committed, by file. */
const CODE: Readonly<Record<string, readonly Row[]>> = {
    "bootstrap/nixos/k3s.nix": [
        ["H-BOOT-01", '"--flannel-backend=none"', '"--flannel-backend=vxlan"'],
        ["H-BOOT-13", '"--disable-network-policy"', '"--disable-helm-controller"'],
        ["H-SEC-14", 'after = [ "k3s.service" ];', "after = [ ];"],
    ],
    "bootstrap/talos/machine-config.ts": [
        ["C-BOOT-01", "allowSchedulingOnControlPlanes: true", "allowSchedulingOnControlPlanes: false"],
        ["C-BOOT-13", "coreDNS: { disabled: true }", "coreDNS: { disabled: false }"],
        ["C-NET-09", "proxy: { disabled: true }", "proxy: { disabled: false }"],
    ],
    "components/network/cilium.ts": [
        ["H-NET-07", "l2announcements: { enabled: true }", "l2announcements: { enabled: false }"],
        ["H-EDGE-05", 'loadbalancerMode: "shared"', 'loadbalancerMode: "dedicated"'],
        [
            "H-NET-06",
            "kubeProxyReplacement: true,\n        // Without",
            "kubeProxyReplacement: false,\n        // Without",
        ],
        ["H-NET-09", "enabled: true,\n            default: true", "enabled: false,\n            default: true"],
        // The gate: what is made of CRDs that the operator registers only when it runs.
        ["H-BOOT-16", "...needed.map((crd) => `kubectl wait --for=create crd/${crd} --timeout=300s`),", ""],
        ["C-NET-05", 'ipam: { mode: "kubernetes" }', 'ipam: { mode: "cluster-pool" }'],
        ["C-NET-06", "autoDirectNodeRoutes: true", "autoDirectNodeRoutes: false"],
        ["C-NET-07", 'algorithm: "maglev"', 'algorithm: "random"'],
        ["C-NET-08", 'mode: "dsr"', 'mode: "snat"'],
        ["C-NET-10", "bbr: true", "bbr: false"],
        ["C-NET-11", "enableIPv4BIGTCP: true", "enableIPv4BIGTCP: false"],
    ],
    "components/storage/ceph-cluster.ts": [
        ["C-STOR-01", "                    isDefault: true,", "                    isDefault: false,"],
        ["C-STOR-02", "replicated: { size: 3 }", "replicated: { size: 2 }"],
        ["C-STOR-03", 'return { failureDomain: "host"', 'return { failureDomain: "osd"'],
        ["C-STOR-04", 'compression_algorithm: "zstd"', 'compression_algorithm: "snappy"'],
        ["C-STOR-05", "object-map,deep-flatten", "object-map"],
        ["C-STOR-13", "toolbox: { enabled: true", "toolbox: { enabled: false"],
        ["C-POL-24", "osd: { limits: null,", 'osd: { limits: { memory: "4Gi" },'],
    ],
    "components/backup/backed-up-volume.ts": [
        ["C-BKP-05", "sourcePVC: volume,", "sourcePVC: `${claim}-data`,"],
        ["C-BKP-11", 'cacheCapacity: "4Gi"', 'cacheCapacity: "2Gi"'],
        ["C-BKP-12", 'copyMethod: "Snapshot"', 'copyMethod: "Clone"'],
        ["C-DR-01", 'const RESTORE_ONCE = "restore-once";', 'const RESTORE_ONCE = "restore";'],
    ],
    "components/backup/velero-locations.ts": [
        ["K-BKP-01", 's3Url: endpoint.replace(/\\/+$/, ""),', "s3Url: endpoint,"],
        ["K-BKP-03", 'name === "b2" ? { checksumAlgorithm: "" } : {}', "{}"],
    ],
    "components/backup/velero.ts": [
        ["K-BKP-05", "namespace: secured,", "namespace,"],
        ["K-BKP-01", "default: index === 0,", "default: false,"],
    ],
    "components/backup/velero-volume.ts": [
        ["K-DR-01", "name: valueAfter(restored, claim),", "name: claim,"],
        ["K-DR-01", "{ parent: this, dependsOn: [velero, after] }", "{ parent: this, dependsOn: velero }"],
        ["K-BKP-04", "snapshotMoveData: true,", "snapshotMoveData: false,"],
    ],
    "components/monitoring/velero-alerts.ts": [
        ["K-BKP-02", "velero_backup_location_status_gauge == 0", "velero_backup_location_status_gauge == 2"],
    ],
    "components/backup/restic.ts": [
        ["C-BKP-18", "retain: { hourly: 24, daily: 7, weekly: 5 }", "retain: { hourly: 12, daily: 7, weekly: 5 }"],
        [
            "C-BKP-10",
            'export const BACKENDS: readonly Backend[] = ["b2", "minio", "offsite"];',
            'export const BACKENDS: readonly Backend[] = ["minio", "offsite"];',
        ],
    ],
    "components/storage/node-directories.ts": [
        ["H-STOR-05", 'persistentVolumeReclaimPolicy: "Retain"', 'persistentVolumeReclaimPolicy: "Delete"'],
    ],
    "components/gitops/argo-cd.ts": [
        ["H-SEC-06", 'mountPath: "/.config/sops/age", readOnly: true', 'mountPath: "/.config/age", readOnly: true'],
    ],
    "components/edge/external-dns.ts": [
        ["C-DNS-03", '"gateway-httproute", "crd"]', '"gateway-httproute"]'],
        ["C-DNS-04", 'policy: "sync"', 'policy: "upsert-only"'],
    ],
    "components/cluster/namespaces.ts": [
        ["C-POL-15", '"pod-security.kubernetes.io/enforce": level', '"pod-security.kubernetes.io/audit": level'],
    ],
    "components/pod.ts": [
        ["C-POL-03", "                    memory: args.memory.limit,\n", ""],
        ["C-POL-13", 'capabilities: { drop: ["ALL"] }', "capabilities: {}"],
        ["C-POL-13", "runAsNonRoot: true, runAsUser: user", "runAsNonRoot: false, runAsUser: user"],
        ["C-POL-18", "automountServiceAccountToken: false", "automountServiceAccountToken: true"],
    ],
    "components/database/postgres-cluster.ts": [
        ["C-BKP-16", 'data: { compression: "bzip2" }', 'data: { compression: "gzip" }'],
        ["C-BKP-17", 'schedule: "0 0 0 * * *"', 'schedule: "0 0 0 * * 0"'],
    ],
    "components/secrets/external-secret-store.ts": [
        ["C-SEC-07", 'secretStoreRef: { kind: "ClusterSecretStore"', 'secretStoreRef: { kind: "SecretStore"'],
        ["C-SEC-08", 'creationPolicy: "Owner"', 'creationPolicy: "Orphan"'],
        ["C-SEC-20", 'refreshInterval: "1h"', 'refreshInterval: "24h"'],
    ],
    "components/secrets/doppler.ts": [["C-SEC-18", 'name: "doppler-token"', 'name: "doppler"']],
    "components/gitops/flux.ts": [["C-POL-19", 'value: "2Gi"', 'value: "1Gi"']],
    "components/secrets/sops-age-key.ts": [
        ["H-SEC-05", 'secret: "sops-age-key"', 'secret: "age-key"'],
        ["H-SEC-17", 'key: "keys.txt"', 'key: "age.txt"'],
    ],
    "components/monitoring/prometheus-stack.ts": [
        ["C-MON-07", 'scrapeInterval: "1m"', 'scrapeInterval: "30s"'],
        ["C-MON-08", 'limits: { memory: "2Gi" }', 'limits: { memory: "4Gi" }'],
        ["C-MON-09", 'storage: claim(storageClass, "1Gi")', 'storage: claim(storageClass, "2Gi")'],
    ],
    "components/monitoring/alerts.ts": [["C-MON-19", 'eventSeverity: "error"', 'eventSeverity: "info"']],
    "components/edge/gateway-api.ts": [
        ["C-SEC-16", "name: certificate }", 'name: "tls" }'],
        ["C-EDGE-09", 'type: "PathPrefix"', 'type: "Exact"'],
    ],
    "bootstrap/talos/schematic.ts": [
        ["C-HW-04", "siderolabs/nonfree-kmod-nvidia-production", "siderolabs/nonfree-kmod-nvidia-lts"],
    ],
    "apps/media/transmission.ts": [["H-APP-06", 'OPENVPN_PROVIDER: "NORDVPN"', 'OPENVPN_PROVIDER: "PIA"']],
    "stacks/homelab.ts": [
        // Argo CD would start before its key is there.
        ["H-BOOT-08", "home: sopsAgeKey, edge }, lab.after(sopsAgeKey)", "home: sopsAgeKey, edge }, lab.after(lan)"],
    ],
    "stacks/chongus.ts": [
        // A gate of the bootstrap: what comes after what.
        [
            "C-BOOT-12",
            'new CertManager("cert-manager", {}, lab.after(coreDns))',
            'new CertManager("cert-manager", {}, lab.after(cilium))',
        ],
    ],
    "components/network/egress-shares.mjs": [["M-NET-06", "Math.floor(rate / sending.length)", "rate"]],
    "components/mesh/linkerd.ts": [
        // Pods of the control plane would start before their connections are redirected.
        ["M-NET-04", "[crds, cni, ...identity.needed, ...webhooks]", "[crds, ...identity.needed, ...webhooks]"],
    ],
    "components/scheduling/descheduler.ts": [
        ["M-OPS-08", "ttlSecondsAfterFinished: 86400", "ttlSecondsAfterFinished: 864000"],
    ],
    // Databases would not be counted.
    "lab/ceph-storage.ts": [["M-STOR-02", "        ...others,\n", ""]],
    "lab/envoy.ts": [["C-POL-15", '[GATEWAY_NAMESPACE]: "restricted"', '[GATEWAY_NAMESPACE]: "privileged"']],
    "lab/postgres.ts": [["C-BKP-15", '.default("14d")', '.default("7d")']],
};

const rows = (file: string, edits: readonly Row[]): Mutation[] =>
    edits.map(([fact, find, replace]) => ({ fact, file, find, replace }));

export const mutations: readonly Mutation[] = [
    ...rows("Pulumi.homelab.yaml", HOMELAB),
    ...rows("Pulumi.chongus.yaml", CHONGUS),
    ...rows("Pulumi.truenas.yaml", TRUENAS),
    ...rows("Pulumi.k3s-home.yaml", K3S_HOME),
    ...rows("Pulumi.magi.yaml", MAGI),
    ...Object.entries(CODE).flatMap(([file, edits]) => rows(file, edits)),
];
