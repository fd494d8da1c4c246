/** What a file may say of machines outside the cluster. */
import { conflicts } from "../../config/claims";
import { textRange } from "../../components/network/addresses";
import {
    bridgedUrls,
    bridgeFaults,
    bridgeHosts,
    bridgeKeys,
    bridgeNamespaces,
    bridgeSecrets,
    type BridgeSurroundings,
} from "../../lab/bridges";
import { openStack } from "../../stacks";
import { invalidBase } from "./invalid-fixtures";

const around: BridgeSurroundings = {
    networks: [
        ["network.podCidr", "10.244.0.0/16"],
        ["network.serviceCidr", "10.96.0.0/12"],
    ],
    machines: [],
    pool: { path: "network.pool", range: textRange("192.168.1.230-192.168.1.250") },
    services: [["apps.headscale", "other/headscale"]],
};
const seed = {
    "minio-api": { address: "192.168.1.10", port: 9000, host: "s3" },
    "minio-console": { address: "192.168.1.10", port: 9002, host: "minio" },
    opnsense: { address: "192.168.1.1", port: 4443, scheme: "https", host: "opnsense" },
    truenas: { address: "192.168.1.10", port: 443, scheme: "https", host: "truenas" },
};

test("the seed's, in the namespace other, for the house alone (M-EDGE-04..07)", () => {
    const bridges = bridgeKeys.parse(seed);
    expect(bridges["minio-api"]).toEqual({
        address: "192.168.1.10",
        port: 9000,
        scheme: "http",
        namespace: "other",
        host: "s3",
        access: "local",
    });
    expect(bridgeFaults(bridges, around)).toEqual([]);
    expect(bridgeNamespaces(bridges)).toEqual({ other: "restricted" });
    expect(bridgeHosts(bridges)).toEqual([
        ["bridges.minio-api.host", "s3"],
        ["bridges.minio-console.host", "minio"],
        ["bridges.opnsense.host", "opnsense"],
        ["bridges.truenas.host", "truenas"],
    ]);
    expect(bridgeSecrets(bridges)).toEqual([]);
    expect(bridgeKeys.parse(undefined)).toEqual({});
});

test("who checks a machine's certificate needs its authority from the store", () => {
    const nas = { address: "192.168.1.10", port: 443, scheme: "https", serverName: "nas.example.net" };
    expect(bridgeSecrets(bridgeKeys.parse({ nas }))).toEqual(["bridges.nas.caCertificate"]);
});

test.each<[string, string, Record<string, unknown>]>([
    ["bridge-into-cluster", "bridges.nas.address", { address: "192.168.1.235" }],
    ["bridge-into-cluster", "bridges.nas.address", { address: "10.244.3.4" }],
    ["bridge-address", "bridges.nas.address", { address: "127.0.0.1" }],
    ["bridge-address", "bridges.nas.address", { address: "169.254.1.1" }],
    ["bridge-verify-http", "bridges.nas.serverName", { serverName: "nas.example.net" }],
])("%s at %s", (rule, path, change) => {
    const bridges = bridgeKeys.parse({ nas: { address: "192.168.1.10", port: 80, ...change } });
    expect(bridgeFaults(bridges, around).map((fault) => [fault.rule, fault.path])).toEqual([[rule, path]]);
});

test("an app's Service keeps its name", () => {
    const bridges = bridgeKeys.parse({ headscale: { address: "192.168.1.10", port: 80 } });
    expect(bridgeFaults(bridges, around)).toEqual([
        {
            rule: "bridge-name-taken",
            path: "bridges.headscale",
            got: '"headscale"',
            allowed: "a name of its own in other; apps.headscale has this one",
        },
    ]);
    const elsewhere = bridgeKeys.parse({ headscale: { address: "192.168.1.10", port: 80, namespace: "web" } });
    expect(bridgeFaults(elsewhere, around)).toEqual([]);
});

test.each([{ port: 0 }, { port: 70000 }, { address: "nas" }, { scheme: "tcp" }, { access: "dedicated" }, { extra: 1 }])(
    "the schema refuses %p",
    (change) =>
        expect(bridgeKeys.safeParse({ nas: { address: "192.168.1.10", port: 80, ...change } }).success).toBe(false),
);

test("what backs up through a bridge names one that is there, by its scheme and port (M-NET-12)", () => {
    const bridges = bridgeKeys.parse(seed);
    const faults = (url: string) => bridgedUrls([["postgres.backups.endpoint", url]], bridges).map(({ rule }) => rule);
    expect(faults("http://minio-api.other.svc.cluster.local:9000")).toEqual([]);
    expect(faults("https://s3.elsewhere.example")).toEqual([]);
    for (const wrong of [
        "https://minio-api.other.svc.cluster.local:9000",
        "http://minio-api.other.svc.cluster.local:9002",
        "http://minio.other.svc.cluster.local:9000",
        "http://minio-api.backup.svc.cluster.local:9000",
    ]) {
        expect([wrong, faults(wrong)]).toEqual([wrong, ["bridge-missing"]]);
    }
    expect(bridgedUrls([["x", "http://minio-api.other.svc.cluster.local:9000"]], {})[0]?.allowed).toContain(
        "there are none",
    );
});

describe("a bucket behind a bridge is the machine's, whatever clusters call it", () => {
    /** Buckets that a cluster has in common with the one of the fixtures. `address`: where it says that its bridge `name` leads. */
    const common = (name: string, address: string) => {
        const said = structuredClone(invalidBase("magi")) as Record<string, Record<string, unknown>>;
        const endpoint = `http://${name}.other.svc.cluster.local:9000`;
        const other = {
            ...said,
            bridges: { [name]: { address, port: 9000 } },
            backups: { minio: { endpoint, bucket: "volsync" } },
            postgres: { ...said["postgres"], backup: { endpoint, bucket: "elsewhere" } },
        };
        const open = (stack: string, value: unknown) => openStack(stack, { recipe: "magi", ...(value as object) });
        return conflicts(
            new Map([
                ["magi", open("magi", said).claims],
                ["other", open("other", other).claims],
            ]),
        ).flatMap(({ kind, first, second }) => (kind === "repository" ? [[first.value, second.path]] : []));
    };
    const taken = ["http://192.168.1.10:9000/volsync", "backups.minio.bucket"];

    test("two names of one machine are one bucket", () => {
        expect(common("minio-api", "192.168.1.10")).toContainEqual(taken);
        expect(common("nas", "192.168.1.10")).toContainEqual(taken);
    });

    test("one name of two machines is two", () => {
        expect(common("minio-api", "192.168.1.11").map(([, path]) => path)).not.toContain("backups.minio.bucket");
    });
});
