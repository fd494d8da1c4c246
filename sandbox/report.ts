/** What a person wants to read when a run ends. */
import type { Stage } from "../lab/context";
import { table } from "../lib/table";
import type { EngineEvent } from "./engine";

export interface Reachable {
    readonly host: string;
    readonly address: string;
    readonly port: number;
    readonly access: string;
}

export interface StageTime {
    readonly title: string;
    readonly resources: number;
    /** Seconds from the first to the last event; the engine's log has whole seconds. */
    readonly seconds: number;
}

/** What the program returned, as the engine told it. */
export function stackOutputs(events: readonly EngineEvent[]): { reachable: Reachable[]; stages: Stage[] } {
    const stack = events.findLast(({ resOutputsEvent }) => resOutputsEvent?.metadata.type === "pulumi:pulumi:Stack");
    return { reachable: [], stages: [], ...stack?.resOutputsEvent?.metadata.new?.outputs };
}

/** Time of each bootstrap stage that had something to do, from the engine's own events. */
export function stageTimes(stages: readonly Stage[], events: readonly EngineEvent[]): StageTime[] {
    const parents = new Map<string, string>();
    const spans = new Map<string, { first: number; last: number; resources: Set<string> }>();
    const metadata = (event: EngineEvent) => (event.resourcePreEvent ?? event.resOutputsEvent)?.metadata;
    for (const event of events) {
        const about = metadata(event);
        if (about?.new?.parent !== undefined) parents.set(about.urn, about.new.parent);
    }
    for (const event of events) {
        const about = metadata(event);
        if (about === undefined || about.op === "same") continue;
        const component = componentOf(about.urn, stages, parents);
        if (component === undefined) continue;
        const span = spans.get(component) ?? { first: event.timestamp, last: event.timestamp, resources: new Set() };
        span.last = event.timestamp;
        if (!ownType(about.urn).startsWith("homelab:")) span.resources.add(about.urn);
        spans.set(component, span);
    }
    return stages.flatMap(({ title, component }) => {
        const span = spans.get(component);
        return span === undefined ? [] : [{ title, resources: span.resources.size, seconds: span.last - span.first }];
    });
}

function componentOf(urn: string, stages: readonly Stage[], parents: ReadonlyMap<string, string>): string | undefined {
    for (let owner: string | undefined = urn; owner !== undefined; owner = parents.get(owner)) {
        const name = owner.split("::").at(-1) ?? "";
        if (ownType(owner).startsWith("homelab:") && stages.some(({ component }) => component === name)) return name;
    }
    return undefined;
}

/** The last part of a URN's type: the resource's own, without its owners'. */
function ownType(urn: string): string {
    return urn.split("::")[2]?.split("$").at(-1) ?? "";
}

export function renderReport(reachable: readonly Reachable[], times: readonly StageTime[]): string {
    return [
        table(
            "Reachable",
            ["host", "address", "access"],
            [...reachable]
                .sort((a, b) => (a.host < b.host ? -1 : 1))
                .map(({ host, address, port, access }) => [host, port === 80 ? address : `${address}:${port}`, access]),
        ),
        ...(times.length === 0
            ? []
            : [
                  table(
                      "Bootstrap stages",
                      ["stage", "resources", "seconds"],
                      times.map(({ title, resources, seconds }) => [title, String(resources), String(seconds)]),
                  ),
              ]),
    ].join("\n");
}
