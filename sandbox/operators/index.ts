import { join } from "node:path";
import { standInCrds } from "../charts/crds";
import type { LoopbackCloudflare, LoopbackTailscale } from "../clouds";
import type { BitwardenAccount } from "../clouds/bitwarden";
import type { AggregatedApi } from "../cluster/egress";
import { ingressStatus } from "../cluster/ingress-status";
import { type Crd, lateCrds } from "../cluster/late-crds";
import { loadBalancer } from "../cluster/load-balancer";
import { nodes, type NodeSpec } from "../cluster/nodes";
import { serviceLb } from "../cluster/service-lb";
import { volumes } from "../cluster/volumes";
import type { Controller } from "../controllers/controller";
import { readObjects } from "../controllers/files";
import { argoCd } from "./argo-cd";
import { authentik } from "./authentik";
import { certManager } from "./cert-manager";
import { cilium } from "./cilium";
import { cloudflared } from "./cloudflared";
import { cloudNativePg } from "./cloudnative-pg";
import { envoyGateway } from "./envoy-gateway";
import { externalDns } from "./external-dns";
import { externalSecrets } from "./external-secrets";
import { flux } from "./flux";
import { gpus } from "./gpus";
import { haproxyIngress } from "./haproxy-ingress";
import { istio } from "./istio";
import { linkerd } from "./linkerd";
import { longhorn } from "./longhorn";
import { metalLb } from "./metallb";
import { metricsServer } from "./metrics-server";
import type { Operator, World } from "./operator";
import { prometheus } from "./prometheus";
import { redisEnterprise } from "./redis-enterprise";
import { rook } from "./rook";
import { tailscale } from "./tailscale";
import { vault } from "./vault";
import { type VaultAccount, VaultWorld } from "./vault/controller";
import { velero } from "./velero";
import { volSync } from "./volsync";

/** What the cluster does without an operator, at its place among them. */
const machines: Operator = { controllers: ({ nodes: specs, joins }) => [nodes(specs, { joins })] };
const registrations: Operator = {
    controllers: ({ crds }) => [
        lateCrds(
            crds,
            operators.flatMap(({ registers }) => registers ?? []),
        ),
    ],
};
const addresses: Operator = { controllers: (world) => [world.serviceLb ? serviceLb : loadBalancer, ingressStatus] };
const disks: Operator = { controllers: () => [volumes()] };

/** In the order of their passes: machines first, then what needs them. */
export const operators: readonly Operator[] = [
    machines,
    gpus,
    registrations,
    metalLb,
    addresses,
    haproxyIngress,
    disks,
    rook,
    cilium,
    metricsServer,
    longhorn,
    certManager,
    linkerd,
    vault,
    externalSecrets,
    envoyGateway,
    istio,
    volSync,
    velero,
    prometheus,
    cloudNativePg,
    redisEnterprise,
    flux,
    argoCd,
    authentik,
    cloudflared,
    externalDns,
    tailscale,
];

/** What all operators' pods serve as a part of the API, by the name of the APIService. */
export const aggregatedApis: Readonly<Record<string, AggregatedApi>> = Object.assign(
    {},
    ...operators.map(({ apis }) => apis),
);

/** What the controllers need to know of the sandbox they run in. */
export interface ControllerSettings {
    readonly nodes: readonly NodeSpec[];
    readonly joins?: boolean | undefined;
    /** Directory of real CRDs, `<dir>/<project>/*.yaml`; stand-ins for projects it does not have, or when absent. */
    readonly crds?: string | undefined;
    /** Directory for what outlives a cluster: backups and archives. In memory when absent. */
    readonly outside?: string | undefined;
    readonly cloudflare?: LoopbackCloudflare | undefined;
    readonly tailscale?: LoopbackTailscale | undefined;
    readonly bitwarden?: BitwardenAccount | undefined;
    /** What a person has written into the cluster's Vault. */
    readonly vault?: VaultAccount | undefined;
    readonly serviceLb?: boolean | undefined;
    readonly log?: ((line: string) => void) | undefined;
}

/** All controllers of a sandbox, in the order of their passes. */
export function allControllers({
    nodes: specs,
    joins,
    crds,
    outside,
    cloudflare,
    tailscale: tailnet,
    bitwarden,
    vault: account = { wanted: {} },
    serviceLb: nodePorts = false,
    log = console.log,
}: ControllerSettings): Controller[] {
    const kept = (file: string) => (outside === undefined ? undefined : join(outside, file));
    const world: World = {
        nodes: specs,
        joins,
        serviceLb: nodePorts,
        crds: crdLoader(crds),
        kept,
        cloudflare,
        tailscale: tailnet,
        bitwarden,
        vault: new VaultWorld(account, kept),
        log,
    };
    return operators.flatMap(({ controllers }) => controllers?.(world) ?? []);
}

/** Reads each set of CRDs once: parsing the real ones takes a while. */
function crdLoader(directory: string | undefined): (set: string) => readonly Crd[] {
    const loaded = new Map<string, readonly Crd[]>();
    return (set) => {
        const known = loaded.get(set);
        if (known !== undefined) {
            return known;
        }
        const real =
            directory === undefined
                ? []
                : readObjects<Crd>(join(directory, set)).filter((one) => one.kind === "CustomResourceDefinition");
        const crds = real.length > 0 ? real : standInCrds(set);
        loaded.set(set, crds);
        return crds;
    };
}
