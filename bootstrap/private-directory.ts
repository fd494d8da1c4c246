/** Files of one process that only this user may read. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { privateDirectory } from "../components/cluster/private-files";

/**
 * A directory that only this user can read, and that ends with this process, by whatever signal it is asked to end. After
 * a SIGKILL the next one removes it.
 */
export class PrivateDirectory {
    readonly path: string;

    constructor(env: NodeJS.ProcessEnv = process.env) {
        this.path = privateDirectory(env);
        process.once("exit", () => this.remove());
        for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
    }

    /** Writes a file that only this user can read; returns its path. */
    write(name: string, content: string): string {
        const path = join(this.path, name);
        writeFileSync(path, content, { mode: 0o600 });
        return path;
    }

    remove(): void {
        rmSync(this.path, { recursive: true, force: true });
    }
}
