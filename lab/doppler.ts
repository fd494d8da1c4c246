/** Doppler as a cluster's secret store: its part of the schema, its token, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { Doppler } from "../components/secrets/doppler";
import { ExternalSecrets } from "../components/secrets/external-secrets";
import { label } from "../config/fields";
import type { Lab } from "./lab";

/** Place of the service token: with it, the one secret of the cluster that comes from outside. */
export const DOPPLER_TOKEN = "doppler.serviceToken";

/** `secrets.doppler` of a schema. */
export const dopplerKeys = z.strictObject({ project: label, config: label });

/** External Secrets and Doppler. */
export function dopplerStore(lab: Lab, place: z.output<typeof dopplerKeys>, after: pulumi.ComponentResource): Doppler {
    const operator = lab.stage("3 External Secrets", new ExternalSecrets("external-secrets", {}, lab.after(after)));
    return lab.stage(
        "3 Doppler",
        new Doppler("doppler", { token: lab.secrets.value(DOPPLER_TOKEN), ...place, operator }, lab.after(operator)),
    );
}
