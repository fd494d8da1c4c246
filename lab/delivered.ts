import * as pulumi from "@pulumi/pulumi";
import { deliveredBefore, type Delivered } from "../components/gitops/delivery";

/** The stack output in which an `up` leaves word for the next one. */
export const DELIVERY_OUTPUT = "delivery";

/** The stack output with the UID of the cluster. */
export const CLUSTER_OUTPUT = "cluster";

/** What the last `up` left word of: where each app is, and which cluster it built. Asks the engine. */
export async function readLastUp(): Promise<{ delivered: Delivered; cluster?: string }> {
    const name = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
    const { outputs = {} } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name })) as {
        outputs?: Record<string, unknown>;
    };
    // A stack from before the record, when Pulumi delivered everything.
    const unrecorded = Object.keys(outputs).length > 0 && !(DELIVERY_OUTPUT in outputs);
    const cluster = outputs[CLUSTER_OUTPUT];
    return {
        delivered: unrecorded ? () => "pulumi" : deliveredBefore(outputs[DELIVERY_OUTPUT]),
        ...(typeof cluster === "string" && { cluster }),
    };
}
