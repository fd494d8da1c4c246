/** Secrets for Git: encrypted for the cluster's age key, and checked without it. */
import { createHash } from "node:crypto";
import { parse } from "yaml";
import { resolveSopsReferences } from "../../components/secrets/sops";
import { isObject, type Json } from "../plan/monitor";
import { sopsDocument, type SopsTree } from "../../lib/sops-document";
import type { SecretToSeal } from "./objects";

/** Only these are encrypted, so that a reviewer sees which Secret it is. */
export const ENCRYPTED = "^(data|stringData)$";

/** Fingerprints of where a Secret's values come from, kept beside it in the clear. */
const REFERENCES = "homelab/secret-references";
const SOURCE = "homelab/secret-source";

/**
 * The Secret with fingerprints instead of values: of its references, and of the encrypted values behind them. The latter
 * change with the values and tell nothing of them; without the secrets file they are not known.
 *
 * @param source text of the stack's secrets file, still encrypted; undefined when it is not at hand
 */
export function outline({ object }: SecretToSeal, source: string | undefined): Outline {
    const stringData = texts(object["stringData"]);
    const metadata = isObject(object["metadata"]) ? object["metadata"] : {};
    const refs = [...new Set(Object.values(stringData).flatMap(referencesIn))].sort();
    return {
        object: { ...object, metadata },
        keys: Object.keys(stringData).sort(),
        references: fingerprint(stringData),
        source: source === undefined ? undefined : fingerprint(ciphertexts(source, refs)),
    };
}

export interface Outline {
    readonly object: { [key: string]: Json };
    readonly keys: readonly string[];
    readonly references: string;
    readonly source: string | undefined;
}

/**
 * Why an encrypted file is not what it should be; undefined when it is. Needs no key.
 *
 * @param recipients who must be able to read it; undefined when no rule says so
 */
export function staleness(
    wanted: Outline,
    existing: string | undefined,
    recipients: readonly string[] | undefined,
): string | undefined {
    if (existing === undefined) return "is missing";
    const found = readSecret(existing);
    if (found === undefined) return "is no Secret";
    const { metadata, kind, type, stringData, sops } = found;
    const meta = isObject(wanted.object["metadata"]) ? wanted.object["metadata"] : {};
    const sameObject =
        kind === "Secret" &&
        type === wanted.object["type"] &&
        metadata?.name === meta["name"] &&
        metadata?.namespace === meta["namespace"] &&
        Object.keys(stringData ?? {})
            .sort()
            .join() === wanted.keys.join();
    if (!sameObject) return "is of another Secret";
    const open = Object.values(stringData ?? {}).some(
        (value) => value !== "" && !/^ENC\[AES256_GCM,/.test(String(value)),
    );
    if (open || typeof sops?.mac !== "string") return "is NOT ENCRYPTED";
    if (metadata?.annotations?.[REFERENCES] !== wanted.references) return "takes its values from elsewhere";
    if (wanted.source !== undefined && metadata.annotations[SOURCE] !== wanted.source) return "has old values";
    const readers = (sops.age ?? []).map(({ recipient }) => recipient).sort();
    if (recipients !== undefined && readers.join() !== [...recipients].sort().join()) return "is encrypted for others";
    return undefined;
}

interface SealedSecret {
    metadata?: { name?: string; namespace?: string; annotations?: Record<string, string> };
    kind?: string;
    type?: string;
    stringData?: Record<string, unknown>;
    sops?: { mac?: unknown; age?: { recipient?: string }[] };
}

/** Undefined for what is no YAML, e.g. with the marks of a merge in it, or no object. */
function readSecret(text: string): SealedSecret | undefined {
    try {
        const value: unknown = parse(text);
        return typeof value === "object" && value !== null ? value : undefined;
    } catch {
        return undefined;
    }
}

/** The encrypted file. Throws what `value` throws. */
export function seal(wanted: Outline, recipients: readonly string[], value: (ref: string) => string): Promise<string> {
    const { apiVersion, kind, type, metadata, stringData } = wanted.object;
    const { annotations: _none, ...named } = isObject(metadata) ? metadata : {};
    const values = Object.entries(texts(stringData)).map(([key, text]) => [key, resolveSopsReferences(text, value)]);
    const tree = {
        apiVersion: String(apiVersion),
        kind: String(kind),
        metadata: {
            ...(named as SopsTree),
            annotations: {
                [REFERENCES]: wanted.references,
                ...(wanted.source === undefined ? {} : { [SOURCE]: wanted.source }),
            },
        },
        type: String(type),
        stringData: Object.fromEntries(values) as SopsTree,
    };
    return sopsDocument(tree, { recipients, encryptedRegex: ENCRYPTED });
}

function ciphertexts(source: string, refs: readonly string[]): Record<string, string> {
    const tree: unknown = parse(source);
    return Object.fromEntries(
        refs.map((ref) => [
            ref,
            String(
                ref
                    .split(".")
                    .reduce<unknown>((node, part) => (node as Record<string, unknown> | undefined)?.[part], tree),
            ),
        ]),
    );
}

const referencesIn = (text: string): string[] => {
    const refs: string[] = [];
    resolveSopsReferences(text, (ref) => {
        refs.push(ref);
        return "";
    });
    return refs;
};

const fingerprint = (value: Readonly<Record<string, string>>): string =>
    createHash("sha256")
        .update(JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))))
        .digest("hex");

function texts(value: Json | undefined): Record<string, string> {
    return Object.fromEntries(
        Object.entries(isObject(value ?? null) ? (value as object) : {}).map(([k, v]) => [k, String(v)]),
    );
}
