// Lets Node load this project's TypeScript as it stands: `require` it, or `node --require`. What esbuild made of a text is kept
// by that text, and what V8 made of it in turn by its own cache: nothing can be stale. docs/benchmarks.md has what it saves.
"use strict";
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const nodeModule = require("node:module");
const { basename, dirname, join } = require("node:path");

const cache = join(__dirname, "..", "..", "node_modules", ".cache", "typescript");

nodeModule.enableCompileCache?.();
if (process.features.require_module) {
    // Errors point into the source. The packages' own maps would be read at each start for nothing.
    if (nodeModule.setSourceMapsSupport)
        nodeModule.setSourceMapsSupport(true, { nodeModules: false, generatedCode: false });
    else process.setSourceMapsEnabled(true);
    nodeModule._extensions[".ts"] = (loaded, path) => loaded._compile(compiled(path), path);
    deferUnused();
} else {
    // A Node 22 from before 22.12 cannot `require` the packages that are ES modules: tsx makes CommonJS of them, too.
    require("tsx/cjs");
}

/** The file as CommonJS. */
function compiled(path) {
    const source = readFileSync(path, "utf8");
    const options = {
        // Relative to the file itself, so that the same text in another folder is compiled once.
        sourcefile: basename(path),
        loader: "ts",
        format: "cjs",
        target: "node22",
        sourcemap: "inline",
        sourcesContent: false,
        // `import()` too: as a loader of its own Node's would not find TypeScript.
        supported: { "dynamic-import": false },
    };
    const key = createHash("sha256")
        .update(`${esbuildVersion()} ${JSON.stringify(options)}\n${source}`)
        .digest("hex");
    const kept = join(cache, `${key}.js`);
    try {
        return readFileSync(kept, "utf8");
    } catch (error) {
        if (error.code !== "ENOENT") throw error;
    }
    let code;
    try {
        ({ code } = require("esbuild").transformSync(source, options));
    } catch (error) {
        error.message = error.message.replaceAll(`${basename(path)}:`, `${path}:`);
        throw error;
    }
    keep(kept, code);
    return code;
}

let version;
function esbuildVersion() {
    version ??= JSON.parse(readFileSync(require.resolve("esbuild/package.json"), "utf8")).version;
    return version;
}

/** In one step: another process never reads half a file. A folder that cannot be written to costs time, nothing else. */
function keep(path, code) {
    try {
        mkdirSync(dirname(path), { recursive: true });
        const beside = `${path}.${process.pid}`;
        writeFileSync(beside, code);
        renameSync(beside, path);
    } catch (error) {
        if (!["EACCES", "EROFS", "ENOSPC", "EPERM"].includes(error.code)) throw error;
    }
}

/**
 * The SDK loads npm's own resolver and the TypeScript compiler at each start, for functions that are turned into text; nothing
 * here does that. They are loaded when something of them is asked for: half of what the SDK takes to load.
 */
function deferUnused() {
    const load = nodeModule._load;
    nodeModule._load = function (request, parent, isMain) {
        const rarely = request === "@npmcli/arborist" || request === "../../typescript-shim";
        if (!rarely || !parent?.filename?.includes("@pulumi")) return load.call(this, request, parent, isMain);
        const all = () => load.call(this, request, parent, isMain);
        return new Proxy(
            {},
            // As the module that TypeScript's __importStar makes of it, which it then leaves as it is.
            { get: (_, name) => (name === "__esModule" ? true : name === "default" ? all() : all()[name]) },
        );
    };
}
