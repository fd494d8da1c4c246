/**
 * Runs the engine on the very program that a real cluster gets: index.ts, inline, through the language server of the
 * Automation API. The engine is called directly rather than through its `stack.up()`, so that every flag of
 * pulumi can be passed on and its own progress display is what the person sees.
 */
import { spawn } from "node:child_process";
import { createReadStream, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import * as language from "@pulumi/pulumi/proto/language_grpc_pb";
import { useCharts, type ChartDirectories } from "./chart-source";
import type { SandboxLayout } from "./layout";

/** The Automation API's own language server: exported at run time, left out of the SDK's type declarations. */
const { LanguageServer } = require("@pulumi/pulumi/automation/server") as {
    LanguageServer: new (program: () => Promise<unknown>) => grpc.UntypedServiceImplementation;
};

export type Operation = "up" | "preview" | "refresh" | "destroy";

/** The fields of an engine event that the sandbox reads. */
export interface EngineEvent {
    /** Seconds since 1970. */
    readonly timestamp: number;
    readonly resourcePreEvent?: { readonly metadata: { readonly urn: string; readonly op: string } };
    readonly resOutputsEvent?: { readonly metadata: { readonly urn: string; readonly op: string } };
    readonly summaryEvent?: { readonly resourceChanges: Readonly<Record<string, number>> };
}

export interface EngineResult {
    readonly code: number;
    readonly events: readonly EngineEvent[];
}

export class Engine {
    #child: ReturnType<typeof spawn> | undefined;

    constructor(
        private readonly layout: SandboxLayout,
        private readonly pulumi: string,
        private readonly env: NodeJS.ProcessEnv,
    ) {}

    /** Runs an operation with the program attached (destroy runs none) and the flags of the caller. */
    async operate(operation: Operation, flags: readonly string[], charts: ChartDirectories): Promise<EngineResult> {
        const eventLog = join(this.layout.home, "events.jsonl");
        rmSync(eventLog, { force: true });
        const program = operation === "destroy" ? undefined : await this.serveProgram(charts);
        try {
            const confirm = operation === "preview" ? [] : ["--yes", "--skip-preview"];
            const code = await this.run([
                operation,
                ...["--stack", this.layout.stack],
                ...confirm,
                ...(program === undefined ? [] : [`--client=127.0.0.1:${program.port}`, "--exec-kind", "auto.inline"]),
                ...["--event-log", eventLog, "--suppress-outputs"],
                ...flags,
            ]);
            return { code, events: await readEvents(eventLog) };
        } finally {
            program?.stop();
        }
    }

    /** Runs pulumi with the terminal attached. */
    run(args: readonly string[], quiet = false): Promise<number> {
        return new Promise((resolve, reject) => {
            const child = spawn(this.pulumi, args, {
                cwd: this.layout.project,
                env: this.env,
                // A process group of its own: an interrupt is passed on once, by `interrupt`, and the engine then ends
                // what is under way. Two at once would make it drop everything.
                detached: true,
                stdio: ["ignore", quiet ? "ignore" : "inherit", "inherit"],
            });
            this.#child = child;
            child.on("error", reject);
            child.on("close", (code, signal) => {
                this.#child = undefined;
                resolve(code ?? (signal === null ? 1 : 130));
            });
        });
    }

    /** Asks the running operation to finish what it has begun and stop. */
    interrupt(): void {
        this.#child?.kill("SIGINT");
    }

    private async serveProgram(charts: ChartDirectories): Promise<{ port: number; stop(): void }> {
        const program = async () => {
            useCharts(charts);
            const { default: main } = (await import("../index")) as { default: () => Promise<unknown> };
            return main();
        };
        const server = new grpc.Server({ "grpc.max_receive_message_length": 400 * 1024 * 1024 });
        const languageServer = new LanguageServer(program);
        server.addService(
            language.LanguageRuntimeService,
            languageServer as unknown as grpc.UntypedServiceImplementation,
        );
        const port = await new Promise<number>((resolve, reject) => {
            server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
                error === null ? resolve(bound) : reject(error),
            );
        });
        return { port, stop: () => server.forceShutdown() };
    }
}

async function readEvents(path: string): Promise<EngineEvent[]> {
    if (!existsSync(path)) return [];
    const events: EngineEvent[] = [];
    for await (const line of createInterface({ input: createReadStream(path) })) {
        if (line.trim() !== "") events.push(JSON.parse(line) as EngineEvent);
    }
    return events;
}
