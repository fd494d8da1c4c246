/** Prints what an age file says, base64 on standard input, by an age key of this computer. Only where it is one line. */
import { findIdentities } from "../../age-identities";

async function main(): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
    const sealed = Buffer.from(Buffer.concat(chunks).toString("utf8").trim(), "base64");
    const { identities, notes } = await findIdentities(process.env);
    if (identities.length === 0) throw new Error(`there is no age key on this computer: ${notes.join("; ")}`);
    const { Decrypter } = await import("age-encryption");
    const decrypter = new Decrypter();
    for (const { identity } of identities) decrypter.addIdentity(identity);
    try {
        const text = await decrypter.decrypt(new Uint8Array(sealed), "text");
        if (!/^[\x21-\x7e]+$/.test(text)) throw new Error("it is no key");
        return text;
    } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new Error(
            `none of the ${identities.length} age keys on this computer (${identities.map(({ recipient }) => recipient).join(", ")}) opens Vault's unseal key (${why}); ` +
                `point SOPS_AGE_KEY_FILE at one of secrets.vault.recipients`,
        );
    }
}

main().then(
    (line) => process.stdout.write(line),
    (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
        process.exit(1);
    },
);
