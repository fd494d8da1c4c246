/** A mistake of the person at the keyboard or of their machine: the message is the whole answer, no stack trace. */
export class UserError extends Error {}

/** Runs a command-line entry point: a `UserError` ends it with its message and code 1, anything else with its stack. */
export function runMain(main: () => Promise<number | void>): void {
    main().then(
        (code) => {
            process.exitCode = code ?? 0;
        },
        (error: unknown) => {
            const expected = error instanceof UserError || (error instanceof Error && "__pulumiRunError" in error);
            console.error(expected ? `error: ${error.message}` : error);
            process.exitCode = 1;
        },
    );
}
