/** What a file may say of machines with k3s, which rule each fault trips, and what follows from few lines. */
import { z } from "zod";
import { cidr } from "../../config/fields";
import { ConfigError, parseConfig } from "../../config/parse";
import {
    k3sAddresses,
    k3sCiMachines,
    k3sCluster,
    k3sKeys,
    k3sMachines,
    k3sMachinesRules,
    k3sPart,
    k3sNode,
    k3sSecretRefs,
    workers,
    type K3sMachinesConfig,
} from "../../lab/k3s-machines";

const schema = z.strictObject({
    nodes: z.array(k3sNode).min(1),
    k3s: k3sKeys("cabin").prefault({}),
    network: z
        .strictObject({ podCidr: cidr.default("10.42.0.0/16"), serviceCidr: cidr.default("10.43.0.0/16") })
        .prefault({}),
});

const parsed = (value: unknown): K3sMachinesConfig => parseConfig("cabin", schema, k3sMachinesRules, value);

function rulesOf(value: unknown): string[] {
    try {
        parsed(value);
        return [];
    } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        return error.faults.map(({ rule }) => rule);
    }
}

const SERVER = { name: "one", address: "192.168.7.10", role: "server" };
const AGENT = { name: "two", address: "192.168.7.11" };

test("two machines are a cluster in five lines", () => {
    const config = parsed({ nodes: [SERVER, AGENT] });
    expect(k3sCluster(config, "cabin")).toEqual({
        clusterName: "cabin",
        nodes: [
            { ...SERVER, optional: false, gpus: { nvidia: 0, intel: 0 }, labels: {}, taints: [], disks: [] },
            {
                ...AGENT,
                role: "agent",
                optional: false,
                gpus: { nvidia: 0, intel: 0 },
                labels: {},
                taints: [],
                disks: [],
            },
        ],
        ssh: { user: "ubuntu" },
        version: "v1.32.5+k3s1",
        podCidr: "10.42.0.0/16",
        serviceCidr: "10.43.0.0/16",
        snapshots: { schedule: "0 */6 * * *", keep: 28 },
        drainMinutes: 15,
        needs: { iscsi: false, nfs: false },
    });
    expect(k3sSecretRefs(config)).toEqual(["k3s.token"]);
    expect(k3sMachines(config, "cabin").nodes.map(({ name }) => name)).toEqual(["one", "two"]);
});

test("servers come first, whatever the order of the file, and other parts add disks, labels and needs", () => {
    const config = parsed({ nodes: [AGENT, SERVER] });
    const cluster = k3sCluster(config, "cabin", {
        disks: { two: ["/dev/disk/by-id/nvme-A"] },
        labels: { two: { "storage.example/tier": "fast" } },
        needs: { iscsi: true },
    });
    expect(cluster.nodes.map(({ name }) => name)).toEqual(["one", "two"]);
    expect(cluster.nodes[1]).toMatchObject({
        disks: ["/dev/disk/by-id/nvme-A"],
        labels: { "storage.example/tier": "fast" },
    });
    expect(cluster.needs).toEqual({ iscsi: true, nfs: false });
});

test("what has to fit, fits on agents that are there for sure (K-HW-13, K-HW-14)", () => {
    const { nodes } = parsed({
        nodes: [SERVER, AGENT, { ...AGENT, name: "wsl", address: "192.168.7.12", optional: true }],
    });
    expect(workers(nodes).map(({ name }) => name)).toEqual(["two"]);
    expect(workers(parsed({ nodes: [SERVER] }).nodes).map(({ name }) => name)).toEqual(["one"]);
});

test("a taint that keeps pods away takes its machine out of what apps have; a mere wish does not", () => {
    const tainted = (effect: string) =>
        workers(
            parsed({
                nodes: [
                    SERVER,
                    AGENT,
                    { ...AGENT, name: "attic", address: "192.168.7.12", taints: [{ key: "quiet", effect }] },
                ],
            }).nodes,
        ).map(({ name }) => name);
    expect(tainted("NoSchedule")).toEqual(["two"]);
    expect(tainted("NoExecute")).toEqual(["two"]);
    expect(tainted("PreferNoSchedule")).toEqual(["two", "attic"]);
});

const server = (name: string, last: number) => ({ name, address: `192.168.7.${last}`, role: "server" });

test.each<[string, unknown, readonly string[]]>([
    ["no server", { nodes: [AGENT] }, ["servers-quorum"]],
    ["two servers", { nodes: [SERVER, server("b", 20)] }, ["servers-quorum"]],
    ["three servers", { nodes: [SERVER, server("b", 20), server("c", 21)] }, []],
    ["a name twice", { nodes: [SERVER, { ...AGENT, name: "one" }] }, ["node-name-claimed-twice"]],
    ["an address twice", { nodes: [SERVER, { ...AGENT, address: SERVER.address }] }, ["node-address-claimed-twice"]],
    [
        "an agent at the address of all",
        { nodes: [SERVER, AGENT], k3s: { apiAddress: AGENT.address } },
        ["node-address-claimed-twice"],
    ],
    ["the only server at the address of all", { nodes: [SERVER, AGENT], k3s: { apiAddress: SERVER.address } }, []],
    ["a server that may be absent", { nodes: [{ ...SERVER, optional: true }, AGENT] }, ["optional-server"]],
    [
        "a machine in the pods' network",
        { nodes: [SERVER, { ...AGENT, address: "10.42.3.4" }] },
        ["node-in-cluster-network"],
    ],
    [
        "a label of Kubernetes' own",
        { nodes: [{ ...SERVER, labels: { "node-role.kubernetes.io/x": "y" } }] },
        ["schema"],
    ],
    ["a hash that is none", { nodes: [SERVER], k3s: { sha256: "abc" } }, ["schema"]],
    [
        "a store without a bucket",
        { nodes: [SERVER], k3s: { snapshots: { s3: { endpoint: "http://nas:9000" } } } },
        ["schema"],
    ],
])("%s", (_, value, rules) => {
    if (rules.includes("schema")) expect(rulesOf(value)).not.toEqual([]);
    else expect(rulesOf(value)).toEqual(rules);
});

test("addresses, buckets and ports are said for others to compare", () => {
    const config = parsed({
        nodes: [SERVER, AGENT],
        k3s: { apiAddress: "192.168.7.99", snapshots: { s3: { endpoint: "http://192.168.7.5:9000", bucket: "k3s" } } },
    });
    expect(k3sAddresses(config)).toEqual([
        ["nodes.0.address", "192.168.7.10"],
        ["nodes.1.address", "192.168.7.11"],
        ["k3s.apiAddress", "192.168.7.99"],
    ]);
    expect(k3sPart.buckets?.(config, "cabin")).toEqual([
        ["k3s.snapshots.s3.bucket", "http://192.168.7.5:9000/k3s/cabin"],
    ]);
    expect(k3sSecretRefs(config)).toEqual(["k3s.token", "k3s.snapshots.accessKey", "k3s.snapshots.secretKey"]);
    expect(k3sCiMachines(config)).toEqual([
        { address: "192.168.7.10", ports: [22, 6443] },
        { address: "192.168.7.11", ports: [22] },
        { address: "192.168.7.99", ports: [6443] },
    ]);
});
