/** Machines with Talos, top to bottom in bootstrap order (seed 002); Talos itself: docs/talos.md. */
import { TALOS_SECRETS } from "../bootstrap/talos/secrets-bundle";
import { lookAtTalos, TalosCluster } from "../bootstrap/talos/talos-cluster";
import { CustomResourceDefinitions } from "../components/cluster/custom-resource-definitions";
import { MetricsServer } from "../components/cluster/metrics-server";
import { Namespaces } from "../components/cluster/namespaces";
import { RELOAD_ANNOTATIONS, Reloader } from "../components/cluster/reloader";
import { crds } from "../components/crds";
import { CloudNativePg } from "../components/database/cloudnative-pg";
import { CertManager } from "../components/edge/cert-manager";
import { GATEWAY_NAMESPACE } from "../components/edge/envoy-gateway";
import { DNS_TOKEN_REF } from "../components/edge/lets-encrypt";
import { FluxOperator } from "../components/gitops/flux";
import { cidrRange } from "../components/network/addresses";
import { Cilium, KUBE_PRISM } from "../components/network/cilium";
import { staticRoutes } from "../components/network/cilium-pool";
import { CoreDns } from "../components/network/coredns";
import type { Platform } from "../components/platform";
import { ExternalSecretStore } from "../components/secrets/external-secret-store";
import { RookOperator } from "../components/storage/rook-operator";
import { accountSecrets } from "../lab/accounts";
import { appSecrets } from "../lab/apps";
import { backupSecrets, cephNotes, hasCeph, modelNamespaces, shareModels } from "../lab/ceph-storage";
import type { StackSummary } from "../lab/context";
import { DOPPLER_TOKEN, dopplerStore } from "../lab/doppler";
import { envoyWays } from "../lab/envoy";
import { fluxAgeKey, fluxApps, fluxSync, sharedNamespaces, talosParts } from "../lab/flux";
import { gpuBundles, hasGpu, talosGpus } from "../lab/gpus";
import type { Lab } from "../lab/lab";
import { clusterNamespaces } from "../lab/namespaces";
import { alertGroups, observabilitySecrets, watch } from "../lab/observability";
import { exposePage, hubblePage } from "../lab/pages";
import { machinesWith } from "../lab/parts";
import { DATABASE, postgresSecrets, postgresServers } from "../lab/postgres";
import { defineStack } from "../lab/recipe";
import { tailnetRouter } from "../lab/tailnet";
import { ciMachines, talosCluster, talosMachines } from "../lab/talos-machines";
import { talosStorage } from "../lab/talos-storage";
import {
    chongusClaims,
    chongusDefaults,
    chongusOffers,
    chongusRules,
    chongusSchema,
    chongusVolumes,
    type ChongusConfig,
} from "./chongus.schema";

export const chongus = defineStack<ChongusConfig>({
    name: "chongus",
    special: (config) => [
        hasCeph(config) ? "Rook-Ceph" : "no Ceph: data on local disks",
        "Envoy Gateway",
        config.secrets.doppler && "Doppler with External Secrets",
        config.backups && "VolSync",
        config.postgres && "CloudNativePG",
        config.gitops && "Flux",
        hasGpu(config, "intel") && "Intel GPUs",
        config.monitoring.thanos === undefined ? "Prometheus" : "Prometheus with Thanos",
        config.phaseOut && `being phased out to ${config.phaseOut.to}`,
    ],
    schema: chongusSchema,
    defaults: chongusDefaults,
    rules: chongusRules,
    offers: chongusOffers,
    claims: chongusClaims,
    secrets: (config) => [
        {
            path: config.secrets.sopsFile,
            refs: [
                ...accountSecrets(config),
                ...(config.secrets.doppler === undefined ? clusterSecrets(config) : [DOPPLER_TOKEN]),
            ],
        },
        // The machines' own secrets: the output of `talosctl gen secrets`.
        { path: config.talos.secretsFile, refs: TALOS_SECRETS, encoding: "base64" },
    ],
    clouds: ({ secrets: { doppler } }) =>
        doppler === undefined ? {} : { doppler: { ...doppler, serviceToken: DOPPLER_TOKEN } },
    machines: talosMachines,
    machinesText: ({ nodes }) => machinesWith(nodes, "Talos"),
    serviceCidr: ({ network }) => network.serviceCidr,
    program,
});

async function program(config: ChongusConfig, lab: Lab): Promise<StackSummary> {
    const { network, gitops } = config;

    const talosArgs = { ...talosCluster(config, lab.name), root: lab.root };
    const facts = await lab.look(lookAtTalos(talosArgs), { machines: `the machines of ${lab.name}`, silent: "warn" });
    const fluxKey = await fluxAgeKey(config);
    const talos = lab.stage("0 Talos", new TalosCluster("talos", talosArgs, facts));
    const { podCidr, serviceCidr } = network;
    const cluster = lab.connect(talos, { lan: config.talos.subnet, podCidr, serviceCidr });

    // CRDs that objects of several charts need, before any chart.
    const definitions = lab.stage(
        "1 CRDs",
        new CustomResourceDefinitions("crds", { cluster, bundles: bundles(config) }, lab.after(talos)),
    );
    // The core: the pod network first, then what the rest stands on, in the seed's order.
    const cilium = lab.stage(
        "2 Cilium",
        new Cilium(
            "cilium",
            {
                cluster,
                apiServer: KUBE_PRISM,
                nodeCount: config.nodes.length,
                profile: { kind: "native-routing", nativeRoutingCidr: podCidr, announce: network.announce },
            },
            lab.after(definitions),
        ),
    );
    const coreDns = lab.stage("2 CoreDNS", new CoreDns("coredns", { serviceCidr }, lab.after(cilium)));
    const certManager = lab.stage("2 cert-manager", new CertManager("cert-manager", {}, lab.after(coreDns)));
    const fluxOperator =
        gitops && lab.stage("2 flux-operator", new FluxOperator("flux-operator", {}, lab.after(certManager)));
    const cnpg =
        config.postgres &&
        lab.stage("2 CloudNativePG", new CloudNativePg("cloudnative-pg", {}, lab.after(certManager, fluxOperator)));
    const rook = hasCeph(config)
        ? lab.stage(
              "2 Rook",
              new RookOperator(
                  "rook-ceph",
                  { cluster, monitoring: true },
                  lab.after(cnpg ?? fluxOperator ?? certManager),
              ),
          )
        : undefined;
    // The last of the operators that there are: whatever depends on it is deleted before all of them.
    const operators = rook ?? cnpg ?? fluxOperator ?? certManager;
    // The one secret that comes from outside, and the store that brings all others.
    const doppler = config.secrets.doppler && dopplerStore(lab, config.secrets.doppler, operators);
    const secrets = doppler === undefined ? lab.secrets : new ExternalSecretStore(doppler);
    const core = doppler ?? operators;
    // Git takes over what is not declared here.
    const parts = talosParts(config);
    const flux =
        fluxOperator &&
        fluxSync(lab, config, { cluster, operator: fluxOperator, ageKey: fluxKey, parts }, lab.after(core));

    // Everything else stands on these and not on each other.
    const afterCore = lab.after(core);
    const disksOf = talosStorage(lab, config, { cluster, rook }, afterCore);
    const namespaces = new Namespaces(
        "namespaces",
        { ...modelNamespaces(config.storage.models), ...clusterNamespaces(config, GATEWAY_NAMESPACE) },
        // Deleted before what their claims and backups live on.
        lab.after(core, ...disksOf.layers),
    );
    const { volumes, filesystem } = disksOf;
    const storage = disksOf.storage(secrets);
    shareModels({ storage, filesystem }, config.storage.models, namespaces, afterCore);
    new Reloader("reloader", { namespace: namespaces.name("system") }, afterCore);
    const { gpus, layers: gpuLayers } = talosGpus(config, cluster, afterCore);
    // Deleted before every namespace there is, these and those below them.
    new MetricsServer("metrics-server", {}, lab.after(namespaces, ...gpuLayers));

    const host = { cluster, opts: afterCore, namespaces, storage, secrets, reloadAnnotations: RELOAD_ANNOTATIONS };
    const ways = envoyWays(lab, config, { host, cilium, certManager, core });
    const { edge, pool, gateway } = ways;
    const postgres =
        cnpg &&
        postgresServers(
            lab,
            config,
            {
                operator: cnpg,
                namespace: namespaces.name(DATABASE),
                storageClass: volumes.className,
                secrets,
                cluster,
                machines: config.nodes.length,
            },
            afterCore,
        );
    const platform: Platform = {
        ...host,
        // Addresses come from the pool. With a route gone its records must still be removed: gateway and external-dns go later.
        opts: lab.after(core, pool, gateway),
        edge,
        ...(postgres === undefined ? {} : { databases: postgres }),
        gpus,
    };
    watch(lab, config.monitoring, platform, {
        storageClass: volumes.className,
        groups: alertGroups(config, config.backups === undefined ? [] : ["volsync"]),
        nodes: config.nodes,
        ...(flux === undefined ? {} : { flux: { sync: flux, sharedNamespaces: sharedNamespaces(config, parts) } }),
    });
    exposePage(edge, hubblePage(config.monitoring), "none", lab.objectAfter(cilium, gateway));
    lab.deploy(platform);
    const exposures = lab.exposures.seal();
    const tailnet = { cluster, namespaces, pool: cidrRange(network.pool), machines: ciMachines(config) };
    tailnetRouter(lab, config.tailscale, tailnet, afterCore);
    ways.tunnel?.publish(exposures);
    fluxApps(lab, flux, platform.opts);
    return lab.summary({
        volumes: storage.rows,
        notes: cephNotes(config, chongusVolumes(config)),
        ...(network.announce === "routed" ? { routes: staticRoutes(network.pool, config.nodes) } : {}),
        ...ways.records(),
    });
}

/** What its charts and the seed's own objects need (seed 002, Bootstrap Phases 1); other clusters have other bundles. */
const bundles = (config: ChongusConfig) => [
    crds.gatewayApi,
    ...(config.cloudflare === undefined ? [] : [crds.externalDns]),
    crds.keda,
    crds.prometheus,
    ...(config.secrets.doppler === undefined ? [] : [crds.externalSecrets]),
    crds.envoyGateway,
    crds.snapshots,
    ...gpuBundles(config),
];

/** Values of the secret store; without Doppler they stand in the SOPS file. */
function clusterSecrets(config: ChongusConfig): string[] {
    return [
        ...appSecrets(config.apps),
        ...observabilitySecrets(config.monitoring),
        ...(config.certificates === undefined && config.cloudflare === undefined ? [] : [DNS_TOKEN_REF]),
        ...postgresSecrets(config),
        ...backupSecrets(config),
    ];
}
