/** How doctor and audit open what a stack declares: by its own secrets file. */
import { readSopsFile, type SecretValues } from "../../components/secrets/sops";
import type { Told } from "../../lib/told";
import type { OpenStack } from "../../stacks";

/** Values of every secrets file of a stack, by place; a file that cannot be opened is a reason. */
export async function openSecrets(
    stack: Pick<OpenStack, "secrets">,
    root: string,
): Promise<Map<string, Told<SecretValues>>> {
    const opened = await Promise.all(
        stack.secrets.map(async ({ path }): Promise<[string, Told<SecretValues>]> => {
            try {
                return [path, { ok: true, value: await readSopsFile(root, path) }];
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
