/** The process that a command starts: one step, its specification in environment and standard input. */
import { readFileSync } from "node:fs";
import { print, runStep } from "../../lib/step-program";
import { realSurroundings } from "../linux/surroundings";
import { readSpec } from "../read-spec";
import type { KubeadmClusterArgs, KubeadmSecrets } from "./cluster-config";
import { look } from "./look";
import {
    CONTROL_PLANES_SPEC,
    NODE_SPEC,
    RELEASE_SPEC,
    type ControlPlanesSpec,
    type NodeSpec,
    type ReleaseSpec,
    type Step,
} from "./spec";
import { convergeNode, kubeconfig, release, removeNode } from "./steps";

async function main(step: Step): Promise<void> {
    const around = realSurroundings((line) => void process.stderr.write(`${line}\n`));
    const stdin = () => readFileSync(0, "utf8");
    const { env } = process;
    switch (step) {
        case "look":
            return print(JSON.stringify(await look(around, JSON.parse(stdin()) as KubeadmClusterArgs)));
        case "release":
            return print(await release(around, readSpec<ReleaseSpec>(env, RELEASE_SPEC)));
        case "node": {
            const spec = readSpec<NodeSpec>(env, NODE_SPEC);
            // A worker is told none.
            const secrets = spec.NODE_ROLE === "worker" ? undefined : (JSON.parse(stdin()) as KubeadmSecrets);
            return convergeNode(around, spec, secrets);
        }
        case "remove":
            return removeNode(around, readSpec<NodeSpec>(env, NODE_SPEC));
        case "kubeconfig":
            return print(await kubeconfig(around, readSpec<ControlPlanesSpec>(env, CONTROL_PLANES_SPEC)));
        default:
            throw new Error(`there is no step "${String(step)}"`);
    }
}

runStep(main);
