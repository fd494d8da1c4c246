/**
 * Opens SOPS documents that are encrypted for age, with every check that sops itself makes: each value is authentic at its
 * place, the whole is as it was written (the MAC), and what should be encrypted is.
 * https://getsops.io/docs/#encryption-protocol, and sops.go, aes/cipher.go of getsops/sops
 */
import { member } from "../../lib/json";
import { createDecipheriv, createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { type Document, isAlias, isMap, isScalar, isSeq, type Node, parseDocument } from "yaml";
import type { Identity } from "./age-identities";

/** What is wrong with a document, as the rest of a sentence that begins with its path. Has no value and no key in it. */
export class SopsFault extends Error {}

/** None of the keys at hand opens it. */
export class NoKeyFault extends SopsFault {}

/** Decrypted values, as maps, lists and leaves. */
export type SopsValue = string | number | boolean | null | SopsValue[] | { [key: string]: SopsValue };

/** Throws a `SopsFault`. */
export async function openSops(text: string, identities: readonly Identity[]): Promise<SopsValue> {
    const document = parseDocument(text);
    if (document.errors.length > 0 || !isMap(document.contents)) {
        const line = document.errors[0]?.linePos?.[0].line;
        throw new SopsFault(`is no YAML or JSON of a SOPS document${line === undefined ? "" : ` (line ${line})`}`);
    }
    const metadata = metadataOf(document);
    const dataKey = await dataKeyOf(metadata, identities);
    return new Reader(document, metadata, dataKey).read();
}

interface Metadata {
    readonly age: readonly { readonly recipient: string; readonly enc: string }[];
    readonly mac: string;
    readonly lastModified: string;
    readonly macOnlyEncrypted: boolean;
    readonly encrypts: (path: readonly string[]) => boolean;
}

function metadataOf(document: Document): Metadata {
    const plain = (document.toJS() as Record<string, unknown>)["sops"];
    if (typeof plain !== "object" || plain === null) {
        throw new SopsFault(
            "is not encrypted: it has no sops block. Encrypt it before it is committed: sops encrypt --in-place",
        );
    }
    const sops = plain as Record<string, unknown>;
    const text = (key: string) => (typeof sops[key] === "string" ? sops[key] : "");
    const foreign = ["key_groups", "shamir_threshold", "encrypted_comment_regex", "unencrypted_comment_regex"].find(
        (key) => text(key) !== "" || (Array.isArray(sops[key]) ? sops[key].length > 1 : Number(sops[key] ?? 0) > 1),
    );
    if (foreign !== undefined) throw new SopsFault(`uses ${foreign} of SOPS, which this program does not know`);
    if (text("mac") === "" || text("lastmodified") === "") {
        throw new SopsFault("has no MAC: nobody can say whether it is as it was written");
    }
    const age = Array.isArray(sops["age"]) ? (sops["age"] as Record<string, unknown>[]) : [];
    return {
        age: age.map(({ recipient, enc }) => ({ recipient: String(recipient), enc: String(enc) })),
        mac: text("mac"),
        lastModified: text("lastmodified"),
        macOnlyEncrypted: sops["mac_only_encrypted"] === true,
        encrypts: rule({
            unencryptedSuffix: text("unencrypted_suffix"),
            encryptedSuffix: text("encrypted_suffix"),
            unencryptedRegex: text("unencrypted_regex"),
            encryptedRegex: text("encrypted_regex"),
        }),
    };
}

/** Which values are encrypted; sops.go, shouldBeEncrypted. */
function rule(given: Record<"unencryptedSuffix" | "encryptedSuffix" | "unencryptedRegex" | "encryptedRegex", string>) {
    const { unencryptedSuffix, encryptedSuffix } = given;
    const [open, closed] = [expression(given.unencryptedRegex), expression(given.encryptedRegex)];
    return (path: readonly string[]): boolean => {
        let encrypted = true;
        if (unencryptedSuffix !== "" && path.some((part) => part.endsWith(unencryptedSuffix))) encrypted = false;
        if (encryptedSuffix !== "") encrypted = path.some((part) => part.endsWith(encryptedSuffix));
        if (open !== undefined && path.some((part) => open.test(part))) encrypted = false;
        if (closed !== undefined) encrypted = path.some((part) => closed.test(part));
        return encrypted;
    };
}

/** Patterns are Go's; a leading (?i) is the one thing of theirs that is common and unknown here. */
function expression(pattern: string): RegExp | undefined {
    if (pattern === "") return undefined;
    const flagged = /^\(\?i\)(.*)$/s.exec(pattern)?.[1];
    try {
        return flagged === undefined ? new RegExp(pattern) : new RegExp(flagged, "i");
    } catch {
        throw new SopsFault(
            `chooses what is encrypted by ${JSON.stringify(pattern)}, a pattern that this program cannot read`,
        );
    }
}

async function dataKeyOf({ age }: Metadata, identities: readonly Identity[]): Promise<Buffer> {
    if (age.length === 0) throw new SopsFault("is not encrypted for any age recipient");
    const { Decrypter, armor } = await import("age-encryption");
    for (const { recipient, enc } of age) {
        for (const identity of identities.filter((one) => one.recipient === recipient)) {
            const decrypter = new Decrypter();
            decrypter.addIdentity(identity.identity);
            try {
                // A stream for a stream: bytes age reads by way of Node's HTTP client, which takes longer to load than to decrypt.
                return await buffer(await decrypter.decrypt(ReadableStream.from([armor.decode(enc)])));
            } catch {
                throw new SopsFault(`has a data key for ${recipient} that this key does not open: the file is damaged`);
            }
        }
    }
    const ours = identities.map(({ recipient }) => recipient).join(", ");
    throw new NoKeyFault(
        `cannot be decrypted: it is encrypted for ${age.map(({ recipient }) => recipient).join(", ")}; ` +
            (ours === "" ? "there is no age key here" : `here is the key of ${ours}`),
    );
}

/** sops.go, MACOnlyEncryptedInitialization: SHA-256 of "sops". */
const MAC_ONLY_ENCRYPTED = createHash("sha256").update("sops").digest();

class Reader {
    readonly #digest = createHash("sha512");

    constructor(
        private readonly document: Document,
        private readonly metadata: Metadata,
        private readonly dataKey: Buffer,
    ) {
        if (metadata.macOnlyEncrypted) this.#digest.update(MAC_ONLY_ENCRYPTED);
    }

    read(): SopsValue {
        const { contents } = this.document;
        if (!isMap(contents)) throw new SopsFault("holds no map");
        const tree = Object.fromEntries(
            contents.items
                .map(({ key, value }) => [nameOf(key), value as Node | null] as const)
                .filter(([key]) => key !== "sops")
                .map(([key, value]) => [key, this.value(value, [key])]),
        );
        const { mac, lastModified } = this.metadata;
        const expected = this.decrypt(mac, lastModified, "its MAC")?.toString("utf8");
        if (expected !== this.#digest.digest("hex").toUpperCase()) {
            throw new SopsFault(
                "has another MAC than its values: something was added, changed, moved or removed without sops. " +
                    "Look with  git log -p  what it was; sops itself writes it anew (sops edit --ignore-mac) once the values are right",
            );
        }
        return tree;
    }

    /** In the order of the document, as the MAC is made. */
    private value(node: Node | null, path: readonly string[]): SopsValue {
        if (isAlias(node)) return this.value(node.resolve(this.document) ?? null, path);
        if (isMap(node)) {
            return Object.fromEntries(
                node.items.map(({ key, value }) => {
                    const name = nameOf(key);
                    return [name, this.value(value as Node | null, [...path, name])];
                }),
            );
        }
        // The place in a list is not a part of the path.
        if (isSeq(node)) return node.items.map((item) => this.value(item as Node | null, path));
        const leaf: unknown = isScalar(node) ? node.value : null;
        return leaf === null || leaf === undefined ? null : this.leaf(leaf, path);
    }

    private leaf(leaf: unknown, path: readonly string[]): SopsValue {
        const where = path.join(".");
        if (!this.metadata.encrypts(path)) {
            if (typeof leaf === "string" && leaf.startsWith("ENC[")) {
                throw new SopsFault(`has ${where} encrypted, which its own rule leaves in the clear`);
            }
            if (!this.metadata.macOnlyEncrypted) this.#digest.update(textOf(leaf));
            return typeof leaf === "number" || typeof leaf === "boolean" ? leaf : String(leaf);
        }
        // As sops does: an empty text stays one.
        if (leaf === "") return "";
        const sealed = typeof leaf === "string" ? leaf : "";
        const type = /,type:([a-z0-9]+)\]$/.exec(sealed)?.[1];
        const plain = type === undefined ? undefined : this.decrypt(sealed, `${path.join(":")}:`, where);
        if (plain === undefined) {
            throw new SopsFault(
                `has ${where} in the clear. It may be in Git's history by now: get a new one, and write it with  sops edit`,
            );
        }
        const text = plain.toString("utf8");
        const value = typed(text, type);
        this.#digest.update(typeof value === "boolean" ? textOf(value) : plain);
        return value;
    }

    /** Undefined for what is no sealed value. */
    private decrypt(sealed: string, authenticated: string, where: string): Buffer | undefined {
        const match = /^ENC\[AES256_GCM,data:([^,]*),iv:([^,]+),tag:([^,]+),type:[a-z0-9]+\]$/.exec(sealed);
        if (match === null) return undefined;
        const [data = "", iv = "", tag = ""] = match.slice(1);
        try {
            const cipher = createDecipheriv("aes-256-gcm", this.dataKey, Buffer.from(iv, "base64"), {
                authTagLength: 16,
            });
            cipher.setAAD(Buffer.from(authenticated));
            cipher.setAuthTag(Buffer.from(tag, "base64"));
            return Buffer.concat([cipher.update(Buffer.from(data, "base64")), cipher.final()]);
        } catch {
            throw new SopsFault(`has ${where} damaged, or taken from another place: it does not decrypt`);
        }
    }
}

const nameOf = (key: unknown): string => String(isScalar(key) ? key.value : key);

function typed(text: string, type: string | undefined): SopsValue {
    switch (type) {
        case "int":
        case "int64":
        case "float":
            return Number(text);
        case "bool":
            return text.toLowerCase() === "true";
        default:
            return text;
    }
}

/** sops.go, ToBytes. */
function textOf(leaf: unknown): string {
    return typeof leaf === "boolean" ? (leaf ? "True" : "False") : String(leaf);
}

/** The value at a dotted path; undefined for what is no text or number. */
export function valueAt(tree: unknown, path: string): string | undefined {
    const value = member(tree, ...path.split("."));
    return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

/** The sentence for a document that cannot be opened, with what was found where keys are looked for. */
export function cannotOpen(path: string, fault: SopsFault, notes: readonly string[]): string {
    return (
        `${path} ${fault.message}.` +
        (fault instanceof NoKeyFault
            ? ` Point SOPS_AGE_KEY_FILE at an age key whose recipient is in the file (sops updatekeys adds one).` +
              notes.map((sentence) => `\n  ${sentence}`).join("")
            : "")
    );
}
