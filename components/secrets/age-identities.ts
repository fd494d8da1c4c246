/** The age identities of this computer, where sops itself looks for them. None of what is said here has a part of a key in it. */
import { exec } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir, platform } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export interface Identities {
    readonly identities: readonly Identity[];
    /** What was looked at and could not be taken, as sentences. */
    readonly notes: readonly string[];
}

export interface Identity {
    readonly identity: string;
    /** Its public key. */
    readonly recipient: string;
}

/** The identities of an age key file's text. */
export async function identitiesIn(text: string, where: string): Promise<Identities> {
    const { identityToRecipient } = await import("age-encryption");
    const identities: Identity[] = [];
    const notes: string[] = [];
    for (const [index, line] of text.split("\n").entries()) {
        const identity = line.trim();
        if (identity === "" || identity.startsWith("#")) continue;
        try {
            identities.push({ identity, recipient: await identityToRecipient(identity) });
        } catch {
            // Not the library's own words: they quote the line.
            notes.push(
                identity.startsWith("AGE-PLUGIN-")
                    ? `${where}, line ${index + 1}: identities of age plugins cannot be used here`
                    : `${where}, line ${index + 1}: this is no age identity (AGE-SECRET-KEY-1...)`,
            );
        }
    }
    return { identities, notes };
}

/**
 * SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD and the user's own key file, all of them that are there; and the SSH
 * key that SOPS_AGE_SSH_PRIVATE_KEY_FILE names, or else ~/.ssh/id_ed25519 or id_rsa.
 * Source: https://getsops.io/docs/#encrypting-using-age
 */
export async function findIdentities(env: NodeJS.ProcessEnv): Promise<Identities> {
    const found = await Promise.all([fromEnvironment(env), fromFiles(env), fromCommand(env), fromSsh(env)]);
    return {
        identities: found.flatMap(({ identities }) => identities),
        notes: found.flatMap(({ notes }) => notes),
    };
}

const NONE: Identities = { identities: [], notes: [] };
const note = (sentence: string): Identities => ({ identities: [], notes: [sentence] });

async function fromEnvironment({ SOPS_AGE_KEY: text = "" }: NodeJS.ProcessEnv): Promise<Identities> {
    return text === "" ? NONE : identitiesIn(text, "SOPS_AGE_KEY");
}

async function fromFiles(env: NodeJS.ProcessEnv): Promise<Identities> {
    const named = env["SOPS_AGE_KEY_FILE"] ?? "";
    const own = join(configFolder(env), "sops", "age", "keys.txt");
    const files: [where: string, path: string][] = [
        ...(named === "" ? [] : [[`SOPS_AGE_KEY_FILE (${named})`, named] as [string, string]]),
        ...(existsSync(own) ? [[own, own] as [string, string]] : []),
    ];
    const read = await Promise.all(
        files.map(([where, path]) => {
            try {
                return identitiesIn(readFileSync(path, "utf8"), where);
            } catch (error) {
                return note(`${where} cannot be read (${codeOf(error)})`);
            }
        }),
    );
    return {
        identities: read.flatMap(({ identities }) => identities),
        notes:
            files.length === 0
                ? [`there is no ${own}, and SOPS_AGE_KEY_FILE is not set`]
                : read.flatMap(({ notes }) => notes),
    };
}

function configFolder(env: NodeJS.ProcessEnv): string {
    const xdg = (env["XDG_CONFIG_HOME"] ?? "").trim();
    if (xdg !== "") return xdg;
    return platform() === "darwin" ? join(homedir(), "Library", "Application Support") : join(homedir(), ".config");
}

async function fromCommand(env: NodeJS.ProcessEnv): Promise<Identities> {
    const command = env["SOPS_AGE_KEY_CMD"] ?? "";
    if (command === "") return NONE;
    try {
        const { stdout } = await promisify(exec)(command, { env });
        return await identitiesIn(stdout, "what SOPS_AGE_KEY_CMD prints");
    } catch {
        // What it printed may be a key.
        return note("the command in SOPS_AGE_KEY_CMD failed");
    }
}

async function fromSsh(env: NodeJS.ProcessEnv): Promise<Identities> {
    const named = env["SOPS_AGE_SSH_PRIVATE_KEY_FILE"] ?? "";
    const usual = ["id_ed25519", "id_rsa"]
        .map((name) => join(homedir(), ".ssh", name))
        .find((path) => existsSync(path));
    const path = named === "" ? usual : named;
    if (path === undefined) return NONE;
    const { sshKeyFileToAge } = await import("sops-age");
    try {
        const identity = await sshKeyFileToAge(path);
        return identity === null ? NONE : await identitiesIn(identity, path);
    } catch {
        // A key with a passphrase, mostly. Nobody who has not named it need hear of it.
        return named === "" ? NONE : note(`SOPS_AGE_SSH_PRIVATE_KEY_FILE (${path}) is no SSH key that can be used`);
    }
}

function codeOf(error: unknown): string {
    return String((error as NodeJS.ErrnoException).code ?? "unknown");
}
