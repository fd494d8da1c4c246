/**
 * Bitwarden Secrets Manager: the machine account's token, and the names of what it reads. They are encrypted for the
 * organization, whose key comes with the token; values are not asked for. https://bitwarden.com/help/secrets-manager-overview/
 */
import { createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { storeKey } from "../../components/secrets/external-secret-store";
import type { CloudAccounts } from "../../lab/context";
import { findingsOf, type Finding } from "../../lib/finding";
import type { Told } from "../../lib/told";
import { records } from "../../lib/json";
import { get, objectOf, orReason, textOf } from "../live/get";
import { postForm } from "../live/grant";

const say = findingsOf("bitwarden");

type Account = NonNullable<CloudAccounts["bitwarden"]>;

export interface BitwardenFact {
    /** Organization that the token belongs to. */
    readonly login: Told<{ readonly organization: string }>;
    /** Names of the secrets in the project, as often as they are there. */
    readonly names: Told<readonly string[]>;
}

/** `0.<client id>.<client secret>:<key of 16 bytes, base64>` */
const TOKEN = /^0\.([0-9a-f-]{36})\.([^.:]+):([A-Za-z0-9+/]{22}==)$/i;

const NO_TOKEN = "is no access token of a machine account (0.<id>.<secret>:<key>)";

export async function lookAtBitwarden(account: Account, accessToken: string, timeout: number): Promise<BitwardenFact> {
    const skipped: Told<never> = { ok: false, status: 0, reason: "the token was not accepted" };
    const [, clientId, clientSecret, secret] = TOKEN.exec(accessToken) ?? [];
    if (clientId === undefined || clientSecret === undefined || secret === undefined) {
        return { login: { ok: false, status: -1, reason: NO_TOKEN }, names: skipped };
    }
    const granted = await orReason(
        grant(account.identityUrl, { client_id: clientId, client_secret: clientSecret }, timeout),
    );
    if (!granted.ok) return { login: granted, names: skipped };
    const { token, payload } = granted.value;
    const login: BitwardenFact["login"] = { ok: true, value: { organization: organizationOf(token) } };
    const names = await orReason(
        namesIn(account, token, timeout, () => organizationKey(payload, Buffer.from(secret, "base64"))),
    );
    return { login, names };
}

async function grant(
    identityUrl: string,
    client: { readonly client_id: string; readonly client_secret: string },
    timeout: number,
): Promise<Told<{ token: string; payload: string }>> {
    const form = { grant_type: "client_credentials", scope: "api.secrets", ...client };
    const answer = await postForm(`${identityUrl}/connect/token`, form, timeout);
    const value = objectOf(answer);
    const token = textOf(value, "access_token");
    if (answer.status < 300 && token !== "") {
        return { ok: true, value: { token, payload: textOf(value, "encrypted_payload") } };
    }
    const why = textOf(value, "error");
    return { ok: false, status: answer.status, reason: [answer.status, ...(why === "" ? [] : [why])].join(", ") };
}

/** A claim of the token, which is a JSON Web Token. */
function organizationOf(token: string): string {
    try {
        return textOf(JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")), "organization");
    } catch {
        return "";
    }
}

async function namesIn(
    { apiUrl, organizationId, projectId }: Account,
    token: string,
    timeout: number,
    key: () => Buffer,
): Promise<Told<string[]>> {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await get(`${apiUrl}/organizations/${organizationId}/secrets`, { headers, timeout });
    const value = answer.status < 300 ? objectOf(answer) : undefined;
    if (value === undefined) return { ok: false, status: answer.status, reason: String(answer.status) };
    const inProject = records(value["secrets"]).filter((secret) =>
        records(secret["projects"]).some((project) => textOf(project, "id") === projectId),
    );
    try {
        const opened = key();
        return { ok: true, value: inProject.map((secret) => decrypt(textOf(secret, "key"), opened).toString("utf8")) };
    } catch (error) {
        return { ok: false, status: -1, reason: error instanceof Error ? error.message : String(error) };
    }
}

/** The organization's key: in the answer to the login, encrypted by what is stretched out of the token's last part. */
export function organizationKey(payload: string, secret: Buffer): Buffer {
    const stretched = Buffer.from(hkdfSync("sha256", secret, "bitwarden-accesstoken", "sm-access-token", 64));
    const { encryptionKey } = JSON.parse(decrypt(payload, stretched).toString("utf8")) as { encryptionKey: string };
    return Buffer.from(encryptionKey, "base64");
}

/** Bitwarden's encrypted text of type 2, `2.<iv>|<data>|<mac>`: AES-256-CBC, with HMAC-SHA256 over both. Throws an `Error`. */
export function decrypt(text: string, key: Buffer): Buffer {
    const [, iv, data, mac] = /^2\.([^|]+)\|([^|]+)\|([^|]+)$/.exec(text) ?? [];
    if (iv === undefined || data === undefined || mac === undefined || key.length !== 64) {
        throw new Error("what Bitwarden answered is not encrypted as expected");
    }
    const bytes = [iv, data].map((part) => Buffer.from(part, "base64"));
    const [vector = Buffer.alloc(0), sealed = Buffer.alloc(0)] = bytes;
    const found = createHmac("sha256", key.subarray(32)).update(vector).update(sealed).digest();
    const told = Buffer.from(mac, "base64");
    if (told.length !== found.length || !timingSafeEqual(told, found)) {
        throw new Error("what Bitwarden answered is encrypted with another key than the token's");
    }
    const cipher = createDecipheriv("aes-256-cbc", key.subarray(0, 32), vector);
    return Buffer.concat([cipher.update(sealed), cipher.final()]);
}

export function judgeBitwarden(
    { organizationId, projectId, keys }: Account,
    { login, names }: BitwardenFact,
): Finding[] {
    const mend =
        "make an access token of a machine account that may read the project (Machine accounts, Access tokens), and export BWS_ACCESS_TOKEN or set it with  sops set";
    if (!login.ok) {
        return [
            login.status === 0
                ? say.failure("access token", login.reason, "see to this computer's way to the internet")
                : say.failure(
                      "access token",
                      login.status === -1 ? login.reason : `Bitwarden refuses it (${login.reason})`,
                      mend,
                  ),
            say.skipped("secrets", "the token was not accepted"),
        ];
    }
    const { organization } = login.value;
    const token =
        organization === "" || organization === organizationId
            ? say.ok("access token", "is accepted")
            : say.failure(
                  "access token",
                  `is of the organization ${organization}, secrets.bitwarden.organizationId says ${organizationId}`,
                  `correct the ID, or ${mend}`,
              );
    return [token, secretsFinding(projectId, keys.map(storeKey), names)];
}

function secretsFinding(projectId: string, wanted: readonly string[], names: BitwardenFact["names"]): Finding {
    if (!names.ok) {
        return say.failure(
            "secrets",
            `those of the project cannot be listed (${names.reason})`,
            `let the machine account read the project ${projectId}`,
        );
    }
    const missing = wanted.filter((name) => !names.value.includes(name));
    const twice = wanted.filter((name) => names.value.filter((one) => one === name).length > 1);
    if (missing.length > 0) {
        return say.failure(
            "secrets",
            `${missing.length} of ${wanted.length} are missing in the project: ${missing.join(", ")}`,
            missing.map((name) => `bws secret create ${name} '<value>' ${projectId}`).join("\n"),
        );
    }
    return twice.length > 0
        ? say.failure(
              "secrets",
              `${twice.join(", ")}: more than one of that name in the project`,
              "External Secrets takes neither: remove one, or take it out of the project",
          )
        : say.ok("secrets", `${wanted.length} of ${wanted.length} are in the project`);
}
