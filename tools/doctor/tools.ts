/** Programs of this computer, and the engine's provider plugins. */
import type { Run } from "../../lib/run-program";
import type { ToolWish } from "../../bootstrap/machines";
import { findOnPath, newEnough, TOOLS } from "../../lib/toolchain";
import { findingsOf, type Finding } from "../../lib/finding";

const say = findingsOf("tools");

export interface ToolFact {
    readonly found: boolean;
    /** Absent when it did not say. */
    readonly version?: string;
}

/** What a stack needs on this computer, its machines' own programs among it. */
export function toolWishes(ofMachines: readonly ToolWish[]): ToolWish[] {
    const atLeast = (name: "pulumi" | "kubectl") =>
        TOOLS[name].onPath ?? { atLeast: "0.0.0", versionArgs: ["version"] };
    return [
        {
            name: "pulumi",
            why: "the engine",
            ...atLeast("pulumi"),
            install: `https://www.pulumi.com/docs/install/ (${TOOLS.pulumi.version} is what the tests run)`,
        },
        {
            name: "kubectl",
            why: "commands of the program",
            ...atLeast("kubectl"),
            install: "mise install, or https://kubernetes.io/docs/tasks/tools/",
        },
        { name: "bash", why: "commands of the program", install: "your system's package manager" },
        { name: "curl", why: "commands of the program", install: "your system's package manager" },
        {
            name: "sops",
            why: "editing secrets; the program decrypts without it",
            versionArgs: ["--version"],
            install: "mise install, or https://getsops.io/docs/#download",
            optional: true,
        },
        ...ofMachines,
    ];
}

/** "1.10" of "1.10.6". */
function release(version: string): string {
    return version.split(".").slice(0, 2).join(".");
}

export async function lookAtTool(
    { name, versionArgs, readVersion }: ToolWish,
    run: Run,
    timeout: number,
): Promise<ToolFact> {
    const there = await run("bash", ["-c", `command -v ${name}`], { timeout });
    if (there.code !== 0) return { found: false };
    if (versionArgs === undefined) return { found: true };
    const version =
        readVersion !== undefined
            ? await readVersion(run)
            : /\d+\.\d+\.\d+/.exec((await run(name, versionArgs, { timeout })).stdout)?.[0];
    return { found: true, ...(version === undefined ? {} : { version }) };
}

export function judgeTool(wish: ToolWish, { found, version }: ToolFact): Finding {
    const { name, why, atLeast, install } = wish;
    const bad = wish.optional === true ? say.warning : say.failure;
    if (!found) return bad(name, `is not on the PATH (${why})`, `install it: ${install}`);
    if (wish.versionArgs === undefined) return say.ok(name, "is on the PATH");
    if (version === undefined)
        return bad(name, "is on the PATH and does not say its version", `install it anew: ${install}`);
    if (atLeast !== undefined && !newEnough(version, atLeast)) {
        const [major] = atLeast.split(".");
        return bad(name, `is ${version}; wanted: ${major}.x from ${atLeast} on`, `install ${install}`);
    }
    if (wish.release !== undefined && release(version) !== wish.release.number) {
        const { number, key } = wish.release;
        return bad(name, `is ${version}; wanted: ${number}.x, as ${key} says`, `install ${install}`);
    }
    return say.ok(name, version);
}

/** `wanted` as package.json's engines has it, e.g. ">=22". */
export function judgeNode(version: string, wanted: string): Finding {
    const [major = 0] = version.replace(/^v/, "").split(".").map(Number);
    const least = Number(/\d+/.exec(wanted)?.[0]);
    return major >= least
        ? say.ok("node", version)
        : say.failure(
              "node",
              `is ${version}; wanted: ${wanted}`,
              "run it by npm (npm run doctor), which brings the locked Node",
          );
}

/**
 * Provider plugins that a plan needs, with the versions that package.json pins. `onPath` are the programs that the engine
 * takes before any that is installed; they say no version until the engine asks them.
 */
export function judgePlugins(
    wanted: Readonly<Record<string, string>>,
    installed: readonly { name: string; version: string }[],
    onPath: ReadonlyMap<string, string>,
): Finding[] {
    const there = (name: string, version: string) =>
        installed.some((plugin) => plugin.name === name && plugin.version === version);
    const list = (entries: readonly [string, string][]) =>
        entries.map(([name, version]) => `${name} ${version}`).join(", ");
    const taken = Object.keys(wanted).flatMap((name) => onPath.get(name) ?? []);
    const entries = Object.entries(wanted).filter(([name]) => !onPath.has(name));
    const good = entries.filter(([name, version]) => there(name, version));
    const missing = entries.filter(([name, version]) => !there(name, version));
    return [
        ...(taken.length === 0
            ? []
            : [say.ok("provider plugins", `the engine takes these of the PATH: ${taken.join(", ")}`)]),
        ...(good.length === 0 ? [] : [say.ok("provider plugins", list(good))]),
        ...(missing.length === 0
            ? []
            : [
                  say.warning(
                      "provider plugins",
                      `not installed: ${list(missing)}; the engine fetches them when they are needed`,
                      missing.map(([name, version]) => `pulumi plugin install resource ${name} ${version}`).join("\n"),
                  ),
              ]),
    ];
}

export async function lookAtPlugins(
    run: Run,
    timeout: number,
): Promise<{ name: string; version: string }[] | undefined> {
    const { code, stdout } = await run("pulumi", ["plugin", "ls", "--json"], { timeout });
    if (code !== 0) return undefined;
    try {
        return (JSON.parse(stdout) as { name: string; version?: string }[]).map(({ name, version }) => ({
            name,
            version: (version ?? "").replace(/^v/, ""),
        }));
    } catch {
        return undefined;
    }
}

/** Where the PATH has the programs of provider plugins, by provider. */
export function pluginsOnPath(names: readonly string[], env: NodeJS.ProcessEnv): Map<string, string> {
    if (/^(1|t|true)$/i.test(env["PULUMI_IGNORE_AMBIENT_PLUGINS"] ?? "")) return new Map();
    return new Map(
        names.flatMap((name): [string, string][] => {
            const program = findOnPath(`pulumi-resource-${name}`, env);
            return program === undefined ? [] : [[name, program]];
        }),
    );
}
