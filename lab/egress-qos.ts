/** Shaping of what pods send: its part of the schema, its rules, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { Cilium } from "../components/network/cilium";
import { EgressQos, toBitsPerSecond } from "../components/network/egress-qos";
import { spelled } from "../config/fields";
import { show, type CrossRule } from "../config/parse";
import type { Offers } from "./apps";
import type { Lab } from "./lab";

const bandwidth = spelled("bits per second such as 40M or 512k", /^[1-9][0-9]{0,5}[kMG]$/);

/** `egressQos` of a schema; absent: nothing is shaped. Cilium's profile must say `shaped`. */
export const egressQosKeys = z.strictObject({
    /** What all pods of the class bulk-seed in the cluster may send together, in bits per second, e.g. 40M. */
    rate: bandwidth,
    /** What one of them may send however few there are; default: `rate`. */
    ceil: bandwidth.optional(),
});

export interface EgressQosConfig {
    readonly egressQos?: z.output<typeof egressQosKeys> | undefined;
}

/** What the cluster has for apps: keys of `Offers`. */
export const shapingOffer = ({ egressQos }: EgressQosConfig): Pick<Offers, "shaping"> => ({
    shaping: egressQos !== undefined,
});

export const egressQosRules: readonly CrossRule<EgressQosConfig>[] = [
    ({ egressQos }) => {
        if (egressQos?.ceil === undefined) return [];
        const { rate, ceil } = egressQos;
        return toBitsPerSecond(ceil) <= toBitsPerSecond(rate)
            ? []
            : [
                  {
                      rule: "ceil-above-rate",
                      path: "egressQos.ceil",
                      got: show(ceil),
                      allowed: `at most egressQos.rate (${rate}), which is what all pods of the class have together`,
                  },
              ];
    },
];

export interface EgressQosOn {
    readonly cilium: Cilium;
}

/** The DaemonSet `egress-qos`, where the configuration shapes; it is a platform's `shaping`. */
export function egressQos(
    lab: Lab,
    { egressQos: limits }: EgressQosConfig,
    { cilium }: EgressQosOn,
    opts: pulumi.ComponentResourceOptions,
): EgressQos | undefined {
    if (limits === undefined) return undefined;
    const { rate, ceil = rate } = limits;
    return lab.stage(
        "egress shaping",
        new EgressQos("egress-qos", { cilium, rate, ceil, delivery: lab.part("egress-qos", opts) }, opts),
    );
}
