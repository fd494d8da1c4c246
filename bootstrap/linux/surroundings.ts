/** What looking and steps take from outside, as it is on this computer. */
import { setTimeout as sleep } from "node:timers/promises";
import { limitedTo, runProgram } from "../../lib/run-program";
import type { Surroundings } from "./machine";

export const realSurroundings = (say: Surroundings["say"]): Surroundings => ({
    run: runProgram,
    say,
    sleep: (milliseconds) => sleep(milliseconds),
    now: Date.now,
});

/** For who looks without building: nothing is said, and no program may take longer than `limit` milliseconds. */
export const limitedSurroundings = (limit: number): Surroundings => ({
    ...realSurroundings(() => undefined),
    run: limitedTo(runProgram, limit),
});
