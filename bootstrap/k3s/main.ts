/** The process that a command starts: one step, its specification in environment and standard input. */
import { readFileSync } from "node:fs";
import { print, runStep } from "../../lib/step-program";
import { realSurroundings } from "../linux/surroundings";
import { readSpec } from "../read-spec";
import type { K3sClusterArgs, K3sSecrets } from "./cluster-config";
import { look } from "./look";
import {
    NODE_SPEC,
    RELEASE_SPEC,
    SERVERS_SPEC,
    type NodeSpec,
    type ReleaseSpec,
    type ServersSpec,
    type Step,
} from "./spec";
import { convergeNode, kubeconfig, release, removeNode } from "./steps";

async function main(step: Step): Promise<void> {
    const around = realSurroundings((line) => void process.stderr.write(`${line}\n`));
    const stdin = () => readFileSync(0, "utf8");
    switch (step) {
        case "look":
            return print(JSON.stringify(await look(around, JSON.parse(stdin()) as K3sClusterArgs)));
        case "release":
            return print(await release(around, readSpec<ReleaseSpec>(process.env, RELEASE_SPEC)));
        case "node":
            return convergeNode(around, readSpec<NodeSpec>(process.env, NODE_SPEC), JSON.parse(stdin()) as K3sSecrets);
        case "remove":
            return removeNode(around, readSpec<NodeSpec>(process.env, NODE_SPEC));
        case "kubeconfig":
            return print(
                await kubeconfig(around, readSpec<ServersSpec>(process.env, SERVERS_SPEC), process.env["SERVER"]),
            );
        default:
            throw new Error(`there is no step "${String(step)}"`);
    }
}

runStep(main);
