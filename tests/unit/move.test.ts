/** The checklist of a move between clusters: what the plans say of both sides, and how each step is judged. */
import { planStack } from "../../tools/plan/plan";
import { observe, silent } from "../../tools/move/observe";
import { renderChecklist } from "../../tools/move/render";
import { sideOf, type DataVolume, type Side } from "../../tools/move/sides";
import { checklist, PARTS, type Move, type Seen, type Step } from "../../tools/move/steps";
import { readStackValue, ROOT } from "../../stacks/stack-file";

const backedUp = (stack: string): DataVolume => ({
    workload: "paperless",
    namespace: "productivity",
    size: "20Gi",
    kept: {
        by: "volsync",
        claim: "paperless",
        sources: { b2: "paperless-b2", minio: "paperless-minio" },
        destination: "paperless-dst",
        restoreFrom: "minio",
        repositories: { b2: `s3:https://b2/${stack}/paperless`, minio: `s3:https://minio/${stack}/paperless` },
    },
});
const ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/productivity/httproutes/paperless";
const sideAt = (stack: string, changes: Partial<Side> = {}): Side => ({
    stack,
    declared: true,
    settings: {},
    frozen: false,
    byGit: false,
    workloads: [{ namespace: "productivity", name: "paperless", replicas: 1, devices: [] }],
    data: [backedUp(stack)],
    databases: [],
    secrets: [{ namespace: "productivity", name: "paperless", keys: ["PAPERLESS_KEY"] }],
    namespaces: ["productivity"],
    routes: [{ host: `paperless.${stack}.example`, address: "10.0.0.1", access: "local", object: ROUTE }],
    ...changes,
});

const STOPPED = { generation: 4, replicas: 0, pods: 0, ready: 0 };
const RUNS = { generation: 1, replicas: 1, pods: 1, ready: 1 };
const BACKED_UP = {
    manual: "move-to-chongus-4",
    finished: "2026-03-01T10:01:00Z",
    seconds: 30,
    successful: true,
    logs: "",
};
const RESTORED = {
    manual: "restore-once",
    finished: "2026-03-01T10:10:00Z",
    seconds: 10,
    successful: true,
    logs: "restoring snapshot 0ff74383 of [/data] at 2026-03-01 11:00:40.858799017 +0100 CET by root@volsync to .",
};
const nothing: Seen = { workloads: {}, sources: {}, destinations: {}, routes: {}, secrets: {}, tree: {} };
const moved: { from: Seen; to: Seen } = {
    from: { ...nothing, workloads: { paperless: STOPPED }, sources: { "paperless-minio": BACKED_UP } },
    to: {
        ...nothing,
        workloads: { paperless: RUNS },
        destinations: { "paperless-dst": RESTORED },
        routes: { [ROUTE]: true },
        secrets: { paperless: true },
    },
};

const move = (
    changes: { from?: Partial<Side>; to?: Partial<Side>; seen?: { from?: Partial<Seen>; to?: Partial<Seen> } } = {},
): Move => ({
    app: "paperless",
    from: sideAt("bitty", changes.from),
    to: sideAt("chongus", changes.to),
    seen: { from: { ...moved.from, ...changes.seen?.from }, to: { ...moved.to, ...changes.seen?.to } },
});
const step = (title: RegExp, given: Move): Step => {
    const found = checklist(given).filter((one) => title.test(one.title));
    expect(found).toHaveLength(1);
    return found[0] as Step;
};
const verdicts = (given: Move, first = 1) =>
    checklist(given)
        .filter(({ part }) => part >= first)
        .map(({ title, verdict }) => `${verdict}: ${title}`);

test("from the first look to the end, in order", () => {
    const atFirst = move({
        to: { declared: false },
        seen: {
            from: {
                workloads: { paperless: { ...RUNS, generation: 3 } },
                sources: { "paperless-minio": { ...BACKED_UP, manual: "" } },
            },
            to: nothing,
        },
    });
    expect(verdicts({ ...atFirst, seen: { ...atFirst.seen, to: nothing } })).toEqual([
        "done: paperless is declared on chongus as it was on bitty",
        "done: paperless has its way in on chongus, and no Ingress beside it",
        "done: no shared HelmRepository delivers paperless",
        "unseen: the store of chongus has the secrets of paperless",
        "done: nothing is substituted into paperless from a Secret",
        "done: paperless has its namespace and its backed-up volumes on chongus",
        "todo: paperless is stopped on bitty",
        "todo: the data of paperless is backed up since",
        "unseen: the data of paperless is where chongus looks for it",
        "todo: paperless runs on chongus",
        "todo: the data of paperless is restored on chongus",
        "todo: paperless.chongus.example leads to chongus",
        "todo: paperless is gone from bitty",
    ]);
    const atLast = move({ from: { declared: false }, seen: { from: { workloads: {} } } });
    expect(
        checklist({
            ...atLast,
            seen: { ...atLast.seen, from: { ...nothing, sources: { "paperless-minio": null } } },
        }).filter(({ verdict }) => verdict === "todo"),
    ).toEqual([]);
});

test("people read what to do next, and not yet what comes after", () => {
    const given = move({ to: { declared: false }, seen: { from: { workloads: { paperless: RUNS } } } });
    const text = renderChecklist(given, checklist(given));
    expect(text).toContain("\n7. Deploy\n  [ ] paperless is stopped on bitty: paperless runs\n");
    expect(text).toContain("kubectl --namespace productivity scale deployment paperless --replicas=0");
    expect(text).not.toContain("pulumi preview --stack chongus");
    expect(text).toMatch(/\d to do, the next is: paperless is stopped on bitty\. Then run this again\./);
});

describe("each step is judged by what was seen", () => {
    test("a pod that is still ending holds files open", () => {
        expect(
            step(/stopped/, move({ seen: { from: { workloads: { paperless: { ...STOPPED, pods: 1 } } } } })).verdict,
        ).toBe("todo");
        expect(step(/stopped/, move({ seen: { from: { workloads: { paperless: null } } } })).verdict).toBe("done");
    });

    test("a backup counts when it was made after this very stop", () => {
        expect(step(/backed up/, move()).verdict).toBe("done");
        const old = { ...BACKED_UP, manual: "move-to-chongus-2" };
        const stale = step(/backed up/, move({ seen: { from: { sources: { "paperless-minio": old } } } }));
        expect(stale.verdict).toBe("todo");
        expect(stale.fix.join("\n")).toContain(`--patch '{"spec":{"trigger":{"manual":"move-to-chongus-4"}}}'`);
        const failed = { ...BACKED_UP, successful: false };
        expect(step(/backed up/, move({ seen: { from: { sources: { "paperless-minio": failed } } } }))).toMatchObject({
            verdict: "todo",
            found: expect.stringContaining("did not end well"),
        });
    });

    test("one bucket for both needs no copy; two need one", () => {
        const shared = move({ to: { data: [backedUp("bitty")] } });
        expect(step(/where chongus looks/, shared)).toMatchObject({
            verdict: "done",
            found: "both use s3:https://minio/bitty/paperless",
        });
        const apart = step(/where chongus looks/, move({ seen: { to: { destinations: {} } } })).fix.join("\n");
        expect(apart).toMatch(
            /RESTIC_REPOSITORY=s3:https:\/\/minio\/bitty\/paperless -v \.\/paperless-move:\/restore -w \/restore docker\.io\/restic\/restic:[\d.]+ restore latest --host volsync --target \/restore/,
        );
        expect(apart).toMatch(
            /RESTIC_REPOSITORY=s3:https:\/\/minio\/chongus\/paperless -v \.\/paperless-move\/data:\/data:ro -w \/data docker\.io\/restic\/restic:[\d.]+ backup --host volsync \./,
        );
    });

    test.each([
        [
            "an older snapshot than the last backup",
            { ...RESTORED, logs: RESTORED.logs.replace("11:00:40", "10:00:40") },
            /2026-03-01T09:00:40.000Z was restored, but the last backup on bitty began at 2026-03-01T10:00:29/,
        ],
        [
            "none at all",
            { ...RESTORED, logs: "=== Starting restore ===\nNo eligible snapshots found" },
            /nothing was restored: No eligible snapshots found/,
        ],
        ["a mover that failed", { ...RESTORED, successful: false }, /nothing was restored/],
    ])("restored means the last snapshot: %s is refused, with what to do", (_name, sync, message) => {
        const found = step(/restored/, move({ seen: { to: { destinations: { "paperless-dst": sync } } } }));
        expect([found.verdict, found.found]).toEqual(["todo", expect.stringMatching(message)]);
        expect(found.fix.join("\n")).toMatch(
            /beforeDestroy: false in Pulumi\.chongus\.yaml.*\n.*take paperless out of it.*\n.*restic forget/,
        );
    });

    test("the older form of restic's line is understood too", () => {
        const logs =
            "restoring <Snapshot 0ff74383 of [/data] at 2026-03-01 05:00:41.858799017 -0500 EST by testuser@volsync> to .";
        expect(
            step(/restored/, move({ seen: { to: { destinations: { "paperless-dst": { ...RESTORED, logs } } } } }))
                .found,
        ).toBe("snapshot 0ff74383 of 2026-03-01T10:00:41.000Z, the last one");
    });

    test("a database on a shared server goes by dump, which only a person can judge", () => {
        const database = { name: "paperless", owner: "paperless", namespace: "database", service: "postgres-rw" };
        const given = move({ from: { databases: [database] }, to: { databases: [{ ...database, namespace: "db" }] } });
        expect(step(/is dumped/, given)).toMatchObject({ verdict: "unseen" });
        expect(step(/is loaded/, given).fix).toContain(
            "  kubectl --namespace db exec --stdin service/postgres-rw --container postgres -- pg_restore --clean --if-exists --no-owner --role=paperless --dbname=paperless < paperless.dump",
        );
        expect(step(/is loaded/, move({ from: { databases: [database] } }))).toMatchObject({
            verdict: "todo",
            found: "chongus has no database of that name",
        });
    });

    test("a later snapshot is the copy, or the new cluster's own of an empty volume: never a tick", () => {
        const later = { ...RESTORED, logs: RESTORED.logs.replace("11:00:40", "13:00:40") };
        const seen = { to: { destinations: { "paperless-dst": later } } };
        expect(step(/restored/, move({ seen }))).toMatchObject({
            verdict: "unseen",
            found: expect.stringContaining("the copy, or chongus's own backup of an empty volume"),
        });
        // In one repository there is no copy.
        expect(step(/restored/, move({ seen, to: { data: [backedUp("bitty")] } })).verdict).toBe("todo");
        const directory = { ...backedUp("bitty"), kept: { by: "directory", node: "bitty", path: "/data/p" } as const };
        expect(step(/restored/, move({ from: { data: [directory] } })).verdict).toBe("unseen");
    });

    test("the way back starts it again and gives the backups their schedule", () => {
        const { back } = step(/stopped/, move({ seen: { from: { workloads: { paperless: RUNS } } } }));
        expect(back?.slice(1)).toEqual([
            "  kubectl --namespace productivity scale deployment paperless --replicas=1",
            `  kubectl --namespace productivity patch replicationsource paperless-minio --type=merge --patch '{"spec":{"trigger":{"manual":null}}}'`,
        ]);
    });

    test("what Git delivers is Pulumi's first", () => {
        const first = checklist(move({ from: { byGit: true } })).find(({ part }) => part === 7);
        expect(first).toMatchObject({ title: "Pulumi delivers paperless on bitty", verdict: "todo" });
    });

    test("a route that the edge has not taken up leads nowhere", () => {
        expect(step(/leads to/, move({ seen: { to: { routes: { [ROUTE]: false } } } })).found).toContain(
            "has not taken it up",
        );
        expect(step(/leads to/, move({ seen: { to: { routes: { [ROUTE]: null } } } })).found).toBe(
            "it has no route yet",
        );
    });

    test("a cluster that does not answer is never a tick", () => {
        const given = move({ from: { declared: false } });
        const dark = {
            ...given,
            seen: {
                from: silent("bitty was not looked at: no route to host"),
                to: silent("chongus was not looked at: timeout"),
            },
        };
        expect(verdicts(dark, 7).filter((line) => line.startsWith("done"))).toEqual([]);
        expect(verdicts(dark).filter((line) => line.startsWith("done"))).toEqual([
            "done: paperless is declared on chongus as it was on bitty",
            "done: paperless has its namespace and its backed-up volumes on chongus",
        ]);
    });

    test("data without a place on the new cluster stops the move", () => {
        expect(step(/backed-up volumes/, move({ to: { data: [] } }))).toMatchObject({
            verdict: "todo",
            found: "no data volume for paperless: without it the data would stay behind",
        });
    });

    test("one name for both clusters: the old one goes before the new one is declared", () => {
        const route = { host: "paperless.example", address: "10.0.0.1", access: "local", object: ROUTE };
        const given = move({ from: { routes: [route] }, to: { routes: [route] } });
        const titles = checklist(given).map(({ title }) => title);
        expect(titles.indexOf("paperless is gone from bitty")).toBeLessThan(
            titles.indexOf("paperless runs on chongus"),
        );
    });
});

describe("the nine steps of the seed", () => {
    test("are the parts of the list, each there and in order, for every app", () => {
        const given = move();
        const parts = checklist(given).map(({ part }) => part);
        expect([...new Set(parts)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
        expect(parts).toEqual([...parts].sort((a, b) => a - b));
        const headings = renderChecklist(given, checklist(given)).match(/^\d\. .*$/gm);
        expect(headings).toEqual(PARTS.map((title, index) => `${index + 1}. ${title}`));
    });

    test("1: a setting or a device that differs is for a person to judge", () => {
        const workload = { namespace: "productivity", name: "paperless", replicas: 1 };
        const given = move({
            from: { settings: { memory: "2Gi" }, workloads: [{ ...workload, devices: ["gpu.intel.com/i915"] }] },
            to: { workloads: [{ ...workload, devices: ["nvidia.com/gpu"] }] },
        });
        expect(step(/is declared on/, given)).toMatchObject({
            verdict: "unseen",
            fix: [
                '  memory: "2Gi" on bitty, the default on chongus',
                "  paperless had gpu.intel.com/i915 and gets nvidia.com/gpu",
            ],
        });
    });

    const at = (path: string) => `/apis/${path.replace("NS", "namespaces/productivity")}`;
    test.each([
        [
            "2: an Ingress of the old tree",
            /no Ingress beside it/,
            at("networking.k8s.io/v1/NS/ingresses/paperless"),
            {},
            "the old way is still there: productivity/ingresses/paperless on bitty",
        ],
        [
            "3: a chart from a shared HelmRepository",
            /no shared HelmRepository/,
            at("helm.toolkit.fluxcd.io/v2/NS/helmreleases/paperless"),
            { helmRepository: "bjw-s" },
            "productivity/helmreleases/paperless on bitty takes its chart from HelmRepository bjw-s",
        ],
        [
            "5: substitution from a Secret",
            /nothing is substituted/,
            at("kustomize.toolkit.fluxcd.io/v1/NS/kustomizations/paperless"),
            { substitutes: ["cluster-secrets"] },
            "productivity/kustomizations/paperless on bitty substitutes from Secret cluster-secrets",
        ],
    ])("%s is to do", (_title, title, path, leftover, found) => {
        expect(step(title, move({ seen: { from: { tree: { [path]: leftover } } } }))).toMatchObject({
            verdict: "todo",
            found,
        });
        expect(step(title, move({ seen: { from: { tree: { [path]: null } } } })).verdict).toBe("done");
    });

    test("2: an app that had a way in must not lose it", () => {
        expect(step(/has its way in/, move({ to: { routes: [] } }))).toMatchObject({
            verdict: "todo",
            found: "paperless.bitty.example would lead nowhere: chongus has no route for it",
        });
    });

    test("3: a chart with an OCIRepository, and a release of the tree without, are told apart", () => {
        const path = at("helm.toolkit.fluxcd.io/v2/NS/helmreleases/paperless");
        expect(step(/no shared HelmRepository/, move({ seen: { from: { tree: { [path]: {} } } } })).verdict).toBe(
            "done",
        );
    });

    test("4: the store is asked by ExternalSecrets, and what it lacks is said", () => {
        expect(step(/the store of chongus/, move())).toMatchObject({ verdict: "done", found: "PAPERLESS_KEY arrived" });
        expect(step(/the store of chongus/, move({ seen: { to: { secrets: { paperless: false } } } }))).toMatchObject({
            verdict: "todo",
            found: "not filled: ExternalSecret productivity/paperless",
            fix: [expect.stringContaining("the store must hold PAPERLESS_KEY")],
        });
        expect(step(/the store of chongus/, move({ to: { secrets: [] } })).verdict).toBe("done");
    });

    test("6: a smaller volume and a namespace that nobody makes are told", () => {
        const small = { ...backedUp("chongus"), size: "512Mi" };
        const found = step(/backed-up volumes/, move({ to: { data: [small], namespaces: [] } }));
        expect([found.verdict, found.found]).toEqual([
            "todo",
            "512Mi for paperless, which has 20Gi on bitty: a restore may not fit; nobody makes the namespace productivity",
        ]);
        expect(step(/backed-up volumes/, move()).found).toBe(
            "namespace productivity; 20Gi for paperless, backed up to b2 and minio",
        );
    });

    test("9: what left a cluster that is phased out leaves the list of those that may stay", () => {
        const given = move({ from: { declared: false, frozen: true }, seen: { from: { workloads: {} } } });
        expect(step(/gone from bitty/, given)).toMatchObject({
            verdict: "todo",
            fix: ["take paperless out of phaseOut.apps"],
        });
        expect(step(/gone from bitty/, move({ from: { frozen: true } })).fix[0]).toContain("out of phaseOut.apps");
    });
});

describe("what the plans say of jellyfin on a cluster without Ceph", () => {
    test("it is restored in place, and has Intel's GPU", async () => {
        const plan = await planStack("bitty", readStackValue(ROOT, "bitty"), ROOT);
        const { data, workloads } = sideOf(plan, "jellyfin", DECLARED);
        expect(workloads.map(({ devices }) => devices)).toEqual([["gpu.intel.com/i915"]]);
        expect(data).toEqual([
            {
                workload: "jellyfin",
                namespace: "media",
                size: "50Gi",
                kept: {
                    by: "volsync",
                    claim: "jellyfin",
                    sources: { b2: "jellyfin-b2", minio: "jellyfin-minio" },
                    restoreFrom: "minio",
                    repositories: {
                        b2: expect.stringMatching(/^s3:https:\/\/.*\/rtrox-volsync-bitty\/jellyfin$/),
                        minio: expect.stringMatching(/^s3:https:\/\/.*\/volsync-bitty\/jellyfin$/),
                    },
                },
            },
        ]);
    });

    test("its way to chongus has the nine steps of the seed (B-OPS-06, B-EDGE-03, B-GITOPS-06, B-SEC-04, B-SEC-05, B-GITOPS-07, B-OPS-07, B-OPS-08, B-OPS-09)", async () => {
        const at = async (stack: string, frozen: boolean) =>
            sideOf(await planStack(stack, readStackValue(ROOT, stack), ROOT), "jellyfin", { ...DECLARED, frozen });
        const steps = checklist({
            app: "jellyfin",
            from: await at("bitty", true),
            to: await at("chongus", false),
            seen: {
                from: { ...nothing, workloads: { jellyfin: RUNS } },
                to: { ...nothing, secrets: { "jellyfin-volsync-b2": true, "jellyfin-volsync-minio": true } },
            },
        });
        expect(steps.map(({ part, verdict, title }) => `${part} ${verdict}: ${title}`)).toEqual([
            // The one cluster has Intel's GPU, the other NVIDIA's.
            "1 unseen: jellyfin is declared on chongus as it was on bitty",
            "2 done: jellyfin has its way in on chongus, and no Ingress beside it",
            "3 done: no shared HelmRepository delivers jellyfin",
            "4 done: the store of chongus has the secrets of jellyfin",
            "5 done: nothing is substituted into jellyfin from a Secret",
            "6 done: jellyfin has its namespace and its backed-up volumes on chongus",
            "7 todo: jellyfin is stopped on bitty",
            "7 todo: the data of jellyfin is backed up since",
            "7 unseen: the data of jellyfin is where chongus looks for it",
            "7 todo: jellyfin runs on chongus",
            "8 todo: the data of jellyfin is restored on chongus",
            "8 todo: jellyfin.rtrox.io leads to chongus",
            "9 todo: jellyfin is gone from bitty",
        ]);
        expect(steps[0]?.fix).toEqual(["  jellyfin had gpu.intel.com/i915 and gets nvidia.com/gpu"]);
        expect(steps[1]?.found).toBe("jellyfin.rtrox.io by HTTPRoute");
        expect(steps.at(-1)?.fix[0]).toContain("and out of phaseOut.apps");
    });

    test("where a claim was restored in place nothing is left to tell from what", () => {
        const { destination: _none, ...kept } = backedUp("chongus").kept as Extract<
            DataVolume["kept"],
            { by: "volsync" }
        >;
        const there: DataVolume = { ...backedUp("chongus"), kept };
        expect(step(/restored/, move({ to: { data: [there] } })).verdict).toBe("unseen");
    });
});

const DECLARED = { declared: true, settings: {}, frozen: false };

describe("what the plans say of sonarr", () => {
    const sonarr = async (stack: string) =>
        sideOf(await planStack(stack, readStackValue(ROOT, stack), ROOT), "sonarr", DECLARED);

    test("on homelab its data is a directory of the node", async () => {
        expect(await sonarr("homelab")).toEqual({
            stack: "homelab",
            ...DECLARED,
            byGit: false,
            workloads: [{ namespace: "media", name: "sonarr", replicas: 1, devices: [] }],
            secrets: [],
            namespaces: ["media"],
            data: [
                {
                    workload: "sonarr",
                    namespace: "media",
                    size: "5Gi",
                    kept: { by: "directory", node: "homelab", path: "/var/data/configs/sonarr" },
                },
            ],
            databases: [],
            routes: [
                {
                    host: "sonarr.peterstorm.io",
                    address: "192.168.0.240",
                    access: "local",
                    object: "/apis/networking.k8s.io/v1/namespaces/media/ingresses/sonarr",
                },
            ],
        });
    });

    test("on chongus VolSync has it", async () => {
        const { data, routes } = await sonarr("chongus");
        expect(data).toEqual([
            {
                workload: "sonarr",
                namespace: "media",
                size: "5Gi",
                kept: {
                    by: "volsync",
                    claim: "sonarr",
                    sources: { b2: "sonarr-b2", minio: "sonarr-minio" },
                    destination: "sonarr-dst",
                    restoreFrom: "minio",
                    repositories: {
                        b2: expect.stringMatching(/^s3:https:\/\/.*\/sonarr$/),
                        minio: expect.stringMatching(/^s3:https:\/\/.*\/sonarr$/),
                    },
                },
            },
        ]);
        expect(routes.map(({ object }) => object)).toEqual([
            "/apis/gateway.networking.k8s.io/v1/namespaces/media/httproutes/sonarr",
        ]);
    });

    test("paperless has a database on the shared server", async () => {
        const plan = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT);
        const { databases, data, workloads } = sideOf(plan, "paperless", DECLARED);
        expect(databases).toEqual([
            { name: "paperless", owner: "paperless", namespace: "database", service: "postgres-rw" },
        ]);
        expect(data.map(({ workload }) => workload)).toEqual(["paperless"]);
        expect(workloads.map(({ name }) => name).sort()).toEqual([
            "paperless",
            "paperless-gotenberg",
            "paperless-redis",
            "paperless-tika",
        ]);
    });

    test("from the one to the other: the directory becomes the repository's first snapshot", async () => {
        const [from, to] = [await sonarr("homelab"), await sonarr("chongus")];
        const steps = checklist({
            app: "sonarr",
            from,
            to: { ...to, declared: false },
            seen: { from: nothing, to: nothing },
        });
        const copy = steps.find(({ title }) => title.includes("where chongus looks"))?.fix.join("\n") ?? "";
        expect(copy).toMatch(
            /on homelab, .*\n  podman run .* -v \/var\/data\/configs\/sonarr:\/data:ro -w \/data docker\.io\/restic\/restic:[\d.]+ init\n.* backup --host volsync \./,
        );
    });

    test("and back: the snapshot becomes the directory, which only a person can judge", async () => {
        const [from, to] = [await sonarr("chongus"), await sonarr("homelab")];
        const steps = checklist({ app: "sonarr", from, to, seen: { from: nothing, to: nothing } });
        const unseen = steps.filter(({ verdict }) => verdict === "unseen").map(({ title }) => title);
        expect(unseen).toEqual([
            "the data of sonarr is where homelab looks for it",
            "the data of sonarr is restored on homelab",
        ]);
    });
});

test("objects are read one by one, and only read", async () => {
    const answers: Record<string, object> = {
        "/apis/apps/v1/namespaces/productivity/deployments/paperless": {
            metadata: { generation: 4 },
            spec: { replicas: 0 },
            status: {},
        },
        "/apis/volsync.backube/v1alpha1/namespaces/productivity/replicationsources/paperless-minio": {
            status: {
                lastManualSync: "move-to-chongus-4",
                lastSyncTime: "2026-03-01T10:01:00Z",
                lastSyncDuration: "1m30.5s",
                latestMoverStatus: { result: "Successful", logs: "snapshot 1 saved" },
            },
        },
        [ROUTE]: { status: { parents: [{ conditions: [{ type: "Accepted", status: "True" }] }] } },
        "/apis/external-secrets.io/v1/namespaces/productivity/externalsecrets/paperless": {
            status: { conditions: [{ type: "Ready", status: "True" }] },
        },
        "/apis/helm.toolkit.fluxcd.io/v2/namespaces/productivity/helmreleases/paperless": {
            spec: { chart: { spec: { sourceRef: { kind: "HelmRepository", name: "bjw-s" } } } },
        },
        "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/paperless": {
            spec: {
                postBuild: {
                    substituteFrom: [
                        { kind: "ConfigMap", name: "cluster-settings" },
                        { kind: "Secret", name: "cluster-secrets" },
                    ],
                },
            },
        },
    };
    const one = (path: string) =>
        Promise.resolve(
            answers[path] === undefined
                ? ({ ok: false, status: 404, reason: "404" } as const)
                : ({ ok: true, value: answers[path] as Record<string, unknown> } as const),
        );
    expect(await observe({ one }, sideAt("bitty"))).toEqual({
        workloads: { paperless: STOPPED },
        sources: {
            "paperless-b2": null,
            "paperless-minio": {
                manual: "move-to-chongus-4",
                finished: "2026-03-01T10:01:00Z",
                seconds: 90.5,
                successful: true,
                logs: "snapshot 1 saved",
            },
        },
        destinations: { "paperless-dst": null },
        routes: { [ROUTE]: true },
        secrets: { paperless: true },
        tree: {
            "/apis/networking.k8s.io/v1/namespaces/productivity/ingresses/paperless": null,
            "/apis/helm.toolkit.fluxcd.io/v2/namespaces/productivity/helmreleases/paperless": {
                helmRepository: "bjw-s",
            },
            "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/paperless": {
                substitutes: ["cluster-secrets"],
            },
            "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/productivity/kustomizations/paperless": null,
        },
    });
    await expect(
        observe({ one: () => Promise.resolve({ ok: false, status: 403, reason: "403, forbidden" }) }, sideAt("bitty")),
    ).rejects.toThrow(/deployments\/paperless: 403, forbidden/);
});
