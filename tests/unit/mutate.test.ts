/** The edits that `npm run mutate` makes: each applies, to a fact that is there and that a unit test names; and how its runs are judged. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../stacks/stack-file";
import { FACTS_FILE, readTitles } from "../../tools/facts/coverage";
import { namedIds, readFacts } from "../../tools/facts/facts";
import { judge, titlePattern, type JestReport } from "../../tools/mutate/judge";
import { mutations, type Mutation } from "../../tools/mutate/mutations";
import { mutated } from "../../tools/mutate/scratch";

const absent = !existsSync(join(ROOT, FACTS_FILE));

describe("the edits", () => {
    test("are many, of both clusters' files and of what builds them, and no two are the same", () => {
        expect(mutations.length).toBeGreaterThanOrEqual(40);
        const files = new Set(mutations.map(({ file }) => file.split("/")[0]));
        expect([...files]).toEqual(
            expect.arrayContaining(["Pulumi.homelab.yaml", "Pulumi.chongus.yaml", "components", "bootstrap", "stacks"]),
        );
        expect(new Set(mutations.map((one) => JSON.stringify(one))).size).toBe(mutations.length);
    });

    test.each(mutations.map((one) => [one.fact, one.file, one] as const))(
        "%s applies once to %s",
        (_, file, mutation) => {
            const text = readFileSync(join(ROOT, file), "utf8");
            expect(mutated(text, mutation)).not.toBe(text);
        },
    );

    (absent ? test.skip : test)(
        `break facts of the table${absent ? ` (skipped: ${FACTS_FILE} is not here)` : ""}`,
        () => {
            const known = new Set(
                readFacts(readFileSync(join(ROOT, FACTS_FILE), "utf8"), FACTS_FILE).map(({ id }) => id),
            );
            expect(mutations.filter(({ fact }) => !known.has(fact)).map(({ fact }) => fact)).toEqual([]);
        },
    );

    test("break facts that a unit test names", () => {
        const named = new Set(
            readTitles(ROOT)
                .filter(({ file }) => file.startsWith("tests/unit/"))
                .flatMap(({ text }) => namedIds(text).ids),
        );
        expect(mutations.filter(({ fact }) => !named.has(fact)).map(({ fact }) => fact)).toEqual([]);
    });

    const edit: Mutation = { fact: "X-NET-01", file: "a.yaml", find: "a: 1", replace: "a: 2" };
    test.each([
        ["stands there 0 times", "b: 1"],
        ["stands there 2 times", "a: 1\na: 1"],
    ])("an edit whose text %s is an error", (why, text) => {
        expect(() => mutated(text, edit)).toThrow(`the edit for X-NET-01 does not apply to a.yaml: "a: 1" ${why}`);
    });

    test("an edit that changes nothing is an error; one with a dollar is taken as it is", () => {
        expect(() => mutated("a: 1", { ...edit, replace: "a: 1" })).toThrow("it changes nothing");
        expect(mutated("a: 1", { ...edit, replace: "a: $&" })).toBe("a: $&");
    });
});

describe("the verdict", () => {
    const matcher = { matcherResult: { pass: false } };
    const one = (title: string, status: string, failureDetails: unknown[] = []) => ({
        ...{ title, status, failureDetails },
        failureMessages: status === "failed" ? ["Error: the first line\n at somewhere"] : [],
    });
    const report = (...assertionResults: ReturnType<typeof one>[]): JestReport => ({
        testResults: [{ name: "a.test.ts", message: "", assertionResults }],
    });

    test("killed: a test with the fact in its own title, alone or in a range, failed by an assertion", () => {
        for (const title of ["holds (X-NET-02)", "holds (X-NET-01..04)", "X-NET-02 X-NET-09: holds"]) {
            expect(judge(report(one(title, "failed", [matcher])), "X-NET-02")).toEqual({
                outcome: "killed",
                why: title,
            });
        }
    });

    test("survived: it passed, whatever others did", () => {
        const others = one("another (X-NET-03)", "failed", [matcher]);
        expect(judge(report(one("holds (X-NET-02)", "passed"), others), "X-NET-02").outcome).toBe("survived");
    });

    test("broken: it failed without an assertion, or its file does not run", () => {
        expect(judge(report(one("holds (X-NET-02)", "failed", [{ message: "TypeError" }])), "X-NET-02")).toEqual({
            outcome: "broken",
            why: "holds (X-NET-02): Error: the first line",
        });
        const unrun = {
            name: "a.test.ts",
            message: "\n  ● Test suite failed to run\n\n    SyntaxError",
            assertionResults: [],
        };
        expect(judge({ testResults: [unrun] }, "X-NET-02")).toEqual({ outcome: "broken", why: "SyntaxError" });
    });

    test("unnamed: only a group has it in its title, or what has it did not run", () => {
        for (const own of [one("holds", "failed", [matcher]), one("holds (X-NET-02)", "pending")]) {
            expect(judge(report(own), "X-NET-02").outcome).toBe("unnamed");
        }
    });

    test("tests are picked by the fact as it is written, alone or in a range", () => {
        const pattern = new RegExp(titlePattern("X-NET-02", ["a (X-NET-01..04)", "b (X-NET-02)", "c (X-NET-03..04)"]));
        const picked = [
            "a (X-NET-01..04)",
            "b (X-NET-02)",
            "X-NET-02: d",
            "c (X-NET-03..04)",
            "e (X-NET-021)",
            "f (XX-NET-02)",
        ];
        expect(picked.filter((title) => pattern.test(title))).toEqual([
            "a (X-NET-01..04)",
            "b (X-NET-02)",
            "X-NET-02: d",
        ]);
    });
});

describe("a real run of Jest", () => {
    const folder = mkdtempSync(join(tmpdir(), "homelab-judge-"));
    afterAll(() => rmSync(folder, { recursive: true }));

    test("says in its report which failures were assertions", () => {
        mkdirSync(join(folder, "tests"));
        writeFileSync(join(folder, "package.json"), "{}");
        writeFileSync(
            join(folder, "tests", "a.test.js"),
            `
            test("asserts (X-NET-01)", () => expect(1).toBe(2));
            test("throws (X-NET-02)", () => { throw new Error("no resource of that name"); });
            test("passes (X-NET-03)", () => expect(1).toBe(1));
            describe("group (X-NET-04)", () => test("asserts", () => expect(1).toBe(2)));
            `,
        );
        const output = join(folder, "report.json");
        spawnSync(process.execPath, [join(ROOT, "node_modules/jest/bin/jest.js"), "--json", "--outputFile", output], {
            cwd: folder,
        });
        const report = JSON.parse(readFileSync(output, "utf8")) as JestReport;
        const outcomes = ["X-NET-01", "X-NET-02", "X-NET-03", "X-NET-04"].map((fact) => judge(report, fact).outcome);
        expect(outcomes).toEqual(["killed", "broken", "survived", "unnamed"]);
    });
});
