/**
 * A Docker host for the sandbox: `ssh`, `docker` and `k3d` on the engine's PATH answer from files (sandbox/machines/k3d/).
 * The program under test speaks to them as to real ones: same commands, same answers, same refusals.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { K3dClusterArgs } from "../../bootstrap/k3d/cluster-config";
import { isIpv4 } from "../../components/network/addresses";
import { DockerHostState, type PlayedHost } from "./k3d/state";
import type { PlayedMachines } from "./machines";

/** Of a host that the configuration names only: an address for documentation, RFC 5737. */
const SOME_ADDRESS = "192.0.2.10";

export const k3dMachines: PlayedMachines = {
    // bootstrap/k3d leaves it on.
    serviceLb: true,
    install(bin, { node, kubeconfig, kwok, stack }, nodes, machines) {
        const named = nodes[0]?.address ?? "";
        installDockerHost(
            bin,
            {
                root: node,
                kubeconfig,
                address: isIpv4(named) ? named : SOME_ADDRESS,
                controlPlane: join(kwok, "clusters", stack),
            },
            machines.kind === "k3d" ? machines.args : undefined,
        );
    },
};

/** What the seed's host has: directories, its card, its coordinator. */
const SEEDS = { mounts: ["/mnt/spool/appdata", "/mnt/dpool/media", "/mnt/dpool/kopia-repo"], card: "enp3s0" };
const COORDINATOR = "/dev/ttyUSB0";

/**
 * Writes `ssh`, `docker` and `k3d` into `bin`, and makes the host where there is none yet: with the pools, card and devices of
 * the household whose `args` these are, as its machine has them; none: with those of the seed.
 */
export function installDockerHost(
    bin: string,
    host: PlayedHost,
    args?: Pick<K3dClusterArgs, "mounts" | "devices" | "lan">,
): void {
    mkdirSync(host.root, { recursive: true });
    const devices = args === undefined ? [] : args.devices.map(({ path }) => path);
    new DockerHostState(host.root).install(host, {
        directories: args?.mounts ?? SEEDS.mounts,
        cards: ["lo", args?.lan?.interface ?? SEEDS.card],
        devices: [...new Set([COORDINATOR, ...devices])],
    });
    // Bundled once: a cluster's bring-up is many calls, and a TypeScript loader takes half a second for each.
    const program = join(host.root, "docker-host.cjs");
    execFileSync(require.resolve("esbuild/bin/esbuild"), [
        join(__dirname, "k3d", "program.ts"),
        ...["--bundle", "--platform=node", "--format=cjs", "--log-level=error", `--outfile=${program}`],
    ]);
    for (const name of ["ssh", "docker", "k3d"]) {
        script(join(bin, name), `exec '${process.execPath}' '${program}' '${host.root}' '${bin}' ${name} "$@"`);
    }
    // Paths in answers are the host's own.
    script(
        join(host.root, "bin", "base64"),
        `sed 's#${join(host.root, "host")}/#/#g' | PATH=/usr/local/bin:/usr/bin:/bin base64`,
    );
}

function script(path: string, body: string): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
}
