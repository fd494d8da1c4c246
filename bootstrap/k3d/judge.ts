/** A Docker host with k3d: what the program itself looks at before each run, and what pods find in the agent. */
import { shellQuote } from "../../components/cluster/shell";
import { findingsOf, type Finding } from "../../lib/finding";
import type { NodePaths } from "../machines";
import { k3dNames, type K3dClusterArgs } from "./cluster-config";
import { DockerHost, type Surroundings } from "./docker-host";
import { look, type HostPart, type LookAnswer } from "./look";

const say = findingsOf("machines");

/** A directory of a volume on the host. */
export interface Owned {
    readonly path: string;
    readonly owner: string;
}

export interface DoctorFacts {
    readonly answer: LookAnswer;
    /** Of each device that a pod mounts: what `ls -la` says of it in the agent; undefined: it is not there. */
    readonly devices: ReadonlyMap<string, string | undefined>;
    /** Owners of `<mount>/<namespace>/<claim>` on the host; a string says why it could not be read. */
    readonly owners: ReadonlyMap<string, readonly Owned[] | { readonly silent: string }>;
}

export async function lookForDoctor(
    around: Surroundings,
    args: K3dClusterArgs,
    paths: NodePaths,
): Promise<DoctorFacts> {
    const answer = await look(around, args);
    const devices = new Map<string, string | undefined>();
    const owners = new Map<string, readonly Owned[] | { silent: string }>();
    const blocked = answer.faults.some(({ part }) => part === "tools" || part === "ssh" || part === "docker");
    if (blocked) return { answer, devices, owners };
    const host = new DockerHost(around, args.ssh);
    const { agent } = k3dNames(args.clusterName);
    if (isThere(answer)) {
        for (const path of new Set([...paths.devices, ...args.devices.map((device) => device.path)])) {
            devices.set(path, (await host.tryExec(agent, `ls -la ${shellQuote(path)}`))?.trim());
        }
    }
    for (const mount of args.mounts) {
        try {
            owners.set(mount, parseOwners(await host.shell(ownersScript(mount))));
        } catch (error) {
            owners.set(mount, { silent: error instanceof Error ? error.message : String(error) });
        }
    }
    return { answer, devices, owners };
}

/** Numbers, as a pod's security context has them: names are the host's own. */
function ownersScript(mount: string): string {
    const quoted = shellQuote(mount);
    return `set -eu\nfor path in ${quoted}/*/*; do\n  test -d "$path" || continue\n  ls -lnd "$path"\ndone\n`;
}

/** Of `drwxrwxrwx 2 1000 1000 4096 Nov 21 20:00 /mnt/spool/appdata/media/plex`. */
export function parseOwners(listing: string): Owned[] {
    return listing.split("\n").flatMap((line): Owned[] => {
        const [, mode = "", uid, gid, path] = /^(d\S*)\s+\d+\s+(\d+)\s+(\d+)\s.*?\s(\/.*)$/.exec(line) ?? [];
        return path === undefined ? [] : [{ path, owner: `${uid}:${gid} ${mode.slice(1, 10)}` }];
    });
}

function isThere({ cluster }: LookAnswer): boolean {
    return cluster !== "none" && cluster !== "";
}

type Good = (args: K3dClusterArgs, answer: LookAnswer) => string | undefined;

const PARTS: Readonly<Record<HostPart, Good>> = {
    // Said in an area of their own.
    tools: () => undefined,
    address: ({ ssh }, { address }) => `${address}, from ${ssh}`,
    ssh: ({ ssh }) => `${ssh} answers, without a password`,
    docker: () => "answers over SSH",
    storage: ({ mounts }) => `${mounts.length} directories are there`,
    device: ({ devices }) => (devices.length === 0 ? undefined : `${devices.map(({ path }) => path).join(", ")} there`),
    lan: ({ lan }) => lan && `${lan.interface} is there`,
    ports: ({ ports }) => `6443, ${ports.http} and ${ports.https} are free, or this cluster's own`,
    "k3d cluster": ({ clusterName }, answer) =>
        isThere(answer)
            ? `${clusterName} is there, as configured`
            : answer.cluster === "none"
              ? `${clusterName} is not there yet: pulumi up makes it`
              : undefined,
};

export function judgeDockerHost(args: K3dClusterArgs, { answer, devices, owners }: DoctorFacts): Finding[] {
    const { faults, warnings } = answer;
    const blocked = faults.filter(({ part }) => part === "tools" || part === "ssh" || part === "docker");
    const parts = (Object.keys(PARTS) as HostPart[]).flatMap((part): Finding[] => {
        const own = [
            ...faults.filter((one) => one.part === part).map(({ found, mend }) => say.failure(part, found, mend)),
            ...warnings.filter((one) => one.part === part).map(({ found, mend }) => say.warning(part, found, mend)),
        ];
        if (own.length > 0) return own;
        if (blocked.length > 0) return isAsked(part, args) ? [say.skipped(part, blocked[0]?.found ?? "")] : [];
        const good = PARTS[part](args, answer);
        return good === undefined ? [] : [say.ok(part, good)];
    });
    return [...parts, ...agentFindings(args, devices), ...ownerFindings(args, owners)];
}

function isAsked(part: HostPart, { devices, lan }: K3dClusterArgs): boolean {
    if (part === "device") return devices.length > 0;
    return part === "lan" ? lan !== undefined : part !== "tools";
}

/** Second of the three checks of a device (seed 000, USB Device Passthrough); the first is the look's own, the third the pod's mount. */
function agentFindings({ clusterName }: K3dClusterArgs, devices: DoctorFacts["devices"]): Finding[] {
    const { agent } = k3dNames(clusterName);
    return [...devices].map(([path, said]) => {
        const check = "device in the agent";
        if (said === undefined)
            return say.warning(
                check,
                `${path} is not in ${agent}`,
                `docker exec ${agent} ls -la ${path}; the cluster was made without it, so an app that asks for it makes the cluster anew`,
            );
        return said.startsWith("c")
            ? say.ok(check, said)
            : say.failure(
                  check,
                  `${path} in ${agent} is no character device: ${said}`,
                  "it was missing when the container started, and Docker made a directory for it: unplug nothing, remove the directory on the host, plug the device in, and restart the cluster",
              );
    });
}

function ownerFindings({ ssh }: K3dClusterArgs, owners: DoctorFacts["owners"]): Finding[] {
    return [...owners].map(([mount, found]) => {
        const check = "owners";
        if ("silent" in found) return say.skipped(check, `${mount}: ${found.silent}`);
        if (found.length === 0) return say.ok(check, `${mount} holds no volumes yet`);
        const rows = found.map(({ path, owner }) => `${path.slice(mount.length + 1)} ${owner}`);
        return say.ok(
            check,
            `${mount}: ${rows.join(", ")} (a pod needs its own uid or gid there: ssh ${ssh} ls -la ${mount}/<namespace>/<claim>)`,
        );
    });
}
