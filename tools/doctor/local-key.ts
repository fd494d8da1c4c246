/** The age key file on this computer that Argo CD gets. Its content stays in the child process. */
import type { Run } from "../../bootstrap/talos/child-process";
import { shellQuote } from "../../components/cluster/shell";

export interface KeyFact {
    readonly found: boolean;
    /** From the comment that age-keygen writes; "" without it. */
    readonly recipient: string;
}

export async function localKey(path: string, run: Run, timeout: number): Promise<KeyFact> {
    const quoted = shellQuote(path);
    const { code, stdout } = await run(
        "bash",
        ["-c", `grep -q AGE-SECRET-KEY- ${quoted} && sed -n 's/^# public key: *//p' ${quoted} | head -n 1`],
        { timeout },
    );
    return { found: code === 0, recipient: stdout.trim() };
}
