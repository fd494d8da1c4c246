/** Pairs of Kubernetes and chart that nobody supports are said in the plan. */
import { kubernetesSupport, unsupportedPairs } from "../../components/kubernetes-support";
import { planStack } from "../../tools/plan/plan";
import { renderPlan } from "../../tools/plan/render";
import { readStackValue, ROOT } from "../../stacks/stack-file";

jest.setTimeout(120_000);

test("each row is of the version that is installed: a chart that moved on is looked up again", () => {
    for (const { chart, since } of kubernetesSupport) {
        expect([chart.name, chart.version.startsWith(since)]).toEqual([chart.name, true]);
    }
});

test.each([
    ["v1.33.0", ["tested, not supported (supported: 1.34 to 1.36)"]],
    ["v1.35.4", []],
    ["v1.32.1", ["neither supported nor tested (supported: 1.34 to 1.36)"]],
    ["v1.37.0", ["tested, not supported (supported: 1.34 to 1.36)"]],
])("CloudNativePG on %s", (kubernetes, verdicts) => {
    const versions = new Map([["cloudnative-pg", "0.29.0"]]);
    expect(unsupportedPairs(versions, kubernetes).map(({ verdict }) => verdict)).toEqual(verdicts);
});

test.each([
    ["v1.36.2", []],
    ["v1.35.1", ["tested, not supported (supported: 1.36)"]],
    ["v1.33.0", ["neither supported nor tested (supported: 1.36)"]],
])("descheduler on %s", (kubernetes, verdicts) => {
    const versions = new Map([["descheduler", "0.36.0"]]);
    expect(unsupportedPairs(versions, kubernetes).map(({ verdict }) => verdict)).toEqual(verdicts);
});

test("the plan of chongus names its pair", async () => {
    const plan = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT);
    expect(plan.unsupported).toMatchObject([
        {
            release: "CloudNativePG 1.30",
            kubernetes: "v1.33.0",
            verdict: expect.stringContaining("tested, not supported"),
        },
    ]);
    expect(renderPlan(plan, [])).toMatch(
        /Versions that their projects do not support together\n.*\n.*\n {2}CloudNativePG 1\.30 /,
    );
});
