/** Child processes of the tools, in a test: the real `run` loads an ES module, which Jest does not. */
import { spawnSync } from "node:child_process";
import type { RunOptions } from "../../lib/process";

/** Takes the place of lib/process for what is required after it; imports are hoisted above it. */
export function mockRun(): void {
    jest.doMock("../../lib/process", () => ({
        run: (command: string, args: string[], options: RunOptions = {}) => {
            const { status, stdout, stderr } = spawnSync(command, args, {
                encoding: "utf8",
                env: options.env ?? process.env,
            });
            if (options.check !== false && status !== 0) return Promise.reject(new Error(stderr));
            return Promise.resolve({ code: status ?? 1, stdout, stderr });
        },
    }));
}
