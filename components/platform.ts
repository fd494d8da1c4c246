/**
 * What a workload may ask of a cluster, without knowing its technology. A stack builds one Platform from components;
 * every file in apps/ takes it. Plain interfaces: a cluster with Envoy Gateway, Rook or Doppler brings other
 * implementations of the same few members.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { Databases } from "./database/databases";
import type { RedisServers } from "./database/redis";
import type { Edge, Exposure } from "./edge/edge";
import type { AppDelivery } from "./gitops/delivery";
import type { Namespaces } from "./cluster/namespaces";
import type { Identity } from "./identity/identity";
import type { Mesh } from "./mesh/mesh";
import type { Networks } from "./network/networks";
import type { TrafficShaping } from "./network/traffic";
import type { ClusterCheck } from "./pages/check-account";
import type { SecretStore } from "./secrets/secret-store";
import type { Storage } from "./storage/volumes";

/** Identity of a cluster, for names, labels and commands that talk to its API server. */
export interface Cluster {
    /** Stack name, e.g. `homelab`. */
    readonly name: string;
    /** IANA time zone of the household. */
    readonly timezone: string;
    /** Content of a kubeconfig, secret. Commands get it in a file that lives as long as the command. */
    readonly kubeconfig: pulumi.Output<string>;
    /**
     * Changes where this program makes the whole cluster anew, and depends on what does: whatever is in the cluster, or was
     * done to it, is taken away before and made again after. Absent: this program never does.
     */
    readonly generation?: pulumi.Output<string>;
    /** The household's network, whose machines reach what has an address of its own. */
    readonly lan: string;
    readonly podCidr: string;
    readonly serviceCidr: string;
}

/** Makers of graphics processors that a workload may ask for. */
export type GpuKind = "nvidia" | "intel" | "amd";

/** How a cluster hands out one kind of GPU. */
export interface Gpu {
    /** Extended resource of the device plugin, e.g. nvidia.com/gpu. */
    readonly resource: string;
    /** Runtime class that makes the driver visible in the container, where one is needed. */
    readonly runtimeClass?: pulumi.Input<string>;
    /** Groups that a pod needs besides its own to open the device; the container keeps the host's owner and mode. */
    readonly groups?: pulumi.Input<number[]>;
}

/** Something outside the cluster that a person wants to be told of when it does not answer. */
export interface Watched {
    readonly name: string;
    readonly url: string;
}

/** Capabilities a cluster offers to workloads. */
export interface Platform {
    readonly cluster: Cluster;
    /** Providers of this cluster and what every workload waits for. Merge `parent` in, nothing else. */
    readonly opts: pulumi.ComponentResourceOptions;
    readonly namespaces: Namespaces;
    readonly storage: Storage;
    readonly secrets: SecretStore;
    readonly edge: Edge;
    /** Everything that the stack exposes, once all is declared; absent: nobody keeps a list. */
    readonly exposed?: Promise<readonly Exposure[]>;
    /** Servers outside the cluster that it cannot do without, by a name for people and a URL that answers; absent: none. */
    readonly watched?: readonly Watched[];
    /** What of the cluster itself a person wants to be told of; absent: a Prometheus of its own does. */
    readonly checks?: readonly ClusterCheck[];
    /** Who signs people in for what is reached; absent: everything does that itself, or not at all. */
    readonly identity?: Identity;
    /** Databases on a shared server; absent: the cluster has none. */
    readonly databases?: Databases;
    /** A Redis that workloads share; absent: each has a small one of its own. */
    readonly redis?: RedisServers;
    /** GPUs by maker; a workload that asks for one that is not here is an error. */
    readonly gpus?: Readonly<Partial<Record<GpuKind, Gpu>>>;
    /** Networks besides the pod network; absent: there are none. */
    readonly networks?: Networks;
    /** Service mesh; absent: none, and a workload that would be in one is not. */
    readonly mesh?: Mesh;
    /** What brings the kinds of Prometheus' operator, e.g. ServiceMonitor; absent: they are there before any workload. */
    readonly monitorKinds?: pulumi.Resource;
    /** How what pods send is shaped; absent: it is not. */
    readonly shaping?: TrafficShaping;
    /** Annotations on every controller of a workload that reads a Secret or ConfigMap, e.g. Reloader's. */
    readonly reloadAnnotations?: Readonly<Record<string, string>>;
    /** How the app at hand reaches the cluster; absent: by Pulumi. */
    readonly delivery?: AppDelivery;
}

/** The part of a Platform that a workload without an exposure needs; the edge itself is built on it. */
export type WorkloadHost = Omit<Platform, "edge"> & { readonly edge?: Edge };
