/** Clusters of the recipe k3s-home that differ from the committed one where two of its parts meet. */
import { openStack } from "../../stacks";
import { ROOT } from "../../stacks/stack-file";
import { planStack, type Plan } from "../../tools/plan/plan";
import { invalidBase } from "./invalid-fixtures";
import { dig } from "./planned";

type Said = Record<string, unknown> & { apps: Record<string, unknown>; network: Record<string, unknown> };

/** The committed cluster, changed. */
function variant(change: (said: Said) => void): Said {
    const said = structuredClone(invalidBase("k3s-home")) as Said;
    change(said);
    return said;
}

const planned = (change: (said: Said) => void): Promise<Plan> => planStack("k3s-home", variant(change), ROOT);

const find = ({ resources }: Plan, type: string, name: string) =>
    resources.find((one) => one.type.endsWith(`:${type}`) && one.name === name)?.inputs;

const listeners = (plan: Plan) =>
    (dig(find(plan, "Gateway", "gateway-gateway"), "spec", "listeners") as { name: string }[]).map(({ name }) => name);

describe("an app with an address of its own", () => {
    const address = "192.168.10.230";

    test("has no listener of the Gateway and no certificate of it, and the others have theirs", async () => {
        const plan = await planned(({ apps }) => {
            apps["plex"] = { address };
        });
        expect(listeners(plan)).not.toContain("https-plex");
        expect(listeners(plan)).toContain("https-jellyfin");
        expect(plan.challenges?.hosts).not.toContain("plex.fletcherlabs.net");
        expect(find(plan, "HTTPRoute", "plex")).toBeUndefined();
        expect(plan.dns.find(({ name }) => name === "plex.fletcherlabs.net")?.content).toBe(address);
    });

    test("has its host for itself all the same", () => {
        const said = variant(({ apps }) => {
            apps["plex"] = { address, host: "sonarr" };
        });
        expect(() => openStack("k3s-home", said)).toThrow(/host/);
    });

    test("gets the pool's first one, too, when the Gateway has another", async () => {
        const plan = await planned(({ apps, network }) => {
            network["gateway"] = "192.168.10.226";
            apps["plex"] = { address: "192.168.10.224" };
        });
        expect(dig(find(plan, "CiliumLoadBalancerIPPool", "pool"), "spec", "allowFirstLastIPs")).toBe("Yes");
    });
});

describe("certificates by an authority of the cluster's own, which no image knows", () => {
    test("Grafana keeps its own login, and authentik does not wait for it; the proxy is for everything else", async () => {
        const plan = await planned((said) => {
            delete said["certificates"];
            said.apps["open-webui"] = { auth: "forward" };
        });
        const login = (host: string) => plan.exposures.find((one) => one.host === `${host}.fletcherlabs.net`)?.auth;
        expect(login("grafana")).toBe("own");
        expect(login("prometheus")).toBe("forward");
        expect(login("openwebui")).toBe("forward");
        expect(JSON.stringify(find(plan, "Release", "grafana"))).not.toContain("generic_oauth");
        expect(JSON.stringify(find(plan, "ConfigMap", "authentik-blueprints"))).not.toContain("generic_oauth");
    });

    test("with one that it knows, it signs in by authentik", async () => {
        const plan = await planned(() => undefined);
        expect(JSON.stringify(find(plan, "Release", "grafana"))).toContain("generic_oauth");
    });
});

test("a GPU that only an optional machine has is given to no app, which would fail while that machine is off", async () => {
    const plan = await planned((said) => {
        const nodes = said["nodes"] as Record<string, unknown>[];
        delete nodes[3]?.["gpus"];
        nodes.push({ name: "desktop", address: "192.168.10.40", optional: true, gpus: { nvidia: 1 } });
        said.apps["jellyfin"] = { nodes: ["desktop", "k3s3"] };
        delete said.apps["automatic1111"];
        delete said.apps["ollama"];
        delete said.apps["open-webui"];
    });
    const pod = dig(find(plan, "Deployment", "jellyfin"), "spec", "template", "spec");
    expect(JSON.stringify(pod)).not.toContain("nvidia.com/gpu");
});

test("a MinIO in the house without a certificate serves everything that saves", async () => {
    const endpoint = "http://192.168.10.5:9000";
    const plan = await planned((said) => {
        const { backups, postgres, monitoring } = said as unknown as Record<string, Record<string, object>>;
        Object.assign(backups?.["minio"] ?? {}, { endpoint });
        Object.assign(postgres?.["backup"] ?? {}, { endpoint });
        Object.assign(monitoring?.["loki"] ?? {}, { endpoint });
        Object.assign(monitoring ?? {}, { thanos: { endpoint, bucket: "thanos" } });
    });
    const of = (type: string) => JSON.stringify(plan.resources.filter((one) => one.type.endsWith(`:${type}`)));
    expect(of("BackupStorageLocation")).toContain(`"s3Url":"${endpoint}"`);
    expect(of("ObjectStore")).toContain(`"endpointURL":"${endpoint}"`);
    // Its client has a switch beside the scheme.
    expect(dig(find(plan, "Release", "loki"), "values", "loki", "storage", "s3")).toMatchObject({
        endpoint,
        insecure: true,
    });
});
