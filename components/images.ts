/**
 * Every container image of the project: repository, tag and digest as three fields, so that Renovate can bump them
 * and a policy can see what is not pinned. Nothing else names an image. Where a digest was read stands beside it: a public
 * repository, the file and the commit. To see for yourself: `docker buildx imagetools inspect <repository>:<tag>`.
 */

export interface Image {
    /** Registry and repository, without tag. */
    readonly repository: string;
    readonly tag: string;
    /** `sha256:` digest of the multi-platform index; absent only in `tagOnlyImages`. */
    readonly digest?: string;
}

const pinned = {
    echoServer: {
        repository: "ghcr.io/mendhak/http-https-echo",
        tag: "41",
        digest: "sha256:2046be25f4a2c0bdda662ebfb7c2b7b60fc95c31d97987be143645a8a2194a40",
    },
    cloudflared: {
        repository: "mirror.gcr.io/cloudflare/cloudflared",
        tag: "2026.8.2",
        digest: "sha256:0aa26e284f05e6c77ae375b8c9c11d9eb6a448fb7bcd8d40f31cb6176189eb38",
    },
    // Programs of this project's own that run in a cluster.
    node: {
        repository: "docker.io/library/node",
        tag: "22.22.0-alpine3.23",
        digest: "sha256:e4bf2a82ad0a4037d28035ae71529873c069b13eb0455466ae0bc13363826e34",
    },
    sonarr: {
        repository: "ghcr.io/home-operations/sonarr",
        tag: "4.0.19.3001",
        digest: "sha256:2fef93accb445aeb1773e454825ac903f7d66d9addfe045d56fff69ba8181c82",
    },
    radarr: {
        repository: "ghcr.io/home-operations/radarr",
        tag: "6.4.1.10545",
        digest: "sha256:260469d707617f4b5be1cd11a40be7e4889c63c5e7cdbc6a429626dc05863b6b",
    },
    lidarr: {
        repository: "ghcr.io/home-operations/lidarr",
        tag: "3.1.3.4987",
        digest: "sha256:cd237339c1fef890437e1f5e896cb25e7c0b2abbe71abd1a614122f8aa13f89d",
    },
    // Version 3; of version 2 nobody names a digest of a build that is kept. One before 3.2 reads neither key nor login from its
    // environment. sulibot/home-ops, kubernetes/apps/tier-2-applications/whisparr/app/helmrelease.yaml at 34144891.
    whisparr: {
        repository: "ghcr.io/hotio/whisparr",
        tag: "v3-3.3.4-release.794",
        digest: "sha256:0bab72994828d5a8c9b890d3ee081cc802f7c8b2376a901ca5d4c48ab9230fc8",
    },
    bazarr: {
        repository: "ghcr.io/home-operations/bazarr",
        tag: "1.6.0",
        digest: "sha256:cd63bbd0986c93e238eb8b9442604d249f0d4080099b389f822abe2062044417",
    },
    prowlarr: {
        repository: "ghcr.io/home-operations/prowlarr",
        tag: "2.6.1.5509",
        digest: "sha256:ce5d6bdd5be6529f503df77aa9d2bad20239031d7c660406e8fb1c6d621dd020",
    },
    overseerr: {
        repository: "ghcr.io/sct/overseerr",
        tag: "1.34.0",
        digest: "sha256:4f38f58d68555004d3f487a4c5cbe2823e6a0942d946a25a2d9391d8492240a4",
    },
    jellyfin: {
        repository: "ghcr.io/jellyfin/jellyfin",
        tag: "10.11.11",
        digest: "sha256:45f648c382a0c8b552582fcea40e95cb17c5d475473a891cba0eb7523fb92112",
    },
    sabnzbd: {
        repository: "ghcr.io/home-operations/sabnzbd",
        tag: "5.1.1",
        digest: "sha256:8f90c25c7ee2773112c76b209ba0c32f089ced996f0dd0683cdfeaf07df365f8",
    },
    recyclarr: {
        repository: "ghcr.io/recyclarr/recyclarr",
        tag: "8.7.1",
        digest: "sha256:73303ba5ee647b6492fee917d3a781c6e59b6cab08f9dfce9482a950846f564f",
    },
    paperless: {
        repository: "ghcr.io/paperless-ngx/paperless-ngx",
        tag: "3.0.5",
        digest: "sha256:65a4cabf0169ea7fbd90ab7bb28ba3f8b5909613635acda1a03ad606f34b456b",
    },
    gotenberg: {
        repository: "mirror.gcr.io/gotenberg/gotenberg",
        tag: "8.36.0",
        digest: "sha256:87c16b9f364279d321bc9772d31fa58aa6abe036423c270698bd636c3a8e9466",
    },
    tika: {
        repository: "mirror.gcr.io/apache/tika",
        tag: "3.3.1.0-full",
        digest: "sha256:d8e6ed96260ad89307a93195a1b856102987a818ac648502f8efbaf313d32470",
    },
    // PostgreSQL 18 as CloudNativePG takes it, with VectorChord.
    postgresVectorChord: {
        repository: "ghcr.io/tensorchord/cloudnative-vectorchord",
        tag: "18.3-1.1.1",
        digest: "sha256:392b53675b403d6a2c72b673cc488a7c272514755dd818c622fb9ce4665193c4",
    },
    valkey: {
        repository: "docker.io/valkey/valkey",
        tag: "9",
        digest: "sha256:546304417feac0874c3dd576e0952c6bb8f06bb4093ea0c9ca303c73cf458f63",
    },
    ollama: {
        repository: "ollama/ollama",
        tag: "0.32.15",
        digest: "sha256:57d60e686821ea81a7748a3ec8141308c8b8f95b27105713954abf7a6529e700",
    },
    openWebui: {
        repository: "ghcr.io/open-webui/open-webui",
        tag: "v0.11.0",
        digest: "sha256:72c0ba641ba75e7aa52655cb242570906ececd09b1140fb736483038a22b3228",
    },
    // AkosPapp/nix, modules/services/librechat.nix at 38a4013e.
    librechat: {
        repository: "ghcr.io/danny-avila/librechat",
        tag: "v0.8.7",
        digest: "sha256:c5db3331b845e1f289f8d04c0c77936c4bbe372f76730a804abc1c37e44d23a9",
    },
    // solanyn/home-ops at 0b47d851. Embeddings come from elsewhere: the lite one brings no models.
    ragApi: {
        repository: "ghcr.io/danny-avila/librechat-rag-api-dev-lite",
        tag: "v0.7.0",
        digest: "sha256:fca33ac6f20639642bb2f6c49f870de5434cbbf63539da6dd8852f3b204c54b5",
    },
    // docker-library/repo-info, repos/mongo/remote/8.0.md at 05a154fe: the index, of 8.0.28.
    mongodb: {
        repository: "docker.io/library/mongo",
        tag: "8.0",
        digest: "sha256:98605bfa1bb2a15dd82109e1d78ad31527a9a744909fab4606076fa71a0ae515",
    },
    meilisearch: {
        repository: "docker.io/getmeili/meilisearch",
        tag: "v1.53.1",
        digest: "sha256:8d6643d86d71fad6ad3cba92cde7ccfce9e4d6c384bda67598eb553571c32431",
    },
    // Tanguille/cluster, kubernetes/apps/ai/llmkube/models/qwen3-embedding.yaml. The tag is built anew with each release.
    llamaServerVulkan: {
        repository: "ghcr.io/ggml-org/llama.cpp",
        tag: "server-vulkan",
        digest: "sha256:91df7c7ea4890461ec5490f5c89a7985801bee96717a9496ea15dfd792b1cb27",
    },
    // randomcoww/homelab, config_env.tf at 561b85d3. The tag is built anew with each release.
    llamaSwapVulkan: {
        repository: "ghcr.io/mostlygeek/llama-swap",
        tag: "vulkan",
        digest: "sha256:fb63e76d984c6af6a0db99ffe010620af17b5a0ac35bbf2082f7d0f58d52c6e6",
    },
    // bjw-s-labs/home-ops, kubernetes/apps/ai/litellm/app/litellmproxy.yaml.
    litellm: {
        repository: "ghcr.io/berriai/litellm",
        tag: "v1.97.0",
        digest: "sha256:468c25f35f3e5ec4e414974f00deab93337b1b4d9953cabcfd3722e59415f834",
    },
    // The same release with what its migrations need, from joryirving/home-ops, kubernetes/apps/base/llm/litellm/litellmproxy.yaml.
    litellmDatabase: {
        repository: "ghcr.io/berriai/litellm-database",
        tag: "v1.97.0",
        digest: "sha256:4b3226f4ccd7793d7dca6862d3681604d7ab640d8d6285be6061fd48514e6e71",
    },
    // Tanguille/cluster at f20bed2c (its history). The project's last release; other images of it are older still.
    automatic1111: {
        repository: "ghcr.io/gabe565/stable-diffusion/webui",
        tag: "1.10.1",
        digest: "sha256:77c4ca5bbcf9512fde16c3681f24a51b54ca8c25f8c88da4154c2b31ec212741",
    },
    // Also what CloudNativePG's plugin runs beside each server, of the version of its chart. Digest: as in the manifests
    // that several public repositories pin, with plugin-barman-cloud v0.13.0.
    barmanCloudSidecar: {
        repository: "ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar",
        tag: "v0.13.0",
        digest: "sha256:990361af3319f9e23aafa0f6d7981f99bf1f69b4e6a85cf1bc7d71d6f09bb288",
    },
    awairExporter: {
        repository: "ghcr.io/rtrox/prometheus-awair-exporter",
        tag: "sha-a4404a6",
        digest: "sha256:6927150dc9bc67575252740f262d22737e9f5606c40c2a3485eae1e466f674c9",
    },
    graphiteExporter: {
        repository: "docker.io/prom/graphite-exporter",
        tag: "v0.17.0",
        digest: "sha256:c1a266f63a84fd11048ab6ad1552a4c497b14522d02823925247698e41eeac2b",
    },
    // That of the chart, too: components/chart-images.ts says where it is stated.
    blackboxExporter: {
        repository: "quay.io/prometheus/blackbox-exporter",
        tag: "v0.28.0",
        digest: "sha256:e753ff9f3fc458d02cca5eddab5a77e1c175eee484a8925ac7d524f04366c2fc",
    },
    // Nebucatnetzer/nixos, modules/services/plex/default.nix at 661fe175. The tag is built anew now and then, so others name another
    // build of it.
    plex: {
        repository: "lscr.io/linuxserver/plex",
        tag: "1.43.2",
        digest: "sha256:626eb0d52b4522db3be91110a89161be6ccffc0741e9abf0e93aaf4fea98ccb9",
    },
    // HubertMJ/self-defending-portfolio, scripts/validate-cluster.sh at 7fae59ab.
    ksops: {
        repository: "viaductoss/ksops",
        tag: "v4.5.1",
        digest: "sha256:4def9fdd4e2f850265740ebe9592c5455d19b76891e88e602df8b52d74b95334",
    },
    // By ghcr.io in lauritsk/iac, proxy.tf at 08b3dbcc, by docker.io in hm-edu/ansible-ci, Dockerfile at 34765a7e.
    tailscale: {
        repository: "ghcr.io/tailscale/tailscale",
        tag: "v1.102.3",
        digest: "sha256:8c42c4574ab066384fcb72f69e086a2ff1dd3652eb6f56856cee34bcf0d2f680",
    },
    // proompteng/lab, argocd/applications/local-path/kustomization.yaml at 0ee10277.
    localPathProvisioner: {
        repository: "rancher/local-path-provisioner",
        tag: "v0.0.37",
        digest: "sha256:e757967a5ec338f6a9b371c5a9688bedaa8c3578ea3dd4db329ea0084be0a86f",
    },
    // dedvmedved-dot/otus-diplom, docs/architecture/p7c-snapshot-controller-canonical-manifest.md at 515df2f1: one cluster that runs it.
    snapshotController: {
        repository: "registry.k8s.io/sig-storage/snapshot-controller",
        tag: "v8.6.0",
        digest: "sha256:d1ab1b095eb81ce689abc8b8094badc4c4ea657051749014a631f8cca876a620",
    },
    // mantasmisiun/homelab-omv-terraform, services.tf at 06cdfbb0: the index.
    qbittorrent: {
        repository: "lscr.io/linuxserver/qbittorrent",
        tag: "5.2.3_v2.0.14-ls473",
        digest: "sha256:304b19cf94bf4fda534e0b086cab9c5f1a9e139a8180c05c0ad7d2ba1526fa99",
    },
    gluetun: {
        repository: "ghcr.io/qdm12/gluetun",
        tag: "v3.41.3",
        digest: "sha256:fa19cc76b2af13d57a8d3dc3066f2ada061b1c761b8aecf989b3877c0486e027",
    },
    // The one project that Overseerr and Jellyseerr became.
    seerr: {
        repository: "ghcr.io/seerr-team/seerr",
        tag: "v3.4.1",
        digest: "sha256:f4768de5f616248d723e05891f3345a1402123775d03bf0890dbfedc0831bda1",
    },
    flaresolverr: {
        repository: "ghcr.io/flaresolverr/flaresolverr",
        tag: "v3.5.0",
        digest: "sha256:139dfee1c6f89249c8d665d1333a42e8ec74ec0a86bc6bb1c8461e10d3a66a47",
    },
    immichServer: {
        repository: "ghcr.io/immich-app/immich-server",
        tag: "v3.1.0",
        digest: "sha256:b434cb9287eea1471c9974845914d4dd328c9c2d652e446ed4930f99944f0ceb",
    },
    immichMachineLearning: {
        repository: "ghcr.io/immich-app/immich-machine-learning",
        tag: "v3.1.0",
        digest: "sha256:5a0839dc5303cd7215bcd2180a26aed3af41675aefb3e75e5157e9f10ad16e6e",
    },
    homeAssistant: {
        repository: "ghcr.io/home-operations/home-assistant",
        tag: "2026.8.3",
        digest: "sha256:16ca445e58fa71d4f7ff287d4e9793ea690ccae932a5e200852371425cd7abb0",
    },
    mosquitto: {
        repository: "docker.io/library/eclipse-mosquitto",
        tag: "2.0.22",
        digest: "sha256:212f89e1eaeb2c322d6441b64396e3346026674db8fa9c27beac293405c32b3c",
    },
    zigbee2mqtt: {
        repository: "ghcr.io/koenkk/zigbee2mqtt",
        tag: "2.13.0",
        digest: "sha256:4fb4db4d49a217bed6d0204f454ce809febc565bbe051b85c556ee2bcef73d8c",
    },
    kopia: {
        repository: "ghcr.io/home-operations/kopia",
        tag: "0.23.1",
        digest: "sha256:27da0a33b44e1b902150a6c963514237217464bb13118a95bb056667be93cda5",
    },
    // Goes with the minor version of Velero. pocharlies-org/k8s-infra-pocharlies, platform/velero/values.yaml at 594b85e3 and
    // freelensapp/freelens-velero-extension, e2e/scripts/local-manifests.mts at 2306b410 agree.
    veleroPluginForAws: {
        repository: "docker.io/velero/velero-plugin-for-aws",
        tag: "v1.14.2",
        digest: "sha256:0751144c1c8e52d52c48717fbd13ad5a3061e612ae4d7ad744a946cd5b139d1a",
    },
    // The reference plugins of CNI. thanet-s/inspace-cloud-kube-modules, modules/cloud-provider/pkg/bootstrap/cache.go at c3c80b4f.
    cniPlugins: {
        repository: "docker.io/rancher/hardened-cni-plugins",
        tag: "v1.9.1-build20260903",
        digest: "sha256:cfc3c7284882f1931ddb3d881651f81a7728542401aa294c6c058b67f71c70b8",
    },
    // Of the chart's own tag. kroxylicious/kroxylicious, VaultTestKmsFacade.java at b4bccddf.
    vault: {
        repository: "docker.io/hashicorp/vault",
        tag: "2.0.4",
        digest: "sha256:5be49781ecf78bfe775c5309c6a4d9f4e9e040b6c885c99eb2b12fb69855e1a2",
    },
    // randomcoww/homelab, config_env.tf at ee1357c8.
    kubeVip: {
        repository: "ghcr.io/kube-vip/kube-vip",
        tag: "v1.2.1",
        digest: "sha256:49b77655f9f109bedc5eb25723bb0e4c57d8513ba33cc69c31be3f243eb2386d",
    },
    vaultwarden: {
        repository: "docker.io/vaultwarden/server",
        tag: "1.37.1",
        digest: "sha256:ebdfe70701c60ac0c28c697e787cea767d7972940b786037b29fe0d507f821e8",
    },
    uptimeKuma: {
        repository: "docker.io/louislam/uptime-kuma",
        tag: "2.5.0",
        digest: "sha256:a8610b3b4c38077922ba51b036691e06887d7cefd91fe620fd3d6d23d03dc240",
    },
    homarr: {
        repository: "ghcr.io/homarr-labs/homarr",
        tag: "v1.72.0",
        digest: "sha256:dc16da05861c8f6f5839495bf59c241e7f4bacd850fe7d472ad3c4fa37fb2f75",
    },
    unifi: {
        repository: "ghcr.io/linuxserver/unifi-network-application",
        tag: "9.4.19",
        digest: "sha256:a0acbc9cf1986823505d6dad041f0816388252f1e66e4c66397848fc0314c03b",
    },
    // docker-library/repo-info, repos/nextcloud/remote/34.0.3-apache.md at 2f62d71b: the index. From one major version to the next only.
    nextcloud: {
        repository: "docker.io/library/nextcloud",
        tag: "34.0.3-apache",
        digest: "sha256:b97df9e0e1ee3c8c6cc009cb3f12ddce915d624d543b3bb93882025fe323a407",
    },
    collabora: {
        repository: "docker.io/collabora/code",
        tag: "26.04.4.2.1",
        digest: "sha256:4e983196eb9878f339cc506c38c21f1cc3473bca3d6de883c5de08f9c0cc3a6c",
    },
    // Its major version is that of Nextcloud's app of the same name.
    whiteboard: {
        repository: "ghcr.io/nextcloud-releases/whiteboard",
        tag: "v2.0.0",
        digest: "sha256:059596633333d009890c64858f89f133ccd973a2e0823ad960a0cc05cf8657f1",
    },
    // docker-library/repo-info, repos/elasticsearch/remote/9.4.6.md at 16760b2c: the index. Of the major version that Nextcloud's app speaks.
    elasticsearch: {
        repository: "docker.io/library/elasticsearch",
        tag: "9.4.6",
        digest: "sha256:e7945580b89cf6cd8328d83e2177874fde7223b5e6f20f448150cc14dd9612e0",
    },
    headscale: {
        repository: "docker.io/headscale/headscale",
        tag: "v0.29.4",
        digest: "sha256:8833f828b414c0907b7e5c71da76473216fe17cce0818a166b536ec552c0903f",
    },
    // docker-library/repo-info, repos/busybox/remote/1.37.0.md at 01a70542: the index.
    localPathHelper: {
        repository: "docker.io/library/busybox",
        tag: "1.37.0",
        digest: "sha256:9db7b59979c38555a39def84a31fb98b5296952f9e3afd4f6f11f05b07adfab0",
    },
} as const satisfies Record<string, Image & { digest: string }>;

/** Images for which no digest with a named source was found. The one list of exceptions to "always by digest". */
export const tagOnlyImages = {
    transmission: { repository: "haugene/transmission-openvpn", tag: "5.4.1" },
    // Public files name digests of the thick plugin only, which does not run on a node that is a container.
    multus: { repository: "ghcr.io/k8snetworkplumbingwg/multus-cni", tag: "v4.2.4" },
    // Its releases of the last years are pinned nowhere by digest; the older ones that are speak to no headscale of today.
    headscaleUi: { repository: "ghcr.io/gurucomputing/headscale-ui", tag: "2026.03.17" },
    // No public file names a digest. It brings the images of the servers by its own release.
    redisEnterpriseOperator: { repository: "docker.io/redislabs/operator", tag: "8.0.20-23" },
} as const satisfies Record<string, Image>;

export const images = { ...pinned, ...tagOnlyImages };

/** The reference a container runtime takes: `repository:tag@digest`. */
export function imageReference(image: Image): string {
    return `${image.repository}:${image.tag}${image.digest === undefined ? "" : `@${image.digest}`}`;
}
