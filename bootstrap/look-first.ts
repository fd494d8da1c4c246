/** What a stack asks before its first resource: the step `look` of a kind's own program. */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { runCommand } from "../components/cluster/cluster-command";
import { shellQuote } from "../components/cluster/shell";
import type { StepsKind } from "./step-command";

interface Looked {
    /** Nothing may be done while there is one. */
    readonly faults: readonly unknown[];
    /** What the person should know. */
    readonly warnings: readonly unknown[];
}

/** Whom a look is at, as a sentence begins: "the machines of magi", "are". */
export interface Subject {
    readonly who: string;
    readonly verb: "is" | "are";
}

/**
 * Runs the look at every preview and up, says its warnings, and rejects with a `RunError` that lists all faults. Undefined in a
 * plan, where nothing is looked at.
 */
export async function lookFirst<Answer extends Looked>(
    kind: StepsKind,
    { who, verb }: Subject,
    {
        request,
        limitSeconds = 300,
        sentence,
    }: {
        readonly request: object;
        /** Each question has a limit of its own; this is for what hangs elsewhere. */
        readonly limitSeconds?: number;
        readonly sentence: (finding: Answer["faults"][number] | Answer["warnings"][number]) => string;
    },
): Promise<Answer | undefined> {
    const stdout = await runCommand(`${who} cannot be looked at`, {
        command: `node ${shellQuote(join(__dirname, kind, "run.cjs"))} look`,
        stdin: JSON.stringify(request),
        limitSeconds,
    });
    if (stdout === undefined) return undefined;
    const answer = JSON.parse(stdout) as Answer;
    if (answer.faults.length > 0) {
        throw new pulumi.RunError(
            `${who} ${verb} not ready; nothing was touched.\n${answer.faults.map((fault) => `  - ${sentence(fault)}`).join("\n")}`,
        );
    }
    for (const warning of answer.warnings) await pulumi.log.warn(sentence(warning));
    return answer;
}

/** Half-year of a kubeconfig whose certificate lives for a year: e.g. "2025-1". */
export const halfYear = (date: Date): string => `${date.getUTCFullYear()}-${date.getUTCMonth() < 6 ? 1 : 2}`;
