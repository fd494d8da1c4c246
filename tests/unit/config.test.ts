import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStack, recipes, stacks } from "../../stacks";
import { crossCheck } from "../../config/cross-checks";
import { ConfigError, describeFaults, didYouMean, show, type Fault } from "../../config/parse";
import { parseStackFile } from "../../config/stack-files";
import { PROJECT, readStackValue, ROOT } from "../../stacks/stack-file";
import { UserError } from "../../lib/user-error";
import { invalidBase, invalidFixtures, valueOf } from "./invalid-fixtures";

const FIXTURES = join(__dirname, "..", "fixtures");
const files = (folder: string) => readdirSync(folder).filter((file) => file.endsWith(".yaml"));

function faultsOf(stack: string, input: unknown): readonly Fault[] {
    try {
        openStack(stack, input);
    } catch (error) {
        if (error instanceof ConfigError) return error.faults;
        throw error;
    }
    return [];
}

/** Fixtures are those of a recipe, and its own stack has its name. */
const recipeNames = recipes.map(({ name }) => name);

describe.each(recipeNames)("stack %s", (stack) => {
    test("the committed file is valid", () => {
        expect(faultsOf(stack, readStackValue(ROOT, stack))).toEqual([]);
    });

    const invalid = invalidFixtures(stack);
    test("has at least 25 invalid fixtures, of a base without a fault", () => {
        expect(invalid.length).toBeGreaterThanOrEqual(25);
        expect(faultsOf(stack, invalidBase(stack))).toEqual([]);
    });

    test.each(invalid)("invalid fixture $name trips exactly its rule at its path", ({ rule, path, value }) => {
        const faults = faultsOf(stack, value);
        expect(faults.map((fault) => ({ rule: fault.rule, path: fault.path }))).toEqual([{ rule, path }]);
        const [fault] = faults;
        expect(fault?.allowed).not.toMatch(/Invalid|Too (small|big)|expected|undefined|\ba int\b|^$/);
        expect(fault?.got).not.toBe("");
    });

    test.each(files(join(FIXTURES, "valid", stack)))("valid fixture %s is accepted", (file) => {
        expect(faultsOf(stack, valueOf(join(FIXTURES, "valid", stack, file)))).toEqual([]);
    });
});

/** Rules that the invalid fixtures of a stack trip. */
const fixtureRules = (stack: string) => invalidFixtures(stack).map(({ rule }) => rule);
/** Rules that these files can report. */
const declaredIn = (...sources: string[]) =>
    sources
        .map((file) => readFileSync(join(ROOT, file), "utf8"))
        .flatMap((source) => [...source.matchAll(/(?:rule: |claimedTwice\(\s*|outside\(\s*)"([a-z0-9-]+)"/g)])
        .flatMap(([, rule]) => rule ?? []);

/** The parts of lab/ that a schema is made of; the catalogue's rules are every recipe's. */
const partsOf = (schema: string) =>
    [...readFileSync(join(ROOT, schema), "utf8").matchAll(/from "\.\.\/(lab\/[\w-]+)"/g)]
        .map(([, part = ""]) => `${part}.ts`)
        .filter((part) => part !== "lab/apps.ts");

/** Held by tests of their own: a file that trips them would be very long. */
const LONG = ["too-many-listeners"];

test.each(recipeNames)("every cross rule of the recipe %s and its parts has a fixture", (stack) => {
    const rules = fixtureRules(stack);
    const schema = `stacks/${stack}.schema.ts`;
    const own = declaredIn(schema, ...partsOf(schema));
    expect(own.length).toBeGreaterThan(5);
    expect(own.filter((rule) => !rules.includes(rule) && !LONG.includes(rule)).sort()).toEqual([]);
});

test("every rule that recipes share has a fixture in some recipe", () => {
    const rules = recipeNames.flatMap((recipe) => fixtureRules(recipe));
    const shared = declaredIn(
        ...["config/rules.ts", "config/parse.ts", "lab/apps.ts", "lab/logins.ts", "lab/recipe.ts", "lab/bridges.ts"],
        ...["apps/media/vpn.ts", "apps/other/headscale.ts"],
    );
    // A recipe that nobody knows is asked for below.
    const known = [...rules, "unknown-recipe"];
    expect(shared.filter((rule) => !known.includes(rule)).sort()).toEqual([]);
});

test("every rule of the schemas' building blocks has a fixture in some stack", () => {
    const rules = recipeNames.flatMap((recipe) => fixtureRules(recipe));
    expect(declaredIn("config/fields.ts").filter((rule) => !rules.includes(rule))).toEqual([]);
});

test("all faults of a file come at once, with value, allowed and suggestion", () => {
    const faults = faultsOf("homelab", {
        ...(readStackValue(ROOT, "homelab") as object),
        domian: "peterstorm.io",
        timezone: "Mars/Base",
        gitops: { repository: "nowhere", path: "../up" },
    });
    expect(faults.map(({ path }) => path).sort()).toEqual(["domian", "gitops.path", "gitops.repository", "timezone"]);
    expect(faults.find(({ path }) => path === "domian")).toEqual({
        rule: "unknown-key",
        path: "domian",
        got: '"peterstorm.io"',
        allowed: expect.stringContaining("domain, gitops"),
        suggestion: "did you mean domain?",
    });
});

test("faults across fields come together with those of single fields", () => {
    const value = readStackValue(ROOT, "homelab") as { apps: object; node: object };
    const faults = faultsOf("homelab", {
        ...value,
        timezoen: "Europe/Copenhagen",
        apps: { ...value.apps, plex: { address: "192.168.0.239" } },
        node: { ...value.node, address: "192.168.0.241" },
    });
    expect(faults.map(({ rule, path }) => `${rule} ${path}`).sort()).toEqual([
        "address-outside-pool apps.plex.address",
        "node-in-pool node.address",
        "unknown-key timezoen",
    ]);
});

test.each([
    ["gpus", "none", "gpus"],
    ["gpus.nvidia.shares", 0, "gpus.nvidia.shares"],
    ["nodes.3.gpus", 1, "nodes.3.gpus"],
    ["nodes.3.gpus.nvidia", "one", "nodes.3.gpus.nvidia"],
    ["storage", null, "storage"],
    ["storage.nfs", [], "storage.nfs"],
])("%s that is %j is one fault, without what would follow from it", (place, wrong, path) => {
    const value = changed("k3s-home", place, wrong);
    const before = structuredClone(value);
    expect(faultsOf("k3s-home", value).map((fault) => fault.path)).toEqual([path]);
    expect(value).toEqual(before);
});

test("the message is readable and the error carries no stack for the engine to print", () => {
    const error = (() => {
        try {
            openStack("homelab", { ...(readStackValue(ROOT, "homelab") as object), timezone: 3 });
        } catch (caught) {
            return caught;
        }
        return undefined;
    })();
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toBe(
        "Pulumi.homelab.yaml has 1 fault; nothing was touched.\n" +
            "  timezone: got 3; allowed: an IANA time zone such as Europe/Copenhagen",
    );
});

test("an unknown recipe names the known ones; a stack of another name must say its own", () => {
    expect(faultsOf("homelap", { recipe: "homelap" })).toEqual([
        {
            rule: "unknown-recipe",
            path: "recipe",
            got: '"homelap"',
            allowed: `one of ${recipeNames.join(", ")}`,
            suggestion: "did you mean homelab?",
        },
    ]);
    expect(faultsOf("cabin", {})).toEqual([
        {
            rule: "unknown-recipe",
            path: "recipe",
            got: "nothing",
            allowed: `one of ${recipeNames.join(", ")} (required: no recipe is called cabin)`,
        },
    ]);
});

test.each([
    "Europe/Copenhagen",
    "America/Los_Angeles",
    "America/Port_of_Spain",
    "Asia/Kolkata",
    "Europe/Kyiv",
    "UTC",
    "Etc/UTC",
])("the time zone %s is taken", (timezone) => {
    expect(faultsOf("homelab", { ...(readStackValue(ROOT, "homelab") as object), timezone })).toEqual([]);
});

test.each([
    ["europe/copenhagen", "did you mean Europe/Copenhagen?"],
    ["US/Pacific", "did you mean America/Los_Angeles?"],
])("the time zone %s is answered with its canonical name", (timezone, suggestion) => {
    const value = { ...(readStackValue(ROOT, "homelab") as object), timezone };
    expect(faultsOf("homelab", value)).toEqual([expect.objectContaining({ path: "timezone", suggestion })]);
});

test("of a Talos release that is not known nothing is said of its Kubernetes", () => {
    const value = readStackValue(ROOT, "chongus") as { talos: object };
    const faults = (version: string, kubernetes: string) =>
        faultsOf("chongus", { ...value, talos: { ...value.talos, version, kubernetes } }).map(({ rule }) => rule);
    expect(faults("v1.99.0", "1.37.0")).toEqual(["talos-release"]);
    expect(faults("v1.8.0", "1.31.4")).toEqual([]);
    expect(faults("v1.13.2", "1.36.0")).toEqual([]);
    expect(faults("v1.13.2", "1.37.0")).toEqual(["kubernetes-of-talos"]);
});

test("a thousand faults are a short answer", () => {
    const apps = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`app${index}`, {}]));
    const faults = faultsOf("homelab", { ...(readStackValue(ROOT, "homelab") as object), apps });
    expect(faults).toHaveLength(1000);
    const lines = describeFaults("homelab", faults).split("\n");
    expect(lines[0]).toBe("Pulumi.homelab.yaml has 1000 faults; nothing was touched.");
    expect(lines).toHaveLength(27);
    expect(lines.at(-1)).toBe("  ... and 975 more");
});

describe("raw YAML", () => {
    const bomb = [
        "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]",
        ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(", ")}]`),
    ].join("\n");
    const clusterKey = "config:\n  homelab-infrastructure:cluster:\n    ";
    const cases: [string, string, RegExp][] = [
        [
            "UTF-16",
            Buffer.from(`${clusterKey}domain: a.b\n`, "utf16le").toString("utf8"),
            /it is not UTF-8 .* save it as UTF-8$/,
        ],
        [
            "megabytes",
            `${clusterKey}${Array.from({ length: 200_000 }, (_, at) => `key${at}: 1`).join("\n      ")}\n`,
            /it has 3\d{6} characters; allowed: at most 1000000,/,
        ],
        ["an alias bomb", `${bomb}\n${clusterKey}apps: *a9\n`, /its aliases .* write the values out$/],
        ["an alias of itself", `${clusterKey}apps: &apps { plex: *apps }\n`, /its aliases .* write the values out$/],
        [
            "an octal number",
            `${clusterKey}node: { ssh: { port: 022 } }\n`,
            /line 3: got 022; allowed: a number without leading zeros.* write 22, or quote it/,
        ],
        [
            "a date",
            `${clusterKey}gitops: { revision: 2024-01-31 }\n`,
            /line 3: got 2024-01-31; allowed: no date, .* quote it: "2024-01-31"$/,
        ],
        [
            "an alias of nothing",
            `${clusterKey}domain: *home\n`,
            /the alias \*home stands for nothing: no &home comes before/,
        ],
        ["no YAML", `${clusterKey}a: [1\n`, /it is not valid YAML/],
    ];

    test.each(cases)("%s is a short answer without a trace", (_, text, fault) => {
        const root = mkdtempSync(join(tmpdir(), "stack-file-"));
        try {
            writeFileSync(join(root, "Pulumi.homelab.yaml"), text);
            expect(() => readStackValue(root, "homelab")).toThrow(UserError);
            expect(() => readStackValue(root, "homelab")).toThrow(fault);
            const { unread } = crossCheck(root, PROJECT, stacks);
            expect(unread).toEqual([{ stack: "homelab", text: expect.stringMatching(fault) }]);
            expect(unread[0]?.text.length).toBeLessThan(400);
        } finally {
            rmSync(root, { recursive: true });
        }
    });

    test("a key in quotes makes a stack, too", () => {
        const root = mkdtempSync(join(tmpdir(), "stack-file-"));
        try {
            for (const [name, key] of [
                ["a", "x:cluster"],
                ["b", '"x:cluster"'],
                ["c", "x:clusters"],
            ] as const) {
                writeFileSync(join(root, `Pulumi.${name}.yaml`), `config:\n  ${key}:\n    domain: x.example\n`);
            }
            expect(stacks.names(root)).toEqual(["a", "b"]);
        } finally {
            rmSync(root, { recursive: true });
        }
    });

    test("a date in quotes is a text", () => {
        expect(parseStackFile('a: "2024-01-31"\nb: v2024-01-31\n').read).toEqual({
            content: { a: "2024-01-31", b: "v2024-01-31" },
        });
    });

    test("a text in quotes may begin with a zero", () => {
        expect(parseStackFile('a: "022"\nb: 0\nc: 0.5\n').read).toEqual({ content: { a: "022", b: 0, c: 0.5 } });
    });
});

/** The committed value of a recipe with another one at a place. */
function changed(recipe: string, place: string, to: unknown): unknown {
    const value = structuredClone(readStackValue(ROOT, recipe));
    const keys = place.split(".");
    const holder = keys.slice(0, -1).reduce((node, key) => (node as Record<string, unknown>)[key], value);
    (holder as Record<string, unknown>)[keys.at(-1) ?? ""] = to;
    return value;
}

const suggested = (recipe: string, place: string, value: unknown) =>
    faultsOf(recipe, changed(recipe, place, value)).map(({ path, suggestion }) => [path, suggestion]);

test("a number that should be a text, and the other way round, is a matter of quotes", () => {
    expect(suggested("truenas", "argocd.host", 123)).toEqual([["argocd.host", 'put it in quotes: "123"']]);
    expect(suggested("truenas", "docker.capacity.cpu", 8)).toEqual([["docker.capacity.cpu", 'put it in quotes: "8"']]);
    expect(suggested("truenas", "docker.ports.http", "8081")).toEqual([["docker.ports.http", "without quotes: 8081"]]);
    expect(suggested("truenas", "docker.ports.http", "0")).toEqual([["docker.ports.http", undefined]]);
    expect(suggested("truenas", "cloudflare.zoneId", 1e31)).toEqual([
        ["cloudflare.zoneId", "put it in quotes: without them YAML reads a number"],
    ]);
    expect(suggested("truenas", "docker.ports.http", 1e31)).toEqual([["docker.ports.http", undefined]]);
});

test("what a hand leaves out or writes too much of is said", () => {
    for (const nothing of [null, true, false]) {
        expect(suggested("magi", "apps.sonarr", nothing)).toEqual([
            ["apps.sonarr", "write sonarr: {}, or take the line out"],
        ]);
    }
    // A block that needs keys says which.
    expect(suggested("magi", "certificates", null)).toEqual([["certificates", undefined]]);
    expect(suggested("magi", "apps.homarr.nodes", "melchior-1")).toEqual([
        ["apps.homarr.nodes", 'a list of one is ["melchior-1"]'],
    ]);
    const hosts = { Start: "start", "start.magi.example": "start", "https://start/": "start", "-": undefined };
    for (const [host, meant] of Object.entries(hosts)) {
        const mend = meant === undefined ? undefined : `did you mean ${meant}?`;
        expect([host, suggested("magi", "apps.homarr.host", host)]).toEqual([host, [["apps.homarr.host", mend]]]);
    }
    const sizes = {
        ...{
            "2G": "2Gi",
            "2GB": "2Gi",
            "2GiB": "2Gi",
            "2gi": "2Gi",
            "2 Gi": "2Gi",
            "1.5Gi": "1536Mi",
            "900K": undefined,
        },
        ...{ "2": undefined, "2X": undefined, "0.5K": undefined, "-2Gi": undefined, "2048T": undefined },
    };
    for (const [size, meant] of Object.entries(sizes)) {
        const mend = meant === undefined ? undefined : `did you mean ${meant}?`;
        const [[, said] = []] = suggested("magi", "apps.homarr.memory", size);
        expect([size, said]).toEqual([size, mend]);
    }
});

test("what JSON has no word for is shown as it is", () => {
    expect([show(Infinity), show(NaN), show("1")]).toEqual(["Infinity", "NaN", '"1"']);
});

test("did you mean: near words only", () => {
    expect(didYouMean("sonar", ["sonarr", "radarr"])).toEqual({ suggestion: "did you mean sonarr?" });
    expect(didYouMean("jellyfin", ["sonarr", "radarr"])).toEqual({});
});

test("did you mean: what a name is shortened to, where it is one name alone", () => {
    const providers = ["ivpn", "nordvpn", "private internet access", "privatevpn", "protonvpn"];
    expect(["pia", "proton", "nord", "priv"].map((word) => didYouMean(word, providers).suggestion)).toEqual([
        "did you mean private internet access?",
        "did you mean protonvpn?",
        "did you mean nordvpn?",
        undefined,
    ]);
});
