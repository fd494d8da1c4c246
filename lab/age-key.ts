/** The age key with which a cluster reads secrets from Git: on a machine of it, or on this computer. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { NodeFacts } from "../bootstrap/node-facts";
import { sshCommand, type SshTarget } from "../bootstrap/ssh";
import { shellQuote } from "../components/cluster/shell";
import { localAgeKey } from "../components/secrets/sops-age-key";
import { recipientFault } from "../components/secrets/sops-rules";

export interface AgeKeySource {
    /** On the machine, or on this computer. */
    readonly from: "node" | "file";
    readonly path: string;
}

/**
 * Hash of the key file, as a trigger. Throws a `RunError` when the files in Git are not encrypted to the key's
 * recipient; an unknown recipient is not judged.
 */
export async function ageKeyHash(
    secrets: { readonly ageKey: AgeKeySource; readonly sopsFile: string },
    facts: Pick<NodeFacts, "ageKeyHash" | "ageRecipient">,
    root: string,
): Promise<string> {
    const { ageKey, sopsFile } = secrets;
    const key =
        ageKey.from === "node"
            ? { hash: facts.ageKeyHash, recipient: facts.ageRecipient }
            : await localAgeKey(ageKey.path);
    if (key.recipient !== "") {
        const rules = join(root, ".sops.yaml");
        const content = existsSync(rules) ? readFileSync(rules, "utf8") : undefined;
        const fault = recipientFault(content, sopsFile, key.recipient);
        if (fault !== undefined) throw new pulumi.RunError(`${fault}; nothing was touched.`);
    }
    return key.hash;
}

/** Command that prints the key file. */
export function readAgeKey({ from, path }: AgeKeySource, ssh: SshTarget): string {
    const print = `cat ${shellQuote(path)}`;
    return from === "node" ? sshCommand(ssh, `${ssh.user === "root" ? "" : "sudo -n "}${print}`) : print;
}
