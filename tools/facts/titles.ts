/** Titles of the tests in a source file, read from its syntax tree: what stands in comments or other strings is no title. */
import ts from "typescript";
import { ROOT } from "../../stacks/stack-file";
import { Tests, type Kind } from "./kinds";

export interface TestTitle {
    readonly text: string;
    /** Seen from the project's root. */
    readonly file: string;
    readonly line: number;
    /** What the test looks at; of a group what any of its tests does. */
    readonly kinds: ReadonlySet<Kind>;
}

const NAMES: Readonly<Record<string, "test" | "group">> = { test: "test", it: "test", fit: "test", describe: "group" };
/** Modifiers with which nothing is asserted, or the opposite. */
const IDLE = ["skip", "todo", "failing"];

/**
 * Titles given to `test`, `it` and `describe`, with `.each`, `.only` and the like, as far as something runs under them.
 * Left out are skipped, planned and failing tests, tests with an empty body, groups without a test, and calls by another
 * name, such as a `test` that is chosen by what is there: what may not run asserts nothing.
 */
export function testTitles(source: string, file: string, helpers?: Map<string, Tests>): TestTitle[] {
    const tests = Tests.read(ROOT, file, source, helpers);
    const { tree } = tests;
    const titles: TestTitle[] = [];
    /** Collects titles at and below a node; true when a test runs there. */
    const visit = (node: ts.Node): boolean => {
        const call = ts.isCallExpression(node) ? titledCall(node) : undefined;
        if (call === undefined) return visitChildren(node);
        if (call.idle) return false;
        const position = titles.length;
        const runs = call.kind === "test" ? hasBody(call.callback) : visitChildren(call.callback);
        if (runs && call.title !== undefined) {
            const line = tree.getLineAndCharacterOfPosition(call.title.getStart(tree)).line + 1;
            titles.splice(position, 0, { text: literalText(call.title), file, line, kinds: tests.kinds(node) });
        }
        return runs;
    };
    const visitChildren = (node: ts.Node | undefined): boolean => {
        let runs = false;
        if (node !== undefined) ts.forEachChild(node, (child) => void (runs = visit(child) || runs));
        return runs;
    };
    visitChildren(tree);
    return titles;
}

interface TitledCall {
    readonly kind: "test" | "group";
    readonly idle: boolean;
    readonly title: ts.Expression | undefined;
    readonly callback: ts.Expression | undefined;
}

/** `test("title", body)`, `describe.each(rows)("title", body)`; undefined for any other call, the `.each(rows)` included. */
function titledCall(node: ts.CallExpression): TitledCall | undefined {
    const modifiers: string[] = [];
    let callee: ts.Expression = node.expression;
    if (ts.isPropertyAccessExpression(callee) && callee.name.text === "each") return undefined;
    if (ts.isCallExpression(callee)) callee = callee.expression;
    else if (ts.isTaggedTemplateExpression(callee)) callee = callee.tag;
    while (ts.isPropertyAccessExpression(callee)) {
        modifiers.push(callee.name.text);
        callee = callee.expression;
    }
    const kind = ts.isIdentifier(callee) ? NAMES[callee.text] : undefined;
    if (kind === undefined) return undefined;
    const [title, callback] = node.arguments;
    return { kind, idle: modifiers.some((modifier) => IDLE.includes(modifier)), title, callback };
}

function hasBody(callback: ts.Expression | undefined): boolean {
    if (callback === undefined) return false;
    if (!ts.isArrowFunction(callback) && !ts.isFunctionExpression(callback)) return true;
    return !ts.isBlock(callback.body) || callback.body.statements.length > 0;
}

/** What a title says by itself; values that are filled in are not known here. */
function literalText(node: ts.Expression): string {
    if (ts.isStringLiteralLike(node)) return node.text;
    if (ts.isTemplateExpression(node))
        return node.head.text + node.templateSpans.map((span) => span.literal.text).join(" ");
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
        return literalText(node.left) + literalText(node.right);
    }
    return "";
}
