// Entry point of the policy pack (package.json `main`): TypeScript is compiled in memory, then pack.ts serves the rules.
"use strict";
require("../lib/typescript.cjs");
require("./pack.ts");
