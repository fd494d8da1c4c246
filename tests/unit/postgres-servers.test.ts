/** Several PostgreSQL servers by domain: how many of each, whose databases are where, and what they take of the machines. */
import * as pulumi from "@pulumi/pulumi";
import { CloudNativePg } from "../../components/database/cloudnative-pg";
import { bridgedS3 } from "../../config/fields";
import { appsSchema } from "../../lab/apps";
import { bridgedUrls, bridgeKeys } from "../../lab/bridges";
import type { Lab } from "../../lab/lab";
import {
    DATABASE,
    oneEachNode,
    postgresBuckets,
    postgresKeys,
    postgresRefs,
    postgresRequests,
    postgresRules,
    postgresSecrets,
    postgresServers,
    postgresUrls,
    postgresVolumes,
} from "../../lab/postgres";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";
import { testPlatform } from "./test-platform";

const backup = { endpoint: "http://minio-api.other.svc.cluster.local:9000", bucket: "cluster-backups", folder: "cnpg" };
/** The bridge that leads there. */
const bridges = bridgeKeys.parse({ "minio-api": { address: "192.168.1.10", port: 9000 } });
const FIVE = { ai: {}, media: { storage: "40Gi" }, platform: {}, productivity: {}, other: {} };

const config = (keys: object, apps: object = {}) => ({
    postgres: postgresKeys(bridgedS3).parse({ backup, ...keys }),
    apps: appsSchema.parse(apps),
});
const count = (keys: object, machines: number) => postgresVolumes(config(keys), machines).length;

describe("instances", () => {
    test.each([
        [1, 1],
        [2, 2],
        [3, 3],
        [7, 3],
        // Nobody takes pods: another rule's matter, and a Cluster has at least one.
        [0, 1],
    ])("on %i machines %i, where nothing is said", (machines, instances) => {
        expect(count({}, machines)).toBe(instances);
    });

    test("only what is said can be too many", () => {
        const nodes = ["alone"];
        expect(oneEachNode({ ...config({ clusters: FIVE }), nodes })).toEqual([]);
        expect(
            oneEachNode({ ...config({ instances: 2, clusters: { media: { instances: 3 } } }), nodes }),
        ).toMatchObject([
            { rule: "postgres-instances", path: "postgres.instances", got: "2" },
            { rule: "postgres-instances", path: "postgres.clusters.media.instances", got: "3" },
        ]);
    });

    test("what is said is kept, of one server before that of all", () => {
        const said = { instances: 2, clusters: { media: { instances: 1 }, other: {} } };
        expect(postgresRequests(config(said), 3)).toEqual([
            { what: "pg-media", number: 1, each: { cpu: "110m", memory: "576Mi" } },
            { what: "pg-other", number: 2, each: { cpu: "110m", memory: "576Mi" } },
        ]);
    });
});

test("every volume is summed up at the place of the file that says it", () => {
    expect(postgresVolumes(config({ clusters: { media: { storage: "40Gi", walStorage: "8Gi" } } }), 1)).toEqual([
        { path: "postgres.clusters.media.storage", size: "40Gi" },
        { path: "postgres.clusters.media.walStorage", size: "8Gi" },
    ]);
    expect(postgresVolumes(config({ clusters: FIVE }), 3)).toHaveLength(15);
    expect(postgresVolumes({ postgres: undefined }, 3)).toEqual([]);
});

test("the folder of the bucket is claimed, so that others may be in the bucket", () => {
    expect(postgresBuckets(config({}))).toEqual([
        ["postgres.backup.bucket", "http://minio-api.other.svc.cluster.local:9000/cluster-backups/cnpg"],
    ]);
});

test("secrets by the namespace that asks for each", () => {
    const asked = config({ clusters: FIVE }, { paperless: {} });
    expect(postgresRefs(asked)).toEqual({
        productivity: ["postgres.paperlessPassword"],
        [DATABASE]: postgresSecrets(asked),
    });
});

describe("which server", () => {
    const paperless = { paperless: {} };
    const faults = (keys: object, others: readonly (readonly [string, string])[] = []) =>
        postgresRules<ReturnType<typeof config>>(() => others).flatMap((rule) => rule(config(keys, paperless)));

    async function built(keys: object, domain?: string) {
        const servers: (string | undefined)[] = [];
        const resources = await planComponent(() => {
            const lab = {
                stage: (_title: string, component: unknown) => component,
                part: () => undefined,
            } as unknown as Lab;
            const made = postgresServers(
                lab,
                config(keys, paperless),
                {
                    operator: new CloudNativePg("cloudnative-pg", {}, {}),
                    host: testPlatform({ [DATABASE]: "restricted" }),
                    storageClass: pulumi.output("ceph-block"),
                    machines: 3,
                },
                {},
            );
            if (domain !== undefined) {
                made?.postgres("app", { database: "app", namespace: domain, domain }, {});
            }
        });
        const look = lookInto(() => ({ resources }));
        if (domain !== undefined) {
            servers.push(dig(look.find(":Database", "app-postgres").inputs, "spec", "cluster", "name") as string);
        }
        return { look, resources, server: servers[0] };
    }

    test.each([
        ["media", "pg-media"],
        // None is for it, and one is called other.
        ["monitoring", "pg-other"],
    ])("of the namespace %s: %s", async (domain, server) => {
        expect((await built({ clusters: FIVE }, domain)).server).toBe(server);
    });

    test("a server may be for namespaces by other names, and another than `other` for the rest", async () => {
        const keys = {
            clusters: { apps: { namespaces: ["media", "productivity"] }, platform: {} },
            others: "platform",
        };
        expect(faults(keys)).toEqual([]);
        expect((await built(keys, "media")).server).toBe("pg-apps");
        expect((await built(keys, "authentik")).server).toBe("pg-platform");
    });

    test("a domain that none serves is a fault that names both ways out", () => {
        expect(faults({ clusters: { media: {} } })).toEqual([
            expect.objectContaining({
                rule: "postgres-domain-unserved",
                path: "apps.paperless",
                suggestion: expect.stringContaining("add productivity to the namespaces of one") as string,
            }),
        ]);
        expect(faults({ clusters: { productivity: {} } }, [["authentik", "authentik"]])).toEqual([
            expect.objectContaining({ rule: "postgres-domain-unserved", path: "authentik" }),
        ]);
    });

    test("a bucket behind a bridge that is none is a fault", () => {
        expect(bridgedUrls(postgresUrls(config({})), bridges)).toEqual([]);
        const [fault] = bridgedUrls(postgresUrls(config({})), {});
        expect(fault).toMatchObject({ rule: "bridge-missing", path: "postgres.backup.endpoint" });
    });

    test("five of them: three instances each, an archive each, nothing shared (M-DATA-01 to M-DATA-05, M-BKP-09, M-BKP-10, M-BKP-11)", async () => {
        const { look, resources } = await built({ clusters: FIVE, retention: "30d" });
        for (const domain of Object.keys(FIVE)) {
            const server = `pg-${domain}`;
            expect(look.find("postgresql.cnpg.io/v1:Cluster", server).inputs).toMatchObject({
                metadata: { name: server, namespace: DATABASE },
                spec: { instances: 3, storage: { size: domain === "media" ? "40Gi" : "20Gi" } },
            });
            expect(look.find(":ObjectStore", `${server}-archive`).inputs).toMatchObject({
                metadata: { name: server },
                spec: {
                    retentionPolicy: "30d",
                    configuration: {
                        destinationPath: `s3://cluster-backups/cnpg/${server}/`,
                        endpointURL: backup.endpoint,
                        wal: { compression: "bzip2" },
                    },
                },
            });
        }
        const objects = resources.flatMap(({ type, inputs }) => {
            const name = dig(inputs, "metadata", "name");
            return typeof name === "string" ? [`${type} ${name}`] : [];
        });
        expect(objects.filter((one, index) => objects.indexOf(one) !== index)).toEqual([]);
    });

    test("VectorChord's image where it is asked for, the operator's own elsewhere", async () => {
        const { look } = await built({ clusters: { media: { vectorChord: true }, other: {} } });
        const spec = (server: string) => dig(look.find("postgresql.cnpg.io/v1:Cluster", server).inputs, "spec");
        expect(dig(spec("pg-media"), "imageName")).toMatch(
            /^ghcr\.io\/tensorchord\/cloudnative-vectorchord:18\..*@sha256:/,
        );
        expect(spec("pg-other")).not.toHaveProperty("imageName");
    });
});
