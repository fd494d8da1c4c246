/** A simulated program as a process: says what is played, or ends as it was refused. */
import { readFileSync } from "node:fs";
import { Refused } from "../k3d/refused";

export type Play = (words: readonly string[], stdin: () => string) => Promise<string>;

export function runPlayed(play: Play): void {
    play(process.argv.slice(2), () => readFileSync(0, "utf8")).then(
        (said) => {
            if (said !== "") process.stdout.write(ended(said));
        },
        (error: unknown) => {
            if (!(error instanceof Refused)) throw error;
            process.stderr.write(`${error.message}\n`);
            process.exitCode = error.code;
        },
    );
}

const ended = (said: string): string => (said.endsWith("\n") ? said : `${said}\n`);
