import * as pulumi from "@pulumi/pulumi";
import type { CertManager } from "../edge/cert-manager";
import type { Cluster } from "../platform";
import type { Mesh } from "./mesh";

export interface LinkerdArgs {
    cluster: Pick<Cluster, "kubeconfig" | "podCidr" | "serviceCidr">;
    certManager: CertManager;
    /** Copies of each part of the control plane. */
    replicas: 1 | 3;
}

/** Linkerd: CRDs, CNI plugin, control plane and viz. Not built yet: nothing wires it. */
export class Linkerd extends pulumi.ComponentResource implements Mesh {
    /** Service of the dashboard. */
    readonly dashboard = { namespace: "linkerd-viz", service: "web", port: 8084 } as const;

    readonly annotations = { "linkerd.io/inject": "enabled" } as const;

    constructor(name: string, args: LinkerdArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:mesh:Linkerd", name, {}, opts);
        throw new pulumi.ResourceError(`${name}: ${args.replicas} replicas of Linkerd: not built yet`, this, true);
    }

}
