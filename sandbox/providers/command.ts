import { randomBytes } from "node:crypto";
import { diffProps } from "./diff";
import { unsupported, type Host, type Plugin, type PluginOptions, type Session } from "./plugin";
import type { Processes } from "./process";
import {
    clean,
    containsUnknown,
    equal,
    isObject,
    list,
    reveal,
    revealProps,
    text,
    UNKNOWN,
    type Json,
    type Props,
} from "./values";

const COMMAND = "command:local:Command";
const RUN = "command:local:run";

/**
 * Stand-in for the `command` plugin: `local.Command` and `local.run`, with real child processes.
 *
 * A cancelled operation, or one over its time limit, is ended as the official plugin does it (exec.CommandContext of Go,
 * under pulumi-go-provider's middleware/cancel): SIGKILL to the interpreter and to nothing else, so no trap runs, what the
 * script had started lives on, and the operation ends when the last holder of its output does. Whatever is asked after
 * that is not begun.
 */
export function commandPlugin(options: PluginOptions, processes: Processes): Plugin {
    return { configure: (_, host) => Promise.resolve(session(options, processes, host)) };
}

function session(options: PluginOptions, processes: Processes, host: Host): Session {
    const only = (type: string) => {
        if (type !== COMMAND) {
            throw unsupported("resource", type);
        }
    };

    /** Runs a script with the inputs' settings; `previous` is what the last run of the resource printed. */
    const execute = async (
        script: string,
        urn: string,
        wrapped: Props,
        { previous = {}, timeout = 0 }: { previous?: Props; timeout?: number },
    ): Promise<Props> => {
        const inputs = revealProps(wrapped);
        const [program, ...args] = interpreter(inputs);
        const logging = text(inputs, "logging") ?? "stdoutAndStderr";
        const stdout = new LineLog(logging !== "none" && logging !== "stderr", (line) =>
            host.log("info", urn, line, true),
        );
        const stderr = new LineLog(logging !== "none" && logging !== "stdout", (line) =>
            host.log("info", urn, line, true),
        );
        const stdin = text(inputs, "stdin");
        const dir = text(inputs, "dir") ?? options.cwd;
        const result = await processes.run(program, [...args, script], {
            env: { ...options.env, ...environment(inputs), ...previousOutput(inputs, previous) },
            signal: timeout > 0 ? AbortSignal.any([host.signal, AbortSignal.timeout(timeout * 1000)]) : host.signal,
            onStdout: (chunk) => stdout.push(chunk),
            onStderr: (chunk) => stderr.push(chunk),
            ...(stdin !== undefined && { stdin }),
            ...(dir !== undefined && { cwd: dir }),
        });
        await Promise.all([stdout.end(), stderr.end()]);
        if (result.failure !== undefined) {
            throw new Error(`${result.failure}: running ${JSON.stringify(script)}:\n${result.combined}`);
        }
        return { stdout: result.stdout.replace(/\n$/, ""), stderr: result.stderr.replace(/\n$/, "") };
    };

    return {
        check: ({ type, news }) => {
            only(type);
            return Promise.resolve({ inputs: news, failures: checkCommand(news) });
        },
        // `triggers` replaces; anything else, a changed script included, is an update.
        diff: ({ oldInputs, news }) =>
            Promise.resolve(diffProps(revealProps(oldInputs), revealProps(news), ["triggers"])),
        create: async ({ type, name, urn, inputs, preview, timeout }) => {
            only(type);
            const id = name + randomBytes(4).toString("hex");
            if (preview) {
                return { id, outputs: { ...inputs, stdout: UNKNOWN, stderr: UNKNOWN } };
            }
            const script = text(reveal(inputs), "create");
            const printed =
                script === undefined ? { stdout: "", stderr: "" } : await execute(script, urn, inputs, { timeout });
            return { id, outputs: { ...inputs, ...printed } };
        },
        update: async ({ urn, olds, news, preview, timeout }) => {
            const printedBefore = clean({ stdout: olds["stdout"], stderr: olds["stderr"] });
            if (preview) {
                const changed = containsUnknown(news) || Object.keys(news).some((key) => !equal(news[key], olds[key]));
                return { ...news, ...(changed ? { stdout: UNKNOWN, stderr: UNKNOWN } : printedBefore) };
            }
            const plain = revealProps(news);
            const script = text(plain, "update") ?? text(plain, "create");
            const settings = { previous: olds, timeout };
            return { ...news, ...(script === undefined ? printedBefore : await execute(script, urn, news, settings)) };
        },
        read: ({ id, state, inputs }) => Promise.resolve({ id, outputs: state, inputs }),
        delete: async ({ urn, state, timeout }) => {
            const script = text(reveal(state), "delete");
            if (script !== undefined) {
                await execute(script, urn, state, { previous: state, timeout });
            }
        },
        invoke: async (token, args) => {
            if (token !== RUN) {
                throw unsupported("function", token);
            }
            const script = text(reveal(args), "command");
            if (script === undefined) {
                throw new Error("command:local:run: missing required property 'command'");
            }
            return { ...args, ...(await execute(script, "", args, {})) };
        },
    };
}

/** The faults that the official plugin's typed decoding reports before it runs anything. */
function checkCommand(wrapped: Props) {
    const news = revealProps(wrapped);
    const failures: { property: string; reason: string }[] = [];
    for (const property of ["create", "update", "delete", "dir", "stdin", "logging"]) {
        const value = news[property];
        if (value !== undefined && value !== null && typeof value !== "string") {
            failures.push({ property, reason: `expected a string, got ${typeof value}` });
        }
    }
    const variables = news["environment"];
    for (const [name, value] of Object.entries(isObject(variables) ? variables : {})) {
        if (typeof value !== "string") {
            failures.push({ property: `environment.${name}`, reason: `expected a string, got ${typeof value}` });
        }
    }
    return failures;
}

function interpreter(inputs: Props): [string, ...string[]] {
    const [program, ...args] = list(inputs, "interpreter").map(String);
    return program === undefined ? ["/bin/sh", "-c"] : [program, ...args];
}

function environment(inputs: Props): NodeJS.ProcessEnv {
    const variables: Json | undefined = inputs["environment"];
    return isObject(variables) ? Object.fromEntries(Object.entries(variables).map(([k, v]) => [k, String(v)])) : {};
}

/** What the last run printed, for the scripts that clean up after it. */
function previousOutput(inputs: Props, wrapped: Props): NodeJS.ProcessEnv {
    if (inputs["addPreviousOutputInEnv"] === false) {
        return {};
    }
    const previous = revealProps(wrapped);
    const variables: NodeJS.ProcessEnv = {};
    if (text(previous, "stdout")) {
        variables["PULUMI_COMMAND_STDOUT"] = text(previous, "stdout");
    }
    if (text(previous, "stderr")) {
        variables["PULUMI_COMMAND_STDERR"] = text(previous, "stderr");
    }
    return variables;
}

/** Sends output to a log line by line. */
class LineLog {
    private rest = "";
    private readonly sent: Promise<void>[] = [];

    constructor(
        private readonly enabled: boolean,
        private readonly log: (line: string) => Promise<void>,
    ) {}

    push(chunk: string): void {
        const lines = (this.rest + chunk).split("\n");
        this.rest = lines.pop() ?? "";
        if (this.enabled) {
            this.sent.push(...lines.map(this.log));
        }
    }

    async end(): Promise<void> {
        if (this.enabled && this.rest !== "") {
            this.sent.push(this.log(this.rest));
        }
        await Promise.all(this.sent);
    }
}
