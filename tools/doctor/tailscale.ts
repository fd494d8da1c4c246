/** The Tailscale OAuth client: accepted, and with the scopes that the plan needs. */
import type { CloudAccounts } from "../../lab/context";
import { isOpenToAll, missingFrom, stacksIn } from "../../components/tailnet/policy";
import { orReason } from "../live/get";
import type { Told } from "../../lib/told";
import { tailscaleReader, type TailscaleAccount } from "../live/tailscale";
import { findingsOf, type Finding } from "../../lib/finding";
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
    const entries = needs.policyEntries;
    if (entries === undefined) throw new Error("a plan that needs the policy says which entries");
    let missing: string[];
    try {
        missing = missingFrom(policy.value, entries.fragment);
    } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return say.failure("policy file", `is no HuJSON: ${why}`, "correct it in the console: Access controls");
    }
    const stacks = stacksIn(policy.value);
    if (missing.length === 0 && isOpenToAll(policy.value)) {
        return say.warning(
            "policy file",
            "has this stack's entries, and a rule by which every device reaches every other",
            "take the rule with * out in the console if it is Tailscale's default and not your wish: docs/dns.md",
        );
    }
    if (missing.length === 0) return say.ok("policy file", `has this stack's entries; marked are ${stacks.join(", ")}`);
    if (!stacks.includes(entries.stack)) {
        return say.warning(
            "policy file",
            "has no entries of this stack yet",
            "the next up adds them; what others wrote stays, and Tailscale's own default, by which everybody reaches everything, is replaced (docs/dns.md)",
        );
    }
    return say.warning(
        "policy file",
        `lacks what this stack's last up wrote, or what the next one will: ${missing.join("; ")}`,
        "pulumi up; if that changes nothing:  pulumi up --replace '**:Command::tailnet-policy'",
    );
}
