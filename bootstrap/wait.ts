/** Waiting for a condition, with the reason of the wait told once each time it changes. */

const MINUTE = 60_000;

/** What waiting takes from outside. */
export interface Clock {
    /** Tells the person what is going on. */
    readonly say: (line: string) => void;
    readonly sleep: (milliseconds: number) => Promise<void>;
    readonly now: () => number;
}

/** A reason to wait on, as opposed to a value that was waited for. */
export class NotYet {
    constructor(readonly reason: string) {}
}

/**
 * Asks every ten seconds until the answer is not `NotYet`. A rejected question counts as not yet: machines that reboot
 * refuse connections. Rejects after `minutes` with the last reason.
 */
export async function waitFor<T>(
    { say, sleep, now }: Clock,
    what: string,
    minutes: number,
    question: () => Promise<T | NotYet>,
): Promise<T> {
    const deadline = now() + minutes * MINUTE;
    let told = "";
    for (;;) {
        const answer = await question().catch(
            (error: unknown) => new NotYet(error instanceof Error ? error.message : String(error)),
        );
        if (!(answer instanceof NotYet)) return answer;
        if (now() >= deadline) throw new Error(`waited ${minutes} minutes for ${what}: ${answer.reason}`);
        if (answer.reason !== told) say(`waiting for ${what}: ${answer.reason}`);
        told = answer.reason;
        await sleep(10_000);
    }
}
