/** The process that a command of a component starts: one step, whose answer is what it prints. */

export function print(text: string): void {
    process.stdout.write(text);
}

/** Runs the step of the command line, and ends the process: with what went wrong, and no stack trace, where it fails. */
export function runStep<Step extends string>(main: (step: Step) => Promise<void>): void {
    main(process.argv[2] as Step).then(
        () => process.exit(0),
        (error: unknown) => {
            process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
            process.exit(1);
        },
    );
}
