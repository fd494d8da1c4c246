/** The tailnet's policy file over the API: read with its ETag, changed, written only if nobody wrote in between. */
import { freshPolicy, hasOurMarks, mergeFragment, removeFragment, type PolicyFragment } from "./policy";

/** What the process that changes the policy is given, by environment: an argument list can be read by others. */
export interface PolicySpec {
    readonly STACK: string;
    /** Name of the tailnet, or "-". */
    readonly TAILNET: string;
    readonly CLIENT_ID: string;
    readonly CLIENT_SECRET: string;
    /** `PolicyFragment` as JSON. */
    readonly POLICY_FRAGMENT: string;
}

export const POLICY_SPEC = ["STACK", "TAILNET", "CLIENT_ID", "CLIENT_SECRET", "POLICY_FRAGMENT"] as const;

export interface PolicySurroundings {
    /** Without a trailing slash, e.g. https://api.tailscale.com */
    readonly baseUrl: string;
    readonly say: (line: string) => void;
    readonly sleep: (milliseconds: number) => Promise<void>;
}

/** The ETag of a policy that nobody has ever written; https://tailscale.com/api#tag/policyfile */
const NEVER_WRITTEN = '"ts-default"';

const ATTEMPTS = 12;

/**
 * Puts the stack's entries into the policy, or takes them out. Throws an `Error` that says what Tailscale said, when it
 * refuses, and when others kept writing.
 */
export async function changePolicy(
    step: "merge" | "remove",
    spec: PolicySpec,
    around: PolicySurroundings,
): Promise<void> {
    const fragment = JSON.parse(spec.POLICY_FRAGMENT) as PolicyFragment;
    const file = await openPolicy(spec, around);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const { text, etag } = await file.read();
        if (step === "merge" && !hasOurMarks(text)) {
            // Only Tailscale knows whether this is its own default: it refuses this where anybody has ever written.
            if (await file.write(freshPolicy(spec.STACK, fragment), NEVER_WRITTEN)) return;
        }
        const next = changed(step, text, spec.STACK, fragment);
        if (next === text || (await file.write(next, etag))) return;
        around.say("the tailnet's policy was changed by somebody else meanwhile: reading it again");
        await around.sleep(Math.random() * 250 * attempt);
    }
    throw new Error(
        `the tailnet's policy was written by somebody else ${ATTEMPTS} times while this stack changed it: run it again`,
    );
}

function changed(step: "merge" | "remove", text: string, stack: string, fragment: PolicyFragment): string {
    try {
        return step === "merge" ? mergeFragment(text, stack, fragment) : removeFragment(text, stack);
    } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new Error(`the tailnet's policy file cannot be read, so nothing in it was changed: ${why}`);
    }
}

interface PolicyFile {
    read(): Promise<{ text: string; etag: string }>;
    /** False when it is no longer the text with that ETag. */
    write(text: string, etag: string): Promise<boolean>;
}

async function openPolicy(spec: PolicySpec, { baseUrl, sleep }: PolicySurroundings): Promise<PolicyFile> {
    const api = `${baseUrl}/api/v2`;
    const send = async (path: string, init: RequestInit): Promise<Response> => {
        for (let attempt = 1; ; attempt++) {
            const answer = await fetch(api + path, { ...init, signal: AbortSignal.timeout(30_000) }).catch(
                (error: unknown) => {
                    const cause =
                        error instanceof Error ? (error.cause instanceof Error ? error.cause : error) : undefined;
                    throw new Error(`${new URL(api).host} cannot be reached: ${cause?.message ?? String(error)}`);
                },
            );
            if ((answer.status !== 429 && answer.status < 500) || attempt === 4) return answer;
            await answer.body?.cancel();
            await sleep(1000 * Math.min(30, Number(answer.headers.get("retry-after")) || attempt));
        }
    };
    const { CLIENT_ID, CLIENT_SECRET, TAILNET } = spec;
    const grant = await send("/oauth/token", {
        method: "POST",
        body: new URLSearchParams({
            client_id: CLIENT_ID,
            client_secret: CLIENT_SECRET,
            grant_type: "client_credentials",
        }),
    });
    if (!grant.ok) throw await refusal("Tailscale refuses the OAuth client", grant);
    const { access_token: token } = (await grant.json()) as { access_token?: string };
    if (token === undefined) throw new Error("Tailscale's answer to the OAuth client has no token");
    const path = `/tailnet/${encodeURIComponent(TAILNET)}/acl`;
    const headers = { authorization: `Bearer ${token}`, accept: "application/hujson" };
    return {
        async read() {
            const answer = await send(path, { headers });
            if (!answer.ok) throw await refusal(`the policy of the tailnet ${TAILNET} cannot be read`, answer);
            const etag = answer.headers.get("etag");
            if (etag === null)
                throw new Error("Tailscale's answer has no ETag, without which a change could undo another's");
            return { text: await answer.text(), etag };
        },
        async write(text, etag) {
            const answer = await send(path, {
                method: "POST",
                headers: { ...headers, "content-type": "application/hujson", "if-match": etag },
                body: text,
            });
            if (answer.status === 412) return false;
            if (!answer.ok) throw await refusal(`the policy of the tailnet ${TAILNET} was not changed`, answer);
            return true;
        },
    };
}

/** Tailscale's own words: `message`, and what its tests of the policy found. */
async function refusal(what: string, answer: Response): Promise<Error> {
    const text = await answer.text();
    let words = text.slice(0, 300);
    try {
        const { message, data } = JSON.parse(text) as { message?: string; data?: { errors?: string[] }[] };
        words = [message ?? "", ...(data ?? []).flatMap(({ errors }) => errors ?? [])]
            .filter((word) => word !== "")
            .join("; ");
    } catch {
        // No JSON: a proxy's page, whose beginning is said.
    }
    const scope = answer.status === 403 ? "; the OAuth client needs the scope policy_file" : "";
    return new Error(`${what}: ${answer.status} ${words}${scope}`);
}
