import { Unreachable, type Answer } from "./get";

/** The one POST of doctor and audit: client credentials for a short-lived token. It changes nothing. Throws `Unreachable`. */
export async function postForm(url: string, form: Readonly<Record<string, string>>, timeout: number): Promise<Answer> {
    try {
        const answer = await fetch(url, {
            method: "POST",
            body: new URLSearchParams(form),
            signal: AbortSignal.timeout(timeout),
        });
        return { status: answer.status, body: await answer.text() };
    } catch (error) {
        const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : undefined;
        throw new Unreachable(
            `${new URL(url).host} cannot be reached: ${cause ?? (error instanceof Error ? error.message : "")}`,
        );
    }
}
