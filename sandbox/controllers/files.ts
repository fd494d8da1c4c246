import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

/**
 * Every object in the YAML files of a directory, by file name; a file may hold several documents.
 *
 * @throws Error naming the file that is not YAML.
 */
export function readObjects<T>(directory: string): T[] {
    if (!existsSync(directory)) {
        return [];
    }
    return readdirSync(directory)
        .filter((file) => /\.ya?ml$/.test(file))
        .sort()
        .flatMap((file) =>
            parseAllDocuments(readFileSync(join(directory, file), "utf8")).flatMap((document) => {
                const [error] = document.errors;
                if (error !== undefined) {
                    throw new Error(`${join(directory, file)}: ${error.message}`);
                }
                const value: unknown = document.toJS();
                return value === null ? [] : [value as T];
            }),
        );
}
