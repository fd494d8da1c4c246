/** The LAN's first address is most routers' own: no entrance gets it by default, and a pool that has it is told of. */
import { join } from "node:path";
import { openStack } from "../../stacks";
import { chongusDefaults } from "../../stacks/chongus.schema";
import { homelabDefaults } from "../../stacks/homelab.schema";
import { k3sHomeDefaults } from "../../stacks/k3s-home.schema";
import { magiDefaults } from "../../stacks/magi.schema";
import { ROOT } from "../../stacks/stack-file";
import { planStack } from "../../tools/plan/plan";
import { invalidBase, valueOf } from "./invalid-fixtures";

const nodes = [{ name: "one", address: "192.168.1.13" }];

test.each([
    ["192.168.1.1-192.168.1.20", "192.168.1.2"],
    ["192.168.1.0/28", "192.168.1.0"],
    ["192.168.1.230-192.168.1.250", "192.168.1.230"],
])("magi: of %s the entrance is %s", (pool, ingressAddress) => {
    expect(magiDefaults({ nodes, network: { pool } })["network"]).toMatchObject({ ingressAddress });
});

test("homelab: of .1 to .100 the entrance is .2", () => {
    const pool = { first: "192.168.1.1", last: "192.168.1.100" };
    const { network } = homelabDefaults({ node: nodes[0], network: { pool } });
    expect(network).toMatchObject({ ingressAddress: "192.168.1.2" });
});

test.each([
    ["192.168.1.0/27", { announce: "l2", gateway: "192.168.1.2" }],
    ["192.168.1.224/28", { announce: "l2", gateway: "192.168.1.225" }],
    ["192.168.1.230-192.168.1.239", { announce: "l2", gateway: "192.168.1.230" }],
    ["192.168.1.1-192.168.1.9", { announce: "l2", gateway: "192.168.1.2" }],
    ["10.7.0.0/24", { gateway: "10.7.0.1" }],
])("k3s-home: of %s the Gateway has %j", (pool, network) => {
    expect(k3sHomeDefaults({ nodes, network: { pool } })["network"]).toMatchObject(network);
});

test("chongus: both gateways of a range are its first two", () => {
    const network = { pool: "192.168.1.230-192.168.1.239" };
    expect(chongusDefaults({ nodes, network })["network"]).toMatchObject({
        announce: "l2",
        internalGateway: "192.168.1.230",
        externalGateway: "192.168.1.231",
    });
});

/** The base of the recipe's faulty configurations, whose network is another one. */
function withNetwork(recipe: string, network: Record<string, unknown>): Record<string, unknown> {
    const said = structuredClone(invalidBase(recipe)) as Record<string, unknown> & { network: object };
    return { ...said, network: { ...said.network, ...network } };
}

const notesOf = async (recipe: string, network: Record<string, unknown>) =>
    (await planStack(recipe, withNetwork(recipe, network), ROOT)).notes?.filter((note) => /most routers/.test(note)) ??
    [];

test("the plan says that a pool has most routers' address, but to who has named the router", async () => {
    const magi = valueOf(join(__dirname, "..", "fixtures", "valid", "magi", "smallest.yaml")) as object;
    const network = { lan: "192.168.1.0/24", pool: "192.168.1.1-192.168.1.12" };
    const { notes = [] } = await planStack("magi", { ...magi, nodes, network }, ROOT);
    expect(notes.filter((note) => /most routers/.test(note))).toEqual([
        expect.stringMatching(/^network\.pool \(192\.168\.1\.1-192\.168\.1\.12\) has 192\.168\.1\.1,/),
    ]);
    expect(await notesOf("k3s-home", {})).toEqual([]);
    const near = { lan: "192.168.10.0/24", pool: "192.168.10.0/29", gateway: "192.168.10.2", announce: "l2" };
    expect(await notesOf("k3s-home", { ...near, bgp: undefined })).toHaveLength(1);
});

test("a range is a pool of k3s-home, and what is not one is told by an example of a pool", () => {
    const pool = "192.168.10.230-192.168.10.239";
    expect(openStack("k3s-home", withNetwork("k3s-home", { pool, gateway: "192.168.10.230" })).claims).toContainEqual({
        kind: "pool",
        value: pool,
        path: "network.pool",
    });
    expect(() => openStack("k3s-home", withNetwork("k3s-home", { pool: "big" }))).toThrow(
        /a range such as 192\.168\.1\.230-192\.168\.1\.250, or a network such as 192\.168\.1\.224\/28/,
    );
});
