/** How doctor and audit open what a stack declares: by its own secrets file. */
import { exportedValues } from "../../components/secrets/exported";
import { readSopsFile, type SecretValues } from "../../components/secrets/sops";
import type { Told } from "../../lib/told";
import type { OpenStack } from "../../stacks";

/** Values of every secrets file of a stack, by place; a file that cannot be opened is a reason. */
export async function openSecrets(
    stack: Pick<OpenStack, "secrets">,
    root: string,
    env: NodeJS.ProcessEnv = {},
): Promise<Map<string, Told<SecretValues>>> {
    const opened = await Promise.all(
        stack.secrets.map(async ({ path, refs, environment }): Promise<[string, Told<SecretValues>]> => {
            const exported = exportedValues(environment, env);
            try {
                const all = refs.length > 0 && refs.every((ref) => exported(ref) !== undefined);
                const file = all ? () => undefined : await readSopsFile(root, path);
                return [path, { ok: true, value: (ref) => exported(ref) ?? file(ref) }];
            } catch (error) {
                const reason = error instanceof Error ? error.message : String(error);
                return [path, { ok: false, status: 0, reason: reason.replace("; nothing was touched", "") }];
            }
        }),
    );
    return new Map(opened);
}

/** One credential from the file that holds it. */
export function credential(
    stack: Pick<OpenStack, "secrets">,
    opened: ReadonlyMap<string, Told<SecretValues>>,
    ref: string,
): Told<string> {
    const path = stack.secrets.find(({ refs }) => refs.includes(ref))?.path ?? "";
    const file = opened.get(path);
    if (file === undefined) return { ok: false, status: 0, reason: `no secrets file holds ${ref}` };
    if (!file.ok) return { ok: false, status: 0, reason: `${path} cannot be opened` };
    const value = file.value(ref) ?? "";
    return value === "" ? { ok: false, status: 0, reason: `${path} lacks ${ref}` } : { ok: true, value };
}
