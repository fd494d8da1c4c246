import type { EngineEvent } from "../../sandbox/engine";
import { renderReport, stackOutputs, stageTimes } from "../../sandbox/report";

const urn = (type: string, name: string) => `urn:pulumi:homelab::homelab-infrastructure::${type}::${name}`;
const STACK = "pulumi:pulumi:Stack";

/** What the engine tells of a run: a stage of two resources, one of which was there, and what the program returned. */
const events = [
    told(10, "create", "homelab:monitoring:PrometheusStack", "prometheus"),
    told(12, "create", "homelab:monitoring:PrometheusStack$kubernetes:core/v1:Namespace", "monitoring", "prometheus"),
    told(19, "same", "homelab:monitoring:PrometheusStack$kubernetes:core/v1:Secret", "grafana", "prometheus"),
    told(20, "same", STACK, "homelab-infrastructure-homelab", undefined, {
        reachable: [{ host: "grafana.example.net", address: "192.168.0.240", port: 443, access: "local" }],
        stages: [{ title: "5 monitoring", component: "prometheus" }],
        delivery: {},
    }),
];

function told(
    timestamp: number,
    op: string,
    type: string,
    name: string,
    parent?: string,
    outputs?: object,
): EngineEvent {
    const owner =
        parent === undefined
            ? urn(STACK, "homelab-infrastructure-homelab")
            : urn("homelab:monitoring:PrometheusStack", parent);
    const metadata = { urn: urn(type, name), op, type: type.split("$").at(-1) ?? "", new: { parent: owner, outputs } };
    return { timestamp, resOutputsEvent: { metadata } };
}

test("what the program returned and how long its stages took are read from what the engine told", () => {
    const { reachable, stages } = stackOutputs(events);
    expect(stageTimes(stages, events)).toEqual([{ title: "5 monitoring", resources: 1, seconds: 2 }]);
    const report = renderReport(reachable, stageTimes(stages, events));
    expect(report).toMatch(/grafana\.example\.net +192\.168\.0\.240:443 +local/);
    expect(report).toMatch(/5 monitoring +1 +2/);
});

test("a run that ended before the program returned anything has nothing to report", () => {
    expect(stackOutputs(events.slice(0, 3))).toEqual({ reachable: [], stages: [] });
});
