// Installs the locked packages when they are missing or not the locked ones. Plain CommonJS without dependencies: it
// runs before there are any, on whatever Node npm itself runs on.
"use strict";
const { createHash } = require("node:crypto");
const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { spawnSync } = require("node:child_process");

const root = join(__dirname, "..");
const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
const marker = join(root, "node_modules", ".locked");

if (!existsSync(marker) || readFileSync(marker, "utf8") !== wanted) {
    console.error("installing the locked Node packages (npm ci)");
    const npm = process.env.npm_execpath;
    const [command, ...args] = npm ? [process.execPath, npm] : ["npm"];
    const result = spawnSync(command, [...args, "ci", "--no-audit", "--no-fund", "--loglevel=error"], {
        cwd: root,
        stdio: ["ignore", 2, 2],
    });
    if (result.status !== 0) {
        console.error("error: npm ci failed; it needs npm and access to a package registry. Its own message is above.");
        process.exit(1);
    }
    writeFileSync(marker, wanted);
}
