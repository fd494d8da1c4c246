/**
 * Runs the engine on the very program that a real cluster gets: index.ts, inline, through the language
 * server of the Automation API. The engine is called directly rather than through its `stack.up()`, so that every flag of
 * pulumi can be passed on and its own progress display is what the person sees.
 */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import * as events from "@pulumi/pulumi/proto/events_grpc_pb";
import * as language from "@pulumi/pulumi/proto/language_grpc_pb";
import { LanguageHandshakeResponse } from "@pulumi/pulumi/proto/language_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { useSubstitutes, type Substitutes } from "./chart-source";
import type { SandboxLayout } from "./layout";
import { endOfficialPlugins } from "./repair";

/** The Automation API's own language server: exported at run time, left out of the SDK's type declarations. */
const { LanguageServer } = require("@pulumi/pulumi/automation/server") as {
    LanguageServer: new (program: () => Promise<unknown>) => grpc.UntypedServiceImplementation;
};

/** What the engine runs, as the language server wants it. */
export type Program = () => Promise<unknown>;

/** The program that a real cluster gets. Loaded when the engine asks for it. */
const indexProgram: Program = () => (require("../index") as Program)();

export type Operation = "up" | "preview" | "refresh" | "destroy" | "import";

interface StepMetadata {
    readonly urn: string;
    readonly op: string;
    readonly type: string;
    readonly new?: { readonly inputs?: unknown; readonly outputs?: object | undefined; readonly parent?: string };
}

/** The fields of an engine event that the sandbox reads. */
export interface EngineEvent {
    /** Seconds since 1970. */
    readonly timestamp: number;
    readonly resourcePreEvent?: { readonly metadata: StepMetadata };
    readonly resOutputsEvent?: { readonly metadata: StepMetadata };
    readonly diagnosticEvent?: { readonly severity: string; readonly message: string };
}

export interface EngineResult {
    readonly code: number;
    readonly events: readonly EngineEvent[];
    /** Set when the engine did not end by itself. */
    readonly killedBy?: NodeJS.Signals;
}

/** Variables of an engine that has its state in the sandbox and asks nobody outside. Makes the folders. */
export function engineEnvironment({ pulumiHome, state }: Pick<SandboxLayout, "pulumiHome" | "state">) {
    for (const folder of [pulumiHome, state]) mkdirSync(folder, { recursive: true });
    // The engine writes all it could say into a file of some MB for every run, at two fifths of its own processor time; no
    // setting leaves that out. It goes without where the folder for it cannot be made.
    const logs = join(pulumiHome, "logs");
    rmSync(logs, { recursive: true, force: true });
    writeFileSync(logs, "");
    return {
        PULUMI_HOME: pulumiHome,
        PULUMI_BACKEND_URL: stateUrl(state),
        PULUMI_SKIP_UPDATE_CHECK: "true",
        // Makes --event-log known to the engine.
        PULUMI_DEBUG_COMMANDS: "true",
    };
}

/** Where the engine keeps its state: it writes the whole of it at each step, and would sum up each time what it wrote and copied. */
export const stateUrl = (folder: string): string => `file://${folder}?metadata=skip`;

/** Variables of an engine for which providers listen on these ports, by name. */
export function attachProviders(ports: Readonly<Record<string, number>>): NodeJS.ProcessEnv {
    const attached = Object.entries(ports).map(([name, port]) => `${name}:${port}`);
    if (attached.length === 0) return {};
    return {
        PULUMI_DEBUG_PROVIDERS: attached.join(","),
        // To the engine an attached plugin is one that is not installed: it would try to get it, without a network five times.
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    };
}

export class Engine {
    #child: ReturnType<typeof spawn> | undefined;

    constructor(
        private readonly layout: SandboxLayout,
        private readonly pulumi: string,
        private readonly env: NodeJS.ProcessEnv,
        private readonly program: Program = indexProgram,
    ) {}

    /** Runs an operation with the program attached (destroy and import run none) and the flags of the caller. */
    async operate(operation: Operation, flags: readonly string[], substitutes: Substitutes): Promise<EngineResult> {
        const seen: EngineEvent[] = [];
        const { port, stop } = await this.serve(substitutes, (event) => seen.push(event));
        const confirm = operation === "preview" ? [] : ["--yes", "--skip-preview"];
        const program =
            operation === "destroy" || operation === "import"
                ? []
                : [`--client=127.0.0.1:${port}`, "--exec-kind", "auto.inline"];
        // An import runs no program and asks for its language all the same.
        const env = operation === "import" ? { PULUMI_DEBUG_LANGUAGES: `nodejs:${port}` } : {};
        try {
            const ended = await this.spawn(
                [
                    operation,
                    ...["--stack", this.layout.stack],
                    ...confirm,
                    ...program,
                    ...["--event-log", `tcp://127.0.0.1:${port}`, "--suppress-outputs"],
                    ...flags,
                ],
                false,
                env,
            );
            return { ...ended, events: seen };
        } finally {
            stop();
        }
    }

    /** Runs pulumi with the terminal attached. */
    async run(args: readonly string[], quiet = false): Promise<number> {
        return (await this.spawn(args, quiet)).code;
    }

    private spawn(
        args: readonly string[],
        quiet = false,
        env: NodeJS.ProcessEnv = {},
    ): Promise<Pick<EngineResult, "code" | "killedBy">> {
        return new Promise((resolve, reject) => {
            const child = spawn(this.pulumi, args, {
                cwd: this.layout.project,
                env: { ...this.env, ...env },
                // A process group of its own: an interrupt is passed on once, by `interrupt`, and the engine then ends
                // what is under way. Two at once would make it drop everything.
                detached: true,
                stdio: ["ignore", quiet ? "ignore" : "inherit", "inherit"],
            });
            this.#child = child;
            child.on("error", reject);
            child.on("close", (code, signal) => {
                this.#child = undefined;
                if (signal === null) return resolve({ code: code ?? 1 });
                endOfficialPlugins(this.layout);
                resolve({ code: 1, killedBy: signal });
            });
        });
    }

    /** Asks the running operation to finish what it has begun and stop. */
    interrupt(): void {
        this.#child?.kill("SIGINT");
    }

    /** One loopback server for what the engine asks of a program and what it tells of its progress. */
    private async serve(
        substitutes: Substitutes,
        onEvent: (event: EngineEvent) => void,
    ): Promise<{ port: number; stop(): void }> {
        const program = () => {
            useSubstitutes(substitutes);
            return this.program();
        };
        const server = new grpc.Server({ "grpc.max_receive_message_length": 400 * 1024 * 1024 });
        server.addService(
            language.LanguageRuntimeService,
            Object.assign(new LanguageServer(program), {
                // The SDK's has none: it is made for `--client`, which an import does not know.
                handshake: (_: unknown, done: (error: null, answer: LanguageHandshakeResponse) => void) =>
                    done(null, new LanguageHandshakeResponse()),
            }),
        );
        // Not a file: the engine's debug messages in it hold secrets.
        server.addService(events.EventsService, {
            streamEvents: (
                call: grpc.ServerReadableStream<{ getEvent(): string }, Empty>,
                done: (error: null, answer: Empty) => void,
            ) => {
                call.on("data", (request: { getEvent(): string }) => {
                    const event = JSON.parse(request.getEvent()) as EngineEvent;
                    if (event.resourcePreEvent !== undefined || event.resOutputsEvent !== undefined) onEvent(event);
                });
                call.on("end", () => done(null, new Empty()));
            },
        });
        const port = await new Promise<number>((resolve, reject) => {
            server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
                error === null ? resolve(bound) : reject(error),
            );
        });
        return { port, stop: () => server.forceShutdown() };
    }
}
