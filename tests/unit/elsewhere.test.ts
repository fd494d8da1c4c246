/** What a fault says of other recipes is true of them. */
import { ELSEWHERE } from "../../lab/parts";
import { openStack } from "../../stacks";
import { chongusSchema } from "../../stacks/chongus.schema";
import { homelabSchema } from "../../stacks/homelab.schema";
import { k3sHomeSchema } from "../../stacks/k3s-home.schema";
import { magiSchema } from "../../stacks/magi.schema";
import { truenasSchema } from "../../stacks/truenas.schema";

const RECIPES = {
    homelab: homelabSchema("a").shape,
    chongus: chongusSchema("a").shape,
    truenas: truenasSchema("a").shape,
    "k3s-home": k3sHomeSchema("a").shape,
    magi: magiSchema("a").shape,
};

const named = (text: string) => Object.keys(RECIPES).filter((name) => text.split(/[\s,]+/).includes(name));
const having = (key: string) =>
    Object.entries(RECIPES)
        .filter(([, shape]) => key in shape)
        .map(([name]) => name);

test.each([
    [ELSEWHERE.postgres, "postgres"],
    [ELSEWHERE.prometheus, "monitoring"],
    [ELSEWHERE.network, "networks"],
])("%s", (text, key) => expect(named(text)).toEqual(having(key)));

test("one machine of k3s-home is not sent to a cluster of one machine: devices are what it has none of", () => {
    const value = {
        recipe: "k3s-home",
        domain: "cabin.example",
        nodes: [{ name: "one", address: "192.168.7.10", role: "server" }],
        network: { pool: "192.168.7.240/28" },
        apps: { "arr-stack": { vpn: { provider: "protonvpn" } } },
    };
    expect(() => openStack("cabin", value)).toThrow(ELSEWHERE.device);
});
