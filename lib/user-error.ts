/** A mistake of the person at the keyboard or of their machine: the message is the whole answer, no stack trace. */
export class UserError extends Error {}

/** The person asked how a program is used: the message is the answer to that. */
export class HelpAsked extends Error {}

/**
 * Runs a command-line entry point: a `UserError` ends it with its message and code 1, help that was asked for with its text and
 * code 0, anything else with its stack.
 */
export function runMain(main: () => Promise<number | void>): void {
    main().then(
        (code) => {
            process.exitCode = code ?? 0;
        },
        (error: unknown) => {
            if (error instanceof HelpAsked) {
                console.log(error.message);
                return;
            }
            const expected = error instanceof UserError || (error instanceof Error && "__pulumiRunError" in error);
            console.error(expected ? `error: ${error.message}` : error);
            process.exitCode = 1;
        },
    );
}
