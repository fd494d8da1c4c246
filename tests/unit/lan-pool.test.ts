import { homelabDefaults } from "../../stacks/homelab.schema";

const network = (said: object) => homelabDefaults({ node: { address: "192.168.1.10" }, network: said })["network"];
const ENDS = { first: "192.168.1.224", last: "192.168.1.239" };

test("the pool may be written as the other recipes write theirs: the ingress has its first address all the same", () => {
    const byEnds = network({ pool: ENDS });
    expect(byEnds).toMatchObject({ pool: ENDS, ingressAddress: ENDS.first });
    expect(network({ pool: "192.168.1.224-192.168.1.239" })).toEqual(byEnds);
    expect(network({ pool: "192.168.1.224/28" })).toEqual(byEnds);
});

test("what is neither is left to the schema", () => {
    expect(network({ pool: "upstairs" })).toMatchObject({ pool: "upstairs" });
    expect(network({ pool: "a-b-c" })).toMatchObject({ pool: "a-b-c" });
});
