/** Ubuntu machines with k3s, top to bottom in bootstrap order (seed 003); k3s itself: docs/k3s.md. */
import { lookAtK3s, K3sCluster } from "../bootstrap/k3s/k3s-cluster";
import { CustomResourceDefinitions } from "../components/cluster/custom-resource-definitions";
import { Namespaces } from "../components/cluster/namespaces";
import { RELOAD_ANNOTATIONS, Reloader } from "../components/cluster/reloader";
import { crds } from "../components/crds";
import { CloudNativePg } from "../components/database/cloudnative-pg";
import { CertManager } from "../components/edge/cert-manager";
import { FluxOperator } from "../components/gitops/flux";
import { cidrRange } from "../components/network/addresses";
import { Cilium, K3S_LOCAL_API } from "../components/network/cilium";
import type { Platform } from "../components/platform";
import { lookForFluxAgeKey } from "../components/secrets/flux-age-key";
import { LONGHORN_UI } from "../components/storage/longhorn";
import { accountSecrets } from "../lab/accounts";
import { appAddresses, appNamespaces, appSecrets } from "../lab/apps";
import { authentik, authentikNamespaces, authentikSecrets, operatorPage, trusted } from "../lab/authentik";
import { challengeOf, ciliumGatewayWays, GATEWAY_NAMESPACE, gatewaySecrets } from "../lab/cilium-gateway";
import type { StackSummary } from "../lab/context";
import { fluxApps, fluxSync, sharedNamespaces, type PlatformParts } from "../lab/flux";
import { gpuBundles, gpuNotes, hasGpu } from "../lab/gpus";
import { k3sGpus } from "../lab/k3s-gpus";
import { k3sCiMachines, k3sCluster, k3sMachines, k3sSecretRefs, k3sSecrets } from "../lab/k3s-machines";
import type { Lab } from "../lab/lab";
import { hasLonghorn, longhornMachines, longhornStorage, tiersOf } from "../lab/longhorn";
import { OBSERVABILITY, observabilityClients, observabilitySecrets, watch } from "../lab/observability";
import { DATABASE, postgresSecrets, postgresServer } from "../lab/postgres";
import { defineStack } from "../lab/recipe";
import { TAILNET_NAMESPACE, tailnetRouter } from "../lab/tailnet";
import { veleroBackups, veleroSecrets } from "../lab/velero";
import {
    gatewayHosts,
    hasLonghornPage,
    k3sHomeClaims,
    k3sHomeDefaults,
    k3sHomeOffers,
    k3sHomeRules,
    k3sHomeSchema,
    type K3sHomeConfig,
} from "./k3s-home.schema";

export const k3sHome = defineStack<K3sHomeConfig>({
    name: "k3s-home",
    special: (config) =>
        [
            "Cilium's Gateway API",
            hasLonghorn(config) ? "Longhorn" : "no Longhorn: data on local disks",
            config.backups && "Velero",
            config.authentik && "authentik",
            config.postgres && "CloudNativePG",
            config.gitops && "Flux",
            ...(["nvidia", "intel"] as const).map((maker) => hasGpu(config, maker) && `GPUs by ${maker}`),
        ]
            .filter((part) => typeof part === "string")
            .join(", "),
    schema: k3sHomeSchema,
    defaults: k3sHomeDefaults,
    rules: k3sHomeRules,
    offers: k3sHomeOffers,
    claims: k3sHomeClaims,
    secrets: (config) => [
        {
            path: config.secrets.sopsFile,
            refs: [
                ...accountSecrets(config),
                ...k3sSecretRefs(config),
                ...gatewaySecrets(config),
                ...veleroSecrets(config),
                ...postgresSecrets(config),
                ...authentikSecrets(config),
                ...observabilitySecrets(config.monitoring),
                ...appSecrets(config.apps),
            ],
        },
    ],
    machines: (config, name) => k3sMachines(config, name, longhornMachines(config)),
    machinesText: ({ nodes }) => `${nodes.length} ${nodes.length === 1 ? "machine" : "machines"} with Ubuntu`,
    serviceCidr: ({ network }) => network.serviceCidr,
    program,
});

async function program(config: K3sHomeConfig, lab: Lab): Promise<StackSummary> {
    const { network, gitops } = config;
    const machines = k3sCluster(config, lab.name, longhornMachines(config));
    const facts = await lab.look(lookAtK3s(machines), { machines: `the machines of ${lab.name}`, silent: "warn" });
    const decryption = gitops?.decryption;
    const fluxKey = decryption && (await lookForFluxAgeKey(config.secrets.sopsFile, decryption.recipient));
    // What is asked of machines is asked of those that are there.
    const nodes = config.nodes.filter(({ name }) => !facts.absent.includes(name));
    const present = { ...config, nodes };
    const k3s = lab.stage("0 k3s", new K3sCluster("k3s", machines, k3sSecrets(config, lab.secrets), facts));
    const { lan, podCidr, serviceCidr } = network;
    const cluster = lab.connect(k3s, { lan, podCidr, serviceCidr });

    // CRDs that objects of several charts need, before any chart.
    const definitions = lab.stage(
        "1 CRDs",
        new CustomResourceDefinitions("crds", { cluster, bundles: bundles(config) }, lab.after(k3s)),
    );
    const cilium = lab.stage(
        "2 Cilium",
        new Cilium(
            "cilium",
            {
                cluster,
                apiServer: K3S_LOCAL_API,
                nodeCount: nodes.length,
                profile: { kind: "tunnel", announce: network.announce },
            },
            lab.after(definitions),
        ),
    );
    const certManager = lab.stage(
        "3 cert-manager",
        new CertManager("cert-manager", { gatewayApi: challengeOf(config) === "http01" }, lab.after(cilium)),
    );
    const cnpg =
        config.postgres &&
        lab.stage("3 CloudNativePG", new CloudNativePg("cloudnative-pg", {}, lab.after(certManager)));
    const core = cnpg ?? certManager;
    const afterCore = lab.after(core);
    const { secrets } = lab;

    // Disks before whatever keeps data, backups before the first claim: each looks whether there is one of it.
    let velero: ReturnType<typeof veleroBackups>;
    const disks = longhornStorage(
        lab,
        present,
        {
            cluster,
            monitoring: true,
            backups: ({ longhorn }) => {
                velero =
                    longhorn &&
                    veleroBackups(
                        lab,
                        config,
                        { cluster, secrets, snapshotClass: longhorn.snapshotClass },
                        lab.after(core, longhorn),
                    );
                return velero?.backups;
            },
        },
        afterCore,
    );
    const { storage, volumes } = disks;
    const { gpus, layers: gpuLayers } = k3sGpus(present, cluster, afterCore);
    const namespaces = new Namespaces(
        "namespaces",
        {
            // The libraries are NFS volumes, which the restricted level does not know.
            ...appNamespaces(config.apps, "baseline"),
            ...authentikNamespaces(config),
            ...(config.postgres === undefined ? {} : { [DATABASE]: "restricted" as const }),
            [GATEWAY_NAMESPACE]: "restricted",
            // node-exporter reads the host.
            [OBSERVABILITY]: "privileged",
            system: "restricted",
            ...(config.tailscale === undefined ? {} : { [TAILNET_NAMESPACE]: "restricted" as const }),
        },
        // Deleted before what their claims and backups live on.
        lab.after(core, ...disks.layers, ...(velero === undefined ? [] : [velero.velero]), ...gpuLayers),
    );
    new Reloader("reloader", { namespace: namespaces.name("system") }, afterCore);

    const host = { cluster, opts: afterCore, namespaces, storage, secrets, reloadAnnotations: RELOAD_ANNOTATIONS };
    const ways = ciliumGatewayWays(lab, config, {
        host,
        cilium,
        certManager,
        core: [core],
        nodes: nodes.map(({ name, address, role }) => ({ name, address, controlPlane: role === "server" })),
        hosts: gatewayHosts(config).map(([, label]) => label),
        pinned: appAddresses(config.apps).map(([, address]) => address),
    });
    const { pool, gateway } = ways;
    const postgres =
        cnpg &&
        postgresServer(
            lab,
            config,
            { operator: cnpg, namespace: namespaces.name(DATABASE), storageClass: volumes.className, secrets, cluster },
            afterCore,
        );
    const afterGateway = lab.after(core, pool, gateway);
    const identity = authentik(
        lab,
        config,
        { host, edge: ways.edge, databases: postgres, clients: pages(config), monitored: true },
        afterGateway,
    );
    const platform: Platform = {
        ...host,
        // Addresses come from the pool.
        opts: afterGateway,
        edge: identity?.edge ?? ways.edge,
        ...(identity === undefined ? {} : { identity }),
        ...(postgres === undefined ? {} : { databases: postgres }),
        gpus,
    };
    // What this program brings stands: Git's turn.
    const fluxOperator = gitops && lab.stage("8 flux-operator", new FluxOperator("flux-operator", {}, afterGateway));
    const parts = platformParts(config);
    const flux =
        fluxOperator &&
        fluxSync(
            lab,
            config,
            { cluster, operator: fluxOperator, ageKey: fluxKey, parts },
            lab.after(fluxOperator, gateway, ...disks.layers, ...gpuLayers, identity),
        );
    watch(lab, config.monitoring, platform, {
        storageClass: volumes.className,
        groups: alertGroups(config),
        // Grafana itself asks authentik by TLS.
        grafanaLogin: trusted(config) ? "identity" : "own",
        nodes: nodes.map(({ name, address, optional }) => ({ name, address, optional })),
        servers: config.storage.nfs === undefined ? {} : { nfs: `${config.storage.nfs.server}:2049` },
        ...(flux === undefined ? {} : { flux: { sync: flux, sharedNamespaces: sharedNamespaces(config, parts) } }),
    });
    const auth = identity === undefined ? "none" : "forward";
    platform.edge.expose(
        "hubble",
        { host: config.monitoring.hubbleHost, access: "local", auth },
        { workload: "hubble", namespace: "kube-system", service: "hubble-ui", port: 80 },
        lab.objectAfter(cilium, gateway),
    );
    if (hasLonghornPage(config)) {
        const { namespace, service, port } = LONGHORN_UI;
        platform.edge.expose(
            "longhorn",
            { host: config.storage.host, access: "local", auth },
            { workload: "longhorn", namespace, service, port },
            lab.objectAfter(gateway, ...disks.layers),
        );
    }
    lab.deploy(platform);
    lab.exposures.seal();
    const tailnet = { cluster, namespaces, pool: cidrRange(network.pool), machines: k3sCiMachines(config) };
    tailnetRouter(lab, config.tailscale, tailnet, afterCore);
    const published = ways.publish();
    fluxApps(lab, flux, platform.opts);
    return lab.summary({ volumes: storage.rows, notes: notes(config), ...published });
}

/** What its charts and its own objects need before any of them. */
const bundles = (config: K3sHomeConfig) => [
    crds.gatewayApi,
    crds.prometheus,
    crds.snapshots,
    ...(config.backups === undefined ? [] : [crds.velero]),
    ...gpuBundles(config),
];

/** Pages of the platform itself. Those that ask nobody who he is operators reach through authentik. */
const pages = (config: K3sHomeConfig) => [
    ...observabilityClients(config.monitoring).filter(({ login }) => login.kind === "forward" || trusted(config)),
    operatorPage({
        name: "hubble",
        title: "flows of the network",
        host: config.monitoring.hubbleHost,
        upstream: "http://hubble-ui.kube-system.svc.cluster.local:80",
    }),
    ...(hasLonghornPage(config)
        ? [
              operatorPage({
                  name: "longhorn",
                  title: "volumes and disks",
                  host: config.storage.host,
                  upstream: `http://${LONGHORN_UI.service}.${LONGHORN_UI.namespace}.svc.cluster.local:${LONGHORN_UI.port}`,
              }),
          ]
        : []),
];

const alertGroups = ({ postgres, gitops }: K3sHomeConfig) => [
    ...(postgres === undefined ? [] : (["cloudnative-pg"] as const)),
    "probes" as const,
    ...(gitops === undefined ? [] : (["flux"] as const)),
];

/** What Flux leaves alone, by the names of trees like the seed's. */
const platformParts = (config: K3sHomeConfig): PlatformParts => ({
    namespaces: [
        "cert-manager",
        "cnpg-system",
        DATABASE,
        "flux-system",
        GATEWAY_NAMESPACE,
        OBSERVABILITY,
        "monitoring",
        "system",
        "longhorn-system",
        "velero",
        "authentik",
        TAILNET_NAMESPACE,
        "local-path-storage",
        ...(hasGpu(config, "nvidia") ? ["nvidia"] : []),
        ...(hasGpu(config, "intel") ? ["intel", "nfd"] : []),
    ],
    names: [
        "auth",
        "authentik",
        "cilium-config",
        "gateway-api",
        "intel-gpu-plugin",
        "longhorn",
        "longhorn-system",
        "monitoring",
        "node-feature-discovery",
        "nvidia-gpu-plugin",
        "velero",
    ],
});

function notes(config: K3sHomeConfig): string[] {
    return [
        ...gpuNotes(config),
        ...tiersOf(config)
            .filter(({ replicas }) => replicas === 1)
            .map(
                ({ name, nodes }) =>
                    `Volumes of the tier ${name} have one replica, on ${nodes.join(" or ")}: they are as safe as that machine.`,
            ),
    ];
}
