/** What a person who waits for Go wants to know: which of how many, how far, how long still. */
import { run } from "./process";
import { UserError } from "./user-error";

/** A program that Go builds: its main package, seen from the folder of a go.mod. */
export interface GoTarget {
    readonly folder: string;
    readonly path: string;
}

/** No C compiler, and nothing of the person's own settings: what is built is the same everywhere. */
export function goEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
    return { ...env, CGO_ENABLED: "0", GOWORK: "off", GOFLAGS: "" };
}

/**
 * The packages that each target still has to compile, in turn: what an earlier one compiles is not compiled again. Downloads the
 * modules they come from. Throws a `UserError` when that fails.
 */
export async function goPackages(
    go: string,
    targets: readonly GoTarget[],
    env: NodeJS.ProcessEnv,
): Promise<readonly ReadonlySet<string>[]> {
    const known = new Set<string>();
    const lists: ReadonlySet<string>[] = [];
    for (const { folder, path } of targets) {
        // Two modules may pin two versions of one package; those are two to compile.
        const format = "{{if .Stale}}{{.ImportPath}} {{with .Module}}{{.Version}}{{end}}{{end}}";
        const args = ["list", "-mod=readonly", "-buildvcs=false", "-deps", "-f", format, path];
        const { code, stdout, stderr } = await run(go, args, { cwd: folder, env: goEnvironment(env), check: false });
        if (code !== 0) {
            const words = stderr.trim().split("\n").slice(-15).join("\n");
            throw new UserError(
                `Go cannot get what ${path} is built from; it needs its module proxy, or GOPROXY with one that can be reached:\n${words}`,
            );
        }
        const lines = stdout.split("\n").filter((line) => line.trim() !== "" && !known.has(line));
        lines.forEach((line) => known.add(line));
        lists.push(new Set(lines.map((line) => line.split(" ")[0] ?? "")));
    }
    return lists;
}

const SAYS_EVERY_MS = 15_000;

/** Counts the packages that `go build -v` names and says now and then how far it is. */
export class BuildProgress {
    private readonly total: number;
    private readonly started: number;
    private done = 0;
    private doneOfThis = 0;
    private index = -1;
    private said = 0;
    private name = "";

    constructor(
        /** For each program in the order of their builds, the packages it has to compile. */
        private readonly packages: readonly ReadonlySet<string>[],
        private readonly say: (line: string) => void,
        private readonly now: () => number = Date.now,
    ) {
        this.total = packages.reduce((sum, { size }) => sum + size, 0);
        this.started = now();
    }

    /** The next program is being built. */
    begin(name: string): void {
        // What an earlier one had and did not name was compiled all the same.
        if (this.index >= 0) this.done += (this.packages[this.index]?.size ?? 0) - this.doneOfThis;
        this.index += 1;
        this.doneOfThis = 0;
        this.name = name;
        this.tell();
    }

    /** A line of what Go says while it builds. */
    heard(line: string): void {
        if (!this.isPackage(line) || this.doneOfThis >= (this.packages[this.index]?.size ?? 0)) return;
        this.done += 1;
        this.doneOfThis += 1;
        if (this.now() - this.said >= SAYS_EVERY_MS) this.tell();
    }

    isPackage(line: string): boolean {
        return this.packages[this.index]?.has(line.trim()) ?? false;
    }

    private tell(): void {
        this.said = this.now();
        const size = this.packages[this.index]?.size ?? 0;
        this.say(
            `building ${this.name} with Go, ${this.index + 1} of ${this.packages.length}: ${this.doneOfThis} of ${size} packages, ` +
                `${this.done} of ${this.total} in all${this.left()}`,
        );
    }

    private left(): string {
        const elapsed = this.now() - this.started;
        // Sooner it would be a guess.
        if (this.done < 50 || elapsed < SAYS_EVERY_MS) return "";
        const seconds = ((elapsed / this.done) * (this.total - this.done)) / 1000;
        return seconds < 90 ? ", about a minute left" : `, about ${Math.round(seconds / 60)} min left`;
    }
}
