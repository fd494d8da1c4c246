/** The cloud accounts a cluster may have, Cloudflare and Tailscale: their part of the schema, secrets, claims, providers. */
import * as cloudflare from "@pulumi/cloudflare";
import type * as pulumi from "@pulumi/pulumi";
import * as tailscale from "@pulumi/tailscale";
import { z } from "zod";
import type { SopsSecretStore } from "../components/secrets/sops";
import type { StackClaim } from "../config/claims";
import { cloudflareId, label, tailnetName } from "../config/fields";
import type { CloudAccounts } from "./context";

/** Places of the accounts' credentials in the secrets file. */
export const ACCOUNT_SECRETS = {
    cloudflareToken: "cloudflare.apiToken",
    tailscaleClientId: "tailscale.oauthClientId",
    tailscaleClientSecret: "tailscale.oauthClientSecret",
} as const;

/** Keys of a stack's schema. What must differ between two stacks is by default called after the stack. */
export const accountKeys = (stack: string) => ({
    /** Absent: no public names and no tunnel; the cluster works on the LAN all the same. */
    cloudflare: z
        .strictObject({
            accountId: cloudflareId,
            zoneId: cloudflareId,
            /** Name of the tunnel in the account. */
            tunnel: label.default(stack),
        })
        .optional(),
    /** Absent: no tailnet access. */
    tailscale: z
        .strictObject({
            /** Tailnet name as the admin console shows it, or "-" for the one the credential belongs to. */
            tailnet: tailnetName.default("-"),
            /** Tag of the subnet router, without `tag:`. */
            tag: label.default(stack),
            /** `manage`: this stack keeps entries of its own in the tailnet's policy file; `leave`: none. */
            policy: z.enum(["manage", "leave"]).default("manage"),
            /** Lets runners with this tag (without `tag:`) reach the machines: docs/pull-requests.md */
            ci: z.strictObject({ tag: label.default("ci") }).optional(),
        })
        .optional(),
});

/** What of a configuration concerns the accounts. */
export interface Accounts {
    readonly cloudflare?: { readonly accountId: string; readonly zoneId: string; readonly tunnel: string } | undefined;
    readonly tailscale?:
        | {
              readonly tailnet: string;
              readonly tag: string;
              readonly policy: "manage" | "leave";
              readonly ci?: { readonly tag: string } | undefined;
          }
        | undefined;
}

/** The credentials that a configuration's accounts need. */
export function accountSecrets({ cloudflare: account, tailscale: net }: Accounts): string[] {
    return [
        ...(account === undefined ? [] : [ACCOUNT_SECRETS.cloudflareToken]),
        ...(net === undefined ? [] : [ACCOUNT_SECRETS.tailscaleClientId, ACCOUNT_SECRETS.tailscaleClientSecret]),
    ];
}

/** The accounts as those who look at them want them. */
export function cloudAccounts({
    cloudflare: account,
    tailscale: net,
    domain,
}: Accounts & { readonly domain: string }): CloudAccounts {
    return {
        ...(account === undefined
            ? {}
            : {
                  cloudflare: {
                      accountId: account.accountId,
                      zoneId: account.zoneId,
                      domain,
                      apiToken: ACCOUNT_SECRETS.cloudflareToken,
                  },
              }),
        ...(net === undefined
            ? {}
            : {
                  tailscale: {
                      tailnet: net.tailnet,
                      clientId: ACCOUNT_SECRETS.tailscaleClientId,
                      clientSecret: ACCOUNT_SECRETS.tailscaleClientSecret,
                      ...(net.policy === "manage"
                          ? {}
                          : { ownTags: [net.tag, ...(net.ci === undefined ? [] : [net.ci.tag])] }),
                  },
              }),
    };
}

/** Names in the accounts that a stack takes. In a tailnet's policy each stack has entries of its own. */
export function accountClaims({ cloudflare: account }: Accounts): StackClaim[] {
    return account === undefined
        ? []
        : [{ kind: "tunnel", value: `${account.accountId}/${account.tunnel}`, path: "cloudflare.tunnel" }];
}

/** Providers of the accounts. */
export function accountProviders(accounts: Accounts, secrets: SopsSecretStore): pulumi.ProviderResource[] {
    return [
        ...(accounts.cloudflare === undefined
            ? []
            : [new cloudflare.Provider("cloudflare", { apiToken: secrets.value(ACCOUNT_SECRETS.cloudflareToken) })]),
        ...(accounts.tailscale === undefined
            ? []
            : [
                  new tailscale.Provider("tailscale", {
                      ...tailscaleCredentials(secrets),
                      tailnet: accounts.tailscale.tailnet,
                  }),
              ]),
    ];
}

/** The OAuth client of the tailnet. */
export function tailscaleCredentials(secrets: SopsSecretStore) {
    return {
        oauthClientId: secrets.value(ACCOUNT_SECRETS.tailscaleClientId),
        oauthClientSecret: secrets.value(ACCOUNT_SECRETS.tailscaleClientSecret),
    };
}
