// What the command of components/tailnet/subnet-router.ts starts: `node run.cjs <step>`. TypeScript is compiled in memory,
// as in tools/start, so a plain node in the user's checkout is enough.
"use strict";
require("../../tools/start/typescript.cjs");
require("./main.ts");
