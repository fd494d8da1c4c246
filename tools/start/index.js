// Entry point of the Pulumi program (Pulumi.yaml `main`). It bundles index.ts and all it imports as they stand at this
// moment, in about 50 ms, and runs that: there is no compiled copy that could be stale. Measured: docs/benchmarks.md.
"use strict";
const { mkdirSync, renameSync, writeFileSync } = require("node:fs");
const Module = require("node:module");
const { join } = require("node:path");
const { buildSync } = require("esbuild");

const root = join(__dirname, "..", "..");
const cache = join(root, "node_modules", ".cache", "start");
const file = join(cache, "program.cjs");

const [{ text }] = buildSync({
    absWorkingDir: root,
    entryPoints: ["index.ts"],
    bundle: true,
    packages: "external",
    platform: "node",
    format: "cjs",
    target: "node22",
    sourcemap: "inline",
    sourcesContent: false,
    outfile: file,
    write: false,
    logLevel: "silent",
}).outputFiles;

try {
    mkdirSync(cache, { recursive: true });
    // What V8 made of the packages, found again by their content.
    Module.enableCompileCache(join(cache, "v8"));
    // For stack traces, which take the source map from here.
    const part = `${file}.${process.pid}`;
    writeFileSync(part, text);
    renameSync(part, file);
} catch {
    // A checkout that is read-only: slower, and its traces name the bundle.
}
// From memory: another run may have put its own in the file by now.
const program = new Module(file, module);
program.filename = file;
program.paths = module.paths;
program._compile(text, file);
module.exports = program.exports;
