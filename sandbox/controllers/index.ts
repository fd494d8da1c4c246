import { join } from "node:path";
import { standInCrds } from "../charts/crds";
import type { LoopbackCloudflare, LoopbackTailscale } from "../clouds";
import type { Controller } from "./controller";
import { readObjects } from "./files";
import { gpus } from "./gpus";
import { ingressStatus } from "./ingress-status";
import { loadBalancer } from "./load-balancer";
import { nodes, type NodeSpec } from "./nodes";
import { type Crd, operators } from "./operators";
import { type Stage, stages } from "./stages";
import { tailnet } from "./tailnet";
import { tunnels } from "./tunnels";
import { volumes } from "./volumes";

const STAGES = join(__dirname, "stages");

/** What the controllers need to know of the sandbox they run in. */
export interface ControllerSettings {
    readonly nodes: readonly NodeSpec[];
    /** Directory of real CRDs, `<dir>/<project>/*.yaml`; stand-ins for projects it does not have, or when absent. */
    readonly crds?: string | undefined;
    readonly cloudflare?: LoopbackCloudflare | undefined;
    readonly tailscale?: LoopbackTailscale | undefined;
    readonly log?: ((line: string) => void) | undefined;
}

/** All controllers of a sandbox, in the order of their passes: machines first, then what needs them. */
export function allControllers({
    nodes: machines,
    crds,
    cloudflare,
    tailscale,
    log = console.log,
}: ControllerSettings): Controller[] {
    return [
        stages([...readObjects<Stage>(STAGES), ...readObjects<Stage>(join(STAGES, "custom-resources"))]),
        nodes(machines),
        gpus(machines),
        operators(crdLoader(crds)),
        loadBalancer,
        ingressStatus,
        volumes(),
        ...(cloudflare === undefined ? [] : [tunnels(cloudflare, { log })]),
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
