// What the commands of bootstrap/talos/talos-cluster.ts start: `node run.cjs <step>`. TypeScript is compiled in memory,
// as in tools/start, so a plain node in the user's checkout is enough.
"use strict";
require("../../tools/start/typescript.cjs");
require("./main.ts");
