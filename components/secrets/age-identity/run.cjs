// What the commands of components/secrets/flux-age-key.ts start. TypeScript is compiled in memory.
"use strict";
require("../../../lib/typescript.cjs");
require("./main.ts");
