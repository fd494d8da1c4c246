<<<<<<< HEAD
/** Plans a single component, without a stack: what it registers, and what each resource waits for. */
import * as pulumi from "@pulumi/pulumi";
import { PlanMonitor } from "../../tools/plan/monitor";
import { planned, type PlannedResource } from "../../tools/plan/plan";

/** Runs `build` under the recording monitor; resources come in the order of registration, without the stack itself. */
=======
/** Plans what a function builds, without engine or provider: the resources as the engine would be asked for them. */
import * as pulumi from "@pulumi/pulumi";
import { PlanMonitor, readable, type Registration } from "../../tools/plan/monitor";
import type { PlannedResource } from "../../tools/plan/plan";

/** Runs `build` as the program of project "homelab-infrastructure", stack "test". In the order of registration. */
>>>>>>> talos
export async function planComponent(build: () => void | Promise<void>): Promise<PlannedResource[]> {
    const monitor = new PlanMonitor("homelab-infrastructure", "test");
    await monitor.install();
    await pulumi.runtime.runInPulumiStack(async () => {
        await build();
    });
    await pulumi.runtime.disconnect();
    const byUrn = new Map(monitor.registrations.map((registration) => [registration.urn, registration]));
<<<<<<< HEAD
    return monitor.registrations
        .filter(({ type }) => type !== "pulumi:pulumi:Stack")
        .map((registration) => planned(registration, byUrn));
=======
    return monitor.registrations.map((registration) => planned(registration, byUrn));
}

function planned(registration: Registration, byUrn: ReadonlyMap<string, Registration>): PlannedResource {
    const waitsFor = new Set(registration.dependencies);
    for (let owner = byUrn.get(registration.parent); owner !== undefined; owner = byUrn.get(owner.parent)) {
        for (const urn of owner.dependencies) waitsFor.add(urn);
    }
    const provider = registration.provider.replace(/::[^:]*$/, "");
    if (provider !== "") waitsFor.add(provider);
    return {
        urn: registration.urn,
        type: registration.type,
        name: registration.name,
        parent: registration.parent === "" ? null : registration.parent,
        dependsOn: [...waitsFor].sort(),
        protect: registration.protect,
        retainOnDelete: registration.retainOnDelete,
        provider: provider === "" ? null : provider,
        inputs: readable(registration.inputs),
    };
>>>>>>> talos
}
