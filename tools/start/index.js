// Entry point of the Pulumi program (Pulumi.yaml `main`): TypeScript is compiled in memory, then index.ts runs.
"use strict";
require("tsx/cjs");
module.exports = require("../../index.ts");
