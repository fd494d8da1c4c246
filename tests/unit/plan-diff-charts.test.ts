/** Charts on both sides of a comparison. Helm is a script here that prints its values file; the real one where it is at hand. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareCharts, type ChartOptions } from "../../tools/plan-diff/charts";
import { comparePlans } from "../../tools/plan-diff/compare";
import type { Json } from "../../tools/plan/monitor";
import type { Plan } from "../../tools/plan/plan";
import { findTool } from "../../lib/toolchain";
import { plan, resource } from "./plan-diff-fixtures";

// Each starts Helm.
jest.setTimeout(60_000);

let folder: string;
let script: string;
let source: ChartOptions["source"];

beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "plan-diff-charts-"));
    script = join(folder, "helm");
    writeFileSync(
        script,
        '#!/bin/sh\nwhile [ "$1" != --values ]; do shift; done\ngrep -q broken "$2" && { echo "Error: bad value" >&2; exit 1; }\nsed \'s/^{"objects"://; s/}$//\' "$2"\n',
    );
    chmodSync(script, 0o755);
    const chart = join(folder, "charts", "metrics-server");
    mkdirSync(join(chart, "templates"), { recursive: true });
    writeFileSync(join(chart, "Chart.yaml"), "apiVersion: v2\nname: metrics-server\nversion: 1.0.0\n");
    writeFileSync(
        join(chart, "templates", "all.yaml"),
        [
            ...["apiVersion: apps/v1", "kind: StatefulSet", "metadata: { name: books }"],
            ...["spec:", "  serviceName: {{ .Values.service }}", "---"],
            ...["apiVersion: v1", "kind: Secret", "metadata: { name: books }"],
            'stringData: { password: "{{ randAlpha 20 }}" }',
        ].join("\n"),
    );
    source = { charts: { directory: join(folder, "charts") } };
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const release = (values: Json, version = "1.0.0"): Plan =>
    plan([
        resource("kubernetes:helm.sh/v3:Release", "books", {
            ...{ name: "books", namespace: "media", chart: "metrics-server", version, values },
        }),
    ]);

/** A StatefulSet as the script prints it: one document, JSON being YAML. */
const statefulSet = (serviceName: string, more: { [key: string]: string | number } = {}) => ({
    objects: {
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        metadata: { name: "books" },
        spec: { serviceName, ...more },
    },
});

async function compared(before: Plan, after: Plan, helm: string | undefined = script) {
    return comparePlans(before, after, await compareCharts(before, after, { helm, source }));
}

test("objects that differ, field by field, and where the chart came from", async () => {
    const { rendered, dangers } = await compared(
        release(statefulSet("a", { replicas: 1 })),
        release(statefulSet("a", { replicas: 2 })),
    );
    expect(rendered?.releases).toEqual([
        { release: "books", chart: `metrics-server, from ${join(folder, "charts", "metrics-server")}` },
    ]);
    expect(rendered?.objects).toEqual([
        {
            ...{ release: "books", title: "StatefulSet books", kind: "changed" },
            fields: [{ path: "spec.replicas", before: 1, after: 2 }],
        },
    ]);
    expect(dangers).toEqual([]);
});

test("what Helm would be refused is a danger: it never replaces", async () => {
    const { dangers } = await compared(release(statefulSet("a")), release(statefulSet("b")));
    expect(dangers).toMatchObject([{ id: "immutable-field", subject: "StatefulSet books" }]);
    expect(dangers[0]?.message).toContain(
        "(from the chart of books). Helm updates in place, and the API server refuses",
    );
});

test("two versions of a chart from one directory: said", async () => {
    const { rendered } = await compared(release(statefulSet("a"), "1.0.0"), release(statefulSet("a"), "1.1.0"));
    expect(rendered?.notes.join()).toMatch(
        /goes from 1\.0\.0 to 1\.1\.0, but both sides are rendered from one directory/,
    );
});

test("a chart that cannot be rendered, one that renders to nothing, no helm: said, never a silent green", async () => {
    const broken = await compared(release(statefulSet("a")), release(statefulSet("broken")));
    expect(broken.rendered).toMatchObject({ releases: [], objects: [] });
    expect(broken.rendered?.notes.join()).toMatch(/books was NOT rendered: .*Error: bad value/);
    const empty = await compared(release({ objects: {}, a: 1 }), release({ objects: {}, a: 2 }));
    expect(empty.rendered?.notes.join()).toMatch(/books was NOT (compared|rendered)/);
    const before = release(statefulSet("a"));
    const none = await compareCharts(before, release(statefulSet("b")), { helm: undefined, source });
    expect(none.summary.notes.join()).toContain("NOT rendered: there is no helm here");
});

test("nothing is rendered where no release differs", async () => {
    const { rendered, status } = await compared(release(statefulSet("a")), release(statefulSet("a")));
    expect(rendered?.notes).toEqual([
        "no release differs in chart, version or values, so all would be rendered the same",
    ]);
    expect(status).toBe("same");
});

test("the real helm: passwords that are new at every rendering do not show", async () => {
    const helm = await findTool("helm");
    if (helm === undefined) {
        console.warn("skipped: helm is neither on the PATH nor in the tool cache");
        return;
    }
    const { rendered } = await compared(release({ service: "a" }), release({ service: "b" }), helm);
    expect(rendered?.objects.map(({ title }) => title)).toEqual(["StatefulSet books"]);
});
