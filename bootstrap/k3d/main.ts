/** The process that a command starts: one step, its specification in environment and standard input. */
import { readFileSync } from "node:fs";
import { print, runStep } from "../../lib/step-program";
import { readSpec } from "../read-spec";
import type { K3dClusterArgs } from "./cluster-config";
import { DockerHost, realSurroundings } from "./docker-host";
import { look } from "./look";
import {
    ADDRESS_SPEC,
    CLUSTER_SPEC,
    HOST_SPEC,
    LAN_SPEC,
    type AddressSpec,
    type ClusterSpec,
    type HostSpec,
    type LanSpec,
    type Step,
} from "./spec";
import {
    address,
    context,
    create,
    deleteCluster,
    joinLan,
    kubeconfig,
    leaveLan,
    preflight,
    removeContext,
    verify,
} from "./steps";

async function main(step: Step): Promise<void> {
    const around = realSurroundings((line) => void process.stderr.write(`${line}\n`));
    const stdin = () => readFileSync(0, "utf8");
    const args = () => JSON.parse(stdin()) as K3dClusterArgs;
    if (step === "look") return print(JSON.stringify(await look(around, args())));

    const base = readSpec<HostSpec>(process.env, HOST_SPEC);
    const host = new DockerHost(around, base.DOCKER_HOST_SSH);
    const cluster = () => readSpec<ClusterSpec>(process.env, CLUSTER_SPEC);
    switch (step) {
        case "address":
            return print(await address(host, readSpec<AddressSpec>(process.env, ADDRESS_SPEC)));
        case "context":
            return context(host, base);
        case "uncontext":
            return removeContext(host, base);
        case "preflight":
            return preflight(host, args());
        case "create":
            return create(host, cluster(), stdin());
        case "verify":
            return verify(host, cluster(), stdin());
        case "delete":
            return deleteCluster(host, cluster());
        case "lan":
            return joinLan(host, readSpec<LanSpec>(process.env, LAN_SPEC));
        case "unlan":
            return leaveLan(host, cluster());
        case "kubeconfig":
            return print(await kubeconfig(host, cluster().CLUSTER_NAME));
        default:
            throw new Error(`there is no step "${String(step)}"`);
    }
}

runStep(main);
