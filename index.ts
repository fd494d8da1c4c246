/** The Pulumi program: the selected stack with the value of its Pulumi.<stack>.yaml. */
import { setImmediate } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { readSopsFile } from "./components/secrets/sops";
import { openStack, stacks } from "./stacks";
import { assertNoConflict } from "./config/cross-checks";
import { CONFIG_KEY } from "./config/parse";
import { CLUSTER_OUTPUT, DELIVERY_OUTPUT, readLastUp } from "./lab/delivered";

export = async () => {
    const stack = openStack(pulumi.getStack(), new pulumi.Config().getObject(CONFIG_KEY));
    const root = pulumi.runtime.getRootDirectory();
    const compare = async () => {
        for (const gap of assertNoConflict(root, pulumi.getProject(), stack.name, stacks)) await pulumi.log.warn(gap);
    };
    // The engine answers while the files are compared.
    const [lastUp] = await Promise.all([readLastUp(), setImmediate().then(compare)]);
    const outside = { root, readSops: readSopsFile, environment: process.env };
    const { exposures, delivery, stages, cluster } = await stack.run({ ...outside, ...lastUp });
    return {
        /** What is reachable where. */
        reachable: exposures.map(({ host, address, port, access, auth }) => ({ host, address, port, access, auth })),
        /** Stages of the bootstrap and the component of each, in order. */
        stages: pulumi.all([...stages]),
        /** Who delivers each app; the next run reads it. */
        [DELIVERY_OUTPUT]: delivery,
        /** Which cluster this is; the next run refuses another. */
        [CLUSTER_OUTPUT]: cluster,
    };
};
