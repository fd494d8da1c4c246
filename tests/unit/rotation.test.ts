/** A rotated secret reaches who reads it, and a bundle of CRDs only the cluster that needs it. */
import { reloaderValues } from "../../components/cluster/reloader";
import type * as Crds from "../../components/crds";
import { planStack, type Plan } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";

// As if another cluster's bundle had been added.
jest.mock("../../components/crds", () => {
    const actual = jest.requireActual<typeof Crds>("../../components/crds");
    const metallb = {
        project: "metallb",
        version: "0.0.1",
        urls: ["https://example.net/crds.yaml"],
        names: ["x.metallb.io"],
    };
    return { ...actual, crds: { ...actual.crds, metallb } };
});

const AUTO = { "reloader.stakater.com/auto": "true" };
type Tree = Record<string, unknown>;
const dig = (value: unknown, ...path: string[]): unknown =>
    path.reduce<unknown>(
        (node, key) => (typeof node === "object" && node !== null ? (node as Tree)[key] : undefined),
        value,
    );

const plans = new Map<string, Plan>();
beforeAll(async () => {
    for (const stack of ["homelab", "chongus"])
        plans.set(stack, await planStack(stack, readStackValue(ROOT, stack), ROOT));
}, 120_000);

const resources = (stack: string) => plans.get(stack)?.resources ?? [];
const values = (stack: string, release: string) =>
    dig(
        resources(stack).find(({ type, inputs }) => type.endsWith(":Release") && dig(inputs, "name") === release)
            ?.inputs,
        "values",
    );

describe.each(["homelab", "chongus"])("%s", (stack) => {
    test("has a Reloader", () => {
        expect(values(stack, "reloader")).toEqual(reloaderValues(stack === "chongus"));
    });

    test("every workload whose environment has a Secret carries Reloader's annotation", () => {
        const readers = resources(stack).filter(
            ({ type, name, inputs }) =>
                /:(Deployment|StatefulSet|DaemonSet)$/.test(type) &&
                /"secretRef"|"secretKeyRef"/.test(JSON.stringify(dig(inputs, "spec", "template"))) &&
                // Reads its key once, to join; from then on it has an identity of its own.
                name !== "tailnet",
        );
        expect(readers.map(({ name }) => name)).toContain(stack === "homelab" ? "transmission" : "sonarr");
        for (const { name, inputs } of readers) {
            expect([name, dig(inputs, "metadata", "annotations")]).toEqual([name, expect.objectContaining(AUTO)]);
        }
    });
});

test.each([
    ["chongus", "external-dns", ["deploymentAnnotations"]],
    ["chongus", "loki", ["singleBinary", "annotations"]],
    ["chongus", "thanos", ["storeGateway", "podAnnotations"]],
    ["chongus", "thanos", ["compact", "podAnnotations"]],
    ["chongus", "kube-prometheus-stack", ["prometheus", "prometheusSpec", "podMetadata", "annotations"]],
    ["homelab", "kube-prometheus-stack", ["grafana", "annotations"]],
    ["homelab", "argocd", ["repoServer", "deploymentAnnotations"]],
])("%s: %s, whose chart makes the workload, by %j", (stack, release, path) => {
    expect(dig(values(stack, release), ...path)).toEqual(AUTO);
});

test("chongus gets the bundles that it names, not every one there is", () => {
    const bundles = resources("chongus").flatMap(({ type, name }) =>
        type === "command:local:Command" && name.startsWith("crds-") ? [name] : [],
    );
    expect(bundles).toContain("crds-gateway-api");
    expect(bundles).not.toContain("crds-metallb");
});
