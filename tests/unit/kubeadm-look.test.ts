/** What follows from what machines with kubeadm say of themselves: every finding on its own, without a machine. */
import { judgeKubeadm } from "../../bootstrap/kubeadm/judge";
import { judgeMachines, type Seen } from "../../bootstrap/kubeadm/look";
import { sentence } from "../../bootstrap/linux/look";
import {
    foundedText,
    nodePlan,
    type KubeadmClusterArgs,
    type KubeadmNode,
} from "../../bootstrap/kubeadm/cluster-config";
import type { FoundKubernetes, MachineFacts } from "../../bootstrap/kubeadm/facts";
import { SshFault } from "../../bootstrap/linux/machine";
import type { LinuxFacts } from "../../bootstrap/linux/probe";

const NOW = Date.UTC(2026, 0, 1);
const DAY = 86_400;
const ends = (days: number) => ({ path: "/etc/kubernetes/pki/apiserver.crt", ends: NOW / 1000 + days * DAY });

const node = (name: string, last: number, role: KubeadmNode["role"] = "control-plane"): KubeadmNode => ({
    ...{ name, address: `192.168.7.${last}`, role, labels: {}, taints: [], disks: [] },
});
const ONE = node("one", 11);
const WORKER = node("four", 14, "worker");

const args = (nodes: readonly KubeadmNode[] = [ONE]): KubeadmClusterArgs => ({
    clusterName: "attic",
    nodes,
    ssh: { user: "root" },
    version: "v1.35.1",
    podCidr: "10.42.0.0/16",
    serviceCidr: "10.43.0.0/16",
    virtualAddress: "192.168.7.9",
    certSANs: [],
    snapshots: { schedule: "daily", keep: 2 },
    drainMinutes: 15,
    modules: [],
});

/** A machine of a healthy cluster. */
function seen(
    of: KubeadmNode,
    kubernetes: Partial<FoundKubernetes> = {},
    linux: Partial<LinuxFacts> = {},
): Seen & { facts: MachineFacts } {
    const controlPlane = of.role === "control-plane";
    return {
        node: of,
        facts: {
            linux: {
                ...{ os: "arch", osName: "Arch Linux", arch: "x86_64", kernel: "6.12.1" },
                ...{ systemd: true, missingModules: [], missingPrograms: [], unresolved: [], disks: [] },
                ...{ addresses: [of.address], listening: [], networkPlugins: [], swap: false, freeBytes: 2 ** 40 },
                ...linux,
            },
            kubernetes: {
                ...{ stack: "attic", nodeName: of.name, applied: "", unfinished: false, joined: true, controlPlane },
                founded: foundedText(nodePlan(args(), of)),
                ...{ etcd: controlPlane, authority: "CA", kubelet: "active", packaged: [], cgroup2: true },
                versions: { kubeadm: "v1.35.1", kubelet: "v1.35.1", kubectl: "v1.35.1" },
                sums: { kubeadm: "", kubelet: "", kubectl: "" },
                containerd: { state: "active", version: "2.2.1", systemdCgroup: true },
                ...{ cluster: controlPlane ? "uid" : "", nodes: [of.name], etcdHealth: controlPlane ? "true" : "" },
                ...{ certificates: [ends(300)], snapshotFailed: false, unreached: [], virtual: true },
                virtualTaken: true,
                ...kubernetes,
            },
        },
    };
}
/** One on which nothing of Kubernetes is yet. */
const bare = (of: KubeadmNode, kubernetes: Partial<FoundKubernetes> = {}, linux: Partial<LinuxFacts> = {}) =>
    seen(
        of,
        {
            ...{ stack: "", nodeName: "", founded: "", joined: false, controlPlane: false, etcd: false, authority: "" },
            ...{ kubelet: "", cluster: "", nodes: [], etcdHealth: "", certificates: [], virtual: false },
            versions: { kubeadm: "", kubelet: "", kubectl: "" },
            virtualTaken: false,
            ...kubernetes,
        },
        linux,
    );
function judged(all: readonly Seen[], nodes = all.map((one) => one.node)) {
    const { faults, warnings, ...rest } = judgeMachines(args(nodes), all, NOW);
    return { ...rest, faults: faults.map(sentence), warnings: warnings.map(sentence) };
}
const fine = { cluster: "uid", lost: [], faults: [], warnings: [] };

test("a healthy cluster with a worker, and bare machines, have no finding", () => {
    // Its own programs listen on it.
    const listening = [6443, 2379, 10250].map((port) => ({ address: "0.0.0.0", port }));
    expect(judged([seen(ONE, {}, { listening }), seen(WORKER)])).toEqual(fine);
    expect(judged([bare(ONE), bare(WORKER)])).toEqual({ ...fine, cluster: "none" });
});

test.each([
    ["another processor", {}, { arch: "aarch64" }, /its processor is aarch64/],
    ["no systemd", {}, { systemd: false }, /systemd does not run on it/],
    ["cgroup v1", { cgroup2: false }, {}, /it has cgroup v1/],
    ["programs", {}, { missingPrograms: ["ctr", "ip", "containerd"] }, /-S --needed containerd iproute2$/],
    ["modules", {}, { missingModules: ["overlay"] }, /no module overlay: after pacman/],
    ["modules of another system", {}, { os: "debian", missingModules: ["overlay"] }, /overlay: install the kernel's/],
    ["swap", {}, { swap: true }, /it swaps/],
    [
        "another address",
        {},
        { addresses: ["192.168.7.99"] },
        /192\.168\.7\.11 is no address of the machine \(192\.168\.7\.99\)/,
    ],
    ["no address", {}, { addresses: [] }, /\(it has none\)/],
    ["a package", { packaged: ["kubelet"] }, {}, /kubelet of a package is on it.*pacman -R kubelet  \(docs/],
    ["packages", { packaged: ["kubeadm", "kubelet"] }, {}, /kubeadm and kubelet of a package are on it/],
    [
        "a containerd that is off",
        { containerd: { state: "", version: "2.2.1", systemdCgroup: true } },
        {},
        /containerd is no unit of systemd/,
    ],
    [
        "cgroups of its own",
        { containerd: { state: "active", version: "2.2.1", systemdCgroup: false } },
        {},
        /SystemdCgroup = true/,
    ],
    ["another stack", { stack: "cellar" }, {}, /of the stack cellar, not of attic/],
    ["no stack, with data", { stack: "" }, {}, /not make is on it \(a control plane with etcd's data\)/],
    ["data alone", { stack: "", joined: false, controlPlane: false, authority: "" }, {}, /\(a node with etcd's data\)/],
    ["another role", { controlPlane: false }, {}, /it is a worker of this cluster, and nodes says control-plane/],
    ["another name", { nodeName: "uno" }, {}, /it is the node uno of this cluster/],
    [
        "another network",
        { founded: "network.podCidr 10.99.0.0/16" },
        {},
        /founded with network\.podCidr 10\.99\.0\.0\/16, and it is 10\.42/,
    ],
    ["a newer release", { versions: { kubeadm: "", kubelet: "v1.35.2", kubectl: "" } }, {}, /does not downgrade/],
] as const)("a fault: %s", (_, kubernetes, linux, said) => {
    // Otherwise whoever has the virtual address is one more where there is no cluster of ours.
    const { faults } = judged([seen(ONE, { virtualTaken: false, ...kubernetes }, linux)]);
    expect(faults).toEqual([expect.stringMatching(said)]);
});

test("a containerd that is not there is one fault, not three", () => {
    const containerd = { state: "", version: "", systemdCgroup: false };
    expect(judged([seen(ONE, { containerd }, { missingPrograms: ["containerd"] })])).toEqual({
        ...fine,
        faults: [expect.stringMatching(/it has no containerd/)],
    });
});

test.each([
    ["little room", {}, { freeBytes: 10 * 2 ** 30 - 1 }, /10\.0 GiB are free below \/var\/lib/],
    [
        "an old containerd",
        { containerd: { state: "active", version: "1.7.27", systemdCgroup: true } },
        {},
        /containerd is 1\.7\.27.*wants 2\.0/,
    ],
    ["a name that it does not resolve", {}, { unresolved: ["registry.k8s.io"] }, /does not resolve registry\.k8s\.io/],
    ["a kubelet that failed", { kubelet: "failed" }, {}, /its kubelet is failed/],
    ["a kubelet without a unit", { kubelet: "" }, {}, /its kubelet is no unit of systemd/],
    ["etcd without a leader", { etcdHealth: "false" }, {}, /no leader: a majority is not there/],
    ["etcd that is silent", { etcdHealth: "" }, {}, /its etcd does not answer/],
    ["a snapshot that failed", { snapshotFailed: true }, {}, /its last snapshot of etcd failed/],
    ["a certificate that nears its end", { certificates: [ends(44.5)] }, {}, /apiserver\.crt ends in 44 days/],
    ["a certificate that has ended", { certificates: [ends(-1)] }, {}, /apiserver\.crt has ended/],
    [
        "a control plane that it does not reach",
        { unreached: ["192.168.7.11", "192.168.7.12"] },
        {},
        /does not reach port 6443 of the control plane 192\.168\.7\.12/,
    ],
    ["the virtual address", { virtual: false }, {}, /the API does not answer at the virtual address 192\.168\.7\.9/],
    [
        "another network plugin",
        {},
        { networkPlugins: ["cilium_host", "/etc/cni/net.d/01-linkerd-cni.conf", "flannel.1"] },
        /has left flannel\.1:/,
    ],
] as const)("a warning: %s", (_, kubernetes, linux, said) => {
    expect(judged([seen(ONE, kubernetes, linux)])).toEqual({ ...fine, warnings: [expect.stringMatching(said)] });
});

test.each([
    ["room enough", {}, { freeBytes: 10 * 2 ** 30 }],
    ["a certificate of 45 days", { certificates: [ends(45)] }, {}],
])("no finding: %s", (_, kubernetes, linux) => {
    expect(judged([seen(ONE, kubernetes, linux)])).toEqual(fine);
});

test("before there is a cluster a name, a port and an address that somebody has are faults", () => {
    const listening = (port: number, address = "0.0.0.0") => ({ listening: [{ address, port }] as never });
    expect(judged([bare(ONE, {}, { unresolved: ["dl.k8s.io"] })]).faults).toEqual([
        expect.stringMatching(/does not resolve dl\.k8s\.io/),
    ]);
    expect(judged([bare(ONE, {}, listening(2379))]).faults).toEqual([expect.stringMatching(/listens on port 2379/)]);
    // A worker has no etcd.
    expect(judged([bare(WORKER, {}, listening(2379))]).faults).toEqual([]);
    expect(judged([bare(WORKER, {}, listening(10250))]).faults).toEqual([
        expect.stringMatching(/listens on port 10250/),
    ]);
    expect(judged([bare(ONE, { virtualTaken: true })]).faults).toEqual([
        expect.stringMatching(/somebody answers at the virtual address/),
    ]);
    // That may be what is half made by a run that was killed.
    const half = {
        stack: "attic",
        unfinished: true,
        joined: true,
        controlPlane: true,
        authority: "CA",
        virtualTaken: true,
    };
    expect(judged([bare(ONE, half)])).toEqual({ ...fine, cluster: "none" });
    expect(judged([bare(ONE, {}, { networkPlugins: ["cilium_host"] })]).warnings).toEqual([
        expect.stringMatching(/has left cilium_host/),
    ]);
});

test("what a control plane has left of itself has no role yet", () => {
    const left = { joined: false, controlPlane: false, cluster: "", virtualTaken: false };
    expect(judged([seen(ONE, left)]).faults).toEqual([]);
});

test("a worker is not of another cluster, nor of one that is gone", () => {
    expect(judged([seen(ONE), seen(WORKER, { authority: "other" })]).faults).toEqual([
        expect.stringMatching(/^four .*belongs to another cluster of this stack's name/),
    ]);
    expect(judged([bare(ONE), seen(WORKER, { virtualTaken: false })]).faults).toEqual([
        expect.stringMatching(/^four .*a worker of a cluster whose control planes are gone/),
    ]);
});

test("who is silent is a fault before there is a cluster, and a warning after; whether there is one is then not known", () => {
    const two = node("two", 12);
    const silent: Seen = { node: two, facts: new SshFault("two (192.168.7.12)", "network", "No route", "ping") };
    expect(judged([bare(ONE), silent])).toEqual({
        ...{ cluster: "", lost: [], warnings: [], faults: ["two (192.168.7.12): No route: ping"] },
    });
    expect(judged([seen(ONE), silent])).toEqual({ ...fine, warnings: ["two (192.168.7.12): No route: ping"] });
    // A script that failed there is none of the network's.
    const broken: Seen = { node: two, facts: new SshFault("two (192.168.7.12)", "script", "no awk", "install it") };
    expect(judged([seen(ONE), broken]).faults).toEqual(["two (192.168.7.12): no awk: install it"]);
    // A silent worker says nothing of whether there is a cluster.
    const worker: Seen = { node: WORKER, facts: new SshFault("four (192.168.7.14)", "network", "No route", "ping") };
    expect(judged([bare(ONE), worker]).cluster).toBe("none");
});

test("a machine that the cluster knows and that is in none was installed anew", () => {
    const two = node("two", 12);
    expect(judged([seen(ONE, { nodes: ["one", "two"] }), bare(two, { virtual: true })]).lost).toEqual(["two"]);
    expect(judged([seen(ONE, { nodes: ["one"] }), bare(two, { virtual: true })]).lost).toEqual([]);
});

test("kubelets of an upgrade that ended halfway are named, the newest is not", () => {
    const two = node("two", 12);
    const old = { versions: { kubeadm: "", kubelet: "v1.34.9", kubectl: "" } };
    expect(judged([seen(ONE), seen(two, old)]).warnings).toEqual([
        expect.stringMatching(/^two .*its kubelet is v1\.34\.9, and others are v1\.35\.1/),
    ]);
    // One without a kubelet's file is another matter.
    const none = { versions: { kubeadm: "", kubelet: "", kubectl: "" } };
    expect(judged([seen(ONE), seen(two, none)]).warnings).toEqual([]);
});

test("doctor says what is good in words of the machine, and skips what stands on a broken layer", () => {
    const at = (all: readonly Seen[]) =>
        Object.fromEntries(
            judgeKubeadm(args(all.map((one) => one.node)), all, NOW).map(({ check, verdict, found }) => [
                check,
                `${verdict}: ${found}`,
            ]),
        );
    expect(at([seen(ONE), seen(WORKER)])).toMatchObject({
        "one api": "ok: the API server answers, and the virtual address 192.168.7.9 does",
        "one kubernetes": "ok: kubelet active, v1.35.1",
        "one etcd": "ok: healthy, with a majority",
        "one certificates": "ok: the first of 1 ends in 300 days",
        "four api": "ok: the API answers at 192.168.7.9",
    });
    expect(at([seen(ONE), seen(WORKER)])).not.toHaveProperty(["four etcd"]);
    const broken = at([seen(ONE, {}, { swap: true })]);
    expect(broken["one system"]).toMatch(/^failure: it swaps/);
    expect(broken["one containerd"]).toMatch(/^skipped: system first: it swaps/);
    expect(broken["one etcd"]).toMatch(/^skipped: system first/);
    expect(broken).not.toHaveProperty(["one leftovers"]);
    // A name breaks no layer, and an API server that is silent is not called good.
    expect(at([seen(ONE, { nodeName: "uno" })])).toMatchObject({
        "one kubernetes": expect.stringMatching(/^failure: it is the node uno/) as string,
        "one etcd": "ok: healthy, with a majority",
    });
    expect(at([seen(ONE, { cluster: "" })])).not.toHaveProperty(["one api"]);
    const old = { versions: { kubeadm: "", kubelet: "v1.35.0", kubectl: "" } };
    expect(at([seen(ONE, old)])["one kubernetes"]).toBe("ok: kubelet active, v1.35.0 (pulumi up makes it v1.35.1)");
    const off = (layer: "network" | "port"): Seen => ({
        node: ONE,
        facts: new SshFault("one (192.168.7.11)", layer, "silent", "look"),
    });
    expect(at([off("network")])).toMatchObject({
        "one network": "failure: silent",
        "one ssh": "skipped: network first: silent",
        "one storage": "skipped: network first: silent",
    });
    expect(at([off("port")])).toMatchObject({
        "one network": "ok: there is a way to it",
        "one ssh": "failure: silent",
        "one storage": "skipped: ssh first: silent",
    });
    // With a cluster it is a warning, and nothing above it is good either.
    expect(at([seen(node("two", 12)), off("network")])).toMatchObject({
        "one network": "warning: silent",
        "one ssh": "skipped: network first: silent",
        "one etcd": "skipped: network first: silent",
    });
    // A missing module of Ceph breaks no layer.
    expect(at([seen(ONE, {}, { missingModules: ["rbd"] })])).toMatchObject({
        "one storage": expect.stringMatching(/^failure: .*no module rbd/) as string,
        "one etcd": "ok: healthy, with a majority",
    });
    expect(at([bare(ONE)])["one kubernetes"]).toBe("ok: is not there yet: pulumi up installs it");
});
