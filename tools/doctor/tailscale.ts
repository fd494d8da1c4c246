/** The Tailscale OAuth client: accepted, and with the scopes that the plan needs. */
import type { CloudAccounts } from "../../lab/context";
import { isOurPolicy } from "../../components/tailnet/policy";
import { orReason, type Told } from "../live/get";
import { tailscaleReader, type TailscaleAccount } from "../live/tailscale";
import { findingsOf, type Finding } from "./finding";
import type { CloudNeeds } from "./needs";

const say = findingsOf("tailscale");

export interface TailscaleFact {
    readonly granted: Told<readonly string[]>;
    readonly policy: Told<string>;
}

export async function lookAtTailscale(
    account: TailscaleAccount,
    env: NodeJS.ProcessEnv,
    timeout: number,
): Promise<TailscaleFact> {
    const reader = await orReason(tailscaleReader(account, env, timeout));
    if (!reader.ok) return { granted: reader, policy: reader };
    return { granted: { ok: true, value: reader.value.scopes }, policy: await orReason(reader.value.policy()) };
}

/** Scopes of before 2024 and what they hold today; https://tailscale.com/kb/1623/trust-credentials */
const LEGACY: Readonly<Record<string, readonly string[]>> = {
    devices: ["devices:core", "devices:routes", "auth_keys"],
    acl: ["policy_file"],
};

/** Whether one of the granted scopes holds the wanted one. */
export function holds(granted: readonly string[], wanted: string): boolean {
    return granted.some((scope) => scope === "all" || scope === wanted || (LEGACY[scope] ?? []).includes(wanted));
}

const WHERE = "login.tailscale.com, Settings, Trust credentials";

export function judgeTailscale(
    account: NonNullable<CloudAccounts["tailscale"]>,
    needs: CloudNeeds,
    { granted, policy }: TailscaleFact,
): Finding[] {
    if (!granted.ok) {
        return [
            granted.status === 0
                ? say.failure("OAuth client", granted.reason, "see to this computer's way to the internet")
                : say.failure(
                      "OAuth client",
                      `Tailscale refuses it (${granted.reason})`,
                      `make one (${WHERE}) and set id and secret:  sops set`,
                  ),
            ...["scopes", "policy file"].map((check) => say.skipped(check, "the OAuth client was not accepted")),
        ];
    }
    const wanted = [
        // The router's device is removed on destroy.
        ...(needs.authKeys ? ["auth_keys", "devices:core"] : []),
        ...(needs.policy ? ["policy_file"] : []),
        ...(needs.splitDns ? ["dns"] : []),
    ];
    return [
        say.ok("OAuth client", `is accepted for the tailnet ${account.tailnet}`),
        scopes(granted.value, wanted),
        policyFinding(policy, needs),
    ];
}

function scopes(granted: readonly string[], wanted: readonly string[]): Finding {
    if (granted.length === 0) return say.skipped("scopes", `the API did not say which; wanted: ${wanted.join(", ")}`);
    const missing = wanted.filter((scope) => !holds(granted, scope));
    return missing.length === 0
        ? say.ok("scopes", `${granted.join(", ")}; wanted: ${wanted.join(", ") || "none"}`)
        : say.failure(
              "scopes",
              `${missing.join(", ")} missing; it has ${granted.join(", ")}`,
              `make an OAuth client with ${wanted.join(", ")}: ${WHERE}`,
          );
}

function policyFinding(policy: Told<string>, needs: CloudNeeds): Finding {
    if (!needs.policy) return say.skipped("policy file", "this stack leaves it alone");
    if (!policy.ok) {
        return say.failure(
            "policy file",
            `cannot be read: ${policy.reason}`,
            `correct tailscale.tailnet, or give the OAuth client policy_file: ${WHERE}`,
        );
    }
    if (isOurPolicy(policy.value)) return say.ok("policy file", "is this project's");
    return say.warning(
        "policy file",
        "is not this project's: the tailnet's default, or somebody's own",
        "the default is replaced at the first up; a person's own is refused: set tailscale.policy to leave, or import it (docs/audit.md)",
    );
}
