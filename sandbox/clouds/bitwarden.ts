/** Bitwarden Secrets Manager as its SDK finds it: one machine account, which reads one project. */

export interface BitwardenAccount {
    readonly accessToken: string;
    readonly organizationId: string;
    readonly projectId: string;
    /** Names of the project's secrets; each has a made-up value. */
    readonly keys: readonly string[];
}

/** A secret asked for by name. */
export interface BitwardenQuestion {
    readonly accessToken: string;
    readonly organizationId: string;
    readonly projectId: string;
    readonly key: string;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Why a question has no answer, in the words of External Secrets' provider and the SDK server; undefined when it has one. */
export function refusal(account: BitwardenAccount | undefined, question: BitwardenQuestion): string | undefined {
    const listing = (status: number, said: string) =>
        "failed to get secret: failed to get all secrets: failed to list secrets: failed to perform http request, " +
        `got response: ${said} with status code ${status}`;
    const login = (why: string) =>
        listing(400, `failed to login to bitwarden using access token: bitwarden login: ${why}`);
    const malformed = tokenFault(question.accessToken);
    if (malformed !== undefined) return login(`API error: Access token is not in a valid format: ${malformed}`);
    if (question.accessToken !== account?.accessToken)
        return login('API error: [400 Bad Request] {"error":"invalid_client"}');
    if (question.organizationId !== account.organizationId) {
        return listing(
            400,
            "failed to get secret: API error: Received error message from server: [404 Not Found] Resource not found.",
        );
    }
    const { key, projectId } = question;
    return projectId === account.projectId && account.keys.includes(key)
        ? undefined
        : `no secret found for project id ${projectId} and name ${key}`;
}

/** `0.<client id>.<client secret>:<key of 16 bytes, base64>` */
function tokenFault(token: string): string | undefined {
    const [first = "", key] = token.split(":");
    const [version = "", id = "", secret, ...more] = first.split(".");
    if (key === undefined) return "Doesn't contain a decryption key";
    if (secret === undefined || more.length > 0) return "Wrong number of parts";
    if (version !== "0") return "Wrong version";
    if (!UUID.test(id)) return "Invalid identifier";
    return Buffer.from(key, "base64").length === 16 ? undefined : "Error decoding base64";
}
