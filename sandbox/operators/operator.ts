import type { StandIns } from "../charts/generator";
import type { LoopbackCloudflare, LoopbackTailscale } from "../clouds";
import type { BitwardenAccount } from "../clouds/bitwarden";
import type { AggregatedApi } from "../cluster/egress";
import type { Crd, RuntimeCrds } from "../cluster/late-crds";
import type { NodeSpec } from "../cluster/nodes";
import type { Controller } from "../controllers/controller";
import type { VaultWorld } from "./vault/controller";

/** What an operator of a sandbox may know of it. */
export interface World {
    readonly nodes: readonly NodeSpec[];
    /** Whether machines make their nodes themselves; then they are kept as described, and not made. */
    readonly joins: boolean | undefined;
    /** Whether k3s' own load balancer serves the cluster; else whoever has pools of addresses. */
    readonly serviceLb: boolean;
    /** The CRDs of a project: the real ones where they are at hand, else stand-ins. */
    readonly crds: (project: string) => readonly Crd[];
    /** Path of a file that outlives the cluster; `undefined` where all is in memory. */
    readonly kept: (file: string) => string | undefined;
    readonly cloudflare: LoopbackCloudflare | undefined;
    readonly tailscale: LoopbackTailscale | undefined;
    readonly bitwarden: BitwardenAccount | undefined;
    readonly vault: VaultWorld;
    readonly log: (line: string) => void;
}

/** What a folder of `sandbox/operators` gives. The CRDs of its projects are in its `kinds.txt`. */
export interface Operator {
    /** Stand-ins for its charts, by chart name. */
    readonly charts?: StandIns;
    /** What it does in a cluster, in the order of the passes. */
    readonly controllers?: (world: World) => readonly Controller[];
    /** CRDs that it registers itself, at run time. */
    readonly registers?: RuntimeCrds;
    /** What its pods serve as a part of the API, by the name of the APIService. */
    readonly apis?: Readonly<Record<string, AggregatedApi>>;
}
