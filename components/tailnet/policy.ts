/** The tailnet policy this project writes, as data; https://tailscale.com/docs/reference/syntax/policy-file */

export interface TailnetPolicyArgs {
    /** Tag of the subnet router, without `tag:`. */
    tag: string;
    /** CIDRs that the router announces and members may reach. */
    routes: readonly string[];
}

/** First line of a policy of ours. A policy without it belongs to a person and is never overwritten. */
export const POLICY_MARKER = "// Managed by Pulumi (homelab-infrastructure): edit the stack, not this file.";

/** HuJSON text of the policy. */
export function tailnetPolicy({ tag, routes }: TailnetPolicyArgs): string {
    const policy = {
        tagOwners: { [`tag:${tag}`]: ["autogroup:admin"] },
        // The router's announcements need nobody's click in the console.
        autoApprovers: { routes: Object.fromEntries(routes.map((route) => [route, [`tag:${tag}`]])) },
        grants: [
            { src: ["autogroup:member"], dst: ["autogroup:self"], ip: ["*"] },
            { src: ["autogroup:member"], dst: [...routes], ip: ["tcp:80", "tcp:443", "tcp:32400"] },
        ],
    };
    return `${POLICY_MARKER}\n${JSON.stringify(policy, null, 2)}\n`;
}

/** True for a policy that this project wrote, however the console has reformatted the rest. */
export function isOurPolicy(hujson: string): boolean {
    return hujson.trimStart().startsWith(POLICY_MARKER);
}
