/** Which of the age identities on this computer a cluster gets. */
import { parse } from "yaml";
import type { Identity } from "../age-identities";

/** Whom a SOPS file is encrypted to. */
export function recipientsOf(document: string): string[] {
    const { sops } = parse(document) as { sops?: { age?: { recipient?: unknown }[] | null } };
    return (sops?.age ?? []).map(({ recipient }) => String(recipient));
}

/** The one identity that opens the file. Throws when there is none, or more than one. */
export function chooseIdentity(identities: readonly Identity[], recipients: readonly string[], file: string): Identity {
    const found = identities.filter(({ recipient }) => recipients.includes(recipient));
    const [first] = found;
    if (first === undefined) {
        throw new Error(
            `none of the ${identities.length} age keys on this computer opens ${file}, which is encrypted to ${recipients.join(", ") || "nobody"}; ` +
                `point SOPS_AGE_KEY_FILE at one that does`,
        );
    }
    if (found.length > 1) {
        throw new Error(
            `${found.length} age keys on this computer open ${file}: ${found.map(({ recipient }) => recipient).join(", ")}; ` +
                `say in gitops.decryption.recipient which of them Flux gets`,
        );
    }
    return first;
}

/** The identity of a recipient. Throws when it is not here. */
export function findIdentity(identities: readonly Identity[], recipient: string): Identity {
    const found = identities.find((one) => one.recipient === recipient);
    if (found === undefined) {
        throw new Error(
            `the age key of ${recipient} is not on this computer, which has ${identities.length === 0 ? "none" : `those of ${identities.map((one) => one.recipient).join(", ")}`}; ` +
                `point SOPS_AGE_KEY_FILE at a file that has it`,
        );
    }
    return found;
}
