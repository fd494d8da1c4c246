// `node tools/run.cjs <file.ts> [argument ...]`, what the npm scripts start: installs the locked packages where they are missing
// and runs the program, in this one process when it is the Node of the lockfile, as it is for npm from the second time on.
// Plain CommonJS without dependencies, for whatever Node npm itself runs on.
"use strict";
const { existsSync, realpathSync } = require("node:fs");
const { spawn } = require("node:child_process");
const { join, resolve } = require("node:path");

require("./install.cjs");

const node = join(__dirname, "..", "node_modules", "node", "bin", "node");
const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
    console.error("error: which program? usage: node tools/run.cjs <file.ts> [argument ...]");
    process.exitCode = 1;
} else if (!existsSync(node) || realpathSync(node) === realpathSync(process.execPath)) {
    process.argv.splice(1, 2, resolve(file));
    require("../lib/typescript.cjs");
    require(resolve(file));
} else {
    const child = spawn(node, [__filename, file, ...args], { stdio: "inherit" });
    // The terminal gives Ctrl-C to both; this process has only to wait for the other.
    process.on("SIGINT", () => undefined);
    for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
    child.on("error", (error) => {
        console.error(`error: ${node} does not start: ${error.message}`);
        process.exitCode = 1;
    });
    child.on("close", (code, signal) => {
        process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
    });
}
