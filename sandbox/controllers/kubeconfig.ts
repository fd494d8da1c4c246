import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { accessOf, type Access } from "../../lib/kubeconfig";

/**
 * Reads the current context of a kubeconfig file; reading it here saves the daemon the second that loading a Kubernetes
 * client library takes.
 *
 * @throws Error naming the file and what it lacks.
 */
export function readAccess(file: string): Access {
    try {
        return accessOf(readFileSync(file, "utf8"), dirname(file));
    } catch (error) {
        throw new Error(`kubeconfig ${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
}
