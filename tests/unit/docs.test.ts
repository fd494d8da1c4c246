import { componentGraph, fold } from "../../tools/docs/components";
import { fillBlocks, staleDocuments } from "../../tools/docs/documents";
import { drawPlan } from "../../tools/docs/picture";
import { markdownTable } from "../../tools/docs/markdown";
import { blocks } from "../../tools/docs/tables";
import { text } from "../../tools/docs/text";
import { planStack, type Plan, type PlannedResource } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";

let homelab: Plan;
beforeAll(async () => {
    homelab = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
});

const STACK = "urn:pulumi:test::homelab-infrastructure::pulumi:pulumi:Stack::test";
const urn = (name: string) => `urn:pulumi:test::homelab-infrastructure::homelab:network:Thing::${name}`;

function resource(name: string, waits: readonly string[], more: Partial<PlannedResource> = {}): PlannedResource {
    return {
        urn: urn(name),
        type: "homelab:network:Thing",
        name,
        custom: false,
        parent: STACK,
        dependsOn: waits.map(urn),
        protect: false,
        retainOnDelete: false,
        provider: null,
        aliases: [],
        inputs: {},
        ...more,
    };
}

/** A plan of empty components, each with what it waits for. */
function planOf(waits: Readonly<Record<string, readonly string[]>>, more: readonly PlannedResource[] = []): Plan {
    const resources = [
        resource("test", [], { urn: STACK, type: "pulumi:pulumi:Stack", parent: null }),
        ...Object.entries(waits).map(([name, targets]) => resource(name, targets)),
        ...more,
    ];
    return { ...homelab, stack: "test", resources, order: resources.map((r) => r.urn), stages: [], exposures: [] };
}

const named = (urns: readonly string[]) => urns.map((text) => text.split("::").at(-1));
const waitsOf = (plan: Plan) => {
    const { components, waits } = componentGraph(plan);
    return Object.fromEntries(components.map((c) => [c.name, named(waits.get(c.urn) ?? [])]));
};
const folded = (plan: Plan) =>
    fold(componentGraph(plan)).map(({ kind, components, waits }) => [kind, components.map(({ name }) => name), waits]);

describe("a plan condensed to components", () => {
    test("waits that others imply are dropped", () => {
        expect(waitsOf(planOf({ a: [], b: ["a"], c: ["a", "b"], d: ["a", "c"] }))).toEqual({
            a: [],
            b: ["a"],
            c: ["b"],
            d: ["c"],
        });
    });

    test("waits go from what is inside to what is inside, past providers", () => {
        const plan = planOf({ node: [], cilium: [] }, [
            resource("kubeconfig", [], { parent: urn("node"), custom: true }),
            resource("kubernetes", ["kubeconfig"], { type: "pulumi:providers:kubernetes", custom: true }),
            resource("release", ["kubernetes"], { parent: urn("cilium"), custom: true }),
        ]);
        expect(waitsOf(plan)).toEqual({ node: [], cilium: ["node"] });
        expect(componentGraph(plan).components.map(({ name, size }) => [name, size])).toEqual([
            ["node", 1],
            ["cilium", 1],
        ]);
    });

    test("components that wait for each other's parts keep the bootstrap order", () => {
        const plan = planOf({ operator: [], cluster: ["operator"] }, [
            resource("check", ["cluster"], { parent: urn("operator"), custom: true }),
        ]);
        const { components, waits } = componentGraph(plan);
        expect(components).toHaveLength(2);
        expect([...waits.values()].flat()).toHaveLength(1);
    });

    test("the only way through is a sequence, a line beside others a chain, ends with equal waits stand together", () => {
        const plan = planOf({
            node: [],
            cni: ["node"],
            tunnel: ["cni"],
            dns: ["tunnel"],
            left: ["cni"],
            right: ["cni"],
            late: ["dns", "right"],
        });
        expect(folded(plan)).toEqual([
            ["sequence", ["node", "cni"], []],
            ["chain", ["tunnel", "dns"], [0]],
            ["leaves", ["left"], [0]],
            ["chain", ["right"], [0]],
            ["leaves", ["late"], [1, 3]],
        ]);
    });

    test("homelab: the seed's order, and every resource is counted once", () => {
        expect(folded(homelab)).toEqual([
            ["sequence", ["node", "cilium", "lan", "sops-age-key", "argocd", "local-path", "namespaces"], []],
            [
                "leaves",
                [
                    "reloader",
                    "echo-server",
                    "plex",
                    "prowlarr",
                    "transmission",
                    "sonarr",
                    "radarr",
                    "overseerr",
                    "media-wiring",
                    "tailnet",
                    "monitoring",
                ],
                [0],
            ],
            ["chain", ["tunnel", "dns", "homelab"], [0]],
        ]);
        const counted = componentGraph(homelab).components.reduce((sum, { size }) => sum + size, 0);
        // But for what waits for everything, which would be an arrow from each.
        const things = homelab.resources.filter(
            ({ custom, type, name }) => custom && !type.startsWith("pulumi:providers:") && name !== "cluster-identity",
        );
        expect(counted).toBe(things.length);
    });
});

describe("the picture", () => {
    test("shows every component with its count, and is the same each time", async () => {
        const svg = await drawPlan(homelab);
        expect(await drawPlan(homelab)).toBe(svg);
        for (const { name, size, stage } of componentGraph(homelab).components) {
            expect(svg).toContain(`>${stage?.replace(/^\d+ /, "") ?? name}<`);
            expect(svg).toContain(`>${size}<`);
        }
        expect(svg).toContain(`>${homelab.resources.length} resources: `);
        expect(svg.match(/marker-end/g)).toHaveLength(6 + 2 + 2);
    });

    test("an arrow past a rank goes round what stands in it", async () => {
        const svg = await drawPlan(planOf({ a: [], b: [], c: ["b"], d: ["c", "a"], e: ["a"] }));
        expect(svg.match(/marker-end/g)).toHaveLength(4);
        expect(svg).not.toMatch(/NaN|undefined/);
    });

    test("text is escaped, and cut where it does not fit", () => {
        expect(text("a < b & c", { x: 1, y: 2, size: 10 })).toBe(
            '<text x="1" y="2" font-size="10">a &lt; b &amp; c</text>',
        );
        expect(text("a name far too long", { x: 0, y: 0, size: 10, fit: 40 })).toContain(">a name…<");
    });
});

describe("generated blocks", () => {
    const block = (name: string, content: string) =>
        `before\n\n<!-- generated: ${name} -->\n${content}\n<!-- end of generated -->\n\nafter\n`;

    test("what stands between the markers is replaced, all else stays", () => {
        const filled = fillBlocks("README.md", block("reachable", "old"), [homelab]);
        expect(filled).toMatch(/^before\n\n<!-- generated: reachable -->\n\n\| host /);
        expect(filled).toContain(
            "| plex.peterstorm.io         | 192.168.0.241:32400 | dedicated | own   | A `192.168.0.241` ",
        );
        expect(filled).toMatch(/\|\n\n<!-- end of generated -->\n\nafter\n$/);
        expect(fillBlocks("README.md", filled, [homelab])).toBe(filled);
    });

    test("a marker that is misspelt or never closed is an error", () => {
        expect(() => fillBlocks("README.md", block("reachble", ""), [])).toThrow(
            'README.md has a block "reachble"; there are clusters, pictures, reachable, dns, apps, platform, owners, images-by-tag, chart-images, policy-rules, policy-exemptions, dangers',
        );
        expect(() => fillBlocks("README.md", "<!-- generated: dns -->\n", [])).toThrow("1 blocks start and 0 end");
    });

    test("a row a stack: recipe, machines, what is special, how much it is", () => {
        const rows = (blocks["clusters"]?.([homelab, { ...homelab, stack: "cabin" }]) ?? "").split("\n").slice(2);
        expect(rows.map((row) => row.split("|").map((cell) => cell.trim()))).toEqual(
            ["`homelab`", "`cabin`"].map((stack) => [
                ...["", stack, "`homelab`", "one NixOS machine with k3s"],
                ...[homelab.special, String(homelab.resources.length), ""],
            ]),
        );
    });

    test("the first stack is shown, further ones are folded away", () => {
        const both = blocks["pictures"]?.([homelab, { ...homelab, stack: "chongus" }]) ?? "";
        expect(both.split("\n")).toEqual([
            "![The homelab stack in bootstrap order](docs/graph-homelab.svg)",
            "",
            "<details>",
            "<summary><code>chongus</code></summary>",
            "",
            "![The chongus stack in bootstrap order](docs/graph-chongus.svg)",
            "",
            "</details>",
        ]);
    });

    test("tables are as Prettier leaves them", () => {
        expect(markdownTable(["a", "long"], [["1|2", "x"]])).toBe("| a    | long |\n| ---- | ---- |\n| 1\\|2 | x    |");
        expect(markdownTable(["a"], [])).toBe("None.");
    });

    test("pictures, README and docs are as the plans have them; npm run docs mends them (C-OPS-01, C-OPS-67)", async () => {
        expect(
            (await staleDocuments(ROOT, (line) => console.warn(`skipped: ${line}`))).map(({ path }) => path),
        ).toEqual([]);
    });
});
