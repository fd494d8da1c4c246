import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { readSopsFile, SopsSecretStore } from "../../components/secrets/sops";
import { recipientFault, recipientsFor } from "../../components/secrets/sops-rules";
import { isOurPolicy, tailnetPolicy } from "../../components/tailnet/policy";
import { ROOT } from "../../tools/stack-file";
import { ageKeyFile, newAgeKey, secretsDocument } from "../../sandbox/secrets-file";

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

    test("every missing value is named with the command that sets it", () => {
        const store = new SopsSecretStore("secrets.enc.yaml", (ref) => (ref === "a.b" ? "here" : undefined));
        expect(() => store.check(["a.b"])).not.toThrow();
        expect(() => store.check(["a.b", "x.y", "x.z"])).toThrow(
            `secrets.enc.yaml lacks 2 values; nothing was touched.\n` +
                `  x.y: set it with  sops set secrets.enc.yaml '["x"]["y"]' '"<value>"'\n` +
                `  x.z: set it with  sops set secrets.enc.yaml '["x"]["z"]' '"<value>"'`,
        );
    });
});

describe("the tailnet policy", () => {
    test("lets members reach the routes and nothing else of the LAN, and approves them by itself", () => {
        const text = tailnetPolicy({ tag: "homelab", routes: ["192.168.0.240/29"] });
        const policy = JSON.parse(text.split("\n").slice(1).join("\n")) as Record<string, unknown>;
        expect(policy).toEqual({
            tagOwners: { "tag:homelab": ["autogroup:admin"] },
            autoApprovers: { routes: { "192.168.0.240/29": ["tag:homelab"] } },
            grants: [
                { src: ["autogroup:member"], dst: ["autogroup:self"], ip: ["*"] },
                { src: ["autogroup:member"], dst: ["192.168.0.240/29"], ip: ["tcp:80", "tcp:443", "tcp:32400"] },
            ],
        });
    });

    test("ours is known by its first line, a person's is not ours", () => {
        expect(isOurPolicy(`\n${tailnetPolicy({ tag: "x", routes: [] })}`)).toBe(true);
        expect(isOurPolicy('// my policy\n{"acls": []}')).toBe(false);
        expect(isOurPolicy("")).toBe(false);
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
            { path_regex: "k8s/argocd-homelab/.*\\.enc\\.(yaml|json)$", key_groups: [{ age: keys }] },
            // Not homelab's: the bootstrap secrets of chongus.
            {
                path_regex: "clusters/chongus/(talos|bootstrap)/[^/]+\\.enc\\.(yaml|json)$",
                key_groups: [{ age: keys }],
            },
        ]);
        expect(keys).toHaveLength(1);
        expect(recipientsFor(committed, path)).toHaveLength(1);
        expect(recipientsFor(committed, "stacks/homelab.ts")).toBeUndefined();
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
