/** The process that a command of subnet-router.ts starts: `merge` or `remove`, the rest by environment. */
import { setTimeout as sleep } from "node:timers/promises";
import { changePolicy, POLICY_SPEC, type PolicySpec } from "./policy-file";

async function main(step: string | undefined): Promise<void> {
    if (step !== "merge" && step !== "remove") throw new Error(`there is no step "${String(step)}": merge or remove`);
    const missing = POLICY_SPEC.filter((name) => (process.env[name] ?? "") === "");
    if (missing.length > 0) throw new Error(`${missing.join(", ")} not set`);
    const spec = Object.fromEntries(POLICY_SPEC.map((name) => [name, process.env[name]])) as unknown as PolicySpec;
    await changePolicy(step, spec, {
        // As the provider reads it.
        baseUrl: (process.env["TAILSCALE_BASE_URL"] || "https://api.tailscale.com").replace(/\/+$/, ""),
        say: (line) => void process.stderr.write(`${line}\n`),
        sleep: (milliseconds) => sleep(milliseconds),
    });
}

main(process.argv[2]).then(
    () => process.exit(0),
    (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
        process.exit(1);
    },
);
