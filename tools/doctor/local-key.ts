/** The age key file on this computer that Argo CD gets. What it holds is looked at and never printed. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

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

async function opens(secretKey: string, file: string): Promise<boolean> {
    const { decryptSops } = await import("sops-age");
    try {
        await decryptSops(readFileSync(file, "utf8"), {
            secretKey,
            fileType: file.endsWith(".json") ? "json" : "yaml",
        });
        return true;
    } catch {
        return false;
    }
}
