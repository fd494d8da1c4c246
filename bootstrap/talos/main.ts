/** The process that a command starts: one step, its specification in environment and standard input. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runProgram } from "../../lib/run-program";
import { print, runStep } from "../../lib/step-program";
import { PrivateDirectory } from "../private-directory";
import { readSpec } from "../read-spec";
import { look, type LookRequest } from "./look";
import { openSecretsBundle } from "./secrets-bundle";
import {
    NODE_SPEC,
    NODES_SPEC,
    type ClusterSpec,
    type NodeSpec,
    type NodesSpec,
    type SchematicSpec,
    type Step,
} from "./spec";
import { bootstrap, convergeNode, kubeconfig, kubernetes, registerSchematic } from "./steps";
import { Talosctl, type Surroundings } from "./talosctl";

async function main(step: Step): Promise<void> {
    const directory = new PrivateDirectory();
    const around: Surroundings = {
        run: runProgram,
        directory,
        say: (line) => void process.stderr.write(`${line}\n`),
        sleep: (milliseconds) => sleep(milliseconds),
        now: Date.now,
    };
    const stdin = () => readFileSync(0, "utf8");
    switch (step) {
        case "look":
            return print(JSON.stringify(await look(around, JSON.parse(stdin()) as LookRequest)));
        case "schematic": {
            const spec = readSpec<SchematicSpec>(process.env, ["SCHEMATIC", "IMAGE_FACTORY"]);
            return registerSchematic(runProgram, spec, stdin());
        }
        case "node": {
            const spec = readSpec<NodeSpec>(process.env, NODE_SPEC);
            return convergeNode(await open(around, spec), spec, stdin());
        }
        case "bootstrap":
        case "kubernetes":
        case "kubeconfig": {
            const spec = readSpec<NodesSpec>(process.env, NODES_SPEC);
            const talosctl = await open(around, spec);
            if (step === "bootstrap") return bootstrap(talosctl, spec);
            if (step === "kubernetes") return kubernetes(talosctl, spec);
            return print(await kubeconfig(talosctl, spec));
        }
        default:
            throw new Error(`there is no step "${String(step)}"`);
    }
}

async function open(around: Surroundings, spec: ClusterSpec): Promise<Talosctl> {
    const secrets = await openSecretsBundle(projectRoot(), spec.SECRETS_FILE);
    if (secrets.hash !== spec.SECRETS_HASH) {
        throw new Error(`${spec.SECRETS_FILE} has changed since the plan was made: run pulumi up again`);
    }
    return Talosctl.open(around, secrets, spec);
}

/** The engine runs commands in the folder of the program's start file; the project is the folder with Pulumi.yaml. */
function projectRoot(): string {
    for (let folder = process.cwd(); ; folder = dirname(folder)) {
        if (existsSync(join(folder, "Pulumi.yaml"))) return folder;
        if (folder === dirname(folder)) throw new Error(`no Pulumi.yaml in ${process.cwd()} or above it`);
    }
}

runStep(main);
