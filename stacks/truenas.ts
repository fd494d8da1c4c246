/** k3s in containers of a remote Docker host, top to bottom in bootstrap order (seed 000). */
import { K3dCluster, lookAtDockerHost } from "../bootstrap/k3d/k3d-cluster";
import type { K3dClusterArgs } from "../bootstrap/k3d/cluster-config";
import { K3dMachines } from "../bootstrap/k3d/machines";
import { API_PORT } from "../bootstrap/machines";
import { KOPIA_PASSWORD } from "../components/backup/kopia";
import { CustomResourceDefinitions } from "../components/cluster/custom-resource-definitions";
import { Namespaces } from "../components/cluster/namespaces";
import { CertManager } from "../components/edge/cert-manager";
import { DNS_TOKEN_REF } from "../components/edge/lets-encrypt";
import { AppOfApps } from "../components/gitops/app-of-apps";
import { renderedTree } from "../components/gitops/delivery";
import { Multus } from "../components/network/multus";
import type { Platform } from "../components/platform";
import { ExternalSecretStore } from "../components/secrets/external-secret-store";
import { accountSecrets } from "../lab/accounts";
import { appNamespaces, appSecrets, appTrees } from "../lab/apps";
import { afterGitApps, argoCdRelease } from "../lab/argocd";
import { bitwardenAccount, bitwardenStore, withBitwardenToken } from "../lab/bitwarden";
import type { StackSummary } from "../lab/context";
import { dockerHostArgs } from "../lab/docker-host";
import { hostBackups, hostClasses, hostMounts, hostVolumes } from "../lab/host-disks";
import { istioWays } from "../lab/istio";
import type { Lab } from "../lab/lab";
import { reach } from "../lab/reached";
import { defineStack } from "../lab/recipe";
import { workloadHost } from "../lab/workload-host";
import { present } from "../lib/present";
import {
    PLATFORM_NAMESPACE,
    truenasDefaults,
    truenasFollows,
    truenasOffers,
    truenasParts,
    truenasSchema,
    type TruenasConfig,
} from "./truenas.schema";

/** Categories of the seed's tree, each a project of Argo CD's. */
const CATEGORIES = ["argocd", "home-automation", "kube-system", "media", "platform-system", "selfhosted"];

/** Directories of the Git tree whose objects are the platform's. */
const PLATFORM_TREES = [
    "argocd/argocd",
    "kube-system/multus",
    ...["bitwarden-sdk-server", "cert-manager", "external-secrets", "istio", "kopia", "local-path-provisioner"].map(
        (name) => `platform-system/${name}`,
    ),
    "platform-system/reloader",
];

/** Category of what is in a namespace: the seed's own, or that of everything else that serves itself. */
const categoryOf = (namespace: string): string => (CATEGORIES.includes(namespace) ? namespace : "selfhosted");

export const truenas = defineStack<TruenasConfig>({
    name: "truenas",
    special: ({ networks, gitops }) => [
        "k3d over SSH, Istio",
        Object.keys(networks).length > 0 && "Multus",
        "Bitwarden with External Secrets, a class a disk, Kopia",
        gitops && "Argo CD by category",
    ],
    schema: truenasSchema,
    defaults: truenasDefaults,
    follows: truenasFollows,
    parts: truenasParts,
    offers: truenasOffers,
    secrets: (config) => [withBitwardenToken(config.secrets.sopsFile, accountSecrets(config))],
    clouds: (config) => ({ bitwarden: bitwardenAccount(config.secrets.bitwarden, storeSecrets(config)) }),
    machines: (config, stack) => new K3dMachines(k3dArgs(config, stack), config.docker.capacity),
    machinesText: () => "k3s in Docker on one machine",
    serviceCidr: ({ network }) => network.serviceCidr,
    program,
});

async function program(config: TruenasConfig, lab: Lab): Promise<StackSummary> {
    const { gitops } = config;
    const args = k3dArgs(config, lab.name);
    const facts = await lab.look(lookAtDockerHost(args), {
        machines: `the Docker host ${config.docker.ssh}`,
        // A stopped cluster is started by k3d, not by an up.
        silent: "refuse",
    });
    const k3d = lab.stage("1-6 k3d cluster", new K3dCluster("k3d", args, facts));
    const cluster = lab.connect(k3d, config.network);

    // What Argo CD stands on: definitions, certificates, the store of all secrets, volumes.
    const definitions = lab.stage(
        "7 CRDs",
        new CustomResourceDefinitions("crds", { cluster, bundles: truenasParts.definitions(config) }, lab.after(k3d)),
    );
    const certManager = lab.stage("7 cert-manager", new CertManager("cert-manager", {}, lab.after(definitions)));
    const bitwarden = lab.stage(
        "7 External Secrets",
        bitwardenStore(lab, config.secrets.bitwarden, { certManager, after: certManager }),
    );
    const secrets = new ExternalSecretStore(bitwarden);
    const node = k3d.agent;
    const classes = lab.stage(
        "7 local-path-provisioner",
        hostClasses(config, { cluster, node }, lab.after(definitions)),
    );
    const core = [bitwarden, classes];
    const afterCore = lab.after(...core);

    const networks =
        Object.keys(config.networks).length === 0
            ? undefined
            : lab.stage(
                  "networks",
                  new Multus("multus", { cluster: cluster.name, networks: config.networks }, afterCore),
              );
    const namespaces = new Namespaces(
        "namespaces",
        truenasParts.namespaces(config),
        // Deleted before what their claims live on.
        lab.after(...core, networks),
    );
    const volumes = hostVolumes(config, { classes, node });
    const host = workloadHost(lab, { cluster, namespaces, storage: volumes, secrets }, afterCore, {
        system: PLATFORM_NAMESPACE,
    });
    const { edge, gateway, tunnel } = istioWays(lab, config, {
        host,
        certManager,
        address: k3d.address,
        ports: config.docker.ports,
        core,
    });
    const platform: Platform = {
        ...host,
        opts: lab.after(...core, gateway),
        edge,
        ...present({ networks }),
    };
    lab.deploy(platform);
    lab.stage("backups", hostBackups(config, { cluster, secrets, volumes }, afterCore));

    // Last, but not after the apps.
    const argocd = argoCdRelease(
        lab,
        config,
        { title: "8 Argo CD", home: namespaces, edge },
        lab.after(...core, gateway),
    );
    const tailnet = {
        cluster,
        namespaces,
        pool: { first: k3d.address, last: k3d.address },
        // Its other ports are the machine's own, such as the pages of TrueNAS.
        entrance: Object.values(config.docker.ports),
        machines: [{ address: k3d.address, ports: [API_PORT] }],
    };
    const dns = reach(lab, config, { tailnet, tunnel, records: "Cloudflare DNS" }, afterCore);
    if (gitops !== undefined && argocd !== undefined) {
        const { gitApps } = lab.deliveries;
        lab.stage(
            "8 applications",
            new AppOfApps(
                "applications",
                {
                    cluster,
                    namespace: argocd.namespace,
                    ...gitops,
                    categories: CATEGORIES,
                    ownedByPulumi: [...PLATFORM_TREES, ...appTrees(config.apps, categoryOf)].sort(),
                    rendered: {
                        tree: renderedTree(lab.name),
                        apps: gitApps,
                        categoryOf: Object.fromEntries(
                            Object.keys(appNamespaces(config.apps, "privileged")).map((namespace) => [
                                namespace,
                                categoryOf(namespace),
                            ]),
                        ),
                    },
                },
                afterGitApps(lab, argocd, dns),
            ),
        );
    }
    return lab.summary({ volumes: volumes.rows });
}

const k3dArgs = (config: TruenasConfig, stack: string): K3dClusterArgs =>
    dockerHostArgs(config, { stack, mounts: hostMounts(config) });

/** Values that Bitwarden must have. */
const storeSecrets = (config: TruenasConfig): string[] => [
    ...appSecrets(config.apps),
    KOPIA_PASSWORD,
    ...(config.certificates === undefined ? [] : [DNS_TOKEN_REF]),
];
