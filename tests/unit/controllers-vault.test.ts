/** The sandbox's Vault: it follows pods and volumes, runs the program of the Jobs with their rights, and is no kinder than the real one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, identityToRecipient } from "age-encryption";
import * as pulumi from "@pulumi/pulumi";
import { CertManager } from "../../components/edge/cert-manager";
import { ExternalSecrets } from "../../components/secrets/external-secrets";
import { SopsSecretStore } from "../../components/secrets/sops";
import { Vault } from "../../components/secrets/vault/vault";
import { VaultStores } from "../../components/secrets/vault/vault-stores";
import type { Action, View } from "../../sandbox/controllers/controller";
import { externalSecretsOperator } from "../../sandbox/operators/external-secrets/controller";
import { VaultWorld } from "../../sandbox/operators/vault/controller";
import type { PlannedResource } from "../../tools/plan/plan";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";

jest.setTimeout(90_000);

const WANTED = { "media/sonarr": ["apiKey"] };
let resources: PlannedResource[];
const look = lookInto(() => ({ resources }));

beforeAll(async () => {
    const recipient = await identityToRecipient(await generateIdentity());
    resources = await planComponent(() => {
        const certManager = new CertManager("cert-manager", {}, {});
        const operator = new ExternalSecrets("external-secrets", {}, {});
        const vault = new Vault(
            "vault",
            {
                cluster: { name: "magi", timezone: "Etc/UTC", kubeconfig: pulumi.secret("k") },
                replicas: 3,
                size: "10Gi",
                storageClass: "c",
                ui: false,
                recipients: [recipient],
                refs: { media: ["sonarr.apiKey"] },
                startAnew: false,
                snapshots: {
                    endpoint: "http://nas:9000",
                    region: "r-1",
                    bucket: "backups",
                    prefix: "vault/magi",
                    keep: 2,
                },
                snapshotSchedule: "0 2 * * *",
                beforeDestroy: true,
                bootstrapSecrets: new SopsSecretStore("f", (ref) => ref),
                certManager,
            },
            {},
        );
        const secrets = new VaultStores("stores", { vault, operator, namespaces: ["media"] }, {}).secretStore();
        secrets.deliver("sonarr", { name: "sonarr", namespace: "media", data: { KEY: "sonarr.apiKey" } }, {});
    });
});

const encoded = (data: Record<string, string>) =>
    Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
const at = (namespace: string, name: string, more: object = {}) => ({ metadata: { name, namespace, ...more } });
const planned = (kind: string, name: string) => look.find(kind, name).inputs as Inputs & { metadata: { name: string } };

const worlds: VaultWorld[] = [];
afterEach(async () => {
    await Promise.all(worlds.splice(0).map((world) => world.close()));
});

/** An API server in a few maps. */
class Cluster {
    readonly objects = new Map<string, Inputs>();
    readonly world: VaultWorld;
    #uid = 0;

    constructor(file: string | undefined, wanted: Record<string, string[]> = WANTED) {
        this.world = new VaultWorld({ wanted }, () => file);
        worlds.push(this.world);
        const add = (path: string, object: object) => this.objects.set(path, object as Inputs);
        add("/apis/apps/v1/namespaces/vault/statefulsets/vault", { ...at("vault", "vault"), spec: { replicas: 3 } });
        add("/api/v1/namespaces/vault/configmaps/vault-program", planned(":ConfigMap", "vault-program"));
        add("/apis/rbac.authorization.k8s.io/v1/namespaces/vault/roles/vault-keys", planned(":Role", "vault-keys"));
        add(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/vault/rolebindings/vault-keys",
            planned(":RoleBinding", "vault-keys"),
        );
        add("/api/v1/namespaces/vault/secrets/vault-s3", {
            ...at("vault", "vault-s3"),
            data: encoded({ AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" }),
        });
        const names = (dig(look.find(":Certificate", "vault").inputs, "spec", "dnsNames") as string[]).join(",");
        add("/api/v1/namespaces/vault/secrets/vault-tls", {
            ...at("vault", "vault-tls", { annotations: { "cert-manager.io/alt-names": names } }),
            data: encoded({ "ca.crt": "authority" }),
        });
        add(
            "/apis/external-secrets.io/v1/clustersecretstores/vault-media",
            planned(":ClusterSecretStore", "stores-media"),
        );
        add(
            "/apis/external-secrets.io/v1/namespaces/media/externalsecrets/sonarr",
            planned(":ExternalSecret", "sonarr"),
        );
        add("/apis/apps/v1/namespaces/external-secrets/deployments/external-secrets", {
            ...at("external-secrets", "external-secrets", { labels: { "app.kubernetes.io/name": "external-secrets" } }),
            spec: { replicas: 1, template: { metadata: { labels: {} } } },
            status: { readyReplicas: 1, updatedReplicas: 1, observedGeneration: 1 },
        });
        for (const ordinal of [0, 1, 2]) {
            this.claim(ordinal);
            this.pod(ordinal);
        }
    }

    claim(ordinal: number): void {
        const path = `/api/v1/namespaces/vault/persistentvolumeclaims/data-vault-${ordinal}`;
        this.objects.set(path, at("vault", `data-vault-${ordinal}`, { uid: `claim-${++this.#uid}` }));
    }

    pod(ordinal: number): void {
        this.objects.set(`/api/v1/namespaces/vault/pods/vault-${ordinal}`, {
            ...at("vault", `vault-${ordinal}`, { uid: `pod-${++this.#uid}` }),
            spec: { containers: [], volumes: [{ name: "k", secret: { secretName: "vault-unseal-key" } }] },
            status: { phase: "Running" },
        });
    }

    view(): View {
        const list = <T>(path: string): readonly T[] => {
            const [collection = ""] = path.split("?");
            const cut = collection.lastIndexOf("/");
            const [group, plural] = [collection.slice(0, cut), collection.slice(cut + 1)];
            return [...this.objects]
                .filter(([key]) => key.startsWith(`${group}/`) && key.split("/").at(-2) === plural)
                .map(([, object]) => object as T);
        };
        return {
            now: Date.now(),
            list,
            get: <T>(path: string) => Promise.resolve(this.objects.get(path) as T | undefined),
        };
    }

    apply(actions: readonly Action[]): void {
        for (const action of actions) {
            const path = action.path.replace(/\/status$/, "");
            if (action.verb === "delete") {
                this.objects.delete(path);
                const [, ordinal] = /pods\/vault-(\d)$/.exec(path) ?? [];
                if (ordinal !== undefined) this.pod(Number(ordinal));
                continue;
            }
            const before = this.objects.get(path) ?? {};
            const body = action.body as Inputs;
            this.objects.set(path, {
                ...before,
                ...body,
                metadata: { ...(before["metadata"] as object), ...(body["metadata"] as object) },
            });
        }
    }

    async pass(): Promise<void> {
        this.apply(await this.world.controller.reconcile(this.view()));
    }

    /** Runs a Job's pod to its end; what it said. */
    async job(verb: "setup" | "check" | "save"): Promise<string> {
        const job = JSON.parse(
            String(dig(look.find("local:Command", `vault-${verb}`).inputs, "environment", "JOB")),
        ) as Inputs;
        return this.run(`vault-${verb}`, dig(job, "spec", "template", "spec"));
    }

    async snapshot(): Promise<string> {
        const cron = look.find(":CronJob", "vault-snapshot").inputs;
        return this.run("vault-snapshot", dig(cron, "spec", "jobTemplate", "spec", "template", "spec"));
    }

    private async run(label: string, spec: unknown): Promise<string> {
        const name = `${label}-${++this.#uid}`;
        const path = `/api/v1/namespaces/vault/pods/${name}`;
        this.objects.set(path, {
            ...at("vault", name, { uid: name, labels: { "app.kubernetes.io/name": label } }),
            spec,
            status: { phase: "Running" },
        });
        for (let turn = 0; turn < 600; turn++) {
            await this.pass();
            const pod = this.objects.get(path);
            const phase = dig(pod, "status", "phase");
            if (phase !== "Running") {
                return String(dig(pod, "status", "containerStatuses", 0, "state", "terminated", "message"));
            }
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        throw new Error(`${name} does not end`);
    }

    /** One turn of External Secrets: the Secret that came of it, and what it says. */
    async secrets() {
        const operator = externalSecretsOperator(undefined, this.world);
        for (let turn = 0; turn < 3; turn++) this.apply(await operator.reconcile(this.view()));
        const [secret] = [this.objects.get("/api/v1/namespaces/media/secrets/sonarr")];
        const store = this.objects.get("/apis/external-secrets.io/v1/clustersecretstores/vault-media");
        const one = this.objects.get("/apis/external-secrets.io/v1/namespaces/media/externalsecrets/sonarr");
        const condition = (object: unknown) => dig(object, "status", "conditions", 0) as Inputs | undefined;
        return {
            value:
                secret === undefined ? undefined : Buffer.from(String(dig(secret, "data", "KEY")), "base64").toString(),
            store: condition(store),
            one: condition(one),
        };
    }

    label(ordinal: number, name: string): unknown {
        return dig(this.objects.get(`/api/v1/namespaces/vault/pods/vault-${ordinal}`), "metadata", "labels", name);
    }
}

test("before the set-up nobody reads; after it External Secrets does, from its namespace alone", async () => {
    const cluster = new Cluster(undefined);
    await cluster.pass();
    expect([cluster.label(0, "vault-initialized"), cluster.label(0, "vault-sealed")]).toEqual(["false", "true"]);
    expect((await cluster.secrets()).store).toMatchObject({ status: "False", reason: "InvalidProviderConfig" });
    expect(await cluster.job("setup")).toMatch(/^done initialised [0-9a-f]{12}$/);
    expect(await cluster.job("check")).toBe("done");
    await cluster.pass();
    expect([0, 1, 2].map((ordinal) => cluster.label(ordinal, "vault-sealed"))).toEqual(["false", "false", "false"]);
    expect([0, 1, 2].map((ordinal) => cluster.label(ordinal, "vault-active"))).toEqual(["true", "false", "false"]);
    expect(await cluster.secrets()).toMatchObject({
        value: "sandbox-media-sonarr-apikey",
        store: { status: "True" },
        one: { status: "True" },
    });
    // From another namespace the store's condition forbids it.
    const path = "/apis/external-secrets.io/v1/namespaces/media/externalsecrets/sonarr";
    const one = cluster.objects.get(path) as Inputs;
    cluster.objects.set(path, { ...one, metadata: { ...(one["metadata"] as object), namespace: "web" } });
    const operator = externalSecretsOperator(undefined, cluster.world);
    const denied = await operator.reconcile(cluster.view());
    expect(JSON.stringify(denied)).toContain('not allowed from namespace \\"web\\"');
});

test("values that nobody wrote are told as missing, and the ExternalSecret stays without", async () => {
    const cluster = new Cluster(undefined, {});
    await cluster.job("setup");
    expect(await cluster.job("check")).toBe("missing 1 media/sonarr:apiKey");
    const { value, one } = await cluster.secrets();
    expect([value, one?.["status"]]).toEqual([undefined, "False"]);
});

test("without the rights of its account the program keeps no key, so nothing is initialised", async () => {
    const cluster = new Cluster(undefined);
    cluster.objects.delete("/apis/rbac.authorization.k8s.io/v1/namespaces/vault/rolebindings/vault-keys");
    expect(await cluster.job("setup")).toContain("the API server refuses");
    expect(cluster.label(0, "vault-initialized")).toBe("false");
});

test("a rebuilt cluster asks for the key and gets the newest snapshot from the bucket, which outlived it", async () => {
    const directory = mkdtempSync(join(tmpdir(), "vault-kept-"));
    try {
        const file = join(directory, "vault.json");
        const first = new Cluster(file);
        await first.job("setup");
        await first.job("check");
        expect(await first.snapshot()).toMatch(/^done \d{8}T\d{6}Z-/);
        expect(await first.job("save")).toMatch(/^done \d{8}T\d{6}Z-/);
        await first.pass();
        const key = first.objects.get("/api/v1/namespaces/vault/secrets/vault-unseal-key") as Inputs;
        // Other claims, no Secret: a new cluster. The person writes nothing this time.
        const second = new Cluster(file, {});
        for (const ordinal of [0, 1, 2]) {
            second.claim(ordinal);
            second.claim(ordinal);
        }
        expect(await second.job("setup")).toMatch(/^need /);
        expect(second.label(0, "vault-initialized")).toBe("false");
        second.objects.set("/api/v1/namespaces/vault/secrets/vault-unseal-key", key);
        expect(await second.job("setup")).toMatch(/^done restored /);
        expect(await second.job("check")).toBe("done");
        expect((await second.secrets()).value).toBe("sandbox-media-sonarr-apikey");
    } finally {
        rmSync(directory, { recursive: true });
    }
});

test("a restarted daemon finds the volumes sealed, and the keepers open them", async () => {
    const directory = mkdtempSync(join(tmpdir(), "vault-kept-"));
    try {
        const file = join(directory, "vault.json");
        const first = new Cluster(file);
        await first.job("setup");
        await first.pass();
        const second = new Cluster(file);
        const key = first.objects.get("/api/v1/namespaces/vault/secrets/vault-unseal-key") as Inputs;
        await second.pass();
        expect(second.label(0, "vault-sealed")).toBe("true");
        expect(second.label(0, "vault-initialized")).toBe("true");
        second.objects.set("/api/v1/namespaces/vault/secrets/vault-unseal-key", key);
        await second.pass();
        await second.pass();
        expect([0, 1, 2].map((ordinal) => second.label(ordinal, "vault-sealed"))).toEqual(["false", "false", "false"]);
    } finally {
        rmSync(directory, { recursive: true });
    }
});
