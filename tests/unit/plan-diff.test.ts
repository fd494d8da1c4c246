import { comparePlans } from "../../tools/plan-diff/compare";
import { dangerRules } from "../../tools/plan-diff/dangers";
import { EXIT, exitCode, reportSchema, type Difference, type Report } from "../../tools/plan-diff/difference";
import { fieldChanges, lineChanges } from "../../tools/plan-diff/fields";
import { kindsWithImmutableFields, refusals } from "../../tools/plan-diff/immutable";
import { code, MARKER, renderMarkdown, sentence } from "../../tools/plan-diff/markdown";
import { parseOptions } from "../../tools/plan-diff/options";
import { manifestObject } from "../../tools/plan-diff/objects";
import { bytes } from "../../tools/plan-diff/quantity";
import { parsePlans } from "../../tools/plan-diff/revision";
import { renderText } from "../../tools/plan-diff/text";
import type { Json } from "../../tools/plan/monitor";
import { planStack, type Plan } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { cases } from "../immutable-cases";
import { planComponent } from "./component-plan";
import { fixtures, object, plan, resource, urn } from "./plan-diff-fixtures";
import * as pulumi from "@pulumi/pulumi";

const base = { commit: "0123456789abcdef0123456789abcdef01234567", name: "main" };
const report = (...stacks: Difference[]): Report => ({ base, stacks });
const kinds = ({ resources }: Difference) => resources.map(({ kind, title }) => `${kind} ${title}`);

describe("fields", () => {
    const paths = (before: Parameters<typeof fieldChanges>[0], after: Parameters<typeof fieldChanges>[1]) =>
        fieldChanges(before, after).map(({ path, before: was, after: is }) => [path, was, is]);

    test("a value deep inside, by its path", () => {
        expect(paths({ values: { operator: { replicas: 1 } } }, { values: { operator: { replicas: 2 } } })).toEqual([
            ["values.operator.replicas", 1, 2],
        ]);
    });

    test("a key with dots stands in brackets", () => {
        expect(paths({ annotations: { "io.cilium/ips": "a" } }, { annotations: { "io.cilium/ips": "b" } })).toEqual([
            ['annotations["io.cilium/ips"]', "a", "b"],
        ]);
    });

    test("a new block is told leaf by leaf", () => {
        expect(paths({}, { spec: { a: 1, b: { c: [] } } })).toEqual([
            ["spec.a", undefined, 1],
            ["spec.b.c", undefined, []],
        ]);
    });

    test("elements go by their name: one that moves is no change of the others", () => {
        const env = (...names: string[]) => names.map((name) => ({ name, value: name }));
        expect(paths({ env: env("A", "B") }, { env: env("X", "A", "B") })).toEqual([
            ["env[X].name", undefined, "X"],
            ["env[X].value", undefined, "X"],
        ]);
        expect(paths({ env: env("A", "B") }, { env: env("B", "A") })).toEqual([
            ["env (order)", ["A", "B"], ["B", "A"]],
        ]);
    });

    test("the only rule with another host is a changed rule", () => {
        const rule = (host: string) => ({ rules: [{ host, http: { paths: ["/"] } }] });
        expect(paths(rule("a"), rule("b"))).toEqual([["rules[0].host", "a", "b"]]);
    });

    test("elements without a name: what came and what went", () => {
        expect(paths({ args: ["a", "b", "c"] }, { args: ["a", "c"] })).toEqual([["args[]", "b", undefined]]);
        expect(paths({ args: ["a", "b"] }, { args: ["a", "c"] })).toEqual([["args[1]", "b", "c"]]);
        expect(paths({ args: ["a"] }, { args: ["a", "a"] })).toEqual([["args[]", undefined, "a"]]);
        expect(paths({ args: ["a", "b", "a", "b"] }, { args: ["b", "a"] })).toEqual([
            ["args", ["a", "b", "a", "b"], ["b", "a"]],
        ]);
    });

    test("JSON inside of text is compared as such, other text by lines", () => {
        expect(paths({ data: '{"a":{"b":1}}' }, { data: '{"a":{"b":2}}' })).toEqual([["data(JSON).a.b", 1, 2]]);
        expect(fieldChanges("one\ntwo\nthree\nfour\n", "one\ntwo\n3\nfour\n", "script")).toEqual([
            { path: "script", lines: ["...", " two", "-three", "+3", " four", "..."] },
        ]);
    });

    test("lines: the longest common part stays", () => {
        expect(lineChanges(["a", "b", "c", "d"], ["a", "x", "c", "d"])).toEqual([" a", "-b", "+x", " c", "..."]);
        expect(lineChanges(["a"], ["a", "b"])).toEqual([" a", "+b"]);
    });

    test("sizes", () => {
        expect(["1Ki", "1.5Gi", "2k", "7", "[unknown]", ""].map(bytes)).toEqual([
            ...[1024, 1.5 * 1024 ** 3, 2000, 7],
            ...[undefined, undefined],
        ]);
    });
});

describe("resources", () => {
    const namespace = object("core/v1", "Namespace", "media", {});
    const service = (port: number, more = {}) => object("core/v1", "Service", "books", { spec: { port } }, more);
    const settings = object("core/v1", "ConfigMap", "books", { data: { a: "1" } });

    test("the same plan: nothing, and code 0", () => {
        const same = comparePlans(plan([namespace]), plan([namespace]));
        expect(same).toMatchObject({ status: "same", resources: [], dangers: [] });
        expect(exitCode(report(same))).toBe(EXIT.none);
    });

    test("added, changed and removed, in bootstrap order; what is removed stands where it stood", () => {
        const difference = comparePlans(
            plan([namespace, settings, service(80)]),
            plan([namespace, resource("command:local:Command", "first"), service(81)]),
        );
        expect(kinds(difference)).toEqual([
            "removed ConfigMap media/books",
            "added Command first",
            "changed Service media/books",
        ]);
        expect(difference.resources[2]?.fields).toEqual([{ path: "spec.port", before: 80, after: 81 }]);
        expect(exitCode(report(difference))).toBe(EXIT.changes);
    });

    test("replaced where the provider replaces: data of a ConfigMap, unless the provider may change them", () => {
        const other = object("core/v1", "ConfigMap", "books", { data: { a: "2" } });
        const provider = (inputs: Record<string, string>) =>
            resource("pulumi:providers:kubernetes", "test", { clusterIdentifier: "test", ...inputs });
        const replaced = comparePlans(plan([provider({}), settings]), plan([provider({}), other]));
        expect(replaced.resources).toMatchObject([{ kind: "replaced", because: ["data.a"] }]);
        const may = provider({ enableConfigMapMutable: "true" });
        expect(kinds(comparePlans(plan([may, settings]), plan([may, other])))).toEqual([
            "changed ConfigMap media/books",
        ]);
    });

    test("replaced where the command says so: another trigger, not another script", () => {
        const command = (inputs: Record<string, string[] | string>) =>
            resource("command:local:Command", "node", inputs);
        const compared = (a: Record<string, string[] | string>, b: Record<string, string[] | string>) =>
            kinds(comparePlans(plan([command(a)]), plan([command(b)])));
        expect(compared({ triggers: ["1"] }, { triggers: ["2"] })).toEqual(["replaced Command node"]);
        expect(compared({ create: "1" }, { create: "2" })).toEqual(["changed Command node"]);
    });

    test("a new stack: everything is added and nothing is a danger", () => {
        const difference = comparePlans(undefined, plan([namespace]));
        expect(difference).toMatchObject({ status: "new", dangers: [] });
        expect(kinds(difference)).toContain("added Namespace media/media");
        expect(comparePlans(plan([namespace]), undefined)).toMatchObject({ status: "gone" });
    });

    test("blast radius: what waits on what changes, through others, and does not change itself", () => {
        const waits = (name: string, on: string) => resource("command:local:Command", name, {}, { dependsOn: [on] });
        const command = (name: string) => urn("command:local:Command", name);
        const rest = [waits("b", service(80).urn), waits("c", command("b")), waits("d", namespace.urn)];
        const { blast } = comparePlans(
            plan([namespace, service(80), ...rest]),
            plan([namespace, service(81), ...rest]),
        );
        expect(blast).toEqual({
            waiting: 2,
            total: 7,
            rows: [{ title: "Service media/books", kind: "changed", waiting: 2, components: ["b", "c"] }],
        });
    });

    test("versions of charts and images; hosts, records and rules", () => {
        const release = (version: string) =>
            resource("kubernetes:helm.sh/v3:Release", "web", { chart: "oci://example.org/nginx", version });
        const image = (tag: string) => [
            { image: `example.org/books:${tag}@sha256:${tag}`, pinned: true, usedBy: ["books"] },
        ];
        const record = (content: string) => [
            { name: "a.org", type: "A", content, proxied: false, access: "local", owner: "pulumi" as const },
        ];
        const difference = comparePlans(
            plan([release("1.0.0")], { images: image("1"), dns: record("10.0.0.1") }),
            plan([release("2.0.0")], { images: image("2"), dns: record("10.0.0.2") }),
        );
        expect(difference.charts).toEqual([{ name: "nginx", before: ["1.0.0"], after: ["2.0.0"], usedBy: ["web"] }]);
        expect(difference.images).toEqual([
            { name: "example.org/books", before: ["1@sha256:1"], after: ["2@sha256:2"], usedBy: ["books"] },
        ]);
        expect(difference.dns).toEqual([
            {
                what: "a.org A",
                before: "10.0.0.1, local, kept by pulumi",
                after: "10.0.0.2, local, kept by pulumi",
            },
        ]);
    });

    test("an alias of a component is one for what it owns, names that begin with its name included", () => {
        const type = "homelab:network:Thing";
        const tree = (name: string, aliases: readonly string[]) => [
            resource(type, name, {}, { custom: false, aliases }),
            resource(
                "command:local:Command",
                `${name}-ready`,
                { create: "true" },
                {
                    urn: urn(`${type}$command:local:Command`, `${name}-ready`),
                    parent: urn(type, name),
                },
            ),
        ];
        const difference = comparePlans(plan(tree("lan", [])), plan(tree("pool", [urn(type, "lan")])));
        expect(kinds(difference)).toEqual(["renamed Thing pool", "renamed Command pool-ready"]);
        expect(difference.dangers).toEqual([]);
        const { dangers } = comparePlans(plan(tree("lan", [])), plan(tree("pool", [])));
        expect(dangers).toMatchObject([{ id: "urn-without-alias", subject: "Thing pool, which was lan" }]);
        expect(dangers[0]?.message).toContain('aliases: [{ name: "lan" }]');
    });
});

describe("dangers", () => {
    const ids = ({ dangers }: Difference) => dangers.map(({ id }) => id);

    test.each(fixtures)("$danger: $title", ({ danger, trips, misses }) => {
        const invalid = comparePlans(...trips);
        expect(ids(invalid)).toEqual([danger]);
        expect(exitCode(report(invalid))).toBe(EXIT.dangers);
        expect(ids(comparePlans(...misses))).toEqual([]);
    });

    test("every danger has a fixture, and a name and a description of its own", () => {
        expect([...new Set(fixtures.map(({ danger }) => danger))].sort()).toEqual(
            dangerRules.map(({ id }) => id).sort(),
        );
        expect(new Set(dangerRules.map(({ name }) => name)).size).toBe(dangerRules.length);
        expect(dangerRules.filter(({ description }) => description.length < 20)).toEqual([]);
    });

    test("what is refused, and what is replaced, is said of an immutable field", () => {
        const message = (title: string) => {
            const fixture = fixtures.find((each) => each.title.startsWith(title));
            return fixture === undefined ? undefined : comparePlans(...fixture.trips).dangers[0]?.message;
        };
        expect(message("a selector")).toContain("The provider replaces the object");
        expect(message("what a class does")).toContain("the API server refuses: `pulumi up` fails here");
    });
});

describe("settings that can lose data, in the committed files", () => {
    type Tree = { [key: string]: Tree };
    /** The plan of a stack with other values at dotted paths. */
    const planWith = (stack: string, changes: Readonly<Record<string, unknown>>) => {
        const value = structuredClone(readStackValue(ROOT, stack)) as Tree;
        for (const [path, to] of Object.entries(changes)) {
            const keys = path.split(".");
            const last = keys.pop() ?? "";
            const parent = keys.reduce((node, key) => (node[key] ??= {}), value);
            parent[last] = to as Tree;
        }
        return planStack(stack, value, ROOT);
    };

    test("on homelab a size is a word that a claim keeps; another library is a danger", async () => {
        const before = await planWith("homelab", {});
        const [sonarr] = before.resources.filter(
            ({ name, type }) => name === "sonarr" && type.endsWith(":PersistentVolumeClaim"),
        );
        expect(sonarr?.ignoreChanges).toEqual(["spec.resources.requests.storage"]);
        const grown = await planWith("homelab", { "apps.sonarr.storage": "10Gi", "apps.plex.storage": "1Gi" });
        expect(comparePlans(before, grown)).toMatchObject({ status: "same", dangers: [] });
        const moved = comparePlans(before, await planWith("homelab", { "storage.media": "/var/data/films" }));
        expect(moved.dangers).toEqual([
            expect.objectContaining({
                id: "data-directory-changed",
                subject: "plex /media, radarr /media, sonarr /media",
            }),
        ]);
    });

    test("on chongus each has its danger", async () => {
        const after = await planWith("chongus", {
            "storage.confirmDataLoss": "yes-really-destroy-data",
            "storage.nfs.media": "/volume2/media",
            "storage.localHostpath": "/var/mnt/other",
            "backups.beforeDestroy": false,
            "backups.minio.bucket": "volsync2",
            "backups.b2.endpoint": "https://s3.eu-central-003.backblazeb2.com",
            "postgres.backup.bucket": "postgres2",
            "monitoring.loki.bucket": "loki2",
            "monitoring.thanos.endpoint": "https://s3.example.org",
        });
        const { dangers } = comparePlans(await planWith("chongus", {}), after);
        const count = (id: string) => dangers.filter((danger) => danger.id === id).length;
        expect(Object.fromEntries([...new Set(dangers.map(({ id }) => id))].map((id) => [id, count(id)]))).toEqual({
            "data-loss-confirmed": 1,
            "data-directory-changed": 2,
            "last-backup-dropped": 1,
            "backup-moved": 5,
        });
        expect(
            dangers
                .find(({ id }) => id === "last-backup-dropped")
                ?.subject.split(", ")
                .sort(),
        ).toEqual([...["jellyfin", "paperless", "postgres", "prowlarr", "radarr", "sabnzbd", "sonarr"]]);
    });

    test.each([
        ["magi", { "secrets.vault.snapshots.beforeDestroy": false }, "last-backup-dropped", "vault"],
        ["truenas", { "backups.repository": "/mnt/tank/other" }, "backup-moved", "CronJob"],
    ])("on %s %j is a danger", async (stack, change, id, subject) => {
        const { dangers } = comparePlans(await planWith(stack, {}), await planWith(stack, change));
        const found = dangers.filter((danger) => danger.id === id);
        expect(found.map((danger) => danger.subject)).toEqual([expect.stringContaining(subject)]);
    });

    test("protectData protects what holds data, and what destroy meets first; to take it off is a danger", async () => {
        const guarded = await planWith("chongus", { protectData: true });
        const protects = ({ resources }: Plan) =>
            resources.filter(({ protect }) => protect).map((each) => `${each.type.split(":").at(-1)} ${each.name}`);
        expect(protects(guarded).sort()).toEqual([
            "Cluster postgres",
            "Command cluster-identity",
            ...["jellyfin", "paperless", "prowlarr", "radarr", "sabnzbd", "sonarr"].map(
                (app) => `PersistentVolumeClaim ${app}`,
            ),
            "Release ceph",
        ]);
        const plain = await planWith("chongus", {});
        expect(protects(plain)).toEqual([]);
        expect(comparePlans(guarded, plain).dangers.map(({ id }) => id)).toEqual(
            protects(guarded).map(() => "protection-dropped"),
        );
        const homelab = await planWith("homelab", { protectData: true });
        const apps = ["overseerr", "plex", "prowlarr", "radarr", "sonarr", "transmission"];
        expect(protects(homelab).sort()).toEqual([
            "Command cluster-identity",
            ...apps.map((app) => `PersistentVolume ${app}`),
            ...apps.map((app) => `PersistentVolumeClaim ${app}`),
        ]);
    });
});

describe("changes that the engine does not see", () => {
    const settings = (data: Json, ignoreChanges: readonly string[]) =>
        plan([object("core/v1", "ConfigMap", "books", { data, immutable: true }, { ignoreChanges })]);

    test("are none here either: no field, no danger, no replacement", () => {
        expect(comparePlans(settings({ a: "1" }, []), settings({ a: "2" }, ["data.a"])).status).toBe("same");
        expect(comparePlans(settings({ a: "1" }, []), settings({ a: "2", b: "3" }, ["data"])).status).toBe("same");
        expect(comparePlans(settings({}, []), settings({ a: "2" }, ["data.a"])).status).toBe("same");
        expect(comparePlans(settings({ a: "1" }, []), settings({}, ["data"])).status).toBe("same");
    });

    test("but only where the path says so, in the new program", () => {
        const { resources } = comparePlans(settings({ a: "1", b: "1" }, []), settings({ a: "2", b: "2" }, ["data.a"]));
        expect(resources.map(({ fields }) => fields.map(({ path }) => path))).toEqual([["data.b"]]);
        expect(comparePlans(settings({ a: "1" }, ["data"]), settings({ a: "2" }, [])).status).toBe("changed");
    });
});

describe("what the API server refuses", () => {
    const refused = (before: Json, after: Json) => {
        const [old, now] = [manifestObject(before), manifestObject(after)];
        return old === undefined || now === undefined ? undefined : refusals(old, now).map(({ path }) => path);
    };

    // The same cases are put to the real server by tests/engine/immutable.test.ts.
    test.each(cases.map((each) => [each.title, each.refused ? "refused" : "taken", each] as const))(
        "%s: %s",
        (_, __, { before, after, refused: expected }) => {
            const paths = refused(before, after);
            expect([paths, (paths?.length ?? 0) > 0]).toEqual([paths, expected]);
        },
    );

    test("every kind of the list has a case that is refused", () => {
        const asked = cases.flatMap(({ before, refused: expected }) => {
            const object = manifestObject(before as Json);
            return expected && object !== undefined ? [`${object.group}/${object.kind}`] : [];
        });
        expect(kindsWithImmutableFields.filter((kind) => !asked.includes(kind))).toEqual([]);
    });
});

describe("aliases in a plan", () => {
    test("as URNs, completed as the engine does", async () => {
        class Thing extends pulumi.ComponentResource {
            constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
                super("homelab:test:Thing", name, {}, opts);
                this.registerOutputs({});
            }
        }
        const resources = await planComponent(() => {
            const owner = new Thing("owner");
            new Thing("a", { aliases: [{ name: "b" }] });
            new Thing("c", {
                parent: owner,
                aliases: [{ parent: pulumi.rootStackResource }, { type: "homelab:test:Old" }],
            });
            new Thing("d", { aliases: [urn("x:y:Z", "d")] });
        });
        const aliases = Object.fromEntries(resources.map(({ name, aliases: list }) => [name, list]));
        expect(aliases).toEqual({
            owner: [],
            a: [urn("homelab:test:Thing", "b")],
            c: [urn("homelab:test:Thing", "c"), urn("homelab:test:Thing$homelab:test:Old", "c")],
            d: [urn("x:y:Z", "d")],
        });
    });
});

describe("a report", () => {
    let homelab: Plan;
    beforeAll(async () => {
        homelab = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
    });

    /** The plan with texts that would like to be more than text. */
    const hostile = "x` | @everyone <!-- --> </details> [a](https://example.org) \u202e **b**\n\n```\n# c";

    test("of a real stack against nothing fits the schema that the comment is made from", () => {
        const whole = report(comparePlans(undefined, homelab), comparePlans(homelab, homelab));
        expect(reportSchema.parse(JSON.parse(JSON.stringify(whole)))).toEqual(JSON.parse(JSON.stringify(whole)));
        const text = renderText(whole);
        expect(text).toContain(`homelab: new stack, ${homelab.resources.length} added; no dangers`);
    });

    test("Markdown: marker first, dangers before details", () => {
        const changed = {
            ...homelab,
            exposures: homelab.exposures.map((row) => ({ ...row, access: "external" as const })),
        };
        const markdown = renderMarkdown(report(comparePlans(homelab, changed)));
        expect(markdown.startsWith(`${MARKER}\n## Plan diff: :warning: **8 dangers**`)).toBe(true);
        expect(markdown.indexOf("internet-exposed")).toBeLessThan(markdown.indexOf("<details>"));
        expect(markdown.match(/<details>/g)).toHaveLength(markdown.match(/<\/details>/g)?.length ?? 0);
    });

    test("too much for a comment: cut between parts, closed, and said", () => {
        const markdown = renderMarkdown(
            report(comparePlans(undefined, homelab), comparePlans(homelab, undefined)),
            3_000,
        );
        expect(Buffer.byteLength(markdown)).toBeLessThan(3_000);
        expect(markdown).toMatch(/\*\*Cut short:\*\* \d+ parts of this report did not fit/);
        expect(markdown.match(/<details>/g)).toHaveLength(markdown.match(/<\/details>/g)?.length ?? 0);
    });

    test("text of others stays text", () => {
        const odd = (value: string) => ({
            ...plan([object("core/v1", "ConfigMap", hostile, { data: { [hostile]: value } })], {
                volumes: [
                    { workload: hostile, mountPath: hostile, kind: "data", source: value, survivesDestroy: true },
                ],
                dns: [{ name: hostile, type: "A", content: value, proxied: true, access: "local", owner: "pulumi" }],
            }),
            stack: hostile,
        });
        const markdown = renderMarkdown(report(comparePlans(odd("a"), { ...odd(hostile), volumes: [] })));
        // Outside of code nothing is left that mentions, links, comments or closes.
        const fences = /^( *)(`{3,})diff\n[\s\S]*?^\1\2$/gm;
        const spans = /(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)/g;
        const outside = markdown
            .replace(MARKER, "")
            .replace(fences, "")
            .replace(spans, "")
            .replace(/<code>.*?<\/code>/g, "");
        expect(outside).not.toMatch(/@(?!\u200b)|<!--|\]\(|https:\/\/|\u202e|\*\*b\*\*|^#+ c/m);
        expect(outside.match(/<\/details>/g)).toHaveLength(1);
        expect(
            markdown
                .split("\n")
                .filter((line) => line.startsWith("|"))
                .every((line) => line.endsWith("|")),
        ).toBe(true);
    });

    test("code spans and sentences", () => {
        expect(code("a`b")).toBe("``a`b``");
        expect(code("`a`")).toBe("`` `a` ``");
        expect(sentence("a_b @c #1")).toBe("a&#95;b @\u200bc &#35;\u200b1");
    });
});

describe("plans of older revisions", () => {
    const text = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
    const old = { stack: "a", order: [], resources: [{ urn: "u", type: "t", name: "n", inputs: { a: ["}"] } }] };

    test("several one after the other; what older tools did not say is filled in", () => {
        const plans = parsePlans(text(old) + text({ ...old, stack: "b" }));
        expect([...plans.keys()]).toEqual(["a", "b"]);
        expect(plans.get("a")).toMatchObject({
            tunnel: [],
            resources: [{ aliases: [], dependsOn: [], protect: false }],
        });
    });

    test.each([
        ["no JSON", "plan of a\n", /no JSON/],
        ["another shape", text({ stack: "a", order: [] }), /another shape \(resources: /],
    ])("%s is a user's error", (_, input, message) => {
        expect(() => parsePlans(input)).toThrow(message);
    });
});

describe("options", () => {
    test("all of them", () => {
        expect(
            parseOptions(["--base", "v1", "--stack=homelab", "--render", "--markdown", "out.md", "--json", "-"]),
        ).toEqual({
            ...{ base: "v1", stack: "homelab", render: true, markdown: "out.md", json: "-" },
        });
    });

    test.each([
        [["--bsae", "x"], /unknown option --bsae; usage/],
        [["homelab"], /unknown word homelab; usage/],
        [["--base"], /--base needs a value/],
        // A revision of that name would be an option of git's.
        [["--base=--help"], /--base needs a value/],
        [["--markdown", "--json"], /--markdown needs a value/],
        [["--json="], /--json needs a value/],
        [["--markdown", "-", "--json", "-"], /both print/],
    ])("%j is refused", (words, message) => {
        expect(() => parseOptions(words)).toThrow(message);
    });
});
