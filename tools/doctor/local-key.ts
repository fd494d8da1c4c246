/** The age key file on this computer that Argo CD gets. What it holds is looked at and never printed. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { identitiesIn } from "../../components/secrets/age-identities";
import { NoKeyFault, openSops, SopsFault } from "../../components/secrets/sops-file";

export interface KeyFact {
    readonly found: boolean;
    /** From the comment that age-keygen writes; "" without it. */
    readonly recipient: string;
    /** Whether it opens the secrets file; undefined where that is not there. */
    readonly opens?: boolean;
}

/** `secretsFile`: seen from `root`. */
export async function localKey(path: string, root: string, secretsFile: string): Promise<KeyFact> {
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    const identity = /^AGE-SECRET-KEY-\S+/m.exec(text)?.[0];
    if (identity === undefined) return { found: false, recipient: "" };
    const recipient = /^# public key: *(\S+)/m.exec(text)?.[1] ?? "";
    const file = join(root, secretsFile);
    return { found: true, recipient, ...(existsSync(file) ? { opens: await opens(identity, file) } : {}) };
}

async function opens(text: string, file: string): Promise<boolean> {
    const { identities } = await identitiesIn(text, "the key");
    try {
        await openSops(readFileSync(file, "utf8"), identities);
        return true;
    } catch (error) {
        if (error instanceof NoKeyFault) return false;
        // Whatever else is wrong with the file is said where the file is looked at.
        if (error instanceof SopsFault) return true;
        throw error;
    }
}
