/**
 * A tailnet has one policy file, and several clusters and a person write in it. Each stack has entries of its own there,
 * marked by a comment that names it; everything else stays as it is, comments included. Pure: text in, text out.
 * https://tailscale.com/docs/reference/syntax/policy-file
 */
import { isDeepStrictEqual } from "node:util";
import { append, member, parseHuJson, remove, type HuJsonItem, type HuJsonNode } from "./hujson";

export interface Grant {
    readonly src: readonly string[];
    readonly dst: readonly string[];
    readonly ip: readonly string[];
}

/** What a stack needs of the tailnet's policy. */
export interface PolicyFragment {
    /** By `tag:<name>`. */
    readonly tagOwners: Readonly<Record<string, readonly string[]>>;
    /** Tags that may announce a route unasked, by CIDR. */
    readonly routes: Readonly<Record<string, readonly string[]>>;
    readonly grants: readonly Grant[];
}

const MARK = "Managed by Pulumi (homelab-infrastructure): ";
const NAMES = "[a-z0-9-]+(?:, [a-z0-9-]+)*";
const MARK_PATTERN = `/[/*] *${MARK.replace(/[()]/g, "\\$&")}(${NAMES})(?: *\\*/|$)`;

/** First line of the policies that this project wrote while one stack had the whole file. */
const OLD_HEADER = `// ${MARK}edit the stack, not this file.`;

const HEADER = `// What is marked "${MARK}<stack>" comes and goes with that stack.
// Everything else is yours and stays as you write it.`;

/** Takes the place of the policy that Tailscale starts with: members reach their own devices, as there, and no others. */
const BASE = `${HEADER}
{
    "grants": [
        {"src": ["autogroup:member"], "dst": ["autogroup:self"], "ip": ["*"]},
    ],
    "ssh": [
        {"action": "check", "src": ["autogroup:member"], "dst": ["autogroup:self"], "users": ["autogroup:nonroot", "root"]},
    ],
}
`;

const EVERYTHING: Grant = { src: ["*"], dst: ["*"], ip: ["*"] };

/** For a tailnet whose policy nobody has ever written: Tailscale's own lets everybody reach everything. */
export function freshPolicy(stack: string, fragment: PolicyFragment): string {
    return mergeFragment(BASE, stack, fragment);
}

/** True for a policy in which a stack of this project has entries, or that one wrote when it had the whole file. */
export function hasOurMarks(text: string): boolean {
    return stacksIn(text).length > 0 || isOldPolicy(text);
}

/** Stacks that have entries in a policy, sorted. */
export function stacksIn(text: string): string[] {
    const names = [...text.matchAll(new RegExp(MARK_PATTERN, "gm"))].flatMap(([, list = ""]) => list.split(", "));
    return [...new Set(names)].sort();
}

/** Parts of a fragment that a policy lacks, in words. Throws a `SyntaxError` on a text that is no HuJSON. */
export function missingFrom(text: string, fragment: PolicyFragment): string[] {
    const root = parseHuJson(text);
    return entriesOf(fragment)
        .filter((entry) => !isHeld(root, entry))
        .map(describe);
}

/** True where a rule lets every device reach every other, runners of continuous integration included. */
export function isOpenToAll(text: string): boolean {
    const root = parseHuJson(text);
    const rules = (name: string) => nodeAt(root, [name])?.items.map(({ value }) => value.json as object) ?? [];
    const grants = rules("grants").some((grant) => isDeepStrictEqual({ ...grant }, EVERYTHING));
    return (
        grants || rules("acls").some((rule) => isDeepStrictEqual(rule, { action: "accept", src: ["*"], dst: ["*:*"] }))
    );
}

/** The policy with the stack's entries as the fragment has them. Throws a `SyntaxError` on a text that is no HuJSON. */
export function mergeFragment(text: string, stack: string, fragment: PolicyFragment): string {
    const wanted = entriesOf(fragment);
    const outdated = (one: Marked) => one.owners.includes(stack) && !isWanted(one, wanted);
    const adopted = dropOldEntries(text, fragment);
    return wanted.reduce((merged, entry) => addEntry(merged, stack, entry), releaseAll(adopted, stack, outdated));
}

/**
 * The policy without the stack's entries. A tag that other rules still name keeps its owner and loses the mark: without
 * an owner Tailscale would refuse those rules.
 */
export function removeFragment(text: string, stack: string): string {
    const own = (one: Marked) => one.owners.includes(stack);
    let rest = releaseAll(text, stack, (one) => own(one) && !isSection(one) && !isTagOwner(one));
    for (let one = first(rest, (m) => own(m) && isTagOwner(m)); one !== undefined;) {
        rest = isNamed(rest, one.path.at(-1) ?? "") ? unmark(rest, one) : release(rest, one, stack);
        one = first(rest, (m) => own(m) && isTagOwner(m));
    }
    // The inner of two sections first: the outer one is empty only then.
    const deepest = () =>
        markedIn(rest)
            .filter(own)
            .sort((a, b) => b.path.length - a.path.length)[0];
    for (let one = deepest(); one !== undefined; one = deepest()) {
        const used = one.item.value.items.length > 0 && one.owners.length === 1;
        rest = used ? unmark(rest, one) : release(rest, one, stack);
    }
    return rest;
}

/** One entry of a fragment: a member with a list of names, or a grant. */
interface Entry {
    /** Keys that lead to the container. */
    readonly section: readonly string[];
    readonly key?: string;
    readonly value: readonly string[] | Grant;
}

function entriesOf({ tagOwners, routes, grants }: PolicyFragment): Entry[] {
    return [
        ...Object.entries(tagOwners).map(([key, value]) => ({ section: ["tagOwners"], key, value })),
        ...Object.entries(routes).map(([key, value]) => ({ section: ["autoApprovers", "routes"], key, value })),
        ...grants.map((value) => ({ section: ["grants"], value })),
    ];
}

function describe({ section, key, value }: Entry): string {
    return `${[...section, ...(key === undefined ? [] : [key])].join(" ")}: ${spaced(value)}`;
}

/** An item with a mark before it. */
interface Marked {
    readonly container: HuJsonNode;
    readonly item: HuJsonItem;
    /** Keys from the root; top-level ones in lower case, as Tailscale takes them in any. An element has "[]". */
    readonly path: readonly string[];
    readonly owners: readonly string[];
    /** Where the comment begins and ends. */
    readonly start: number;
    readonly end: number;
}

function markedIn(text: string): Marked[] {
    const walk = (container: HuJsonNode, path: readonly string[]): Marked[] =>
        container.items.flatMap((item) => {
            const key = item.key ?? "[]";
            const here = [...path, path.length === 0 ? key.toLowerCase() : key];
            const mark = [...text.slice(item.lead, item.start).matchAll(new RegExp(MARK_PATTERN, "gm"))].at(-1);
            const inner = walk(item.value, here);
            if (mark === undefined) return inner;
            const start = item.lead + mark.index;
            const owners = (mark[1] ?? "").split(", ");
            return [{ container, item, path: here, owners, start, end: start + mark[0].length }, ...inner];
        });
    return walk(parseHuJson(text), []);
}

const first = (text: string, which: (one: Marked) => boolean) => markedIn(text).find(which);

const SECTIONS = ["tagowners", "autoapprovers", "autoapprovers/routes", "grants"];
const isSection = ({ path }: Marked) => SECTIONS.includes(path.join("/").toLowerCase());
const isTagOwner = ({ path }: Marked) => path.length === 2 && path[0] === "tagowners";

/** Whether a marked item is what a fragment asks for. Sections stay, and so does what keeps an open tailnet open. */
function isWanted(one: Marked, wanted: readonly Entry[]): boolean {
    const { path, item } = one;
    const value = item.value.json;
    if (isSection(one) || isDeepStrictEqual(value, EVERYTHING)) return true;
    return wanted.some((entry) => {
        const place = [...entry.section.map((name) => name.toLowerCase()), entry.key ?? "[]"];
        const at = path.map((name, depth) => (depth < entry.section.length ? name.toLowerCase() : name));
        if (isDeepStrictEqual(at, place)) return isDeepStrictEqual(value, entry.value);
        // A name in a list that a person has written.
        return isDeepStrictEqual(at, [...place, "[]"]) && Array.isArray(entry.value) && entry.value.includes(value);
    });
}

function releaseAll(text: string, stack: string, which: (one: Marked) => boolean): string {
    let rest = text;
    for (let one = first(rest, which); one !== undefined; one = first(rest, which)) rest = release(rest, one, stack);
    return rest;
}

/** Takes a stack from the mark, and the item with it when no other stack is named there. */
function release(text: string, one: Marked, stack: string): string {
    const others = one.owners.filter((name) => name !== stack);
    return others.length === 0 ? remove(text, one.container, one.item, one.start) : rename(text, one, others);
}

function rename(text: string, { end, owners }: Marked, names: readonly string[]): string {
    const list = text.lastIndexOf(owners.join(", "), end);
    return text.slice(0, list) + names.join(", ") + text.slice(list + owners.join(", ").length);
}

function unmark(text: string, { start, end }: Marked): string {
    return text.slice(0, start) + text.slice(end).trimStart();
}

/** Adds an entry, or the stack to the mark of one that is there. What a person wrote is only ever added to. */
function addEntry(text: string, stack: string, entry: Entry): string {
    const { merged, container } = openSection(text, stack, entry.section);
    const same = container.items.find(({ key, value }) =>
        entry.key === undefined ? isDeepStrictEqual(value.json, entry.value) : key === entry.key,
    );
    const mark = `${MARK}${stack}`;
    if (same === undefined) {
        const body =
            entry.key === undefined ? spaced(entry.value) : `${JSON.stringify(entry.key)}: ${spaced(entry.value)}`;
        return append(merged, container, body, mark);
    }
    const marked = first(merged, ({ item }) => item.start === same.start);
    if (marked !== undefined && isDeepStrictEqual(same.value.json, entry.value)) return share(merged, marked, stack);
    // Whoever owns a tag already, owns it; a route has to be approved for ours.
    if (entry.section[0] === "tagOwners" || !Array.isArray(entry.value)) return merged;
    return entry.value.reduce<string>((result, name) => {
        const list = nodeAt(parseHuJson(result), [...entry.section, entry.key ?? ""]);
        if (list?.kind !== "array") throw new Error(`${describe(entry)}: what stands there is no list`);
        return (list.json as unknown[]).includes(name) ? result : append(result, list, JSON.stringify(name), mark);
    }, merged);
}

function share(text: string, one: Marked, stack: string): string {
    return one.owners.includes(stack) ? text : rename(text, one, [...one.owners, stack].sort());
}

/** The container that the keys lead to; what is missing on the way is made. */
function openSection(text: string, stack: string, path: readonly string[]): { merged: string; container: HuJsonNode } {
    let merged = text;
    for (const [depth, name] of path.entries()) {
        const above = path.slice(0, depth);
        const root = parseHuJson(merged);
        const outer = nodeAt(root, above);
        if (outer?.kind !== "object") throw new Error(`the policy file's ${above.join(" ") || "content"} is no object`);
        const found = member(outer, name);
        if (found === undefined) {
            merged = append(merged, outer, `"${name}": ${name === "grants" ? "[]" : "{}"}`, `${MARK}${stack}`);
            // A file with neither allows everything; with the first rule of ours it would allow nothing else.
            if (name === "grants" && member(root, "acls") === undefined) {
                const grants = nodeAt(parseHuJson(merged), ["grants"]);
                if (grants !== undefined) merged = append(merged, grants, spaced(EVERYTHING), `${MARK}${stack}`);
            }
            continue;
        }
        const marked = first(merged, ({ item }) => item.start === found.start);
        if (marked !== undefined) merged = share(merged, marked, stack);
    }
    const container = nodeAt(parseHuJson(merged), path);
    const kind = path.at(-1) === "grants" ? "array" : "object";
    if (container?.kind !== kind) throw new Error(`the policy file's ${path.join(" ")} is no ${kind}`);
    return { merged, container };
}

function nodeAt(root: HuJsonNode, path: readonly string[]): HuJsonNode | undefined {
    return path.reduce<HuJsonNode | undefined>((node, key) => node && member(node, key)?.value, root);
}

function isHeld(root: HuJsonNode, { section, key, value }: Entry): boolean {
    const container = nodeAt(root, section);
    if (container === undefined) return false;
    if (key === undefined) return container.items.some((item) => isDeepStrictEqual(item.value.json, value));
    const there = member(container, key)?.value.json;
    if (section[0] === "tagOwners") return there !== undefined;
    return Array.isArray(there) && Array.isArray(value) && value.every((name) => there.includes(name));
}

/** Whether any rule names a tag, alone or with ports. */
function isNamed(text: string, tag: string): boolean {
    const names = (value: unknown): boolean =>
        typeof value === "string"
            ? value === tag || value.startsWith(`${tag}:`)
            : typeof value === "object" && value !== null && Object.values(value).some(names);
    return names(parseHuJson(text).json);
}

function isOldPolicy(text: string): boolean {
    return text.trimStart().startsWith(OLD_HEADER);
}

const OLD_PORTS = ["tcp:80", "tcp:443", "tcp:32400"];

/**
 * A policy from when one stack had the whole file: its entries without a mark are taken out, to come back with one. Those
 * of another stack wait for that stack's next `up`, and the header with them.
 */
function dropOldEntries(text: string, { routes }: PolicyFragment): string {
    if (!isOldPolicy(text)) return text;
    const tags = Object.values(routes).flat();
    const old = (root: HuJsonNode) => {
        const [owners, approved, grants] = [["tagOwners"], ["autoApprovers", "routes"], ["grants"]].map((path) =>
            nodeAt(root, path),
        );
        const ours =
            approved?.items.filter(({ value }) => tags.some((tag) => isDeepStrictEqual(value.json, [tag]))) ?? [];
        return { owners, approved, grants, ours };
    };
    const announced = old(parseHuJson(text)).ours.map(({ key }) => key);
    const grant = { src: ["autogroup:member"], dst: announced, ip: OLD_PORTS };
    let rest = text;
    for (;;) {
        const { owners, approved, grants, ours } = old(parseHuJson(rest));
        const found = [
            ...ours.map((item) => ({ container: approved, item })),
            ...(owners?.items ?? [])
                .filter(
                    ({ key, value }) => tags.includes(key ?? "") && isDeepStrictEqual(value.json, ["autogroup:admin"]),
                )
                .map((item) => ({ container: owners, item })),
            ...(grants?.items ?? [])
                .filter(({ value }) => isDeepStrictEqual(value.json, grant))
                .map((item) => ({ container: grants, item })),
        ].find(({ item, container }) => container !== undefined && !isMarked(rest, item));
        if (found?.container === undefined) break;
        rest = remove(rest, found.container, found.item, found.item.start);
    }
    const others = old(parseHuJson(rest)).owners?.items.filter((item) => !isMarked(rest, item)) ?? [];
    return others.length > 0 ? rest : rest.replace(OLD_HEADER, HEADER);
}

const isMarked = (text: string, item: HuJsonItem) =>
    new RegExp(MARK_PATTERN, "m").test(text.slice(item.lead, item.start));

/** JSON on one line with a space after commas and colons, as people write policies. */
function spaced(value: unknown): string {
    if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
    if (typeof value !== "object" || value === null) return JSON.stringify(value);
    return `{${Object.entries(value)
        .map(([key, part]) => `${JSON.stringify(key)}: ${spaced(part)}`)
        .join(", ")}}`;
}
