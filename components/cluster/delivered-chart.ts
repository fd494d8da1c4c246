import * as pulumi from "@pulumi/pulumi";
import type { Chart } from "../charts";
import type { AppDelivery } from "../gitops/delivery";
import { helmRelease } from "./helm-release";

export interface DeliveredChartArgs {
    /** Helm's name of the release. */
    readonly release: string;
    /** `made`: its name as whoever makes it gives it, so that the release waits for it. */
    readonly namespace: { readonly name: string; readonly made: pulumi.Input<string> };
    readonly values: pulumi.Inputs;
    /** Absent: Pulumi delivers it. */
    readonly delivery: AppDelivery | undefined;
}

/** A chart on which nothing of Pulumi's stands: a release, or an Application of Git's that names it. */
export function deliveredChart(
    owner: pulumi.ComponentResource,
    name: string,
    chart: Chart,
    { release, namespace, values, delivery: how }: DeliveredChartArgs,
): void {
    const delivery = how?.begin(owner, name, namespace.name, { chart, release, values });
    const opts = delivery === undefined ? { parent: owner } : delivery.objects;
    const made =
        opts &&
        helmRelease(
            name,
            chart,
            {
                name: release,
                namespace: namespace.made,
                values,
                ...(delivery?.adopts === true ? { takeOwnership: true } : {}),
            },
            opts,
        );
    delivery?.settled([made?.urn]);
}
