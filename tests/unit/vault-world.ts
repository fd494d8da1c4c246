/** What the program of components/secrets/vault meets in a cluster, on loopback: Vault, a bucket, the API server's Secrets. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vaultPlan, type VaultPlanArgs } from "../../components/secrets/vault/plan";
import { PlayedBucket } from "../../sandbox/clouds/bucket";
import { PlayedVault, type Reviewed } from "../../sandbox/clouds/vault";
import { ROOT } from "../../stacks/stack-file";

const ACCOUNT = {
    bucket: "cluster-backups",
    region: "us-east-1",
    accessKeyId: "vault-backup",
    secretAccessKey: "bucket/secret+of=the-house",
};

/** Accounts by verb, as the Jobs have them. */
const ACCOUNTS: Record<string, string> = {
    setup: "vault-setup",
    check: "vault-look",
    snapshot: "vault-snapshot",
    save: "vault-snapshot",
};

interface KubeSecret {
    readonly data: Record<string, string>;
}

export interface Run {
    readonly answer: string;
    readonly log: string;
    readonly code: number | null;
}

export class VaultWorld {
    readonly bucket = new PlayedBucket(ACCOUNT);
    /** Secrets of the namespace `vault`. */
    secrets = new Map<string, KubeSecret>();
    vault: PlayedVault;
    #urls: string[] = [];
    #bucketUrl = "";
    readonly #kube: Server;
    #kubeUrl = "";
    readonly #directory = mkdtempSync(join(tmpdir(), "vault-world-"));
    readonly #tokens = new Map<string, Reviewed & { readonly audience: string }>();
    readonly deletedPods: string[] = [];
    refuseSecrets = false;
    /** Everything that any run said or was given as an argument. */
    said = "";

    private constructor(private readonly replicas: number) {
        this.vault = this.newVault();
        this.#kube = createServer((request, response) => {
            const chunks: Buffer[] = [];
            request.on("data", (chunk: Buffer) => chunks.push(chunk));
            request.on("end", () => {
                const { status, body } = this.kube(
                    request.method ?? "",
                    request.url ?? "",
                    Buffer.concat(chunks).toString(),
                );
                response.writeHead(status).end(JSON.stringify(body));
            });
        });
    }

    static async open(replicas = 3): Promise<VaultWorld> {
        const world = new VaultWorld(replicas);
        world.#urls = await world.vault.listen();
        world.#bucketUrl = await world.bucket.listen();
        await new Promise<void>((resolve) => world.#kube.listen(0, "127.0.0.1", resolve));
        world.#kubeUrl = `http://127.0.0.1:${(world.#kube.address() as AddressInfo).port}`;
        return world;
    }

    async close(): Promise<void> {
        this.#kube.closeAllConnections();
        await Promise.all([
            this.vault.close(),
            this.bucket.close(),
            new Promise((resolve) => this.#kube.close(resolve)),
        ]);
        rmSync(this.#directory, { recursive: true });
    }

    /** The cluster is gone with everything in it; the bucket is elsewhere. */
    async rebuild(): Promise<void> {
        await this.vault.close();
        this.secrets = new Map();
        this.vault = this.newVault();
        this.#urls = await this.vault.listen();
    }

    token(account: string, namespace = "vault", audience = "vault"): string {
        const jwt = `jwt-${account}-${namespace}-${this.#tokens.size}`;
        this.#tokens.set(jwt, { account, namespace, audience });
        return jwt;
    }

    url(ordinal: number): string {
        return this.#urls[ordinal] ?? "";
    }

    /** What the keepers do. */
    keepers(): void {
        const key = this.unsealKey();
        if (key === undefined) return;
        for (let ordinal = 0; ordinal < this.replicas; ordinal++) this.vault.unseal(ordinal, key);
    }

    unsealKey(): string | undefined {
        const encoded = this.secrets.get("vault-unseal-key")?.data["key"];
        return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString("utf8");
    }

    async run(verb: string, args: Omit<VaultPlanArgs, "replicas" | "snapshots"> & { keep?: number }): Promise<Run> {
        const { keep = 3, ...rest } = args;
        const snapshots = {
            endpoint: this.#bucketUrl,
            region: ACCOUNT.region,
            bucket: ACCOUNT.bucket,
            prefix: "vault/magi",
            keep,
        };
        const plan = {
            ...vaultPlan({ ...rest, replicas: this.replicas, snapshots }),
            pods: this.#urls,
            kubernetes: this.#kubeUrl,
        };
        const file = (name: string, text: string) => {
            writeFileSync(join(this.#directory, name), text);
            return join(this.#directory, name);
        };
        const answer = file("answer", "");
        file("token", "of-the-api-server");
        const argv = [
            join(ROOT, "components/secrets/vault/program.mjs"),
            verb,
            file("plan.json", JSON.stringify(plan)),
        ];
        const child = spawn(process.execPath, argv, {
            env: {
                PATH: process.env["PATH"],
                AWS_ACCESS_KEY_ID: ACCOUNT.accessKeyId,
                AWS_SECRET_ACCESS_KEY: ACCOUNT.secretAccessKey,
                ACCOUNT_DIRECTORY: this.#directory,
                VAULT_TOKEN_FILE: file("vault-token", this.token(ACCOUNTS[verb] ?? verb)),
                ANSWER: answer,
                WAIT_SECONDS: "3",
                PAUSE_MS: "20",
            },
        });
        let log = "";
        child.stdout.on("data", (chunk) => (log += String(chunk)));
        child.stderr.on("data", (chunk) => (log += String(chunk)));
        const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
        const said = readFileSync(answer, "utf8");
        this.said += `${log}\n${said}\n${argv.join(" ")}\n`;
        return { answer: said, log, code };
    }

    private newVault(): PlayedVault {
        return new PlayedVault(this.replicas, (jwt, audience) => {
            const known = this.#tokens.get(jwt);
            return known !== undefined && known.audience === audience ? known : undefined;
        });
    }

    private kube(method: string, url: string, text: string): { status: number; body: object } {
        const [, kind, name = ""] = /^\/api\/v1\/namespaces\/vault\/(secrets|pods)\/([^?]+)/.exec(url) ?? [];
        if (kind === "pods" && method === "DELETE") {
            this.deletedPods.push(name);
            this.vault.restart(Number(name.replace("vault-", "")));
            return { status: 200, body: {} };
        }
        if (kind !== "secrets" || this.refuseSecrets) return { status: 403, body: {} };
        if (method === "PATCH") {
            this.secrets.set(name, JSON.parse(text) as KubeSecret);
            return { status: 200, body: {} };
        }
        const found = this.secrets.get(name);
        return found === undefined ? { status: 404, body: {} } : { status: 200, body: found };
    }
}
