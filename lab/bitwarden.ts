/** Bitwarden Secrets Manager as a cluster's secret store: its part of the schema, its token, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import type { CertManager } from "../components/edge/cert-manager";
import { Bitwarden } from "../components/secrets/bitwarden";
import { ExternalSecrets } from "../components/secrets/external-secrets";
import type { SecretRef } from "../components/secrets/secret-store";
import { bitwardenId, httpsApi } from "../config/fields";
import type { CloudAccounts, SecretsFile } from "./context";
import type { Lab } from "./lab";

/** Place of the machine account's access token, and the variable that takes its place. */
export const BITWARDEN_TOKEN = "bitwarden.accessToken";
export const BITWARDEN_VARIABLE = "BWS_ACCESS_TOKEN";

/** Keys of a schema. */
export const bitwardenKeys = {
    organizationId: bitwardenId,
    /** The project whose secrets the cluster reads, by name. */
    projectId: bitwardenId,
    /** Of another region (`https://api.bitwarden.eu`), or of a server of one's own. */
    apiUrl: httpsApi.default("https://api.bitwarden.com"),
    identityUrl: httpsApi.default("https://identity.bitwarden.com"),
};

/** What of a configuration concerns it. */
export interface BitwardenPlace {
    readonly organizationId: string;
    readonly projectId: string;
    readonly apiUrl: string;
    readonly identityUrl: string;
}

/** The secrets file at `path` with these values and the access token, which may be exported instead. */
export const withBitwardenToken = (path: string, refs: readonly SecretRef[]): SecretsFile => ({
    path,
    refs: [...refs, BITWARDEN_TOKEN],
    environment: { [BITWARDEN_TOKEN]: BITWARDEN_VARIABLE },
});

/** The account as those who look at it want it; `keys`: every value that the stack asks of the project. */
export const bitwardenAccount = (
    { organizationId, projectId, apiUrl, identityUrl }: BitwardenPlace,
    keys: readonly SecretRef[],
): NonNullable<CloudAccounts["bitwarden"]> => ({
    organizationId,
    projectId,
    apiUrl,
    identityUrl,
    accessToken: BITWARDEN_TOKEN,
    keys,
});

/** External Secrets and Bitwarden; the store is ready when the component is. */
export function bitwardenStore(
    lab: Lab,
    place: BitwardenPlace,
    { certManager, after }: { readonly certManager: CertManager; readonly after: pulumi.ComponentResource },
): Bitwarden {
    const operator = new ExternalSecrets("external-secrets", {}, lab.after(after));
    const token = lab.secrets.value(BITWARDEN_TOKEN);
    return new Bitwarden("bitwarden", { token, ...place, operator, certManager }, lab.after(certManager, operator));
}
