/** Custom resources of every stack against the real CRDs: an API server drops an unknown field without a word. */
import { stackNames } from "../../stacks";
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig } from "./planned";

const here = haveCrds ? test : test.skip;
const BUILT_IN =
    /^kubernetes:(core|apps|batch|helm\.sh|(admissionregistration|apiextensions|discovery|rbac\.authorization|networking|node|storage|policy)\.k8s\.io)\//;

/** Kinds whose definition is in no bundle at hand: it comes with the chart. */
const BY_CHART = /^kubernetes:trust\.cert-manager\.io\/v1alpha1:Bundle$/;

jest.setTimeout(120_000);

here.each(stackNames(ROOT))("%s: every field is known, required ones are there, values are allowed", async (stack) => {
    const { resources } = await planStack(stack, readStackValue(ROOT, stack), ROOT);
    const custom = resources.filter(
        ({ type }) => type.startsWith("kubernetes:") && !BUILT_IN.test(type) && !BY_CHART.test(type),
    );
    expect(custom.length).toBeGreaterThan(3);
    expect(
        custom.flatMap(({ inputs }) =>
            crdFaults(inputs).map((fault) => `${String(dig(inputs, "metadata", "name"))}: ${fault}`),
        ),
    ).toEqual([]);
});

here("the check sees what is wrong", () => {
    const object = (spec: unknown) => ({
        apiVersion: "external-secrets.io/v1",
        kind: "ExternalSecret",
        metadata: {},
        spec,
    });
    expect(
        crdFaults(object({ refreshIntervall: "1h", target: { creationPolicy: "Mine" }, data: [{ secretKey: 1 }] })),
    ).toEqual([
        "ExternalSecret.spec.refreshIntervall: there is no such field",
        'ExternalSecret.spec.target.creationPolicy: got "Mine"; allowed: Owner, Orphan, Merge, None, CreateOrMerge',
        "ExternalSecret.spec.data[0].remoteRef: is required",
        "ExternalSecret.spec.data[0].secretKey: got 1; allowed: string",
    ]);
    expect(crdFaults({ apiVersion: "external-secrets.io/v9", kind: "ExternalSecret" })).toEqual([
        "external-secrets.io/v9 ExternalSecret: there is no such definition",
    ]);
});
