/** What doctor says of database servers: each by itself, and nothing is well that nobody looked at. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { databaseServers, judgeDatabases, lookAtDatabases, type DatabaseFact } from "../../tools/doctor/databases";
import type { Plan } from "../../tools/plan/plan";

const NOW = new Date("2026-02-10T00:00:00Z");
const told = <T>(value: T) => ({ ok: true, value }) as const;
const refused = (status: number) => ({ ok: false, status, reason: `${status}, no` }) as const;

const condition = (type: string, status: string, message = "") => ({ type, status, message });
const backup = (cluster: string, stoppedAt: string, phase = "completed") => ({
    spec: { cluster: { name: cluster } },
    status: { phase, stoppedAt },
});
const postgres = (change: Partial<DatabaseFact> = {}): DatabaseFact => ({
    kind: "PostgreSQL",
    name: "pg-media",
    namespace: "database",
    object: told({ status: { conditions: [condition("Ready", "True"), condition("ContinuousArchiving", "True")] } }),
    beside: told([backup("pg-media", "2026-02-09T00:05:00Z"), backup("pg-ai", "2026-02-09T00:05:00Z")]),
    ...change,
});
const redis = (status: object, databases: readonly object[] = []): DatabaseFact => ({
    kind: "Redis Enterprise",
    name: "rec-platform",
    namespace: "redis-enterprise",
    object: told({ status }),
    beside: told(databases as Record<string, unknown>[]),
});
const verdicts = (fact: DatabaseFact) =>
    judgeDatabases([fact], NOW).map(({ verdict, found }) => `${verdict}: ${found}`);

test("a server that serves, archives and was backed up", () => {
    expect(verdicts(postgres())).toEqual([
        "ok: pg-media is ready",
        "ok: pg-media archives its WAL",
        "ok: the last base backup of pg-media is of 2026-02-09T00:05:00Z",
    ]);
});

test.each([
    [
        "Ready and not archiving",
        postgres({
            object: told({
                status: {
                    conditions: [
                        condition("Ready", "True"),
                        condition("ContinuousArchiving", "False", "Expected empty archive"),
                    ],
                },
            }),
        }),
        "failure: pg-media does not archive its WAL: Expected empty archive",
    ],
    [
        "no word of archiving",
        postgres({ object: told({ status: { conditions: [condition("Ready", "True")] } }) }),
        "failure: pg-media does not archive its WAL",
    ],
    [
        "not ready",
        postgres({ object: told({ status: { phase: "Setting up primary" } }) }),
        "failure: pg-media is not ready: Setting up primary",
    ],
    [
        "backups of others, and failed ones",
        postgres({ beside: told([backup("pg-ai", "2026-02-09T00:05:00Z"), backup("pg-media", "", "failed")]) }),
        "failure: pg-media has no base backup",
    ],
    [
        "an old backup",
        postgres({ beside: told([backup("pg-media", "2026-02-01T00:05:00Z")]) }),
        "failure: the last base backup of pg-media is of 2026-02-01T00:05:00Z, 8 days ago",
    ],
    ["not made yet", postgres({ object: refused(404) }), "skipped: pg-media is not there yet: pulumi up makes it"],
    ["an answer of another kind", postgres({ object: refused(403) }), "skipped: pg-media cannot be looked at: 403, no"],
    [
        "backups that cannot be listed",
        postgres({ beside: refused(403) }),
        "skipped: backups of pg-media cannot be listed: 403, no",
    ],
])("%s", (_what, fact, expected) => {
    const found = judgeDatabases([fact], NOW);
    expect(verdicts(fact)).toContain(expected);
    for (const { verdict, fix } of found) expect(verdict !== "failure" || fix !== undefined).toBe(true);
});

describe("Redis Enterprise", () => {
    const until = (expirationDate: string) => ({ state: "Running", licenseStatus: { expirationDate } });
    const database = (name: string, status: string) => ({ metadata: { name }, status: { status } });

    test.each([
        ["2026-03-01T00:00:00Z", "ok: that of rec-platform is good until 2026-03-01T00:00:00Z"],
        ["2026-02-14T12:00:00Z", "warning: that of rec-platform ends in 4 days, on 2026-02-14T12:00:00Z"],
        [
            "2026-02-09T00:00:00Z",
            "failure: that of rec-platform ended on 2026-02-09T00:00:00Z: nothing of it can be changed",
        ],
    ])("a licence until %s", (date, expected) => {
        expect(verdicts(redis(until(date)))).toContain(expected);
    });

    test.each([
        [{ lastBackupTime: "2026-02-09T00:00:00Z" }, "ok: the last one of redis-queue is of 2026-02-09T00:00:00Z"],
        [{ lastBackupTime: "2026-02-01T00:00:00Z" }, "failure: the last one of redis-queue is of 2026-02-01T00:00:00Z"],
        [{ backupFailureReason: "no-permission" }, "failure: the last one of redis-queue failed: no-permission"],
        [undefined, "failure: redis-queue was never saved"],
    ])("a queue that is to be saved each day, and says %j", (backupInfo, expected) => {
        const one = {
            ...database("redis-queue", "active"),
            metadata: { name: "redis-queue", creationTimestamp: "2026-01-01T00:00:00Z" },
            spec: { backup: { interval: 86_400 } },
        };
        const said = { ...one, status: { ...one.status, ...(backupInfo === undefined ? {} : { backupInfo }) } };
        expect(verdicts(redis({ state: "Running" }, [said]))).toContain(expected);
        const fresh = { ...one, metadata: { ...one.metadata, creationTimestamp: "2026-02-09T00:00:00Z" } };
        expect(verdicts(redis({ state: "Running" }, [fresh]))).toContain(
            "skipped: redis-queue is new, and was not saved yet",
        );
    });

    test("its state, and databases that are not active", () => {
        expect(verdicts(redis({ state: "Running" }, [database("redis-cache", "active")]))).toEqual([
            "ok: rec-platform is running",
            "ok: all of rec-platform are active",
        ]);
        expect(verdicts(redis({ state: "Error" }, [database("redis-queue", "creation-failed")]))).toEqual([
            "failure: rec-platform is Error",
            "failure: not active: redis-queue",
        ]);
    });
});

describe("the look", () => {
    const resource = (type: string, name: string) => ({
        type,
        name,
        inputs: { metadata: { name, namespace: "database" } },
    });
    const plan = {
        resources: [
            resource("kubernetes:postgresql.cnpg.io/v1:Cluster", "pg-ai"),
            resource("kubernetes:postgresql.cnpg.io/v1:Database", "paperless"),
            resource("kubernetes:app.redislabs.com/v1:RedisEnterpriseCluster", "rec-platform"),
        ],
    } as unknown as Plan;

    test("every server of the plan, and nothing else of it", () => {
        expect(databaseServers(plan)).toEqual([
            { kind: "PostgreSQL", name: "pg-ai", namespace: "database" },
            { kind: "Redis Enterprise", name: "rec-platform", namespace: "database" },
        ]);
    });

    let server: Server | undefined;
    afterEach(() => server?.close());

    test("reads each with what stands beside it", async () => {
        const asked: string[] = [];
        server = createServer(({ method, url = "" }, response) => {
            asked.push(`${method} ${url}`);
            const found = url.endsWith("/clusters/pg-ai") ? { status: {} } : { items: [] };
            response.writeHead(url.includes("redislabs") ? 404 : 200, { "content-type": "application/json" });
            response.end(JSON.stringify(found));
        });
        await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
        const kubeconfig = JSON.stringify({
            clusters: [
                { name: "c", cluster: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } },
            ],
            users: [{ name: "u", user: { token: "t" } }],
            contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
            "current-context": "x",
        });
        const facts = await lookAtDatabases(databaseServers(plan), told(kubeconfig), 5000);
        expect(facts.map(({ object, beside }) => [object.ok, beside.ok])).toEqual([
            [true, true],
            [false, false],
        ]);
        expect(asked.sort()).toEqual([
            "GET /apis/app.redislabs.com/v1/namespaces/database/redisenterpriseclusters/rec-platform",
            "GET /apis/app.redislabs.com/v1alpha1/namespaces/database/redisenterprisedatabases",
            "GET /apis/postgresql.cnpg.io/v1/namespaces/database/backups",
            "GET /apis/postgresql.cnpg.io/v1/namespaces/database/clusters/pg-ai",
        ]);
    });

    test("without a kubeconfig nothing is well", async () => {
        const facts = await lookAtDatabases(databaseServers(plan), refused(-1), 5000);
        expect(judgeDatabases(facts, NOW).map(({ verdict }) => verdict)).toEqual(["skipped", "skipped"]);
    });
});
