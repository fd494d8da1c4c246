import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import type { SecretArgs } from "../../components/secrets/secret-store";
import { readSopsFile, SopsSecretStore } from "../../components/secrets/sops";
import { openSops } from "../../components/secrets/sops-file";
import { recipientFault, recipientsFor } from "../../components/secrets/sops-rules";
import { openStack, stackNames } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { ageKeyFile, newAgeKey, secretsDocument } from "../../sandbox/secrets-file";
import { ENCRYPTED } from "../../tools/render/seal";
import { sopsDocument } from "../../lib/sops-document";
import { planComponent } from "./component-plan";

describe("the SOPS file", () => {
    const base = mkdtempSync(join(tmpdir(), "homelab-sops-test-"));
    const path = "secrets.enc.yaml";
    const file = join(base, path);
    const keyFile = join(base, "keys.txt");
    const before = process.env["SOPS_AGE_KEY_FILE"];
    afterAll(() => {
        rmSync(base, { recursive: true, force: true });
        if (before === undefined) Reflect.deleteProperty(process.env, "SOPS_AGE_KEY_FILE");
        else process.env["SOPS_AGE_KEY_FILE"] = before;
    });

    test("is decrypted in process; a path that is not there is undefined", async () => {
        const key = await newAgeKey();
        writeFileSync(keyFile, ageKeyFile(key));
        process.env["SOPS_AGE_KEY_FILE"] = keyFile;
        const document = await secretsDocument({ "cloudflare.apiToken": "token-1", "a.b.c": "deep" }, key.recipient);
        expect(document).not.toContain("token-1");
        writeFileSync(file, document);
        const values = await readSopsFile(base, path);
        expect([values("cloudflare.apiToken"), values("a.b.c"), values("a.b"), values("nothing.here")]).toEqual([
            "token-1",
            "deep",
            undefined,
            undefined,
        ]);
    });

    /** The document with a part of its text changed. */
    const changed = async (from: RegExp, to: string) => {
        const key = await newAgeKey();
        writeFileSync(keyFile, ageKeyFile(key));
        const text = await sopsDocument(
            { cloudflare: { apiToken: "token-1", note_unencrypted: "for all" }, b: { c: "deep", empty: "" } },
            { recipients: [key.recipient] },
        );
        expect(text).toMatch(from);
        writeFileSync(file, text.replace(from, to));
        return readSopsFile(base, path);
    };

    test.each<[string, RegExp, string, RegExp]>([
        ["a value written in the clear", /apiToken: .*/, "apiToken: token-2", /has cloudflare\.apiToken in the clear/],
        ["a number in the clear", /apiToken: .*/, "apiToken: 17", /has cloudflare\.apiToken in the clear/],
        [
            "a key in the clear beside the others",
            /cloudflare:\n/,
            "cloudflare:\n  more: x\n",
            /has cloudflare\.more in the clear/,
        ],
        ["a value emptied", /apiToken: .*/, 'apiToken: ""', /has another MAC than its values/],
        ["a value taken out", /  c: .*\n/, "", /has another MAC than its values/],
        ["a value moved to another key", /  c: /, "  d: ", /has b\.d damaged, or taken from another place/],
        ["a value damaged", /data:./, "data:AAAA", /has cloudflare\.apiToken damaged/],
        ["the MAC taken out", /  mac: .*\n/, "", /has no MAC/],
        ["the MAC of another time", /lastmodified: .*/, "lastmodified: 2020-01-01T00:00:00Z", /has its MAC damaged/],
        ["no sops block", /sops:[\s\S]*/, "", /is not encrypted: it has no sops block/],
        ["no YAML", /cloudflare:/, "<<<<<<< HEAD\ncloudflare: [", /is no YAML or JSON of a SOPS document/],
    ])("%s is refused", async (_, from, to, fault) => {
        const refused = await changed(from, to).catch((error: unknown) => String(error));
        expect(refused).toMatch(fault);
        expect(refused).not.toMatch(/token-|deep|ENC\[|AGE-SECRET/);
    });

    test("as it was written it opens, in JSON too", async () => {
        const values = await changed(/$/, "");
        expect([values("cloudflare.apiToken"), values("b.c"), values("b.empty")]).toEqual(["token-1", "deep", ""]);
        writeFileSync(join(base, "secrets.enc.json"), JSON.stringify(parse(readFileSync(file, "utf8")), null, "\t"));
        expect((await readSopsFile(base, "secrets.enc.json"))("b.c")).toBe("deep");
    });

    test("what its own rule leaves in the clear is in the MAC, and nothing else may be in the clear", async () => {
        const key = await newAgeKey();
        const identities = [{ ...key }];
        const text = await sopsDocument(
            { kind: "Secret", stringData: { a: "x" } },
            { recipients: [key.recipient], encryptedRegex: ENCRYPTED },
        );
        expect(await openSops(text, identities)).toEqual({ kind: "Secret", stringData: { a: "x" } });
        await expect(openSops(text.replace("kind: Secret", "kind: Other"), identities)).rejects.toThrow("another MAC");
        await expect(openSops(text.replace(/ a: .*/, " a: y"), identities)).rejects.toThrow(
            "stringData.a in the clear",
        );
    });

    test.each([
        "SOPS_AGE_KEY=AGE-SECRET-KEY-1QQQQSECRET",
        "AGE-SECRET-KEY-1QQQQSECRET",
        "AGE-PLUGIN-YUBIKEY-1QQQQSECRET",
    ])("a key file with the line %s says where, and no part of it", async (line) => {
        const warn = jest.spyOn(console, "warn").mockImplementation();
        await changed(/$/, "");
        writeFileSync(keyFile, `# mine\n${line}\n`);
        const refused = await readSopsFile(base, path).catch((error: unknown) => String(error));
        expect(refused).toMatch(/is encrypted for age1\S+; there is no age key here/);
        expect(refused).toMatch(/SOPS_AGE_KEY_FILE \(\S+keys\.txt\), line 2: /);
        expect([refused, ...warn.mock.calls.flat()].join()).not.toMatch(/QQQQ|KEY-1Q/);
        warn.mockRestore();
    });

    test("a key that should open it and does not is not shown", async () => {
        const [ours, other] = [await newAgeKey(), await newAgeKey()];
        writeFileSync(keyFile, ageKeyFile(ours));
        const text = await sopsDocument({ a: "x" }, { recipients: [other.recipient] });
        // Says that it is for our key, and is not.
        writeFileSync(file, text.replaceAll(other.recipient, ours.recipient));
        const refused = await readSopsFile(base, path).catch((error: unknown) => String(error));
        expect(refused).toContain(`has a data key for ${ours.recipient} that this key does not open`);
        expect(refused).not.toContain(ours.identity.slice(16, 22));
    });

    test("with the wrong key the message says what to do", async () => {
        writeFileSync(keyFile, ageKeyFile(await newAgeKey()));
        await expect(readSopsFile(base, path)).rejects.toThrow(
            /cannot be decrypted: .*Point SOPS_AGE_KEY_FILE at an age key/s,
        );
    });

    test("when it is missing the message says how to make it", async () => {
        await expect(readSopsFile(base, "none.enc.yaml")).rejects.toThrow(
            /^the secrets file none.enc.yaml does not exist; nothing was touched. Make it with {2}sops none.enc.yaml/,
        );
    });

    const store = new SopsSecretStore("secrets.enc.yaml", (ref) => (ref === "a.b" ? "here" : undefined));

    test("every missing value is named with the command that sets it", () => {
        expect(() => store.check(["a.b"])).not.toThrow();
        expect(() => store.check(["a.b", "x.y", "x.z"])).toThrow(
            `secrets.enc.yaml lacks 2 values; nothing was touched.\n` +
                `  x.y: set it with  sops set secrets.enc.yaml '["x"]["y"]' '"<value>"'\n` +
                `  x.z: set it with  sops set secrets.enc.yaml '["x"]["z"]' '"<value>"'`,
        );
    });

    test("a value that no list names is no empty Secret: it ends the run", async () => {
        expect(() => store.value("x.y")).toThrow("secrets.enc.yaml lacks a value.\n  x.y: set it with");
        const deliver = (args: Partial<SecretArgs>) =>
            planComponent(() => void store.deliver("s", { name: "s", namespace: "n", data: {}, ...args }, {}));
        await expect(deliver({ data: { KEY: "x.y" } })).rejects.toThrow("x.y: set it with");
        await expect(deliver({ templates: { file: (text) => `password=${text("x.y")}` } })).rejects.toThrow(
            "x.y: set it with",
        );
        expect(await deliver({ data: { KEY: "a.b" } })).toHaveLength(1);
        const empty = new SopsSecretStore("secrets.enc.yaml", () => "");
        expect(() => empty.value("a.b")).toThrow("a.b: set it with");
    });
});

describe(".sops.yaml", () => {
    const rules = (recipient: string) =>
        `keys:\n  - &homelab ${recipient}\ncreation_rules:\n  - path_regex: k8s/argocd-homelab/.*\\.enc\\.(yaml|json)$\n` +
        `    key_groups:\n      - age:\n          - *homelab\n`;
    const path = "k8s/argocd-homelab/secrets.enc.yaml";

    test("the committed one has the seed's rule, and it covers the committed secrets file (H-SEC-08, H-SEC-09)", () => {
        const committed = readFileSync(join(ROOT, ".sops.yaml"), "utf8");
        const { keys, creation_rules: creationRules } = parse(committed) as { keys: string[]; creation_rules: unknown };
        // Read as YAML, aliases stand for what they name: the rule's recipient is the anchor's.
        expect(committed).toMatch(/^ *- &homelab age1\S+$/m);
        expect(creationRules).toEqual([
            { path_regex: "k8s/argocd-homelab/.*\\.enc\\.(yaml|json)$", key_groups: [{ age: [keys[0]] }] },
            // What npm run render writes for Argo CD: a Secret, of which only the values are encrypted.
            {
                path_regex: "gitops/homelab/.*\\.enc\\.yaml$",
                encrypted_regex: ENCRYPTED,
                key_groups: [{ age: [keys[0]] }],
            },
            // Not homelab's: the bootstrap secrets of chongus.
            {
                path_regex: "clusters/chongus/(talos|bootstrap)/[^/]+\\.enc\\.(yaml|json)$",
                key_groups: [{ age: [keys[1]] }],
            },
            {
                path_regex: "clusters/bitty/(talos|bootstrap)/[^/]+\\.enc\\.(yaml|json)$",
                key_groups: [{ age: [keys[2]] }],
            },
            { path_regex: "clusters/truenas/[^/]+\\.enc\\.(yaml|json)$", key_groups: [{ age: [keys[3]] }] },
            {
                path_regex: "gitops/truenas/.*\\.enc\\.yaml$",
                encrypted_regex: "^(data|stringData)$",
                key_groups: [{ age: [keys[3]] }],
            },
            { path_regex: "clusters/k3s-home/[^/]+\\.enc\\.(yaml|json)$", key_groups: [{ age: [keys[4]] }] },
            {
                path_regex: "gitops/k3s-home/.*\\.enc\\.yaml$",
                encrypted_regex: "^(data|stringData)$",
                key_groups: [{ age: [keys[4]] }],
            },
            { path_regex: "clusters/magi/[^/]+\\.enc\\.(yaml|json)$", key_groups: [{ age: [keys[5]] }] },
        ]);
        expect(committed).toMatch(/^ *- &chongus age1\S+$/m);
        expect(committed).toMatch(/^ *- &bitty age1\S+$/m);
        expect(new Set(keys).size).toBe(keys.length);
        expect(recipientsFor(committed, path)).toHaveLength(1);
        expect(recipientsFor(committed, "stacks/homelab.ts")).toBeUndefined();
    });

    test("no recipient opens the secrets of two clusters", () => {
        const committed = readFileSync(join(ROOT, ".sops.yaml"), "utf8");
        const readers = stackNames(ROOT).map((stack) =>
            openStack(stack, readStackValue(ROOT, stack)).secrets.flatMap(
                ({ path: file }) => recipientsFor(committed, file) ?? [],
            ),
        );
        expect(readers.map((list) => list.length > 0)).toEqual(stackNames(ROOT).map(() => true));
        const distinct = readers.flatMap((list) => [...new Set(list)]);
        expect(distinct).toEqual([...new Set(distinct)]);
    });

    test("the cluster's key must be a recipient", () => {
        expect(recipientFault(rules("age1abc"), path, "age1abc")).toBeUndefined();
        expect(recipientFault(rules("age1other"), path, "age1abc")).toContain("age1abc, which is not among those");
        expect(recipientFault(rules("age1abc"), "secrets.yaml", "age1abc")).toBe(
            "no creation rule of .sops.yaml covers secrets.yaml",
        );
        expect(recipientFault(undefined, path, "age1abc")).toContain("there is no .sops.yaml");
        expect(recipientFault("creation_rules:\n  - age: age1x, age1abc\n", path, "age1abc")).toBeUndefined();
    });
});
