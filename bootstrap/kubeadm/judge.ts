/** The machines as doctor sees them: what the program itself looks at before each run, from the network upwards. */
import { findingsOf, type Finding } from "../../lib/finding";
import { SshFault } from "../linux/machine";
import { compareReleases } from "./versions";
import type { KubeadmClusterArgs, KubeadmNode } from "./cluster-config";
import type { MachineFacts } from "./facts";
import { judgeMachines, PARTS, type MachineFinding, type Part, type Seen } from "./look";

const say = findingsOf("machines");

/** With a fault in one of these, what is above it on the machine is not judged. */
const LAYERS: readonly Part[] = ["network", "ssh", "dns", "system", "containerd", "api"];

type Good = (node: KubeadmNode, facts: MachineFacts, args: KubeadmClusterArgs, now: number) => string | undefined;

const GOOD: Readonly<Record<Part, Good>> = {
    network: ({ address }) => `${address} answers and is the machine's own`,
    ssh: () => "answers, without a password",
    dns: () => "resolves names",
    system: (_, { linux }) => `${linux.osName}, kernel ${linux.kernel}, cgroup v2, no swap`,
    containerd: (_, { kubernetes: { containerd } }) => `${containerd.version}, with systemd's cgroups`,
    api: (node, { kubernetes }, { virtualAddress }) => {
        if (!kubernetes.joined) return undefined;
        const way = virtualAddress === undefined ? "" : `, and the virtual address ${virtualAddress} does`;
        if (node.role === "worker")
            return kubernetes.virtual === true ? `the API answers at ${virtualAddress}` : undefined;
        return kubernetes.cluster === "" ? undefined : `the API server answers${way}`;
    },
    kubernetes: (_, { kubernetes }, { version }) => {
        if (!kubernetes.joined) return "is not there yet: pulumi up installs it";
        const { kubelet } = kubernetes.versions;
        return `kubelet ${kubernetes.kubelet}, ${kubelet}${compareReleases(kubelet, version) === 0 ? "" : ` (pulumi up makes it ${version})`}`;
    },
    etcd: (node, { kubernetes }) =>
        node.role === "control-plane" && kubernetes.joined ? "healthy, with a majority" : undefined,
    certificates: (_, { kubernetes: { certificates } }, __, now) => {
        const first = Math.min(...certificates.map(({ ends }) => ends));
        return certificates.length === 0
            ? undefined
            : `the first of ${certificates.length} ends in ${Math.floor((first - now / 1000) / 86_400)} days`;
    },
    storage: ({ disks }, { linux }) => {
        const root = linux.disks.find(({ system }) => system)?.path ?? "unknown";
        return disks.length === 0 ? `system on ${root}` : `${disks.length} disks for Ceph are there, system on ${root}`;
    },
    leftovers: () => undefined,
};

/** Node by node, each from layer 3 up; what stands on a broken layer is skipped, never good. `now`: milliseconds. */
export function judgeKubeadm(args: KubeadmClusterArgs, seen: readonly Seen[], now: number): Finding[] {
    const { faults, warnings } = judgeMachines(args, seen, now);
    return seen.flatMap(({ node, facts }) => {
        const title = `${node.name} (${node.address})`;
        const own = (list: readonly MachineFinding[], part: Part) =>
            list.filter((one) => one.node === title && one.part === part);
        let broken: string | undefined;
        return PARTS.flatMap((part): Finding[] => {
            const check = `${node.name} ${part}`;
            if (broken !== undefined) return part === "leftovers" ? [] : [say.skipped(check, broken)];
            const found = own(faults, part);
            const told = [
                ...found.map((one) => say.failure(check, one.found, one.mend)),
                ...own(warnings, part).map((one) => say.warning(check, one.found, one.mend)),
            ];
            const silent = facts instanceof SshFault && told.length > 0;
            if (silent || (found.length > 0 && LAYERS.includes(part))) {
                broken = `${part} first: ${told[0]?.found ?? ""}`;
            }
            if (told.length > 0) return told;
            // It is in the network: otherwise that would be the finding.
            if (facts instanceof SshFault) return [say.ok(check, "there is a way to it")];
            const good = GOOD[part](node, facts, args, now);
            return good === undefined ? [] : [say.ok(check, good)];
        });
    });
}
