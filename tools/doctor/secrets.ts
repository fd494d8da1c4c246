/** The secrets files: there, encrypted to whom .sops.yaml says, opened by this computer's key, complete. */
import type { KeyOnMachine } from "../../bootstrap/machines";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { SecretValues } from "../../components/secrets/sops";
import { recipientsFor } from "../../components/secrets/sops-rules";
import type { SecretsFile } from "../../lab/context";
import { isRecord, records } from "../../lib/json";
import { textOf } from "../live/get";
import type { Told } from "../../lib/told";
import { findingsOf, type Finding } from "../../lib/finding";

const say = findingsOf("secrets");

export interface SecretsFact {
    readonly there: boolean;
    /** Recipients the file is encrypted to; undefined for a file that is not encrypted. */
    readonly recipients?: readonly string[];
    /** Whether this computer's key opens it. */
    readonly opened: Told<SecretValues>;
}

/** Text of .sops.yaml; undefined when there is none. */
export function sopsRules(root: string): string | undefined {
    const path = join(root, ".sops.yaml");
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

export function lookAtSecretsFile(root: string, path: string, opened: Told<SecretValues>): SecretsFact {
    const file = join(root, path);
    if (!existsSync(file)) return { there: false, opened };
    const recipients = ageRecipients(readFileSync(file, "utf8"));
    return { there: true, opened, ...(recipients === undefined ? {} : { recipients }) };
}

/** age recipients in the `sops` block of an encrypted file; undefined when it has none. */
export function ageRecipients(text: string): string[] | undefined {
    let document: unknown;
    try {
        document = parse(text);
    } catch {
        return undefined;
    }
    const sops = isRecord(document) ? document["sops"] : undefined;
    if (!isRecord(sops)) return undefined;
    return records(sops["age"]).map((entry) => textOf(entry, "recipient"));
}

export function judgeSecretsFile({ path, refs }: SecretsFile, fact: SecretsFact, rules: string | undefined): Finding[] {
    if (!fact.there && fact.opened.ok) {
        return [say.ok("values", `${refs.length} of ${refs.length} are exported; ${path} is not needed`)];
    }
    if (!fact.there) {
        return [
            say.failure(
                "file",
                `${path} does not exist`,
                `make it with  sops ${path}  (docs/secrets.md and docs/talos.md say what is in it)`,
            ),
        ];
    }
    if (fact.recipients === undefined) {
        return [
            say.failure("file", `${path} is not encrypted`, `sops encrypt --in-place ${path}  before it is committed`),
        ];
    }
    return [rulesFinding(path, fact.recipients, rules), ...contentFindings(path, refs, fact.opened)];
}

function rulesFinding(path: string, recipients: readonly string[], rules: string | undefined): Finding {
    const check = "recipients";
    if (rules === undefined) {
        return say.failure(
            check,
            "there is no .sops.yaml, which says who can read it",
            "write it beside Pulumi.yaml: docs/secrets.md",
        );
    }
    const wanted = recipientsFor(rules, path);
    if (wanted === undefined) {
        return say.failure(
            check,
            `no creation rule of .sops.yaml covers ${path}`,
            `add a rule with a path_regex for ${path}`,
        );
    }
    const [lacks, extra] = [
        wanted.filter((recipient) => !recipients.includes(recipient)),
        recipients.filter((recipient) => !wanted.includes(recipient)),
    ];
    if (lacks.length > 0 || extra.length > 0) {
        const parts = [
            ...(lacks.length > 0 ? [`it is not encrypted to ${lacks.join(", ")}`] : []),
            ...(extra.length > 0 ? [`it is still encrypted to ${extra.join(", ")}`] : []),
        ];
        return say.warning(
            check,
            `${path} differs from .sops.yaml: ${parts.join(", and ")}`,
            `sops updatekeys ${path}`,
        );
    }
    return say.ok(check, `${path}: as .sops.yaml says, ${wanted.join(", ")}`);
}

function contentFindings(path: string, refs: readonly string[], opened: Told<SecretValues>): Finding[] {
    const check = "decryption";
    if (!opened.ok) {
        return [
            say.failure(
                check,
                opened.reason.split(". ")[0] ?? opened.reason,
                "point SOPS_AGE_KEY_FILE at an age key whose recipient is in the file, or add yours with  sops updatekeys",
            ),
        ];
    }
    const read = opened.value;
    const missing = refs.filter((ref) => (read(ref) ?? "") === "");
    const opens = say.ok(check, `${path}: this computer's age key opens it`);
    if (missing.length === 0) return [opens, say.ok("values", `${path}: ${refs.length} of ${refs.length} are there`)];
    const keyPath = (ref: string) =>
        ref
            .split(".")
            .map((part) => `["${part}"]`)
            .join("");
    return [
        opens,
        say.failure(
            "values",
            `${path}: ${missing.length} of ${refs.length} are missing: ${missing.join(", ")}`,
            missing.map((ref) => `sops set ${path} '${keyPath(ref)}' '"<value>"'`).join("\n"),
        ),
    ];
}

/** What is known of the key that Argo CD gets. */
export type ClusterKey =
    | KeyOnMachine
    /** On this computer: tried on the secrets file itself. */
    | { readonly kind: "tried"; readonly recipient: string; readonly where: string; readonly opens: boolean };

/** The key in the cluster against the rules, and against what the file is really encrypted to. */
export function judgeClusterKey(
    path: string,
    key: ClusterKey,
    fact: SecretsFact | undefined,
    rules: string | undefined,
): Finding {
    const check = "cluster's age key";
    switch (key.kind) {
        case "not looked at":
            return say.skipped(check, key.reason);
        case "missing":
            return say.failure(
                check,
                `there is none at ${key.where}`,
                "put it there, or set secrets.ageKey in the stack's file",
            );
        case "nameless":
            return say.warning(
                check,
                `${key.where} has no "# public key:" line, so it cannot be compared with .sops.yaml`,
                `add the line that age-keygen writes: # public key: <what  age-keygen -y  prints>`,
            );
        case "tried":
        case "known": {
            const { recipient, where } = key;
            const wanted = rules === undefined ? undefined : recipientsFor(rules, path);
            if (wanted !== undefined && recipient !== "" && !wanted.includes(recipient)) {
                return say.failure(
                    check,
                    `${where} has the recipient ${recipient}, which is not among those of ${path} in .sops.yaml (${wanted.join(", ")}): Argo CD could decrypt nothing`,
                    `put it into .sops.yaml and run  sops updatekeys ${path}`,
                );
            }
            if (key.kind === "tried") {
                return key.opens
                    ? say.ok(check, `${where} opens ${path}`)
                    : say.failure(
                          check,
                          `${where} does not open ${path}`,
                          `add its recipient to .sops.yaml (age-keygen -y ${where} prints it) and run  sops updatekeys ${path}`,
                      );
            }
            if (fact?.recipients !== undefined && !fact.recipients.includes(recipient)) {
                return say.failure(
                    check,
                    `${where} has the recipient ${recipient}, and ${path} is not encrypted to it`,
                    `sops updatekeys ${path}`,
                );
            }
            return say.ok(check, `${where}: ${recipient} can read ${path}`);
        }
    }
}
