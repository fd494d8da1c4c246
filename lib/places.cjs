// Places in the source: of the frames of a stack, and of each resource for the engine. The SDK has a stack written out for each, and
// Node's own way to do this took a quarter of the time of a plan.
"use strict";
const { readFileSync } = require("node:fs");
const { SourceMap } = require("node:module");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");

/** Texts whose places are kept at most. */
const MOST = 1000;

/**
 * `cache`: where they are kept. `keep`: writes a file. `moduleAt`: path, line and key of the module that a line of what runs is of.
 * `codeOf`: the code of such a path, with its map.
 */
function openPlaces(cache, keep, moduleAt, codeOf) {
    const file = join(cache, "lines.json");
    const [texts, uris, maps] = [new Map(), new Map(), new Map()];
    /** Lines and columns of texts by position in their code, by the text's key: reading fifty maps takes longer than their places. */
    let kept;
    /** Keys of the texts that places were asked of. */
    const used = new Set();
    let isNew = false;
    return { textOf, uriOf };

    /** A call site as a line of a stack. */
    function textOf(site) {
        const path = site.getFileName();
        // V8's own, at no position.
        if (!path) return String(site);
        const key = `${path} ${site.getPosition()} ${site.isAsync()}`;
        let text = texts.get(key);
        if (text === undefined) {
            const [row, column] = [site.getLineNumber(), site.getColumnNumber()];
            const place = inSource(path, row, column);
            text = String(site).replace(`${path}:${row}:${column}`, `${place.path}:${place.line}:${place.column}`);
            texts.set(key, text);
        }
        return text;
    }

    /** A call site as the SDK gives it to the engine; undefined where it is Node's. */
    function uriOf(site) {
        const path = site.getFileName();
        if (!path || path.startsWith("node:")) return undefined;
        const key = `${path} ${site.getPosition()}`;
        let uri = uris.get(key);
        if (uri === undefined) {
            const { path: source, line, column } = inSource(path, site.getLineNumber(), site.getColumnNumber());
            uri = { uri: pathToFileURL(source).toString(), line, column };
            uris.set(key, uri);
        }
        return uri;
    }

    function inSource(of, row, column) {
        const { path, line, key } = moduleAt(of, row);
        if (key === undefined) return { path, line, column };
        kept ??= read();
        used.add(key);
        const places = (kept[key] ??= {});
        const at = `${line}:${column}`;
        if (places[at] === undefined) {
            places[at] = look(path, line, column);
            isNew = true;
        }
        return { path, line: places[at][0], column: places[at][1] };
    }

    function look(path, line, column) {
        const { originalLine, originalColumn } = mapOf(path).findEntry(line - 1, column - 1);
        return originalLine === undefined ? [line, column] : [originalLine + 1, originalColumn + 1];
    }

    function mapOf(path) {
        let map = maps.get(path);
        if (map === undefined) {
            const [, data] = /\n\/\/# sourceMappingURL=data:application\/json;base64,(\S+)\s*$/.exec(codeOf(path));
            map = new SourceMap(JSON.parse(Buffer.from(data, "base64").toString("utf8")));
            maps.set(path, map);
        }
        return map;
    }

    function read() {
        process.on("exit", save);
        try {
            return Object(JSON.parse(readFileSync(file, "utf8")));
        } catch {
            // None yet, or what a power cut left of them.
            return {};
        }
    }

    function save() {
        if (!isNew) return;
        // Nothing says of which texts there is no file any more.
        const texts = Object.entries(kept).filter(([key], _, all) => all.length <= MOST || used.has(key));
        keep(file, JSON.stringify(Object.fromEntries(texts)));
    }
}

module.exports = { openPlaces };
