import * as pulumi from "@pulumi/pulumi";
import { parseDeliveries, type Delivery } from "../components/gitops/delivery";

/** The stack output in which an `up` leaves word for the next one. */
export const DELIVERY_OUTPUT = "delivery";

/** Where the last `up` of this very stack left each app; nothing for a stack that was never up. Asks the engine. */
export async function readDelivered(): Promise<Record<string, Delivery>> {
    const name = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
    const answer = (await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name })) as {
        outputs?: Record<string, unknown>;
    };
    return parseDeliveries(answer.outputs?.[DELIVERY_OUTPUT]);
}
