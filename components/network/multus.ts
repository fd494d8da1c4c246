import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { imageReference, images } from "../images";
import { derivedMac, type Networks, type NetworkWish } from "./networks";

/** A network that pods are given a second card in, as a macvlan interface. */
export interface MacvlanNetwork {
    /** Network interface of the node that the cards hang on. */
    readonly interface: string;
    /** Who gives out addresses: the household's DHCP server, or the configuration, one by one. */
    readonly addresses: "dhcp" | "static";
}

export interface MultusArgs {
    /** Name of the cluster, for hardware addresses. */
    cluster: string;
    networks: Readonly<Record<string, MacvlanNetwork>>;
}

/** Beside the kubelet's own files, which no Pod Security level is enforced on. */
const NAMESPACE = "kube-system";
const ANNOTATION = "k8s.v1.cni.cncf.io/networks";

/** Where k3s looks for plugins and their configuration; https://docs.k3s.io/networking/multus-ipams */
const K3S = {
    configuration: "/var/lib/rancher/k3s/agent/etc/cni/net.d",
    plugins: "/var/lib/rancher/k3s/data/cni",
} as const;

/** As its installer finds them in the container. */
const HOST = { configuration: "/host/etc/cni/net.d", plugins: "/host/opt/cni/bin" } as const;

/**
 * Second network cards for pods of a k3s cluster: Multus in front of the pod network's own plugin, and the macvlan plugin.
 *
 * The plain manifests of Multus assume the paths of other distributions, and no repository serves its chart, so these are
 * objects of this program. The thin plugin, since the thick one's daemon wants shared mounts, which a node that is a container does not have.
 * https://github.com/k8snetworkplumbingwg/multus-cni/blob/v4.2.4/docs/configuration.md
 */
export class Multus extends pulumi.ComponentResource implements Networks {
    constructor(
        name: string,
        private readonly args: MultusArgs,
        opts: pulumi.ComponentResourceOptions,
    ) {
        super("homelab:network:Multus", name, {}, opts);
        const child = { parent: this };
        const metadata = { name: "multus", namespace: NAMESPACE };
        const definition = attachmentDefinition(name, child);
        const account = new k8s.core.v1.ServiceAccount(name, { metadata }, child);
        const role = new k8s.rbac.v1.ClusterRole(
            name,
            {
                metadata: { name: metadata.name },
                rules: [
                    {
                        apiGroups: ["k8s.cni.cncf.io"],
                        resources: ["network-attachment-definitions"],
                        verbs: ["get", "list"],
                    },
                    // What each pod was given, it writes on the pod.
                    { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] },
                    { apiGroups: [""], resources: ["pods/status"], verbs: ["get", "update", "patch"] },
                    {
                        apiGroups: ["", "events.k8s.io"],
                        resources: ["events"],
                        verbs: ["create", "patch", "update"],
                    },
                ],
            },
            child,
        );
        const binding = new k8s.rbac.v1.ClusterRoleBinding(
            name,
            {
                metadata: { name: metadata.name },
                roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role.metadata.name },
                subjects: [{ kind: "ServiceAccount", ...metadata }],
            },
            child,
        );
        const dhcp = Object.values(args.networks).some(({ addresses }) => addresses === "dhcp");
        const labels = { "app.kubernetes.io/name": "multus" };
        const daemons = new k8s.apps.v1.DaemonSet(
            name,
            {
                metadata: { ...metadata, labels },
                spec: {
                    selector: { matchLabels: labels },
                    template: { metadata: { labels }, spec: podSpec(account.metadata.name, dhcp) },
                },
            },
            { ...child, dependsOn: binding },
        );
        for (const [network, wanted] of Object.entries(args.networks)) {
            new k8s.apiextensions.CustomResource(
                `${name}-${network}`,
                {
                    apiVersion: "k8s.cni.cncf.io/v1",
                    kind: "NetworkAttachmentDefinition",
                    metadata: { name: network, namespace: NAMESPACE },
                    spec: { config: JSON.stringify(macvlan(network, wanted)) },
                },
                // A pod that asks for the network before the plugin is there starts without it, and stays so.
                { ...child, dependsOn: [definition, daemons] },
            );
        }
        this.registerOutputs({});
    }

    card(workload: string, wish: NetworkWish): Readonly<Record<string, pulumi.Input<string>>> {
        const { cluster, networks } = this.args;
        if (networks[wish.name] === undefined) {
            throw new pulumi.RunError(
                `workload ${workload} asks for a card in the network "${wish.name}"; this cluster has ${Object.keys(networks).join(", ")}`,
            );
        }
        const element = {
            name: wish.name,
            namespace: NAMESPACE,
            mac: wish.mac ?? derivedMac(cluster, workload),
            ...(wish.address === undefined ? {} : { ips: [wish.address] }),
        };
        return { [ANNOTATION]: JSON.stringify([element]) };
    }
}

/** CNI configuration of a network; https://www.cni.dev/plugins/current/main/macvlan/ */
export function macvlan(network: string, { interface: master, addresses }: MacvlanNetwork) {
    return {
        cniVersion: "1.0.0",
        name: network,
        type: "macvlan",
        master,
        mode: "bridge",
        // Hardware and IP addresses come with the pod's own annotation.
        capabilities: { mac: true, ...(addresses === "static" ? { ips: true } : {}) },
        ipam: { type: addresses },
    };
}

function attachmentDefinition(name: string, opts: pulumi.CustomResourceOptions) {
    const plural = "network-attachment-definitions";
    const group = "k8s.cni.cncf.io";
    return new k8s.apiextensions.v1.CustomResourceDefinition(
        name,
        {
            metadata: { name: `${plural}.${group}` },
            spec: {
                group,
                scope: "Namespaced",
                names: {
                    plural,
                    singular: "network-attachment-definition",
                    kind: "NetworkAttachmentDefinition",
                    listKind: "NetworkAttachmentDefinitionList",
                    shortNames: ["net-attach-def"],
                },
                versions: [
                    {
                        name: "v1",
                        served: true,
                        storage: true,
                        schema: {
                            openAPIV3Schema: {
                                type: "object",
                                properties: {
                                    spec: { type: "object", properties: { config: { type: "string" } } },
                                },
                            },
                        },
                    },
                ],
            },
        },
        opts,
    );
}

function podSpec(serviceAccountName: pulumi.Output<string>, dhcp: boolean): k8s.types.input.core.v1.PodSpec {
    const privileged = { privileged: true };
    const plugins = { name: "plugins", mountPath: HOST.plugins };
    const small = { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "64Mi" } };
    return {
        hostNetwork: true,
        // The DHCP daemon enters the network namespaces of pods by the first process' view of the file system.
        ...(dhcp ? { hostPID: true } : {}),
        serviceAccountName,
        priorityClassName: "system-node-critical",
        terminationGracePeriodSeconds: 10,
        initContainers: [
            {
                name: "install-plugins",
                image: imageReference(images.cniPlugins),
                // These three and no others: k3s' own plugins are links to one program, which a copy would overwrite.
                command: [
                    "/bin/sh",
                    "-c",
                    `cp -f /opt/cni/bin/macvlan /opt/cni/bin/static /opt/cni/bin/dhcp ${HOST.plugins}/`,
                ],
                resources: small,
                securityContext: privileged,
                volumeMounts: [plugins],
            },
        ],
        containers: [
            {
                name: "multus",
                image: imageReference(images.multus),
                command: ["/thin_entrypoint"],
                args: [
                    "--multus-conf-file=auto",
                    `--multus-autoconfig-dir=${HOST.configuration}`,
                    `--cni-conf-dir=${HOST.configuration}`,
                    `--cni-bin-dir=${HOST.plugins}`,
                    `--multus-kubeconfig-file-host=${K3S.configuration}/multus.d/multus.kubeconfig`,
                    // Without it the pod network's plugin would not be found again once Multus is gone.
                    "--cleanup-config-on-exit=true",
                ],
                resources: { requests: { cpu: "10m", memory: "50Mi" }, limits: { memory: "128Mi" } },
                securityContext: privileged,
                terminationMessagePolicy: "FallbackToLogsOnError",
                volumeMounts: [{ name: "configuration", mountPath: HOST.configuration }, plugins],
            },
            ...(dhcp
                ? [
                      {
                          name: "dhcp",
                          image: imageReference(images.cniPlugins),
                          command: [
                              "/bin/sh",
                              "-c",
                              // A daemon that was killed leaves its socket.
                              "rm -f /proc/1/root/run/cni/dhcp.sock; exec /opt/cni/bin/dhcp daemon -hostprefix /proc/1/root",
                          ],
                          resources: small,
                          securityContext: privileged,
                      },
                  ]
                : []),
        ],
        volumes: [
            { name: "configuration", hostPath: { path: K3S.configuration, type: "Directory" } },
            { name: "plugins", hostPath: { path: K3S.plugins, type: "Directory" } },
        ],
    };
}
