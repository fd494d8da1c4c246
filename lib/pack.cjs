// What a program loaded the last time, as one file, with what V8 made of it: a start has three hundred modules, and looking each
// up, reading it and compiling it takes longer than running it. Of each the text is compared, so nothing can be stale: a module
// that is not in the file, or was another then, is loaded as ever, and is in it the next time.
"use strict";
const { createHash } = require("node:crypto");
const { existsSync, readFileSync } = require("node:fs");
const inspector = require("node:inspector");
const nodeModule = require("node:module");
const { dirname, join, sep } = require("node:path");
const { Script } = require("node:vm");

/** Packages of many small CommonJS files that every start uses. */
const PACKAGES = ["ipaddr.js", "yaml", "zod"];

const OPEN = "function (exports, require, module, __filename, __dirname) {";

const NOTHING = { kept: { modules: {}, places: {}, starts: [] } };

/** Characters of a name: the hash of the rest of a file. */
const NAME = 64;

const hash = (text) => createHash("sha256").update(text).digest("hex");

/** `root`: the project's folder. `cache`: where the file is kept. `keep`: writes one. */
function openPack(root, cache, keep) {
    const program = process.argv[1] ?? "";
    const file = join(cache, `pack-${hash([root, program, readFileSync(__filename)].join("\n"))}.js`);
    const outside = join(root, "node_modules") + sep;
    const isOwn = (path) => path.startsWith(root + sep) && !path.startsWith(outside);
    const packages = PACKAGES.map((name) => outside + name + sep);
    const isPackage = (path) => packages.some((folder) => path.startsWith(folder));

    // A debugger knows a file by the map in its own code.
    const debugged = inspector.url() !== undefined;
    const { kept, toSave } = debugged ? NOTHING : read(file);
    const added = new Map();
    const found = new Map();
    process.on("exit", () => {
        if (debugged) return;
        if (added.size > 0) keep(file, write(kept, added, found));
        else if (toSave !== undefined) keep(`${file}.v8`, toSave());
    });

    resolveOnce();
    packJavaScript();
    return { run, add, placeIn };

    /** Runs a module of the pack. @returns whether there is one that was made of this text. */
    function run(loaded, path, key) {
        const [made, body] = kept.modules[path] ?? [];
        if (made !== key) return false;
        const request = (name) => loaded.require(name);
        request.resolve = (name) => nodeModule._resolveFilename(name, loaded, false);
        request.cache = nodeModule._cache;
        request.main = process.mainModule;
        body.call(loaded.exports, loaded.exports, request, loaded, path, dirname(path));
        return true;
    }

    /** Has the module in the pack the next time. `code`: CommonJS. */
    function add(path, key, code) {
        added.set(path, [key, code]);
    }

    /** @returns the module and its line, for a line of the pack; undefined for another file. */
    function placeIn(path, line) {
        if (path !== file) return undefined;
        const [start, module] = kept.starts.findLast(([first]) => first < line) ?? [];
        return module === undefined ? undefined : { path: module, line: line - start };
    }

    /**
     * A relative request leads where it led while that file is there (nobody here puts an x.js beside an x.ts), and own files
     * have their packages from one folder.
     */
    function resolveOnce() {
        const resolve = nodeModule._resolveFilename;
        nodeModule._resolveFilename = function (request, parent, ...rest) {
            const from = parent?.filename ?? "";
            const relative = request.startsWith(".");
            if (!(isOwn(from) || (relative && isPackage(from)))) return resolve.call(this, request, parent, ...rest);
            const asked = relative ? `${dirname(from)} ${request}` : request;
            let path = found.get(asked);
            if (path !== undefined) return path;
            path = relative ? kept.places[asked] : undefined;
            if (path === undefined || !existsSync(path)) path = resolve.call(this, request, parent, ...rest);
            found.set(asked, path);
            return path;
        };
    }

    function packJavaScript() {
        const load = nodeModule._extensions[".js"];
        nodeModule._extensions[".js"] = function (loaded, path) {
            if (!isPackage(path)) return load.call(this, loaded, path);
            const code = readFileSync(path, "utf8");
            const key = hash(code);
            if (run(loaded, path, key)) return undefined;
            add(path, key, code);
            return load.call(this, loaded, path);
        };
    }
}

/** The pack of a file, and where V8's part of it is missing that part: to be asked for when the functions that run were compiled. */
function read(file) {
    if (!existsSync(file)) return NOTHING;
    const text = readFileSync(file, "utf8");
    const data = existsSync(`${file}.v8`) ? readFileSync(`${file}.v8`) : Buffer.alloc(0);
    // V8 itself compares no more of a text than its length.
    const name = text.slice(2, 2 + NAME);
    const same = data.toString("latin1", 0, NAME) === name;
    try {
        const script = new Script(text, { filename: file, ...(same && { cachedData: data.subarray(NAME) }) });
        const kept = script.runInThisContext();
        if (same && !script.cachedDataRejected) return { kept };
        return { kept, toSave: () => Buffer.concat([Buffer.from(name, "latin1"), script.createCachedData()]) };
    } catch (error) {
        // Cut off by a full disk: as if there were none, and the next one replaces it.
        if (error instanceof SyntaxError) return NOTHING;
        throw error;
    }
}

/** One function a module, each from a line of its own: a place in it is a place in the module's own code. */
function write(kept, added, found) {
    const bodies = new Map();
    for (const [path, [key, body]] of Object.entries(kept.modules)) {
        if (existsSync(path)) bodies.set(path, [key, String(body)]);
    }
    for (const [path, [key, code]] of added) {
        bodies.set(path, [key, `${OPEN}\n${code.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n")}\n}`]);
    }
    const starts = [];
    const texts = [];
    let line = 2;
    for (const [path, [key, body]] of bodies) {
        line += 1;
        starts.push([line, path]);
        texts.push(`${JSON.stringify(path)}: [${JSON.stringify(key)}, ${body}],\n`);
        line += body.split("\n").length - 1;
    }
    const relative = [...found].filter(([asked]) => / \.[^ ]*$/.test(asked));
    const places = { ...kept.places, ...Object.fromEntries(relative) };
    const parts = [`{\n${texts.join("")}}`, JSON.stringify(places), JSON.stringify(starts)];
    const text = `({ modules: ${parts[0]},\nplaces: ${parts[1]},\nstarts: ${parts[2]} });\n`;
    return `//${hash(text)}\n${text}`;
}

module.exports = { openPack };
