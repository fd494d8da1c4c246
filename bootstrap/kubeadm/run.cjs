// What the commands of bootstrap/kubeadm/kubeadm-cluster.ts start: `node run.cjs <step>`. TypeScript is compiled in memory,
// as for tools/start, so a plain node in the user's checkout is enough.
"use strict";
require("../../lib/typescript.cjs");
require("./main.ts");
