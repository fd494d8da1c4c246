/** Machines with Talos, top to bottom in bootstrap order (seed 002); Talos itself: docs/talos.md. */
import * as pulumi from "@pulumi/pulumi";
import { TalosMachines } from "../bootstrap/talos/machines";
import { TALOS_SECRETS } from "../bootstrap/talos/secrets-bundle";
import { lookAtTalos, TalosCluster, type TalosClusterArgs } from "../bootstrap/talos/talos-cluster";
import { VolSync } from "../components/backup/volsync";
import { CustomResourceDefinitions } from "../components/cluster/custom-resource-definitions";
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
import { FluxApps, FluxOperator, FluxSync } from "../components/gitops/flux";
import { NvidiaGpus } from "../components/gpu/nvidia";
import { Alerts } from "../components/monitoring/alerts";
import { Alloy } from "../components/monitoring/alloy";
import { Blackbox } from "../components/monitoring/blackbox";
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
import { lookForFluxAgeKey } from "../components/secrets/flux-age-key";
import { CephCluster } from "../components/storage/ceph-cluster";
import { CephStorage } from "../components/storage/ceph-storage";
import { OpenEbs } from "../components/storage/openebs";
import { RookOperator } from "../components/storage/rook-operator";
import { SnapshotController } from "../components/storage/snapshot-controller";
import { ACCOUNT_SECRETS, accountSecrets } from "../lab/accounts";
import { appNamespaces } from "../lab/apps";
import type { StackSummary } from "../lab/context";
import type { Lab } from "../lab/lab";
import { defineStack } from "../lab/recipe";
import { tailnetRouter } from "../lab/tailnet";
import { chongusClaims, chongusOffers, chongusRules, chongusSchema, type ChongusConfig } from "./chongus.schema";

/** Namespace of everything that watches. */
const OBSERVABILITY = "observability";

/** Namespaces of the platform, in which Flux applies nothing. In those of apps it may have some that are not declared here. */
const PLATFORM_NAMESPACES = [
    "cert-manager",
    "cnpg-system",
    "database",
    "external-secrets",
    "flux-system",
    GATEWAY_NAMESPACE,
    "nvidia",
    OBSERVABILITY,
    "openebs",
    "rook-ceph",
    "system",
    "tailscale",
    "volsync-system",
];

/** What its charts and the seed's own objects need (seed 002, Bootstrap Phases 1); other clusters have other bundles. */
const CRDS = [
    crds.gatewayApi,
    crds.externalDns,
    crds.keda,
    crds.prometheus,
    crds.externalSecrets,
    crds.envoyGateway,
    crds.snapshots,
];

/** Place of Doppler's service token: the one secret of the cluster that comes from outside. */
const DOPPLER_TOKEN = "doppler.serviceToken";

export const chongus = defineStack<ChongusConfig>({
    name: "chongus",
    special:
        "Rook-Ceph, Envoy Gateway, Doppler with External Secrets, VolSync, CloudNativePG, Flux, Prometheus with Thanos",
    schema: chongusSchema,
    rules: chongusRules,
    offers: chongusOffers,
    claims: chongusClaims,
    secrets: (config) => [
        // What this program itself needs; everything in the cluster comes from Doppler.
        { path: config.secrets.sopsFile, refs: [DOPPLER_TOKEN, ...accountSecrets(config)] },
        // The machines' own secrets: the output of `talosctl gen secrets`.
        { path: config.talos.secretsFile, refs: TALOS_SECRETS, encoding: "base64" },
    ],
    clouds: ({ secrets }) => ({ doppler: { ...secrets.doppler, serviceToken: DOPPLER_TOKEN } }),
    machines: (config, stack) =>
        new TalosMachines(
            talosCluster(config, stack),
            Object.fromEntries(config.nodes.map(({ name, capacity }) => [name, capacity])),
        ),
    machinesText: ({ nodes }) => `${nodes.length} ${nodes.length === 1 ? "machine" : "machines"} with Talos`,
    serviceCidr: ({ network }) => network.serviceCidr,
    program,
});

async function program(config: ChongusConfig, lab: Lab): Promise<StackSummary> {
    const { network, storage: disks, monitoring } = config;

    const talosArgs = { ...talosCluster(config, lab.name), root: lab.root };
    const facts = await lab.look(lookAtTalos(talosArgs), { machines: `the machines of ${lab.name}`, silent: "warn" });
    const { decryption } = config.gitops;
    const fluxKey =
        decryption === undefined ? undefined : await lookForFluxAgeKey(config.secrets.sopsFile, decryption.recipient);
    const talos = lab.stage("0 Talos", new TalosCluster("talos", talosArgs, facts));
    const cluster = lab.connect(talos, {
        lan: config.talos.subnet,
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
    });

    // 1. CRDs that objects of several charts need, before any chart.
    const definitions = lab.stage(
        "1 CRDs",
        new CustomResourceDefinitions("crds", { cluster, bundles: CRDS }, lab.after(talos)),
    );
    // 2. Core: the pod network first, then what the rest stands on, in the seed's order.
    const cilium = lab.stage(
        "2 Cilium",
        new Cilium(
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
            lab.after(definitions),
        ),
    );
    const coreDns = lab.stage(
        "2 CoreDNS",
        new CoreDns("coredns", { serviceCidr: network.serviceCidr }, lab.after(cilium)),
    );
    const certManager = lab.stage("2 cert-manager", new CertManager("cert-manager", {}, lab.after(coreDns)));
    const fluxOperator = lab.stage("2 flux-operator", new FluxOperator("flux-operator", {}, lab.after(certManager)));
    const cnpg = lab.stage(
        "2 CloudNativePG",
        new CloudNativePg("cloudnative-pg", {}, lab.after(certManager, fluxOperator)),
    );
    const rook = lab.stage("2 Rook", new RookOperator("rook-ceph", { cluster, monitoring: true }, lab.after(cnpg)));
    // 3. The one secret that comes from outside, and the store that brings all others.
    const externalSecrets = lab.stage(
        "3 External Secrets",
        new ExternalSecrets("external-secrets", {}, lab.after(rook)),
    );
    const doppler = lab.stage(
        "3 Doppler",
        new Doppler(
            "doppler",
            {
                token: lab.secrets.value(DOPPLER_TOKEN),
                ...config.secrets.doppler,
                operator: externalSecrets,
            },
            lab.after(externalSecrets),
        ),
    );
    const secrets = new DopplerSecretStore(doppler);
    // 4. Git takes over what is not declared here.
    const flux = lab.stage(
        "4 Flux",
        new FluxSync(
            "flux",
            {
                cluster,
                operator: fluxOperator,
                ...config.gitops,
                leave: {
                    platformNamespaces: PLATFORM_NAMESPACES,
                    sharedNamespaces: sharedNamespaces(config),
                    apps: Object.keys(config.apps),
                },
                ...(fluxKey === undefined ? {} : { ageKey: fluxKey }),
            },
            lab.after(doppler),
        ),
    );

    // Everything else stands on these and not on each other.
    const afterCore = lab.after(doppler);
    const snapshots = new SnapshotController("snapshot-controller", {}, afterCore);
    const ceph = lab.stage(
        "Ceph",
        new CephCluster(
            "ceph",
            {
                cluster,
                operator: rook,
                snapshots,
                nodes: config.nodes,
                confirmDataLoss: disks.confirmDataLoss !== undefined,
            },
            afterCore,
        ),
    );
    const openebs = new OpenEbs("openebs", { cluster, path: disks.localHostpath }, afterCore);
    const volsync = new VolSync("volsync", { cluster }, afterCore);
    const namespaces = new Namespaces(
        "namespaces",
        {
            // The libraries are NFS volumes, which the restricted level does not know.
            ...appNamespaces(config.apps, "baseline"),
            database: "restricted",
            [GATEWAY_NAMESPACE]: "restricted",
            // node-exporter reads the host.
            [OBSERVABILITY]: "privileged",
            system: "restricted",
            ...(config.tailscale === undefined ? {} : { tailscale: "restricted" as const }),
        },
        // Deleted before what their claims and backups live on.
        lab.after(doppler, ceph, openebs, volsync),
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
    new MetricsServer("metrics-server", {}, lab.after(namespaces, nvidia));

    // The ways in: addresses, names, certificates, gateways.
    const pool = new CiliumAddressPool("pool", { cilium, ...poolArgs(network) }, lab.after(cilium));
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
            : lab.stage(
                  "Cloudflare tunnel",
                  new CloudflareTunnel(
                      "tunnel",
                      {
                          accountId: config.cloudflare.accountId,
                          tunnel: config.cloudflare.tunnel,
                          apiToken: lab.secrets.value(ACCOUNT_SECRETS.cloudflareToken),
                          host,
                          namespace: GATEWAY_NAMESPACE,
                          origin: externalGatewayOrigin(config.domain, config.certificates.server),
                      },
                      afterCore,
                  ),
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
                      owner: lab.name,
                      ...(tunnel === undefined ? {} : { tunnelHostname: tunnel.hostname }),
                  },
                  afterCore,
              );
    const gateway = lab.stage(
        "gateways",
        new EnvoyGateway(
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
            lab.after(doppler, pool, certificate, externalDns),
        ),
    );
    const edge = new EnvoyGatewayEdge({
        gateway,
        domain: config.domain,
        internalAddress: network.internalGateway,
        externalAddress: network.externalGateway,
        hasTunnel: tunnel !== undefined,
    });

    const postgres = lab.stage(
        "PostgreSQL",
        new PostgresCluster(
            "postgres",
            {
                operator: cnpg,
                namespace: namespaces.name("database"),
                storageClass: ceph.blockClass,
                secrets,
                cluster,
                beforeDestroy: config.backups.beforeDestroy,
                ...config.postgres,
            },
            afterCore,
        ),
    );
    const platform: Platform = {
        ...host,
        // Addresses come from the pool. With a route gone its records must still be removed: gateway and external-dns go later.
        opts: lab.after(doppler, pool, gateway),
        edge,
        databases: postgres,
        gpus: { nvidia: nvidia.gpu },
    };
    watch(config, platform, { storageClass: ceph.blockClass, flux });
    edge.expose(
        "hubble",
        { host: monitoring.hubbleHost, access: "local" },
        { workload: "hubble", namespace: "kube-system", service: "hubble-ui", port: 80 },
        lab.objectAfter(cilium, gateway),
    );
    lab.deploy(platform);
    tailnetRouter(
        lab,
        config.tailscale,
        {
            cluster,
            namespaces,
            pool: cidrRange(network.pool),
            exposures: edge.exposures,
            machines: ciMachines(config),
        },
        afterCore,
    );
    tunnel?.publish(edge.exposures);
    if (lab.deliveries.gitApps.length > 0) {
        new FluxApps("flux-apps", { sync: flux, apps: lab.deliveries.gitApps }, platform.opts);
    }

    return lab.summary({
        exposures: edge.exposures,
        volumes: storage.rows,
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
    });
}

/** Namespaces that are made for apps. */
function sharedNamespaces({ apps }: ChongusConfig): string[] {
    return Object.keys(appNamespaces(apps, "baseline")).filter((name) => !PLATFORM_NAMESPACES.includes(name));
}

/** Observability: metrics, logs, dashboards, alerts. */
function watch(
    config: ChongusConfig,
    platform: Platform,
    { storageClass, flux }: { storageClass: pulumi.Output<string>; flux: FluxSync },
): void {
    const { monitoring } = config;
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
            receivers: monitoring.receivers,
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
    new Alerts(
        "alerts",
        {
            namespace,
            namespaceName: OBSERVABILITY,
            fluxNamespace: flux.namespace,
            sharedNamespaces: Object.fromEntries(
                sharedNamespaces(config).map((shared) => [shared, platform.namespaces.name(shared)]),
            ),
        },
        pulumi.mergeOptions(opts, { dependsOn: [flux, prometheus] }),
    );
}

/** The machines, and what is asked of them. */
function talosCluster(config: ChongusConfig, stack: string): Omit<TalosClusterArgs, "root"> {
    const { talos, network, storage, nodes } = config;
    return {
        clusterName: stack,
        nodes: nodes.map(({ gpus, ...node }) => ({ ...node, gpus: gpus.nvidia })),
        talosVersion: talos.version,
        kubernetesVersion: talos.kubernetes,
        vip: talos.vip,
        subnet: talos.subnet,
        gateway: talos.gateway,
        nameservers: talos.nameservers,
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
        localHostpath: storage.localHostpath,
        nfs: storage.nfs,
        secretsFile: talos.secretsFile,
    };
}

/** What continuous integration speaks to: each machine's Talos and API server, and the address they share. */
function ciMachines({ nodes, talos }: ChongusConfig) {
    const machines = nodes.map(({ address }) => ({ address, ports: [6443, 50000] }));
    return [...machines, { address: talos.vip, ports: [6443] }];
}

function poolArgs({ pool, announce, bgp }: ChongusConfig["network"]) {
    return { pool, announce, ...(bgp === undefined ? {} : { bgp }) };
}
