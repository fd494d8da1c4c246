/** Writes one value into Vault, from standard input, through a server's own tool: by no argument, and into no history. */
import { VAULT, VAULT_AUDIENCE, VAULT_MOUNT, VAULT_NAMESPACE } from "../../components/secrets/vault/names";
import { VAULT_ACCOUNTS } from "../../components/secrets/vault/plan";
import { shellQuote } from "../../components/cluster/shell";
import { lastLine, type Ran } from "../../lib/run-program";
import { UserError } from "../../lib/user-error";

/** Runs kubectl against the stack's cluster. */
export type Kubectl = (args: readonly string[], input?: string) => Promise<Ran>;

export interface Wanted {
    /** `<namespace>/<name>`, as doctor and `up` name it. */
    readonly path: string;
    readonly property: string;
    readonly value: string;
}

/** What the server's shell runs: the token is the first line of what it is given, the value the rest. */
export const WRITE = (path: string, property: string): string =>
    `
set -eu
read -r jwt
VAULT_TOKEN=$(printf '%s' "$jwt" | vault write -field=token auth/kubernetes/login role=${VAULT_ACCOUNTS.operator} jwt=-)
export VAULT_TOKEN
value=$(cat; printf x)
value=\${value%x}
# Beside the other properties; where there are none yet, as the first one, and only then.
if vault kv get -mount=${VAULT_MOUNT} -format=json ${shellQuote(path)} > /dev/null 2>&1; then
  printf '%s' "$value" | vault kv patch -mount=${VAULT_MOUNT} ${shellQuote(path)} ${shellQuote(property)}=- > /dev/null
else
  printf '%s' "$value" | vault kv put -mount=${VAULT_MOUNT} -cas=0 ${shellQuote(path)} ${shellQuote(property)}=- > /dev/null
fi
vault token revoke -self > /dev/null`.trim();

/** Throws a `UserError` with what it said where it could not be written. */
export async function put(kubectl: Kubectl, { path, property, value }: Wanted): Promise<void> {
    if (!/^[a-z0-9-]+\/[A-Za-z0-9._-]+$/.test(path)) {
        throw new UserError(`--put: got "${path}"; allowed: <namespace>/<name>, e.g. media/sonarr`);
    }
    if (!/^[A-Za-z0-9._-]+$/.test(property)) {
        throw new UserError(`--property: got "${property}"; allowed: a name such as apiKey`);
    }
    if (value === "") throw new UserError("the value is empty: give it on standard input, e.g.  < file");
    const token = await kubectl([
        "--namespace",
        VAULT_NAMESPACE,
        "create",
        "token",
        VAULT_ACCOUNTS.operator,
        `--audience=${VAULT_AUDIENCE}`,
        "--duration=10m",
    ]);
    if (token.code !== 0) {
        throw new UserError(
            `no token of ${VAULT_ACCOUNTS.operator}: ${lastLine(token.stderr)}. Is Vault built? pulumi up`,
        );
    }
    const written = await kubectl(
        [
            "--namespace",
            VAULT_NAMESPACE,
            "exec",
            "--stdin",
            `${VAULT}-0`,
            "--container",
            "vault",
            "--",
            "sh",
            "-c",
            WRITE(path, property),
        ],
        `${token.stdout.trim()}\n${value}`,
    );
    if (written.code !== 0) {
        throw new UserError(`${path} was not written: ${lastLine(written.stderr)}; npm run doctor says how Vault is`);
    }
}
