/** Linux machines with Kubernetes by kubeadm, top to bottom in bootstrap order (seed 004); kubeadm itself: docs/kubeadm.md. */
import { KubeadmCluster, lookAtKubeadm } from "../bootstrap/kubeadm/kubeadm-cluster";
import { CustomResourceDefinitions } from "../components/cluster/custom-resource-definitions";
import { MetricsServer } from "../components/cluster/metrics-server";
import { Namespaces } from "../components/cluster/namespaces";
import { CertManager } from "../components/edge/cert-manager";
import { DNS_TOKEN_REF } from "../components/edge/lets-encrypt";
import { textRange } from "../components/network/addresses";
import { Cilium } from "../components/network/cilium";
import { MetalLb } from "../components/network/metallb";
import type { Platform } from "../components/platform";
import { RookOperator } from "../components/storage/rook-operator";
import { accountSecrets } from "../lab/accounts";
import { amdGpus } from "../lab/amd-gpus";
import { appCertificates } from "../lab/apps";
import { argoAppsLayout, argoAppsNotes, handOffToGit, USUAL_PARTS, type ArgoAppsOrder } from "../lab/argo-apps";
import { argoCdRelease } from "../lab/argocd";
import { backupServers } from "../lab/backup-servers";
import { bridgeHosts, clusterBridges } from "../lab/bridges";
import { cephStorage, cephStorageArgs, hasCeph, shareModels } from "../lab/ceph-storage";
import { clusterCheckNotes, clusterChecks } from "../lab/cluster-checks";
import type { StackSummary } from "../lab/context";
import { deschedulerJobs } from "../lab/descheduler";
import { egressQos } from "../lab/egress-qos";
import { haproxyWays, publicNameNotes } from "../lab/haproxy";
import {
    kubeadmApi,
    kubeadmCiMachines,
    kubeadmCluster,
    kubeadmMachines,
    kubeadmSecretRefs,
    kubeadmSecrets,
    disksOnControlPlanes,
    kubeadmWorkers,
} from "../lab/kubeadm-machines";
import type { Lab } from "../lab/lab";
import { linkerdMesh, linkerdViz } from "../lab/linkerd";
import { exposePage, hubblePage } from "../lab/pages";
import { machinesWith } from "../lab/parts";
import { everySecret } from "../lab/platform-parts";
import { postgresOperator, postgresServers } from "../lab/postgres";
import { reach } from "../lab/reached";
import { defineStack } from "../lab/recipe";
import { redisServers } from "../lab/redis";
import { vaultAccount, vaultSecrets, vaultStore } from "../lab/vault";
import { workloadHost } from "../lab/workload-host";
import { present } from "../lib/present";
import {
    machinesOf,
    magiDefaults,
    magiFollows,
    magiOffers,
    magiParts,
    magiSchema,
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
    follows: magiFollows,
    parts: magiParts,
    offers: magiOffers,
    secrets: (config) => [
        {
            path: config.secrets.sopsFile,
            refs: [
                ...accountSecrets(config),
                ...kubeadmSecretRefs(config),
                // What opens the first doors cannot come from behind them.
                ...(config.certificates === undefined ? [] : [DNS_TOKEN_REF]),
                ...(config.secrets.vault === undefined ? everySecret(magiParts.secrets(config)) : vaultSecrets),
            ],
        },
    ],
    clouds: (config) => vaultAccount(config, magiParts.secrets(config), machinesOf(config)),
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
        new CustomResourceDefinitions("crds", { cluster, bundles: magiParts.definitions(config) }, lab.after(kubeadm)),
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
    const cnpg = postgresOperator(lab, config, "3 CloudNativePG", lab.after(certManager, mesh));
    const rook = hasCeph(config)
        ? lab.stage(
              "3 Rook",
              // There is no Prometheus to ask it.
              new RookOperator("rook-ceph", { cluster, monitoring: false }, lab.after(certManager, cnpg, mesh)),
          )
        : undefined;
    const operators = [certManager, metallb, mesh, cnpg, rook];
    const disks = cephStorage(
        lab,
        { ...cephStorageArgs(config), onControlPlanes: disksOnControlPlanes(config) },
        { cluster, rook },
        lab.after(...operators),
    );
    const { volumes, filesystem } = disks;
    const storageClass = volumes.className;
    const vault = vaultStore(
        lab,
        config,
        { cluster, certManager, machines, storageClass, refs: magiParts.secrets(config) },
        lab.after(...operators, ...disks.layers),
    );
    const secrets = vault?.secrets ?? lab.secrets;
    const storage = disks.storage(secrets);
    const core = [...operators, vault?.stores, vault?.vault].filter((one) => one !== undefined);
    const afterCore = lab.after(...core);
    const { gpus, layers: gpuLayers } = amdGpus({ ...config, nodes: kubeadmWorkers(config.nodes) }, cluster, afterCore);
    const namespaces = new Namespaces(
        "namespaces",
        magiParts.namespaces(config),
        // Deleted before what their claims and backups live on.
        lab.after(...core, ...disks.layers, ...gpuLayers),
    );
    const host = workloadHost(lab, { cluster, namespaces, storage, secrets }, afterCore);
    const shaping = egressQos(lab, config, { cilium }, afterCore);
    // Deleted before every namespace there is, these and those below them: both bring an API of their own.
    const afterNamespaces = lab.after(namespaces, ...gpuLayers, shaping);
    new MetricsServer("metrics-server", {}, afterNamespaces);
    const viz = linkerdViz(lab, config, { mesh, certManager }, afterNamespaces);
    shareModels({ storage, filesystem }, config.storage.models, namespaces, afterCore);

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
    const databases = postgresServers(lab, config, { operator: cnpg, host, storageClass, machines }, afterBridges);
    const redis = redisServers(lab, config, { host, storageClass }, afterBridges);
    deschedulerJobs(lab, config, { host }, afterCore);
    const platform: Platform = {
        ...host,
        opts: lab.after(...core, bridges, haproxy),
        edge,
        ...present({ databases, redis, mesh, shaping }),
        watched: backupServers(magiParts.servers(config)),
        checks: clusterChecks(config),
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
    const argocd = argoCdRelease(
        lab,
        config,
        { title: "Argo CD", home: namespaces, edge },
        lab.after(...core, haproxy),
    );
    const tailnet = { cluster, namespaces, pool, machines: kubeadmCiMachines(config) };
    const { publicName } = network;
    const dns = reach(lab, config, { tailnet, tunnel, records: "Cloudflare DNS", publicName }, afterCore);
    handOffToGit(lab, config, { ...ORDER, cluster, argocd, after: [dns] });
    return lab.summary({
        volumes: storage.rows,
        notes: [
            ...magiParts.notes(config),
            ...publicNameNotes(lab, config),
            ...argoAppsNotes(lab, config),
            ...clusterCheckNotes(config),
        ],
    });
}
