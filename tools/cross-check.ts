/** What the clusters take from each other, told beside a command's own answer. */
import { crossCheck } from "../config/cross-checks";
import { stacks as registry } from "../stacks";
import { PROJECT } from "../stacks/stack-file";

/**
 * Says on standard error what concerns the stacks: conflicts, and files that could not be compared.
 * @returns false when there is a conflict.
 */
export function sayCrossChecks(
    root: string,
    stacks: readonly string[],
    say: (line: string) => void = (line) => void process.stderr.write(`${line}\n`),
): boolean {
    const { conflicts, unread } = crossCheck(root, PROJECT, registry);
    const ours = conflicts.filter((conflict) => conflict.stacks.some((stack) => stacks.includes(stack)));
    for (const { text } of unread) say(`warning: ${text}`);
    if (ours.length > 0) {
        say(`error: ${ours.length === 1 ? "1 conflict" : `${ours.length} conflicts`} between clusters`);
        for (const { text } of ours) say(text);
    }
    return ours.length === 0;
}
