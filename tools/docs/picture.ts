/** A plan as a picture. The same plan gives the same bytes. */
import { IDENTITY } from "../../components/cluster/cluster-uid";
import type { Exposure } from "../../components/edge/edge";
import type { Plan } from "../plan/plan";
import { componentGraph, fold, type Component } from "./components";
import { CARD, layOut, PADDING, round, type Panel, type Placed, type Point, type Scene } from "./scene";
import { escapeXml, text, textWidth, type TextStyle } from "./text";

const MARGIN = 14;
const HEADER = 62;
const FOOTER = 34;

/** The picture of a stack as an SVG file. */
export async function drawPlan(plan: Plan): Promise<string> {
    return svg(plan, await layOut(fold(componentGraph(plan))));
}

/** Colour of a concern: folders of components/, in the order in which a cluster needs them. */
const COLOURS: readonly (readonly [concern: string, colour: string])[] = [
    ["bootstrap", "#6e7781"],
    ["network", "#1f83e0"],
    ["secrets", "#c2453f"],
    ["gitops", "#e0692c"],
    ["storage", "#9a6b3f"],
    ["cluster", "#7f8c2f"],
    ["edge", "#0f8f8f"],
    ["tailnet", "#5b62d6"],
    ["monitoring", "#b5479d"],
    ["backup", "#8a6d00"],
    ["database", "#3f6fa8"],
    ["gpu", "#6a8f00"],
    ["apps", "#2f9e5b"],
];
const OTHER = "#8c959f";

const FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI','Noto Sans',Helvetica,Arial,sans-serif";
const TITLE: TextStyle = { size: 15.5, bold: true };
const SMALL: TextStyle = { size: 12.5 };
const LEGEND: TextStyle = { size: 13 };

const LIGHT = {
    page: "#ffffff",
    panel: "#f4f6f8",
    rim: "#d5dbe1",
    card: "#ffffff",
    strong: "#1f2328",
    weak: "#59636e",
    line: "#6e7781",
};
const DARK: typeof LIGHT = {
    page: "#0d1117",
    panel: "#161b22",
    rim: "#30363d",
    card: "#21262d",
    strong: "#f0f6fc",
    weak: "#9ea7b1",
    line: "#8b949e",
};

function style(colours: typeof LIGHT): string {
    return [
        `.page{fill:${colours.page}}`,
        `.panel{fill:${colours.panel};stroke:${colours.rim}}`,
        `.card{fill:${colours.card};stroke:${colours.rim}}`,
        `.strong{fill:${colours.strong}}`,
        `.weak{fill:${colours.weak}}`,
        `.line{stroke:${colours.line}}`,
        `.tip{fill:${colours.line}}`,
    ].join("");
}

function svg(plan: Plan, scene: Scene): string {
    const width = scene.width + 2 * MARGIN;
    const height = HEADER + scene.height + FOOTER;
    const hosts = new Map(plan.exposures.map((exposure) => [exposure.workload, exposure]));
    const lines = [
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="${FONT}">`,
        `<title>The ${plan.stack} stack in bootstrap order</title>`,
        `<desc>Drawn by npm run docs from npm run plan. ${escapeXml(sentence(scene))}</desc>`,
        `<style>${style(LIGHT)}@media(prefers-color-scheme:dark){${style(DARK)}}</style>`,
        `<marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" orient="auto" markerUnits="userSpaceOnUse"><path class="tip" d="M0 0L8 4L0 8z"/></marker>`,
        `<rect class="page" width="${width}" height="${height}" rx="8"/>`,
        ...header(plan, width),
        `<g transform="translate(${MARGIN} ${HEADER})">`,
        ...scene.panels.flatMap((panel) => drawPanel(panel, hosts)),
        ...scene.arrows.map(line),
        "</g>",
        ...legend(scene, height - 12),
        "</svg>",
        "",
    ];
    return lines.join("\n");
}

function header(plan: Plan, width: number): string[] {
    const custom = plan.resources.filter((resource) => resource.custom);
    const providers = custom.filter(({ type }) => type.startsWith("pulumi:providers:")).length;
    const components = plan.resources.length - custom.length - 1;
    const alone = custom.filter(({ name }) => name === IDENTITY).length;
    const numbers = `${plan.resources.length} resources: ${custom.length - providers - alone} in ${components} components, ${providers} providers, the stack itself${alone === 0 ? "" : " and its identity"}`;
    return [
        text(plan.stack, { x: MARGIN + 2, y: 28, class: "strong", size: 20, bold: true }),
        text(numbers, { x: MARGIN + 2, y: 48, class: "weak", size: 13.5 }),
        text("A → B: B waits for A", { x: width - MARGIN - 2, y: 28, class: "weak", size: 13.5, anchor: "end" }),
        text("number: resources in it", { x: width - MARGIN - 2, y: 48, class: "weak", size: 13.5, anchor: "end" }),
    ];
}

/** The colours that are used. */
function legend({ panels }: Scene, y: number): string[] {
    const used = new Set(panels.flatMap(({ block }) => block.components.map(({ concern }) => concern)));
    let x = MARGIN + 2;
    const known = new Map(COLOURS);
    const others = [...used].filter((concern) => !known.has(concern)).map((concern) => [concern, OTHER] as const);
    return [...COLOURS.filter(([concern]) => used.has(concern)), ...others].flatMap(([concern, colour]) => {
        const here = x;
        x += 34 + textWidth(concern, LEGEND);
        return [
            `<rect x="${round(here)}" y="${y - 10}" width="10" height="10" rx="2" fill="${colour}"/>`,
            text(concern, { x: round(here + 15), y: y - 1, class: "weak", ...LEGEND }),
        ];
    });
}

function drawPanel(panel: Panel & Point, hosts: ReadonlyMap<string, Exposure>): string[] {
    const at = `<g transform="translate(${panel.x} ${panel.y})">`;
    return [
        at,
        ...(panel.caption === ""
            ? []
            : [
                  `<rect class="panel" width="${panel.width}" height="${panel.height}" rx="8"/>`,
                  text(panel.caption, { x: PADDING, y: 20, class: "weak", size: 13, italic: true }),
              ]),
        ...panel.labels.map(({ x, y, label }) => text(label, { x, y, class: "weak", size: 13, bold: true })),
        ...panel.cards.flatMap((card) => drawCard(card, hosts)),
        ...panel.arrows.map(line),
        "</g>",
    ];
}

function drawCard({ component, x, y }: Placed, hosts: ReadonlyMap<string, Exposure>): string[] {
    const colour = new Map(COLOURS).get(component.concern) ?? OTHER;
    const [, number, title = component.name] = /^(?:(\d+) )?(.*)$/.exec(component.stage ?? component.name) ?? [];
    const count = String(component.size);
    const left = 16 + (number === undefined ? 0 : 26);
    const pill = 14 + 7 * count.length;
    return [
        `<g transform="translate(${x} ${y})">`,
        `<rect class="card" width="${CARD.width}" height="${CARD.height}" rx="6"/>`,
        `<path fill="${colour}" d="M6 0A6 6 0 0 0 0 6V${CARD.height - 6}A6 6 0 0 0 6 ${CARD.height}z"/>`,
        ...(number === undefined
            ? []
            : [
                  `<circle cx="27" cy="19" r="10" fill="${colour}"/>`,
                  text(number, { x: 27, y: 23.3, fill: "#ffffff", size: 12, bold: true, anchor: "middle" }),
              ]),
        text(title, { x: left, y: 24.5, class: "strong", ...TITLE, fit: CARD.width - left - pill - 14 }),
        text(subtitle(component, title, hosts), { x: 16, y: 45, class: "weak", ...SMALL, fit: CARD.width - 20 }),
        `<rect x="${CARD.width - pill - 8}" y="9" width="${pill}" height="20" rx="10" fill="${colour}" fill-opacity=".18"/>`,
        text(count, { x: CARD.width - pill / 2 - 8, y: 23.2, class: "strong", size: 12, anchor: "middle" }),
        "</g>",
    ];
}

/** Where a workload is reached; of anything else what it is. */
function subtitle({ name, type, namespace }: Component, title: string, hosts: ReadonlyMap<string, Exposure>): string {
    if (namespace === undefined) return name === title ? type : `${name}, ${type}`;
    const exposure = hosts.get(name);
    return exposure === undefined ? type : `${exposure.access}: ${exposure.host}`;
}

const line = (path: string) => `<path class="line" d="${path}" fill="none" stroke-width="1.6" marker-end="url(#tip)"/>`;

/** The picture in words. */
function sentence({ panels }: Scene): string {
    return panels
        .map(({ block }) => block.components.map(({ name }) => name).join(block.kind === "leaves" ? ", " : ", then "))
        .join("; ");
}
