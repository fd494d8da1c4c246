/** The homelab cluster, top to bottom in bootstrap order (seed 001). */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as cloudflare from "@pulumi/cloudflare";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as tailscale from "@pulumi/tailscale";
import { overseerr } from "../apps/media/overseerr";
import { plex } from "../apps/media/plex";
import { prowlarr } from "../apps/media/prowlarr";
import { radarr } from "../apps/media/radarr";
import { sonarr } from "../apps/media/sonarr";
import { transmission, TRANSMISSION_SECRETS } from "../apps/media/transmission";
import { echoServer } from "../apps/web/echo-server";
import { lookAtNode, NixosK3s, type NixosK3sArgs } from "../bootstrap/nixos-k3s";
import { sshCommand } from "../bootstrap/ssh";
import { shellQuote } from "../components/cluster/shell";
import { assertSameCluster } from "../components/cluster/identity";
import { Namespaces } from "../components/cluster/namespaces";
import { RELOAD_ANNOTATIONS, Reloader } from "../components/cluster/reloader";
import { CiliumIngressEdge } from "../components/edge/cilium-ingress";
import { CloudflareDns } from "../components/edge/cloudflare-dns";
import { CloudflareTunnel } from "../components/edge/cloudflare-tunnel";
import { ArgoCd } from "../components/gitops/argo-cd";
import { Deliveries, renderedTree } from "../components/gitops/delivery";
import { RootApplicationSet } from "../components/gitops/root-application-set";
import { PrometheusStack } from "../components/monitoring/prometheus-stack";
import { Cilium, CILIUM_INGRESS } from "../components/network/cilium";
import { CiliumLoadBalancer } from "../components/network/cilium-load-balancer";
import type { Platform } from "../components/platform";
import { SopsSecretStore } from "../components/secrets/sops";
import { recipientFault } from "../components/secrets/sops-rules";
import { localAgeKey, SopsAgeKey } from "../components/secrets/sops-age-key";
import { LocalPathStorage } from "../components/storage/local-path";
import { NodeDirectories } from "../components/storage/node-directories";
import { SubnetRouter } from "../components/tailnet/subnet-router";
import type { CloudAccounts, SecretsFile, Stage, StackContext, StackSummary } from "../lab/context";
import type { HomelabConfig } from "./homelab.schema";
import { deliveryChoices } from "../config/fields";

/** Builds the stack. Rejects with a `RunError`, before any resource exists, when secrets or the machine are not in order. */
export async function homelab(config: HomelabConfig, context: StackContext): Promise<StackSummary> {
    const { node: machine, network, storage: directories } = config;

    // 0. The machine runs k3s as Cilium needs it.
    const { ageKey } = config.secrets;
    const nodeArgs = homelabNode(config);
    // The look waits for the network, the decryption for the processor: both at once. Faults of the secrets come first.
    const looking = lookAtNode(nodeArgs);
    looking.catch(() => undefined);
    const secrets = new SopsSecretStore(
        config.secrets.sopsFile,
        await context.readSops(context.root, config.secrets.sopsFile),
    );
    secrets.check(homelabSecrets(config).refs);
    const facts = await looking;
    await assertSameCluster({
        stack: "homelab",
        machines: `node ${machine.name} (${machine.address})`,
        found: facts.cluster,
        known: context.cluster,
        silent: "refuse",
    });
    const key =
        ageKey.from === "node"
            ? { hash: facts.ageKeyHash, recipient: facts.ageRecipient }
            : await localAgeKey(ageKey.path);
    assertRecipient(context.root, config.secrets.sopsFile, key.recipient);
    const deliveries = new Deliveries({
        stack: "homelab",
        choices: deliveryChoices(config),
        before: context.delivered ?? (() => undefined),
        show: context.showsGit ?? false,
    });
    const node = new NixosK3s("node", nodeArgs, facts);
    const kubernetes = new k8s.Provider(
        "homelab",
        {
            kubeconfig: node.kubeconfig,
            // Without it a renewed kubeconfig would replace the whole cluster's contents.
            clusterIdentifier: "homelab",
            enableServerSideApply: true,
            // New content updates the object; the default deletes and recreates it under running pods.
            enableConfigMapMutable: true,
            enableSecretMutable: true,
            // Not always: an object whose logical name changed would be taken over and then deleted.
            ...(deliveries.adopts ? { upsertExistingObjects: true } : {}),
        },
        { dependsOn: node },
    );
    const cluster = {
        name: "homelab",
        timezone: config.timezone,
        kubeconfig: node.kubeconfig,
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
    };
    const lab = { providers: [kubernetes, ...cloudProviders(config, secrets)] };

    // 1. CNI: until it runs no pod gets a network.
    const cilium = new Cilium(
        "cilium",
        {
            cluster,
            apiServer: { host: machine.address, port: 6443 },
            ingressAddress: network.ingressAddress,
            nodeCount: 1,
        },
        { ...lab, dependsOn: node },
    );
    // 2. Addresses on the LAN, once Cilium's CRDs are there.
    const lan = new CiliumLoadBalancer(
        "lan",
        { cluster, cilium, pool: network.pool, interfaces: network.interfaces, ingressAddress: network.ingressAddress },
        { ...lab, dependsOn: cilium },
    );
    const edge = new CiliumIngressEdge(config.domain, network.ingressAddress, config.cloudflare !== undefined);
    // 3. The key with which Argo CD reads secrets from Git.
    const sopsAgeKey = new SopsAgeKey(
        "sops-age-key",
        {
            cluster,
            hash: key.hash,
            read:
                ageKey.from === "node"
                    ? sshCommand(
                          node.ssh,
                          `${machine.ssh.user === "root" ? "" : "sudo -n "}cat ${shellQuote(ageKey.path)}`,
                      )
                    : `cat ${shellQuote(ageKey.path)}`,
        },
        { ...lab, dependsOn: lan },
    );
    // 4. Argo CD.
    const argocd = new ArgoCd(
        "argocd",
        { namespace: sopsAgeKey.namespace, edge, host: config.argocd.host },
        { ...lab, dependsOn: sopsAgeKey },
    );

    const afterArgoCd = { ...lab, dependsOn: [argocd] };
    const localPath = new LocalPathStorage(
        "local-path",
        {
            cluster,
            provisioner: directories.provisioner,
            className: directories.className,
            scratch: directories.scratch,
        },
        afterArgoCd,
    );
    const namespaces = new Namespaces(
        "namespaces",
        {
            apps: "restricted",
            // The library's host paths, and Transmission's VPN.
            media: "privileged",
            // node-exporter reads the host.
            monitoring: "privileged",
            system: "restricted",
            ...(config.cloudflare === undefined ? {} : { cloudflared: "restricted" as const }),
            ...(config.tailscale === undefined ? {} : { tailscale: "restricted" as const }),
        },
        // Deleted before the storage that their claims live on.
        { ...lab, dependsOn: [argocd, localPath] },
    );
    const storage = new NodeDirectories({
        node: machine.name,
        configs: directories.configs,
        libraries: {
            media: { directory: directories.media, path: "/media" },
            downloads: { directory: directories.torrents, path: "/torrents" },
        },
        owner: directories.owner,
        className: localPath.className,
    });
    const platform: Platform = {
        cluster,
        opts: afterArgoCd,
        namespaces,
        storage,
        secrets,
        edge,
        reloadAnnotations: RELOAD_ANNOTATIONS,
    };

    // 5. The way in from the internet.
    const tunnel =
        config.cloudflare === undefined
            ? undefined
            : new CloudflareTunnel(
                  "tunnel",
                  {
                      accountId: config.cloudflare.accountId,
                      tunnel: config.cloudflare.tunnel,
                      apiToken: secrets.value(SECRETS.cloudflareToken),
                      host: platform,
                      namespace: "cloudflared",
                      origin: `http://${CILIUM_INGRESS.name}.${CILIUM_INGRESS.namespace}.svc.cluster.local:${CILIUM_INGRESS.port}`,
                  },
                  afterArgoCd,
              );

    new Reloader("reloader", { namespace: namespaces.name("system"), podMonitor: false }, afterArgoCd);
    new PrometheusStack("monitoring", { namespace: "monitoring", ...config.monitoring }, platform);
    deployApps(config, (app) => deliveries.platform(app, platform));
    // The way in from the tailnet, to what is exposed above.
    if (config.tailscale !== undefined) {
        new SubnetRouter(
            "tailnet",
            {
                cluster,
                namespace: namespaces.name("tailscale"),
                tailnet: config.tailscale.tailnet,
                oauth: {
                    clientId: secrets.value(SECRETS.tailscaleClientId),
                    clientSecret: secrets.value(SECRETS.tailscaleClientSecret),
                },
                tag: config.tailscale.tag,
                pool: network.pool,
                exposures: edge.exposures,
                policy: config.tailscale.policy,
                ...(config.tailscale.ci === undefined
                    ? {}
                    : {
                          ci: {
                              ...config.tailscale.ci,
                              machines: [{ address: machine.address, ports: [machine.ssh.port, 6443] }],
                          },
                      }),
            },
            afterArgoCd,
        );
    }

    // 6. Names, derived from everything exposed above.
    const dns =
        config.cloudflare === undefined || tunnel === undefined
            ? undefined
            : new CloudflareDns(
                  "dns",
                  {
                      zoneId: config.cloudflare.zoneId,
                      exposures: edge.exposures,
                      tunnelHostname: tunnel.hostname,
                      stack: "homelab",
                  },
                  { ...lab, dependsOn: tunnel },
              );
    tunnel?.publish(edge.exposures);
    // 7. Git takes over what is not declared here. It does not wait for workloads: a film server that does not start
    // must not keep Argo CD from its own work.
    new RootApplicationSet(
        "homelab",
        {
            cluster,
            namespace: argocd.namespace,
            repository: config.gitops.repository,
            revision: config.gitops.revision,
            path: config.gitops.path,
            groups: ["infra", "apps", "media"],
            ownedByPulumi: ownedByPulumi(config),
            rendered: {
                tree: renderedTree("homelab"),
                apps: deliveries.gitApps,
            },
        },
        {
            ...lab,
            // Goes before the volumes of Git's apps: their pods must be gone by then.
            dependsOn: [
                argocd,
                ...(dns === undefined ? [] : [dns]),
                ...deliveries.gitApps.flatMap((app) => app.stands),
            ],
        },
    );

    return {
        kubeconfig: cluster.kubeconfig,
        exposures: edge.exposures,
        volumes: storage.rows,
        delivery: deliveries.record,
    };
}

/** The key in the cluster must be one that the files in Git are encrypted to. An unknown recipient is not judged. */
function assertRecipient(root: string, sopsFile: string, recipient: string): void {
    if (recipient === "") return;
    const rules = join(root, ".sops.yaml");
    const fault = recipientFault(existsSync(rules) ? readFileSync(rules, "utf8") : undefined, sopsFile, recipient);
    if (fault !== undefined) throw new pulumi.RunError(`${fault}; nothing was touched.`);
}

const SECRETS = {
    cloudflareToken: "cloudflare.apiToken",
    tailscaleClientId: "tailscale.oauthClientId",
    tailscaleClientSecret: "tailscale.oauthClientSecret",
} as const;

/** What the secrets file must hold for this configuration. */
export function homelabSecrets(config: HomelabConfig): SecretsFile {
    const refs = [
        ...(config.cloudflare === undefined ? [] : [SECRETS.cloudflareToken]),
        ...(config.tailscale === undefined ? [] : [SECRETS.tailscaleClientId, SECRETS.tailscaleClientSecret]),
        ...(config.apps.transmission === undefined ? [] : Object.values(TRANSMISSION_SECRETS)),
    ];
    return { path: config.secrets.sopsFile, refs };
}

/** The accounts this configuration names. */
export function homelabClouds({ cloudflare: account, tailscale: net, domain }: HomelabConfig): CloudAccounts {
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
    };
}

function cloudProviders(config: HomelabConfig, secrets: SopsSecretStore): pulumi.ProviderResource[] {
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

function deployApps({ apps, network }: HomelabConfig, on: (app: keyof HomelabConfig["apps"]) => Platform): void {
    if (apps["echo-server"] !== undefined) echoServer(on("echo-server"), apps["echo-server"]);
    if (apps.plex !== undefined) plex(on("plex"), apps.plex);
    // Down the chain of requests: each takes the URLs of those it asks.
    const downloads = apps.transmission && transmission(on("transmission"), { ...apps.transmission, lan: network.lan });
    const indexers = apps.prowlarr && prowlarr(on("prowlarr"), apps.prowlarr);
    const partners = [indexers, downloads].flatMap((partner) => (partner === undefined ? [] : [partner.url]));
    const series = apps.sonarr && sonarr(on("sonarr"), apps.sonarr, partners);
    const films = apps.radarr && radarr(on("radarr"), apps.radarr, partners);
    if (apps.overseerr !== undefined) {
        overseerr(
            on("overseerr"),
            apps.overseerr,
            [series, films].flatMap((partner) => (partner === undefined ? [] : [partner.url])),
        );
    }
}

/** The machine, and what is asked of it. */
export function homelabNode(config: HomelabConfig): NixosK3sArgs {
    const { node, network, storage, secrets } = config;
    return {
        node,
        managesStorage: storage.provisioner === "managed",
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
        ...(secrets.ageKey.from === "node" ? { ageKeyPath: secrets.ageKey.path } : {}),
        requiredDirectories: dataDisks(config),
        requiredDevices: config.apps.transmission === undefined ? [] : ["/dev/net/tun"],
        directories: nodeDirectories(config),
        owner: storage.owner,
    };
}

/** Directories whose absence means an unmounted disk. */
function dataDisks({ storage }: HomelabConfig): string[] {
    return [...new Set([storage.configs, storage.media, storage.torrents].map((path) => dirname(path)))].sort();
}

/** The seed's storage layout: a configuration directory an app, the library, the downloads. */
export function nodeDirectories({ storage, apps }: HomelabConfig): string[] {
    const withData = Object.entries(apps).filter(([name, value]) => value !== undefined && name !== "echo-server");
    return [
        storage.configs,
        ...withData.map(([name]) => `${storage.configs}/${name}`),
        storage.media,
        `${storage.media}/tv`,
        `${storage.media}/movies`,
        storage.torrents,
        `${storage.torrents}/complete`,
        `${storage.torrents}/incomplete`,
    ];
}

/** Directories of the Git tree that Argo CD must leave alone, because the objects are this program's. */
function ownedByPulumi(config: HomelabConfig): string[] {
    const deployed = Object.entries(config.apps).flatMap(([name, value]) => (value === undefined ? [] : [name]));
    return [
        "infra/monitoring",
        ...(config.cloudflare === undefined ? [] : ["infra/cloudflared"]),
        ...deployed.map((name) => `${name === "echo-server" ? "apps" : "media"}/${name}`),
    ].sort();
}

/** The bootstrap stages in the seed's order. */
export function homelabStages(config: HomelabConfig): Stage[] {
    return [
        { title: "0 k3s node", component: "node" },
        { title: "1 Cilium", component: "cilium" },
        { title: "2 LAN addresses", component: "lan" },
        { title: "3 age key", component: "sops-age-key" },
        { title: "4 Argo CD", component: "argocd" },
        ...(config.cloudflare === undefined
            ? []
            : [
                  { title: "5 Cloudflare tunnel", component: "tunnel" },
                  { title: "6 Cloudflare DNS", component: "dns" },
              ]),
        { title: "7 root ApplicationSet", component: "homelab" },
        { title: "storage", component: "local-path" },
        ...(config.tailscale === undefined ? [] : [{ title: "tailnet", component: "tailnet" }]),
        { title: "monitoring", component: "monitoring" },
    ];
}
