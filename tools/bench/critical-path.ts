/** The shortest time in which a plan can be carried out, whatever the parallelism: its longest chain of waits. */
import type { PlannedResource } from "../plan/plan";

export interface CriticalPath {
    readonly seconds: number;
    /** URNs of the longest chain, first to last, without those that wait for nothing of their own. */
    readonly chain: readonly string[];
    /** All waits one after the other: what a program without parallelism would take. */
    readonly serial: number;
}

type Node = Pick<PlannedResource, "urn" | "type" | "parent" | "dependsOn">;

/** `seconds` gives each resource's own wait. Throws on a cycle. */
export function criticalPath(resources: readonly Node[], seconds: (resource: Node) => number): CriticalPath {
    const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
    const finished = new Map<string, { at: number; after: string | undefined }>();
    const open = new Set<string>();

    const finish = (resource: Node): number => {
        const known = finished.get(resource.urn);
        if (known !== undefined) return known.at;
        if (open.has(resource.urn)) throw new Error(`${resource.urn} waits for itself`);
        open.add(resource.urn);
        let [start, after]: [number, string | undefined] = [0, undefined];
        // The owner's URN is needed to register a resource, so its own creation comes first.
        for (const urn of [...resource.dependsOn, ...(resource.parent === null ? [] : [resource.parent])]) {
            const before = byUrn.get(urn);
            const at = before === undefined ? 0 : finish(before);
            if (at > start) [start, after] = [at, urn];
        }
        open.delete(resource.urn);
        const at = start + seconds(resource);
        finished.set(resource.urn, { at, after });
        return at;
    };

    let last: string | undefined;
    for (const resource of resources) {
        if (finish(resource) > (finished.get(last ?? "")?.at ?? 0)) last = resource.urn;
    }
    const total = finished.get(last ?? "")?.at ?? 0;
    const chain: string[] = [];
    for (let urn = last; urn !== undefined; urn = finished.get(urn)?.after) {
        const resource = byUrn.get(urn);
        if (resource !== undefined && seconds(resource) > 0) chain.unshift(urn);
    }
    return { seconds: total, chain, serial: resources.reduce((sum, resource) => sum + seconds(resource), 0) };
}
