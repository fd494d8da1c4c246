/** The process that a command of subnet-router.ts starts: `merge` or `remove`, the rest by environment. */
import { setTimeout as sleep } from "node:timers/promises";
import { runStep } from "../../lib/step-program";
import { changePolicy, POLICY_SPEC, type PolicySpec } from "./policy-file";

async function main(step: "merge" | "remove"): Promise<void> {
    if (!["merge", "remove"].includes(step)) throw new Error(`there is no step "${String(step)}": merge or remove`);
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

runStep(main);
