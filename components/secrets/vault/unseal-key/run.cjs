// What the command of components/secrets/vault/vault.ts starts. TypeScript is compiled in memory.
"use strict";
require("../../../../lib/typescript.cjs");
require("./main.ts");
