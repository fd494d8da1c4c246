/** One NixOS machine with k3s, top to bottom in bootstrap order (seed 001). */
import { API_PORT } from "../bootstrap/machines";
import { NixosMachines } from "../bootstrap/nixos/machines";
import { lookAtNode, NixosK3s, type NixosK3sArgs } from "../bootstrap/nixos-k3s";
import { Namespaces } from "../components/cluster/namespaces";
import { ciliumIngressRoutes } from "../components/edge/cilium-ingress-routes";
import { composeEdge } from "../components/edge/edge";
import { renderedTree } from "../components/gitops/delivery";
import { RootApplicationSet } from "../components/gitops/root-application-set";
import { PrometheusStack } from "../components/monitoring/prometheus-stack";
import { receiverRefs } from "../components/monitoring/receivers";
import { Cilium, CILIUM_INGRESS } from "../components/network/cilium";
import { CiliumAddressPool } from "../components/network/cilium-pool";
import type { Platform } from "../components/platform";
import { SopsAgeKey } from "../components/secrets/sops-age-key";
import { LocalPathStorage } from "../components/storage/local-path";
import { accountSecrets } from "../lab/accounts";
import { ageKeyHash, readAgeKey } from "../lab/age-key";
import { appDevices, appNamespaces, appSecrets, appTrees } from "../lab/apps";
import { afterGitApps, ARGOCD_NAMESPACE, argoCdRelease } from "../lab/argocd";
import { cloudflareTunnel } from "../lab/cloudflare";
import type { StackSummary } from "../lab/context";
import type { Lab } from "../lab/lab";
import { dataDisks, nodeDirectories, nodeVolumes } from "../lab/node-storage";
import { reach } from "../lab/reached";
import { defineStack } from "../lab/recipe";
import { workloadHost } from "../lab/workload-host";
import { present } from "../lib/present";
import {
    homelabDefaults,
    homelabFollows,
    homelabOffers,
    homelabParts,
    homelabSchema,
    MONITORING_NAMESPACE,
    TUNNEL_NAMESPACE,
    type HomelabConfig,
} from "./homelab.schema";

export const homelab = defineStack<HomelabConfig>({
    name: "homelab",
    special: ({ gitops, cloudflare, tailscale, apps }) => [
        "Cilium with L2 addresses",
        gitops && "ksops, Argo CD",
        cloudflare && "Cloudflare tunnel and DNS",
        tailscale && "Tailscale",
        "media" in appNamespaces(apps, "privileged") && "media stack",
    ],
    schema: homelabSchema,
    defaults: homelabDefaults,
    follows: homelabFollows,
    parts: homelabParts,
    offers: homelabOffers,
    secrets: (config) => [
        {
            path: config.secrets.sopsFile,
            refs: [...accountSecrets(config), ...appSecrets(config.apps), ...receiverRefs(config.monitoring.receivers)],
        },
    ],
    machines: (config) => new NixosMachines(homelabNode(config), config.node.capacity),
    ageKey: ({ gitops, secrets }) => (gitops === undefined ? undefined : secrets.ageKey),
    machinesText: () => "one NixOS machine with k3s",
    program,
});

async function program(config: HomelabConfig, lab: Lab): Promise<StackSummary> {
    const { node: machine, network, storage: directories, gitops } = config;

    const nodeArgs = homelabNode(config);
    const facts = await lab.look(lookAtNode(nodeArgs), {
        machines: `node ${machine.name} (${machine.address})`,
        silent: "refuse",
    });
    const keyHash = gitops && (await ageKeyHash(config.secrets, facts, lab.root));
    const node = lab.stage("0 k3s node", new NixosK3s("node", nodeArgs, facts));
    const cluster = lab.connect(node, network);

    const cilium = lab.stage(
        "1 Cilium",
        new Cilium(
            "cilium",
            {
                cluster,
                apiServer: { host: machine.address, port: API_PORT },
                ingressAddress: network.ingressAddress,
                nodeCount: 1,
            },
            lab.after(node),
        ),
    );
    const { pool, interfaces, ingressAddress } = network;
    const lan = lab.stage(
        "2 LAN addresses",
        new CiliumAddressPool(
            "lan",
            { cilium, pool, announce: "l2", interfaces, ingress: { cluster, address: ingressAddress } },
            lab.after(cilium),
        ),
    );
    const edge = composeEdge({
        domain: config.domain,
        exposures: lab.exposures,
        loadBalancer: cilium.loadBalancer,
        routes: ciliumIngressRoutes(ingressAddress),
        // The records are made below.
        names: { tunnel: config.cloudflare !== undefined },
    });
    const sopsAgeKey =
        keyHash === undefined
            ? undefined
            : lab.stage(
                  "3 age key",
                  new SopsAgeKey(
                      "sops-age-key",
                      {
                          cluster,
                          namespace: ARGOCD_NAMESPACE,
                          hash: keyHash,
                          read: readAgeKey(config.secrets.ageKey, node.ssh),
                      },
                      lab.after(lan),
                  ),
              );
    const argocd =
        sopsAgeKey && argoCdRelease(lab, config, { title: "4 Argo CD", home: sopsAgeKey, edge }, lab.after(sopsAgeKey));

    const base = argocd ?? lan;
    const localPath = lab.stage(
        "storage",
        new LocalPathStorage(
            "local-path",
            {
                cluster,
                provisioner: directories.provisioner,
                className: directories.className,
                scratch: directories.scratch,
            },
            lab.after(base),
        ),
    );
    const namespaces = new Namespaces(
        "namespaces",
        homelabParts.namespaces(config),
        // Deleted before the storage that their claims live on.
        lab.after(base, localPath),
    );
    const storage = nodeVolumes(config, { node: machine.name, className: localPath.className });
    const { secrets } = lab;
    const platform: Platform = {
        // The kind PodMonitor comes with what watches, which is later.
        ...workloadHost(lab, { cluster, namespaces, storage, secrets }, lab.after(base), { podMonitor: false }),
        edge,
    };

    // The way in from the internet.
    const tunnel = cloudflareTunnel(
        lab,
        config.cloudflare,
        "5 Cloudflare tunnel",
        {
            host: platform,
            namespace: TUNNEL_NAMESPACE,
            origin: `http://${CILIUM_INGRESS.name}.${CILIUM_INGRESS.namespace}.svc.cluster.local:${CILIUM_INGRESS.port}`,
        },
        lab.after(base),
    );
    const monitoring = lab.stage(
        "monitoring",
        new PrometheusStack(
            "monitoring",
            { namespace: namespaces.name(MONITORING_NAMESPACE), ...config.monitoring },
            platform,
        ),
    );
    lab.deploy({ ...platform, ...present({ monitorKinds: monitoring.kinds }) });
    const machines = [{ address: machine.address, ports: [machine.ssh.port, API_PORT] }];
    const tailnet = { cluster, namespaces, pool, machines };
    const dns = reach(lab, config, { tailnet, tunnel, records: "6 Cloudflare DNS" }, lab.after(base));
    // Git takes over what is not declared here.
    if (gitops !== undefined && argocd !== undefined) {
        lab.stage(
            "7 root ApplicationSet",
            new RootApplicationSet(
                lab.name,
                {
                    cluster,
                    namespace: argocd.namespace,
                    ...gitops,
                    groups: ["infra", "apps", "media"],
                    ownedByPulumi: ownedByPulumi(config),
                    rendered: { tree: renderedTree(lab.name), apps: lab.deliveries.gitApps },
                },
                afterGitApps(lab, argocd, dns),
            ),
        );
    }
    return lab.summary({ volumes: storage.rows, notes: homelabParts.notes(config) });
}

/** The machine, and what is asked of it. */
function homelabNode(config: HomelabConfig): NixosK3sArgs {
    const { node, network, storage, secrets, gitops } = config;
    return {
        node,
        managesStorage: storage.provisioner === "managed",
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
        ...(gitops !== undefined && secrets.ageKey.from === "node" ? { ageKeyPath: secrets.ageKey.path } : {}),
        requiredDirectories: dataDisks(config),
        requiredDevices: appDevices(config.apps),
        directories: nodeDirectories(config),
        owner: storage.owner,
    };
}

/** Directories of the Git tree that Argo CD must leave alone, because the objects are this program's. */
function ownedByPulumi(config: HomelabConfig): string[] {
    return [
        "infra/monitoring",
        ...(config.cloudflare === undefined ? [] : ["infra/cloudflared"]),
        ...appTrees(config.apps),
    ].sort();
}
