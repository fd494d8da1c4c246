/** A cluster with GPUs of both makers, one machine with both, one with none: who waits for what, and what the whole charts make of the values. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { CONFIG_KEY } from "../../config/parse";
import { podOf } from "../../policy/rules/kubernetes";
import { assembleCharts } from "../../sandbox/charts/assemble";
import { planStack, type Plan } from "../../tools/plan/plan";
import type { RenderedObject } from "../../tools/plan/rendered";
import { PROJECT, ROOT } from "../../stacks/stack-file";
import { crdFaults, haveCrds } from "./crd-schema";
import { builtInFaults, haveOpenApi } from "./kubernetes-schema";
import { dig, lookInto, type Inputs } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";

jest.setTimeout(120_000);

const FIXTURE = join(ROOT, "tests", "fixtures", "valid", "chongus", "intel-gpus.yaml");
let plan: Plan;
beforeAll(async () => {
    const value = dig(parse(readFileSync(FIXTURE, "utf8")), "config", `${PROJECT}:${CONFIG_KEY}`);
    plan = await planStack("chongus", value, ROOT);
});
const { all, find, pod, container, inOrder, waitsFor } = lookInto(() => plan);

test("definitions and cert-manager, operator, plugin, the offer, then who asks for it; namespaces last to go", () => {
    const operator = find(":Release", "intel-gpus-operator");
    const jellyfin = find("apps/v1:Deployment", "jellyfin");
    for (const project of ["node-feature-discovery", "intel-device-plugins"]) {
        inOrder(find(":Command", `crds-${project}`), operator);
    }
    inOrder(find(":Release", "cert-manager"), operator, find(":Release", "intel-gpus"));
    inOrder(find(":Release", "intel-gpus"), find(":Command", "intel-gpus-offered"), jellyfin);
    const waited = waitsFor(find(":Release", "metrics-server").urn);
    expect(all("core/v1:Namespace").filter(({ urn }) => !waited.has(urn))).toEqual([]);
});

test("jellyfin, which runs as the household's user, is in the render group and gets one GPU (B-APP-01)", () => {
    expect(pod("jellyfin")["securityContext"]).toMatchObject({ runAsNonRoot: true, supplementalGroups: [44] });
    expect(pod("jellyfin")).not.toHaveProperty("runtimeClassName");
    expect(dig(container("jellyfin"), "resources", "limits", "gpu.intel.com/i915")).toBe("1");
    const { environment } = find(":Command", "intel-gpus-offered").inputs as { environment: Inputs };
    expect(environment["WANTED"]).toBe("node01=1 node02=1");
    // The other maker's are there too, for who needs one.
    expect(dig(container("ollama"), "resources", "limits", "nvidia.com/gpu")).toBe("1");
});

test("the whole charts take the values: valid objects, containers with limits, and what the stand-ins make is in them", async () => {
    const missing = await cannotRender();
    if (missing !== undefined || !haveCrds || !haveOpenApi) {
        return console.warn(`skipped: ${missing ?? "../shared/crds or Kubernetes' sources are not here"}`);
    }
    const out = mkdtempSync(join(tmpdir(), "intel-"));
    try {
        const releases = { resources: all(":Release").filter(({ name }) => /intel|feature/.test(name)) };
        expect(releases.resources).toHaveLength(3);
        const whole = await renderReleases(releases, "1.33.0");
        const standIns = await renderReleases(releases, "1.33.0", assembleCharts({ out }));
        const title = ({ kind, metadata }: RenderedObject) => `${kind} ${metadata.name}`;
        const objects = (of: typeof whole) => of.flatMap((release) => release.objects);
        expect(
            [...objects(whole), ...objects(standIns)].flatMap((object) => builtInFaults(object) ?? crdFaults(object)),
        ).toEqual([]);
        const unlimited = objects(whole).flatMap((object) => {
            const type = `kubernetes:${object.apiVersion}:${object.kind}`;
            const made = podOf({ urn: "", type, name: object.metadata.name, inputs: object });
            const containers = (dig(made?.spec, "containers") ?? []) as { name: string }[];
            return containers
                .filter((one) => dig(one, "resources", "limits", "memory") === undefined)
                .map(({ name }) => `${title(object)}/${name}`);
        });
        expect(unlimited).toEqual([]);
        const known = new Set(objects(whole).map(title));
        expect(
            objects(standIns)
                .map(title)
                .filter((one) => !known.has(one)),
        ).toEqual([]);
    } finally {
        rmSync(out, { recursive: true });
    }
});
