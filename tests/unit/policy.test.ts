/** The rules of policy/: each over stacks that keep and break it, and all over the plan of every stack. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { imageReference, tagOnlyImages } from "../../components/images";
import { charts } from "../../components/charts";
import { evaluate, policyFaults } from "../../policy/evaluate";
import { renderViolations } from "../../policy/report";
import { rules } from "../../policy/rules";
import { chartContainers } from "../../policy/rules/containers";
import type { Context } from "../../policy/rules/rule";
import { recipePolicies, severityOf, type StackPolicy } from "../../policy/stacks";
import { openStack, recipes, stackNames } from "../../stacks";
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { fixtures, resource, type Fixture } from "./policy-fixtures";

const EVERY_RULE = Object.fromEntries(rules.map(({ id }) => [id, "mandatory" as const]));
const STRICT: StackPolicy = { severity: EVERY_RULE, exemptions: [] };
const context = ({ resources, exposures = [] }: Fixture): Context => ({
    stack: "test",
    recipe: "test",
    resources,
    exposures,
});
const found = (fixture: Fixture, policy = STRICT) => evaluate(rules, context(fixture), policy);
const rule = (id: string) => {
    const one = rules.find((candidate) => candidate.id === id);
    if (one === undefined) throw new Error(`no rule ${id}`);
    return one;
};

describe("every rule", () => {
    test("has fixtures, an id of its own, and says what to do", () => {
        expect(Object.keys(fixtures).sort()).toEqual(rules.map(({ id }) => id).sort());
        expect(new Set(rules.map(({ id }) => id)).size).toBe(rules.length);
        for (const { id, title, description, sources, fix } of rules) {
            expect(id).toMatch(/^[a-z]+(-[a-z]+)*$/);
            expect(title).toMatch(/^[A-Z].*[^.]$/);
            expect([description, fix].every((sentence) => sentence.endsWith("."))).toBe(true);
            expect(sources.length).toBeGreaterThan(0);
        }
    });

    test("names facts that there are", () => {
        const table = join(ROOT, "../shared/facts/seed-facts.tsv");
        if (!existsSync(table)) return console.warn("not checked: there is no ../shared/facts/seed-facts.tsv here");
        const ids = new Set(
            readFileSync(table, "utf8")
                .split("\n")
                .map((line) => line.split("\t")[0]),
        );
        expect(rules.flatMap(({ sources }) => sources).filter((id) => !ids.has(id))).toEqual([]);
    });

    const keeps = Object.entries(fixtures).flatMap(([id, { keeps: cases }]) =>
        Object.entries(cases).map(([title, fixture]) => [id, title, fixture] as const),
    );
    test.each(keeps)("%s is kept by: %s", (_id, _title, fixture) => {
        expect(found(fixture).map(({ rule: { id }, message }) => `${id}: ${message}`)).toEqual([]);
    });

    const breaks = Object.entries(fixtures).flatMap(([id, { breaks: cases }]) =>
        Object.entries(cases).map(([title, fixture]) => [id, title, fixture] as const),
    );
    test.each(breaks)("%s, and nothing else, is broken by: %s", (id, _title, fixture) => {
        expect(found(fixture).map((violation) => [violation.rule.id, violation.part])).toEqual(
            fixture.parts.map((part) => [id, part]),
        );
    });
});

describe("what a resource-wide rule sees", () => {
    test("is the resource alone: the pack judges it before the others are there", () => {
        for (const one of rules.filter(({ scope }) => scope === "resource")) {
            for (const fixture of Object.values(fixtures[one.id]?.breaks ?? {})) {
                const whole = context(fixture);
                for (const subject of whole.resources) {
                    const alone = { stack: "test", recipe: "test", resources: [subject], exposures: [] };
                    expect(one.check(subject, alone)).toEqual(one.check(subject, whole));
                }
            }
        }
    });

    test("is not spoilt by values that are not known yet", () => {
        const everything = Object.values(fixtures).flatMap(({ keeps, breaks }) =>
            [...Object.values(keeps), ...Object.values(breaks)].flatMap(({ resources }) => resources),
        );
        const blank = everything.map((subject) => ({
            ...subject,
            inputs: { metadata: "[unknown]", spec: "[unknown]", values: "[unknown]", chart: "[unknown]" },
        }));
        // By type and owner alone, and by the logical name in place of the real one.
        const still = ["helm-repository", "ingress", "literal-secret", "raw-manifest", "velero"];
        const byName = ["kebab-case", "namespace-name"];
        const named = found({ resources: blank }).map((violation) => violation.rule.id);
        expect([...new Set(named)].sort()).toEqual([...still, ...byName].sort());
    });
});

describe("severity and exemptions", () => {
    const raw = resource("kubernetes:networking.k8s.io/v1:Ingress", "logical", {
        metadata: { name: "app", namespace: "apps" },
    });
    const fixture = { resources: [raw] };
    const exempt = (
        match: StackPolicy["exemptions"][number]["match"],
        reason = "because",
        id = "ingress",
    ): StackPolicy => ({
        severity: EVERY_RULE,
        exemptions: [{ rule: id, match, reason }],
    });

    test("off, advisory, mandatory", () => {
        const severities = (severity: StackPolicy["severity"]) =>
            found(fixture, { severity: { ...EVERY_RULE, ...severity }, exemptions: [] }).map(
                (violation) => violation.severity,
            );
        expect(severities({ ingress: "off" })).toEqual([]);
        expect(severities({ ingress: "advisory" })).toEqual(["advisory"]);
        expect(severities({})).toEqual(["mandatory"]);
    });

    test("an exemption matches by type, name in the cluster and part, and only its rule", () => {
        expect(found(fixture, exempt({ name: "app" }))).toEqual([]);
        expect(found(fixture, exempt({ type: raw.type, name: "app", part: "Ingress" }))).toEqual([]);
        expect(found(fixture, exempt({ name: "logical" }))).toHaveLength(1);
        expect(found(fixture, exempt({ name: "app", part: "other" }))).toHaveLength(1);
        expect(found(fixture, exempt({ type: "kubernetes:core/v1:Secret" }))).toHaveLength(1);
        expect(found(fixture, exempt({ name: "app" }, "because", "velero"))).toHaveLength(1);
    });

    test.each([
        ["no reason", exempt({ name: "app" }, " - "), /it has no reason$/],
        ["no such rule", exempt({ name: "app" }, "because", "ingres"), /there is no such rule$/],
        ["nothing to exempt", exempt({ name: "gone" }), /nothing in test needs it$/],
        ["everything exempt", exempt({}), /it matches everything$/],
        [
            "a rule that is off",
            { ...exempt({ name: "app" }), severity: { ingress: "off" } },
            /the rule is off in test$/,
        ],
        [
            "severity of no rule",
            { severity: { ingres: "off" }, exemptions: [] },
            /^severity of "ingres": there is no such rule$/,
        ],
    ] as [string, StackPolicy, RegExp][])("a fault: %s", (_title, policy, message) => {
        expect(policyFaults(rules, context(fixture), policy)).toEqual([expect.stringMatching(message)]);
    });
});

describe.each(stackNames(ROOT))("%s", (stack) => {
    let plan: Context;
    const { recipe: recipeOfStack } = openStack(stack, readStackValue(ROOT, stack));
    const policy = recipePolicies[recipeOfStack] ?? STRICT;
    beforeAll(async () => {
        const { recipe, resources, exposures } = await planStack(stack, readStackValue(ROOT, stack), ROOT);
        plan = { stack, recipe, resources, exposures };
    });

    test("has a policy without a fault", () => {
        expect(recipePolicies).toHaveProperty(recipeOfStack);
        expect(policyFaults(rules, plan, policy)).toEqual([]);
    });

    test("breaks no mandatory rule (C-POL-01, C-POL-03, C-POL-05..07, C-POL-10, C-POL-13, C-POL-15, C-POL-26, C-POL-27, C-EDGE-11, C-EDGE-12, C-SEC-12, C-SEC-13, C-SEC-23, C-BKP-09, C-BKP-10, C-BKP-13, C-BKP-18, C-GITOPS-21, C-GITOPS-33, C-GITOPS-35, H-APP-12, H-APP-16)", () => {
        const violations = evaluate(rules, plan, policy).filter(({ severity }) => severity === "mandatory");
        expect(violations.map(({ rule: { id }, resource: { urn }, message }) => `${id} ${urn}: ${message}`)).toEqual(
            [],
        );
    });

    test("no image but those of tagOnlyImages goes without a digest", () => {
        const allowed: string[] = Object.values(tagOnlyImages).map(imageReference);
        const exempt = policy.exemptions.filter(({ rule: id }) => id === "image-digest").map(({ match }) => match.part);
        expect(exempt.filter((part) => part === undefined || !allowed.includes(part))).toEqual([]);
    });
});

test("shared files and a cache of models, which the recipe chongus offers and its own stack lacks, break no mandatory rule", async () => {
    const value = readStackValue(ROOT, "chongus") as { storage: Record<string, unknown> };
    Object.assign(value.storage, { ceph: { filesystem: true }, models: { size: "100Gi" } });
    const { recipe, resources, exposures } = await planStack("chongus", value, ROOT);
    expect(resources.map(({ name }) => name)).toEqual(expect.arrayContaining(["ceph-filesystem", "models-cache"]));
    const violations = evaluate(
        rules,
        { stack: "chongus", recipe, resources, exposures },
        recipePolicies[recipe] ?? STRICT,
    );
    expect(violations.filter(({ severity }) => severity === "mandatory")).toEqual([]);
});

test("each stack keeps what its own seed says: Ingress and SOPS on homelab, neither on chongus (C-EDGE-11, C-SEC-12, C-GITOPS-36)", () => {
    const of = (recipe: string, id: string) => severityOf(rule(id), recipePolicies[recipe] ?? STRICT);
    for (const id of ["ingress", "literal-secret", "sops-in-flux", "velero"]) {
        expect([of("homelab", id), of("chongus", id)]).toEqual(["off", "mandatory"]);
    }
    for (const id of ["image-digest", "memory-limit", "abandoned-source"]) {
        expect([of("homelab", id), of("chongus", id)]).toEqual(["mandatory", "mandatory"]);
    }
    const softened = rules.filter(({ id }) => of("chongus", id) !== "mandatory").map(({ id }) => id);
    // Without Ceph its data is on directories of the nodes, which is what bitty has.
    expect(softened).toEqual(["default-project", "raw-manifest", "data-on-scratch"]);
    expect(Object.keys(recipePolicies).sort()).toEqual(recipes.map(({ name }) => name).sort());
});

test("Alertmanager and Rook-Ceph are exempt from limits by the seed (C-POL-22, C-POL-24)", () => {
    const exempt = (recipePolicies["chongus"]?.exemptions ?? []).filter(({ rule: id }) => id === "memory-limit");
    expect(exempt.map(({ match }) => [match.name, match.part])).toEqual([
        ["kube-prometheus-stack", "alertmanager.alertmanagerSpec.resources"],
        ["rook-ceph", undefined],
        ["rook-ceph-cluster", undefined],
        ["ceph-csi-drivers", undefined],
        ["ceph-filesystem", undefined],
    ]);
});

describe("limits in charts", () => {
    test("every chart of the project is in the table, and no other", () => {
        expect(Object.keys(chartContainers).sort()).toEqual(
            [...new Set(Object.values(charts).map(({ name }) => name))].sort(),
        );
    });
});

test("a report names rule, resource, fault and fix", () => {
    const [broken] = Object.values(fixtures["ingress"]?.breaks ?? {});
    const policy: StackPolicy = { severity: { ...EVERY_RULE, velero: "off" }, exemptions: [] };
    const text = renderViolations("test", policy, found(broken ?? { resources: [] }, policy));
    expect(text.split("\n")).toEqual([
        `test: 1 mandatory and 0 advisory violations of ${rules.length - 1} rules; 0 exemptions, each with its reason in policy/stacks.ts`,
        "",
        "  mandatory: ingress - No Ingress objects (C-EDGE-11, C-EDGE-14)",
        "    Ingress app: it is an Ingress",
        `    fix: ${rule("ingress").fix}`,
        "",
    ]);
    expect(renderViolations("test", policy, [])).not.toContain("\n");
});
