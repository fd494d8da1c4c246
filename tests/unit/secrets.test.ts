import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSopsFile, SopsSecretStore } from "../../components/secrets/sops";
import { isOurPolicy, tailnetPolicy } from "../../components/tailnet/policy";
import { ageKeyFile, newAgeKey, sopsDocument } from "../../sandbox/secrets-file";

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
        const document = await sopsDocument({ "cloudflare.apiToken": "token-1", "a.b.c": "deep" }, key.recipient);
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
