/** What a person should know of what a stack exposes, and no table shows. */
import type { Exposure } from "./edge";

/** A sentence each, for the plan. */
export function exposureNotes(exposures: readonly Exposure[], domain: string): string[] {
    const shut = exposures.filter(({ asked }) => asked === "external").map(({ workload }) => workload);
    const proxied = exposures.some(({ access, direct }) => access === "external" && direct !== true);
    return [
        ...(shut.length === 0
            ? []
            : [
                  `Without cloudflare no tunnel leads in from the internet: what is to be external is local (${shut.join(", ")}).`,
              ]),
        // How many labels a zone has nobody but Cloudflare knows.
        ...(proxied && domain.split(".").length > 2
            ? [
                  `Cloudflare gives hosts of ${domain} a certificate only where ${domain} is the zone itself: its Universal SSL covers a zone and the names right below it. In a zone above, external hosts need Total TLS or Advanced Certificate Manager.`,
              ]
            : []),
    ];
}
