// ESLint rule `floors`: a file imports from its own folder and from those below it. docs/decisions.md says why in this order.
"use strict";
const { dirname, join, relative, resolve, sep } = require("node:path");

const ROOT = join(__dirname, "..", "..");

/** From the ground up; a floor knows nothing of those above it. */
const FLOORS = [
    "lib",
    "components",
    "config",
    "bootstrap",
    "apps",
    "lab",
    "stacks",
    "index.ts",
    "sandbox",
    "policy",
    "tools",
    "tests",
];

/** The floor of a path; -1: none of them, such as package.json. */
function floorOf(path) {
    const [top = ""] = relative(ROOT, path).split(sep);
    return FLOORS.indexOf(top === "index" ? "index.ts" : top);
}

module.exports = {
    FLOORS,
    rule: {
        meta: {
            type: "problem",
            schema: [],
            messages: {
                up: 'A file of {{from}} imports "{{target}}", which is above it. From the ground up: {{floors}}. Move what both need to the lower one.',
            },
        },
        create(context) {
            const from = floorOf(context.filename);
            if (from === -1) return {};
            const look = (node) => {
                if (node?.type !== "Literal" || typeof node.value !== "string" || !node.value.startsWith(".")) return;
                if (floorOf(resolve(dirname(context.filename), node.value)) <= from) return;
                const data = { from: FLOORS[from], target: node.value, floors: FLOORS.join(", ") };
                context.report({ node, messageId: "up", data });
            };
            return {
                ImportDeclaration: ({ source }) => look(source),
                ExportNamedDeclaration: ({ source }) => look(source),
                ExportAllDeclaration: ({ source }) => look(source),
                ImportExpression: ({ source }) => look(source),
                TSImportType: ({ source, argument }) => look(source ?? argument?.literal),
                CallExpression: ({ callee, arguments: [first] }) => {
                    if (callee.type === "Identifier" && callee.name === "require") look(first);
                },
            };
        },
    },
};
