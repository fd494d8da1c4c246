/** Whether a stack's machines can be reached from here, before anything waits minutes for them. */
import { request } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { API_PORT } from "../../bootstrap/machines";
import { openStack } from "../../stacks";
import { readStackValue } from "../../stacks/stack-file";

/** HTTP status of an API server that is asked for its health without credentials: healthy, or a refusal to say. */
const API_SERVER = new Set([200, 401, 403]);

export interface Endpoint {
    readonly host: string;
    readonly port: number;
}

/** Where the API server of a stack may answer: its nodes. */
export function endpoints(root: string, stack: string): Endpoint[] {
    return openStack(stack, readStackValue(root, stack)).nodes.map(({ address }) => ({
        host: address,
        port: API_PORT,
    }));
}

/**
 * The same, asked again until `patienceMs` are over: a runner that has just joined a tailnet learns its routes in the first
 * seconds.
 */
export async function reachableSoon(targets: readonly Endpoint[], patienceMs = 60_000): Promise<boolean> {
    const end = Date.now() + patienceMs;
    do {
        if (await reachable(targets)) return true;
        await delay(1_000);
    } while (Date.now() < end);
    return false;
}

/** Does an API server answer at one of them in time? One is enough: a node may be down for its upgrade. */
export async function reachable(targets: readonly Endpoint[], timeoutMs = 5_000): Promise<boolean> {
    const answers = await Promise.all(targets.map((target) => answersAt(target, timeoutMs)));
    return answers.includes(true);
}

/**
 * A refusal counts: nobody is asked for anything. A connection alone does not, nor any answer, because a gateway on the
 * way may speak for a machine that is off; whose certificate it is matters to what comes after.
 */
function answersAt({ host, port }: Endpoint, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
        const options = { host, port, path: "/livez", rejectUnauthorized: false, agent: false };
        const question = request(options, (answer) => {
            answer.resume();
            end(API_SERVER.has(answer.statusCode ?? 0));
        });
        const end = (answered: boolean) => {
            clearTimeout(timer);
            question.destroy();
            resolve(answered);
        };
        // Of everything: a timeout of the socket starts anew with each sign of life.
        const timer = setTimeout(() => end(false), timeoutMs);
        question.once("error", () => end(false));
        question.end();
    });
}
