import * as pulumi from "@pulumi/pulumi";
import { deliveredBefore, type Delivered } from "../components/gitops/delivery";

/** The stack output in which an `up` leaves word for the next one. */
export const DELIVERY_OUTPUT = "delivery";

/** Where the last `up` of this very stack left each app. Asks the engine. */
export async function readDelivered(): Promise<Delivered> {
    const name = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
    const { outputs = {} } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name })) as {
        outputs?: Record<string, unknown>;
    };
    // A stack from before the record, when Pulumi delivered everything.
    const unrecorded = Object.keys(outputs).length > 0 && !(DELIVERY_OUTPUT in outputs);
    return unrecorded ? () => "pulumi" : deliveredBefore(outputs[DELIVERY_OUTPUT]);
}
