import { type Action, collections, type Controller } from "../controllers/controller";
import type { Node, Taint } from "../controllers/objects";

/** A machine of the cluster, as its owner describes it. */
export interface NodeSpec {
    readonly name: string;
    /** Its address in the LAN. */
    readonly address: string;
    readonly labels?: Readonly<Record<string, string>> | undefined;
    /** Quantities by resource, e.g. `{cpu: "8", memory: "32Gi", "nvidia.com/gpu": "1"}`. */
    readonly capacity: Readonly<Record<string, string>>;
    /** GPUs by maker; the node offers them while that maker's device plugin runs on it. */
    readonly gpus?: { readonly nvidia: number; readonly intel: number; readonly amd?: number } | undefined;
    /** e.g. `["control-plane", "etcd"]`; become `node-role.kubernetes.io/<role>` labels. */
    readonly roles?: readonly string[] | undefined;
    readonly taints?: readonly Taint[] | undefined;
    readonly kubeletVersion?: string | undefined;
    readonly osImage?: string | undefined;
}

const KWOK = "kwok.x-k8s.io/node";

/**
 * Makes the machines of a cluster appear as nodes, and keeps them as described. kwok plays their kubelets. With `joins` the
 * machines do the first part themselves.
 */
export function nodes(
    machines: readonly NodeSpec[],
    { joins = false }: { readonly joins?: boolean | undefined } = {},
): Controller {
    return {
        name: "nodes",
        lists: [collections.nodes],
        reconcile(view) {
            const present = new Map(view.list<Node>(collections.nodes).map((node) => [node.metadata.name, node]));
            return machines.flatMap((machine) => {
                const node = present.get(machine.name);
                if (node === undefined && joins) return [];
                return node === undefined
                    ? [{ verb: "create" as const, path: collections.nodes, body: nodeFor(machine) }]
                    : corrections(machine, node);
            });
        },
    };
}

/** The Node object of a machine. Its status goes in at creation, as a registering kubelet's does; kwok's stages keep it. */
export function nodeFor(machine: NodeSpec): object {
    return {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name: machine.name, labels: labelsOf(machine), annotations: { [KWOK]: "fake" } },
        spec: { ...(machine.taints !== undefined && { taints: machine.taints }) },
        status: {
            ...statusOf(machine),
            nodeInfo: {
                architecture: "amd64",
                operatingSystem: "linux",
                osImage: machine.osImage ?? "",
                kubeletVersion: machine.kubeletVersion ?? "v1.35.4",
                kubeProxyVersion: machine.kubeletVersion ?? "v1.35.4",
                containerRuntimeVersion: "containerd://2.0.0",
                kernelVersion: "kwok",
                bootID: "",
                machineID: "",
                systemUUID: "",
            },
        },
    };
}

function corrections(machine: NodeSpec, node: Node): Action[] {
    const path = `${collections.nodes}/${machine.name}`;
    const labels = Object.entries(labelsOf(machine)).filter(([key, value]) => node.metadata.labels?.[key] !== value);
    const marked = node.metadata.annotations?.[KWOK] === "fake";
    const wanted = statusOf(machine);
    const right =
        wanted.addresses.every(({ type, address }) =>
            (node.status?.addresses ?? []).some((other) => other.type === type && other.address === address),
        ) &&
        Object.entries(wanted.capacity).every(([resource, quantity]) => node.status?.capacity?.[resource] === quantity);
    return [
        ...(labels.length === 0 && marked
            ? []
            : [
                  {
                      verb: "patch" as const,
                      path,
                      body: { metadata: { labels: Object.fromEntries(labels), annotations: { [KWOK]: "fake" } } },
                  },
              ]),
        ...(right ? [] : [{ verb: "patch" as const, path: `${path}/status`, body: { status: wanted } }]),
    ];
}

function labelsOf(machine: NodeSpec): Record<string, string> {
    return {
        "kubernetes.io/hostname": machine.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        ...Object.fromEntries((machine.roles ?? []).map((role) => [`node-role.kubernetes.io/${role}`, "true"])),
        ...machine.labels,
    };
}

function statusOf(machine: NodeSpec) {
    const capacity = { pods: "110", "ephemeral-storage": "100Gi", ...machine.capacity };
    return {
        addresses: [
            { type: "InternalIP", address: machine.address },
            { type: "Hostname", address: machine.name },
        ],
        capacity,
        allocatable: capacity,
    };
}
