/** The count of the seeds' facts: how ids are read, and that the finished stacks lack none. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stackNames } from "../../stacks";
import { cover, DEVIATIONS_FILE, FACTS_FILE, readCoverage } from "../../tools/facts/coverage";
import { readDeviations } from "../../tools/facts/deviations";
import { namedIds, readFacts, type Fact, type FactClass } from "../../tools/facts/facts";
import { Tests, type Kind } from "../../tools/facts/kinds";
import { testTitles, type TestTitle } from "../../tools/facts/titles";
import { ROOT } from "../../stacks/stack-file";
import { UserError } from "../../lib/user-error";

const absent = !existsSync(join(ROOT, FACTS_FILE));
const whenThere = absent ? test.skip : test;
const skipped = absent ? ` (skipped: ${FACTS_FILE} is not here)` : "";

describe("the seeds", () => {
    // A stack that has a file is built, and answers its seed in full.
    whenThere.each(stackNames(ROOT))(`every owed fact of %s is asserted or answered${skipped}`, (stack) => {
        const found = readCoverage(ROOT)?.stacks.find((coverage) => coverage.stack === stack);
        expect(found?.missing.map(({ id, fact }) => `${id} ${fact}`)).toEqual([]);
        expect(found?.asserted.length).toBeGreaterThan(10);
    });

    whenThere.each(stackNames(ROOT))(`every asserted fact of %s is held over what is committed${skipped}`, (stack) => {
        const found = readCoverage(ROOT)?.stacks.find((coverage) => coverage.stack === stack);
        expect(
            found?.unheld.map(
                ({ fact, titles }) => `${fact.id} ${titles.map(({ file, line }) => `${file}:${line}`).join(" ")}`,
            ),
        ).toEqual([]);
    });

    whenThere(`titles and ${DEVIATIONS_FILE} name facts that exist, in full, with reasons${skipped}`, () => {
        expect(readCoverage(ROOT)?.faults).toEqual([]);
    });

    test("a checkout without the table has no coverage", () => {
        expect(readCoverage(join(ROOT, "docs"))).toBeUndefined();
    });

    test("reasons in the document are there with or without the table", () => {
        const { deviations, faults } = readDeviations(readFileSync(join(ROOT, DEVIATIONS_FILE), "utf8"));
        expect(faults).toEqual([]);
        expect(deviations.length).toBeGreaterThan(0);
        for (const { id, reason } of deviations) expect([id, reason.split(" ").length > 8]).toEqual([id, true]);
    });
});

const HEADER = "id\tstack\tsection\tclass\tfact\tcheck\n";
const row = (id: string, kind = "requirement") => `${id}\tlab\tGoal (000:1)\t${kind}\tIt holds.\tlook\n`;

describe("table of facts", () => {
    test("is read row by row, whatever the line ends", () => {
        const expected = [
            {
                id: "X-NET-01",
                stack: "lab",
                section: "Goal (000:1)",
                class: "requirement",
                fact: "It holds.",
                check: "look",
            },
        ];
        expect(readFacts(HEADER + row("X-NET-01"), "facts.tsv")).toEqual(expected);
        expect(readFacts((HEADER + row("X-NET-01")).replaceAll("\n", "\r\n"), "facts.tsv")).toEqual(expected);
    });

    test("of another shape is refused with what it should be", () => {
        expect(() => readFacts("id,stack\n", "facts.tsv")).toThrow(
            'facts.tsv is no table of facts: its first line must be the column names id, stack, section, class, fact, check, separated by tabs; got "id,stack"',
        );
        expect(() => readFacts("", "facts.tsv")).toThrow(UserError);
    });

    test("names every line at fault at once", () => {
        const text =
            HEADER +
            row("X-NET-01") +
            row("X-NET-01") +
            row("net-1") +
            row("X-NET-02", "wish") +
            "X-NET-03\tlab\n" +
            "\n";
        expect(() => readFacts(text, "facts.tsv")).toThrow(
            new UserError(
                [
                    "facts.tsv has 5 faults",
                    "line 3: id X-NET-01 is that of line 2, too; each row needs one of its own",
                    'line 4: got id "net-1"; allowed: an id such as H-STOR-01',
                    'line 5: got class "wish"; allowed: one of requirement, lesson, procedure, preference, context, superseded',
                    "line 6: got 2 columns; allowed: 6, separated by tabs",
                    "line 7: got 1 columns; allowed: 6, separated by tabs",
                ].join("\n  "),
            ),
        );
        expect(() => readFacts(HEADER + "X-NET-01\tlab\t\tlesson\tfact\tcheck\n", "facts.tsv")).toThrow(
            "line 2: column section is empty",
        );
        expect(() => readFacts(HEADER + "nonsense\n".repeat(30), "facts.tsv")).toThrow(
            /30 faults[^]*\n {2}\.\.\. and 20 more$/,
        );
    });
});

describe("ids in a text", () => {
    test("are single ones and ranges, with both ends", () => {
        expect(namedIds("holds (X-NET-01, X-STOR-08..11, X-NET-07)")).toEqual({
            ids: ["X-NET-01", "X-STOR-08", "X-STOR-09", "X-STOR-10", "X-STOR-11", "X-NET-07"],
            faults: [],
        });
        expect(namedIds("sha-256, AES-GCM-25, XX-NET-01, X-NET-1, X-NET-012")).toEqual({ ids: [], faults: [] });
    });

    test("are written in full: a short form is a fault and counts for nothing", () => {
        expect(namedIds("holds (X-NET-01, -07)")).toEqual({
            ids: ["X-NET-01"],
            faults: ['"-07" counts for nothing: write the id in full, X-NET-07'],
        });
        expect(namedIds("holds (X-NET-01..02, -04..06)").faults).toEqual([
            '"-04..06" counts for nothing: write the id in full, X-NET-04..06',
        ]);
    });

    test.each(["X-NET-04..04", "X-NET-04..02", "X-NET-01..X-NET-04", "X-NET-01.."])("%s is no range", (text) => {
        expect(namedIds(text).faults).toEqual([expect.stringContaining("is no range; write the first id in full")]);
    });
});

describe("titles of tests", () => {
    const titles = (source: string) => testTitles(source, "tests/a.test.ts").map(({ text }) => text);

    test("are what test, it and describe are given, tables and modifiers included", () => {
        const source = `
            describe("group", () => {
                test("first", () => expect(1).toBe(1));
                it.each([1, 2])(\`second\`, (n) => { expect(n).toBe(n); });
                test.each\`a\n\${1}\`("third", () => { expect(1).toBe(1); });
                test.only("fo" + "urth", body);
                test(\`fifth \${name} end\`, () => { expect(1).toBe(1); });
            });
            describe.each(rows)("sixth %s", (row) => { it("seventh", () => expect(row).toBe(1)); });
        `;
        expect(titles(source)).toEqual([
            "group",
            "first",
            "second",
            "third",
            "fourth",
            "fifth  end",
            "sixth %s",
            "seventh",
        ]);
    });

    test("carry file and line", () => {
        expect(testTitles('\n\ntest("one", () => expect(1).toBe(1));', "tests/a.test.ts")).toMatchObject([
            { text: "one", file: "tests/a.test.ts", line: 3 },
        ]);
    });

    test.each([
        ["comment", '// test("X-NET-01", () => expect(1).toBe(1));'],
        ["string", "const source = 'test(\"X-NET-01\", () => expect(1).toBe(1))';"],
        ["argument of another call", 'expect("X-NET-01").toBe("X-NET-01"); find("X-NET-01", () => 1);'],
        ["table of a test", 'test.each([["X-NET-01", () => 1]]);'],
        ["skipped test", 'test.skip("X-NET-01", () => expect(1).toBe(1)); xit("X-NET-01", () => expect(1).toBe(1));'],
        ["skipped table", 'test.skip.each([1])("X-NET-01", () => expect(1).toBe(1));'],
        ["planned test", 'test.todo("X-NET-01");'],
        ["failing test", 'test.failing("X-NET-01", () => expect(1).toBe(2));'],
        ["empty test", 'test("X-NET-01", () => {});'],
        ["group without a test", 'describe("X-NET-01", () => { beforeAll(() => expect(1).toBe(1)); });'],
        ["group of skipped tests", 'describe("X-NET-01", () => { it.skip("one", () => expect(1).toBe(1)); });'],
        ["test in a skipped group", 'describe.skip("one", () => { test("X-NET-01", () => expect(1).toBe(1)); });'],
        ["test by another name", 'const here = test.skip; here("X-NET-01", () => expect(1).toBe(1));'],
    ])("do not stand in a %s", (_place, source) => {
        expect(titles(source)).toEqual([]);
    });
});

describe("what a test looks at", () => {
    const kinds = (source: string, file = "tests/unit/a.test.ts") =>
        testTitles(source, file).map(({ kinds: found }) => [...found].sort().join(" "));
    const READ = 'import { readStackValue, ROOT } from "../../stacks/stack-file";\n';

    test.each([
        [
            "through a variable that another call fills",
            "let plan; beforeAll(() => { plan = planStack('x', readStackValue(ROOT, 'x')); });",
            "plan.dns",
        ],
        [
            "through a function",
            "const { find } = lookInto(() => value);\nconst value = readStackValue(ROOT, 'x');",
            "find('a')",
        ],
        [
            "through a table that is filled",
            "const plans = new Map(); beforeAll(() => plans.set('x', readStackValue(ROOT, 'x')));",
            "plans.get('x')",
        ],
        [
            "through a loop",
            "const all = [readStackValue(ROOT, 'x')];",
            "(() => { for (const one of all) return one; })()",
        ],
    ])("a committed stack, %s", (_, before, looked) => {
        expect(kinds(`${READ}${before}\ntest("one", () => expect(${looked}).toBe(1));`)).toEqual(["stack"]);
    });

    test("a committed stack, through a helper beside the test", () => {
        const helpers = new Map<string, Tests>();
        Tests.read(
            ROOT,
            "tests/unit/planned.ts",
            `${READ}export const plan = () => readStackValue(ROOT, "x");`,
            helpers,
        );
        const source = 'import { plan } from "./planned";\ntest("one", () => expect(plan()).toBe(1));';
        const [title] = testTitles(source, "tests/unit/a.test.ts", helpers);
        expect([...(title?.kinds ?? [])]).toEqual(["stack"]);
    });

    test("files and pages of the project, by a path or the parts of one; a fixture is the test's own", () => {
        const test = (text: string) => kinds(`import { ROOT } from "x";\ntest("one", () => expect(${text}).toBe(1));`);
        expect(test('read("bootstrap/nixos/k3s.nix")')).toEqual(["project"]);
        expect(test('join(ROOT, ".github", "workflows")')).toEqual(["project"]);
        expect(test('read("docs/storage.md")')).toEqual(["document"]);
        expect(test('join(ROOT, "docs", "storage.md")')).toEqual(["document"]);
        expect(test('join(ROOT, "tests", "fixtures", "valid")')).toEqual(["own"]);
        expect(test('read("docs/no-such-page.md")')).toEqual(["own"]);
    });

    test("its own values, whatever stands elsewhere in the file under the same name", () => {
        const source = `${READ}
            describe("a", () => { const plan = readStackValue(ROOT, "x"); test("one", () => expect(plan).toBe(1)); });
            describe("b", () => { const plan = planComponent(); test("two", () => expect(plan).toBe(1)); });
            test("three", () => expect({ plan: 1 }.plan).toBe(1));
        `;
        expect(kinds(source)).toEqual(["stack", "stack", "own", "own", "own"]);
    });

    test("a group looks at what any of its tests does; engine tests at the engine's work", () => {
        const source = `${READ}describe("a", () => { test("one", () => f(readStackValue(ROOT, "x"))); test("two", () => f(1)); });`;
        expect(kinds(source)).toEqual(["stack", "stack", "own"]);
        expect(kinds('test("one", () => up());', "tests/engine/a.test.ts")).toEqual(["engine"]);
    });
});

describe("deviations", () => {
    const table = (...rows: string[]) =>
        ["# Deviations", "", "| id | seed | here |", "| -- | ---- | ---- |", ...rows].join("\n");

    test("are table rows with an id and a reason", () => {
        expect(readDeviations(table("| X-NET-01 | a | because a \\| b |", "| `X-NET-02` | b | because |"))).toEqual({
            deviations: [
                { id: "X-NET-01", reason: "because a \\| b", line: 5 },
                { id: "X-NET-02", reason: "because", line: 6 },
            ],
            faults: [],
        });
    });

    test("an id in prose or in another cell answers nothing", () => {
        expect(readDeviations(`X-NET-01 is otherwise, because.\n${table("| rest | X-NET-02 | because |")}`)).toEqual({
            deviations: [],
            faults: [],
        });
    });

    test.each([
        ["| X-NET-01 | a | |", "line 5: X-NET-01 has no reason; write it into the last cell"],
        ["| X-NET-01 | a | - |", "line 5: X-NET-01 has no reason; write it into the last cell"],
        ["| X-NET-01 |", "line 5: X-NET-01 has no reason; write it into the last cell"],
        ["| X-NET-01, X-NET-02 | a | because |", 'line 5: got "X-NET-01, X-NET-02"; allowed: one id a row, in full'],
        ["| X-NET-01..03 | a | because |", 'line 5: got "X-NET-01..03"; allowed: one id a row, in full'],
    ])("%s is a fault", (text, fault) => {
        expect(readDeviations(table(text))).toEqual({ deviations: [], faults: [fault] });
    });

    test("a second row of an id is a fault", () => {
        const { faults } = readDeviations(table("| X-NET-01 | a | because |", "| X-NET-01 | b | because |"));
        expect(faults).toEqual(["line 6: X-NET-01 has a row already, line 5"]);
    });
});

describe("coverage", () => {
    const fact = (id: string, kind: FactClass = "requirement", stack = "lab"): Fact => ({
        id,
        stack,
        section: "Goal",
        class: kind,
        fact: "It holds.",
        check: "look",
    });
    const title = (text: string, ...kinds: Kind[]): TestTitle => ({
        ...{ text, file: "tests/a.test.ts", line: 1 },
        kinds: new Set(kinds.length === 0 ? ["stack"] : kinds),
    });

    test("each owed fact is asserted, answered or missing; the other classes owe nothing", () => {
        const facts = [
            fact("X-NET-01"),
            fact("X-NET-02", "lesson"),
            fact("X-NET-03", "procedure"),
            fact("X-NET-04"),
            fact("X-NET-05", "context"),
            fact("X-NET-06", "superseded"),
            fact("Y-NET-01", "requirement", "other"),
        ];
        const titles = [title("first (X-NET-01..02)"), title("second (X-NET-01, X-NET-03, X-NET-06)")];
        const { stacks, faults } = cover(facts, titles, "| X-NET-03 | a | because |");
        expect(faults).toEqual([]);
        expect(
            stacks.map(({ stack, asserted, answered, missing }) => ({
                stack,
                asserted: asserted.map(({ fact: { id }, titles: by }) => `${id} ${by.length}`),
                answered: answered.map(({ fact: { id }, reason, titles: by }) => `${id} ${reason} ${by.length}`),
                missing: missing.map(({ id }) => id),
            })),
        ).toEqual([
            {
                stack: "lab",
                asserted: ["X-NET-01 2", "X-NET-02 1"],
                answered: ["X-NET-03 because 1"],
                missing: ["X-NET-04"],
            },
            { stack: "other", asserted: [], answered: [], missing: ["Y-NET-01"] },
        ]);
    });

    test("a test that looks at its own values, or at a page, holds nothing; a page is enough for a procedure", () => {
        const facts = [
            fact("X-NET-01"),
            fact("X-NET-02", "lesson"),
            fact("X-NET-03", "procedure"),
            fact("X-NET-04", "procedure"),
            fact("X-NET-05"),
            fact("X-NET-06"),
        ];
        const titles = [
            title("of a component (X-NET-01, X-NET-04, X-NET-05)", "own"),
            title("of a sample (X-NET-02, X-NET-03)", "document"),
            title("of a stack (X-NET-05)", "stack", "document"),
        ];
        const [lab] = cover(facts, titles, "| X-NET-06 | a | because |").stacks;
        expect(lab?.asserted.map(({ fact: { id }, kinds }) => [id, [...kinds].sort()])).toEqual([
            ["X-NET-03", ["document"]],
            ["X-NET-05", ["document", "own", "stack"]],
        ]);
        expect(lab?.unheld.map(({ fact: { id } }) => id)).toEqual(["X-NET-01", "X-NET-02", "X-NET-04"]);
        expect([lab?.answered.length, lab?.missing.length]).toEqual([1, 0]);
    });

    test("an id that the table lacks is a fault of the title or row that names it", () => {
        const { faults } = cover(
            [fact("X-NET-01")],
            [title("all (X-NET-01..02)")],
            "| X-NET-07 | a | because |\n| X-NET-01 | |",
        );
        expect(faults).toEqual([
            "tests/a.test.ts:1: the title names X-NET-02, which is no row of the table of facts",
            "docs/deviations.md: line 2: X-NET-01 has no reason; write it into the last cell",
            "docs/deviations.md: line 1: X-NET-07 is no row of the table of facts",
        ]);
    });
});
