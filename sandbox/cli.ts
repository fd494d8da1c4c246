/** `npm run sandbox -- up|preview|refresh|destroy|import|doctor|audit|accept|down|status <stack> [flags]`. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stackNames } from "../stacks";
import { didYouMean } from "../config/parse";
import { asksForHelp } from "../lib/command-line";
import { run } from "../lib/process";
import { PROJECT, ROOT, TYPESCRIPT } from "../stacks/stack-file";
import { HelpAsked, runMain, UserError } from "../lib/user-error";
import { runningDaemon, type DaemonInfo } from "./background";
import { crdDirectory, RunCharts } from "./chart-source";
import { attachProviders, Engine, type EngineResult, type Operation } from "./engine";
import { sandboxLayout, type SandboxLayout } from "./layout";
import { sandboxOptions, type SandboxOptions } from "./options";
import { choosePlugins, pluginVersions, PROVIDERS, type Plugins } from "./plugins";
import { startProviders } from "./providers";
import {
    ADOPT,
    deleteUnknown,
    dropPendingReleases,
    dropUnknownReleases,
    endLeftovers,
    takePendingOperations,
    type StateAccess,
} from "./repair";
import { removeUnknownFromClouds } from "./repair-clouds";
import { renderReport, stackOutputs, stageTimes } from "./report";
import { Sandbox } from "./sandbox";
import { creationsUnderWay, forgetUnfinished, keepUnfinished } from "./unfinished";

const OPERATIONS = ["up", "preview", "refresh", "destroy", "import"] as const;
/** Tools of the project that look at what a stack declares, or mend its state; here they have the sandbox for a world. */
const LOOKS = ["doctor", "audit", "accept"] as const;
const COMMANDS = [...OPERATIONS, ...LOOKS, "down", "status"] as const;
type Command = (typeof COMMANDS)[number];

const USAGE = `usage: npm run sandbox -- ${COMMANDS.join("|")} <stack> [flags for pulumi or the tool, e.g. --expect-no-changes]`;

const say = (line: string) => console.error(`sandbox: ${line}`);

runMain(async () => {
    const words = process.argv.slice(2);
    const [command, stack, ...flags] = words;
    if (asksForHelp(words)) {
        const operation = OPERATIONS.find((known) => known === command) ?? "up";
        const look = LOOKS.find((known) => known === command);
        const more =
            look === undefined ? `an operation: pulumi ${operation} --help` : `${look}: npm run ${look} -- --help`;
        throw new HelpAsked(`${USAGE}\nStacks here: ${stackNames(ROOT).join(", ")}. Flags of ${more}`);
    }
    if (command === undefined || !COMMANDS.includes(command as Command)) {
        const hint = command === undefined ? undefined : didYouMean(command, COMMANDS).suggestion;
        const fault = command === undefined ? "no command" : `unknown command "${command}"`;
        throw new UserError(`${fault}.${hint === undefined ? "" : ` ${hint}`}\n${USAGE}`);
    }
    if (stack === undefined || stack.startsWith("-")) {
        throw new UserError(`which stack? Stacks here: ${stackNames(ROOT).join(", ")}.\n${USAGE}`);
    }
    const options = sandboxOptions();
    switch (command as Command) {
        case "down":
            return down(stack, options);
        case "status":
            return status(stack);
        case "doctor":
        case "audit":
        case "accept":
            return look(command as (typeof LOOKS)[number], stack, flags, options);
        default:
            return operate(command as Operation, stack, flags, options);
    }
});

async function operate(
    operation: Operation,
    stack: string,
    flags: readonly string[],
    options: SandboxOptions,
): Promise<number> {
    const sandbox = Sandbox.open(stack, options, say);
    const cutShortBefore = sandbox.lock();
    if (cutShortBefore) endLeftovers(sandbox.layout);
    const interrupted = new AbortController();
    let engine: Engine | undefined;
    const onSignal = () => {
        if (interrupted.signal.aborted) return;
        say("stopping: what is under way is finished first, then every process ends; the next run continues");
        interrupted.abort();
        engine?.interrupt();
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
    try {
        const { env, tools, daemon } = await sandbox.start();
        interrupted.signal.throwIfAborted();
        const plugins = await choosePlugins(options.providers, tools.pulumi, sandbox.layout.pulumiHome);
        describeRun(plugins, options);
        const charts = new RunCharts(options, sandbox.layout.charts, tools.helm, say);
        const crds = crdDirectory(options, sandbox.layout.charts);
        const deaths: string[] = [];
        const adopt = cutShortBefore ? ADOPT : {};
        const baseEnv: NodeJS.ProcessEnv = { ...env, PATH: [...plugins.folders, env["PATH"]].join(":") };
        // Only stand-ins: plugins on the PATH are not even looked at.
        if (plugins.folders.length === 0) baseEnv["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true";
        const [standIns, selected] = await Promise.all([
            startProviders(
                PROVIDERS.filter((name) => plugins.origin[name] === "stand-in"),
                {
                    env: { ...env, ...adopt },
                    versions: pluginVersions(),
                    helm: tools.helm,
                    cwd: sandbox.layout.project,
                    onDeath: (how) => deaths.push(`the stand-in plugins ended in the middle (${how})`),
                },
            ),
            // Every call names its stack, so one that is there needs no selecting.
            hasState(sandbox.layout)
                ? 0
                : new Engine(sandbox.layout, tools.pulumi, baseEnv).run(
                      ["stack", "select", "--create", stack, "--secrets-provider", "passphrase"],
                      true,
                  ),
        ]);
        try {
            if (selected !== 0)
                throw new UserError(`the engine cannot open the stack's state in ${sandbox.layout.state}`);
            const engineEnv = { ...baseEnv, ...attachProviders(standIns.ports) };
            // The program runs inside this process and reads its environment. Not what is for the plugins: the SDK
            // would make it an input of the provider, and the next run a change.
            replaceEnvironment(engineEnv);
            engine = new Engine(sandbox.layout, tools.pulumi, { ...engineEnv, ...adopt });
            if (cutShortBefore) {
                await engine.run(["cancel", "--yes", "--stack", stack], true);
                const state = { pulumi: tools.pulumi, env: engineEnv, cwd: sandbox.layout.project, stack };
                await mend(operation, sandbox, tools.helm, state, daemon);
            }
            interrupted.signal.throwIfAborted();
            const result = await engine.operate(operation, operation === "import" ? fromHere(flags) : flags, {
                charts: charts.source,
                crds,
                metrics: `${daemon.cloudflareUrl}/__sandbox/metrics/external-dns`,
            });
            if (charts.summary !== "") say(`charts of this run: ${charts.summary}`);
            const cut = await cutShort(sandbox, result, deaths);
            if (cut !== undefined) {
                if (operation !== "preview") keepUnfinished(sandbox.layout, creationsUnderWay(result.events));
                say(`${cut}. Run the same command again: it mends what is broken, and continues`);
            } else if (result.code === 0 && endsWell(operation, flags)) forgetUnfinished(sandbox.layout);
            if (operation === "up" && result.code === 0) {
                const { reachable, stages } = stackOutputs(result.events);
                console.log(`\n${renderReport(reachable, stageTimes(stages, result.events))}`);
                console.log(nextCommands(stack, sandbox.layout.kubeconfig));
            }
            return interrupted.signal.aborted ? 130 : result.code;
        } finally {
            await standIns.stop();
        }
    } catch (error) {
        if (interrupted.signal.aborted) return 130;
        throw error;
    } finally {
        if (interrupted.signal.aborted) await sandbox.stop();
        sandbox.unlock();
    }
}

/** Clears up what a run that was cut short left half done, as far as the operation would stumble over it. */
async function mend(
    operation: Operation,
    { controlPlane, layout }: Sandbox,
    helm: string,
    state: StateAccess,
    clouds: DaemonInfo,
): Promise<void> {
    const { left, knows } = await takePendingOperations(layout, state);
    if (operation === "up") await dropUnknownReleases(controlPlane, left, knows, say);
    else if (operation === "destroy") await deleteUnknown(controlPlane, helm, left, knows, say);
    else return;
    await dropPendingReleases(controlPlane, say);
    await removeUnknownFromClouds(clouds, left, knows, say);
}

/** Why the operation could not write down how all that it had begun ended; undefined when it could. */
async function cutShort(
    { controlPlane }: Sandbox,
    { code, killedBy }: EngineResult,
    deaths: readonly string[],
): Promise<string | undefined> {
    if (code === 0) return undefined;
    if (killedBy !== undefined) return `the engine was ended from outside (${killedBy})`;
    if (deaths.length > 0) return deaths.join("; ");
    return (await controlPlane.ready()) ? undefined : "the API server does not answer";
}

/** True when the stack was made: its state is there, and the salt by which its secrets can be read. */
function hasState({ state, project, stack }: SandboxLayout): boolean {
    const file = join(project, `Pulumi.${stack}.yaml`);
    return (
        existsSync(join(state, ".pulumi", "stacks", PROJECT, `${stack}.json`)) &&
        existsSync(file) &&
        readFileSync(file, "utf8").includes("encryptionsalt:")
    );
}

/** True when everything that an earlier run may have left half done has been done anew. */
function endsWell(operation: Operation, flags: readonly string[]): boolean {
    const some = flags.some((flag) => /^(-t$|--(target|exclude))/.test(flag));
    return (operation === "up" || operation === "destroy") && !some;
}

function describeRun({ origin }: Plugins, { charts, crds, localCharts }: SandboxOptions): void {
    const names = (wanted: boolean) => PROVIDERS.filter((name) => (origin[name] === "stand-in") === wanted);
    const [standIns, official] = [names(true), names(false)];
    if (official.length > 0)
        say(`official provider plugins: ${official.map((name) => `${name} (${origin[name]})`).join(", ")}`);
    if (standIns.length > 0) say(`stand-in provider plugins: ${standIns.join(", ")}`);
    const each = ["as published", ...(localCharts === undefined ? [] : [localCharts]), "stand-ins"].join(", else ");
    const from = charts === "auto" ? each : typeof charts === "string" ? charts : charts.directory;
    say(`charts: ${from}; CRDs: ${crds ?? "stand-in"}`);
}

/** Makes this process see what the engine sees, and nothing of the user's accounts. */
function replaceEnvironment(env: NodeJS.ProcessEnv): void {
    for (const name of Object.keys(process.env)) if (!(name in env)) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, env);
}

function nextCommands(stack: string, kubeconfig: string): string {
    return [
        "Next",
        `  kubectl --kubeconfig ${kubeconfig} get pods -A`,
        `  npm run sandbox -- preview ${stack}    what a change would do`,
        `  npm run sandbox -- destroy ${stack}    empty the cluster, data stays; up finds it again`,
        `  npm run sandbox -- down ${stack}       remove the sandbox`,
    ].join("\n");
}

/** Flags with their files as the person sees them: the engine runs in another folder. */
function fromHere(flags: readonly string[]): string[] {
    const named = (flag: string | undefined) => ["--file", "-f", "--out", "-o"].includes(flag ?? "");
    return flags.map((flag, index) => (named(flags[index - 1]) ? resolve(flag) : flag));
}

/** Runs one of the project's tools as it stands, with the sandbox for its surroundings. */
async function look(
    tool: (typeof LOOKS)[number],
    stack: string,
    flags: readonly string[],
    options: SandboxOptions,
): Promise<number> {
    const sandbox = Sandbox.open(stack, options, say);
    sandbox.lock();
    try {
        const { env } = await sandbox.start();
        const main = join(ROOT, "tools", tool, "main.ts");
        const args = ["--require", TYPESCRIPT, main, stack, "--root", sandbox.layout.project, ...flags];
        return await new Promise<number>((done, reject) => {
            const child = spawn(process.execPath, args, { cwd: process.cwd(), env, stdio: "inherit" });
            child.on("error", reject);
            child.on("close", (code) => done(code ?? 1));
        });
    } finally {
        sandbox.unlock();
    }
}

async function down(stack: string, options: SandboxOptions): Promise<number> {
    const layout = sandboxLayout(stack);
    if (!existsSync(layout.home)) {
        say(`there is no sandbox of ${stack}`);
        return 0;
    }
    const sandbox = Sandbox.open(stack, options, say);
    sandbox.lock();
    await sandbox.remove();
    say(`the sandbox of ${stack} is gone`);
    return 0;
}

async function status(stack: string): Promise<number> {
    const layout = sandboxLayout(stack);
    if (!existsSync(layout.record)) {
        console.log(`no sandbox of ${stack}; npm run sandbox -- up ${stack} makes one`);
        return 0;
    }
    const daemon = runningDaemon(layout);
    const api = existsSync(layout.kubeconfig)
        ? await run(
              join(layout.tools, "bin", "kubectl"),
              ["--kubeconfig", layout.kubeconfig, "get", "--raw", "/readyz", "--request-timeout=3s"],
              {
                  check: false,
              },
          )
        : undefined;
    console.log(`control plane: ${api?.code === 0 ? "running" : "stopped"}`);
    console.log(`clouds and controllers: ${daemon === undefined ? "stopped" : `running (process ${daemon.pid})`}`);
    console.log(`kubeconfig: ${layout.kubeconfig}`);
    console.log(`state: ${layout.state}`);
    return 0;
}
