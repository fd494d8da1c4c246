/** What a destroy would take for good is said before it: the plan's note against the plan's own table of volumes. */
import { join } from "node:path";
import { ROOT } from "../../stacks/stack-file";
import { planStack, type Plan } from "../../tools/plan/plan";
import { invalidBase, valueOf } from "./invalid-fixtures";

type Said = Record<string, unknown> & { apps: Record<string, Record<string, unknown>> };

const smallest = (recipe: string) =>
    valueOf(join(__dirname, "..", "fixtures", "valid", recipe, "smallest.yaml")) as Said;

function withoutBackups(recipe: string, apps: Said["apps"] = {}): Said {
    const { backups: _backups, ...said } = invalidBase(recipe) as Said;
    return { ...said, apps: { ...said.apps, ...apps } };
}

const noted = ({ notes = [] }: Plan): string[] =>
    notes.flatMap((note) => /^A destroy takes with it for good .* data volumes of (.*): nothing/.exec(note)?.[1] ?? []);

/** Workloads with data that the table calls gone, but for those whose exemption it tells. */
const gone = ({ volumes }: Plan): string[] =>
    volumes
        .filter(({ kind, survivesDestroy }) => kind === "data" && !survivesDestroy)
        .filter(({ source }) => !source.includes("not backed up: "))
        .map(({ workload }) => workload);

/** Apps by their workloads: unifi by unifi and unifi-mongodb. */
const appsOf = ({ apps }: Said, workloads: readonly string[]): string[] => [
    ...new Set(
        workloads.map((name) =>
            name in apps ? name : (Object.keys(apps).find((app) => name.startsWith(`${app}-`)) ?? name),
        ),
    ),
];

const sorted = (names: string | undefined) => names?.split(", ").sort();

test.each([
    ["k3s-home, on Longhorn", "k3s-home", () => withoutBackups("k3s-home")],
    ["magi, on Ceph", "magi", () => withoutBackups("magi")],
    ["k3s-home, on a machine's own disk", "k3s-home", () => smallest("k3s-home")],
    ["chongus, on a machine's own disk", "chongus", () => smallest("chongus")],
    ["magi, on a machine's own disk", "magi", () => smallest("magi")],
])("%s without backups: a note names every app that loses data", async (_title, recipe, said) => {
    const value = said();
    const plan = await planStack("stranger", { recipe, ...value }, ROOT);
    const lost = appsOf(value, gone(plan)).sort();
    expect(noted(plan).map(sorted)).toEqual(lost.length === 0 ? [] : [lost]);
});

test("an app that a person exempts is not named, nor one whose directory is on the file server", async () => {
    const said = withoutBackups("k3s-home", {
        sonarr: { backup: { exempt: "made again from the library" } },
        radarr: { tier: "nfs" },
        prowlarr: {},
    });
    const storage = said["storage"] as { nfs: Record<string, unknown> };
    storage.nfs["configs"] = "/mnt/configs";
    const [names] = noted(await planStack("stranger", { recipe: "k3s-home", ...said }, ROOT)).map(sorted);
    expect(names).toContain("prowlarr");
    expect(names).not.toContain("sonarr");
    expect(names).not.toContain("radarr");
});

test.each(["homelab", "truenas"])("%s: directories of the host stay, and there is no note", async (recipe) => {
    const plan = await planStack("stranger", { recipe, ...smallest(recipe) }, ROOT);
    expect(gone(plan)).toEqual([]);
    expect(noted(plan)).toEqual([]);
});

test("with backups there is none", async () => {
    expect(noted(await planStack("k3s-home", invalidBase("k3s-home"), ROOT))).toEqual([]);
});
