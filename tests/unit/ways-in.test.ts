/** What apps are told of the way in to them, by the recipe of their cluster. */
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto, type Inputs } from "./planned";

/** The committed stack of this recipe with these apps, and without these keys. */
async function planned(recipe: string, apps: Record<string, unknown>, without: readonly string[] = []) {
    const value = Object.entries(readStackValue(ROOT, recipe) as Record<string, unknown>);
    const kept = Object.fromEntries(value.filter(([key]) => !without.includes(key)));
    const plan = await planStack(recipe, { ...kept, apps }, ROOT);
    return { plan, ...lookInto(() => plan) };
}

const variable = (container: Inputs, wanted: string) =>
    (container["env"] as { name: string; value?: unknown }[]).find(({ name }) => name === wanted)?.value;

describe("where people find an app", () => {
    test.each([
        ["homelab", "external", "https://vaultwarden.peterstorm.io"],
        ["truenas", "external", "https://vaultwarden.home-ops.example"],
        ["truenas", "local", "https://vaultwarden.home-ops.example:8443"],
    ])("of %s, %s: %s", async (recipe, access, url) => {
        const { container } = await planned(recipe, { vaultwarden: { access } });
        expect(variable(container("vaultwarden"), "DOMAIN")).toBe(url);
    });

    test("a page of them says the same", async () => {
        const { plan } = await planned("homelab", { homarr: {}, "echo-server": {} });
        const text = JSON.stringify(plan.resources);
        expect(text).toContain("https://echo-server.peterstorm.io");
        expect(text).not.toContain("http://echo-server.peterstorm.io");
    });

    test("without a tunnel the resolver is told of everything, at ports that are said", async () => {
        const { plan } = await planned("truenas", { "echo-server": {} }, ["cloudflare", "certificates"]);
        expect(plan.dns.map(({ name, content, owner }) => [name, content, owner])).toContainEqual([
            "echo-server.home-ops.example",
            "192.168.1.254",
            "resolver",
        ]);
    });
});

test("the tailnet leads to the entrance's ports of TrueNAS, and not to its own pages", async () => {
    const { find } = await planned("truenas", { "echo-server": {} });
    const policy = JSON.stringify(find("Command", "tailnet-policy").inputs);
    expect(policy).toMatch(/tcp:8080[^\]]*tcp:8443/);
    expect(policy).not.toMatch(/tcp:(80|443)\b/);
});

test("Envoy passes on what Tailscale's clients begin with, WebSocket as before, for Headscale alone", async () => {
    const { all } = await planned("chongus", { headscale: {}, "echo-server": {} });
    const policies = all("gateway.envoyproxy.io/v1alpha1:BackendTrafficPolicy").map(({ inputs }) => inputs);
    const own = policies.filter((inputs) => dig(inputs, "spec", "httpUpgrade") !== undefined);
    expect(own).toMatchObject([
        {
            metadata: { name: "headscale", namespace: "other" },
            spec: {
                targetRefs: [{ group: "gateway.networking.k8s.io", kind: "HTTPRoute", name: "headscale" }],
                mergeType: "StrategicMerge",
                httpUpgrade: [{ type: "websocket" }, { type: "tailscale-control-protocol" }],
            },
        },
    ]);
    if (haveCrds) expect(own.flatMap(crdFaults)).toEqual([]);
});

test("no page is looked for where a port speaks no HTTP", async () => {
    const apps = { mosquitto: { address: "192.168.1.240" }, "uptime-kuma": {} };
    const { plan, find } = await planned("magi", apps, ["authentik", "gitops"]);
    expect(plan.exposures).toContainEqual({
        ...{ workload: "mosquitto", host: "mqtt.magi.example", access: "dedicated", auth: "own" },
        ...{ address: "192.168.1.240", port: 1883, scheme: "tcp" },
    });
    const monitors = JSON.stringify(find(":ConfigMap", "uptime-kuma-monitors").inputs);
    expect(monitors).toContain("hubble.magi.example");
    expect(monitors).not.toContain("mqtt.magi.example");
});
