// Jest transform: TypeScript, and the ES modules among the packages, to CommonJS in memory.
"use strict";
const { createHash } = require("node:crypto");
const { transformSync, version } = require("esbuild");

module.exports = {
    process: (source, path) =>
        transformSync(source, {
            sourcefile: path,
            loader: /\.[cm]?ts$/.test(path) ? "ts" : "js",
            format: "cjs",
            target: "node22",
            sourcemap: "inline",
            // Dynamic imports too: Jest's own loader serves them.
            supported: { "dynamic-import": false },
        }),
    getCacheKey: (source, path) => createHash("sha256").update(version).update(path).update(source).digest("hex"),
};
