// Lets Node load this project's TypeScript as it stands: `require` it, or `node --require`. What esbuild made of a text is kept
// by that text, and what V8 made of it in turn by its own cache: nothing can be stale. docs/benchmarks.md has what it saves.
"use strict";
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } = require("node:fs");
const nodeModule = require("node:module");
const { basename, dirname, join, sep } = require("node:path");
const { openPack } = require("./pack.cjs");
const { openPlaces } = require("./places.cjs");
const { deferred, withoutStacks, withPlaces } = require("./spared.cjs");

const root = join(__dirname, "..");
const cache = join(root, "node_modules", ".cache", "typescript");

/** ES modules, which no pack can hold as they are, and which every `up` with a secrets file needs. */
const AGE = join(root, "node_modules", "age-encryption", sep);

/** Texts of what runs and their keys, by path: what a stack's places are found by. The files may be others by then. */
const texts = new Map();
let pack;

nodeModule.enableCompileCache?.();
if (process.features.require_module) {
    pack = openPack(root, cache, keep);
    const { textOf, uriOf } = openPlaces(cache, keep, moduleAt, codeOf);
    const { ".js": loadJavaScript } = nodeModule._extensions;
    nodeModule._extensions[".ts"] = load;
    nodeModule._extensions[".js"] = function (loaded, path) {
        return path.startsWith(AGE) ? load(loaded, path) : loadJavaScript.call(this, loaded, path);
    };
    Error.prepareStackTrace = (error, sites) =>
        `${headOf(error)}${sites.map((site) => `\n    at ${textOf(site)}`).join("")}`;
    deferUnused(uriOf);
} else {
    // A Node 22 from before 22.12 cannot `require` the packages that are ES modules: tsx makes CommonJS of them, too.
    require("tsx/cjs");
}

function load(loaded, path) {
    const source = readFileSync(path, "utf8");
    const key = keyOf(path, source);
    texts.set(path, { source, key });
    if (pack.run(loaded, path, key)) return;
    const code = compiled(path, source, key);
    pack.add(path, key, code);
    loaded._compile(code, path);
}

function optionsOf(path) {
    return {
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
}

/** What the code of a text depends on, as a name for it. */
function keyOf(path, source) {
    return createHash("sha256")
        .update(`${esbuildVersion()} ${JSON.stringify(optionsOf(path))} ${deferImports}\n${source}`)
        .digest("hex");
}

/** The file as CommonJS. */
function compiled(path, source, key) {
    const kept = join(cache, `${key}.js`);
    try {
        return readFileSync(kept, "utf8");
    } catch (error) {
        if (error.code !== "ENOENT") throw error;
    }
    let code;
    try {
        const { transformSync } = require("esbuild");
        const options = optionsOf(path);
        code = deferImports(transformSync(source, options).code, options, transformSync);
    } catch (error) {
        error.message = error.message.replaceAll(`${basename(path)}:`, `${path}:`);
        throw error;
    }
    keep(kept, code);
    return code;
}

/**
 * The same code, but what it imports is loaded when it is first used, as `import defer` will have it: a start loads the recipe,
 * the apps and the components of its own stack, and of the others what their claims need. No module here does anything by being
 * imported; an `import "x"` for what it does, and an `export *`, are left as they are. Its text is part of the cache's key.
 */
function deferImports(code, options, transformSync) {
    const define = {};
    const deferred = code.replace(/^var (\w+) = ((?:__toESM\()?require\("[^"\n]+"\)\)?);$/gm, (line, name, load) => {
        const uses = code.split(new RegExp(`\\b${name}\\b`)).length - 2;
        if (uses === 0) return line;
        define[name] = `$imports.${name}`;
        return `$defer("${name}", () => ${load});`;
    });
    if (deferred === code) return code;
    const head =
        "const $imports = {}, $defer = (name, load) => { let value; " +
        "Object.defineProperty($imports, name, { get: () => (value ??= load()) }); };";
    // On no line of its own, so that the places of the first translation hold; esbuild joins both maps.
    return transformSync(`${head}${deferred}`, { ...options, loader: "js", define }).code;
}

/** The module whose code stands in that line of what runs, with the code's key where it is of a text of ours. */
function moduleAt(file, row) {
    const at = pack.placeIn(file, row) ?? { path: file, line: row };
    return { ...at, key: texts.get(at.path)?.key };
}

/** The code of a text that was loaded. */
function codeOf(path) {
    const { source, key } = texts.get(path);
    return compiled(path, source, key);
}

let version;
function esbuildVersion() {
    version ??= JSON.parse(readFileSync(require.resolve("esbuild/package.json"), "utf8")).version;
    return version;
}

/** In one step: another process never reads half a file. What cannot be kept costs time, and fails nothing. */
function keep(path, code) {
    const beside = `${path}.${process.pid}`;
    try {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(beside, code);
        renameSync(beside, path);
    } catch {
        // A folder that is another's, a full disk, a cache that is being cleared: the next start tries again.
        rmSync(beside, { force: true });
    }
}

function headOf(error) {
    try {
        return String(error);
    } catch {
        return "Error";
    }
}

/** What packages load as they are loaded themselves, of use to few of those who have them; by the package that asks. */
const UNUSED = {
    // npm's own resolver and the TypeScript compiler turn functions into text (half of what the SDK takes to load).
    "@pulumi/pulumi": ["./automation", "@npmcli/arborist", "normalize-package-data", "../../typescript-shim"],
    // Finds the files of a ConfigFile.
    "@pulumi/kubernetes": ["glob"],
    // Messages in fifty languages; those of English are asked for by a name of their own.
    zod: ["../locales/index.cjs"],
};

/** Of what nobody here asks for, loads what is asked for, when it is. */
function deferUnused(uriOf) {
    const load = nodeModule._load;
    nodeModule._load = function (request, parent, isMain) {
        const all = () => load.call(this, request, parent, isMain);
        const [, asking] = /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(parent?.filename ?? "") ?? [];
        if (asking === undefined) return all();
        if (asking === "@pulumi/pulumi" && request.endsWith("/debuggable")) return withoutStacks(all());
        if (asking === "@pulumi/pulumi" && request.endsWith("/resource")) return withPlaces(all(), uriOf);
        return UNUSED[asking]?.includes(request) ? deferred(all) : all();
    };
    // The engine's own start has loaded the SDK before this.
    for (const [path, loaded] of Object.entries(require.cache)) {
        if (path.endsWith(join("@pulumi", "pulumi", "runtime", "debuggable.js"))) withoutStacks(loaded.exports);
        if (path.endsWith(join("@pulumi", "pulumi", "resource.js"))) withPlaces(loaded.exports, uriOf);
    }
}
