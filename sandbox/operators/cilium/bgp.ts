/**
 * Cilium's BGP control plane: which nodes peer by a CiliumBGPClusterConfig, and what is wrong with it. By operator/pkg/bgp of Cilium 1.20.
 * The router is the household's: this one has been told of its neighbours and takes every session that is asked for.
 */
import {
    type Action,
    collections,
    type Controller,
    objectPath,
    resources,
    type View,
} from "../../controllers/controller";
import {
    type ConditionNow,
    type CustomResource,
    ensure,
    isLeaving,
    ownedBy,
    running,
    statusOf,
} from "../../controllers/custom-resources";
import { type ConfigMap, keyOf, type LabelSelector, type Node, selects } from "../../controllers/objects";

interface Instance {
    readonly name: string;
    readonly localASN?: number;
    readonly peers?: readonly {
        readonly name: string;
        readonly peerASN?: number;
        readonly peerAddress?: string;
        readonly peerConfigRef?: { readonly name: string };
    }[];
}

type ClusterConfig = CustomResource<{
    readonly nodeSelector?: LabelSelector;
    readonly bgpInstances: readonly Instance[];
}>;
type NodeConfig = CustomResource<{ readonly bgpInstances: readonly Instance[] }>;

const clusterConfigs = resources("cilium.io", "v2", "ciliumbgpclusterconfigs");
const nodeConfigs = resources("cilium.io", "v2", "ciliumbgpnodeconfigs");
const peerConfigs = resources("cilium.io", "v2", "ciliumbgppeerconfigs");

export const ciliumBgp: Controller = {
    name: "cilium-bgp",
    lists: [
        collections.deployments,
        collections.configMaps,
        collections.nodes,
        ...[clusterConfigs, nodeConfigs, peerConfigs],
    ],
    reconcile(view) {
        const operator = running(view, (one) => keyOf(one) === "kube-system/cilium-operator");
        const { data = {} } =
            view.list<ConfigMap>(collections.configMaps).find((one) => keyOf(one) === "kube-system/cilium-config") ??
            {};
        if (operator === undefined || data["enable-bgp-control-plane"] !== "true") return [];
        const configs = view.list<ClusterConfig>(clusterConfigs).filter((one) => !isLeaving(one));
        return [
            ...configs.flatMap((config) => configActions(view, config)),
            ...view.list<NodeConfig>(nodeConfigs).flatMap((node) => sessions(view, node)),
        ];
    },
};

function configActions(view: View, config: ClusterConfig): Action[] {
    const { nodeSelector, bgpInstances } = config.spec;
    const chosen = view
        .list<Node>(collections.nodes)
        .filter(({ metadata }) => selects(nodeSelector, metadata.labels ?? {}));
    const there = view.list<NodeConfig>(nodeConfigs);
    const isOwn = ({ metadata }: NodeConfig) =>
        metadata.ownerReferences?.some(({ uid }) => uid === config.metadata.uid) === true;
    const rivals = there.filter(
        (one) => !isOwn(one) && chosen.some(({ metadata }) => metadata.name === one.metadata.name),
    );
    const known = new Set(view.list<CustomResource>(peerConfigs).map(keyOf));
    const missing = bgpInstances
        .flatMap(({ peers = [] }) => peers.flatMap(({ peerConfigRef }) => peerConfigRef?.name ?? []))
        .filter((name) => !known.has(name));
    const condition = (type: string, bad: string, good: string, message: string): ConditionNow => ({
        type: `cilium.io/${type}`,
        status: message === "" ? "False" : "True",
        reason: message === "" ? good : bad,
        message,
    });
    const ownerOf = ({ metadata }: NodeConfig) => metadata.ownerReferences?.[0]?.name ?? "";
    return [
        ...chosen
            .filter(({ metadata }) => !rivals.some((one) => one.metadata.name === metadata.name))
            .flatMap(({ metadata: { name } }) =>
                ensure(
                    nodeConfigs,
                    typed(there.find((one) => one.metadata.name === name)),
                    typed({
                        metadata: { name, ownerReferences: ownedBy(config, "cilium.io/v2", "CiliumBGPClusterConfig") },
                        spec: { bgpInstances },
                    }),
                ),
            ),
        ...there
            .filter((one) => isOwn(one) && !chosen.some(({ metadata }) => metadata.name === one.metadata.name))
            .map((one): Action => ({ verb: "delete", path: objectPath(nodeConfigs, one.metadata) })),
        ...statusOf(clusterConfigs, config, view.now, {}, [
            condition(
                "NoMatchingNode",
                "MatchingNodeUnavailable",
                "MatchingNodeSelected",
                chosen.length === 0 ? "No node matches spec.nodeSelector" : "",
            ),
            condition(
                "MissingPeerConfigs",
                "PeerConfigsMissing",
                "PeerConfigsResolved",
                missing.length === 0 ? "" : `Referenced CiliumBGPPeerConfig(s) are missing: [${missing.join(" ")}]`,
            ),
            condition(
                "ConflictingClusterConfigs",
                "ClusterConfigConflict",
                "ClusterConfigValidated",
                rivals.length === 0
                    ? ""
                    : `Selecting the same node(s) with ClusterConfig(s): [${rivals.map(ownerOf).join(" ")}]`,
            ),
        ]),
    ];
}

const typed = <T extends NodeConfig | undefined>(config: T) =>
    (config === undefined ? undefined : { ...config, apiVersion: "cilium.io/v2", kind: "CiliumBGPNodeConfig" }) as T;

/** The agent's part: a session with each peer that has an address and its settings. */
function sessions(view: View, node: NodeConfig): Action[] {
    const known = new Set(view.list<CustomResource>(peerConfigs).map(keyOf));
    return statusOf(nodeConfigs, node, view.now, {
        bgpInstances: node.spec.bgpInstances.map(({ name, localASN, peers = [] }) => ({
            name,
            ...(localASN !== undefined && { localASN }),
            peers: peers.map((peer) => ({
                name: peer.name,
                peerAddress: peer.peerAddress ?? "",
                ...(peer.peerASN !== undefined && { peerASN: peer.peerASN }),
                peeringState:
                    peer.peerAddress !== undefined &&
                    peer.peerASN !== undefined &&
                    localASN !== undefined &&
                    (peer.peerConfigRef === undefined || known.has(peer.peerConfigRef.name))
                        ? "established"
                        : "idle",
            })),
        })),
    });
}
