/**
 * What the tests of a source file look at: a committed stack, a file of the project, a page of Markdown, or only what the test
 * passes in itself. Read from the syntax tree: a test is followed through the names it uses, into helpers beside it, to what they
 * are made of. It is not run, so what two branches of a helper look at counts for both.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import type { FactClass } from "./facts";

/**
 * `stack`: the values or the plan of a committed Pulumi.<stack>.yaml. `project`: another committed file, such as a workflow or a
 * NixOS module. `engine`: the real engine builds a stack. `document`: a page of Markdown. `own`: none of these, so the test says
 * itself what it looks at.
 */
export const KINDS = ["stack", "engine", "project", "document", "own"] as const;
export type Kind = (typeof KINDS)[number];

/** Functions that look at more than they are given: where each is, and at what. */
const LOOKERS: Readonly<Record<string, { readonly in: string; readonly kind: Kind }>> = {
    readStackValue: { in: "stacks/stack-file", kind: "stack" },
    stackFile: { in: "stacks/stack-file", kind: "stack" },
    // All documents, against the plans of all stacks.
    staleDocuments: { in: "tools/docs/documents", kind: "project" },
};

/**
 * Whether tests that look at these can fail when what is committed says something else than a fact of that class. A procedure is a
 * page's to tell, and a test that reads the page fails when it does not.
 */
export function holds(kinds: ReadonlySet<Kind>, of: FactClass): boolean {
    return (
        ["stack", "engine", "project"].some((kind) => kinds.has(kind as Kind)) ||
        (of === "procedure" && kinds.has("document"))
    );
}

type Names = Map<string, ts.Node[]>;

/** A source file with its names resolved. */
export class Tests {
    readonly tree: ts.SourceFile;
    /** What each name stands for, by the node in which it is declared. */
    private readonly scopes = new Map<ts.Node, Names>();
    private readonly imports = new Map<string, { from: string; name: string }>();

    private constructor(
        private readonly root: string,
        /** Seen from the root. */
        private readonly file: string,
        source: string,
        private readonly others: Map<string, Tests>,
    ) {
        this.tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
        others.set(file, this);
        this.declare(this.tree);
        this.assign(this.tree);
    }

    /** `others` keeps helpers that several files use. */
    static read(root: string, file: string, source: string, others = new Map<string, Tests>()): Tests {
        return new Tests(root, file, source, others);
    }

    /** What is looked at in and through a node of this file. */
    kinds(node: ts.Node): ReadonlySet<Kind> {
        const found = new Set<Kind>();
        if (this.file.startsWith("tests/engine/")) found.add("engine");
        this.look(node, found, new Set());
        if (found.size === 0) found.add("own");
        return found;
    }

    private look(node: ts.Node, found: Set<Kind>, seen: Set<ts.Node>): void {
        if (seen.has(node)) return;
        seen.add(node);
        if (ts.isImportDeclaration(node) || ts.isTypeNode(node)) return;
        const path = ts.isStringLiteralLike(node) ? node.text : joined(node);
        const kind = path === undefined ? undefined : this.kindOfPath(path, !ts.isStringLiteralLike(node));
        if (kind !== undefined) found.add(kind);
        if (ts.isIdentifier(node) && isUse(node)) {
            const imported = this.imports.get(node.text);
            const declared = this.declared(node);
            if (declared !== undefined) for (const source of declared) this.look(source, found, seen);
            else if (imported !== undefined) this.lookInto(imported, found, seen);
        }
        ts.forEachChild(node, (child) => this.look(child, found, seen));
    }

    private lookInto({ from, name }: { from: string; name: string }, found: Set<Kind>, seen: Set<ts.Node>): void {
        const looker = LOOKERS[name];
        if (looker !== undefined && from.endsWith(looker.in)) found.add(looker.kind);
        if (!from.startsWith("./")) return;
        const file = join(dirname(this.file), `${from.replace(/\.ts$/, "")}.ts`);
        const path = join(this.root, file);
        if (!existsSync(path)) return;
        const helper = this.others.get(file) ?? Tests.read(this.root, file, readFileSync(path, "utf8"), this.others);
        for (const source of helper.scopes.get(helper.tree)?.get(name) ?? []) helper.look(source, found, seen);
    }

    /** Of a path in the project; a text may be a word that happens to be a folder's name. A fixture is the test's own. */
    private kindOfPath(text: string, mayBeFolder: boolean): Kind | undefined {
        if (!/^[\w.@-][\w./@-]*$/.test(text) || !(mayBeFolder || /[./]/.test(text))) return undefined;
        const path = join(this.root, text);
        const inside = relative(this.root, path);
        if (/^(\.\.|tests|$)/.test(inside) || !existsSync(path)) return undefined;
        if (!mayBeFolder && !statSync(path).isFile()) return undefined;
        return /\.md$|^docs$/.test(inside) ? "document" : "project";
    }

    /** What a name stands for where it is used; undefined for a name from outside, an empty list for a parameter. */
    private declared(use: ts.Identifier): readonly ts.Node[] | undefined {
        for (let node: ts.Node | undefined = use; node !== undefined; node = node.parent) {
            const sources = this.scopes.get(node)?.get(use.text);
            if (sources !== undefined) return sources;
        }
        return undefined;
    }

    private declare(node: ts.Node): void {
        if (ts.isImportDeclaration(node)) this.importNames(node);
        else if (ts.isVariableDeclaration(node)) {
            const loop = node.parent.parent;
            const source = ts.isForOfStatement(loop) || ts.isForInStatement(loop) ? loop.expression : node.initializer;
            this.name(node.name, source);
        } else if (ts.isFunctionDeclaration(node) && node.name !== undefined) this.name(node.name, node.body);
        else if (ts.isClassDeclaration(node) && node.name !== undefined) this.name(node.name, node);
        else if (ts.isParameter(node)) this.name(node.name, undefined);
        ts.forEachChild(node, (child) => this.declare(child));
    }

    private name(binding: ts.BindingName, source: ts.Node | undefined): void {
        if (!ts.isIdentifier(binding)) {
            for (const element of binding.elements)
                if (!ts.isOmittedExpression(element)) this.name(element.name, source);
            return;
        }
        const scope = scopeOf(binding);
        const names = this.scopes.get(scope) ?? new Map<string, ts.Node[]>();
        this.scopes.set(scope, names);
        const sources = names.get(binding.text) ?? [];
        names.set(binding.text, sources);
        if (source !== undefined) sources.push(source);
    }

    /** `name = value`, and `name.set(key, value)` or the like: what is put into it later. */
    private assign(node: ts.Node): void {
        if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken) {
            this.add(node.left, node.right);
        } else if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
            if (["set", "push", "add"].includes(node.expression.name.text)) {
                for (const value of node.arguments) this.add(node.expression.expression, value);
            }
        }
        ts.forEachChild(node, (child) => this.assign(child));
    }

    private add(target: ts.Expression, value: ts.Node): void {
        if (ts.isObjectLiteralExpression(target)) {
            for (const property of target.properties) {
                if (ts.isShorthandPropertyAssignment(property)) this.add(property.name, value);
                else if (ts.isPropertyAssignment(property)) this.add(property.initializer, value);
            }
            return;
        }
        if (ts.isArrayLiteralExpression(target)) {
            for (const element of target.elements) this.add(element, value);
            return;
        }
        let name: ts.Expression = target;
        while (ts.isPropertyAccessExpression(name) || ts.isElementAccessExpression(name)) name = name.expression;
        if (ts.isIdentifier(name)) (this.declared(name) as ts.Node[] | undefined)?.push(value);
    }

    private importNames({ importClause, moduleSpecifier }: ts.ImportDeclaration): void {
        if (importClause === undefined || importClause.isTypeOnly || !ts.isStringLiteral(moduleSpecifier)) return;
        const from = moduleSpecifier.text;
        const { namedBindings } = importClause;
        if (namedBindings === undefined || !ts.isNamedImports(namedBindings)) return;
        for (const { name, propertyName } of namedBindings.elements) {
            this.imports.set(name.text, { from, name: (propertyName ?? name).text });
        }
    }
}

/** False for the name of a property, which says nothing about a variable of that name. */
function isUse(name: ts.Identifier): boolean {
    const { parent } = name;
    if (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent)) return parent.name !== name;
    return !ts.isBindingElement(parent) || parent.propertyName !== name;
}

/** The path that `join(ROOT, "a", "b")` gives, seen from the root. */
function joined(node: ts.Node): string | undefined {
    if (!ts.isCallExpression(node) || !ts.isIdentifier(node.expression) || node.expression.text !== "join")
        return undefined;
    const [root, ...parts] = node.arguments;
    if (root === undefined || !ts.isIdentifier(root) || root.text !== "ROOT" || parts.length === 0) return undefined;
    return parts.every(ts.isStringLiteralLike) ? parts.map((part) => part.text).join("/") : undefined;
}

/** The node whose end is the end of a declaration. */
function scopeOf(name: ts.Node): ts.Node {
    for (let node = name.parent; ; node = node.parent) {
        if (
            ts.isSourceFile(node) ||
            ts.isFunctionLike(node) ||
            ts.isForStatement(node) ||
            ts.isForOfStatement(node) ||
            ts.isForInStatement(node) ||
            (ts.isBlock(node) && !ts.isFunctionLike(node.parent))
        ) {
            return node;
        }
    }
}
