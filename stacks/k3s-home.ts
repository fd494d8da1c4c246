/** Ubuntu machines with k3s, top to bottom in bootstrap order (seed 003); k3s itself: docs/k3s.md. */
import { lookAtK3s, K3sCluster } from "../bootstrap/k3s/k3s-cluster";
import { CustomResourceDefinitions } from "../components/cluster/custom-resource-definitions";
import { Namespaces } from "../components/cluster/namespaces";
import { CertManager } from "../components/edge/cert-manager";
import { FluxOperator } from "../components/gitops/flux";
import { textRange } from "../components/network/addresses";
import { Cilium, K3S_LOCAL_API } from "../components/network/cilium";
import type { Platform } from "../components/platform";
import { accountSecrets } from "../lab/accounts";
import { appAddresses } from "../lab/apps";
import { authentik, trusted } from "../lab/authentik";
import { challengeOf, ciliumGatewayWays } from "../lab/cilium-gateway";
import type { StackSummary } from "../lab/context";
import { fluxAgeKey, fluxApps, fluxSync, k3sParts, sharedNamespaces } from "../lab/flux";
import { hasGpu } from "../lab/gpus";
import { k3sGpus } from "../lab/k3s-gpus";
import {
    k3sCiMachines,
    k3sCluster,
    k3sMachines,
    k3sSecretRefs,
    k3sSecrets,
    openToPods,
    workers,
} from "../lab/k3s-machines";
import type { Lab } from "../lab/lab";
import { hasLonghorn, longhornMachines } from "../lab/longhorn";
import { backedUpStorage } from "../lab/longhorn-backups";
import { alertGroups, observabilityClients, watch } from "../lab/observability";
import { exposePage, hubblePage, longhornPages, pageClients } from "../lab/pages";
import { machinesWith } from "../lab/parts";
import { everySecret } from "../lab/platform-parts";
import { postgresOperator, postgresServers } from "../lab/postgres";
import { defineStack } from "../lab/recipe";
import { tailnetRouter } from "../lab/tailnet";
import { workloadHost } from "../lab/workload-host";
import { present } from "../lib/present";
import {
    gatewayHosts,
    k3sHomeDefaults,
    k3sHomeFollows,
    k3sHomeOffers,
    k3sHomeParts,
    k3sHomeRules,
    k3sHomeSchema,
    type K3sHomeConfig,
} from "./k3s-home.schema";

export const k3sHome = defineStack<K3sHomeConfig>({
    name: "k3s-home",
    special: (config) => [
        "Cilium's Gateway API",
        hasLonghorn(config) ? "Longhorn" : "no Longhorn: data on local disks",
        config.backups && "Velero",
        config.authentik && "authentik",
        config.postgres && "CloudNativePG",
        config.gitops && "Flux",
        hasGpu(config, "nvidia") && "NVIDIA GPUs",
        hasGpu(config, "intel") && "Intel GPUs",
    ],
    schema: k3sHomeSchema,
    defaults: k3sHomeDefaults,
    follows: k3sHomeFollows,
    parts: k3sHomeParts,
    rules: k3sHomeRules,
    offers: k3sHomeOffers,
    secrets: (config) => [
        {
            path: config.secrets.sopsFile,
            refs: [...accountSecrets(config), ...k3sSecretRefs(config), ...everySecret(k3sHomeParts.secrets(config))],
        },
    ],
    machines: (config, name) => k3sMachines(config, name, longhornMachines(config)),
    machinesText: ({ nodes }) => machinesWith(nodes, "Ubuntu"),
    serviceCidr: ({ network }) => network.serviceCidr,
    program,
});

async function program(config: K3sHomeConfig, lab: Lab): Promise<StackSummary> {
    const { network, gitops } = config;
    const machines = k3sCluster(config, lab.name, longhornMachines(config));
    const facts = await lab.look(lookAtK3s(machines), { machines: `the machines of ${lab.name}`, silent: "warn" });
    const fluxKey = await fluxAgeKey(config);
    // What is asked of machines is asked of those that are there.
    const nodes = config.nodes.filter(({ name }) => !facts.absent.includes(name));
    const joined = { ...config, nodes };
    const k3s = lab.stage("0 k3s", new K3sCluster("k3s", machines, k3sSecrets(config, lab.secrets), facts));
    const { lan, podCidr, serviceCidr } = network;
    const cluster = lab.connect(k3s, { lan, podCidr, serviceCidr });

    // CRDs that objects of several charts need, before any chart.
    const definitions = lab.stage(
        "1 CRDs",
        new CustomResourceDefinitions("crds", { cluster, bundles: k3sHomeParts.definitions(config) }, lab.after(k3s)),
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
    const cnpg = postgresOperator(lab, config, "3 CloudNativePG", lab.after(certManager));
    const core = cnpg ?? certManager;
    const afterCore = lab.after(core);
    const { secrets } = lab;

    const disks = backedUpStorage(lab, joined, { cluster, secrets, core });
    const { storage, volumes } = disks;
    const { gpus, layers: gpuLayers } = k3sGpus({ ...joined, nodes: openToPods(nodes) }, cluster, afterCore);
    const namespaces = new Namespaces(
        "namespaces",
        k3sHomeParts.namespaces(config),
        // Deleted before what their claims and backups live on.
        lab.after(core, ...disks.layers, disks.velero, ...gpuLayers),
    );
    const host = workloadHost(lab, { cluster, namespaces, storage, secrets }, afterCore);
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
    const storageClass = volumes.className;
    const databases = postgresServers(
        lab,
        config,
        { operator: cnpg, host, storageClass, machines: workers(config.nodes).length },
        afterCore,
    );
    const afterGateway = lab.after(core, pool, gateway);
    const pages = { hubble: hubblePage(config.monitoring), longhorn: longhornPages(config) };
    const clients = [
        ...observabilityClients(config.monitoring).filter(({ login }) => login.kind === "forward" || trusted(config)),
        ...pageClients([pages.hubble, ...pages.longhorn]),
    ];
    const identity = authentik(
        lab,
        config,
        { host, edge: ways.edge, databases, clients, monitored: true },
        afterGateway,
    );
    const platform: Platform = {
        ...host,
        // Addresses come from the pool.
        opts: afterGateway,
        edge: identity?.edge ?? ways.edge,
        ...present({ identity, databases }),
        gpus,
    };
    // What this program brings stands: Git's turn.
    const fluxOperator = gitops && lab.stage("4 flux-operator", new FluxOperator("flux-operator", {}, afterGateway));
    const parts = k3sParts(config);
    const flux =
        fluxOperator &&
        fluxSync(
            lab,
            config,
            { cluster, operator: fluxOperator, ageKey: fluxKey, parts },
            // Whose namespaces it applies in, too: on destroy it takes its own out of them first.
            lab.after(fluxOperator, namespaces, gateway, ...disks.layers, ...gpuLayers, identity),
        );
    watch(lab, config.monitoring, platform, {
        storageClass,
        groups: alertGroups(config),
        // Grafana itself asks authentik by TLS.
        grafanaLogin: trusted(config) ? "identity" : "own",
        nodes: nodes.map(({ name, address, optional }) => ({ name, address, optional })),
        servers: config.storage.nfs === undefined ? {} : { nfs: `${config.storage.nfs.server}:2049` },
        ...(flux === undefined ? {} : { flux: { sync: flux, sharedNamespaces: sharedNamespaces(config, parts) } }),
    });
    const auth = identity === undefined ? "none" : "forward";
    exposePage(platform.edge, pages.hubble, auth, lab.objectAfter(cilium, gateway));
    for (const page of pages.longhorn) exposePage(platform.edge, page, auth, lab.objectAfter(gateway, ...disks.layers));
    lab.deploy(platform);
    lab.exposures.seal();
    const tailnet = { cluster, namespaces, pool: textRange(network.pool), machines: k3sCiMachines(config) };
    tailnetRouter(lab, config.tailscale, tailnet, afterCore);
    const published = ways.publish();
    fluxApps(lab, flux, platform.opts);
    return lab.summary({ volumes: storage.rows, notes: k3sHomeParts.notes(config), ...published });
}
