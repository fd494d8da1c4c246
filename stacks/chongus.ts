/** The chongus cluster, read top to bottom as it is built. Seed 002; Talos itself: docs/talos.md. */
import * as cloudflare from "@pulumi/cloudflare";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as tailscale from "@pulumi/tailscale";
import { ollama } from "../apps/ai/ollama";
import { jellyfin } from "../apps/media/jellyfin";
import { prowlarr } from "../apps/media/prowlarr";
import { radarr } from "../apps/media/radarr";
import { recyclarr } from "../apps/media/recyclarr";
import { sabnzbd } from "../apps/media/sabnzbd";
import { sonarr } from "../apps/media/sonarr";
import { paperless } from "../apps/productivity/paperless";
import { echoServer } from "../apps/web/echo-server";
import { TALOS_SECRETS } from "../bootstrap/talos/secrets-bundle";
import { lookAtTalos, TalosCluster, type TalosClusterArgs } from "../bootstrap/talos/talos-cluster";
import { VolSync } from "../components/backup/volsync";
import { CustomResourceDefinitions } from "../components/cluster/custom-resource-definitions";
import { assertSameCluster } from "../components/cluster/identity";
import { MetricsServer } from "../components/cluster/metrics-server";
import { Namespaces } from "../components/cluster/namespaces";
import { RELOAD_ANNOTATIONS, Reloader } from "../components/cluster/reloader";
import { crds } from "../components/crds";
import { CloudNativePg } from "../components/database/cloudnative-pg";
import { PostgresCluster } from "../components/database/postgres-cluster";
import { CertManager } from "../components/edge/cert-manager";
import { CloudflareTunnel } from "../components/edge/cloudflare-tunnel";
import { EnvoyGateway, externalGatewayOrigin, GATEWAY_NAMESPACE } from "../components/edge/envoy-gateway";
import { EnvoyGatewayEdge } from "../components/edge/envoy-gateway-edge";
import { ExternalDns, externalDnsRows, tunnelTarget } from "../components/edge/external-dns";
import { LetsEncrypt } from "../components/edge/lets-encrypt";
import { Deliveries } from "../components/gitops/delivery";
import { FluxApps, FluxOperator, FluxSync } from "../components/gitops/flux";
import { NVIDIA_NODE_LABEL, NvidiaGpus } from "../components/gpu/nvidia";
import { Alerts } from "../components/monitoring/alerts";
import { Alloy } from "../components/monitoring/alloy";
import { Blackbox } from "../components/monitoring/blackbox";
import { awairExporter, graphiteExporter } from "../components/monitoring/exporters";
import { Grafana } from "../components/monitoring/grafana";
import { Loki } from "../components/monitoring/loki";
import { Prometheus } from "../components/monitoring/prometheus";
import { Thanos } from "../components/monitoring/thanos";
import { cidrRange } from "../components/network/addresses";
import { Cilium, KUBE_PRISM } from "../components/network/cilium";
import { CiliumAddressPool, staticRoutes } from "../components/network/cilium-pool";
import { CoreDns } from "../components/network/coredns";
import type { Platform } from "../components/platform";
import { Doppler, DopplerSecretStore } from "../components/secrets/doppler";
import { ExternalSecrets } from "../components/secrets/external-secrets";
import { SopsSecretStore } from "../components/secrets/sops";
import { CephCluster } from "../components/storage/ceph-cluster";
import { CephStorage } from "../components/storage/ceph-storage";
import { OpenEbs } from "../components/storage/openebs";
import { RookOperator } from "../components/storage/rook-operator";
import { SnapshotController } from "../components/storage/snapshot-controller";
import { SubnetRouter } from "../components/tailnet/subnet-router";
import type { ChongusConfig } from "./chongus.schema";
import type { CloudAccounts, NodeInfo, SecretsFile, Stage, StackContext, StackSummary } from "../lab/context";
import { deliveryChoices } from "../config/fields";

/** What its charts and the seed's own objects need (seed 002, Bootstrap Phases 1); other clusters have other bundles. */
const CHONGUS_CRDS = [
    crds.gatewayApi,
    crds.externalDns,
    crds.keda,
    crds.prometheus,
    crds.externalSecrets,
    crds.envoyGateway,
    crds.snapshots,
];

/** Namespace of everything that watches. */
const OBSERVABILITY = "observability";

/** Builds the stack. Rejects with a `RunError`, before any resource exists, when secrets or machines are not in order. */
export async function chongus(config: ChongusConfig, context: StackContext): Promise<StackSummary> {
    const { network, storage: disks, monitoring } = config;
    const bootstrapSecrets = new SopsSecretStore(
        config.secrets.sopsFile,
        await context.readSops(context.root, config.secrets.sopsFile),
    );
    bootstrapSecrets.check(bootstrapRefs(config));

    // 0. Talos on every machine.
    const talosArgs = chongusMachines(config, context.root);
    const facts = await lookAtTalos(talosArgs);
    await assertSameCluster({
        stack: "chongus",
        machines: "the machines of chongus",
        found: facts.cluster,
        known: context.cluster,
        silent: "warn",
    });
    const deliveries = new Deliveries({
        stack: "chongus",
        choices: deliveryChoices(config),
        before: context.delivered ?? (() => undefined),
        show: context.showsGit ?? false,
    });
    const talos = new TalosCluster("talos", talosArgs, facts);
    const kubernetes = new k8s.Provider(
        "chongus",
        {
            kubeconfig: talos.kubeconfig,
            // Without it a renewed kubeconfig would replace the whole cluster's contents.
            clusterIdentifier: "chongus",
            enableServerSideApply: true,
            // New content updates the object; the default deletes and recreates it under running pods.
            enableConfigMapMutable: true,
            enableSecretMutable: true,
            // Not always: an object whose logical name changed would be taken over and then deleted.
            ...(deliveries.adopts ? { upsertExistingObjects: true } : {}),
        },
        { dependsOn: talos },
    );
    const cluster = {
        name: "chongus",
        timezone: config.timezone,
        kubeconfig: talos.kubeconfig,
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
    };
    const lab = { providers: [kubernetes, ...cloudProviders(config, bootstrapSecrets)] };

    // 1. CRDs that objects of several charts need, before any chart.
    const definitions = new CustomResourceDefinitions(
        "crds",
        { cluster, bundles: CHONGUS_CRDS },
        { ...lab, dependsOn: talos },
    );
    // 2. Core: the pod network first, then what the rest stands on, in the seed's order.
    const cilium = new Cilium(
        "cilium",
        {
            cluster,
            apiServer: KUBE_PRISM,
            nodeCount: config.nodes.length,
            profile: {
                kind: "native-routing",
                nativeRoutingCidr: network.podCidr,
                announce: network.announce,
            },
        },
        { ...lab, dependsOn: definitions },
    );
    const coreDns = new CoreDns("coredns", { serviceCidr: network.serviceCidr }, { ...lab, dependsOn: cilium });
    const certManager = new CertManager("cert-manager", {}, { ...lab, dependsOn: coreDns });
    const fluxOperator = new FluxOperator("flux-operator", {}, { ...lab, dependsOn: certManager });
    const cnpg = new CloudNativePg("cloudnative-pg", {}, { ...lab, dependsOn: [certManager, fluxOperator] });
    const rook = new RookOperator("rook-ceph", { cluster, monitoring: true }, { ...lab, dependsOn: cnpg });
    // 3. The one secret that comes from outside, and the store that brings all others.
    const externalSecrets = new ExternalSecrets("external-secrets", {}, { ...lab, dependsOn: rook });
    const doppler = new Doppler(
        "doppler",
        {
            token: bootstrapSecrets.value(SECRETS.dopplerToken),
            ...config.secrets.doppler,
            operator: externalSecrets,
        },
        { ...lab, dependsOn: externalSecrets },
    );
    const secrets = new DopplerSecretStore(doppler);
    // 4. Git takes over what is not declared here.
    const flux = new FluxSync("flux", { operator: fluxOperator, ...config.gitops }, { ...lab, dependsOn: doppler });

    // Everything else stands on these and not on each other.
    const afterCore = { ...lab, dependsOn: [doppler] };
    const snapshots = new SnapshotController("snapshot-controller", {}, afterCore);
    const ceph = new CephCluster(
        "ceph",
        {
            cluster,
            operator: rook,
            snapshots,
            nodes: config.nodes,
            confirmDataLoss: disks.confirmDataLoss !== undefined,
        },
        afterCore,
    );
    const openebs = new OpenEbs("openebs", { cluster, path: disks.localHostpath }, afterCore);
    const volsync = new VolSync("volsync", { cluster }, afterCore);
    const namespaces = new Namespaces(
        "namespaces",
        {
            apps: "restricted",
            ai: "restricted",
            database: "restricted",
            // NFS volumes, which the restricted level does not know.
            media: "baseline",
            productivity: "baseline",
            [GATEWAY_NAMESPACE]: "restricted",
            // node-exporter reads the host.
            [OBSERVABILITY]: "privileged",
            system: "restricted",
            ...(config.tailscale === undefined ? {} : { tailscale: "restricted" as const }),
        },
        // Deleted before what their claims and backups live on.
        { ...lab, dependsOn: [doppler, ceph, openebs, volsync] },
    );
    const storage = new CephStorage({
        cluster,
        ceph,
        openebs,
        volsync,
        nfs: disks.nfs,
        owner: disks.owner,
        secrets,
        backups: config.backups,
    });
    new Reloader("reloader", { namespace: namespaces.name("system") }, afterCore);
    const nvidia = new NvidiaGpus("nvidia", {}, afterCore);
    // Deleted before every namespace there is, these and those below them.
    new MetricsServer("metrics-server", {}, { ...lab, dependsOn: [namespaces, nvidia] });

    // The ways in: addresses, names, certificates, gateways.
    const pool = new CiliumAddressPool("pool", { cilium, ...poolArgs(network) }, { ...lab, dependsOn: cilium });
    const gatewayNamespace = namespaces.name(GATEWAY_NAMESPACE);
    const certificate = new LetsEncrypt(
        "certificates",
        {
            cluster,
            operator: certManager,
            domain: config.domain,
            ...config.certificates,
            namespace: gatewayNamespace,
            secrets,
        },
        afterCore,
    );
    const host = { cluster, opts: afterCore, namespaces, storage, secrets, reloadAnnotations: RELOAD_ANNOTATIONS };
    const tunnel =
        config.cloudflare === undefined
            ? undefined
            : new CloudflareTunnel(
                  "tunnel",
                  {
                      accountId: config.cloudflare.accountId,
                      tunnel: config.cloudflare.tunnel,
                      apiToken: bootstrapSecrets.value(SECRETS.cloudflareToken),
                      host,
                      namespace: GATEWAY_NAMESPACE,
                      origin: externalGatewayOrigin(config.domain, config.certificates.server),
                  },
                  afterCore,
              );
    const externalDns =
        config.cloudflare === undefined
            ? undefined
            : new ExternalDns(
                  "external-dns",
                  {
                      cluster,
                      domain: config.domain,
                      namespace: gatewayNamespace,
                      secrets,
                      owner: "chongus",
                      ...(tunnel === undefined ? {} : { tunnelHostname: tunnel.hostname }),
                  },
                  afterCore,
              );
    const gateway = new EnvoyGateway(
        "envoy-gateway",
        {
            cluster,
            namespace: gatewayNamespace,
            domain: config.domain,
            internalAddress: network.internalGateway,
            externalAddress: network.externalGateway,
            certificate: certificate.secretName,
            ...(tunnel === undefined ? {} : { tunnelTarget: tunnelTarget(config.domain) }),
        },
        // Deleted before external-dns: with its routes gone that one removes their records.
        { ...lab, dependsOn: [doppler, pool, certificate, ...(externalDns === undefined ? [] : [externalDns])] },
    );
    const edge = new EnvoyGatewayEdge({
        gateway,
        domain: config.domain,
        internalAddress: network.internalGateway,
        externalAddress: network.externalGateway,
        hasTunnel: tunnel !== undefined,
    });

    const postgres = new PostgresCluster(
        "postgres",
        {
            operator: cnpg,
            namespace: namespaces.name("database"),
            storageClass: ceph.blockClass,
            secrets,
            ...config.postgres,
        },
        afterCore,
    );
    const platform: Platform = {
        ...host,
        // Addresses come from the pool. With a route gone its records must still be removed: gateway and external-dns go later.
        opts: { ...lab, dependsOn: [doppler, pool, gateway] },
        edge,
        databases: postgres,
        gpus: { nvidia: nvidia.gpu },
    };
    watch(config, platform, { storageClass: ceph.blockClass, flux });
    edge.expose(
        "hubble",
        { host: monitoring.hubbleHost, access: "local" },
        { workload: "hubble", namespace: "kube-system", service: "hubble-ui", port: 80 },
        { provider: kubernetes, dependsOn: [cilium, gateway] },
    );
    deployApps(config, (app) => deliveries.platform(app, platform));
    if (config.tailscale !== undefined) {
        new SubnetRouter(
            "tailnet",
            {
                cluster,
                namespace: namespaces.name("tailscale"),
                tailnet: config.tailscale.tailnet,
                oauth: {
                    clientId: bootstrapSecrets.value(SECRETS.tailscaleClientId),
                    clientSecret: bootstrapSecrets.value(SECRETS.tailscaleClientSecret),
                },
                tag: config.tailscale.tag,
                pool: cidrRange(network.pool),
                exposures: edge.exposures,
                policy: config.tailscale.policy,
                ...(config.tailscale.ci === undefined
                    ? {}
                    : { ci: { ...config.tailscale.ci, machines: chongusCiMachines(config) } }),
            },
            afterCore,
        );
    }
    tunnel?.publish(edge.exposures);
    if (deliveries.gitApps.length > 0) {
        new FluxApps("flux-apps", { sync: flux, apps: deliveries.gitApps }, platform.opts);
    }

    return {
        kubeconfig: cluster.kubeconfig,
        exposures: edge.exposures,
        volumes: storage.rows,
        delivery: deliveries.record,
        ...(network.announce === "routed" ? { routes: staticRoutes(network.pool, config.nodes) } : {}),
        ...(externalDns === undefined
            ? {}
            : {
                  dns: externalDnsRows(
                      edge.exposures,
                      config.domain,
                      tunnel === undefined ? undefined : "<tunnel-id>.cfargotunnel.com",
                  ),
              }),
    };
}

/** Observability: metrics, logs, dashboards, alerts. */
function watch(
    { monitoring }: ChongusConfig,
    platform: Platform,
    { storageClass, flux }: { storageClass: pulumi.Output<string>; flux: FluxSync },
): void {
    const namespace = platform.namespaces.name(OBSERVABILITY);
    const { opts } = platform;
    const prometheus = new Prometheus(
        "prometheus",
        {
            namespace: OBSERVABILITY,
            cluster: platform.cluster.name,
            retention: monitoring.retention,
            storage: monitoring.storage,
            storageClass,
            bucket: monitoring.thanos,
            hosts: { prometheus: monitoring.prometheusHost, alertmanager: monitoring.alertmanagerHost },
        },
        platform,
        opts,
    );
    new Thanos(
        "thanos",
        { namespace, namespaceName: OBSERVABILITY, objectStore: prometheus.objectStore, storageClass },
        opts,
    );
    const loki = new Loki(
        "loki",
        { namespace, bucket: monitoring.loki, storageClass, secrets: platform.secrets },
        opts,
    );
    new Alloy("alloy", { namespace }, pulumi.mergeOptions(opts, { dependsOn: loki }));
    new Grafana("grafana", { namespace: OBSERVABILITY, host: monitoring.grafanaHost }, platform, opts);
    new Blackbox("blackbox", { namespace, probes: monitoring.probes }, opts);
    for (const [room, address] of Object.entries(monitoring.awair)) {
        awairExporter(platform, { namespace: OBSERVABILITY, room, address }, {});
    }
    graphiteExporter(platform, { namespace: OBSERVABILITY, address: monitoring.graphiteAddress }, {});
    new Alerts(
        "alerts",
        { namespace, namespaceName: OBSERVABILITY, fluxNamespace: flux.namespace },
        pulumi.mergeOptions(opts, { dependsOn: [flux, prometheus] }),
    );
}

/** API keys that two workloads share, in the secret store. */
const API_KEYS = { sonarr: "sonarr.apiKey", radarr: "radarr.apiKey" } as const;

function deployApps({ apps }: ChongusConfig, on: (app: keyof ChongusConfig["apps"]) => Platform): void {
    if (apps["echo-server"] !== undefined) echoServer(on("echo-server"), apps["echo-server"]);
    if (apps.jellyfin !== undefined) jellyfin(on("jellyfin"), { ...apps.jellyfin, gpu: "nvidia" });
    if (apps.paperless !== undefined) paperless(on("paperless"), apps.paperless);
    if (apps.ollama !== undefined) ollama(on("ollama"), { ...apps.ollama, gpu: "nvidia" });
    const downloads = apps.sabnzbd && sabnzbd(on("sabnzbd"), apps.sabnzbd);
    const indexers = apps.prowlarr && prowlarr(on("prowlarr"), apps.prowlarr);
    const partners = [indexers, downloads].flatMap((partner) => (partner === undefined ? [] : [partner.url]));
    const series = apps.sonarr && sonarr(on("sonarr"), { ...apps.sonarr, apiKey: API_KEYS.sonarr }, partners);
    const films = apps.radarr && radarr(on("radarr"), { ...apps.radarr, apiKey: API_KEYS.radarr }, partners);
    if (apps.recyclarr !== undefined && series !== undefined && films !== undefined) {
        recyclarr(on("recyclarr"), {
            ...apps.recyclarr,
            sonarr: { url: series.url, apiKey: API_KEYS.sonarr },
            radarr: { url: films.url, apiKey: API_KEYS.radarr },
        });
    }
}

/** The machines, and what is asked of them. */
export function chongusMachines(config: ChongusConfig, root: string): TalosClusterArgs {
    const { talos, network, storage, nodes } = config;
    return {
        clusterName: "chongus",
        nodes,
        talosVersion: talos.version,
        kubernetesVersion: talos.kubernetes,
        vip: talos.vip,
        subnet: talos.subnet,
        gateway: talos.gateway,
        nameservers: talos.nameservers,
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
        localHostpath: storage.localHostpath,
        secretsFile: talos.secretsFile,
        root,
    };
}

/** What continuous integration speaks to: each machine's Talos and API server, and the address they share. */
function chongusCiMachines({ nodes, talos }: ChongusConfig) {
    const machines = nodes.map(({ address }) => ({ address, ports: [6443, 50000] }));
    return [...machines, { address: talos.vip, ports: [6443] }];
}

function poolArgs({ pool, announce, bgp }: ChongusConfig["network"]) {
    return { pool, announce, ...(bgp === undefined ? {} : { bgp }) };
}

/** What this program itself needs; everything in the cluster comes from Doppler. */
const SECRETS = {
    dopplerToken: "doppler.serviceToken",
    cloudflareToken: "cloudflare.apiToken",
    tailscaleClientId: "tailscale.oauthClientId",
    tailscaleClientSecret: "tailscale.oauthClientSecret",
} as const;

function bootstrapRefs(config: ChongusConfig): string[] {
    return [
        SECRETS.dopplerToken,
        ...(config.cloudflare === undefined ? [] : [SECRETS.cloudflareToken]),
        ...(config.tailscale === undefined ? [] : [SECRETS.tailscaleClientId, SECRETS.tailscaleClientSecret]),
    ];
}

/** What the secrets file must hold for this configuration. */
export function chongusSecrets(config: ChongusConfig): SecretsFile {
    return { path: config.secrets.sopsFile, refs: bootstrapRefs(config) };
}

/** The machines' own secrets: the output of `talosctl gen secrets`. */
export function talosSecrets({ talos }: ChongusConfig): SecretsFile {
    return { path: talos.secretsFile, refs: TALOS_SECRETS, encoding: "base64" };
}

/** The accounts this configuration names. */
export function chongusClouds({ cloudflare: account, tailscale: net, domain, secrets }: ChongusConfig): CloudAccounts {
    return {
        ...(account === undefined
            ? {}
            : {
                  cloudflare: {
                      accountId: account.accountId,
                      zoneId: account.zoneId,
                      domain,
                      apiToken: SECRETS.cloudflareToken,
                  },
              }),
        ...(net === undefined
            ? {}
            : {
                  tailscale: {
                      tailnet: net.tailnet,
                      clientId: SECRETS.tailscaleClientId,
                      clientSecret: SECRETS.tailscaleClientSecret,
                  },
              }),
        doppler: { ...secrets.doppler, serviceToken: SECRETS.dopplerToken },
    };
}

function cloudProviders(config: ChongusConfig, secrets: SopsSecretStore): pulumi.ProviderResource[] {
    const providers: pulumi.ProviderResource[] = [];
    if (config.cloudflare !== undefined) {
        providers.push(new cloudflare.Provider("cloudflare", { apiToken: secrets.value(SECRETS.cloudflareToken) }));
    }
    if (config.tailscale !== undefined) {
        providers.push(
            new tailscale.Provider("tailscale", {
                oauthClientId: secrets.value(SECRETS.tailscaleClientId),
                oauthClientSecret: secrets.value(SECRETS.tailscaleClientSecret),
                tailnet: config.tailscale.tailnet,
            }),
        );
    }
    return providers;
}

/** The machines as Kubernetes sees them. */
export function chongusNodes({ nodes, talos }: ChongusConfig): NodeInfo[] {
    return nodes.map(({ name, address, capacity, gpus, systemDisk, osdDisks, mac }) => ({
        name,
        address,
        labels: {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "node-role.kubernetes.io/control-plane": "",
            ...(gpus > 0 ? NVIDIA_NODE_LABEL : {}),
        },
        capacity,
        gpus,
        kubeletVersion: `v${talos.kubernetes}`,
        osImage: `Talos (${talos.version})`,
        hardware: { disks: [systemDisk, ...osdDisks], mac },
    }));
}

/** The bootstrap stages in the seed's order. */
export function chongusStages(config: ChongusConfig): Stage[] {
    return [
        { title: "0 Talos", component: "talos" },
        { title: "1 CRDs", component: "crds" },
        { title: "2 Cilium", component: "cilium" },
        { title: "2 CoreDNS", component: "coredns" },
        { title: "2 cert-manager", component: "cert-manager" },
        { title: "2 flux-operator", component: "flux-operator" },
        { title: "2 CloudNativePG", component: "cloudnative-pg" },
        { title: "2 Rook", component: "rook-ceph" },
        { title: "3 External Secrets", component: "external-secrets" },
        { title: "3 Doppler", component: "doppler" },
        { title: "4 Flux", component: "flux" },
        { title: "Ceph", component: "ceph" },
        { title: "gateways", component: "envoy-gateway" },
        ...(config.cloudflare === undefined ? [] : [{ title: "Cloudflare tunnel", component: "tunnel" }]),
        { title: "PostgreSQL", component: "postgres" },
        { title: "metrics", component: "prometheus" },
    ];
}
