import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { chartArgs, type Chart } from "../charts";

export interface HelmReleaseArgs {
    /** Helm's name of the release, by which most charts call their objects. */
    name: string;
    namespace: pulumi.Input<string>;
    values?: pulumi.Inputs;
    /** Seconds that Helm waits for the objects to be ready; absent: five minutes. */
    timeout?: number;
    /** True where the chart's CRDs are a layer of their own: Helm never upgrades those of a chart's crds/ folder. */
    skipCrds?: boolean;
    /** True where the objects cannot be ready yet; a gate behind the release then waits for them. */
    skipAwait?: boolean;
    /** True: objects of another's that are there are made the release's. */
    takeOwnership?: boolean;
}

/**
 * A release of a chart in components/charts.ts. It is done when its objects are ready; what Helm does not see (an
 * operator's own work, addresses, webhooks) is waited for by a `clusterCommand` behind it, and what holds from then on is
 * a `valueAfter` that one.
 */
export function helmRelease(
    name: string,
    chart: Chart,
    args: HelmReleaseArgs,
    opts: pulumi.CustomResourceOptions,
): k8s.helm.v3.Release {
    return new k8s.helm.v3.Release(name, { ...chartArgs(chart), ...args }, opts);
}
