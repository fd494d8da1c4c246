/** What a person has of Vault: its block of the configuration, doctor's look, and how a value is written. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { appSecretsByNamespace, appsSchema } from "../../lab/apps";
import { joinSecrets } from "../../lab/platform-parts";
import { vaultAccount, vaultClaims, vaultKeys, vaultPart, vaultRules } from "../../lab/vault";
import { parseConfig } from "../../config/parse";
import { lookAtVault, judgeVault } from "../../tools/doctor/vault";
import { put, WRITE } from "../../tools/vault/put";

const RECIPIENT = `age1${"q".repeat(58)}`;
const block = (more: object = {}) => ({
    recipients: [RECIPIENT],
    snapshots: { endpoint: "http://192.168.1.10:9000", bucket: "cluster-backups" },
    ...more,
});
const schema = z.strictObject({ secrets: z.strictObject({ vault: vaultKeys }) });
const place = { machines: () => 3, classes: () => ["ceph-block", "local"] };
const open = (vault: unknown, machines = 3) =>
    parseConfig("magi", schema, vaultRules<z.output<typeof schema>>({ ...place, machines: () => machines }), {
        secrets: { vault },
    });

function fault(vault: unknown, machines?: number): string {
    try {
        open(vault, machines);
    } catch (error) {
        return (error as Error).message;
    }
    return "";
}

describe("its block", () => {
    test("has a default for everything but recipients and bucket", () => {
        expect(open(block()).secrets.vault).toEqual({
            storage: { size: "10Gi" },
            ui: true,
            recipients: [RECIPIENT],
            snapshots: {
                endpoint: "http://192.168.1.10:9000",
                region: "us-east-1",
                bucket: "cluster-backups",
                schedule: "30 2 * * *",
                keep: 30,
                beforeDestroy: true,
            },
        });
    });

    test.each([
        ["two servers", block({ replicas: 2 }), "with two servers the loss of either stops both"],
        ["no recipient", block({ recipients: [] }), "at least one age recipient"],
        ["a private key for a recipient", block({ recipients: ["AGE-SECRET-KEY-1QQ"] }), "an age recipient (age1...)"],
        ["a recipient twice", block({ recipients: [RECIPIENT, RECIPIENT] }), "each recipient once"],
        ["half a wish to start anew", block({ startAnew: "yes" }), "yes-really-lose-every-secret"],
        [
            "an endpoint with a path",
            block({ snapshots: { endpoint: "http://a/b", bucket: "cluster-backups" } }),
            "the URL of an S3 server, without a path",
        ],
    ])("%s is refused", (_name, given, allowed) => {
        expect(fault(given)).toContain(allowed);
    });

    test("more servers than machines are refused, and the default follows the machines", () => {
        expect(fault(block({ replicas: 3 }), 1)).toContain("at most the number of machines (1)");
        const config = open(block());
        expect([1, 2, 3, 4].map((machines) => vaultAccount(config, {}, machines).vault?.replicas)).toEqual([
            1, 1, 3, 3,
        ]);
    });

    test("its volumes are of a class that is there before it, and count where the others are", () => {
        expect(fault(block({ storage: { class: "ceph-blok" } }))).toContain(
            "a class that the cluster has before Vault: ceph-block, local",
        );
        const counted = (storage: object) => vaultPart(place).volumes?.(open(block({ storage })))?.length;
        expect([{}, { class: "ceph-block" }, { class: "local" }].map(counted)).toEqual([3, 3, 0]);
    });

    test("two clusters may share a bucket, and not a folder in it", () => {
        const claims = (more: object, stack: string) =>
            vaultClaims(open(block({ snapshots: { ...block().snapshots, ...more } })), stack);
        expect(claims({}, "magi")).toEqual([
            ["secrets.vault.snapshots.bucket", "http://192.168.1.10:9000/cluster-backups/vault/magi"],
        ]);
        expect(claims({}, "other")).not.toEqual(claims({}, "magi"));
        expect(claims({ prefix: "vault/magi" }, "other")).toEqual(claims({}, "magi"));
    });

    test("what the apps read, by namespace", () => {
        const apps = appsSchema.parse({ sonarr: {}, prowlarr: {}, sabnzbd: {}, paperless: {} });
        const refs = appSecretsByNamespace(apps);
        expect(refs["media"]).toEqual(expect.arrayContaining(["sonarr.apiKey", "sabnzbd.apiKey", "prowlarr.apiKey"]));
        expect(joinSecrets(refs, { media: ["sonarr.apiKey", "extra.one"], web: ["portfolio"] })).toMatchObject({
            media: expect.arrayContaining(["extra.one", "sonarr.apiKey"]) as string[],
            web: ["portfolio"],
        });
        expect(vaultAccount(open(block()), refs, 3).vault?.wanted["media/sonarr"]).toEqual(["apiKey"]);
    });
});

/** An API server in front of a Vault that has these values. */
async function cluster(values: Record<string, string[]>) {
    const asked: { method: string; url: string; token: string; body: string }[] = [];
    const server = createServer((request, response) => {
        let body = "";
        request.on("data", (chunk) => (body += String(chunk)));
        request.on("end", () => {
            const url = request.url ?? "";
            const token = String(request.headers["x-vault-token"] ?? "");
            asked.push({ method: request.method ?? "", url, token, body });
            const proxy = "/api/v1/namespaces/vault/services/https:vault-active:8200/proxy/v1/";
            const [, path = ""] = /\/kv\/subkeys\/(.+)$/.exec(url) ?? [];
            const answer = (status: number, value: object) => response.writeHead(status).end(JSON.stringify(value));
            if (url.startsWith("/api/v1/namespaces/vault/pods?")) {
                const labels = { "vault-initialized": "true", "vault-sealed": "false", "vault-active": "true" };
                return answer(200, { items: [{ metadata: { name: "vault-0", labels } }] });
            }
            if (url === "/apis/batch/v1/namespaces/vault/cronjobs/vault-snapshot") {
                return answer(200, { status: { lastSuccessfulTime: "2026-01-01T02:30:00Z" } });
            }
            if (url === "/api/v1/namespaces/vault/serviceaccounts/vault-look/token") {
                return answer(201, { status: { token: "jwt-of-look" } });
            }
            if (url === `${proxy}auth/kubernetes/login`) return answer(200, { auth: { client_token: "hvs.look" } });
            if (url === `${proxy}auth/token/revoke-self`) return response.writeHead(204).end();
            if (token !== "hvs.look") return answer(403, { errors: ["permission denied"] });
            const found = values[path];
            return found === undefined
                ? answer(404, { errors: [] })
                : answer(200, { data: { subkeys: Object.fromEntries(found.map((one) => [one, null])) } });
        });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const kubeconfig = JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "c",
        contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
        clusters: [{ name: "c", cluster: { server: url } }],
        users: [{ name: "u", user: { token: "admin" } }],
    });
    return { asked, kubeconfig, close: () => new Promise((resolve) => server.close(resolve)) };
}

describe("doctor", () => {
    const account = { replicas: 1, wanted: { "media/sonarr": ["apiKey"], "web/portfolio": ["value"] } };
    const NOW = new Date("2026-01-01T12:00:00Z");

    test("asks through the API server, by an account that reads names, and takes its token back", async () => {
        const world = await cluster({ "media/sonarr": ["other"] });
        try {
            const fact = await lookAtVault(account, { ok: true, value: world.kubeconfig }, {}, 5000);
            const verdicts = judgeVault("magi", account, fact, NOW).map(({ check, verdict }) => [check, verdict]);
            expect(verdicts).toEqual([
                ["servers", "ok"],
                ["leader", "ok"],
                ["snapshot", "ok"],
                ["values", "failure"],
            ]);
            expect(fact.ok && fact.value.missing).toEqual({
                ok: true,
                value: { "media/sonarr": ["apiKey"], "web/portfolio": ["value"] },
            });
            expect(world.asked.find(({ url }) => url.endsWith("/login"))?.body).toBe(
                JSON.stringify({ role: "vault-look", jwt: "jwt-of-look" }),
            );
            expect(world.asked.at(-1)).toMatchObject({ method: "POST", token: "hvs.look" });
            expect(world.asked.some(({ url }) => url.includes("/kv/data/"))).toBe(false);
        } finally {
            await world.close();
        }
    });

    test("says that it did not look where there is no Vault, no kubeconfig, or nothing built yet", async () => {
        const look = (kubeconfig: Parameters<typeof lookAtVault>[1], env: NodeJS.ProcessEnv = {}) =>
            lookAtVault(account, kubeconfig, env, 1000).then((fact) => judgeVault("magi", account, fact, NOW));
        const none = { ok: false, status: -1, reason: "no machine" } as const;
        expect(await look(none, { VAULT_ADDR: "" })).toEqual([expect.objectContaining({ verdict: "skipped" })]);
        expect(await look(none)).toEqual([
            expect.objectContaining({ verdict: "skipped", found: "no kubeconfig: no machine" }),
        ]);
        const empty = judgeVault(
            "magi",
            account,
            {
                ok: true,
                value: {
                    servers: { ok: true, value: [] },
                    snapshot: { ok: false, status: 404, reason: "404" },
                    missing: { ok: false, status: 404, reason: "404" },
                },
            },
            NOW,
        );
        expect(empty).toEqual([expect.objectContaining({ verdict: "skipped" })]);
    });
});

describe("a value is written", () => {
    test("on standard input: in no argument, after a token that lives ten minutes", async () => {
        const calls: { args: readonly string[]; input: string | undefined }[] = [];
        await put(
            (args, input) => {
                calls.push({ args, input });
                return Promise.resolve({ code: 0, stdout: args.includes("token") ? "jwt\n" : "", stderr: "" });
            },
            { path: "media/sonarr", property: "apiKey", value: "s3cret\nof two lines" },
        );
        expect(calls.map(({ args }) => args.slice(2, 4))).toEqual([
            ["create", "token"],
            ["exec", "--stdin"],
        ]);
        expect(calls[1]?.input).toBe("jwt\ns3cret\nof two lines");
        expect(JSON.stringify(calls.map(({ args }) => args))).not.toContain("s3cret");
    });

    test.each([
        [{ path: "sonarr", property: "apiKey", value: "x" }, "--put: got"],
        [{ path: "media/sonarr", property: "a b", value: "x" }, "--property: got"],
        [{ path: "media/sonarr", property: "apiKey", value: "" }, "the value is empty"],
    ])("not %j", async (wanted, why) => {
        const never = () => Promise.reject(new Error("asked"));
        await expect(put(never, wanted)).rejects.toThrow(why);
    });

    test("and a refusal is told in the words of whoever refused", async () => {
        const refuse = () => Promise.resolve({ code: 1, stdout: "", stderr: "x\nError: forbidden\n" });
        await expect(put(refuse, { path: "media/sonarr", property: "apiKey", value: "x" })).rejects.toThrow(
            "no token of vault-operator: Error: forbidden",
        );
    });

    test.each([
        [true, "kv patch -mount=kv media/sonarr apiKey=-"],
        [false, "kv put -mount=kv -cas=0 media/sonarr apiKey=-"],
    ])("beside what is there (%s), with every byte", (there, wanted) => {
        const directory = mkdtempSync(join(tmpdir(), "vault-put-"));
        try {
            // As the tool behaves: it writes down how it was called, and what it was given.
            writeFileSync(
                join(directory, "vault"),
                `#!/bin/sh\necho "$*" >> "${directory}/calls"\ncase "$*" in\n  *login*) cat > "${directory}/jwt"; echo hvs.operator ;;\n  "kv get"*) ${there ? "true" : "exit 2"} ;;\n  kv*) cat > "${directory}/value"; echo "$VAULT_TOKEN" > "${directory}/token" ;;\nesac\n`,
            );
            chmodSync(join(directory, "vault"), 0o755);
            const ran = spawnSync("sh", ["-c", WRITE("media/sonarr", "apiKey")], {
                input: "jwt-of-operator\nline one\nline two\n",
                env: { PATH: `${directory}:${process.env["PATH"] ?? ""}` },
                encoding: "utf8",
            });
            expect([ran.status, ran.stderr]).toEqual([0, ""]);
            const file = (name: string) => readFileSync(join(directory, name), "utf8");
            expect(file("value")).toBe("line one\nline two\n");
            expect(file("jwt")).toBe("jwt-of-operator");
            expect(file("token")).toBe("hvs.operator\n");
            expect(file("calls")).toContain(wanted);
            expect(file("calls")).not.toContain("line one");
            expect(file("calls").trim().endsWith("token revoke -self")).toBe(true);
        } finally {
            rmSync(directory, { recursive: true });
        }
    });
});
