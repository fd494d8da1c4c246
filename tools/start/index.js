// Entry point of the Pulumi program (Pulumi.yaml `main`): TypeScript is compiled in memory, then index.ts runs.
"use strict";
require("../../lib/typescript.cjs");
module.exports = require("../../index.ts");
