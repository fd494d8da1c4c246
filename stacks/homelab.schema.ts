/** Schema and parts of the recipe homelab. */
import { z } from "zod";
import { duration, hostAddress, hostLabel, label, port, volumeSize } from "../config/fields";
import { receivers } from "../config/receivers";
import { appsPart, type Offers } from "../lab/apps";
import { ageKeyPlace, argoCdKeys, argoCdPageKeys, argoCdPart } from "../lab/argocd";
import { clusterNetworkKeys } from "../lab/cluster-networks";
import { lanPoolDefaults, lanPoolFollows, lanPoolKeys, lanPoolPart, poolByEnds } from "../lab/lan-pool";
import { nodeStorageKeys, ownDirectories } from "../lab/node-storage";
import { ELSEWHERE, NODE_CAPACITY, secretsKeys, sharedLibraries, stackKeys } from "../lab/parts";
import { receiverNotes } from "../lab/observability";
import { joinParts } from "../lab/platform-parts";
import { tailnetPart } from "../lab/tailnet";
import { systemPart } from "../lab/workload-host";

const node = z.strictObject({
    /** Kubernetes node name; on NixOS the host name. */
    name: label,
    address: hostAddress,
    /** How the program reaches the machine; your ~/.ssh/config and agent apply. */
    ssh: z.strictObject({ user: label.default("root"), port: port.default(22) }).prefault({}),
    capacity: NODE_CAPACITY.optional(),
});

const secrets = (stack: string) =>
    z.strictObject({
        /** Where the cluster's age private key is; it goes to Argo CD without passing through Pulumi. */
        ageKey: ageKeyPlace.prefault({ from: "node", path: "/var/lib/sops-nix/keys.txt" }),
        ...secretsKeys(stack),
    });

const monitoring = z.strictObject({
    host: hostLabel.default("grafana"),
    retention: duration.default("15d"),
    storage: volumeSize.default("20Gi"),
    /** Whom Alertmanager tells; docs/alerts.md */
    receivers: receivers.default([]),
});

export const homelabSchema = (stack: string) =>
    z.strictObject({
        ...stackKeys(stack),
        node,
        network: z.strictObject({
            ...clusterNetworkKeys("10.42.0.0/16", "10.43.0.0/16"),
            ...lanPoolKeys,
        }),
        secrets: secrets(stack).prefault({}),
        storage: nodeStorageKeys.prefault({}),
        ...argoCdPageKeys,
        /** Absent: Git has no hand in the cluster, and there is no Argo CD. */
        gitops: argoCdKeys.optional(),
        monitoring: monitoring.prefault({}),
    });

/** Facts of a stack of this recipe, as parsed from its file. */
export type HomelabConfig = z.output<ReturnType<typeof homelabSchema>>;

/** The network around the node, where the file says nothing else. */
export function homelabDefaults(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const network = lanPoolDefaults(value["node"], poolByEnds(value["network"]));
    return { ...value, ...(network === undefined ? {} : { network }) };
}

export const homelabFollows = lanPoolFollows("node.address");

/** What the cluster has for apps. */
export function homelabOffers({ node: machine, storage: s, cloudflare }: HomelabConfig): Offers {
    return {
        capacity: [machine.capacity],
        nodes: [{ name: machine.name, capacity: machine.capacity }],
        gpus: {},
        postgres: false,
        prometheus: true,
        devices: true,
        addresses: "required",
        // TLS ends at Cloudflare: in the house there is none.
        https: cloudflare === undefined ? "none" : "external",
        libraries: sharedLibraries(s),
        mend: {
            gpu: ELSEWHERE.gpu,
            postgres: ELSEWHERE.postgres,
            prometheus: "it is always there",
            library: "set storage.<library>, a directory of the node",
            device: "it is always there",
            address: "take it out",
            network: ELSEWHERE.network,
        },
    };
}

/** Namespace of the tunnel's connector. */
export const TUNNEL_NAMESPACE = "cloudflared";

/** Namespace of everything that watches. */
export const MONITORING_NAMESPACE = "monitoring";

export const homelabParts = joinParts<HomelabConfig>(
    lanPoolPart,
    // Its namespace is made with the age key in it.
    { ...argoCdPart, namespaces: () => ({}) },
    { rules: [ownDirectories] },
    {
        hosts: (config) => [["monitoring.host", config.monitoring.host]],
        notes: ({ monitoring }) => receiverNotes(monitoring),
        namespaces: ({ cloudflare }) => ({
            // node-exporter reads the host.
            [MONITORING_NAMESPACE]: "privileged",
            ...(cloudflare === undefined ? {} : { [TUNNEL_NAMESPACE]: "restricted" as const }),
        }),
    },
    tailnetPart,
    systemPart,
    // The libraries are host paths.
    appsPart("privileged"),
);
