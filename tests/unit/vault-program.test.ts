/** The program that initialises, unseals, sets up, saves and restores Vault: the real one, against a Vault that is as strict. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { identityToRecipient, generateIdentity } from "age-encryption";
import { CertManager } from "../../components/edge/cert-manager";
import { SopsSecretStore } from "../../components/secrets/sops";
import { Vault } from "../../components/secrets/vault/vault";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { VaultWorld } from "./vault-world";

jest.setTimeout(60_000);

const REFS = { media: ["sonarr.apiKey", "radarr.apiKey"], web: ["portfolio"] };

let world: VaultWorld;
let identity: string;
let recipient: string;
const args = (more: object = {}) => ({ recipients: [recipient], refs: REFS, startAnew: false, ...more });

beforeEach(async () => {
    world = await VaultWorld.open();
    identity = await generateIdentity();
    recipient = await identityToRecipient(identity);
});
afterEach(() => world.close());

async function ask(method: string, path: string, token?: string, body?: object) {
    const answer = await fetch(`${world.url(0)}/v1/${path}`, {
        method,
        ...(token === undefined ? {} : { headers: { "x-vault-token": token } }),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, value: text === "" ? {} : (JSON.parse(text) as Record<string, never>) };
}

async function login(role: string, account: string, namespace = "vault", audience = "vault") {
    const jwt = world.token(account, namespace, audience);
    const { status, value } = await ask("POST", "auth/kubernetes/login", undefined, { role, jwt });
    return { status, token: String((value["auth"] as { client_token?: string } | undefined)?.client_token) };
}

/** Values as a person writes them. */
async function write(path: string, data: object) {
    const { token } = await login("vault-operator", "vault-operator");
    expect((await ask("POST", `kv/data/${path}`, token, { data })).status).toBe(200);
}

/** What the operator's computer makes of the ciphertext: the real program. */
function decrypt(ciphertext: string, key = identity) {
    return spawnSync(process.execPath, [join(ROOT, "components/secrets/vault/unseal-key/run.cjs")], {
        input: ciphertext,
        env: { PATH: process.env["PATH"], HOME: "/nonexistent", SOPS_AGE_KEY: key },
        encoding: "utf8",
    });
}

const unsealedAll = () => [0, 1, 2].every((ordinal) => !world.vault.state(ordinal).sealed);
const objects = (folder: string) =>
    [...world.bucket.objects.keys()].filter((key) => key.startsWith(`vault/magi/${folder}`));

describe("the first time", () => {
    test("it is initialised once, all three are unsealed, and only External Secrets reads a namespace's values", async () => {
        const { answer, log } = await world.run("setup", args());
        expect([answer, log]).toEqual([expect.stringMatching(/^done initialised [0-9a-f]{12}$/), expect.anything()]);
        expect(unsealedAll()).toBe(true);
        await write("media/sonarr", { apiKey: "s3cret" });
        const reader = await login("namespace-media", "external-secrets", "external-secrets");
        expect((await ask("GET", "kv/data/media/sonarr", reader.token)).value).toMatchObject({
            data: { data: { apiKey: "s3cret" } },
        });
        const other = await login("namespace-web", "external-secrets", "external-secrets");
        expect((await ask("GET", "kv/data/media/sonarr", other.token)).status).toBe(403);
        expect((await ask("POST", "kv/data/media/sonarr", reader.token, { data: {} })).status).toBe(403);
        // Another account, namespace or audience is nobody.
        expect((await login("namespace-media", "default", "external-secrets")).status).toBe(403);
        expect((await login("namespace-media", "external-secrets", "media")).status).toBe(403);
        expect((await login("namespace-media", "external-secrets", "external-secrets", "kubernetes")).status).toBe(403);
        expect(world.vault.audited.some((line) => line.startsWith("GET kv/data/media/sonarr hmac-sha256:"))).toBe(true);
    });

    test("the second run changes nothing, another plan changes what differs", async () => {
        await world.run("setup", args());
        expect((await world.run("setup", args())).answer).toBe("done unchanged");
        const grown = await world.run("setup", args({ refs: { media: REFS.media, ai: ["llm.key"] } }));
        expect(grown.answer).toBe("done changed 4");
        expect(grown.log.split("\n").filter((line) => line.startsWith("set:"))).toEqual([
            "set: policy namespace-ai",
            "set: role namespace-ai",
            "set: role namespace-web removed",
            "set: policy namespace-web removed",
        ]);
        expect((await world.run("setup", args({ refs: { media: REFS.media, ai: ["llm.key"] } }))).answer).toBe(
            "done unchanged",
        );
    });

    test("the key is encrypted to the operator and in no log, answer or argument; no root token is left", async () => {
        await world.run("setup", args());
        const key = world.unsealKey() ?? "";
        expect(key).toHaveLength(44);
        const [name = ""] = objects("keys").filter((one) => one.endsWith(".age"));
        const ciphertext = world.bucket.objects.get(name) ?? Buffer.alloc(0);
        const opened = decrypt(ciphertext.toString("base64"));
        expect([opened.stderr, opened.stdout]).toEqual(["", key]);
        // The same in the cluster.
        expect(Object.values(world.secrets.get("vault-unseal-key-age")?.data ?? {})).toEqual([
            ciphertext.toString("base64"),
        ]);
        await world.run("snapshot", args());
        expect(world.said).not.toContain(key);
        expect(world.said).not.toContain("hvs.");
        expect(world.vault.rootTokens()).toBe(0);
        expect(world.said).not.toContain("bucket/secret");
        for (const bytes of world.bucket.objects.values()) expect(bytes.toString("latin1")).not.toContain(key);
        // Whoever may do everything here may still not read a value, nor another's key the ciphertext.
        const { token } = await login("vault-setup", "vault-setup");
        await write("media/sonarr", { apiKey: "s3cret" });
        expect((await ask("GET", "kv/data/media/sonarr", token)).status).toBe(403);
        const stranger = decrypt(ciphertext.toString("base64"), await generateIdentity());
        expect(stranger.status).toBe(1);
        expect(stranger.stdout).toBe("");
        expect(stranger.stderr).toContain("opens Vault's unseal key");
    });

    test("where the key could not be kept nothing is initialised", async () => {
        world.bucket.broken = 503;
        const { answer } = await world.run("setup", args());
        expect(answer).toMatch(/^!the bucket cluster-backups at http.* refuses GET\s+: 503|^!the bucket/);
        expect(world.vault.state(0)).toEqual({ initialized: false, sealed: true });
    });

    test("a recipient with a typing error is refused before anything is initialised", async () => {
        // The last letter is another one than it was, whichever it was: a recipient is drawn anew at each run.
        const mistyped = recipient.replace(/.$/, (last) => (last === "q" ? "p" : "q"));
        const { answer } = await world.run("setup", args({ recipients: [mistyped] }));
        expect(answer).toContain("is no age recipient");
        expect(world.vault.state(0).initialized).toBe(false);
    });
});

describe("after a reboot", () => {
    test("the keepers open it without a person, and the program does where they did not", async () => {
        await world.run("setup", args());
        for (const ordinal of [0, 1, 2]) world.vault.restart(ordinal);
        expect((await ask("GET", "kv/data/media/sonarr", "hvs.x")).status).toBe(503);
        world.keepers();
        expect(unsealedAll()).toBe(true);
        for (const ordinal of [0, 1, 2]) world.vault.restart(ordinal);
        expect((await world.run("setup", args())).answer).toBe("done unchanged");
        expect(unsealedAll()).toBe(true);
    });

    test("a server with an empty volume joins the others", async () => {
        await world.run("setup", args());
        world.vault.wipe(2);
        expect((await world.run("setup", args())).answer).toBe("done unchanged");
        expect(unsealedAll()).toBe(true);
    });

    test("without a majority nothing is answered", async () => {
        await world.run("setup", args());
        world.vault.restart(1);
        world.vault.restart(2);
        expect((await ask("GET", "sys/mounts", "hvs.x")).status).toBe(500);
    });

    test("a key that is another Vault's is refused by name", async () => {
        await world.run("setup", args());
        for (const ordinal of [0, 1, 2]) world.vault.restart(ordinal);
        world.secrets.set("vault-unseal-key", {
            data: { key: Buffer.from(Buffer.alloc(32, 7).toString("base64")).toString("base64") },
        });
        const { answer } = await world.run("setup", args());
        expect(answer).toContain("!still sealed");
        expect(answer).toContain("another Vault's");
    });
});

describe("which values are missing", () => {
    test("is told by path, never what those are that are there", async () => {
        await world.run("setup", args());
        expect((await world.run("check", args())).answer).toBe(
            "missing 3 media/radarr:apiKey media/sonarr:apiKey web/portfolio:value",
        );
        await write("media/sonarr", { other: "x" });
        await write("media/radarr", { apiKey: "r4darr" });
        await write("web/portfolio", { value: "p0rt" });
        expect((await world.run("check", args())).answer).toBe("missing 1 media/sonarr:apiKey");
        await write("media/sonarr", { apiKey: "s3cret" });
        expect((await world.run("check", args())).answer).toBe("done");
        for (const value of ["r4darr", "p0rt", "s3cret"]) expect(world.said).not.toContain(value);
    });
});

describe("snapshots", () => {
    test("go to the bucket, the oldest leave it, and there is never one without its key", async () => {
        await world.run("setup", args());
        for (const day of ["01", "02", "03", "04", "05", "06"]) {
            world.bucket.objects.set(`vault/magi/snapshots/202601${day}T030000Z-0123456789ab.snap`, Buffer.from("old"));
        }
        world.bucket.objects.set("vault/magi/snapshots/notes.txt", Buffer.from("a person's"));
        const { answer, code } = await world.run("snapshot", args({ keep: 3 }));
        expect(code).toBe(0);
        expect(answer).toMatch(/^done \d{8}T\d{6}Z-[0-9a-f]{12}\.snap$/);
        expect(objects("snapshots").sort()).toEqual([
            "vault/magi/snapshots/20260105T030000Z-0123456789ab.snap",
            "vault/magi/snapshots/20260106T030000Z-0123456789ab.snap",
            `vault/magi/snapshots/${answer.slice(5)}`,
            "vault/magi/snapshots/notes.txt",
        ]);
        for (const name of objects("keys")) world.bucket.objects.delete(name);
        await world.run("snapshot", args());
        expect(objects("keys").filter((name) => name.endsWith(".age"))).toHaveLength(1);
    });

    test("a failure shows as one", async () => {
        await world.run("setup", args());
        world.bucket.broken = 500;
        const { answer, code } = await world.run("snapshot", args());
        expect([answer.startsWith("!"), code]).toEqual([true, 1]);
        // A Job that fails is tried again; who reads the answer wants it at once.
        const read = await world.run("save", args());
        expect([read.answer.startsWith("!"), read.code]).toEqual([true, 0]);
    });

    test("another recipient gets the key at the next run", async () => {
        await world.run("setup", args());
        const second = await generateIdentity();
        await world.run("setup", args({ recipients: [recipient, await identityToRecipient(second)] }));
        const [name = ""] = objects("keys").filter((one) => one.endsWith(".age"));
        const ciphertext = (world.bucket.objects.get(name) ?? Buffer.alloc(0)).toString("base64");
        expect(decrypt(ciphertext, second).stdout).toBe(world.unsealKey());
        expect(decrypt(ciphertext).stdout).toBe(world.unsealKey());
    });
});

describe("a rebuild", () => {
    /** As the command of vault.ts does it. */
    async function giveKey(answer: string) {
        const { stdout, stderr } = decrypt(answer.slice("need ".length));
        expect(stderr).toBe("");
        world.secrets.set("vault-unseal-key", { data: { key: Buffer.from(stdout).toString("base64") } });
    }

    /** What the ciphertext in the cluster opens to. */
    const keptHere = () => {
        const data = world.secrets.get("vault-unseal-key-age")?.data ?? {};
        return Object.values(data).map((sealed) => decrypt(sealed).stdout.trim());
    };

    test("asks this computer for the key and puts back the newest snapshot before anybody reads", async () => {
        await world.run("setup", args());
        await write("media/sonarr", { apiKey: "s3cret" });
        await world.run("snapshot", args());
        const key = world.unsealKey() ?? "-";
        await world.rebuild();
        const first = await world.run("setup", args());
        expect(first.answer.startsWith("need ")).toBe(true);
        expect(Buffer.from(first.answer.slice(5), "base64").toString("latin1")).toContain("age-encryption.org/v1");
        // Nothing was initialised while it waits for the key.
        expect(world.vault.state(0).initialized).toBe(false);
        await giveKey(first.answer);
        const second = await world.run("setup", args());
        expect([second.answer, second.log]).toEqual([
            expect.stringMatching(/^done restored \d{8}T.*\.snap$/),
            expect.anything(),
        ]);
        expect(unsealedAll()).toBe(true);
        const reader = await login("namespace-media", "external-secrets", "external-secrets");
        expect((await ask("GET", "kv/data/media/sonarr", reader.token)).value).toMatchObject({
            data: { data: { apiKey: "s3cret" } },
        });
        expect(world.deletedPods).toEqual(["vault-1", "vault-2"]);
        expect(keptHere()).toEqual([key]);
        expect(world.said).not.toContain(key);
        // What was declared in between is set, too.
        expect((await world.run("setup", args())).answer).toBe("done unchanged");
    });

    test("volumes that outlived the cluster ask for their key as well", async () => {
        await world.run("setup", args());
        for (const ordinal of [0, 1, 2]) world.vault.restart(ordinal);
        world.secrets.clear();
        const { answer } = await world.run("setup", args());
        expect(answer.startsWith("need ")).toBe(true);
        await giveKey(answer);
        expect(keptHere()).toEqual([]);
        expect((await world.run("setup", args())).answer).toBe("done unchanged");
        expect(keptHere()).toEqual([world.unsealKey()]);
    });

    test("is not begun anew over a snapshot whose key is lost, unless that is said", async () => {
        await world.run("setup", args());
        await world.run("snapshot", args());
        for (const name of objects("keys")) world.bucket.objects.delete(name);
        await world.rebuild();
        const refused = await world.run("setup", args());
        expect(refused.answer).toMatch(
            /^!the snapshot .* was made under the unseal key [0-9a-f]{12}, and its ciphertext/,
        );
        expect(refused.answer).toContain("yes-really-lose-every-secret");
        expect(world.vault.state(0).initialized).toBe(false);
        expect((await world.run("setup", args({ startAnew: true }))).answer).toMatch(/^done initialised/);
        // The old ones stay where they are.
        expect(objects("snapshots")).toHaveLength(1);
    });

    test("nor where the bucket does not answer", async () => {
        await world.run("setup", args());
        await world.run("snapshot", args());
        await world.rebuild();
        world.bucket.broken = 500;
        expect((await world.run("setup", args())).answer).toMatch(/^!the bucket/);
        expect(world.vault.state(0).initialized).toBe(false);
    });

    test("on one server as on three", async () => {
        await world.close();
        world = await VaultWorld.open(1);
        await world.run("setup", args());
        await write("media/sonarr", { apiKey: "s3cret" });
        await world.run("snapshot", args());
        await world.rebuild();
        await giveKey((await world.run("setup", args())).answer);
        expect((await world.run("setup", args())).answer).toMatch(/^done restored/);
    });
});

describe("what cannot be kept", () => {
    test("where the cluster takes no Secret, nothing is initialised", async () => {
        world.refuseSecrets = true;
        expect((await world.run("setup", args())).answer).toContain("the API server refuses");
        expect(world.vault.state(0).initialized).toBe(false);
    });
});

describe("the commands of an up, with a kubectl that answers for the cluster", () => {
    /** Runs a planned command's script; `answers`: what the Job's pod says, one time after the other. */
    async function command(
        verb: "servers" | "setup" | "check" | "save" | "last-snapshot",
        answers: readonly string[],
        script: "create" | "delete" = "create",
        { servers = "" }: { readonly servers?: string } = {},
    ) {
        const directory = mkdtempSync(join(tmpdir(), "vault-kubectl-"));
        try {
            const file = (name: string) => join(directory, name);
            for (const [index, answer] of answers.entries()) writeFileSync(file(`answer-${index}`), answer);
            writeFileSync(
                file("kubectl"),
                `#!/bin/bash
echo "$*" >> "${file("calls")}"
case "$*" in
  *"create secret generic"*) cat > "${file("given")}" ;;
  *"get statefulset"*) printf '%s' "${servers}" ;;
  *"get pods"*) n=$(cat "${file("n")}" 2> /dev/null || echo 0); cat "${file("answer-")}$n"; echo $((n + 1)) > "${file("n")}" ;;
  *"create --filename=-"*|*"apply"*) cat > /dev/null ;;
esac
`,
            );
            chmodSync(file("kubectl"), 0o755);
            const { [script]: text } = (await plannedCommand(verb)) as { create: string; delete: string };
            const ran = spawnSync("bash", ["-euo", "pipefail", "-c", text], {
                cwd: join(ROOT, "components"),
                // Bash takes a socket for a login from elsewhere, and reads its files.
                stdio: ["ignore", "pipe", "pipe"],
                encoding: "utf8",
                env: {
                    PATH: `${directory}:${process.env["PATH"] ?? ""}`,
                    HOME: "/nonexistent",
                    TMPDIR: directory,
                    UID: process.env["UID"],
                    SOPS_AGE_KEY: identity,
                    CLUSTER_KUBECONFIG: "{}",
                    STACK: "magi",
                    JOB_NAME: `vault-${verb}`,
                    JOB: "{}",
                    REPLICAS: "3",
                },
            });
            const read = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), "utf8") : undefined);
            return { ...ran, calls: read("calls") ?? "", given: read("given") };
        } finally {
            rmSync(directory, { recursive: true });
        }
    }

    async function plannedCommand(verb: string): Promise<object> {
        const resources = await planComponent(() => {
            new Vault(
                "vault",
                {
                    cluster: { name: "magi", timezone: "Etc/UTC", kubeconfig: pulumi.secret("{}") },
                    replicas: 3,
                    size: "1Gi",
                    storageClass: "c",
                    ui: false,
                    ...args(),
                    snapshots: { endpoint: "http://nas", region: "r", bucket: "b", prefix: "p", keep: 1 },
                    snapshotSchedule: "0 2 * * *",
                    beforeDestroy: true,
                    bootstrapSecrets: new SopsSecretStore("f", (ref) => ref),
                    certManager: new CertManager("cert-manager", {}, {}),
                },
                {},
            );
        });
        return resources.find(({ name, type }) => name === `vault-${verb}` && type.endsWith(":Command"))
            ?.inputs as object;
    }

    test("the key goes from this computer into the Secret by a pipe, then the set-up is asked again", async () => {
        await world.run("setup", args());
        const key = world.unsealKey() ?? "-";
        const [name = ""] = objects("keys").filter((one) => one.endsWith(".age"));
        const ciphertext = (world.bucket.objects.get(name) ?? Buffer.alloc(0)).toString("base64");
        const { status, stdout, stderr, calls, given } = await command("setup", [
            `need ${ciphertext}`,
            "done restored 20260101T000000Z-0123456789ab.snap",
        ]);
        expect([status, stderr]).toEqual([0, expect.stringContaining("Vault: restored 20260101T000000Z-")]);
        expect(given).toBe(key);
        expect(calls).toContain(
            "create secret generic vault-unseal-key --from-file=key=/dev/stdin --dry-run=client -o yaml",
        );
        for (const text of [stdout, stderr, calls]) expect(text).not.toContain(key);
        // What a command prints on its output is kept in the state.
        expect(stdout).toBe("");
    });

    test("fewer servers than there are is refused before any goes", async () => {
        // The played kubectl answers nothing but for pods: no StatefulSet is there, as the first time.
        expect((await command("servers", [])).status).toBe(0);
        const refused = await command("servers", [], "create", { servers: "5" });
        expect([refused.status, refused.stderr]).toEqual([
            1,
            expect.stringContaining("Vault has 5 servers and secrets.vault.replicas is 3"),
        ]);
        expect((await command("servers", [], "create", { servers: "3" })).status).toBe(0);
        expect((await command("servers", [], "create", { servers: "1" })).status).toBe(0);
    });

    test("a destroy goes on only with its last snapshot in the bucket, and says how to go on without", async () => {
        const name = "20260101T000000Z-0123456789ab.snap";
        const taken = await command("last-snapshot", [`done ${name}`], "delete");
        expect([taken.status, taken.stderr]).toEqual([0, expect.stringContaining(`its snapshot ${name} is in the`)]);
        for (const answer of ["!the bucket cannot be reached", ""]) {
            const refused = await command("last-snapshot", [answer], "delete");
            expect([refused.status, refused.stderr]).toEqual([
                1,
                expect.stringContaining("secrets.vault.snapshots.beforeDestroy to false, pulumi up, pulumi destroy"),
            ]);
        }
        // And one as soon as every value is there: the night may be far.
        expect((await command("save", [`done ${name}`])).status).toBe(0);
        expect((await command("save", ["!no Vault server became the leader"])).status).toBe(1);
    });

    test("a fault is told and fails, and so does a key that this computer cannot open", async () => {
        const fault = await command("setup", ["!the bucket cannot be reached"]);
        expect([fault.status, fault.stderr]).toEqual([
            1,
            expect.stringContaining("Vault: the bucket cannot be reached"),
        ]);
        const foreign = await command("setup", [`need ${Buffer.from("no age file").toString("base64")}`]);
        expect([foreign.status, foreign.stderr]).toEqual([1, expect.stringContaining("opens Vault's unseal key")]);
        expect(foreign.given ?? "").toBe("");
        const silent = await command("setup", [""]);
        expect(silent.status).toBe(1);
    });

    test("missing values end an up at once, each with the command that writes it", async () => {
        const { status, stderr } = await command("check", ["missing 2 media/sonarr:apiKey,other web/site:value"]);
        expect(status).toBe(1);
        expect(stderr.trim().split("\n")).toEqual([
            "Vault lacks values at 2 of the places that the plan names; nothing that needs them was made. Write each with",
            "  npm run vault -- magi --put media/sonarr --property apiKey",
            "  npm run vault -- magi --put media/sonarr --property other",
            "  npm run vault -- magi --put web/site --property value",
        ]);
        expect((await command("check", ["done"])).status).toBe(0);
    });
});
