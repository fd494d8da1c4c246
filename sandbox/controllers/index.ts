import { join } from "node:path";
import { standInCrds } from "../charts/crds";
import type { LoopbackCloudflare, LoopbackTailscale } from "../clouds";
import type { BitwardenAccount } from "../clouds/bitwarden";
import type { Controller } from "./controller";
import { readObjects } from "./files";
import { authentik } from "./authentik";
import { cephVolumes } from "./ceph-volumes";
import { certManager } from "./cert-manager";
import { ciliumBgp } from "./cilium-bgp";
import { ciliumGateway } from "./cilium-gateway";
import { cloudNativePg } from "./cloudnative-pg";
import { envoyGateway } from "./envoy-gateway";
import { externalDns } from "./external-dns";
import { externalSecretsOperator } from "./external-secrets";
import { flux } from "./flux";
import { gpus, k3sRuntimeClasses } from "./gpus";
import { intelGpus } from "./intel-gpus";
import { istio } from "./istio";
import { haproxyIngress } from "./haproxy-ingress";
import { ingressStatus } from "./ingress-status";
import { loadBalancer } from "./load-balancer";
import { linkerd } from "./linkerd";
import { metalLbWebhook } from "./metallb";
import { longhorn } from "./longhorn";
import { longhornClaims } from "./longhorn-volumes";
import { nodes, type NodeSpec } from "./nodes";
import { type Crd, operators } from "./operators";
import { prometheusOperator } from "./prometheus-operator";
import { redisEnterprise } from "./redis-enterprise";
import { rook } from "./rook";
import { serviceLb } from "./service-lb";
import { tailnet } from "./tailnet";
import { tunnels } from "./tunnels";
import { type VaultAccount, VaultWorld } from "./vault";
import { velero } from "./velero";
import { volSync } from "./volsync";
import { volumes } from "./volumes";

/** What the controllers need to know of the sandbox they run in. */
export interface ControllerSettings {
    readonly nodes: readonly NodeSpec[];
    /** Whether machines make their nodes themselves; then they are kept as described, and not made. */
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
    /** Whether k3s' own load balancer serves the cluster; else whoever has pools of addresses. */
    readonly serviceLb?: boolean | undefined;
    readonly log?: ((line: string) => void) | undefined;
}

/** All controllers of a sandbox, in the order of their passes: machines first, then what needs them. */
export function allControllers({
    nodes: machines,
    joins,
    crds,
    outside,
    cloudflare,
    tailscale,
    bitwarden,
    vault = { wanted: {} },
    serviceLb: nodePorts = false,
    log = console.log,
}: ControllerSettings): Controller[] {
    const load = crdLoader(crds);
    const inVault = new VaultWorld(vault, (file: string) => (outside === undefined ? undefined : join(outside, file)));
    const kept = (file: string) => (outside === undefined ? undefined : join(outside, file));
    return [
        nodes(machines, { joins }),
        intelGpus(machines),
        gpus(machines),
        k3sRuntimeClasses(machines),
        operators(load),
        metalLbWebhook(),
        nodePorts ? serviceLb : loadBalancer,
        ingressStatus,
        haproxyIngress,
        volumes(),
        rook(kept("ceph-machines.json")),
        cephVolumes,
        ciliumBgp,
        ciliumGateway(),
        longhorn(kept("longhorn-machines.json")),
        longhornClaims,
        certManager,
        linkerd,
        inVault.controller,
        externalSecretsOperator(bitwarden, inVault),
        envoyGateway,
        istio,
        volSync(kept("restic.json")),
        velero(kept("velero.json")),
        prometheusOperator,
        cloudNativePg(kept("postgres-archives.json")),
        redisEnterprise,
        flux(load),
        authentik,
        ...(cloudflare === undefined ? [] : [tunnels(cloudflare, { log }), externalDns(cloudflare, { log })]),
        ...(tailscale === undefined ? [] : [tailnet(tailscale, { log })]),
    ];
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
