/** The sandbox's own age key and a SOPS file with made-up values: the user's keys and secrets are never touched. */
import { sopsDocument } from "../lib/sops-document";

export interface AgeKey {
    readonly identity: string;
    readonly recipient: string;
}

/** A new age key pair. */
export async function newAgeKey(): Promise<AgeKey> {
    const { generateIdentity, identityToRecipient } = await import("age-encryption");
    const identity = await generateIdentity();
    return { identity, recipient: await identityToRecipient(identity) };
}

/** Text of an age key file, as age-keygen writes it. */
export function ageKeyFile({ identity, recipient }: AgeKey): string {
    return `# public key: ${recipient}\n${identity}\n`;
}

/** A SOPS document with one value for each dotted path, encrypted to one age recipient. */
export function secretsDocument(values: Readonly<Record<string, string>>, recipient: string): Promise<string> {
    const tree: Tree = {};
    for (const [path, value] of Object.entries(values)) set(tree, path.split("."), value);
    return sopsDocument(tree, { recipients: [recipient] });
}

interface Tree {
    [key: string]: Tree | string;
}

function set(tree: Tree, path: readonly string[], value: string): void {
    const [key = "", ...rest] = path;
    if (rest.length === 0) {
        tree[key] = value;
        return;
    }
    const below = typeof tree[key] === "object" ? tree[key] : {};
    tree[key] = below;
    set(below, rest, value);
}
