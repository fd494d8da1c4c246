// `node program.mjs setup|check|snapshot|save <plan.json>`: what is done to Vault, in the cluster. `setup` initialises or restores it,
// unseals it, and brings engine, authentication, policies and roles to what the plan says. `check` tells which values are missing.
// `snapshot` puts one into the bucket and takes old ones away; so does `save`, for somebody who reads the answer. The answer is the pod's termination message; a key or a token is
// in no answer, log or argument.
import {
    createCipheriv,
    createHash,
    createHmac,
    createPublicKey,
    diffieHellman,
    generateKeyPairSync,
    hkdfSync,
    randomBytes,
} from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { request as http } from "node:http";
import { request as https } from "node:https";

const [verb = "", path = ""] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(path, "utf8"));
const env = process.env;
const ACCOUNT = env.ACCOUNT_DIRECTORY ?? "/var/run/secrets/kubernetes.io/serviceaccount";
const VAULT_TOKEN_FILE = env.VAULT_TOKEN_FILE ?? "/var/run/secrets/vault/token";
const VAULT_CA_FILE = env.VAULT_CA_FILE ?? "/etc/vault-tls/ca.crt";
const DEADLINE = Date.now() + Number(env.WAIT_SECONDS ?? "300") * 1000;
const PAUSE = Number(env.PAUSE_MS ?? "2000");
const MANAGED = "namespace-";

const say = (text) => console.log(text);
const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE));

/** A fault for the person at the keyboard. */
class Fault extends Error {}

function exchange(url, { method = "GET", headers = {}, body, ca, servername } = {}) {
    return new Promise((resolve, reject) => {
        const secure = url.startsWith("https:");
        const options = { method, headers, ...(secure && { ca, ...(servername && { servername }) }), timeout: 60_000 };
        const outgoing = (secure ? https : http)(url, options, (incoming) => {
            const chunks = [];
            incoming.on("data", (chunk) => chunks.push(chunk));
            incoming.on("error", reject);
            incoming.on("end", () => resolve({ status: incoming.statusCode, body: Buffer.concat(chunks) }));
        });
        outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within a minute")));
        outgoing.on("error", reject);
        outgoing.end(body);
    });
}

const json = (buffer) => {
    try {
        return JSON.parse(buffer.toString("utf8"));
    } catch {
        return undefined;
    }
};

// ---- Vault

/** An answer of Vault; throws its own words unless it is one of `allowed`. */
async function vault(base, method, where, { token, body, raw, allowed = [] } = {}) {
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const answer = await exchange(`${base}/v1/${where}`, {
        method,
        headers: {
            ...(token !== undefined && { "x-vault-token": token }),
            ...(payload !== undefined && { "content-length": Buffer.byteLength(payload) }),
        },
        body: payload,
        ca: base.startsWith("https:") ? readFileSync(VAULT_CA_FILE) : undefined,
    });
    if ((answer.status >= 200 && answer.status < 300) || allowed.includes(answer.status)) {
        return { status: answer.status, value: json(answer.body), bytes: answer.body };
    }
    const errors = json(answer.body)?.errors ?? [];
    const error = new Error(`Vault refuses ${method} ${where}: ${[answer.status, ...errors].join(", ")}`);
    error.status = answer.status;
    throw error;
}

/** `undefined` where nobody answers. */
async function sealStatus(base) {
    try {
        return (await vault(base, "GET", "sys/seal-status")).value;
    } catch (error) {
        say(`${base}: ${error.message}`);
        return undefined;
    }
}

async function unseal(base, key) {
    const { value } = await vault(base, "POST", "sys/unseal", { body: { key } });
    return value;
}

/** The server that leads, by what the servers say of themselves; waited for. */
async function leader() {
    for (;;) {
        for (const base of plan.pods) {
            try {
                const { value } = await vault(base, "GET", "sys/leader");
                const health = await vault(base, "GET", "sys/health", { allowed: [429, 472, 473, 501, 503] });
                if (value?.is_self === true && health.status === 200) return base;
            } catch (error) {
                say(`${base}: ${error.message}`);
            }
        }
        if (Date.now() > DEADLINE) throw new Fault("no Vault server became the leader: see the servers' logs");
        await pause();
    }
}

/** A token by this pod's service account. */
async function login(base, role) {
    const jwt = readFileSync(VAULT_TOKEN_FILE, "utf8").trim();
    const { value } = await vault(base, "POST", "auth/kubernetes/login", { body: { role, jwt } });
    return value.auth.client_token;
}

// ---- the cluster

async function kubernetes(method, where, body, { allowed = [], type = "application/json" } = {}) {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const answer = await exchange(`${plan.kubernetes}${where}`, {
        method,
        headers: {
            authorization: `Bearer ${readFileSync(`${ACCOUNT}/token`, "utf8").trim()}`,
            ...(payload !== undefined && { "content-type": type, "content-length": Buffer.byteLength(payload) }),
        },
        body: payload,
        ca: plan.kubernetes.startsWith("https:") ? readFileSync(`${ACCOUNT}/ca.crt`) : undefined,
    });
    if (answer.status < 300 || allowed.includes(answer.status)) {
        return { status: answer.status, value: json(answer.body) };
    }
    // Not the body: it may quote what was sent.
    throw new Error(`the API server refuses ${method} ${where}: ${answer.status}`);
}

const secrets = `/api/v1/namespaces/${plan.namespace}/secrets`;

async function readSecret(name) {
    const { status, value } = await kubernetes("GET", `${secrets}/${name}`, undefined, { allowed: [404] });
    return status === 404 ? undefined : value;
}

async function writeSecret(name, data) {
    await kubernetes(
        "PATCH",
        `${secrets}/${name}?fieldManager=vault-setup&force=true`,
        { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: plan.namespace }, type: "Opaque", data },
        { type: "application/apply-patch+yaml" },
    );
}

async function unsealKey() {
    const encoded = (await readSecret(plan.unsealKey.secret))?.data?.[plan.unsealKey.key] ?? "";
    return encoded === "" ? undefined : Buffer.from(encoded, "base64").toString("utf8").trim();
}

// ---- the bucket, by Signature Version 4

const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const escape = (text) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

async function s3(method, key, { query = {}, body = Buffer.alloc(0), allowed = [] } = {}) {
    const { endpoint, bucket, region } = plan.snapshots;
    const base = new URL(endpoint);
    const where = `/${[bucket, ...(key === "" ? [] : key.split("/"))].map(escape).join("/")}`;
    const search = Object.entries(query)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => `${escape(name)}=${escape(value)}`)
        .join("&");
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
    const day = time.slice(0, 8);
    const signed = { host: base.host, "x-amz-content-sha256": sha256(body), "x-amz-date": time };
    const names = Object.keys(signed).sort();
    const canonical = [
        method,
        where,
        search,
        ...names.map((name) => `${name}:${signed[name]}`),
        "",
        names.join(";"),
        signed["x-amz-content-sha256"],
    ].join("\n");
    const scope = `${day}/${region}/s3/aws4_request`;
    const secret = ["s3", "aws4_request"].reduce(
        hmac,
        hmac(hmac(`AWS4${env.AWS_SECRET_ACCESS_KEY ?? ""}`, day), region),
    );
    const signature = hmac(secret, ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n")).toString("hex");
    const authorization = `AWS4-HMAC-SHA256 Credential=${env.AWS_ACCESS_KEY_ID ?? ""}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
    let answer;
    try {
        answer = await exchange(`${base.origin}${where}${search === "" ? "" : `?${search}`}`, {
            method,
            headers: { ...signed, authorization, "content-length": body.length },
            body,
        });
    } catch (error) {
        throw new Fault(
            `the bucket ${bucket} at ${endpoint} cannot be reached (${error.message}): see to secrets.vault.snapshots`,
        );
    }
    if (answer.status < 300 || allowed.includes(answer.status)) return answer;
    const code = /<Code>([^<]*)<\/Code>/.exec(answer.body.toString("utf8"))?.[1] ?? "";
    throw new Fault(`the bucket ${bucket} at ${endpoint} refuses ${method} ${key}: ${answer.status} ${code}`.trimEnd());
}

const under = (folder) => `${plan.snapshots.prefix}/${folder}`;

/** Names of a folder's objects, without the folder, in the order of the alphabet. */
async function list(folder) {
    const prefix = `${under(folder)}/`;
    const names = [];
    let next;
    do {
        const { body } = await s3("GET", "", {
            query: { "list-type": "2", prefix, ...(next === undefined ? {} : { "continuation-token": next }) },
        });
        const text = body.toString("utf8");
        for (const [, name] of text.matchAll(/<Key>([^<]*)<\/Key>/g)) names.push(name.slice(prefix.length));
        next = /<NextContinuationToken>([^<]*)<\/NextContinuationToken>/.exec(text)?.[1];
    } while (next !== undefined);
    return names.sort();
}

/** Snapshots are called after their time and the key that opens them: `20260223T030000Z-0a1b2c3d4e5f.snap`. */
const SNAPSHOT = /^\d{8}T\d{6}Z-([0-9a-f]{12})\.snap$/;
const snapshots = async () => (await list("snapshots")).filter((name) => SNAPSHOT.test(name));

/** Name of an unseal key that says nothing of it. */
const keyId = (key) => sha256(`vault unseal key ${key}`).slice(0, 12);

// ---- age, https://age-encryption.org/v1

const BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const unpadded = (buffer) => buffer.toString("base64").replace(/=+$/, "");
const hkdf = (secret, salt, info) => Buffer.from(hkdfSync("sha256", secret, salt, info, 32));

function checksum(values) {
    const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
    let sum = 1;
    for (const value of values) {
        const top = sum >>> 25;
        sum = ((sum & 0x1ffffff) << 5) ^ value;
        generator.forEach((one, index) => (sum ^= (top >>> index) & 1 ? one : 0));
    }
    return sum >>> 0;
}

/** The 32 bytes of an X25519 recipient. */
function recipientKey(recipient) {
    const values = [...recipient.slice(4)].map((character) => BECH32.indexOf(character));
    const expanded = [..."age"]
        .map((c) => c.charCodeAt(0) >> 5)
        .concat(
            0,
            [..."age"].map((c) => c.charCodeAt(0) & 31),
        );
    const bits = values
        .slice(0, -6)
        .map((value) => value.toString(2).padStart(5, "0"))
        .join("");
    if (
        !recipient.startsWith("age1") ||
        values.includes(-1) ||
        bits.length !== 260 ||
        checksum([...expanded, ...values]) !== 1
    ) {
        throw new Fault(`${recipient} is no age recipient (age1...): see secrets.vault.recipients`);
    }
    return Buffer.from(
        Array.from({ length: 32 }, (_, index) => Number.parseInt(bits.slice(index * 8, index * 8 + 8), 2)),
    );
}

function seal(key, nonce, text) {
    const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
    return Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** An age file for the recipients; the text is shorter than a chunk (64 KiB). */
function encrypt(text, recipients) {
    const fileKey = randomBytes(16);
    const prefix = Buffer.from("302a300506032b656e032100", "hex");
    const stanzas = recipients.map((recipient) => {
        const theirs = recipientKey(recipient);
        const { publicKey, privateKey } = generateKeyPairSync("x25519");
        const share = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
        const shared = diffieHellman({
            privateKey,
            publicKey: createPublicKey({ key: Buffer.concat([prefix, theirs]), format: "der", type: "spki" }),
        });
        const wrap = hkdf(shared, Buffer.concat([share, theirs]), "age-encryption.org/v1/X25519");
        return `-> X25519 ${unpadded(share)}\n${unpadded(seal(wrap, Buffer.alloc(12), fileKey))}\n`;
    });
    const head = `age-encryption.org/v1\n${stanzas.join("")}---`;
    const mac = createHmac("sha256", hkdf(fileKey, Buffer.alloc(0), "header"))
        .update(head)
        .digest();
    const nonce = randomBytes(16);
    const last = Buffer.concat([Buffer.alloc(11), Buffer.from([1])]);
    return Buffer.concat([
        Buffer.from(`${head} ${unpadded(mac)}\n`),
        nonce,
        seal(hkdf(fileKey, nonce, "payload"), last, Buffer.from(text)),
    ]);
}

// ---- setup

/** Ciphertext of a key: from the cluster, or else from the bucket. */
async function sealedKey(id) {
    const here = (await readSecret(plan.sealedKeys))?.data?.[`${id}.age`];
    if (here !== undefined) return Buffer.from(here, "base64");
    const { status, body } = await s3("GET", under(`keys/${id}.age`), { allowed: [404] });
    return status === 404 ? undefined : body;
}

/** Before it is needed anywhere else: a key that is lost takes everything with it. */
async function keep(key) {
    const id = keyId(key);
    const sealed = encrypt(key, plan.recipients);
    await s3("PUT", under(`keys/${id}.age`), { body: sealed });
    await s3("PUT", under(`keys/${id}.recipients`), { body: Buffer.from(plan.recipients.join("\n")) });
    await keepHere(id, sealed);
    await writeSecret(plan.unsealKey.secret, { [plan.unsealKey.key]: Buffer.from(key).toString("base64") });
    return id;
}

async function keepHere(id, sealed) {
    const there = (await readSecret(plan.sealedKeys))?.data;
    await writeSecret(plan.sealedKeys, { ...there, [`${id}.age`]: sealed.toString("base64") });
}

/** A cluster that was made anew got the key from the operator: it has no ciphertext yet, for whoever copies it away. */
async function keepAgain(key) {
    const id = keyId(key);
    const there = (await readSecret(plan.sealedKeys))?.data;
    if (there?.[`${id}.age`] === undefined) await keepHere(id, encrypt(key, plan.recipients));
}

/** Ends with the ciphertext: only the operator's computer can open it. */
class Needed extends Error {
    constructor(sealed) {
        super("the unseal key is needed");
        this.answer = `need ${sealed.toString("base64")}`;
    }
}

async function needKey(id, what) {
    const sealed = await sealedKey(id);
    if (sealed === undefined) {
        throw new Fault(
            `${what} was made under the unseal key ${id}, and its ciphertext is neither in the cluster nor at ${under(`keys/${id}.age`)}: ` +
                `put it back, or say secrets.vault.startAnew: yes-really-lose-every-secret`,
        );
    }
    throw new Needed(sealed);
}

/** Waits until each server says what it is. */
async function statuses() {
    for (;;) {
        const all = await Promise.all(plan.pods.map(sealStatus));
        if (all.every((one) => one !== undefined)) return all;
        if (Date.now() > DEADLINE) {
            const silent = plan.pods.filter((_, index) => all[index] === undefined);
            throw new Fault(
                `no answer from ${silent.join(", ")}: see  kubectl --namespace ${plan.namespace} get pods,pvc,certificates`,
            );
        }
        await pause();
    }
}

async function initialise(base) {
    const { value } = await vault(base, "POST", "sys/init", { body: { secret_shares: 1, secret_threshold: 1 } });
    const [key = ""] = value.keys_base64;
    return { key, root: value.root_token };
}

/** A Vault that has never been: the key is kept before anything goes into it. */
async function begin(base) {
    // Whoever may not write there would keep no key.
    encrypt("", plan.recipients);
    await writeSecret(plan.sealedKeys, (await readSecret(plan.sealedKeys))?.data ?? {});
    await s3("PUT", under("keys/.writable"), { body: Buffer.from("ok") });
    const { key, root } = await initialise(base);
    const id = await keep(key);
    say(`initialised; the unseal key ${id} is encrypted to ${plan.recipients.join(", ")}`);
    await unseal(base, key);
    return { key, root, did: `initialised ${id}` };
}

/** The newest snapshot into an empty Vault: it brings its own keys, policies and values. */
async function restore(base, name, key) {
    const { body: snapshot } = await s3("GET", under(`snapshots/${name}`));
    const { key: passing, root } = await initialise(base);
    await unseal(base, passing);
    for (;;) {
        try {
            const { value } = await vault(base, "GET", "sys/leader");
            if (value?.is_self === true) break;
        } catch (error) {
            say(error.message);
        }
        if (Date.now() > DEADLINE) throw new Fault(`${base} does not lead, so nothing can be restored into it`);
        await pause();
    }
    await vault(base, "POST", "sys/storage/raft/snapshot-force", { token: root, raw: snapshot });
    // It seals itself when it finds that its keys are others now. Giving it the key again does no harm.
    for (;;) {
        try {
            const before = await sealStatus(base);
            if (before?.sealed === true) await unseal(base, key);
            const token = await login(base, "vault-setup");
            await vault(base, "POST", "auth/token/revoke-self", { token });
            break;
        } catch (error) {
            say(error.message);
        }
        if (Date.now() > DEADLINE)
            throw new Fault(`the snapshot ${name} was restored, and nobody can log in to it: see docs/vault.md`);
        await pause();
    }
    // They may have asked to join the one that was there for a moment.
    for (const pod of plan.names.filter((_, index) => plan.pods[index] !== base)) {
        await kubernetes("DELETE", `/api/v1/namespaces/${plan.namespace}/pods/${pod}`, undefined, { allowed: [404] });
    }
    return `restored ${name}`;
}

/** Unseals everybody; those who are new join by themselves once there is a leader. */
async function unsealAll(key) {
    for (;;) {
        const all = await statuses();
        const closed = plan.pods.filter((_, index) => all[index].sealed);
        if (closed.length === 0) return;
        for (const base of closed) {
            try {
                await unseal(base, key);
            } catch (error) {
                say(`${base}: ${error.message}`);
            }
        }
        if (Date.now() > DEADLINE) {
            throw new Fault(
                `still sealed: ${closed.join(", ")}. Either the key in Secret ${plan.unsealKey.secret} is another Vault's, or a restore was cut short, ` +
                    `or a server cannot join the others: see its log, and docs/vault.md`,
            );
        }
        await pause();
    }
}

/** Brings Vault to what the plan says; returns what had to be changed. */
async function converge(base, token) {
    const changed = [];
    const ask = (method, where, body, allowed) => vault(base, method, where, { token, body, allowed });
    const keys = async (where) => (await ask("GET", `${where}?list=true`, undefined, [404])).value?.data?.keys ?? [];
    const settle = async (what, method, where, body) => {
        await ask(method, where, body);
        changed.push(what);
    };

    const audit = (await ask("GET", "sys/audit")).value.data;
    if (audit["stdout/"] === undefined) {
        await settle("audit", "PUT", "sys/audit/stdout", { type: "file", options: { file_path: "stdout" } });
    }
    const mount = (await ask("GET", "sys/mounts")).value.data[`${plan.mount}/`];
    if (mount === undefined) {
        await settle(`engine ${plan.mount}`, "POST", `sys/mounts/${plan.mount}`, {
            type: "kv",
            options: { version: "2" },
        });
    } else if (mount.type !== "kv" || mount.options?.version !== "2") {
        throw new Fault(
            `the engine at ${plan.mount}/ is ${mount.type} ${mount.options?.version ?? ""}, not kv version 2: move it away`,
        );
    }
    if ((await ask("GET", "sys/auth")).value.data["kubernetes/"] === undefined) {
        await settle("authentication", "POST", "sys/auth/kubernetes", { type: "kubernetes" });
    }
    // Without more it takes the certificate and the account of its own pod, which a rebuilt cluster renews.
    const config = await ask("GET", "auth/kubernetes/config", undefined, [404, 500]);
    if (config.status !== 200 || config.value?.data?.kubernetes_host !== "https://kubernetes.default.svc") {
        await settle("authentication", "POST", "auth/kubernetes/config", {
            kubernetes_host: "https://kubernetes.default.svc",
        });
    }
    const policies = await keys("sys/policies/acl");
    for (const [name, policy] of Object.entries(plan.policies)) {
        const there = policies.includes(name)
            ? (await ask("GET", `sys/policies/acl/${name}`)).value.data.policy
            : undefined;
        if (there !== policy) await settle(`policy ${name}`, "PUT", `sys/policies/acl/${name}`, { policy });
    }
    const roles = await keys("auth/kubernetes/role");
    for (const [name, { account, namespace, policies: granted, ttlSeconds }] of Object.entries(plan.roles)) {
        const wanted = {
            bound_service_account_names: [account],
            bound_service_account_namespaces: [namespace],
            audience: plan.audience,
            token_policies: granted,
            token_ttl: ttlSeconds,
            token_max_ttl: ttlSeconds,
        };
        const there = roles.includes(name) ? (await ask("GET", `auth/kubernetes/role/${name}`)).value.data : {};
        const same = Object.entries(wanted).every(
            ([key, value]) => JSON.stringify(there[key]) === JSON.stringify(value),
        );
        if (!same) await settle(`role ${name}`, "POST", `auth/kubernetes/role/${name}`, wanted);
    }
    // A role before the policy it gives.
    for (const name of roles.filter((one) => one.startsWith(MANAGED) && plan.roles[one] === undefined)) {
        await settle(`role ${name} removed`, "DELETE", `auth/kubernetes/role/${name}`);
    }
    for (const name of policies.filter((one) => one.startsWith(MANAGED) && plan.policies[one] === undefined)) {
        await settle(`policy ${name} removed`, "DELETE", `sys/policies/acl/${name}`);
    }
    return changed;
}

async function setup() {
    const [first = ""] = plan.pods;
    const all = await statuses();
    let key = await unsealKey();
    let root;
    let did;
    if (all.every(({ initialized }) => !initialized)) {
        const names = await snapshots();
        const newest = names.at(-1);
        if (newest !== undefined && !plan.startAnew) {
            const id = SNAPSHOT.exec(newest)[1];
            if (key === undefined || keyId(key) !== id) await needKey(id, `the snapshot ${newest}`);
            did = await restore(first, newest, key);
        } else {
            const keys = (await list("keys")).filter((name) => name.endsWith(".age"));
            if (newest === undefined && keys.length > 0)
                say(`there are keys of an earlier Vault, and no snapshot of it: ${keys.join(", ")}`);
            ({ key, root, did } = await begin(first));
        }
    } else if (key === undefined && all.some(({ initialized, sealed }) => initialized && sealed)) {
        // Volumes that outlived the cluster. Whose key it is only the key itself can tell.
        const ids = (await list("keys")).filter((name) => name.endsWith(".age")).map((name) => name.slice(0, -4));
        const newest = SNAPSHOT.exec((await snapshots()).at(-1) ?? "")?.[1];
        const id = newest ?? (ids.length === 1 ? ids[0] : undefined);
        if (id === undefined) {
            throw new Fault(
                `Vault is initialised and sealed, and Secret ${plan.unsealKey.secret} is missing; ` +
                    (ids.length === 0
                        ? "no key is in the bucket either"
                        : `the bucket has several keys (${ids.join(", ")}) and no snapshot that tells which`) +
                    ": see docs/vault.md, lost keys",
            );
        }
        await needKey(id, "this Vault");
    }
    if (key !== undefined) {
        await unsealAll(key);
        await keepAgain(key);
    }
    const base = await leader();
    let token = root;
    if (token === undefined) {
        try {
            token = await login(base, "vault-setup");
        } catch (error) {
            throw new Fault(
                `${error.message}. Vault is initialised and lets nobody in: its first set-up was cut short, or somebody took the role away. ` +
                    `If nothing is in it yet: kubectl --namespace ${plan.namespace} delete statefulset,pvc --all  and  pulumi up; else docs/vault.md, break glass`,
            );
        }
    }
    const changed = await converge(base, token);
    if (root !== undefined) {
        // Only once the other way in is known to be there.
        const proof = await retried(() => login(base, "vault-setup"));
        await vault(base, "POST", "auth/token/revoke-self", { token: proof });
    }
    await vault(base, "POST", "auth/token/revoke-self", { token });
    for (const line of changed) say(`set: ${line}`);
    return `done ${did ?? (changed.length === 0 ? "unchanged" : `changed ${changed.length}`)}`;
}

async function retried(action) {
    for (;;) {
        try {
            return await action();
        } catch (error) {
            if (Date.now() > DEADLINE) throw error;
            say(error.message);
        }
        await pause();
    }
}

/** Which of the wanted values are not there; never what they are. */
async function check() {
    const base = await leader();
    const token = await retried(() => login(base, "vault-look"));
    const missing = [];
    for (const [where, properties] of Object.entries(plan.wanted)) {
        const { status, value } = await vault(base, "GET", `${plan.mount}/subkeys/${where}`, { token, allowed: [404] });
        const there = status === 404 ? {} : (value?.data?.subkeys ?? {});
        const lacks = properties.filter((property) => !Object.hasOwn(there, property));
        if (lacks.length > 0) missing.push(`${where}:${lacks.join(",")}`);
    }
    await vault(base, "POST", "auth/token/revoke-self", { token });
    if (missing.length === 0) return "done";
    // A termination message has 4096 bytes.
    const shown = [];
    for (const one of missing) {
        if (shown.join(" ").length + one.length > 3500) break;
        shown.push(one);
    }
    return `missing ${missing.length} ${shown.join(" ")}`;
}

async function snapshot() {
    const key = await unsealKey();
    if (key === undefined)
        throw new Fault(`Secret ${plan.unsealKey.secret} is missing, so nobody could open a snapshot`);
    // A snapshot without its key is nothing.
    await resealed();
    const id = keyId(key);
    const base = await leader();
    const token = await login(base, "vault-snapshot");
    const { bytes } = await vault(base, "GET", "sys/storage/raft/snapshot", { token });
    await vault(base, "POST", "auth/token/revoke-self", { token });
    // A gzip file; a proxy's page of words is none.
    if (bytes.length < 100 || bytes[0] !== 0x1f || bytes[1] !== 0x8b)
        throw new Fault("what Vault answered is no snapshot");
    const name = `${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}-${id}.snap`;
    await s3("PUT", under(`snapshots/${name}`), { body: bytes });
    const names = await snapshots();
    if (!names.includes(name)) throw new Fault(`${name} was sent, and is not in the bucket`);
    for (const old of names.slice(0, -plan.snapshots.keep)) await s3("DELETE", under(`snapshots/${old}`));
    return `done ${name}`;
}

/** After a rekey by hand, or with other recipients: the key that is in the cluster now, encrypted to those of now. */
async function resealed() {
    const key = await unsealKey();
    if (key === undefined) return;
    const id = keyId(key);
    const { status } = await s3("GET", under(`keys/${id}.age`), { allowed: [404] });
    const { status: told, body } = await s3("GET", under(`keys/${id}.recipients`), { allowed: [404] });
    if (status !== 404 && told !== 404 && body.toString("utf8") === plan.recipients.join("\n")) return;
    await keep(key);
    say(`the unseal key ${id} is encrypted to ${plan.recipients.join(", ")}`);
}

const verbs = {
    setup: async () => {
        const answer = await setup();
        await resealed();
        return answer;
    },
    check,
    snapshot,
    save: snapshot,
};

let answer;
try {
    if (verbs[verb] === undefined) throw new Fault(`"${verb}" is none of ${Object.keys(verbs).join(", ")}`);
    answer = await verbs[verb]();
} catch (error) {
    answer = error instanceof Needed ? error.answer : `!${error.message.replace(/\s+/g, " ").slice(0, 1500)}`;
    if (!(error instanceof Needed)) say(error.message);
    // A schedule's failure must show as one.
    if (verb === "snapshot") process.exitCode = 1;
}
writeFileSync(env.ANSWER ?? "/dev/termination-log", answer);
