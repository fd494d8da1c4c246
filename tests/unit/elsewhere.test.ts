/** What a fault and docs/configuration.md say of other recipes is true of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ELSEWHERE } from "../../lab/parts";
import { openStack } from "../../stacks";
import { chongusSchema } from "../../stacks/chongus.schema";
import { homelabSchema } from "../../stacks/homelab.schema";
import { k3sHomeSchema } from "../../stacks/k3s-home.schema";
import { magiSchema } from "../../stacks/magi.schema";
import { truenasSchema } from "../../stacks/truenas.schema";

const SCHEMAS = {
    homelab: homelabSchema("a"),
    chongus: chongusSchema("a"),
    truenas: truenasSchema("a"),
    "k3s-home": k3sHomeSchema("a"),
    magi: magiSchema("a"),
};

/** A schema's keys, by what each may have below it. */
type Keys = { readonly properties?: Readonly<Record<string, Keys>>; readonly items?: Keys };
const RECIPES: Readonly<Record<string, Keys>> = Object.fromEntries(
    Object.entries(SCHEMAS).map(([name, schema]) => [
        name,
        z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Keys,
    ]),
);

/** Whether there is such a key, the steps of its path divided by dots. */
const has = (keys: Keys, path: string): boolean => {
    const end = path.split(".").reduce<Keys | undefined>((at, step) => (at?.items ?? at)?.properties?.[step], keys);
    return end !== undefined;
};

const named = (text: string) => Object.keys(RECIPES).filter((name) => text.split(/[\s,]+/).includes(name));
const having = (key: string) =>
    Object.entries(RECIPES)
        .filter(([, keys]) => has(keys, key))
        .map(([name]) => name);

test.each([
    [ELSEWHERE.postgres, "postgres"],
    [ELSEWHERE.prometheus, "monitoring"],
    [ELSEWHERE.network, "networks"],
])("%s", (text, key) => expect(named(text)).toEqual(having(key)));

describe("the table of docs/configuration.md", () => {
    const document = readFileSync(join(__dirname, "..", "..", "docs", "configuration.md"), "utf8");
    const lines = document.split("\n").filter((line) => line.startsWith("| "));
    const cells = (line: string) =>
        line
            .split("|")
            .slice(1, -1)
            .map((cell) => cell.trim());
    const heads =
        lines
            .map(cells)
            .find(([first]) => first === "what")
            ?.slice(1) ?? [];
    const rows = lines
        .map(cells)
        .filter((row) => row.length === heads.length + 1)
        .flatMap(([what = "", ...said]) => {
            const key = /\(`([^`]+)`\)$/.exec(what)?.[1];
            return key === undefined ? [] : [[key, heads.filter((_, column) => said[column] !== "-")] as const];
        });

    test("has a column a recipe, and keys", () => {
        expect(heads).toEqual(Object.keys(RECIPES));
        expect(rows.length).toBeGreaterThan(10);
    });

    test.each(rows)("%s: %j", (key, recipes) => expect(having(key)).toEqual(recipes));
});

test("a partner that the cluster would refuse is not named", () => {
    const value = {
        recipe: "k3s-home",
        domain: "cabin.example",
        nodes: [{ name: "one", address: "192.168.7.10", role: "server" }],
        network: { pool: "192.168.7.240/28" },
        storage: { nfs: { server: "192.168.7.5", media: "/media", downloads: "/downloads" } },
        apps: { sonarr: {}, prowlarr: {} },
    };
    expect(() => openStack("cabin", value)).toThrow(
        /only together with an app for downloads: qbittorrent or sabnzbd\n.*add "qbittorrent: \{\}"/,
    );
});

test("one machine of k3s-home is not sent to a cluster of one machine: devices are what it has none of", () => {
    const value = {
        recipe: "k3s-home",
        domain: "cabin.example",
        nodes: [{ name: "one", address: "192.168.7.10", role: "server" }],
        network: { pool: "192.168.7.240/28" },
        apps: { "arr-stack": { vpn: { provider: "protonvpn" } } },
    };
    expect(() => openStack("cabin", value)).toThrow(ELSEWHERE.device);
});
