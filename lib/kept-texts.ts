/** Texts that took long to make, in a folder of nothing else. They may be gone at any time. */
import {
    existsSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    renameSync,
    rmSync,
    statSync,
    utimesSync,
    writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** Files in the folder; those that were not used for longest go. The plans of six stacks are 25 MB. */
const MOST = 8;

/** What is kept in the file; undefined where nothing is. */
export function keptText(file: string): string | undefined {
    try {
        const text = readFileSync(file, "utf8");
        const now = new Date();
        utimesSync(file, now, now);
        return text;
    } catch {
        // Not there, or not to be read: it is made anew.
        return undefined;
    }
}

/** Keeps a text, in one step. What cannot be kept costs time, and fails nothing. */
export function keepText(file: string, text: string): void {
    const beside = `${file}.${process.pid}`;
    try {
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(beside, text);
        renameSync(beside, file);
        const used = (path: string) => statSync(path).mtimeMs;
        const files = readdirSync(dirname(file)).map((name) => join(dirname(file), name));
        for (const path of files.sort((a, b) => used(b) - used(a)).slice(MOST)) rmSync(path, { force: true });
    } catch {
        // A full disk, a folder of another's.
        if (existsSync(beside)) rmSync(beside, { force: true });
    }
}
