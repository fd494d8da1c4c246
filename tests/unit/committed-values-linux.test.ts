/** As committed-values.test.ts, of the clusters whose machines have a plain Linux and are reached by SSH. */
import { k3sHomeDefaults, k3sHomeSchema } from "../../stacks/k3s-home.schema";
import { magiDefaults, magiSchema } from "../../stacks/magi.schema";
import { ALL_KNOWN, at, committed, judged, mostOf, type Row } from "./seed-values";

const none = { nvidia: 0, intel: 0 };

const K3S_HOME: readonly Row[] = [
    ["K-DNS-01 K-EDGE-06", "domain", "fletcherlabs.net"],
    ["K-BOOT-01", "k3s.version", "v1.32.5+k3s1"],
    ["K-HW-02 K-HW-03 K-HW-07", "nodes.*.name", ["k3s-master1", "k3s1", "k3s2", "k3s3"]],
    ["K-BOOT-02 K-HW-03 K-HW-07", "nodes.*.role", ["server", "agent", "agent", "agent"]],
    ["K-HW-11", "nodes.k3s-master1.capacity", { cpu: "4", memory: "8Gi" }],
    ["K-HW-04 K-HW-05", "nodes.k3s3.capacity", { cpu: "64", memory: "384Gi" }],
    ["K-HW-06 K-HW-08", "nodes.*.gpus", [none, { ...none, intel: 1 }, { ...none, intel: 1 }, { ...none, nvidia: 1 }]],
    ["K-STOR-16", "nodes.k3s-master1.disks", []],
    ["K-STOR-20", "nodes.k3s1.disks.*.tier", ["standard"]],
    ["K-STOR-20", "nodes.k3s2.disks.*.tier", ["standard"]],
    [
        "K-STOR-03 K-STOR-04 K-STOR-05 K-STOR-17 K-STOR-18 K-STOR-19",
        "nodes.k3s3.disks.*.tier",
        [...Array<string>(2).fill("optane"), ...Array<string>(2).fill("nvme"), ...Array<string>(7).fill("sas-ssd")],
    ],
    ["K-HW-09", "nodes.k3s1.disks.*.size", [mostOf("512 GB")]],
    ["K-HW-09", "nodes.k3s2.disks.*.size", [mostOf("512 GB")]],
    [
        "K-STOR-03 K-STOR-04 K-STOR-05",
        "nodes.k3s3.disks.*.size",
        [
            ...Array<unknown>(2).fill(mostOf("110 GB")),
            ...Array<unknown>(2).fill(mostOf("1000 GB")),
            ...Array<unknown>(7).fill(mostOf("350 GB")),
        ],
    ],
    ["K-NET-05 K-EDGE-05", "network.gateway", "192.168.10.224"],
    ["K-NET-06", "network.pool", "192.168.10.224/28"],
    ["K-NET-10", "network.announce", "bgp"],
    ["K-NET-08 K-NET-09", "network.bgp", { localAsn: 64512, peerAsn: 64513, peerAddress: "192.168.10.1" }],
    ["K-HW-15", "gpus.nvidia.shares", 4],
    ["K-HW-06 K-HW-16", "gpus.nvidia.memory", "16Gi"],
    ["K-STOR-01", "storage.nfs.configs", "/mnt/nvme_storage"],
    ["K-STOR-02 K-STOR-22", "storage.nfs.media", "/mnt/rust/media"],
    ["K-APP-17", "storage.host", "longhorn"],
    ["K-BKP-01", "backups.minio.endpoint", expect.stringMatching(/^https:\/\/minio\./)],
    ["K-BKP-03", "backups.b2.endpoint", expect.stringMatching(/^https:\/\/s3\.[a-z0-9-]+\.backblazeb2\.com$/)],
    ["K-APP-18", "authentik.host", "authentik"],
    ["K-SEC-03 K-APP-18", "authentik.mfa", false],
    ["K-GITOPS-13", "gitops.repository", "https://github.com/sudoflux/flux-k3s.git"],
    ["K-GITOPS-12", "gitops.path", "clusters/k3s-home"],
    [
        "K-GITOPS-05 K-GITOPS-06 K-GITOPS-07 K-GITOPS-10",
        "gitops.layers",
        [expect.stringMatching(/^infrastructure/), expect.stringMatching(/^infrastructure/), "apps"],
    ],
    ["K-SEC-08", "gitops.decryption", {}],
    ["K-SEC-01", "certificates.challenge", "http01"],
    ["K-SEC-01", "certificates.server", "production"],
    ["K-APP-19", "monitoring.grafanaHost", "grafana"],
    ["K-MON-01 K-MON-03", "monitoring.nodeProbe", true],
    ["K-APP-03", "apps.jellyfin.host", "jellyfin"],
    ["K-APP-03 K-APP-23", "apps.jellyfin.gpu", "nvidia"],
    ["K-APP-04", "apps.plex.host", "plex"],
    ["K-APP-05", "apps.sonarr.host", "sonarr"],
    ["K-APP-06", "apps.radarr.host", "radarr"],
    ["K-APP-07", "apps.lidarr.host", "lidarr"],
    ["K-APP-08", "apps.prowlarr.host", "prowlarr"],
    ["K-APP-09", "apps.bazarr.host", "bazarr"],
    ["K-APP-10", "apps.whisparr.host", "whisparr"],
    ["K-APP-10", "apps.whisparr.tier", "optane"],
    ["K-APP-10", "apps.whisparr.nodes", ["k3s3"]],
    ["K-APP-11", "apps.sabnzbd.host", "sabnzbd"],
    ["K-APP-11", "apps.sabnzbd.nodes", ["k3s1", "k3s2"]],
    ["K-APP-12", "apps.overseerr.host", "overseerr"],
    ["K-APP-14", "apps.ollama.host", "ollama"],
    ["K-APP-14", "apps.ollama.pull", ["llama3.2:3b"]],
    ["K-APP-15", "apps.open-webui.host", "openwebui"],
    ["K-APP-16", "apps.automatic1111.host", "automatic1111"],
];

/** Of these the seed has no value; of Prometheus' host docs/deviations.md tells why it has one. */
const K3S_HOME_OWN = [
    ...["timezone", "delivery", "protectData", "nodes.*.address", "nodes.*.optional", "nodes.*.disks.*.path"],
    ...["nodes.k3s1.capacity", "nodes.k3s2.capacity", "k3s.ssh", "k3s.snapshots", "k3s.drainMinutes"],
    ...["network.lan", "network.podCidr", "network.serviceCidr", "secrets", "gpus.intel"],
    ...["storage.scratch", "storage.nfs.server", "storage.nfs.downloads", "storage.owner"],
    ...["backups.minio.bucket", "backups.minio.every", "backups.minio.keepDays"],
    ...["backups.b2.bucket", "backups.b2.every", "backups.b2.keepDays"],
    ...["backups.restoreFrom", "backups.beforeDestroy", "backups.readOnly", "postgres"],
    ...["authentik.access", "authentik.replicas", "authentik.operators", "gitops.revision", "certificates.email"],
    ...["monitoring.retention", "monitoring.storage", "monitoring.grafanaStorage", "monitoring.loki"],
    ...["monitoring.prometheusHost", "monitoring.alertmanagerHost", "monitoring.hubbleHost"],
    ...["apps.*.memory", "apps.*.storage", "apps.*.database", "apps.*.models", "apps.media-wiring.enabled"],
    ...[
        "apps.jellyfin.tier",
        "apps.jellyfin.transcodes",
        "apps.ollama.tier",
        "apps.automatic1111.tier",
        "apps.automatic1111.lowMemory",
    ],
];

/** MinIO, as machines reach it and as pods do. */
const minio = "http://192.168.1.10:9000";
const bridged = "http://minio-api.other.svc.cluster.local:9000";
const SERVERS = ["ai", "media", "platform", "productivity", "other"];

const MAGI: readonly Row[] = [
    ["M-BOOT-01", "kubeadm.version", "v1.35.1"],
    ["M-HW-04", "nodes.melchior-1.address", "192.168.1.13"],
    ["M-HW-02", "nodes.balthasar-2.address", "192.168.1.14"],
    ["M-HW-03", "nodes.casper-3.address", "192.168.1.15"],
    ["M-BOOT-02", "nodes.*.name", ["melchior-1", "balthasar-2", "casper-3"]],
    ["M-BOOT-02", "nodes.*.role", Array(3).fill("control-plane")],
    ["M-POL-01", "nodes.*.taints", Array(3).fill([])],
    ["M-HW-05", "nodes.*.capacity.cpu", Array(3).fill("24")],
    ["M-HW-07", "nodes.*.capacity.memory", Array(3).fill(mostOf("48Gi"))],
    ["M-HW-06", "nodes.*.gpus", Array(3).fill({ ...none, amd: 1 })],
    ["M-HW-07", "gpus.amd.memory", "48Gi"],
    ["M-STOR-01 M-STOR-08", "nodes.*.osdDisks", Array(3).fill([expect.any(String), expect.any(String)])],
    ["M-STOR-01", "storage.ceph.diskSize", `${Math.floor(2e12 / 2 ** 30)}Gi`],
    ["M-STOR-05", "storage.ceph.filesystem", true],
    ["M-STOR-07 M-BKP-07", "storage.ceph.snapshotClass", "ceph-block-snap"],
    ["M-STOR-12", "storage.models", { namespace: "ai", size: "500Gi" }],
    ["M-STOR-13", "storage.libraries.root", "/NAS"],
    ["M-NET-03", "network.pool", "192.168.1.230-192.168.1.250"],
    ["M-EDGE-03", "network.ingressAddress", "192.168.1.230"],
    ["M-EDGE-04", "kubeadm.snapshots.s3.endpoint", minio],
    ["M-EDGE-04", "secrets.vault.snapshots.endpoint", minio],
    ["M-BKP-01 M-BKP-02", "backups.minio.endpoint", bridged],
    ["M-BKP-08", "backups.retain", { daily: 7, weekly: 4, monthly: 3 }],
    ["M-BKP-10", "postgres.backup.endpoint", bridged],
    ["M-BKP-09", "postgres.backup.bucket", "cluster-backups"],
    ["M-BKP-09", "postgres.backup.folder", "cnpg"],
    ["M-BKP-11", "postgres.retention", "30d"],
    ["M-DATA-01..05", "postgres.clusters", Object.fromEntries(SERVERS.map((name) => [name, expect.any(Object)]))],
    ["M-DATA-06", "redis.name", "rec-platform"],
    ["M-DATA-06", "redis.nodes", 3],
    ["M-BKP-01", "redis.backup.endpoint", bridged],
    ["M-BKP-10 M-EDGE-04", "bridges.minio-api.address", "192.168.1.10"],
    ["M-BKP-10 M-EDGE-04", "bridges.minio-api.port", 9000],
    ["M-EDGE-04", "bridges.minio.address", "192.168.1.10"],
    ["M-EDGE-04", "bridges.minio.port", 9002],
    ["M-EDGE-05", "bridges.opnsense.address", "192.168.1.1"],
    ["M-EDGE-05", "bridges.opnsense.port", 4443],
    ["M-EDGE-06", "bridges.truenas.address", "192.168.1.10"],
    ["M-EDGE-06", "bridges.truenas.port", 443],
    ["M-EDGE-07", "bridges.*.namespace", Array(4).fill("other")],
    ["M-GITOPS-07", "delivery", "gitops"],
    ["M-GITOPS-03..06 M-GITOPS-08..10", "gitops.path", "cluster"],
    ["M-SEC-02", "certificates.server", "production"],
    ["M-APP-09 M-APP-12 M-APP-13", "apps.arr-stack.holds", expect.arrayContaining(["jellyseerr", "flaresolverr"])],
    ["M-APP-10", "apps.arr-stack.holds", expect.arrayContaining(["qbittorrent"])],
    ["M-APP-11", "apps.arr-stack.holds", expect.arrayContaining(["sonarr", "radarr", "prowlarr"])],
    ["M-APP-14", "apps.arr-stack.vpn.portForwarding", true],
    ["M-APP-17", "apps.jellyfin.address", "192.168.1.233"],
    ["M-APP-18", "apps.plex.address", "192.168.1.232"],
    ["M-APP-19", "apps.immich.address", "192.168.1.234"],
    ["M-APP-23", "apps.unifi.address", "192.168.1.235"],
    ["M-DATA-10", "apps.sonarr.database", "postgres"],
    ["M-DATA-10", "apps.radarr.database", "postgres"],
    ["M-DATA-10", "apps.prowlarr.database", "postgres"],
    ["M-DATA-10", "apps.jellyseerr.database", "postgres"],
];

const MAGI_OWN = [
    ...["domain", "timezone", "protectData", "cloudflare", "argocd", "gitops.repository", "gitops.revision"],
    ...["kubeadm.ssh", "kubeadm.virtualAddress", "kubeadm.drainMinutes", "kubeadm.snapshots.schedule"],
    ...["kubeadm.snapshots.keep", "kubeadm.snapshots.s3.bucket", "kubeadm.snapshots.s3.region"],
    ...["kubeadm.snapshots.s3.folder", "network.lan", "network.podCidr", "network.serviceCidr", "network.hubbleHost"],
    ...["secrets.sopsFile", "secrets.vault.storage", "secrets.vault.ui", "secrets.vault.recipients"],
    ...["bucket", "region", "prefix", "schedule", "keep", "beforeDestroy"].map(
        (key) => `secrets.vault.snapshots.${key}`,
    ),
    ...["gpus.amd.renderGroup", "gpus.amd.videoGroup", "storage.localHostpath", "storage.libraries.media"],
    ...["storage.libraries.downloads", "storage.owner", "backups.minio.bucket", "backups.every"],
    ...["backups.restoreFrom", "backups.beforeDestroy", "bridges.*.scheme", "bridges.*.host", "bridges.*.access"],
    ...["postgres.instances", "postgres.storage", "postgres.memory", "redis.cpu", "redis.memory", "redis.storage"],
    ...["redis.licence", "redis.databases", "redis.backup.bucket", "redis.backup.region", "redis.backup.folder"],
    ...["redis.backup.everyHours", "mesh", "egressQos", "descheduler", "certificates.email"],
    ...["apps.*.memory", "apps.*.storage", "apps.*.index", "apps.*.host", "apps.*.access", "apps.*.model"],
    ...["apps.*.models", "apps.*.parallel", "apps.llama-swap.unloadAfter", "apps.llm-gateway.database"],
    ...["apps.vaultwarden.database", "apps.vaultwarden.admin", "apps.immich.gpu", "apps.*.vpn.provider"],
    ...["apps.*.vpn.type", "apps.arr-lts.vpn.portForwarding", "apps.arr-lts2.vpn.portForwarding"],
    ...[
        "apps.jellyfin.transcodes",
        "apps.librechat.registration",
        "apps.nextcloud.maintenanceHour",
        "apps.uptime-kuma.monitors",
    ],
    ...["apps.uptime-kuma.user", "apps.uptime-kuma.checkCertificates", "apps.homarr.tiles", "apps.homarr.board"],
    ...["apps.portfolio-staging.issuer", "apps.media-wiring.enabled"],
];

describe("Pulumi.k3s-home.yaml (K-DNS-01, K-EDGE-05, K-EDGE-06, K-BOOT-01, K-BOOT-02, K-HW-02..09, K-HW-11, K-HW-15, K-HW-16, K-STOR-01..05, K-STOR-16..20, K-STOR-22, K-NET-05, K-NET-06, K-NET-08..10, K-BKP-01, K-BKP-03, K-SEC-01, K-SEC-03, K-SEC-08, K-GITOPS-05..07, K-GITOPS-10, K-GITOPS-12, K-GITOPS-13, K-MON-01, K-MON-03, K-APP-03..12, K-APP-14..19, K-APP-23)", () => {
    const config = () => k3sHomeSchema("k3s-home").parse(k3sHomeDefaults(committed("k3s-home")));
    test.each(K3S_HOME)("%s: %s is the seed's", (_, path, seed) => {
        expect(at(config(), path)).toEqual(seed);
    });

    test("has the seed's apps and no other (K-APP-03..16)", () => {
        const arr = ["sonarr", "radarr", "lidarr", "prowlarr", "bazarr", "whisparr"];
        const media = ["jellyfin", "plex", ...arr, "sabnzbd", "overseerr", "recyclarr"];
        const ai = ["ollama", "open-webui", "automatic1111"];
        const implied = ["media-wiring"];
        expect(Object.keys(config().apps).sort()).toEqual([...media, ...ai, ...implied].sort());
    });

    test("has no value that is not either the seed's or the house's own", () => {
        expect(judged("k3s-home", config(), K3S_HOME, K3S_HOME_OWN)).toEqual(ALL_KNOWN);
    });
});

describe("Pulumi.magi.yaml (M-BOOT-01, M-BOOT-02, M-POL-01, M-HW-02..07, M-STOR-01, M-STOR-05, M-STOR-07, M-STOR-08, M-STOR-12, M-STOR-13, M-NET-03, M-EDGE-03..07, M-BKP-01, M-BKP-02, M-BKP-07..11, M-DATA-01..06, M-DATA-10, M-GITOPS-03..10, M-SEC-02, M-APP-09..14, M-APP-17..19, M-APP-23)", () => {
    const config = () => magiSchema("magi").parse(magiDefaults(committed("magi")));
    test.each(MAGI)("%s: %s is the seed's", (_, path, seed) => {
        expect(at(config(), path)).toEqual(seed);
    });

    test("has the seed's apps and no other (M-APP-01..31)", () => {
        const chat = ["librechat", "mongodb", "meilisearch", "rag-api"];
        const models = ["llama-static-a", "llama-static-b", "llama-swap", "llm-gateway"];
        const arr = ["qbittorrent", "sonarr", "radarr", "prowlarr", "jellyseerr", "flaresolverr"];
        const media = ["arr-stack", ...arr, "arr-lts", "arr-lts2", "jellyfin", "plex", "immich"];
        const office = ["nextcloud", "collabora", "whiteboard", "elasticsearch"];
        const household = ["homarr", "unifi", "uptime-kuma", "vaultwarden"];
        const others = ["headscale", "headscale-ui", "portfolio", "portfolio-staging"];
        const implied = ["media-wiring"];
        expect(Object.keys(config().apps).sort()).toEqual(
            [...chat, ...models, ...media, ...office, ...household, ...others, ...implied].sort(),
        );
    });

    test("has mesh, Vault, shaping and the descheduler, of which the seed has no values (M-NET-04, M-NET-06, M-SEC-04, M-APP-32)", () => {
        const there = expect.any(Object);
        expect(config()).toMatchObject({
            mesh: there,
            egressQos: there,
            descheduler: there,
            secrets: { vault: there },
        });
    });

    test("has two databases of Redis, and servers of PostgreSQL that outlive a machine (M-DATA-01..05, M-DATA-07, M-DATA-08)", () => {
        expect(Object.keys(at(config(), "redis.databases") as object).sort()).toEqual(["cache", "queue"]);
        expect(at(config(), "postgres.instances")).toBeGreaterThanOrEqual(3);
    });

    test("has no value that is not either the seed's or the house's own", () => {
        expect(judged("magi", config(), MAGI, MAGI_OWN)).toEqual(ALL_KNOWN);
    });
});
