/**
 * Vault in the cluster, through the API server: what its servers say of themselves on their pods' labels, the last snapshot, and
 * which values are missing. For those doctor logs in as the account `vault-look`, which reads names and no values.
 * https://developer.hashicorp.com/vault/docs/configuration/service-registration/kubernetes
 */
import { VAULT_AUDIENCE, VAULT_MOUNT, VAULT_NAMESPACE, VAULT_PORT, VAULT } from "../../components/secrets/vault/names";
import { VAULT_ACCOUNTS } from "../../components/secrets/vault/plan";
import { VAULT_JOBS } from "../../components/secrets/vault/vault";
import type { CloudAccounts } from "../../lab/context";
import { findingsOf, type Finding } from "../../lib/finding";
import { exchange } from "../../lib/http-exchange";
import { isRecord, records } from "../../lib/json";
import { accessOf, tlsOf } from "../../lib/kubeconfig";
import type { Told } from "../../lib/told";
import { objectOf, textOf } from "../live/get";

const say = findingsOf("vault");

type Account = NonNullable<CloudAccounts["vault"]>;

interface Server {
    readonly name: string;
    readonly initialized: boolean;
    readonly sealed: boolean;
    readonly active: boolean;
}

export interface VaultFact {
    readonly servers: Told<readonly Server[]>;
    /** When the last snapshot reached the bucket; "" where none has. */
    readonly snapshot: Told<string>;
    /** Properties that are not there, by path. */
    readonly missing: Told<Readonly<Record<string, readonly string[]>>>;
}

const MILLISECONDS_A_DAY = 86_400_000;

/** VAULT_ADDR is what Vault's own tool reads, too: where it is empty there is no Vault. */
export async function lookAtVault(
    { wanted }: Account,
    kubeconfig: Told<string>,
    env: NodeJS.ProcessEnv,
    timeout: number,
): Promise<Told<VaultFact>> {
    if (env["VAULT_ADDR"] === "")
        return { ok: false, status: -1, reason: "VAULT_ADDR is empty: there is no Vault here" };
    if (!kubeconfig.ok) return { ok: false, status: -1, reason: `no kubeconfig: ${kubeconfig.reason}` };
    const ask = asker(kubeconfig.value, timeout);
    const selector = encodeURIComponent(`app.kubernetes.io/name=${VAULT},component=server`);
    const [servers, snapshot, missing] = await Promise.all([
        ask("GET", `/api/v1/namespaces/${VAULT_NAMESPACE}/pods?labelSelector=${selector}`),
        ask("GET", `/apis/batch/v1/namespaces/${VAULT_NAMESPACE}/cronjobs/${VAULT_JOBS.snapshot}`),
        missingValues(ask, wanted),
    ]);
    return {
        ok: true,
        value: {
            servers: servers.ok ? { ok: true, value: records(servers.value["items"]).map(serverOf) } : servers,
            snapshot: snapshot.ok
                ? { ok: true, value: textOf(snapshot.value["status"], "lastSuccessfulTime") }
                : snapshot,
            missing,
        },
    };
}

function serverOf(pod: Record<string, unknown>): Server {
    const metadata = isRecord(pod["metadata"]) ? pod["metadata"] : {};
    const label = (name: string) => textOf(metadata["labels"], name);
    return {
        name: textOf(metadata, "name"),
        initialized: label("vault-initialized") === "true",
        // A server that has not said anything is as good as sealed.
        sealed: label("vault-sealed") !== "false",
        active: label("vault-active") === "true",
    };
}

type Ask = (
    method: "GET" | "POST",
    path: string,
    more?: { readonly body?: object; readonly token?: string },
) => Promise<Told<Record<string, unknown>>>;

function asker(kubeconfig: string, timeout: number): Ask {
    const access = accessOf(kubeconfig);
    const tls = tlsOf(access);
    return async (method, path, { body, token } = {}) => {
        const text = body === undefined ? undefined : JSON.stringify(body);
        try {
            const answer = await exchange(access.server + path, {
                method,
                tls,
                signal: AbortSignal.timeout(timeout),
                headers: {
                    accept: "application/json",
                    ...(access.token !== undefined && { authorization: `Bearer ${access.token}` }),
                    ...(token !== undefined && { "x-vault-token": token }),
                    ...(text !== undefined && {
                        "content-type": "application/json",
                        "content-length": Buffer.byteLength(text),
                    }),
                },
                ...(text !== undefined && { body: text }),
            });
            const value = answer.status < 300 ? (answer.body === "" ? {} : objectOf(answer)) : undefined;
            if (value !== undefined) return { ok: true, value };
            const said = objectOf(answer);
            const errors = Array.isArray(said?.["errors"]) ? said["errors"].map(String) : [textOf(said, "message")];
            const reason = [String(answer.status), ...errors.filter((one) => one !== "")].join(", ");
            return { ok: false, status: answer.status, reason };
        } catch (error) {
            return { ok: false, status: 0, reason: error instanceof Error ? error.message : String(error) };
        }
    };
}

/** The API server's own way to a service; it does not check whose certificate that shows. */
const PROXY = `/api/v1/namespaces/${VAULT_NAMESPACE}/services/https:${VAULT}-active:${VAULT_PORT}/proxy/v1`;

async function missingValues(ask: Ask, wanted: Account["wanted"]): Promise<VaultFact["missing"]> {
    const account = VAULT_ACCOUNTS.look;
    const granted = await ask("POST", `/api/v1/namespaces/${VAULT_NAMESPACE}/serviceaccounts/${account}/token`, {
        body: {
            apiVersion: "authentication.k8s.io/v1",
            kind: "TokenRequest",
            spec: { audiences: [VAULT_AUDIENCE], expirationSeconds: 600 },
        },
    });
    if (!granted.ok) return granted;
    const login = await ask("POST", `${PROXY}/auth/kubernetes/login`, {
        body: { role: account, jwt: textOf(granted.value["status"], "token") },
    });
    if (!login.ok) return login;
    const token = textOf(login.value["auth"], "client_token");
    const missing: Record<string, readonly string[]> = {};
    let refused: Told<never> | undefined;
    for (const [path, properties] of Object.entries(wanted)) {
        const told = await ask("GET", `${PROXY}/${VAULT_MOUNT}/subkeys/${path}`, { token });
        if (!told.ok && told.status !== 404) {
            refused = told;
            break;
        }
        const data = told.ok && isRecord(told.value["data"]) ? told.value["data"] : {};
        const there = isRecord(data["subkeys"]) ? data["subkeys"] : {};
        const lacks = properties.filter((property) => !Object.hasOwn(there, property));
        if (lacks.length > 0) missing[path] = lacks;
    }
    await ask("POST", `${PROXY}/auth/token/revoke-self`, { token });
    return refused ?? { ok: true, value: missing };
}

export function judgeVault(
    stack: string,
    { replicas, wanted }: Account,
    told: Told<VaultFact>,
    now = new Date(),
): Finding[] {
    if (!told.ok) return [say.skipped("servers", told.reason)];
    const { servers, snapshot, missing } = told.value;
    if (!servers.ok) {
        return [
            say.failure("servers", `cannot be looked at (${servers.reason})`, "see the findings on the API server"),
            say.skipped("values", "the servers could not be looked at"),
        ];
    }
    if (servers.value.length === 0) {
        return [say.skipped("servers", "Vault is not there yet: pulumi up builds it, and asks for the values then")];
    }
    return [
        ...serverFindings(servers.value, replicas),
        snapshotFinding(snapshot, now),
        valuesFinding(stack, wanted, missing),
    ];
}

function serverFindings(servers: readonly Server[], replicas: number): Finding[] {
    const sealed = servers.filter((one) => one.initialized && one.sealed);
    const empty = servers.filter((one) => !one.initialized);
    const names = (some: readonly Server[]) => some.map(({ name }) => name).join(", ");
    const logs = `kubectl --namespace ${VAULT_NAMESPACE} logs ${sealed[0]?.name ?? `${VAULT}-0`} --container keeper  says why; docs/vault.md`;
    if (servers.every((one) => !one.initialized)) {
        return [
            say.failure("servers", "none is initialised", "pulumi up initialises it, or restores the newest snapshot"),
        ];
    }
    return [
        sealed.length > 0
            ? say.failure("servers", `sealed: ${names(sealed)}`, logs)
            : empty.length > 0
              ? say.warning("servers", `has not joined the others: ${names(empty)}`, logs)
              : servers.length < replicas
                ? say.warning(
                      "servers",
                      `${servers.length} of ${replicas} are there`,
                      `kubectl --namespace ${VAULT_NAMESPACE} get pods,pvc`,
                  )
                : say.ok("servers", `${servers.length} of ${replicas} are unsealed`),
        servers.some((one) => one.active)
            ? say.ok("leader", `${names(servers.filter((one) => one.active))} leads`)
            : say.failure("leader", "nobody leads, so nothing can be read", "docs/vault.md#no-leader"),
    ];
}

function snapshotFinding(snapshot: Told<string>, now: Date): Finding {
    const run = `kubectl --namespace ${VAULT_NAMESPACE} create job --from=cronjob/${VAULT_JOBS.snapshot} snapshot-by-hand`;
    if (!snapshot.ok) return say.failure("snapshot", `the schedule cannot be read (${snapshot.reason})`, "pulumi up");
    if (snapshot.value === "") return say.warning("snapshot", "none has been made yet", run);
    const days = (now.getTime() - new Date(snapshot.value).getTime()) / MILLISECONDS_A_DAY;
    return days > 2
        ? say.failure("snapshot", `the last is of ${snapshot.value}, ${Math.floor(days)} days ago`, run)
        : say.ok("snapshot", `the last is of ${snapshot.value}`);
}

function valuesFinding(stack: string, wanted: Account["wanted"], missing: VaultFact["missing"]): Finding {
    if (!missing.ok) {
        return say.warning(
            "values",
            `nobody could be asked which are there (${missing.reason})`,
            "see the findings on the servers; pulumi up asks in the cluster itself",
        );
    }
    const lacks = Object.entries(missing.value);
    const count = Object.values(wanted).flat().length;
    return lacks.length === 0
        ? say.ok("values", `${count} of ${count} are there`)
        : say.failure(
              "values",
              `missing: ${lacks.map(([path, properties]) => `${path} (${properties.join(", ")})`).join("; ")}`,
              lacks
                  .flatMap(([path, properties]) =>
                      properties.map((property) => `npm run vault -- ${stack} --put ${path} --property ${property}`),
                  )
                  .join("\n"),
          );
}
