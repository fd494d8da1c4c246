/**
 * Vault: its servers follow their pods and volumes, keepers unseal them, the Jobs run this project's own program against them, and
 * a person has written the values that the stack asks for. The bucket outlives the cluster.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VaultPlan } from "../../../components/secrets/vault/plan";
import type { VAULT_JOBS } from "../../../components/secrets/vault/vault";
import { PlayedBucket } from "../../clouds/bucket";
import { openStore, type Store } from "../../clouds/store";
import { PlayedVault, type Reply, type Reviewed, type VaultVolumes } from "../../clouds/vault";
import { secretText } from "../external-secrets/bitwarden-sdk-server";
import {
    type Action,
    collections,
    type Controller,
    corePath,
    resources,
    type View,
} from "../../controllers/controller";
import type { CustomResource } from "../../controllers/custom-resources";
import { type ConfigMap, keyOf, type KubeObject, type Pod, type Secret } from "../../controllers/objects";
import { variable } from "../../controllers/pod-environment";
import { failed, isPlayed, played } from "../../controllers/played-pods";
import { vaultOf, type VaultReader } from "./reader";

/** What a person has written: properties by path. */
export interface VaultAccount {
    readonly wanted: Readonly<Record<string, readonly string[]>>;
}

interface Kept {
    objects: Record<string, string>;
    volumes: VaultVolumes;
    /** UIDs of the claims that the volumes belong to. */
    claims: (string | null)[];
}

const NAMESPACE = "vault";
const TLS = `${NAMESPACE}/vault-tls`;
const UNSEAL = "vault-unseal-key";

/** By the type alone: the component itself would bring the SDK into this process. */
const JOBS: typeof VAULT_JOBS = {
    setup: "vault-setup",
    check: "vault-check",
    snapshot: "vault-snapshot",
    save: "vault-save",
};

const statefulSets = resources("apps", "v1", "statefulsets");
const roles = resources("rbac.authorization.k8s.io", "v1", "roles");
const bindings = resources("rbac.authorization.k8s.io", "v1", "rolebindings");

interface Role extends KubeObject {
    readonly rules?: readonly {
        readonly resources?: readonly string[];
        readonly resourceNames?: readonly string[];
        readonly verbs: readonly string[];
    }[];
}

interface Binding extends KubeObject {
    readonly roleRef: { readonly name: string };
    readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
}

interface Servers {
    readonly vault: PlayedVault;
    readonly urls: readonly string[];
    readonly pods: (string | undefined)[];
}

interface Running {
    ended?: { readonly answer: string; readonly code: number | null };
}

export class VaultWorld implements VaultReader {
    readonly #tokens = new Map<string, Reviewed & { readonly audience: string }>();
    readonly #jobs = new Map<string, Running>();
    readonly #store: Store<Kept>;
    #servers: Servers | undefined;
    #bucket: { readonly played: PlayedBucket; readonly url: string; readonly credentials: string } | undefined;
    #kube: { readonly server: Server; readonly url: string } | undefined;
    /** What programs have written and the API server has not been told yet. */
    #writes: Action[] = [];
    readonly #written = new Map<string, Secret>();
    #view: View | undefined;
    /** Whose program each token of the API server belongs to. */
    readonly #accounts = new Map<string, string>();

    constructor(
        private readonly account: VaultAccount,
        kept: (file: string) => string | undefined,
    ) {
        const start = (): Kept => ({ objects: {}, volumes: { clusters: {}, servers: [] }, claims: [] });
        const file = kept("vault.json");
        this.#store = file === undefined ? { state: start(), save: () => undefined } : openStore(file, start);
    }

    readonly controller: Controller = {
        name: "vault",
        lists: [
            collections.pods,
            collections.claims,
            collections.secrets,
            collections.configMaps,
            statefulSets,
            roles,
            bindings,
        ],
        reconcile: (view) => this.reconcile(view),
    };

    /** Ends what listens; for whoever does not end with its process. */
    async close(): Promise<void> {
        this.#kube?.server.closeAllConnections();
        this.#kube?.server.close();
        await Promise.all([this.#servers?.vault.close(), this.#bucket?.played.close()]);
    }

    private async reconcile(view: View): Promise<readonly Action[]> {
        this.#view = view;
        const set = view
            .list<KubeObject & { readonly spec: { readonly replicas?: number } }>(statefulSets)
            .find((one) => keyOf(one) === `${NAMESPACE}/vault`);
        if (set === undefined && this.#servers === undefined) return [];
        const servers = (this.#servers ??= await this.start(set?.spec.replicas ?? 1));
        const pods = view.list<Pod>(collections.pods).filter(({ metadata }) => metadata.namespace === NAMESPACE);
        const secrets = new Map(view.list<Secret>(collections.secrets).map((one) => [keyOf(one), one]));
        this.follow(view, servers, pods, secrets);
        this.values(servers.vault);
        const ended = await this.programs(view, servers, pods, secrets);
        this.keep(servers);
        const writes = this.#writes.splice(0);
        return [...writes, ...labels(servers, pods), ...ended];
    }

    private async start(replicas: number): Promise<Servers> {
        const vault = new PlayedVault(
            replicas,
            (jwt, audience) => {
                const known = this.#tokens.get(jwt);
                return known !== undefined && known.audience === audience ? known : undefined;
            },
            this.#store.state.volumes,
        );
        return { vault, urls: await vault.listen(), pods: [] };
    }

    /** A new pod is a process that is sealed, a new claim a volume that is empty. */
    private follow(
        view: View,
        { vault, urls, pods: known }: Servers,
        pods: readonly Pod[],
        secrets: ReadonlyMap<string, Secret>,
    ): void {
        const claims = view.list<KubeObject>(collections.claims);
        const { state } = this.#store;
        const key = secretText(secrets, { namespace: NAMESPACE, name: UNSEAL, key: "key" });
        for (const ordinal of urls.keys()) {
            const pod = pods.find(
                ({ metadata, status }) => metadata.name === `vault-${ordinal}` && status?.phase === "Running",
            );
            const claim = claims.find((one) => keyOf(one) === `${NAMESPACE}/data-vault-${ordinal}`)?.metadata.uid;
            if ((state.claims[ordinal] ?? undefined) !== claim) {
                vault.wipe(ordinal);
                state.claims[ordinal] = claim ?? null;
            }
            // Without its certificate a pod does not start, whatever kwok says of it.
            vault.runs(ordinal, pod !== undefined && claim !== undefined && secrets.has(TLS));
            if (pod?.metadata.uid !== known[ordinal]) {
                vault.restart(ordinal);
                known[ordinal] = pod?.metadata.uid;
            }
            const keeper = pod?.spec.volumes?.some(({ secret }) => secret?.secretName === UNSEAL) === true;
            if (keeper && key !== undefined) vault.unseal(ordinal, key);
        }
    }

    /** What the person does whom `up` has asked for values: by the role that is a person's, and once. */
    private values(vault: PlayedVault): void {
        const jwt = this.token("vault-operator", NAMESPACE, "vault");
        const login = vault.ask("POST", "auth/kubernetes/login", undefined, { role: "vault-operator", jwt });
        const token = tokenOf(login);
        if (token === undefined) return;
        for (const [path, properties] of Object.entries(this.account.wanted)) {
            if (vault.ask("GET", `kv/subkeys/${path}`, token)?.status !== 404) continue;
            const data = Object.fromEntries(
                properties.map((one) => [
                    one,
                    `sandbox-${`${path}-${one}`.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase()}`,
                ]),
            );
            vault.ask("POST", `kv/data/${path}`, token, { data });
        }
        vault.ask("POST", "auth/token/revoke-self", token);
    }

    private token(account: string, namespace: string, audience: string): string {
        const jwt = randomUUID();
        this.#tokens.set(jwt, { account, namespace, audience });
        return jwt;
    }

    /** Starts the program of each Job's pod, and ends the pods whose program has ended. */
    private async programs(
        view: View,
        servers: Servers,
        pods: readonly Pod[],
        secrets: ReadonlyMap<string, Secret>,
    ): Promise<Action[]> {
        const actions: Action[] = [];
        for (const [verb, label] of Object.entries(JOBS)) {
            for (const pod of pods.filter((one) => isPlayed(one, label))) {
                const { uid = pod.metadata.name } = pod.metadata;
                const running = this.#jobs.get(uid);
                if (running === undefined) {
                    const job: Running = {};
                    this.#jobs.set(uid, job);
                    await this.launch(view, servers, pod, verb, secrets, job);
                } else if (running.ended !== undefined) {
                    const { answer, code } = running.ended;
                    actions.push(...(code === 0 ? played(view, pod, answer) : failed(view, pod, answer)));
                    this.#written.clear();
                }
            }
        }
        return actions;
    }

    private async launch(
        view: View,
        { urls }: Servers,
        pod: Pod,
        verb: string,
        secrets: ReadonlyMap<string, Secret>,
        job: Running,
    ): Promise<void> {
        const [container] = pod.spec.containers;
        const config = pod.spec.volumes?.find(({ configMap }) => configMap !== undefined)?.configMap?.name ?? "";
        const files = view
            .list<ConfigMap>(collections.configMaps)
            .find((one) => keyOf(one) === `${NAMESPACE}/${config}`)?.data;
        const program = files?.["program.mjs"];
        const planned = files?.["plan.json"];
        const account = (pod.spec as { readonly serviceAccountName?: string }).serviceAccountName ?? "default";
        const [id, secret] =
            container === undefined
                ? []
                : await Promise.all(
                      ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map((name) =>
                          variable(view, pod, container, name),
                      ),
                  );
        if (
            program === undefined ||
            planned === undefined ||
            id === undefined ||
            secret === undefined ||
            !secrets.has(TLS)
        ) {
            // A pod whose mounts are missing waits for them.
            const uid = pod.metadata.uid ?? pod.metadata.name;
            this.#jobs.delete(uid);
            return;
        }
        const plan = JSON.parse(planned) as VaultPlan;
        const bucket = await this.bucket(plan, id, secret);
        const kube = await this.kube();
        const directory = mkdtempSync(join(tmpdir(), "played-vault-"));
        const file = (name: string, text: string): string => {
            writeFileSync(join(directory, name), text, { mode: 0o600 });
            return join(directory, name);
        };
        const answer = file("answer", "");
        const access = randomUUID();
        this.#accounts.set(access, account);
        file("token", access);
        const here = { ...plan, pods: urls, kubernetes: kube, snapshots: { ...plan.snapshots, endpoint: bucket } };
        const argv = [file("program.mjs", program), verb, file("plan.json", JSON.stringify(here))];
        const child = spawn(process.execPath, argv, {
            stdio: "ignore",
            env: {
                PATH: process.env["PATH"],
                AWS_ACCESS_KEY_ID: id,
                AWS_SECRET_ACCESS_KEY: secret,
                ACCOUNT_DIRECTORY: directory,
                VAULT_TOKEN_FILE: file("vault-token", this.token(account, NAMESPACE, plan.audience)),
                ANSWER: answer,
                WAIT_SECONDS: "90",
                PAUSE_MS: "250",
            },
        });
        child.unref();
        child.on("close", (code) => {
            job.ended = { answer: readFileSync(answer, "utf8"), code };
            rmSync(directory, { recursive: true, force: true });
        });
        child.on("error", (error) => (job.ended = { answer: `!${error.message}`, code: 1 }));
    }

    private async bucket(plan: VaultPlan, accessKeyId: string, secretAccessKey: string): Promise<string> {
        const { bucket, region } = plan.snapshots;
        const credentials = JSON.stringify([bucket, region, accessKeyId, secretAccessKey]);
        if (this.#bucket === undefined || this.#bucket.credentials !== credentials) {
            const kept = new PlayedBucket({ bucket, region, accessKeyId, secretAccessKey });
            for (const [key, text] of Object.entries(this.#store.state.objects)) {
                kept.objects.set(key, Buffer.from(text, "base64"));
            }
            this.#bucket = { played: kept, url: await kept.listen(), credentials };
        }
        return this.#bucket.url;
    }

    private keep({ vault }: Servers): void {
        const { state } = this.#store;
        const before = JSON.stringify([Object.keys(state.objects), state.volumes.servers, state.claims]);
        state.volumes = vault.volumes();
        if (this.#bucket !== undefined) {
            state.objects = Object.fromEntries(
                [...this.#bucket.played.objects].map(([key, bytes]) => [key, bytes.toString("base64")]),
            );
        }
        // Nonces differ each time: only what came, went or was written is worth a write.
        const now = JSON.stringify([Object.keys(state.objects), state.volumes.servers, state.claims]);
        if (before !== now || vault.changed()) this.#store.save();
    }

    /** The part of the API server that the program asks, with the rights of its account and no others. */
    private async kube(): Promise<string> {
        if (this.#kube !== undefined) return this.#kube.url;
        const server = createServer((request, response) => {
            const chunks: Buffer[] = [];
            request.on("data", (chunk: Buffer) => chunks.push(chunk));
            request.on("end", () => {
                const account = this.#accounts.get(String(request.headers.authorization ?? "").replace("Bearer ", ""));
                void this.answer(
                    account,
                    request.method ?? "",
                    request.url ?? "",
                    Buffer.concat(chunks).toString(),
                ).then(([status, body]) => response.writeHead(status).end(JSON.stringify(body)));
            });
        }).unref();
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        this.#kube = { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
        return this.#kube.url;
    }

    private async answer(
        account: string | undefined,
        method: string,
        url: string,
        text: string,
    ): Promise<[number, object]> {
        const [, kind = "", name = ""] = /^\/api\/v1\/namespaces\/vault\/(secrets|pods)\/([^?]+)/.exec(url) ?? [];
        const path = corePath(kind, NAMESPACE, name);
        const verb = { GET: "get", PATCH: "patch", DELETE: "delete" }[method] ?? "";
        if (account === undefined) return [401, {}];
        if (!this.may(account, verb, kind, name)) return [403, {}];
        const found = this.#written.get(name) ?? (await this.#view?.get<Secret>(path));
        switch (method) {
            case "GET":
                return found === undefined ? [404, {}] : [200, found];
            case "PATCH": {
                if (found === undefined && !this.may(account, "create", kind, "")) return [403, {}];
                const body = JSON.parse(text) as Secret;
                this.#written.set(name, body);
                this.#writes.push({ verb: "apply", path, body });
                return [200, body];
            }
            default:
                if (found === undefined) return [404, {}];
                this.#writes.push({ verb: "delete", path });
                return [200, {}];
        }
    }

    private may(account: string, verb: string, kind: string, name: string): boolean {
        const view = this.#view;
        if (view === undefined) return false;
        const bound = view
            .list<Binding>(bindings)
            .filter(({ metadata }) => metadata.namespace === NAMESPACE)
            .filter(({ subjects = [] }) =>
                subjects.some((one) => one.kind === "ServiceAccount" && one.name === account),
            );
        return view
            .list<Role>(roles)
            .filter(({ metadata }) => metadata.namespace === NAMESPACE)
            .filter(({ metadata }) => bound.some(({ roleRef }) => roleRef.name === metadata.name))
            .flatMap(({ rules = [] }) => rules)
            .some(
                ({ resources: on = [], resourceNames, verbs }) =>
                    on.includes(kind) &&
                    verbs.includes(verb) &&
                    (resourceNames === undefined || resourceNames.includes(name)),
            );
    }

    login(view: View, store: CustomResource): { readonly token: string } | { readonly fault: string } {
        const provider = vaultOf(store);
        const { hostname = "", port = "" } = provider === undefined ? {} : new URL(provider.server);
        if (hostname !== "vault-active.vault.svc" || port !== "8200")
            return { fault: `dial tcp: lookup ${hostname}: no such host` };
        const secrets = new Map(view.list<Secret>(collections.secrets).map((one) => [keyOf(one), one]));
        const certificate = secrets.get(TLS);
        const { caProvider, auth } = provider ?? {};
        const trusted = caProvider === undefined ? undefined : secretText(secrets, caProvider);
        const signer = secretText(secrets, { namespace: NAMESPACE, name: "vault-tls", key: "ca.crt" });
        if (trusted === undefined || trusted !== signer) {
            return { fault: "tls: failed to verify certificate: x509: certificate signed by unknown authority" };
        }
        const names = (certificate?.metadata.annotations?.["cert-manager.io/alt-names"] ?? "").split(",");
        if (!names.includes(hostname)) {
            return {
                fault: `tls: failed to verify certificate: x509: certificate is valid for ${names.join(", ")}, not ${hostname}`,
            };
        }
        const account = auth?.kubernetes?.serviceAccountRef;
        if (account === undefined || auth?.kubernetes?.mountPath !== "kubernetes") {
            return { fault: "cannot initialize Vault client: no valid auth method specified" };
        }
        const jwt = this.token(account.name, account.namespace ?? "", account.audiences?.[0] ?? "");
        const reply = this.#servers?.vault.ask("POST", "auth/kubernetes/login", undefined, {
            role: auth.kubernetes.role,
            jwt,
        });
        this.#tokens.delete(jwt);
        const token = tokenOf(reply);
        return token === undefined
            ? { fault: `cannot login to Vault: Code: ${reply?.status ?? 503}. Errors: ${errorsOf(reply)}` }
            : { token };
    }

    read(
        view: View,
        store: CustomResource,
        { key, property = "" }: { readonly key: string; readonly property?: string },
    ): { readonly value: string } | { readonly fault: string } {
        const login = this.login(view, store);
        if ("fault" in login) return login;
        const { path = "", version } = vaultOf(store) ?? {};
        const where = version === "v2" ? `${path}/data/${key}` : `${path}/${key}`;
        const reply = this.#servers?.vault.ask("GET", where, login.token);
        this.#servers?.vault.ask("POST", "auth/token/revoke-self", login.token);
        if (reply?.status === 404) return { fault: "Secret does not exist" };
        const body = reply?.status === 200 ? (reply.body as { data?: { data?: Record<string, unknown> } }) : undefined;
        if (body === undefined) return { fault: `Code: ${reply?.status ?? 503}. Errors: ${errorsOf(reply)}` };
        const value = body.data?.data?.[property];
        return typeof value === "string" ? { value } : { fault: `cannot find secret data for key: "${property}"` };
    }
}

function tokenOf(reply: Reply | undefined): string | undefined {
    return reply?.status === 200 ? (reply.body as { auth?: { client_token?: string } }).auth?.client_token : undefined;
}

function errorsOf(reply: Reply | undefined): string {
    return ((reply?.body as { errors?: readonly string[] } | undefined)?.errors ?? ["Vault is sealed"]).join("; ");
}

/** What the servers say of themselves on their pods. */
function labels({ vault, urls }: Servers, pods: readonly Pod[]): Action[] {
    return [...urls.keys()].flatMap((ordinal): Action[] => {
        const pod = pods.find(({ metadata }) => metadata.name === `vault-${ordinal}`);
        if (pod === undefined) return [];
        const { initialized, sealed } = vault.state(ordinal);
        const wanted = {
            "vault-initialized": String(initialized),
            "vault-sealed": String(sealed),
            "vault-active": String(vault.leads(ordinal)),
        };
        const { labels: there = {} } = pod.metadata;
        return Object.entries(wanted).every(([name, value]) => there[name] === value)
            ? []
            : [
                  {
                      verb: "patch",
                      path: corePath("pods", NAMESPACE, pod.metadata.name),
                      body: { metadata: { labels: wanted } },
                  },
              ];
    });
}
