/** Jobs that move pods to where they would be put today: their part of the schema, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { Descheduler, DESCHEDULER_NAMESPACE } from "../components/scheduling/descheduler";
import type { WorkloadHost } from "../components/platform";
import { cron } from "../config/fields";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** `descheduler` of a schema; absent: pods stay where they are. */
export const deschedulerKeys = z.strictObject({
    /** In the household's time zone. */
    schedule: cron.default("17 4 * * *"),
});

export interface DeschedulerConfig {
    readonly descheduler?: z.output<typeof deschedulerKeys> | undefined;
}

/** The jobs as a part of the platform. */
export const deschedulerPart: Part<DeschedulerConfig> = {
    namespaces: ({ descheduler }) => (descheduler === undefined ? {} : { [DESCHEDULER_NAMESPACE]: "restricted" }),
};

export interface DeschedulerOn {
    readonly host: Pick<WorkloadHost, "cluster" | "namespaces">;
}

/** The CronJob, where the configuration has one. */
export function deschedulerJobs(
    lab: Lab,
    { descheduler }: DeschedulerConfig,
    { host }: DeschedulerOn,
    opts: pulumi.ComponentResourceOptions,
): Descheduler | undefined {
    if (descheduler === undefined) return undefined;
    const namespace = host.namespaces.name(DESCHEDULER_NAMESPACE);
    const { timezone } = host.cluster;
    return lab.stage(
        "descheduler",
        new Descheduler(
            "descheduler",
            { namespace, timezone, schedule: descheduler.schedule, delivery: lab.part("descheduler", opts) },
            opts,
        ),
    );
}
