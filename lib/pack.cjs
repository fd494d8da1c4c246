// What a program loaded the last time, as one file, with what V8 made of it: a start has three hundred modules, and looking each
// up, reading it and compiling it takes longer than running it. A module is found by its text, so nothing can be stale: one that
// is not in the file is loaded as ever, and is in it the next time.
"use strict";
const { createHash } = require("node:crypto");
const { existsSync, readFileSync, realpathSync } = require("node:fs");
const inspector = require("node:inspector");
const nodeModule = require("node:module");
const { dirname, join, relative, sep } = require("node:path");
const { Script } = require("node:vm");

/** Packages of many small files that a start uses. */
const PACKAGES = ["@noble", "@scure", "age-encryption", "ipaddr.js", "yaml", "zod"];

const OPEN = "function (exports, require, module, __filename, __dirname) {";

const NOTHING = { kept: { modules: {}, places: {}, starts: [] }, toSave: () => undefined };

const hash = (text) => createHash("sha256").update(text).digest("hex");

/** In the first line of each file: those of another version of this one are of another shape. */
const MAKER = hash(readFileSync(__filename));

/** Milliseconds after which a program has loaded what it loads at its start. */
const STARTED = 2000;

/** Texts in a pack at most, or those of years of changes would be read at every start. The project has a thousand files. */
const MOST = 1500;

/** `root`: folder of the checkout with the packages. `cache`: where the file is kept. `keep`: writes one. */
function openPack(root, cache, keep) {
    const packagesFolder = folderOf(join(root, "node_modules")) + sep;
    const program = existsSync(process.argv[1] ?? "") ? realpathSync(process.argv[1]) : "";
    // A checkout of another revision, which plan:diff makes, is planned by the loader of this one.
    const project = program === "" || program.startsWith(packagesFolder) ? root : (projectAbove(program) ?? root);
    const file = join(cache, `pack-${hash(relative(project, program))}.js`);
    const ownPackages = join(project, "node_modules") + sep;
    const isOwn = (path) => path.startsWith(project + sep) && !path.startsWith(ownPackages);
    const packages = PACKAGES.map((folder) => packagesFolder + folder + sep);
    const isPackage = (path) => packages.some((folder) => path.startsWith(folder));

    // A debugger knows a file by the map in its own code.
    const debugged = inspector.url() !== undefined;
    const { kept, toSave } = debugged ? NOTHING : read(file);
    /** Modules of this run by key: path, and code where the pack did not have it. */
    const ran = new Map();
    /** Where requests of this run led. */
    const found = new Map();
    const isNew = () => [...ran.values()].some(({ code }) => code !== undefined);
    let saved = false;
    const save = () => {
        const data = saved ? undefined : toSave([...ran.keys()]);
        saved = true;
        if (data !== undefined) keep(`${file}.v8`, data);
    };
    if (!debugged) {
        // Of functions that have not run for a while V8 keeps nothing, and an `up` goes on for minutes.
        setTimeout(() => isNew() || save(), STARTED).unref();
        process.on("exit", () => (isNew() ? keep(file, write(kept, ran, found, project)) : save()));
    }

    resolveOnce();
    packJavaScript();
    return { run, add, placeIn };

    /** Runs a module of the pack. `key`: of its text. @returns whether the pack has it. */
    function run(loaded, path, key) {
        const body = kept.modules[key];
        // The same text a second time, as another file: a place in it would be one in the first.
        if (body === undefined || ran.has(key)) return false;
        ran.set(key, { path });
        const request = (asked) => loaded.require(asked);
        request.resolve = (asked) => nodeModule._resolveFilename(asked, loaded, false);
        request.cache = nodeModule._cache;
        request.main = process.mainModule;
        body.call(loaded.exports, loaded.exports, request, loaded, path, dirname(path));
        return true;
    }

    /** Has the module in the pack the next time. `code`: CommonJS. */
    function add(path, key, code) {
        if (!ran.has(key) && (isOwn(path) || isPackage(path))) ran.set(key, { path, code });
    }

    /** @returns the module and its line, for a line of the pack; undefined for another file. */
    function placeIn(path, line) {
        if (path !== file) return undefined;
        const [start, key] = kept.starts.findLast(([first]) => first < line) ?? [];
        const module = ran.get(key);
        return module === undefined ? undefined : { path: module.path, line: line - start };
    }

    /**
     * A relative request leads where it led while that file is there (nobody here puts an x.js beside an x.ts), and own files
     * have their packages from one folder.
     */
    function resolveOnce() {
        const resolve = nodeModule._resolveFilename;
        nodeModule._resolveFilename = function (request, parent, ...rest) {
            const from = parent?.filename ?? "";
            const near = request.startsWith(".");
            if (!(isOwn(from) || (near && isPackage(from)))) return resolve.call(this, request, parent, ...rest);
            const asked = near ? `${relative(project, dirname(from))} ${request}` : request;
            let path = found.get(asked);
            if (path !== undefined) return path;
            path = near && asked in kept.places ? join(project, kept.places[asked]) : undefined;
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

function folderOf(path) {
    return existsSync(path) ? realpathSync(path) : path;
}

function projectAbove(path) {
    const folder = dirname(path);
    if (folder === path) return undefined;
    return existsSync(join(folder, "Pulumi.yaml")) ? folder : projectAbove(folder);
}

/**
 * The pack of a file, and what V8 made of the functions that ran, given what ran: undefined where that is kept already. V8 itself
 * compares no more of a text than its length, so the name is kept with it, and which modules ran: of others it has no functions.
 */
function read(file) {
    try {
        const text = readFileSync(file, "utf8");
        const name = text.slice(0, text.indexOf("\n"));
        if (!name.endsWith(` ${MAKER}`)) return NOTHING;
        const saved = existsSync(`${file}.v8`) ? readFileSync(`${file}.v8`) : Buffer.from("\n");
        const end = saved.indexOf("\n");
        const [of, ...known] = saved.toString("latin1", 0, end).split(",");
        const cachedData = of === name ? saved.subarray(end + 1) : undefined;
        const script = new Script(text, { filename: file, cachedData });
        const valid = cachedData !== undefined && !script.cachedDataRejected;
        const before = new Set(valid ? known : []);
        const toSave = (ran) => {
            if (valid && ran.every((key) => before.has(key))) return undefined;
            const head = [name, ...new Set([...before, ...ran])].join(",");
            return Buffer.concat([Buffer.from(`${head}\n`, "latin1"), script.createCachedData()]);
        };
        return { kept: { ...NOTHING.kept, ...script.runInThisContext() }, toSave };
    } catch {
        // There is none yet, or what a power cut left of one: the next one replaces it.
        return NOTHING;
    }
}

/** One function a module, each from a line of its own: a place in it is a place in the module's own code. */
function write(kept, ran, found, project) {
    const old = Object.entries(kept.modules).filter(([key]) => !ran.has(key));
    const anew = old.length + ran.size > MOST;
    const bodies = [
        ...(anew ? [] : old).map(([key, body]) => [key, String(body)]),
        ...[...ran].map(([key, { code }]) => [key, code === undefined ? String(kept.modules[key]) : functionOf(code)]),
    ];
    const starts = [];
    const texts = [];
    let line = 2;
    for (const [key, body] of bodies) {
        line += 1;
        starts.push([line, key]);
        texts.push(`"${key}": ${body},\n`);
        line += body.split("\n").length - 1;
    }
    const places = anew ? {} : { ...kept.places };
    for (const [asked, path] of found) {
        // A file beside the folder would come before its index.
        if (asked.includes(" .") && !/[\\/]index\.\w+$/.test(path)) places[asked] = relative(project, path);
    }
    const parts = [`{\n${texts.join("")}}`, JSON.stringify(places), JSON.stringify(starts)];
    const text = `({ modules: ${parts[0]},\nplaces: ${parts[1]},\nstarts: ${parts[2]} });\n`;
    return `//${hash(text)} ${MAKER}\n${text}`;
}

function functionOf(code) {
    return `${OPEN}\n${code.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n")}\n}`;
}

module.exports = { openPack };
