/** Plans a single component, without a stack: what it registers, and what each resource waits for. */
import * as pulumi from "@pulumi/pulumi";
import { PlanMonitor } from "../../tools/plan/monitor";
import { planned, type PlannedResource } from "../../tools/plan/plan";

/**
 * Runs `build` under the recording monitor; resources come in the order of registration, without the stack itself.
 * Throws what `build` throws.
 */
export async function planComponent(build: () => void | Promise<void>): Promise<PlannedResource[]> {
    const monitor = new PlanMonitor("homelab-infrastructure", "test");
    const giveBack = await monitor.install();
    let fault: Error | undefined;
    await pulumi.runtime.runInPulumiStack(async () => {
        try {
            await build();
        } catch (error) {
            // Left to the SDK it would end the process.
            fault = error instanceof Error ? error : new Error(String(error));
        }
    });
    await pulumi.runtime.disconnect();
    giveBack();
    if (fault !== undefined) throw fault;
    const byUrn = new Map(monitor.registrations.map((registration) => [registration.urn, registration]));
    return monitor.registrations
        .filter(({ type }) => type !== "pulumi:pulumi:Stack")
        .map((registration) => planned(registration, byUrn));
}
