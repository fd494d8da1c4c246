/** A data volume outlives what is said about it: its claim stays when backups come or go, and when its tier is to be another. */
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { comparePlans } from "../../tools/plan-diff/compare";
import { equal } from "../../tools/plan-diff/fields";
import { matchResources } from "../../tools/plan-diff/match";
import { dig } from "../../tools/plan-diff/objects";
import { planStack, type Plan, type PlannedResource } from "../../tools/plan/plan";

type Said = Record<string, unknown> & { apps: Record<string, object> };

const variant = (stack: string, change: (said: Said) => void): Promise<Plan> => {
    const said = structuredClone(readStackValue(ROOT, stack)) as Said;
    change(said);
    return planStack(stack, said, ROOT);
};

const isClaim = ({ type }: PlannedResource) => type.endsWith(":PersistentVolumeClaim");
const volumes = ({ resources }: Plan) =>
    resources.filter(({ type }) => /:(VeleroVolume|BackedUpVolume)$/.test(type)).map(({ name }) => name);

/** What the engine would do to claims from one plan to the other, and would call a danger. */
function onClaims(before: Plan, after: Plan) {
    const { pairs, added, removed } = matchResources(before, after);
    return {
        made: [...added, ...removed].filter(isClaim).map(({ urn }) => urn),
        // A claim takes labels, annotations and a bigger size; the rest of its spec replaces it.
        replaced: pairs
            .filter((pair) => isClaim(pair.after) && !equal(spec(pair.before), spec(pair.after)))
            .map(({ after: { urn } }) => urn),
        dangers: comparePlans(before, after).dangers.filter(({ id }) =>
            ["urn-without-alias", "immutable-field", "claim-class"].includes(id),
        ),
    };
}

const spec = ({ inputs }: PlannedResource) => dig(inputs, "spec");
const UNTOUCHED = { made: [], replaced: [], dangers: [] };

describe.each(["bitty", "chongus", "k3s-home", "magi"])("%s", (stack) => {
    let backedUp: Plan;
    beforeAll(async () => {
        backedUp = await variant(stack, () => undefined);
    });

    test("backups that come or go leave every claim", async () => {
        const without = await variant(stack, (said) => delete said["backups"]);
        expect([volumes(backedUp).length > 0, volumes(without)]).toEqual([true, []]);
        expect(onClaims(without, backedUp)).toEqual(UNTOUCHED);
        expect(onClaims(backedUp, without)).toEqual(UNTOUCHED);
    });

    test("so does an app's exemption, and Velero still finds the claim for its last backup", async () => {
        const name = volumes(backedUp)[0] ?? "";
        const exempt = await variant(stack, ({ apps }) => {
            apps[name] = { ...apps[name], backup: { exempt: "nobody would miss it" } };
        });
        expect(volumes(exempt)).toEqual(volumes(backedUp).slice(1));
        expect(onClaims(exempt, backedUp)).toEqual(UNTOUCHED);
        expect(onClaims(backedUp, exempt)).toEqual(UNTOUCHED);
        const pair = matchResources(backedUp, exempt).pairs.find(({ after }) => isClaim(after) && after.name === name);
        expect(dig(pair?.after.inputs, "metadata", "namespace")).toBeDefined();
        expect(dig(pair?.after.inputs, "metadata")).toEqual(dig(pair?.before.inputs, "metadata"));
    });
});

describe("an app of another tier", () => {
    const tier = (name: string, more: object) =>
        variant("k3s-home", ({ apps }) => {
            apps[name] = { ...apps[name], ...more };
        });

    test.each([
        ["of Longhorn", { tier: "optane" }],
        ["that is no more backed up", { tier: "optane", backup: { exempt: "nobody would miss it" } }],
    ])("%s keeps its claim, and plan:diff says so", async (_, more) => {
        const [before, after] = [await tier("sonarr", {}), await tier("sonarr", more)];
        expect(onClaims(before, after)).toMatchObject({
            ...{ made: [], replaced: [] },
            dangers: [{ id: "claim-class", message: expect.stringContaining("keeps what it has") as string }],
        });
    });
});
