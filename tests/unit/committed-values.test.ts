/**
 * What the seeds say of the values in the committed files: each row is a fact, a place of the file and the seed's value.
 * Tests of components cannot see a wrong value here, since they pass values of their own.
 * k3s-home and magi are in committed-values-linux.test.ts.
 */
import { chongusDefaults, chongusSchema } from "../../stacks/chongus.schema";
import { homelabDefaults, homelabSchema } from "../../stacks/homelab.schema";
import { truenasDefaults, truenasSchema } from "../../stacks/truenas.schema";
import { ALL_KNOWN, at, committed, judged, type Row } from "./seed-values";

const HOMELAB: readonly Row[] = [
    ["H-DNS-13", "domain", "peterstorm.io"],
    ["H-NET-08", "network.pool", { first: "192.168.0.240", last: "192.168.0.250" }],
    ["H-NET-04 H-EDGE-06", "network.ingressAddress", "192.168.0.240"],
    ["H-NET-05 H-NET-10", "apps.plex.address", "192.168.0.241"],
    ["H-SEC-03", "secrets.ageKey.from", "node"],
    ["H-BOOT-08", "secrets.ageKey.path", "/var/lib/sops-nix/keys.txt"],
    ["H-SEC-08", "secrets.sopsFile", expect.stringMatching(/^k8s\/argocd-homelab\/.*\.enc\.(yaml|json)$/)],
    ["H-STOR-01", "storage.configs", "/var/data/configs"],
    ["H-STOR-02 H-STOR-08", "storage.media", "/var/data/media"],
    ["H-STOR-03 H-STOR-08", "storage.torrents", "/var/data/torrents"],
    ["H-GITOPS-03", "gitops.path", "k8s/argocd-homelab"],
    ["H-DNS-12 H-EDGE-07", "argocd.host", "argocd"],
    ["H-DNS-11 H-MON-04", "monitoring.host", "grafana"],
    ["H-APP-04 H-DNS-04", "apps.echo-server.host", "echo-server"],
    ["H-APP-05 H-DNS-10", "apps.plex.host", "plex"],
    ["H-APP-07 H-DNS-05", "apps.sonarr.host", "sonarr"],
    ["H-APP-08 H-DNS-06", "apps.radarr.host", "radarr"],
    ["H-APP-09 H-DNS-07", "apps.prowlarr.host", "prowlarr"],
    ["H-APP-10 H-DNS-08", "apps.overseerr.host", "overseerr"],
    ["H-APP-06 H-DNS-09", "apps.transmission.host", "transmission"],
];

/** Of these the seed has no value. */
const HOMELAB_OWN = [
    ...["timezone", "delivery", "protectData", "node", "cloudflare", "tailscale"],
    ...["network.lan", "network.podCidr", "network.serviceCidr", "network.interfaces"],
    ...["storage.provisioner", "storage.className", "storage.scratch", "storage.owner"],
    ...["gitops.repository", "gitops.revision", "monitoring.retention", "monitoring.storage"],
    ...["apps.*.memory", "apps.*.storage", "apps.*.database", "apps.media-wiring.enabled"],
];

const samsung = expect.stringMatching(/^\/dev\/disk\/by-id\/ata-Samsung_SSD_870_EVO_2TB_/);
const minio = expect.stringMatching(/^https:\/\/minio\./);

const CHONGUS: readonly Row[] = [
    ["C-DNS-01", "domain", "rtrox.io"],
    ["C-HW-02", "nodes.*.address", ["172.30.11.1", "172.30.11.2", "172.30.11.3"]],
    ["C-HW-05", "nodes.*.osdDisks", Array(3).fill([samsung, samsung])],
    ["C-HW-06", "nodes.*.gpus.nvidia", [1, 1, 1]],
    ["C-BOOT-02", "talos.version", "v1.10.6"],
    ["C-BOOT-03", "talos.kubernetes", "1.33.0"],
    ["C-BOOT-05", "talos.secretsFile", expect.stringMatching(/^clusters\/chongus\/talos\//)],
    ["C-NET-01", "network.podCidr", "10.244.0.0/16"],
    ["C-NET-02", "network.serviceCidr", "10.96.0.0/12"],
    ["C-NET-04", "network.pool", "172.22.12.0/24"],
    ["C-EDGE-05 C-NET-12", "network.internalGateway", "172.22.12.1"],
    ["C-EDGE-04 C-NET-12", "network.externalGateway", "172.22.12.2"],
    ["C-STOR-06", "storage.localHostpath", "/var/mnt/local-hostpath"],
    ["C-STOR-09", "storage.nfs.server", "nas.rtrox.io"],
    ["C-BKP-06", "backups.b2.endpoint", expect.stringMatching(/^https:\/\/s3\.[a-z0-9-]+\.backblazeb2\.com$/)],
    ["C-BKP-07", "backups.minio.endpoint", minio],
    ["C-BKP-14", "postgres.backup.endpoint", minio],
    ["C-BKP-15", "postgres.retention", "14d"],
    ["C-MON-04", "monitoring.retention", "14d"],
    ["C-MON-05", "monitoring.thanos.endpoint", minio],
    ["C-MON-06", "monitoring.storage", "55Gi"],
    ["C-MON-17", "apps.awair.rooms", expect.objectContaining({ office: expect.any(String) })],
    ["C-MON-18", "apps.graphite-exporter.address", expect.any(String)],
    ["C-SEC-01", "certificates.server", "production"],
    ["C-GITOPS-03", "gitops.path", "cluster-apps/chongus"],
    ["C-NET-13", "tailscale.policy", "manage"],
    ["C-APP-03", "cloudflare.tunnel", "chongus"],
];

const CHONGUS_OWN = [
    ...["timezone", "delivery", "protectData", "cloudflare.accountId", "cloudflare.zoneId", "secrets"],
    ...["tailscale.tailnet", "tailscale.tag", "nodes.*.name", "nodes.*.mac", "nodes.*.systemDisk", "nodes.*.capacity"],
    ...["nodes.*.gpus.intel", "talos.vip", "talos.subnet", "talos.gateway", "talos.nameservers", "network.announce"],
    ...["storage.nfs.media", "storage.nfs.downloads", "storage.nfs.inbox", "storage.nfs.version"],
    ...["storage.nfs.connections", "storage.ceph", "storage.owner", "backups.restoreFrom", "backups.beforeDestroy"],
    ...["backups.b2.bucket", "backups.minio.bucket", "postgres.backup.bucket", "postgres.storage", "postgres.memory"],
    ...["monitoring.thanos.bucket", "monitoring.loki", "monitoring.probes", "monitoring.nodeProbe"],
    ...["grafana", "prometheus", "alertmanager", "hubble"].map((page) => `monitoring.${page}Host`),
    ...["gitops.repository", "gitops.revision", "gitops.decryption", "certificates.email"],
    ...["apps.echo-server", "apps.jellyfin", "apps.sonarr", "apps.radarr", "apps.prowlarr", "apps.sabnzbd"],
    ...["apps.recyclarr", "apps.paperless", "apps.ollama", "apps.media-wiring"],
    ...["apps.awair.memory", "apps.graphite-exporter.memory", "apps.graphite-exporter.host"],
];

const BITTY: readonly Row[] = [
    ["B-HW-02", "nodes.*.address", ["172.30.21.1", "172.30.21.2", "172.30.21.3"]],
    ["B-HW-03", "nodes.*.systemDisk", Array(3).fill(expect.stringMatching(/^\/dev\/disk\/by-id\/nvme-/))],
    ["B-HW-04", "nodes.*.gpus", Array(3).fill({ nvidia: 0, intel: 1 })],
    ["B-BOOT-01", "talos.version", "v1.10.1"],
    ["B-BOOT-02", "talos.kubernetes", "1.33.0"],
    ["B-OPS-01 B-OPS-02", "phaseOut.to", "chongus"],
    ["B-POL-01 B-APP-03", "phaseOut.apps", ["echo-server", "jellyfin"]],
    ["B-APP-01", "apps.jellyfin.host", "jellyfin"],
    ["B-GITOPS-01 B-GITOPS-09", "gitops.path", "cluster-apps/bitty"],
    ["B-SEC-03", "secrets.doppler.config", "bitty"],
];

const BITTY_OWN = [
    ...["recipe", "domain", "timezone", "delivery", "protectData", "nodes.*.name", "nodes.*.mac", "nodes.*.capacity"],
    ...["talos.vip", "talos.subnet", "talos.gateway", "talos.nameservers", "talos.secretsFile"],
    ...["network.podCidr", "network.serviceCidr", "network.pool", "network.announce"],
    ...["network.internalGateway", "network.externalGateway", "secrets.sopsFile", "secrets.doppler.project"],
    ...["storage.localHostpath", "storage.nfs", "storage.ceph", "storage.owner", "backups.b2", "backups.minio"],
    ...["backups.restoreFrom", "backups.beforeDestroy", "gitops.repository", "gitops.revision"],
    ...["monitoring.retention", "monitoring.storage", "monitoring.nodeProbe"],
    ...["grafana", "prometheus", "alertmanager", "hubble"].map((page) => `monitoring.${page}Host`),
    ...["apps.echo-server", "apps.jellyfin.memory", "apps.jellyfin.storage", "apps.jellyfin.transcodes"],
];

const TRUENAS: readonly Row[] = [
    ["T-BOOT-10", "docker.ssh", expect.stringMatching(/^[a-z]+@192\.168\.1\.254$/)],
    ["T-BOOT-07 T-BOOT-12", "docker.clusterName", "homelab"],
    ["T-BOOT-05 T-BOOT-13", "docker.k3s", "v1.33.6+k3s1"],
    ["T-NET-02 T-NET-06", "docker.ports.http", 8080],
    ["T-NET-03 T-NET-06", "docker.ports.https", 8443],
    ["T-STOR-01 T-STOR-06", "storage.fast", "/mnt/spool/appdata"],
    ["T-STOR-02 T-STOR-07", "storage.bulk", "/mnt/dpool/media"],
    ["T-STOR-03 T-BKP-01", "backups.repository", "/mnt/dpool/kopia-repo"],
    ["T-POL-06", "storage.owner.gid", 1000],
    ["T-NET-08", "networks.iot.addresses", "dhcp"],
    ["T-NET-04", "tailscale.policy", "manage"],
    ["T-GITOPS-01 T-GITOPS-02", "gitops.path", "apps"],
    ["T-GITOPS-03", "gitops.root", "argocd"],
    ["T-HW-06 T-APP-04", "apps.zigbee2mqtt.device", "/dev/ttyUSB0"],
];

const TRUENAS_OWN = [
    ...["domain", "timezone", "delivery", "protectData", "docker.lan", "docker.capacity", "network"],
    ...["storage.downloads", "storage.inbox", "storage.owner.uid", "backups.schedule", "backups.keep"],
    ...["networks.iot.interface", "secrets", "certificates", "argocd", "gitops.repository", "gitops.revision"],
    ...["cloudflare", "tailscale.tailnet", "tailscale.tag"],
    ...["apps.*.memory", "apps.*.storage", "apps.*.host", "apps.*.database", "apps.*.network"],
    ...["apps.paperless.languages", "apps.zigbee2mqtt.group", "apps.media-wiring.enabled"],
];

describe("Pulumi.homelab.yaml (H-DNS-04..13, H-NET-04, H-NET-05, H-NET-08, H-NET-10, H-EDGE-06, H-EDGE-07, H-SEC-03, H-SEC-08, H-BOOT-08, H-STOR-01..03, H-STOR-08, H-GITOPS-03, H-MON-04, H-APP-04..10)", () => {
    const config = () => homelabSchema("homelab").parse(homelabDefaults(committed("homelab")));
    test.each(HOMELAB)("%s: %s is the seed's", (_, path, seed) => {
        expect(at(config(), path)).toEqual(seed);
    });

    test("has the seed's apps and no other (H-APP-01)", () => {
        const arr = ["overseerr", "prowlarr", "radarr", "sonarr"];
        const implied = ["media-wiring"];
        expect(Object.keys(config().apps).sort()).toEqual(
            ["echo-server", ...arr, ...implied, "plex", "transmission"].sort(),
        );
    });

    test("has no value that is not either the seed's or the house's own", () => {
        expect(judged("homelab", config(), HOMELAB, HOMELAB_OWN)).toEqual(ALL_KNOWN);
    });
});

describe("Pulumi.chongus.yaml (C-DNS-01, C-HW-02, C-HW-05, C-HW-06, C-BOOT-02, C-BOOT-03, C-BOOT-05, C-NET-01, C-NET-02, C-NET-04, C-NET-12, C-NET-13, C-EDGE-04, C-EDGE-05, C-STOR-06, C-STOR-09, C-BKP-06, C-BKP-07, C-BKP-14, C-BKP-15, C-MON-04, C-MON-05, C-MON-06, C-MON-17, C-MON-18, C-SEC-01, C-GITOPS-03, C-APP-03)", () => {
    const config = () => chongusSchema("chongus").parse(chongusDefaults(committed("chongus")));
    test.each(CHONGUS)("%s: %s is the seed's", (_, path, seed) => {
        expect(at(config(), path)).toEqual(seed);
    });

    test("keeps the two backends apart (C-BKP-10)", () => {
        const [far, near] = ["b2", "minio"].map((name) => at(config(), `backups.${name}.endpoint`));
        expect(new URL(String(far)).hostname).not.toBe(new URL(String(near)).hostname);
    });

    test("has no value that is not either the seed's or the house's own", () => {
        expect(judged("chongus", config(), CHONGUS, CHONGUS_OWN)).toEqual(ALL_KNOWN);
    });
});

describe("Pulumi.bitty.yaml (B-HW-02, B-HW-03, B-HW-04, B-BOOT-01, B-BOOT-02, B-OPS-01, B-OPS-02, B-POL-01, B-APP-01, B-APP-03, B-GITOPS-01, B-GITOPS-09, B-SEC-03)", () => {
    const config = () => {
        const { recipe, ...facts } = committed("bitty");
        expect(recipe).toBe("chongus");
        return chongusSchema("bitty").parse(chongusDefaults(facts));
    };
    test.each(BITTY)("%s: %s is the seed's", (_, path, seed) => {
        expect(at(config(), path)).toEqual(seed);
    });

    test("has no value that is not either the seed's or the house's own", () => {
        expect(judged("bitty", config(), BITTY, BITTY_OWN)).toEqual(ALL_KNOWN);
    });
});

describe("Pulumi.truenas.yaml (T-BOOT-05, T-BOOT-07, T-BOOT-10, T-BOOT-12, T-BOOT-13, T-NET-02, T-NET-03, T-NET-04, T-NET-06, T-NET-08, T-STOR-01..03, T-STOR-06, T-STOR-07, T-BKP-01, T-POL-06, T-GITOPS-01..03, T-HW-06, T-APP-04)", () => {
    const config = () => truenasSchema("truenas").parse(truenasDefaults(committed("truenas")));
    test.each(TRUENAS)("%s: %s is the seed's", (_, path, seed) => {
        expect(at(config(), path)).toEqual(seed);
    });

    test("has the seed's apps, and beside them only the house's own (T-APP-01..04)", () => {
        const own = ["echo-server", "sonarr", "radarr", "prowlarr", "mosquitto", "home-assistant"];
        const implied = ["media-wiring"];
        expect(Object.keys(config().apps).sort()).toEqual(
            ["plex", "qbittorrent", "paperless", "zigbee2mqtt", ...own, ...implied].sort(),
        );
    });

    test("has no value that is not either the seed's or the house's own", () => {
        expect(judged("truenas", config(), TRUENAS, TRUENAS_OWN)).toEqual(ALL_KNOWN);
    });
});
