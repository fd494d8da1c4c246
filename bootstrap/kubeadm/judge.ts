/** The machines as doctor sees them: what the program itself looks at before each run, from the network upwards. */
import type { Finding } from "../../lib/finding";
import { goodDisks, judge, type Judgement } from "../linux/judge";
import type { KubeadmClusterArgs, KubeadmNode } from "./cluster-config";
import type { MachineFacts } from "./facts";
import { judgeMachines, PARTS, type Part, type Seen } from "./look";
import { compareReleases } from "./versions";

/** With a fault in one of these, what is above it on the machine is not judged. */
const LAYERS: readonly Part[] = ["network", "ssh", "dns", "system", "containerd", "api"];

const good = (
    { version, virtualAddress }: KubeadmClusterArgs,
    now: number,
): Judgement<Part, KubeadmNode, MachineFacts>["good"] => ({
    network: ({ address }) => `${address} answers and is the machine's own`,
    ssh: () => "answers, without a password",
    dns: () => "resolves names",
    system: (_, { linux }) => `${linux.osName}, kernel ${linux.kernel}, cgroup v2, no swap`,
    containerd: (_, { kubernetes: { containerd } }) => `${containerd.version}, with systemd's cgroups`,
    api: (node, { kubernetes }) => {
        if (!kubernetes.joined) return undefined;
        const way = virtualAddress === undefined ? "" : `, and the virtual address ${virtualAddress} does`;
        if (node.role === "worker")
            return kubernetes.virtual === true ? `the API answers at ${virtualAddress}` : undefined;
        return kubernetes.cluster === "" ? undefined : `the API server answers${way}`;
    },
    kubernetes: (_, { kubernetes }) => {
        if (!kubernetes.joined) return "is not there yet: pulumi up installs it";
        const { kubelet } = kubernetes.versions;
        return `kubelet ${kubernetes.kubelet}, ${kubelet}${compareReleases(kubelet, version) === 0 ? "" : ` (pulumi up makes it ${version})`}`;
    },
    etcd: (node, { kubernetes }) =>
        node.role === "control-plane" && kubernetes.joined ? "healthy, with a majority" : undefined,
    certificates: (_, { kubernetes: { certificates } }) => {
        const first = Math.min(...certificates.map(({ ends }) => ends));
        return certificates.length === 0
            ? undefined
            : `the first of ${certificates.length} ends in ${Math.floor((first - now / 1000) / 86_400)} days`;
    },
    storage: (node, facts) => goodDisks(node, facts, "Ceph"),
    leftovers: () => undefined,
});

/** `now`: milliseconds. */
export const judgeKubeadm = (args: KubeadmClusterArgs, seen: readonly Seen[], now: number): Finding[] =>
    judge({ parts: PARTS, layers: LAYERS, good: good(args, now) }, judgeMachines(args, seen, now), seen);
