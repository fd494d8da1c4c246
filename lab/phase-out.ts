/** A cluster that is on its way out: its part of the schema and the rule. */
import { z } from "zod";
import { label } from "../config/fields";
import type { CrossRule } from "../config/parse";
import { comesWithOthers, type Apps } from "./apps";

/** `phaseOut` of a schema; no other app is taken in. */
export const phaseOutKeys = (stack: string) =>
    z.strictObject({
        /** Stack that its apps move to. */
        to: label.refine((to) => to !== stack, { error: "another stack than this one" }),
        /** The apps that may stay until then. */
        apps: z.array(label),
    });

/** Who phases a cluster out wants its apps to go, not to come. */
export const frozen: CrossRule<{
    readonly phaseOut?: z.output<ReturnType<typeof phaseOutKeys>> | undefined;
    readonly apps: Apps;
}> = ({ phaseOut, apps }) =>
    phaseOut === undefined
        ? []
        : Object.keys(apps)
              .filter((name) => apps[name] !== undefined && !phaseOut.apps.includes(name) && !comesWithOthers(name))
              .map((name) => ({
                  rule: "cluster-phased-out",
                  path: `apps.${name}`,
                  got: name,
                  allowed: `no app but ${phaseOut.apps.join(", ")}: this cluster is phased out`,
                  suggestion: `put it under apps of Pulumi.${phaseOut.to}.yaml`,
              }));
