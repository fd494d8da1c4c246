/**
 * `run-program.ts <job file>`: one engine operation with one program, in a process of its own that is timed by its
 * parent. The SDK and the program are loaded within that time, as they are in a run of `pulumi`.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { crdDirectory, type ChartDirectories, type Substitutes } from "../../sandbox/chart-source";
import { Engine, type Operation, type Program } from "../../sandbox/engine";
import type { SandboxLayout } from "../../sandbox/layout";
import type { SandboxOptions } from "../../sandbox/options";
import { runMain, UserError } from "../../lib/user-error";
import type { Recordings } from "./flat-program";
import { startRecording } from "./recording";

export interface Job {
    readonly layout: SandboxLayout;
    /** Path of the engine. */
    readonly pulumi: string;
    readonly operation: Operation;
    readonly substitutes: Pick<Substitutes, "metrics"> & { readonly charts: ChartDirectories };
    readonly options: SandboxOptions;
    /** File with the `Recordings` that the flat program replays; absent: the program is index.ts. */
    readonly replay?: string;
    /** File for the `Recording` of this run; absent: none is made. */
    readonly record?: string;
    /** File for the `JobResult`. */
    readonly result: string;
}

export interface JobResult {
    /** Resources that the engine was told of, the stack's own included. */
    readonly resources: number;
    /** Processor time of this process: what other work on the machine changes least. */
    readonly cpuSeconds: number;
}

runMain(async () => {
    const job = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Job;
    const program = job.replay === undefined ? undefined : flat(job.replay);
    const engine = new Engine(job.layout, job.pulumi, process.env, program);
    // Terminal and parent both may send it; the engine ends what is under way.
    process.on("SIGINT", () => engine.interrupt()).on("SIGTERM", () => engine.interrupt());
    const crds = crdDirectory(job.options, job.layout.charts);
    const recording = job.record === undefined ? undefined : startRecording();
    const { code, events } = await engine.operate(job.operation, [], {
        metrics: job.substitutes.metrics,
        charts: (name) => job.substitutes.charts[name],
        crds,
    });
    if (code !== 0) return code;
    if (job.record !== undefined) writeFileSync(job.record, JSON.stringify(recording), { mode: 0o600 });
    const urns = new Set(events.flatMap(({ resourcePreEvent }) => resourcePreEvent?.metadata.urn ?? []));
    const { user, system } = process.cpuUsage();
    const result: JobResult = { resources: urns.size, cpuSeconds: (user + system) / 1e6 };
    writeFileSync(job.result, JSON.stringify(result));
    return 0;
});

function flat(path: string): Program {
    if (!existsSync(path)) throw new UserError(`there is no recording at ${path}`);
    return async () => {
        const { flatProgram } = await import("./flat-program");
        await flatProgram(JSON.parse(readFileSync(path, "utf8")) as Recordings);
    };
}
