// Entry point of the Pulumi program (Pulumi.yaml `main`): TypeScript is compiled in memory, then index.ts runs.
"use strict";
// Node keeps what V8 made of each file, by the file's content: it cannot be stale. docs/benchmarks.md has what it saves.
require("node:module").enableCompileCache?.();
require("tsx/cjs");
module.exports = require("../../index.ts");
