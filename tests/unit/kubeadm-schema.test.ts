/** What a configuration may say of machines with kubeadm, and what follows from it. */
import { z } from "zod";
import {
    kubeadmApi,
    kubeadmCiMachines,
    kubeadmCluster,
    kubeadmKeys,
    kubeadmMachines,
    kubeadmMachinesClaims,
    kubeadmMachinesRules,
    kubeadmPart,
    kubeadmNode,
    kubeadmOffers,
    kubeadmSecretRefs,
    virtualAddressFaults,
    type KubeadmMachinesConfig,
} from "../../lab/kubeadm-machines";

const schema = z.strictObject({
    nodes: z.array(kubeadmNode),
    kubeadm: kubeadmKeys("attic").prefault({}),
    network: z.strictObject({ podCidr: z.string(), serviceCidr: z.string() }),
});

const network = { podCidr: "10.42.0.0/16", serviceCidr: "10.43.0.0/16" };
const one = { name: "one", address: "192.168.7.11" };
const two = { name: "two", address: "192.168.7.12" };
const three = { name: "three", address: "192.168.7.13" };
const VIP = { virtualAddress: "192.168.7.9" };

const read = (nodes: readonly object[], kubeadm: object = {}): KubeadmMachinesConfig =>
    schema.parse({ nodes, kubeadm, network });
const rules = (nodes: readonly object[], kubeadm: object = {}) =>
    kubeadmMachinesRules.flatMap((rule) => rule(read(nodes, kubeadm)).map(({ rule: name, path }) => `${name} ${path}`));

test("one machine alone, and three with an address, keep every rule; the release is the seed's (M-BOOT-01)", () => {
    expect(rules([one])).toEqual([]);
    expect(rules([one, two, three], VIP)).toEqual([]);
    expect(read([one]).kubeadm.version).toBe("v1.35.1");
});

test.each([
    ["control-plane-quorum nodes", [one, two], VIP],
    ["control-plane-quorum nodes", [{ ...one, role: "worker" }], {}],
    ["virtual-address-missing kubeadm.virtualAddress", [one, two, three], {}],
    ["interface-without-address kubeadm.interface", [one], { interface: "enp1s0" }],
    ["node-name-claimed-twice nodes.1.name", [one, { ...two, name: "one" }, three], VIP],
    ["node-address-claimed-twice nodes.1.address", [one, { ...two, address: one.address }, three], VIP],
    ["node-address-claimed-twice kubeadm.virtualAddress", [one], { virtualAddress: one.address }],
    ["node-in-cluster-network nodes.0.address", [{ ...one, address: "10.42.0.5" }], {}],
    [
        "disk-claimed-twice nodes.1.osdDisks.0",
        [{ ...one, osdDisks: ["/dev/disk/by-id/a"] }, { ...two, osdDisks: ["/dev/disk/by-id/a"] }, three],
        VIP,
    ],
    [
        "taint-claimed-twice nodes.0.taints.1",
        [{ ...one, taints: ["PreferNoSchedule", "PreferNoSchedule"].map((effect) => ({ key: "slow", effect })) }],
        {},
    ],
    ["no-worker nodes", [{ ...one, taints: [{ key: "slow", effect: "NoSchedule" }] }], {}],
    ["no-worker nodes", [{ ...one, taints: [{ key: "slow", effect: "NoExecute" }] }], {}],
    [
        "disk-claimed-twice nodes.0.osdDisks.1",
        [{ ...one, osdDisks: ["/dev/disk/by-id/a", "/dev/disk/by-id/a"] }, two, three],
        VIP,
    ],
    // No machine at all is one fault, not that and a place for apps.
    ["control-plane-quorum nodes", [], {}],
] as const)("%s", (fault, nodes, kubeadm) => {
    expect(rules(nodes, kubeadm)).toEqual([fault]);
});

test.each([
    ["an interface for the virtual address", [one], { ...VIP, interface: "enp1s0" }],
    [
        "taints of one key with two effects",
        [{ ...one, taints: ["PreferNoSchedule", "NoSchedule"].map((effect) => ({ key: "slow", effect })) }, two, three],
        VIP,
    ],
])("%s is no fault", (_, nodes, kubeadm) => {
    expect(rules(nodes, kubeadm)).toEqual([]);
});

test("networks that are too small for the machines are a fault", () => {
    const config = { ...read([one, two, three], VIP), network: { ...network, podCidr: "10.42.0.0/23" } };
    expect(kubeadmMachinesRules.flatMap((rule) => rule(config)).map(({ path }) => path)).toEqual(["network.podCidr"]);
});

test.each([
    ["labels", { labels: { "node-role.kubernetes.io/worker": "" } }],
    ["labels", { labels: { "topology.k8s.io/zone": "a" } }],
    ["labels", { labels: { tier: "light and fast" } }],
    ["taints", { taints: [{ key: "kubernetes.io/slow", effect: "NoSchedule" }] }],
    ["taints", { taints: [{ key: "slow", effect: "Never" }] }],
])("%s of a node are spelled as it must be, and none is the kubelet's own: %j", (key, node) => {
    const { error } = schema.safeParse({ nodes: [{ ...one, ...node }], network });
    expect(error?.issues[0]?.path.slice(0, 3)).toEqual(["nodes", 0, key]);
});

test("what the file says of the machines is what they get, its labels before those of other parts", () => {
    const sha256 = { kubeadm: "a".repeat(64), kubelet: "b".repeat(64), kubectl: "c".repeat(64) };
    const taints = [{ key: "slow", value: "", effect: "PreferNoSchedule" as const }];
    const config = read(
        [{ ...one, labels: { "example.com/tier": "light" }, taints, osdDisks: ["/dev/disk/by-id/a"] }],
        {
            ...VIP,
            interface: "enp1s0",
            certSANs: ["api.attic.example"],
            drainMinutes: 40,
            sha256,
            ssh: { user: "arch", port: 2222 },
            snapshots: { schedule: "daily", keep: 3 },
        },
    );
    const extras = { labels: { one: { "example.com/tier": "fast", rack: "a" } }, modules: ["nbd", "rbd"] };
    expect(kubeadmCluster(config, "attic", extras)).toEqual({
        clusterName: "attic",
        nodes: [
            {
                ...{ name: "one", address: "192.168.7.11", role: "control-plane", taints },
                labels: { "example.com/tier": "light", rack: "a" },
                disks: ["/dev/disk/by-id/a"],
            },
        ],
        ssh: { user: "arch", port: 2222 },
        version: "v1.35.1",
        sha256,
        podCidr: "10.42.0.0/16",
        serviceCidr: "10.43.0.0/16",
        virtualAddress: "192.168.7.9",
        interface: "enp1s0",
        certSANs: ["api.attic.example"],
        snapshots: { schedule: "daily", keep: 3 },
        drainMinutes: 40,
        modules: ["rbd", "ceph", "nbd"],
    });
    expect(kubeadmCiMachines(config)[0]).toEqual({ address: "192.168.7.11", ports: [2222, 6443] });
});

test("a machine that taints close is no room for apps, and is named so", () => {
    const closed = { ...three, role: "worker", taints: [{ key: "slow", effect: "NoExecute" }] };
    const { capacity, nodes } = kubeadmOffers(read([one, { ...two, role: "worker" }, closed]));
    expect(capacity).toHaveLength(1);
    expect(nodes.map(({ name, closed: why }) => [name, why])).toEqual([
        ["one", "is a control plane, which keeps to itself"],
        ["two", undefined],
        ["three", "has a taint, which no app tolerates"],
    ]);
});

test("the virtual address is in the machines' network and in no pool", () => {
    const around = {
        lan: ["network.lan", "192.168.7.0/24"] as const,
        pool: { path: "network.pool", first: "192.168.7.230", last: "192.168.7.250" },
    };
    const faults = (virtualAddress: string) =>
        virtualAddressFaults(read([one, two, three], { virtualAddress }), around).map(({ rule }) => rule);
    expect(faults("192.168.7.9")).toEqual([]);
    expect(faults("192.168.7.240")).toEqual(["virtual-address-in-pool"]);
    expect(faults("192.168.8.9")).toEqual(["virtual-address-outside-lan"]);
    expect(faults("192.168.7.255")).toEqual(["network-edge"]);
});

test.each([
    ["version", { version: "1.35.1" }],
    ["version", { version: "v1.35" }],
    ["snapshots", { snapshots: { schedule: "0 */6 * * *; rm -rf /" } }],
    ["snapshots", { snapshots: { s3: { endpoint: "http://192.168.7.5:9000/path", bucket: "b-b" } } }],
    ["interface", { interface: "eth0; reboot" }],
    ["certSANs", { certSANs: ["not a name"] }],
    ["sha256", { sha256: { kubeadm: "0".repeat(64) } }],
])("%s is spelled as it must be: %j", (key, kubeadm) => {
    const { error } = schema.safeParse({ nodes: [one], kubeadm, network });
    expect(error?.issues[0]?.path.slice(0, 2)).toEqual(["kubeadm", key]);
});

test("what machines are asked, offer and take for themselves", () => {
    const s3 = { endpoint: "http://192.168.7.5:9000", bucket: "backups" };
    const config = read(
        [
            { ...two, role: "worker" },
            { ...one, osdDisks: ["/dev/disk/by-id/a"], capacity: { cpu: "24", memory: "48Gi" } },
        ],
        { ...VIP, snapshots: { s3 } },
    );
    const args = kubeadmCluster(config, "attic", { labels: { one: { tier: "fast" } }, modules: ["nbd"] });
    // Control planes first, whatever the order of the file.
    expect(args.nodes.map(({ name, role, labels, disks }) => [name, role, labels, disks])).toEqual([
        ["one", "control-plane", { tier: "fast" }, ["/dev/disk/by-id/a"]],
        ["two", "worker", {}, []],
    ]);
    expect(args).toMatchObject({
        ssh: { user: "root" },
        modules: ["rbd", "ceph", "nbd"],
        virtualAddress: "192.168.7.9",
    });
    expect(args.snapshots).toEqual({
        schedule: "*-*-* 00/6:00:00",
        keep: 28,
        s3: { ...s3, region: "us-east-1", folder: "attic" },
    });
    expect(kubeadmApi(config)).toEqual({ host: "192.168.7.9", port: 6443 });
    expect(kubeadmApi(read([one]))).toEqual({ host: "192.168.7.11", port: 6443 });
    expect(kubeadmOffers(config)).toEqual({
        capacity: [undefined],
        nodes: [
            { name: "two", capacity: undefined },
            {
                name: "one",
                capacity: { cpu: "24", memory: "48Gi" },
                closed: "is a control plane, which keeps to itself",
            },
        ],
    });
    expect(kubeadmMachines(config, "attic").nodes[0]).toMatchObject({
        name: "one",
        capacity: { cpu: "24", memory: "48Gi" },
        gpus: { nvidia: 0, intel: 0, amd: 0 },
    });
    expect(kubeadmSecretRefs(config)).toEqual([
        "kubeadm.encryptionKey",
        "kubeadm.snapshots.accessKey",
        "kubeadm.snapshots.secretKey",
    ]);
    expect(kubeadmSecretRefs(read([one]))).toEqual(["kubeadm.encryptionKey"]);
    expect(kubeadmMachinesClaims(config)).toEqual([
        { kind: "address", path: "nodes.0.address", value: "192.168.7.12" },
        { kind: "address", path: "nodes.1.address", value: "192.168.7.11" },
        { kind: "address", path: "kubeadm.virtualAddress", value: "192.168.7.9" },
        { kind: "disk", path: "nodes.1.osdDisks.0", value: "/dev/disk/by-id/a" },
    ]);
    // By its folder: another cluster may have its own in the bucket.
    expect(kubeadmPart.buckets?.(config, "attic")).toEqual([
        ["kubeadm.snapshots.s3.bucket", expect.stringMatching(/backups\/attic$/)],
    ]);
    expect(kubeadmCiMachines(config)).toEqual([
        { address: "192.168.7.12", ports: [22] },
        { address: "192.168.7.11", ports: [22, 6443] },
        { address: "192.168.7.9", ports: [6443] },
    ]);
});
