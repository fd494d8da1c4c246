/** Images that charts name: found in what Helm makes, by digest where we know one, and never by the digest of another version. */
import { chartImages as pinned, type ChartImage } from "../../components/chart-images";
import { charts } from "../../components/charts";
import { stackNames } from "../../stacks";
import { blocks } from "../../tools/docs/tables";
import { fillBlocks } from "../../tools/docs/documents";
import { atHand, chartImages, imagesOf, type ReleaseImages } from "../../tools/plan/chart-images";
import { planStack, type Plan } from "../../tools/plan/plan";
import { renderPlan } from "../../tools/plan/render";
import type { RenderedObject } from "../../tools/plan/rendered";
import { readStackValue, ROOT } from "../../stacks/stack-file";

jest.setTimeout(300_000);

const DIGEST = `sha256:${"a".repeat(64)}`;
const plans = new Map<string, Plan>();
const found = new Map<string, readonly ReleaseImages[]>();
let missing: string[] = [];

beforeAll(async () => {
    const charts = await atHand();
    for (const stack of stackNames(ROOT)) {
        const plan = await planStack(stack, readStackValue(ROOT, stack), ROOT);
        plans.set(stack, plan);
        found.set(stack, await chartImages(plan, ROOT, charts));
    }
    missing = [...found.values()].flat().flatMap(({ chart, unknown }) => (unknown ? [`${chart}: ${unknown}`] : []));
    if (missing.length > 0) console.warn(`skipped: ${[...new Set(missing)].join("; ")}`);
});

const object = (content: Record<string, unknown>) =>
    ({ apiVersion: "v1", kind: "Thing", metadata: { name: "thing" }, ...content }) as unknown as RenderedObject;
const named = (...contents: Record<string, unknown>[]) => imagesOf(contents.map(object)).map(({ image }) => image);

describe("images in objects", () => {
    test("of containers, init containers and custom resources, with and without registry, each once", () => {
        const pod = { initContainers: [{ image: "busybox:1.37" }], containers: [{ image: "quay.io/a/b:v1" }] };
        expect(
            named({ spec: { template: { spec: pod } } }, { spec: { cephVersion: { image: "quay.io/a/b:v1" } } }),
        ).toEqual(["busybox:1.37", "quay.io/a/b:v1"]);
    });

    test("of flags, environment variables and configurations in a text", () => {
        const container = {
            args: ["--acme-image=quay.io/a/solver:v1", "--listen=0.0.0.0:8080"],
            env: [
                { name: "HELPER_IMAGE", value: "openebs/linux-utils:4.0.0" },
                { name: "OPERATOR_IMAGE_NAME", value: "a/b:1" },
                { name: "ADDRESS", value: "loki/gateway:80" },
            ],
        };
        expect(
            named(
                { spec: { containers: [container] } },
                { data: { "config.yaml": "provider:\n  kubernetes:\n    image: docker.io/e/ratelimit:17b1956c\n" } },
                { stringData: { SIDECAR: `ghcr.io/a/sidecar@${DIGEST}` } },
            ),
        ).toEqual([
            "a/b:1",
            "docker.io/e/ratelimit:17b1956c",
            `ghcr.io/a/sidecar@${DIGEST}`,
            "openebs/linux-utils:4.0.0",
            "quay.io/a/solver:v1",
        ]);
    });

    test("and nothing that only looks like one, nor the pods of helm test", () => {
        expect(
            named(
                {
                    data: {
                        url: "https://example.org/a:v1",
                        taint: "node.kubernetes.io/control:NoSchedule",
                        text: "a: [\nb",
                    },
                },
                { metadata: { name: "t", annotations: { "helm.sh/hook": "test" } }, spec: { image: "bats/bats:1" } },
                { spec: { image: "", imagePullPolicy: "Always" } },
            ),
        ).toEqual([]);
    });

    test("by digest or by tag", () => {
        expect(imagesOf([object({ image: "a/b:1" }), object({ image: `a/c:1@${DIGEST}` })])).toEqual([
            { image: "a/b:1", pinned: false },
            { image: `a/c:1@${DIGEST}`, pinned: true },
        ]);
    });
});

describe("where a chart is not at hand", () => {
    const plan = () => plans.get("homelab") as Plan;
    test.each([
        ["there is no helm here", { helm: undefined, chart: () => "/nowhere" }],
        ["the chart is not at hand", { helm: "/bin/false", chart: () => undefined }],
        ["helm refuses the chart", { helm: "/bin/false", chart: () => __filename }],
    ])("the plan says so and names no image: %s", async (why, charts) => {
        const images = await chartImages(plan(), ROOT, charts);
        expect(images.map(({ images: none, unknown }) => [none, unknown?.includes(why)])).toEqual(
            images.map(() => [null, true]),
        );
        expect(renderPlan(plan(), images)).toMatch(new RegExp(`cilium +cilium 1\\.20\\.0 +not known: ${why}`));
    });

    test("the table of the documents stays as it is", () => {
        const text = "<!-- generated: chart-images -->\n\nold\n\n<!-- end of generated -->\n";
        const some = { release: "cilium", chart: "cilium", version: "1", images: [{ image: "a/b:1", pinned: false }] };
        const none = { release: "other", chart: "other", version: "1", images: null, unknown: "not at hand" };
        expect(fillBlocks("docs/images.md", text, [plan()], { homelab: [some, none] })).toBe(text);
        expect(fillBlocks("docs/images.md", text, [plan()], { homelab: [some] })).toContain("| `a/b:1` | tag |");
        expect(blocks["chart-images"]?.([plan()], { homelab: [none] })).toBeUndefined();
    });
});

describe("digests", () => {
    const all = Object.entries<ChartImage>(pinned);
    // A chart that only other stacks than the committed ones have is rendered by a test of its component.
    const rendered = () => {
        const there = new Set([...found.values()].flat().map(({ chart }) => chart));
        return all.filter(([, { readFor }]) =>
            Object.keys(readFor).every((key) => there.has(charts[key as keyof typeof charts].name)),
        );
    };

    test.each(all)("of %s was read for the charts' versions of components/charts.ts", (_name, { readFor }) => {
        const versions = Object.fromEntries(
            Object.keys(readFor).map((chart) => [chart, charts[chart as keyof typeof charts].version]),
        );
        // Another version makes another tag: see docs/images.md for how to get its digest.
        expect(readFor).toEqual(versions);
    });

    test("each stands by the tag it was read for, in each chart, and none of these images is by tag", () => {
        if (missing.length > 0) return;
        const made = [...found.values()]
            .flat()
            .flatMap(({ chart, images }) => (images ?? []).map(({ image }) => ({ chart, image })));
        const faults = rendered().flatMap(([name, { image, digest, readFor }]) => [
            ...made.filter((one) => one.image === image).map(({ chart }) => `${name}: by tag in ${chart}`),
            ...Object.keys(readFor).flatMap((key) => {
                const chart = charts[key as keyof typeof charts].name;
                // Some charts leave the tag out beside a digest.
                const wanted = [`${image}@${digest}`, `${image.replace(/:[^:]*$/, "")}@${digest}`];
                const there = made.some((one) => one.chart === chart && wanted.includes(one.image));
                return there ? [] : [`${name}: nowhere in ${chart}`];
            }),
        ]);
        expect(faults).toEqual([]);
    });

    test("without ours, the charts make the very tags they were read for", async () => {
        if (missing.length > 0) return;
        // Values without digests, so that the chart's own tag shows.
        const without = (value: unknown): unknown =>
            Array.isArray(value)
                ? value.map(without)
                : typeof value === "object" && value !== null
                  ? Object.fromEntries(
                        Object.entries(value)
                            .filter(([key]) => key !== "digest" && key !== "sha")
                            .map(([key, item]) => [key, without(item)]),
                    )
                  : value;
        const tags = new Set<string>();
        for (const stack of stackNames(ROOT)) {
            const plan = plans.get(stack) as Plan;
            const bare = { ...plan, resources: plan.resources.map((one) => ({ ...one, inputs: without(one.inputs) })) };
            for (const { images } of await chartImages(bare as Plan, ROOT, await atHand())) {
                for (const { image } of images ?? []) tags.add(image);
            }
        }
        expect(
            rendered()
                .filter(([, { image }]) => !tags.has(image))
                .map(([name]) => name),
        ).toEqual([]);
    });
});
