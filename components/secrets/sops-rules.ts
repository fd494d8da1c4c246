/** Who can read what, from .sops.yaml; https://getsops.io/docs/#using-sopsyaml-conf-to-select-kms-pgp-and-age-for-new-files */
import { member } from "../../lib/json";
import { parse } from "yaml";

/** age recipients of the first creation rule that covers a path (seen from .sops.yaml); undefined when none does. */
export function recipientsFor(sopsYaml: string, path: string): string[] | undefined {
    const document: unknown = parse(sopsYaml);
    for (const rule of list(member(document, "creation_rules"))) {
        const pattern = member(rule, "path_regex");
        if (typeof pattern === "string" && !matches(pattern, path)) continue;
        const groups = list(member(rule, "key_groups")).flatMap((group) => list(member(group, "age")));
        const direct = member(rule, "age");
        return [...groups, ...(typeof direct === "string" ? direct.split(",") : list(direct))].map((recipient) =>
            String(recipient).trim(),
        );
    }
    return undefined;
}

/** What is wrong when a key cannot read the files that a path stands for; undefined when all is well. */
export function recipientFault(sopsYaml: string | undefined, path: string, recipient: string): string | undefined {
    if (sopsYaml === undefined) return `there is no .sops.yaml beside Pulumi.yaml: it says who can read ${path}`;
    const recipients = recipientsFor(sopsYaml, path);
    if (recipients === undefined) return `no creation rule of .sops.yaml covers ${path}`;
    if (recipients.includes(recipient)) return undefined;
    return (
        `the cluster's age key has the recipient ${recipient}, which is not among those of ${path} in .sops.yaml ` +
        `(${recipients.join(", ")}): Argo CD could not decrypt anything. Put it there and run  sops updatekeys ${path}`
    );
}

/** Patterns are Go's; the few that JavaScript cannot read are taken as a match rather than as a fault. */
function matches(pattern: string, path: string): boolean {
    try {
        return new RegExp(pattern).test(path);
    } catch {
        return true;
    }
}

function list(value: unknown): unknown[] {
    return Array.isArray(value) ? value : [];
}
