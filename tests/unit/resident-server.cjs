// One process that answers the calls of a program, where a test calls it a thousand times: starting Node takes longer than any
// answer. `node resident-server.cjs <folder> <module>`; the module has `play(words, stdin)`, which returns what is said, or throws an
// error with an exit `code`. A call is <folder>/<pid>.call of tests/unit/resident.ts, and is answered by the pipe <folder>/<pid>.
"use strict";
const { constants, createReadStream, openSync, readFileSync, rmSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { createInterface } = require("node:readline");

const [folder, module_] = process.argv.slice(2);
const { play } = require(module_);

async function answered(call) {
    const [mask, directory, ...words] = readFileSync(`${call}.call`, "utf8").split("\0").slice(0, -1);
    // What it makes is as the caller would make it.
    process.umask(parseInt(mask, 8));
    process.chdir(directory);
    try {
        const said = await play(words, () => readFileSync(`${call}.in`, "utf8"));
        return `0\n${said === "" || said.endsWith("\n") ? said : `${said}\n`}`;
    } catch (error) {
        return typeof error.code === "number" ? `${error.code}\n${error.message}\n` : `70\n${error.stack}\n`;
    }
}

async function serve() {
    // Open for writing too: it does not end when a caller has.
    const calls = openSync(join(folder, "calls"), constants.O_RDWR);
    // Without whom it was started for there are no more of them.
    process.stdin.on("end", () => process.exit()).resume();
    for await (const pid of createInterface({ input: createReadStream("", { fd: calls }) })) {
        const call = join(folder, pid);
        const text = await answered(call);
        process.chdir(folder);
        writeFileSync(call, text);
        for (const end of ["", ".call", ".in"]) rmSync(call + end, { force: true });
    }
}

void serve();
