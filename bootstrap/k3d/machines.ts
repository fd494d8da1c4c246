/** k3s in containers of a Docker host, for who looks without building. */
import { limitedTo } from "../../lib/run-program";
import type { Told } from "../../lib/told";
import {
    kubeletLabels,
    SERVER_TAINT,
    type Asking,
    type Capacity,
    type Examined,
    type MachinesOfKind,
    type NodeInfo,
    type NodePaths,
    type ToolWish,
} from "../machines";
import { assumedFacts, k3dNames, type K3dClusterArgs } from "./cluster-config";
import { DockerHost, realSurroundings, type Surroundings } from "./docker-host";
import { judgeDockerHost, lookForDoctor } from "./judge";
import { kubeconfig } from "./steps";

export class K3dMachines implements MachinesOfKind {
    readonly kind = "k3d";
    readonly nodes: readonly NodeInfo[];
    readonly tools: readonly ToolWish[] = [
        { name: "ssh", why: "the way to the Docker host", install: "the OpenSSH client of your system" },
        {
            name: "docker",
            why: "reaches Docker on the host over SSH; no daemon is needed here",
            versionArgs: ["--version"],
            install: "https://docs.docker.com/engine/install/binaries/",
        },
        {
            name: "k3d",
            why: "makes the cluster",
            versionArgs: ["--version"],
            atLeast: "5.5.0",
            install: "https://k3d.io/stable/#installation",
        },
    ];

    /** `capacity`: of the Docker host. The agent has all of it: containers share the machine. */
    constructor(
        readonly args: K3dClusterArgs,
        capacity: Capacity | undefined,
    ) {
        const { server, agent } = k3dNames(args.clusterName);
        const { address } = assumedFacts(args);
        const node = (name: string, labels: Readonly<Record<string, string>>) => ({
            name,
            address,
            labels: {
                ...kubeletLabels(name),
                "node.kubernetes.io/instance-type": "k3s",
                ...labels,
            },
            capacity,
            kubeletVersion: args.k3sVersion,
        });
        this.nodes = [
            { ...node(server, { "node-role.kubernetes.io/control-plane": "true" }), taints: [SERVER_TAINT] },
            node(agent, {}),
        ];
    }

    get kubernetesVersion(): string {
        return this.args.k3sVersion.replace(/^v/, "").replace(/\+.*$/, "");
    }

    async kubeconfig({ timeout }: Asking): Promise<Told<string>> {
        return withSurroundings(timeout, async (around) => {
            try {
                return {
                    ok: true,
                    value: await kubeconfig(new DockerHost(around, this.args.ssh), this.args.clusterName),
                };
            } catch (error) {
                return { ok: false, status: 0, reason: error instanceof Error ? error.message : String(error) };
            }
        });
    }

    async examine({ timeout }: Asking, paths: NodePaths): Promise<Examined> {
        const seen = await withSurroundings(timeout, (around) => lookForDoctor(around, this.args, paths));
        return { findings: judgeDockerHost(this.args, seen) };
    }
}

/** This computer's programs, none of which may take longer. */
async function withSurroundings<T>(limit: number, use: (around: Surroundings) => Promise<T>): Promise<T> {
    const around = realSurroundings(() => undefined);
    try {
        return await use({ ...around, run: limitedTo(around.run, limit) });
    } finally {
        around.directory.remove();
    }
}
