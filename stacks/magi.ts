/** Linux machines with Kubernetes by kubeadm, top to bottom in bootstrap order (seed 004); kubeadm itself: docs/kubeadm.md. */
import { KubeadmCluster, lookAtKubeadm } from "../bootstrap/kubeadm/kubeadm-cluster";
import { CustomResourceDefinitions } from "../components/cluster/custom-resource-definitions";
import { MetricsServer } from "../components/cluster/metrics-server";
import { Namespaces } from "../components/cluster/namespaces";
import { RELOAD_ANNOTATIONS, Reloader } from "../components/cluster/reloader";
import { crds } from "../components/crds";
import { CloudNativePg } from "../components/database/cloudnative-pg";
import { REDIS_ENTERPRISE_NAMESPACE } from "../components/database/redis-enterprise";
import { CertManager } from "../components/edge/cert-manager";
import { DNS_TOKEN_REF } from "../components/edge/lets-encrypt";
import { textRange } from "../components/network/addresses";
import { Cilium } from "../components/network/cilium";
import { MetalLb } from "../components/network/metallb";
import type { Platform } from "../components/platform";
import { RookOperator } from "../components/storage/rook-operator";
import { accountSecrets } from "../lab/accounts";
import { amdGpuNotes, amdGpus } from "../lab/amd-gpus";
import { appCertificates, appNamespaces, appSecrets } from "../lab/apps";
import {
    argoAppsLayout,
    argoAppsNotes,
    ARGOCD_NAMESPACE,
    argoCdRelease,
    handOffToGit,
    USUAL_PARTS,
    type ArgoAppsOrder,
} from "../lab/argo-apps";
import { backupServers } from "../lab/backup-servers";
import { bridgeHosts, bridgeNamespaces, bridgeSecrets, clusterBridges } from "../lab/bridges";
import {
    backupSecrets,
    backupSecretsByNamespace,
    cephNotes,
    cephStorage,
    cephStorageArgs,
    hasCeph,
    modelNamespaces,
    shareModels,
} from "../lab/ceph-storage";
import { cloudflareRecords } from "../lab/cloudflare";
import type { StackSummary } from "../lab/context";
import { deschedulerJobs, deschedulerNamespaces } from "../lab/descheduler";
import { egressQos } from "../lab/egress-qos";
import { HAPROXY_NAMESPACE, haproxyWays, publicNameNotes } from "../lab/haproxy";
import {
    kubeadmApi,
    kubeadmCiMachines,
    kubeadmCluster,
    kubeadmMachines,
    kubeadmSecretRefs,
    kubeadmSecrets,
} from "../lab/kubeadm-machines";
import type { Lab } from "../lab/lab";
import { linkerdMesh, linkerdViz } from "../lab/linkerd";
import { exposePage, hubblePage } from "../lab/pages";
import { machinesWith } from "../lab/parts";
import { DATABASE, postgresRefs, postgresSecrets, postgresServers } from "../lab/postgres";
import { defineStack } from "../lab/recipe";
import { redisNamespaces, redisNotes, redisRefs, redisSecrets, redisServers } from "../lab/redis";
import { TAILNET_NAMESPACE, tailnetRouter } from "../lab/tailnet";
import { appVaultRefs, joinVaultRefs, vaultAccount, vaultSecrets, vaultStore, type VaultRefs } from "../lab/vault";
import {
    backupEndpoints,
    machinesOf,
    magiClaims,
    magiDefaults,
    magiOffers,
    magiRules,
    magiSchema,
    otherVolumes,
    type MagiConfig,
} from "./magi.schema";

/** How Git has it (seed 004, GitOps Flow). */
const ORDER: ArgoAppsOrder = { domains: ["ai", "media", "productivity", "web", "other"], parts: USUAL_PARTS };

export const magi = defineStack<MagiConfig>({
    name: "magi",
    special: (config) => [
        "MetalLB and HAProxy",
        config.mesh && "Linkerd",
        config.secrets.vault && "Vault with External Secrets",
        hasCeph(config) ? "Rook-Ceph" : "no Ceph: data on local disks",
        config.backups && "VolSync",
        config.postgres && "CloudNativePG",
        config.redis && "Redis Enterprise",
        config.gitops && "Argo CD by a strict app of apps",
        config.nodes.some(({ gpus }) => gpus.amd > 0) && "AMD GPUs",
    ],
    schema: magiSchema,
    defaults: magiDefaults,
    rules: magiRules,
    offers: magiOffers,
    claims: magiClaims,
    secrets: (config) => [
        {
            path: config.secrets.sopsFile,
            refs: [
                ...accountSecrets(config),
                ...kubeadmSecretRefs(config),
                // What opens the first doors cannot come from behind them.
                ...(config.certificates === undefined ? [] : [DNS_TOKEN_REF]),
                ...(config.secrets.vault === undefined ? storeRefs(config) : vaultSecrets),
            ],
        },
    ],
    clouds: ({ secrets: { vault }, ...config }) =>
        vault === undefined
            ? {}
            : { vault: vaultAccount({ secrets: { vault } }, vaultRefs(config), machinesOf(config)) },
    gitLayout: (config) =>
        argoAppsLayout(config, ORDER, {
            "hubble-ingress": true,
            bridges: bridgeHosts(config.bridges).length > 0,
            "egress-qos": config.egressQos !== undefined,
            "linkerd-ingress": config.mesh !== undefined,
            reloader: true,
            descheduler: config.descheduler !== undefined,
            "postgres-monitors": config.postgres !== undefined,
        }),
    machines: kubeadmMachines,
    machinesText: ({ nodes }) => machinesWith(nodes, "Arch Linux"),
    serviceCidr: ({ network }) => network.serviceCidr,
    program,
});

async function program(config: MagiConfig, lab: Lab): Promise<StackSummary> {
    const { network } = config;
    const args = kubeadmCluster(config, lab.name);
    const facts = await lab.look(lookAtKubeadm(args), { machines: `the machines of ${lab.name}`, silent: "warn" });
    const kubeadm = lab.stage(
        "0 kubeadm",
        new KubeadmCluster("kubeadm", args, kubeadmSecrets(config, lab.secrets), facts),
    );
    const { lan, podCidr, serviceCidr } = network;
    const cluster = lab.connect(kubeadm, { lan, podCidr, serviceCidr });
    const machines = machinesOf(config);

    // CRDs that objects of several charts need, before any chart.
    const definitions = lab.stage(
        "1 CRDs",
        new CustomResourceDefinitions("crds", { cluster, bundles: bundles(config) }, lab.after(kubeadm)),
    );
    // Without it no pod starts: this program's alone, and docs/cilium-break-glass.md brings it back by hand.
    const cilium = lab.stage(
        "1 Cilium",
        new Cilium(
            "cilium",
            {
                cluster,
                apiServer: kubeadmApi(config),
                nodeCount: config.nodes.length,
                profile: {
                    kind: "pod-network",
                    meshed: config.mesh !== undefined,
                    shaped: config.egressQos !== undefined,
                },
            },
            lab.after(definitions),
        ),
    );
    const pool = textRange(network.pool);
    const metallb = lab.stage(
        "2 MetalLB",
        new MetalLb(
            "metallb",
            {
                cluster,
                pool,
                ...(network.interfaces === undefined ? {} : { interfaces: network.interfaces }),
            },
            lab.after(cilium),
        ),
    );
    const certManager = lab.stage("2 cert-manager", new CertManager("cert-manager", {}, lab.after(cilium)));
    const mesh = linkerdMesh(lab, config, { cluster, certManager, machines }, lab.after(certManager));
    const cnpg =
        config.postgres &&
        lab.stage("3 CloudNativePG", new CloudNativePg("cloudnative-pg", {}, lab.after(certManager, mesh)));
    const rook = hasCeph(config)
        ? lab.stage(
              "3 Rook",
              // There is no Prometheus to ask it.
              new RookOperator("rook-ceph", { cluster, monitoring: false }, lab.after(certManager, cnpg, mesh)),
          )
        : undefined;
    const operators = [certManager, metallb, mesh, cnpg, rook];
    const disks = cephStorage(lab, cephStorageArgs(config), { cluster, rook }, lab.after(...operators));
    const { volumes, filesystem } = disks;
    const vault =
        config.secrets.vault &&
        vaultStore(
            lab,
            { secrets: { vault: config.secrets.vault } },
            { cluster, certManager, machines, storageClass: volumes.className, refs: vaultRefs(config) },
            lab.after(...operators, ...disks.layers),
        );
    const secrets = vault?.secrets ?? lab.secrets;
    const storage = disks.storage(secrets);
    const core = [...operators, vault?.stores, vault?.vault].filter((one) => one !== undefined);
    const afterCore = lab.after(...core);
    const { gpus, layers: gpuLayers } = amdGpus(config, cluster, afterCore);
    const namespaces = new Namespaces(
        "namespaces",
        namespacesOf(config),
        // Deleted before what their claims and backups live on.
        lab.after(...core, ...disks.layers, ...gpuLayers),
    );
    new Reloader(
        "reloader",
        { namespace: namespaces.name("system"), delivery: lab.part("reloader", afterCore) },
        afterCore,
    );
    const shaping = egressQos(lab, config, { cilium }, afterCore);
    // Deleted before every namespace there is, these and those below them: both bring an API of their own.
    const afterNamespaces = lab.after(namespaces, ...gpuLayers, shaping);
    new MetricsServer("metrics-server", {}, afterNamespaces);
    const viz = linkerdViz(lab, config, { mesh, certManager }, afterNamespaces);
    shareModels({ storage, filesystem }, config.storage.models, namespaces, afterCore);

    const host = { cluster, opts: afterCore, namespaces, storage, secrets, reloadAnnotations: RELOAD_ANNOTATIONS };
    // Whatever backs up to a machine of the house by a Service's name comes after.
    const bridges = clusterBridges(lab, config.bridges, host, afterCore);
    const afterBridges = lab.after(...core, bridges);
    const ways = haproxyWays(lab, config, {
        host: { ...host, secrets: lab.secrets },
        certManager,
        addresses: metallb,
        nodes: machines,
        ownCertificates: appCertificates(config.apps),
        core,
    });
    const { edge, haproxy, tunnel } = ways;
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
                machines,
            },
            afterBridges,
        );
    // Its namespace is declared with it alone.
    const redis =
        config.redis &&
        redisServers(
            lab,
            config,
            {
                cluster,
                namespace: namespaces.name(REDIS_ENTERPRISE_NAMESPACE),
                storageClass: volumes.className,
                secrets,
            },
            afterBridges,
        );
    deschedulerJobs(lab, config, { host }, afterCore);
    const platform: Platform = {
        ...host,
        opts: lab.after(...core, bridges, haproxy),
        edge,
        ...(postgres === undefined ? {} : { databases: postgres }),
        ...(redis === undefined ? {} : { redis }),
        ...(mesh === undefined ? {} : { mesh }),
        ...(shaping === undefined ? {} : { shaping }),
        watched: backupServers(backupEndpoints(config)),
        gpus,
    };
    const routes = lab.after(haproxy);
    exposePage(edge, hubblePage(network), "none", lab.objectAfter(cilium, haproxy), {
        how: lab.part("hubble-ingress", routes),
        owner: cilium,
    });
    if (viz !== undefined) {
        exposePage(edge, viz.page, "none", lab.objectAfter(viz.viz, haproxy), {
            how: lab.part("linkerd-ingress", routes),
            owner: viz.viz,
        });
    }
    bridges?.expose(edge, secrets, lab.objectAfter(haproxy), lab.part("bridges", routes));
    lab.deploy(platform);

    // Not after the apps: one that does not start must not keep Argo CD from its own work.
    const argocd = argoCdRelease(lab, config, { namespaces, edge }, lab.after(...core, haproxy));
    const exposures = lab.exposures.seal();
    tailnetRouter(lab, config.tailscale, { cluster, namespaces, pool, machines: kubeadmCiMachines(config) }, afterCore);
    const dns = cloudflareRecords(lab, config.cloudflare, "Cloudflare DNS", tunnel, network.publicName);
    tunnel?.publish(exposures);
    handOffToGit(lab, config, { ...ORDER, cluster, argocd, after: [dns] });
    return lab.summary({
        volumes: storage.rows,
        notes: [
            ...amdGpuNotes(config),
            ...cephNotes(config, otherVolumes(config)),
            ...redisNotes(config),
            ...publicNameNotes(lab, config),
            ...argoAppsNotes(lab, config),
        ],
    });
}

/** What its charts and its own objects need before any of them. */
const bundles = (config: MagiConfig) => [
    // Charts make monitors, whether or not somebody reads them.
    crds.prometheus,
    crds.snapshots,
    ...(config.mesh === undefined ? [] : [crds.gatewayApi]),
    ...(config.redis === undefined ? [] : [crds.redisEnterprise]),
    ...(config.secrets.vault === undefined ? [] : [crds.externalSecrets]),
];

const namespacesOf = (config: MagiConfig) => ({
    ...bridgeNamespaces(config.bridges),
    ...modelNamespaces(config.storage.models),
    // The libraries are host paths.
    ...appNamespaces(config.apps, "privileged"),
    ...(config.postgres === undefined ? {} : { [DATABASE]: "restricted" as const }),
    ...redisNamespaces(config),
    ...deschedulerNamespaces(config),
    ...(config.gitops === undefined ? {} : { [ARGOCD_NAMESPACE]: "baseline" as const }),
    ...(config.tailscale === undefined ? {} : { [TAILNET_NAMESPACE]: "restricted" as const }),
    [HAPROXY_NAMESPACE]: "restricted" as const,
    system: "restricted" as const,
});

/** Values that apps and databases need. */
const storeRefs = (config: Omit<MagiConfig, "secrets">): string[] => [
    ...appSecrets(config.apps),
    ...postgresSecrets(config),
    ...redisSecrets(config),
    ...backupSecrets(config),
    ...bridgeSecrets(config.bridges),
];

/** The same by the namespace that asks for each. */
function vaultRefs(config: Omit<MagiConfig, "secrets">): VaultRefs {
    const ofBridges: Record<string, string[]> = {};
    for (const [name, bridge] of Object.entries(config.bridges)) {
        const refs = bridgeSecrets({ [name]: bridge });
        if (refs.length > 0) (ofBridges[bridge.namespace] ??= []).push(...refs);
    }
    return joinVaultRefs(
        appVaultRefs(config.apps),
        postgresRefs(config),
        redisRefs(config),
        backupSecretsByNamespace(config),
        ofBridges,
    );
}
