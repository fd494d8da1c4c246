/** What workloads stand on, with Reloader in the cluster, which their annotations ask. */
import type * as pulumi from "@pulumi/pulumi";
import { RELOAD_ANNOTATIONS, Reloader, type ReloaderArgs } from "../components/cluster/reloader";
import type { WorkloadHost } from "../components/platform";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** Namespace of Reloader and its like. */
export const SYSTEM_NAMESPACE = "system";

/** It as a part of the platform. */
export const systemPart: Part<unknown> = { namespaces: () => ({ [SYSTEM_NAMESPACE]: "restricted" }) };

/** `system`: namespace of Reloader; `podMonitor`: as of `ReloaderArgs`. */
export function workloadHost<H extends Pick<WorkloadHost, "cluster" | "namespaces" | "storage" | "secrets">>(
    lab: Lab,
    on: H,
    opts: pulumi.ComponentResourceOptions,
    { system = SYSTEM_NAMESPACE, ...more }: { readonly system?: string } & Pick<ReloaderArgs, "podMonitor"> = {},
): H & Pick<WorkloadHost, "opts" | "reloadAnnotations"> {
    new Reloader(
        "reloader",
        {
            namespace: { name: system, made: on.namespaces.name(system) },
            delivery: lab.part("reloader", opts),
            ...more,
        },
        opts,
    );
    return { ...on, opts, reloadAnnotations: RELOAD_ANNOTATIONS };
}
