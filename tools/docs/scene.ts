/** Where everything stands: blocks are placed by Graphviz, what is in them stands on a grid. */
import { Graphviz } from "@hpcc-js/wasm-graphviz";
import type { Block, Component } from "./components";

/** All lengths in the SVG's units, which are pixels at full size. A README shows about 900 of them. */
export const CARD = { width: 226, height: 56, gap: 22 };
const CHIP_GAP = 10;
export const PADDING = 14;
const CAPTION = 30;
const GROUP_CAPTION = 28;
const RANK_GAP = 46;
const COLUMNS = 4;
/** Blocks side by side: a chain and three columns of cards are as wide as a sequence. */
const BLOCK_GAP = 18;
/** What Graphviz' rounding to whole points may add. */
const SLACK = 4;
const WIDEST = COLUMNS * CARD.width + (COLUMNS - 1) * CARD.gap + 2 * PADDING;

export interface Point {
    readonly x: number;
    readonly y: number;
}

/** A card and where it stands in its block. */
export interface Placed extends Point {
    readonly component: Component;
}

/** A block with its contents laid out. */
export interface Panel {
    readonly block: Block;
    /** Empty for a card by itself, which needs no frame either. */
    readonly caption: string;
    readonly width: number;
    readonly height: number;
    readonly cards: readonly Placed[];
    /** Captions of the groups in it. */
    readonly labels: readonly (Point & { readonly label: string })[];
    /** Arrows in it, as SVG paths. */
    readonly arrows: readonly string[];
}

/** As wide as a page allows: fewer columns of leaves only where blocks stand side by side. */
export async function layOut(blocks: readonly Block[]): Promise<Scene> {
    const graphviz = await Graphviz.load();
    const tries: Scene[] = [];
    for (let columns = COLUMNS; columns >= 2; columns--) {
        const scene = place(
            blocks.map((block) => panel(block, columns)),
            graphviz,
        );
        if (scene.width <= WIDEST + SLACK) return scene;
        tries.push(scene);
    }
    return tries.reduce((best, scene) => (scene.width < best.width ? scene : best));
}

const CAPTIONS: Readonly<Record<Block["kind"], string>> = {
    sequence: "one after the other",
    chain: "in this order",
    leaves: "side by side; nothing waits for these",
};

function panel(block: Block, columns: number): Panel {
    const [first, ...more] = block.components;
    if (first !== undefined && more.length === 0) return { block, caption: "", ...single(first) };
    const laid =
        block.kind === "sequence" ? rows(block) : block.kind === "chain" ? column(block) : grid(block, columns);
    return { block, caption: CAPTIONS[block.kind], ...laid };
}

type Laid = Pick<Panel, "width" | "height" | "cards" | "labels" | "arrows">;

/** A card by itself. */
function single(component: Component): Laid {
    return { width: CARD.width, height: CARD.height, cards: [{ component, x: 0, y: 0 }], labels: [], arrows: [] };
}

/** Left to right, wrapped like text. */
function rows({ components }: Block): Laid {
    const perRow = Math.ceil(components.length / Math.ceil(components.length / COLUMNS));
    const step = { x: CARD.width + CARD.gap, y: CARD.height + 30 };
    const cards = components.map((component, index) => ({
        component,
        x: PADDING + (index % perRow) * step.x,
        y: CAPTION + Math.floor(index / perRow) * step.y,
    }));
    const arrows = cards.slice(1).map((card, index) => {
        const from = cards[index] as Placed;
        const middle = CARD.height / 2;
        if (from.y === card.y) return `M${from.x + CARD.width} ${from.y + middle}H${card.x}`;
        const turn = from.y + CARD.height + 15;
        return rounded([
            { x: from.x + CARD.width / 2, y: from.y + CARD.height },
            { x: from.x + CARD.width / 2, y: turn },
            { x: card.x + CARD.width / 2, y: turn },
            { x: card.x + CARD.width / 2, y: card.y },
        ]);
    });
    const last = cards.at(-1)?.y ?? 0;
    const count = Math.min(perRow, components.length);
    return {
        width: count * CARD.width + (count - 1) * CARD.gap + 2 * PADDING,
        height: last + CARD.height + PADDING,
        cards,
        labels: [],
        arrows,
    };
}

/** Top to bottom. */
function column({ components }: Block): Laid {
    const cards = components.map((component, index) => ({
        component,
        x: PADDING,
        y: CAPTION + index * (CARD.height + CARD.gap),
    }));
    return {
        width: CARD.width + 2 * PADDING,
        height: (cards.at(-1)?.y ?? 0) + CARD.height + PADDING,
        cards,
        labels: [],
        arrows: cards.slice(1).map(({ x, y }) => `M${x + CARD.width / 2} ${y - CARD.gap}V${y}`),
    };
}

/** What is no workload first, then the workloads of each namespace under its name. */
function grid({ components }: Block, columns: number): Laid {
    const groups = new Map<string | undefined, Component[]>();
    for (const component of [...components].sort(
        (a, b) => Number(a.namespace !== undefined) - Number(b.namespace !== undefined),
    )) {
        groups.set(component.namespace, [...(groups.get(component.namespace) ?? []), component]);
    }
    const used = Math.min(columns, Math.max(...[...groups.values()].map(({ length }) => length)));
    const cards: Placed[] = [];
    const labels: (Point & { label: string })[] = [];
    let y = CAPTION;
    for (const [namespace, members] of groups) {
        if (namespace !== undefined) {
            labels.push({ x: PADDING, y: y + 16, label: `namespace ${namespace}` });
            y += GROUP_CAPTION;
        }
        members.forEach((component, index) => {
            cards.push({
                component,
                x: PADDING + (index % used) * (CARD.width + CHIP_GAP),
                y: y + Math.floor(index / used) * (CARD.height + CHIP_GAP),
            });
        });
        y += Math.ceil(members.length / used) * (CARD.height + CHIP_GAP);
    }
    return {
        width: used * CARD.width + (used - 1) * CHIP_GAP + 2 * PADDING,
        height: y - CHIP_GAP + PADDING,
        cards,
        labels,
        arrows: [],
    };
}

export interface Scene {
    readonly width: number;
    readonly height: number;
    readonly panels: readonly (Panel & Point)[];
    /** Arrows between panels, as SVG paths. */
    readonly arrows: readonly string[];
}

/** What stands in a rank: a panel, or the place that an arrow past the rank needs. */
interface Item {
    readonly rank: number;
    readonly width: number;
    readonly panel?: Panel;
}

/** Arrows between panels as paths over items, each a rank below the one before. */
function ranked(panels: readonly Panel[]): { items: Item[]; routes: number[][] } {
    const ranks: number[] = [];
    for (const { block } of panels) ranks.push(Math.max(-1, ...block.waits.map((target) => ranks[target] ?? 0)) + 1);
    const items: Item[] = panels.map((panel, index) => ({ rank: ranks[index] ?? 0, width: panel.width, panel }));
    const routes = panels.flatMap(({ block }, index) =>
        block.waits.map((target) => {
            const route = [target];
            for (let rank = (ranks[target] ?? 0) + 1; rank < (ranks[index] ?? 0); rank++) {
                route.push(items.length);
                items.push({ rank, width: 12 });
            }
            return [...route, index];
        }),
    );
    return { items, routes };
}

/** Graphviz says what stands beside what, so that arrows cross little; heights are ours, so that tops line up. */
function place(panels: readonly Panel[], graphviz: Graphviz): Scene {
    const { items, routes } = ranked(panels);
    const middles = arrange(items, routes, graphviz);
    const span = (members: readonly number[]) => ({
        left: Math.min(...members.map((index) => (middles[index] ?? 0) - (items[index]?.width ?? 0) / 2)),
        right: Math.max(...members.map((index) => (middles[index] ?? 0) + (items[index]?.width ?? 0) / 2)),
    });
    const ranks: number[][] = [];
    items.forEach(({ rank }, index) => (ranks[rank] ??= []).push(index));
    const page = ranks.map(span).sort((a, b) => b.right - b.left - (a.right - a.left))[0] ?? { left: 0, right: 0 };
    const placed: (Item & Point & { height: number })[] = [];
    let y = 0;
    for (const members of ranks) {
        const { left, right } = span(members);
        const shift = Math.max(0, page.left - left) - Math.max(0, right - page.right) - page.left;
        const height = Math.max(...members.map((index) => items[index]?.panel?.height ?? 0));
        for (const index of members) {
            const item = items[index] as Item;
            const x = round((middles[index] ?? 0) + shift - item.width / 2);
            placed[index] = { ...item, x, y, height: item.panel?.height ?? height };
        }
        y += height + RANK_GAP;
    }
    return {
        width: Math.round(page.right - page.left),
        height: y - RANK_GAP,
        panels: placed.flatMap(({ panel, x, y: top }) => (panel === undefined ? [] : [{ ...panel, x, y: top }])),
        arrows: routes.map((route) => arrow(route.map((index) => placed[index] as Box))),
    };
}

/** The middle of each item from left to right. Graphviz counts in points, 72 to the inch; a point is a unit here. */
function arrange(items: readonly Item[], routes: readonly (readonly number[])[], graphviz: Graphviz): number[] {
    const inches = (units: number) => (units / 72).toFixed(4);
    const ranks = new Map<number, string[]>();
    items.forEach(({ rank }, index) => ranks.set(rank, [...(ranks.get(rank) ?? []), `n${index}`]));
    const dot = [
        "digraph {",
        `nodesep=${inches(BLOCK_GAP)} node [shape=box fixedsize=true height=1 label=""]`,
        ...items.map(({ width }, index) => `n${index} [width=${inches(width)}]`),
        ...[...ranks.values()].map((names) => `{rank=same ${names.join(" ")}}`),
        ...routes.map((route) => route.map((index) => `n${index}`).join(" -> ")),
        "}",
    ].join("\n");
    const middles: number[] = [];
    for (const words of graphviz.layout(dot, "plain").split("\n")) {
        const [kind, id, x] = words.split(" ");
        if (kind === "node") middles[Number(id?.slice(1))] = Number(x) * 72;
    }
    return middles;
}

type Box = Point & { readonly width: number; readonly height: number };

/** From box to box: straight down where one stands above the other, else in a curve. */
function arrow(boxes: readonly Box[]): string {
    const middle = (box: Box) => round(box.x + box.width / 2);
    return boxes
        .slice(1)
        .map((to, index) => {
            const from = boxes[index] as Box;
            const [narrow, wide] = from.width < to.width ? [from, to] : [to, from];
            const below = middle(narrow) > wide.x + PADDING && middle(narrow) < wide.x + wide.width - PADDING;
            const [start, end] = below ? [middle(narrow), middle(narrow)] : [middle(from), middle(to)];
            // Past a rank: the same line goes on.
            const move = index === 0 ? `M${start} ${from.y + from.height}` : `V${from.y + from.height}`;
            const reach = (to.y - from.y - from.height) * 0.6;
            const [low, high] = [round(from.y + from.height + reach), round(to.y - reach)];
            return start === end ? `${move}V${to.y}` : `${move}C${start} ${low} ${end} ${high} ${end} ${to.y}`;
        })
        .join("");
}

/** A line through points with rounded corners. */
function rounded(path: readonly Point[], radius = 8): string {
    return path
        .map((point, index) => {
            const [before, after] = [path[index - 1], path[index + 1]];
            if (before === undefined) return `M${point.x} ${point.y}`;
            if (after === undefined) return `L${point.x} ${point.y}`;
            const towards = (other: Point) => ({
                x: point.x + Math.sign(other.x - point.x) * radius,
                y: point.y + Math.sign(other.y - point.y) * radius,
            });
            const [a, b] = [towards(before), towards(after)];
            return `L${a.x} ${a.y}Q${point.x} ${point.y} ${b.x} ${b.y}`;
        })
        .join("");
}

/** A tenth of a unit is enough. */
export const round = (value: number) => Math.round(value * 10) / 10;
