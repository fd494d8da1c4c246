/** Machines with Talos, top to bottom in bootstrap order (seed 002); Talos itself: docs/talos.md. */
import { TALOS_SECRETS } from "../bootstrap/talos/secrets-bundle";
import { lookAtTalos, TalosCluster } from "../bootstrap/talos/talos-cluster";
import { CustomResourceDefinitions } from "../components/cluster/custom-resource-definitions";
import { MetricsServer } from "../components/cluster/metrics-server";
import { Namespaces } from "../components/cluster/namespaces";
import { CertManager } from "../components/edge/cert-manager";
import { FluxOperator } from "../components/gitops/flux";
import { textRange } from "../components/network/addresses";
import { Cilium, KUBE_PRISM } from "../components/network/cilium";
import { staticRoutes } from "../components/network/cilium-pool";
import { CoreDns } from "../components/network/coredns";
import type { Platform } from "../components/platform";
import { ExternalSecretStore } from "../components/secrets/external-secret-store";
import { RookOperator } from "../components/storage/rook-operator";
import { accountSecrets } from "../lab/accounts";
import { hasCeph, shareModels } from "../lab/ceph-storage";
import type { StackSummary } from "../lab/context";
import { DOPPLER_TOKEN, dopplerStore } from "../lab/doppler";
import { envoyWays } from "../lab/envoy";
import { fluxAgeKey, fluxApps, fluxSync, sharedNamespaces, talosParts } from "../lab/flux";
import { hasGpu, talosGpus } from "../lab/gpus";
import type { Lab } from "../lab/lab";
import { alertGroups, watch } from "../lab/observability";
import { exposePage, hubblePage } from "../lab/pages";
import { machinesWith } from "../lab/parts";
import { everySecret } from "../lab/platform-parts";
import { postgresOperator, postgresServers } from "../lab/postgres";
import { defineStack } from "../lab/recipe";
import { tailnetRouter } from "../lab/tailnet";
import { ciMachines, talosCluster, talosMachines } from "../lab/talos-machines";
import { talosStorage } from "../lab/talos-storage";
import { workloadHost } from "../lab/workload-host";
import { present } from "../lib/present";
import {
    chongusDefaults,
    chongusFollows,
    chongusOffers,
    chongusParts,
    chongusRules,
    chongusSchema,
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
    follows: chongusFollows,
    parts: chongusParts,
    rules: chongusRules,
    offers: chongusOffers,
    secrets: (config) => [
        {
            path: config.secrets.sopsFile,
            refs: [
                ...accountSecrets(config),
                ...(config.secrets.doppler === undefined ? everySecret(chongusParts.secrets(config)) : [DOPPLER_TOKEN]),
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
        new CustomResourceDefinitions("crds", { cluster, bundles: chongusParts.definitions(config) }, lab.after(talos)),
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
    const cnpg = postgresOperator(lab, config, "2 CloudNativePG", lab.after(certManager, fluxOperator));
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
        chongusParts.namespaces(config),
        // Deleted before what their claims and backups live on.
        lab.after(core, ...disksOf.layers),
    );
    const { volumes, filesystem } = disksOf;
    const storage = disksOf.storage(secrets);
    shareModels({ storage, filesystem }, config.storage.models, namespaces, afterCore);
    const host = workloadHost(lab, { cluster, namespaces, storage, secrets }, afterCore);
    const { gpus, layers: gpuLayers } = talosGpus(config, cluster, afterCore);
    // Deleted before every namespace there is, these and those below them.
    new MetricsServer("metrics-server", {}, lab.after(namespaces, ...gpuLayers));

    const ways = envoyWays(lab, config, { host, cilium, certManager, core });
    const { edge, pool, gateway } = ways;
    const storageClass = volumes.className;
    const databases = postgresServers(
        lab,
        config,
        { operator: cnpg, host, storageClass, machines: config.nodes.length },
        afterCore,
    );
    const platform: Platform = {
        ...host,
        // Addresses come from the pool. With a route gone its records must still be removed: gateway and external-dns go later.
        opts: lab.after(core, pool, gateway),
        edge,
        ...present({ databases }),
        gpus,
    };
    watch(lab, config.monitoring, platform, {
        storageClass,
        groups: alertGroups(config, config.backups === undefined ? [] : ["volsync"]),
        nodes: config.nodes,
        ...(flux === undefined ? {} : { flux: { sync: flux, sharedNamespaces: sharedNamespaces(config, parts) } }),
    });
    exposePage(edge, hubblePage(config.monitoring), "none", lab.objectAfter(cilium, gateway));
    lab.deploy(platform);
    const exposures = lab.exposures.seal();
    const tailnet = { cluster, namespaces, pool: textRange(network.pool), machines: ciMachines(config) };
    tailnetRouter(lab, config.tailscale, tailnet, afterCore);
    ways.tunnel?.publish(exposures);
    fluxApps(lab, flux, platform.opts);
    return lab.summary({
        volumes: storage.rows,
        notes: chongusParts.notes(config),
        ...(network.announce === "routed" ? { routes: staticRoutes(network.pool, config.nodes) } : {}),
        ...ways.records(),
    });
}
