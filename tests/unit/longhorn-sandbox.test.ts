/** The sandbox's Longhorn: never kinder than the real one. */
import { type Action, collections, type Controller, type View } from "../../sandbox/controllers/controller";
import {
    longhorn,
    longhornNodes,
    longhornReplicas,
    longhornSettings,
    longhornVolumes,
} from "../../sandbox/operators/longhorn/controller";
import { bytesOf, longhornClaims } from "../../sandbox/operators/longhorn/volumes";

const T0 = Date.parse("2026-01-01T00:00:00Z");
const GIB = 2 ** 30;
const DAEMON_SETS = "/apis/apps/v1/daemonsets";
const ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments";

type Lists = Record<string, readonly object[]>;
const run = async (controller: Controller, lists: Lists): Promise<readonly Action[]> =>
    controller.reconcile({
        now: T0,
        list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
        get: () => Promise.resolve(undefined),
    } satisfies View);
const told = (actions: readonly Action[]) => actions.map(({ verb, path }) => `${verb} ${path}`);
const bodies = (actions: readonly Action[], path: RegExp) =>
    actions.flatMap((action) => (path.test(action.path) && "body" in action ? [action.body] : []));

const NS = "longhorn-system";
const READY = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
const pod = (app: string, nodeName: string) => ({
    metadata: { name: `${app}-${nodeName}`, namespace: NS, labels: { app } },
    spec: { nodeName, containers: [] },
    status: READY,
});
const deployment = (name: string) => ({
    metadata: { name, namespace: NS, generation: 1 },
    spec: { replicas: 1, template: {} },
    status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
});
const setting = (name: string, value: string) => ({ metadata: { name, namespace: NS }, value });

/** A disk as the program gives it, and as Longhorn has taken it up. */
const disk = (path: string, tag: string) => ({ path, allowScheduling: true, evictionRequested: false, tags: [tag] });
const taken = (uuid: string, gib: number, more: object = {}) => ({
    diskUUID: uuid,
    storageMaximum: gib * GIB,
    conditions: [
        { type: "Ready", status: "True" },
        { type: "Schedulable", status: "True" },
    ],
    ...more,
});
const node = (name: string, disks: Record<string, object>, diskStatus: Record<string, object>, tags: string[]) => ({
    metadata: { name, namespace: NS },
    spec: { name, allowScheduling: true, tags, disks },
    status: { diskStatus },
});
const replica = (volumeName: string, nodeID: string, diskID: string, gib: number) => ({
    metadata: { name: `${volumeName}-r-0`, namespace: NS },
    spec: { volumeName, volumeSize: String(gib * GIB), nodeID, diskID },
});

/** Two machines, of which the second has an Optane. */
const cluster = (more: Lists = {}): Lists => ({
    [DAEMON_SETS]: [{ metadata: { name: "longhorn-manager", namespace: NS } }],
    [collections.pods]: [pod("longhorn-manager", "n1"), pod("longhorn-manager", "n2")],
    [collections.nodes]: [{ metadata: { name: "n1" } }, { metadata: { name: "n2" } }],
    [collections.deployments]: ["csi-provisioner", "csi-resizer", "csi-attacher"].map(deployment),
    [longhornSettings]: [setting("allow-empty-disk-selector-volume", "false")],
    [longhornNodes]: [
        node("n1", { a: disk("/mnt/a", "standard") }, { a: taken("u1", 100) }, ["standard"]),
        node(
            "n2",
            { a: disk("/mnt/a", "standard"), o: disk("/mnt/o", "optane") },
            { a: taken("u2", 100), o: taken("u3", 100) },
            ["optane", "standard"],
        ),
    ],
    [collections.storageClasses]: [
        storageClass("longhorn", { numberOfReplicas: "2", diskSelector: "standard", nodeSelector: "standard" }),
        storageClass("longhorn-optane", { numberOfReplicas: "1", diskSelector: "optane", nodeSelector: "optane" }),
        storageClass("longhorn-nvme", { numberOfReplicas: "1", diskSelector: "nvme" }),
        storageClass("twice", { numberOfReplicas: "2", diskSelector: "optane" }),
        storageClass("any", { numberOfReplicas: "1" }),
    ],
    ...more,
});
const storageClass = (name: string, parameters: Record<string, string>) => ({
    metadata: { name },
    provisioner: "driver.longhorn.io",
    reclaimPolicy: "Delete",
    allowVolumeExpansion: true,
    parameters,
});
const claim = (storageClassName: string, size: string, more: { spec?: object; status?: object } = {}) => ({
    metadata: {
        name: "config",
        namespace: "media",
        uid: "1",
        annotations: { "volume.kubernetes.io/storage-provisioner": "driver.longhorn.io" },
    },
    spec: {
        storageClassName,
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: size } },
        ...more.spec,
    },
    status: { phase: "Pending", ...more.status },
});

test("sizes are read as Kubernetes writes them", () => {
    expect(["5Gi", "1500M", "1073741824"].map(bytesOf)).toEqual([5 * GIB, 1.5e9, GIB]);
});

describe("a claim", () => {
    const provision = async (storageClassName: string, size: string, more: Lists = {}) => {
        const actions = await run(
            longhornClaims,
            cluster({ [collections.claims]: [claim(storageClassName, size)], ...more }),
        );
        return {
            actions: told(actions).filter((line) => line.startsWith("create")),
            replicas: bodies(actions, /replicas$/).map(
                (body) => (body as { spec: { nodeID: string; diskID: string } }).spec,
            ),
            events: bodies(actions, /events$/).map((body) => (body as { message: string }).message),
        };
    };

    test("that a volume waits for by name, or that selects one, gets none of the driver's", async () => {
        const asked = claim("longhorn-nvme", "1Gi");
        const unmarked = { ...asked, metadata: { ...asked.metadata, annotations: {} } };
        const selecting = claim("longhorn-nvme", "1Gi", { spec: { selector: { matchLabels: { a: "b" } } } });
        for (const one of [unmarked, selecting]) {
            const { actions } = await provision("longhorn-nvme", "1Gi", { [collections.claims]: [one] });
            expect(actions).toEqual([]);
        }
        expect((await provision("longhorn-nvme", "1Gi")).actions).not.toEqual([]);
    });

    test("gets a volume whose replicas are on disks of its tag, each on another machine", async () => {
        const { actions, replicas } = await provision("longhorn", "5Gi");
        expect(actions).toEqual([
            `create /apis/longhorn.io/v1beta2/namespaces/${NS}/volumes`,
            `create /apis/longhorn.io/v1beta2/namespaces/${NS}/replicas`,
            `create /apis/longhorn.io/v1beta2/namespaces/${NS}/replicas`,
            "create /api/v1/persistentvolumes",
        ]);
        expect(replicas.map(({ nodeID, diskID }) => [nodeID, diskID])).toEqual([
            ["n1", "u1"],
            ["n2", "u2"],
        ]);
        expect((await provision("longhorn-optane", "5Gi")).replicas).toMatchObject([{ nodeID: "n2", diskID: "u3" }]);
    });

    test.each([
        ["longhorn-nvme", "5Gi", "a tag that no disk has", {}],
        ["twice", "5Gi", "two replicas on one machine", {}],
        ["longhorn-optane", "101Gi", "more than a disk has", {}],
        [
            "longhorn-optane",
            "50Gi",
            "what others have left",
            { [longhornReplicas]: [replica("other", "n2", "u3", 60)] },
        ],
        ["any", "5Gi", "any disk, which the settings forbid", {}],
    ] as const)("of %s with %s is refused: %s", async (storageClassName, size, _why, more) => {
        const { actions, events } = await provision(storageClassName, size, more);
        expect(actions).toEqual(["create /api/v1/namespaces/media/events"]);
        expect(events[0]).toContain("replicas can be scheduled");
    });

    test("waits while the driver, or the manager, is not there", async () => {
        expect((await provision("longhorn", "5Gi", { [collections.deployments]: [] })).actions).toEqual([]);
        expect((await provision("longhorn", "5Gi", { [collections.pods]: [] })).actions).toEqual([]);
    });

    test("grows where its replicas are, and not beyond their disks", async () => {
        const grown = async (size: string) => {
            const lists = cluster({
                [collections.claims]: [claim("longhorn-optane", size, { spec: { volumeName: "pvc-1" } })],
                [collections.volumes]: [
                    {
                        metadata: { name: "pvc-1" },
                        spec: {
                            capacity: { storage: "50Gi" },
                            csi: { driver: "driver.longhorn.io", volumeHandle: "pvc-1" },
                        },
                    },
                ],
                [longhornVolumes]: [
                    {
                        metadata: { name: "pvc-1", namespace: NS },
                        spec: {
                            size: String(50 * GIB),
                            numberOfReplicas: 1,
                            diskSelector: ["optane"],
                            nodeSelector: ["optane"],
                        },
                    },
                ],
                [longhornReplicas]: [replica("pvc-1", "n2", "u3", 50), replica("other", "n2", "u3", 20)],
            });
            return run(longhornClaims, lists);
        };
        expect(bodies(await grown("60Gi"), /persistentvolumes\/pvc-1$/)).toEqual([
            { spec: { capacity: { storage: "60Gi" } } },
        ]);
        const refused = await grown("90Gi");
        expect(bodies(refused, /events$/)).toMatchObject([{ reason: "VolumeResizeFailed" }]);
        expect(bodies(refused, /persistentvolumes\/pvc-1$/)).toEqual([]);
    });

    test("leaves its volume only when that is attached nowhere, then Longhorn's goes, then the object", async () => {
        const released = {
            metadata: { name: "pvc-1", annotations: { "pv.kubernetes.io/provisioned-by": "driver.longhorn.io" } },
            spec: {
                persistentVolumeReclaimPolicy: "Delete",
                csi: { driver: "driver.longhorn.io", volumeHandle: "pvc-1" },
            },
            status: { phase: "Released" },
        };
        const volume = { metadata: { name: "pvc-1", namespace: NS, finalizers: ["longhorn.io"] }, spec: { size: "1" } };
        const attachment = {
            metadata: { name: "csi-1" },
            spec: { attacher: "driver.longhorn.io", nodeName: "n1", source: { persistentVolumeName: "pvc-1" } },
        };
        const deletes = async (more: Lists) =>
            told(await run(longhornClaims, cluster({ [collections.volumes]: [released], ...more }))).filter((line) =>
                line.startsWith("delete"),
            );
        expect(await deletes({ [longhornVolumes]: [volume], [ATTACHMENTS]: [attachment] })).toEqual([]);
        expect(await deletes({ [longhornVolumes]: [volume] })).toEqual([
            `delete /apis/longhorn.io/v1beta2/namespaces/${NS}/volumes/pvc-1`,
        ]);
        expect(await deletes({})).toEqual(["delete /api/v1/persistentvolumes/pvc-1"]);
    });
});

describe("disks", () => {
    const looker = (disks: string, nodeName = "n1") => ({
        metadata: {
            name: "longhorn-disks-n1-x",
            namespace: NS,
            labels: { "app.kubernetes.io/name": "longhorn-disks" },
        },
        spec: { nodeName, containers: [{ name: "look", image: "busybox", env: [{ name: "DISKS", value: disks }] }] },
        status: { phase: "Running" },
    });
    const answer = async (controller: Controller, disks: string) => {
        const [body] = bodies(await run(controller, { [collections.pods]: [looker(disks)] }), /status$/);
        return (body as { status: { containerStatuses: { state: { terminated: { message: string } } }[] } }).status
            .containerStatuses[0]?.state.terminated.message;
    };
    const statusOf = (actions: readonly Action[], name: string) =>
        (
            bodies(actions, new RegExp(`/${name}/status$`))[0] as
                { status: { diskStatus: Record<string, object> } } | undefined
        )?.status.diskStatus;

    test("are as the configuration says, and taken up with their tags; nothing is taken that nobody gave", async () => {
        const controller = longhorn();
        expect(await answer(controller, `/mnt/a ${50 * GIB}`)).toBe("ok");
        const fresh = await run(controller, {
            ...cluster({ [longhornSettings]: [setting("create-default-disk-labeled-nodes", "true")] }),
            [longhornNodes]: [],
        });
        expect(bodies(fresh, /v1beta2\/namespaces\/longhorn-system\/nodes$/)).toMatchObject([
            { metadata: { name: "n1" }, spec: { disks: {} } },
            { metadata: { name: "n2" }, spec: { disks: {} } },
        ]);
        // Upstream's default takes the root disk.
        const byDefault = await run(controller, { ...cluster({ [longhornSettings]: [] }), [longhornNodes]: [] });
        expect(bodies(byDefault, /longhorn-system\/nodes$/)).toMatchObject([
            { spec: { disks: { "default-disk": { path: "/var/lib/longhorn/" } } } },
            {},
        ]);
        const given = await run(controller, {
            ...cluster(),
            [longhornNodes]: [node("n1", { a: disk("/mnt/a", "standard") }, {}, ["standard"])],
        });
        expect(statusOf(given, "n1")?.["a"]).toMatchObject({
            storageMaximum: 50 * GIB,
            storageScheduled: 0,
            conditions: [{ type: "Ready", status: "True" }, { type: "Schedulable" }],
        });
    });

    test("a node without a manager is not ready", async () => {
        const actions = await run(longhorn(), cluster({ [collections.pods]: [pod("longhorn-manager", "n1")] }));
        const conditions = (name: string) =>
            bodies(actions, new RegExp(`/${name}/status$`)).map(
                (body) => (body as { status: { conditions: { status: string }[] } }).status.conditions[0]?.status,
            );
        expect([conditions("n1"), conditions("n2")]).toEqual([["True"], ["False"]]);
    });

    test("two paths on one file system, here the root's, are one disk", async () => {
        const given = await run(longhorn(), {
            ...cluster(),
            [longhornNodes]: [node("n1", { a: disk("/mnt/a", "x"), b: disk("/mnt/b", "x") }, {}, ["x"])],
        });
        expect(statusOf(given, "n1")).toMatchObject({
            a: { conditions: [{ status: "True" }, { status: "True" }] },
            b: { storageMaximum: 0, conditions: [{ type: "Ready", status: "False" }, { status: "False" }] },
        });
    });

    test("a disk that must be emptied gives its replicas to others of its tag, if there are any", async () => {
        const leaving = { ...disk("/mnt/o", "optane"), allowScheduling: false, evictionRequested: true };
        const volume = {
            metadata: { name: "v", namespace: NS },
            spec: { size: String(10 * GIB), numberOfReplicas: 1, diskSelector: ["optane"] },
        };
        const moved = async (others: Record<string, object>, status: Record<string, object>) =>
            bodies(
                await run(
                    longhorn(),
                    cluster({
                        [longhornNodes]: [
                            node("n2", { o: leaving, ...others }, { o: taken("u3", 100), ...status }, ["optane"]),
                        ],
                        [longhornVolumes]: [volume],
                        [longhornReplicas]: [replica("v", "n2", "u3", 10)],
                    }),
                ),
                /replicas\/v-r-0$/,
            );
        expect(await moved({}, {})).toEqual([]);
        expect(await moved({ p: disk("/mnt/p", "optane") }, { p: taken("u4", 100) })).toMatchObject([
            { spec: { diskID: "u4", nodeID: "n2" } },
        ]);
    });
});

describe("the uninstaller", () => {
    const job = {
        metadata: {
            name: "longhorn-uninstall-x",
            namespace: NS,
            labels: { "batch.kubernetes.io/job-name": "longhorn-uninstall" },
        },
        spec: { nodeName: "n1", containers: [{ name: "longhorn-uninstall", image: "m" }] },
        status: { phase: "Running" },
    };
    const withJob = (more: Lists) => {
        const lists = cluster(more);
        return { ...lists, [collections.pods]: [...(lists[collections.pods] ?? []), job] };
    };

    test("fails without the confirmation", async () => {
        const actions = await run(
            longhorn(),
            withJob({ [longhornSettings]: [setting("deleting-confirmation-flag", "false")] }),
        );
        expect(bodies(actions, /pods\/longhorn-uninstall-x\/status$/)).toMatchObject([{ status: { phase: "Failed" } }]);
        expect(told(actions).filter((line) => line.startsWith("delete"))).toEqual([]);
    });

    test("empties Longhorn, then takes manager, driver and webhooks, then ends", async () => {
        const confirmed = { [longhornSettings]: [setting("deleting-confirmation-flag", "true")] };
        const deletes = async (more: Lists) =>
            told(await run(longhorn(), withJob({ ...confirmed, ...more }))).filter((line) => line.startsWith("delete"));
        expect(await deletes({ [longhornVolumes]: [{ metadata: { name: "v", namespace: NS }, spec: {} }] })).toEqual([
            `delete /apis/longhorn.io/v1beta2/namespaces/${NS}/volumes/v`,
        ]);
        expect(await deletes({})).toEqual(
            ["n1", "n2"].map((name) => `delete /apis/longhorn.io/v1beta2/namespaces/${NS}/nodes/${name}`),
        );
        const last = await deletes({ [longhornNodes]: [] });
        expect(last).toContain(`delete /apis/apps/v1/namespaces/${NS}/daemonsets/longhorn-manager`);
        const end = await run(
            longhorn(),
            withJob({
                ...confirmed,
                ...{
                    [longhornNodes]: [],
                    [DAEMON_SETS]: [],
                    [collections.deployments]: [],
                    [collections.storageClasses]: [],
                },
            }),
        );
        expect(bodies(end, /pods\/longhorn-uninstall-x\/status$/)).toMatchObject([{ status: { phase: "Succeeded" } }]);
    });
});
