/** Prints an age key pair's half: `recipient <sops file>` the public one, `identity <recipient>` the private one. */
import { readFileSync } from "node:fs";
import { findIdentities } from "../age-identities";
import { chooseIdentity, findIdentity, recipientsOf } from "./choose";

async function main(half: string | undefined, given: string | undefined): Promise<string> {
    if (given === undefined) throw new Error(`what is the ${half} to be found by?`);
    const { identities, notes } = await findIdentities(process.env);
    if (identities.length === 0) throw new Error(`there is no age key on this computer: ${notes.join("; ")}`);
    switch (half) {
        case "recipient":
            return chooseIdentity(identities, recipientsOf(readFileSync(given, "utf8")), given).recipient;
        case "own-recipient":
            return findIdentity(identities, given).recipient;
        case "identity":
            return findIdentity(identities, given).identity;
        default:
            throw new Error(`"${half}" is neither recipient, own-recipient nor identity`);
    }
}

main(process.argv[2], process.argv[3]).then(
    (line) => process.stdout.write(`${line}\n`),
    (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
        process.exit(1);
    },
);
