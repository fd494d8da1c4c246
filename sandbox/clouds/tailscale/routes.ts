import ipaddr from "ipaddr.js";
import type { Policy } from "./policy";

/** Whether `outer` holds all of `inner`; both are CIDRs. */
function covers(outer: string, inner: string): boolean {
    try {
        const [outerAddress, outerBits] = ipaddr.parseCIDR(outer);
        const [innerAddress, innerBits] = ipaddr.parseCIDR(inner);
        return (
            outerAddress.kind() === innerAddress.kind() &&
            innerBits >= outerBits &&
            innerAddress.match(outerAddress, outerBits)
        );
    } catch {
        return false;
    }
}

/** The advertised routes that the policy approves for a device with these tags; exit-node routes go by `exitNode`. */
export function approvedRoutes(policy: Policy, advertised: readonly string[], tags: readonly string[]): string[] {
    const mayApprove = (approvers: readonly string[]) =>
        // A device without tags belongs to the user who made the key, an admin here.
        approvers.some((approver) => (tags.length > 0 ? tags.includes(approver) : !approver.startsWith("tag:")));
    return advertised.filter((route) =>
        route === "0.0.0.0/0" || route === "::/0"
            ? mayApprove(policy.autoApprovers?.exitNode ?? [])
            : Object.entries(policy.autoApprovers?.routes ?? {}).some(
                  ([prefix, approvers]) => covers(prefix, route) && mayApprove(approvers),
              ),
    );
}
