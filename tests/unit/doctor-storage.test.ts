/** Doctor's look at what a cluster keeps its data on: from Rook's and VolSync's own words, and a knock at the machine they write to. */
import { createServer as httpServer, type Server } from "node:http";
import { createServer, type AddressInfo, type Server as TcpServer } from "node:net";
import type { Finding } from "../../lib/finding";
import type { PlannedResource } from "../../tools/plan/plan";
import { judgeStorage, lookAtStorage, storageNeeds } from "../../tools/doctor/storage";

const NOW = Date.parse("2026-02-01T12:00:00Z");
const said = (findings: readonly Finding[]) =>
    findings.map(({ verdict, check, found }) => `${verdict} ${check}: ${found}`);

const servers: (Server | TcpServer)[] = [];
afterAll(() => Promise.all(servers.map((server) => new Promise((done) => server.close(done)))));
async function listening<S extends Server | TcpServer>(server: S): Promise<number> {
    servers.push(server);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
    return (server.address() as AddressInfo).port;
}
const kubeconfigOf = (port: number) =>
    JSON.stringify({
        clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}` } }],
        users: [{ name: "u", user: { token: "t" } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
    });

/** Looks at a cluster that answers so, and judges it. */
async function look(answers: Record<string, object>, needs: Partial<ReturnType<typeof storageNeeds>>, env = {}) {
    const port = await listening(
        httpServer((request, response) => {
            const answer = answers[(request.url ?? "").split("/").at(-1) ?? ""];
            response
                .writeHead(answer === undefined ? 404 : 200, {
                    "content-type": "application/json",
                    connection: "close",
                })
                .end(JSON.stringify(answer ?? { message: "not found" }));
        }),
    );
    const kubeconfig = { ok: true, value: kubeconfigOf(port) } as const;
    const fact = await lookAtStorage({ ceph: false, volsync: false, bridges: [], ...needs }, kubeconfig, env, 2000);
    return judgeStorage(fact, NOW);
}
const ceph = (health: string, used: number, details = {}) => ({
    "rook-ceph": { status: { ceph: { health, details, capacity: { bytesTotal: 12e12, bytesUsed: used } } } },
});

test.each([
    ["well", "HEALTH_OK", 3e12, ["ok Ceph: HEALTH_OK", "ok fullness: 25 % of 12.0 TB of disks are used"]],
    ["near full", "HEALTH_OK", 9.1e12, ["ok Ceph: HEALTH_OK", "warning fullness: 76 % of 12.0 TB of disks are used"]],
    [
        "full",
        "HEALTH_ERR",
        10.8e12,
        ["failure Ceph: HEALTH_ERR: 2 nearfull osd(s)", "failure fullness: 90 % of 12.0 TB of disks are used"],
    ],
    [
        "ailing",
        "HEALTH_WARN",
        1e12,
        ["warning Ceph: HEALTH_WARN: 2 nearfull osd(s)", "ok fullness: 8 % of 12.0 TB of disks are used"],
    ],
])("Ceph that is %s", async (_, health, used, findings) => {
    const details = health === "HEALTH_OK" ? {} : { OSD_NEARFULL: { message: "2 nearfull osd(s)", severity: health } };
    const found = await look(ceph(health, used, details), { ceph: true });
    expect(said(found)).toEqual(findings);
    expect(found.filter(({ verdict }) => verdict !== "ok").every(({ fix }) => fix?.includes("rook-ceph-tools"))).toBe(
        true,
    );
});

test("what is not there yet, or has not been asked, is nobody's ok", async () => {
    expect(said(await look({}, { ceph: true, volsync: true }))).toEqual([
        "skipped Ceph: not there yet: the first up makes it",
        "skipped backups: not there yet: the first up makes it",
    ]);
    expect(said(await look({ "rook-ceph": { status: {} } }, { ceph: true }))).toEqual([
        "skipped Ceph: Rook has not asked it yet",
        "skipped fullness: Rook has not asked yet how full the disks are",
    ]);
    const closed = await lookAtStorage(
        { ceph: true, volsync: false, bridges: [] },
        { ok: false, status: 0, reason: "no file" },
        {},
        2000,
    );
    expect(said(judgeStorage(closed, NOW))).toEqual(["skipped Ceph: no kubeconfig: no file"]);
});

const source = (name: string, status: object) => ({ metadata: { name, namespace: "media" }, status });

test("backups that failed, or are late, are named; the others are counted", async () => {
    const on = { lastSyncTime: "2026-02-01T02:10:00Z", nextSyncTime: "2026-02-02T02:10:00Z" };
    const items = [
        source("plex-minio", { ...on, latestMoverStatus: { result: "Successful" } }),
        source("sonarr-minio", {
            ...on,
            latestMoverStatus: { result: "Failed", logs: "opening\nFatal: no route to host" },
        }),
        source("radarr-minio", { lastSyncTime: "2026-01-30T02:10:00Z", nextSyncTime: "2026-01-31T02:10:00Z" }),
    ];
    expect(said(await look({ replicationsources: { items } }, { volsync: true }))).toEqual([
        "ok backups: 1 of 3 volumes' backups are on schedule",
        "failure backups: media/sonarr-minio failed: Fatal: no route to host",
        "failure backups: media/radarr-minio should have begun at 2026-01-31T02:10:00Z; the last is of 2026-01-30T02:10:00Z",
    ]);
    expect(said(await look({ replicationsources: { items: [source("new", {})] } }, { volsync: true }))).toEqual([
        "skipped backups: none has been taken yet",
    ]);
});

test("the machine that backups go to answers, or what that means is said (M-DR-03)", async () => {
    const port = await listening(createServer((socket) => socket.destroy()));
    const closed = createServer();
    const silent = await listening(closed);
    await new Promise((done) => closed.close(done));
    servers.splice(servers.indexOf(closed), 1);
    const bridge = (at: number) => ({ name: "other/minio-api", address: "127.0.0.1", port: at });
    const [here, gone] = await look({}, { bridges: [bridge(port), bridge(silent)] });
    expect(here).toMatchObject({ verdict: "ok", found: `other/minio-api: 127.0.0.1:${port} answers` });
    expect(gone).toMatchObject({
        verdict: "failure",
        fix: expect.stringContaining("nothing that goes there is backed up"),
    });
    expect(said(await look({}, { bridges: [bridge(silent)] }, { BACKUP_PROBE: "" }))).toEqual([
        "skipped backup target: BACKUP_PROBE is empty: nothing of the house is reached from here",
    ]);
});

test("what there is to look at follows from the plan: only bridges that something writes to", () => {
    const planned = (type: string, name: string, inputs: object) =>
        ({ type, name, inputs, custom: true }) as unknown as PlannedResource;
    const slice = (name: string, address: string, port: number) =>
        planned("kubernetes:discovery.k8s.io/v1:EndpointSlice", name, {
            metadata: { name, namespace: "other" },
            endpoints: [{ addresses: [address] }],
            ports: [{ port }],
        });
    const resources = [
        slice("minio-api", "192.168.1.10", 9000),
        slice("opnsense", "192.168.1.1", 4443),
        planned("kubernetes:helm.sh/v3:Release", "ceph", {}),
        planned("kubernetes:volsync.backube/v1alpha1:ReplicationSource", "sonarr-minio", {}),
        planned("kubernetes:core/v1:Secret", "sonarr-volsync-minio", {
            stringData: { RESTIC_REPOSITORY: "s3:http://minio-api.other.svc.cluster.local:9000/volsync/sonarr" },
        }),
    ];
    expect(storageNeeds({ resources })).toEqual({
        ceph: true,
        volsync: true,
        bridges: [{ name: "other/minio-api", address: "192.168.1.10", port: 9000 }],
    });
    expect(storageNeeds({ resources: [] })).toEqual({ ceph: false, volsync: false, bridges: [] });
});
