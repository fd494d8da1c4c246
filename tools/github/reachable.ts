/** Whether a stack's machines can be reached from here, before anything waits minutes for them. */
import { connect } from "node:net";
import { openStack } from "../../stacks";
import { readStackValue } from "../stack-file";

/** Port of the API server on every cluster. */
const API_PORT = 6443;

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

/** Does one of them take a connection in time? One is enough: a node may be down for its upgrade. */
export async function reachable(targets: readonly Endpoint[], timeoutMs = 5_000): Promise<boolean> {
    const answers = await Promise.all(targets.map((target) => answersAt(target, timeoutMs)));
    return answers.includes(true);
}

function answersAt({ host, port }: Endpoint, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
        const socket = connect({ host, port });
        const end = (answered: boolean) => {
            socket.destroy();
            resolve(answered);
        };
        socket.setTimeout(timeoutMs, () => end(false));
        socket.once("connect", () => end(true));
        socket.once("error", () => end(false));
    });
}
