import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cephVolumes, destinations, snapshotClasses, snapshots } from "../../sandbox/operators/rook/volumes";
import { certManager } from "../../sandbox/operators/cert-manager/controller";
import { cloudNativePg } from "../../sandbox/operators/cloudnative-pg/controller";
import { type Action, collections, type Controller, resources, type View } from "../../sandbox/controllers/controller";
import { conditionsNow, shows } from "../../sandbox/controllers/custom-resources";
import { contents, externalSecretsOperator } from "../../sandbox/operators/external-secrets/controller";
import { flux } from "../../sandbox/operators/flux/controller";
import {
    cephBlockPools,
    cephClusters,
    cephFilesystems,
    rook,
    subVolumeGroups,
} from "../../sandbox/operators/rook/controller";
import { volSync } from "../../sandbox/operators/volsync/controller";

const T0 = Date.parse("2026-01-01T00:00:00Z");

function viewOf(lists: Record<string, readonly object[]>, objects: Record<string, object> = {}): View {
    return {
        now: T0,
        list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
        get: <T>(path: string) => Promise.resolve(objects[path] as T | undefined),
    };
}

/** Actions as `verb path`. */
const told = (actions: readonly Action[]) => actions.map(({ verb, path }) => `${verb} ${path}`);
const bodyAt = (actions: readonly Action[], path: string) => {
    const found = actions.find((action) => action.path === path);
    return found !== undefined && "body" in found ? found.body : undefined;
};
const run = async (controller: Controller, lists: Record<string, readonly object[]>) =>
    controller.reconcile(viewOf(lists));

const deployment = (name: string, labels: Record<string, string> = {}, namespace = "system") => ({
    metadata: { name, namespace, generation: 1, labels },
    spec: { replicas: 1, template: {} },
    status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
});
const named = (name: string) => deployment(name, { "app.kubernetes.io/name": name });
const secret = (namespace: string, name: string, data: Record<string, string>) => ({
    metadata: { name, namespace },
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")])),
});
const ready = (status = "True", type = "Ready") => ({ conditions: [{ type, status }] });

describe("what operators share", () => {
    test("a condition's time moves with its status only; a kind that knows no generation is not told one again", () => {
        const old = { type: "Ready", status: "True", reason: "Old", lastTransitionTime: "2025-01-01T00:00:00Z" };
        const now = { type: "Ready", status: "True", reason: "New", message: "" };
        expect(conditionsNow([old], [now], 3, T0)).toEqual([{ ...now, lastTransitionTime: old.lastTransitionTime }]);
        expect(conditionsNow([], [now], 3, T0)).toEqual([
            { ...now, observedGeneration: 3, lastTransitionTime: "2026-01-01T00:00:00Z" },
        ]);
    });

    test("an object shows what is wanted when nothing of it differs", () => {
        expect(shows({ a: [{ b: 1, c: 2 }] }, { a: [{ b: 1 }] })).toBe(true);
        expect(shows({ a: [{ b: 1 }, {}] }, { a: [{ b: 1 }] })).toBe(false);
        expect(shows({}, { a: null })).toBe(true);
        expect(shows({}, { a: "" })).toBe(false);
    });
});

describe("cert-manager", () => {
    const operator = deployment(
        "cert-manager",
        { "app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller" },
        "cert-manager",
    );
    const issuer = (status?: object) => ({
        metadata: { name: "letsencrypt", generation: 1 },
        spec: {
            acme: {
                server: "https://acme.example/directory",
                email: "a@example.org",
                privateKeySecretRef: { name: "account" },
                solvers: [{ dns01: { cloudflare: { apiTokenSecretRef: { name: "dns", key: "token" } } } }],
            },
        },
        ...(status !== undefined && { status }),
    });
    const certificate = {
        metadata: { name: "home", namespace: "network", generation: 1 },
        spec: {
            secretName: "home-tls",
            issuerRef: { kind: "ClusterIssuer", name: "letsencrypt" },
            dnsNames: ["example.org", "*.example.org"],
        },
    };
    const lists = (status: object | undefined, secrets: object[]) => ({
        [collections.deployments]: [operator],
        [collections.secrets]: secrets,
        [resources("cert-manager.io", "v1", "clusterissuers")]: [issuer(status)],
        [resources("cert-manager.io", "v1", "certificates")]: [certificate],
    });
    const account = secret("cert-manager", "account", { "tls.key": "x" });
    const status = "/apis/cert-manager.io/v1/namespaces/network/certificates/home/status";

    test("an ACME issuer gets its account's key and is ready", async () => {
        const actions = await run(certManager, lists(undefined, []));
        expect(told(actions)).toContain("create /api/v1/namespaces/cert-manager/secrets");
        expect(bodyAt(actions, "/apis/cert-manager.io/v1/clusterissuers/letsencrypt/status")).toMatchObject({
            status: { conditions: [{ type: "Ready", status: "True", reason: "ACMEAccountRegistered" }] },
        });
        expect(bodyAt(actions, status)).toMatchObject({ status: ready("False") });
    });

    test("a certificate waits for the token of its solver, then its Secret is there", async () => {
        expect(bodyAt(await run(certManager, lists(ready(), [account])), status)).toMatchObject({
            status: { conditions: [{ status: "False", message: expect.stringContaining("dns has no key token") }] },
        });
        const token = secret("cert-manager", "dns", { token: "t" });
        const actions = await run(certManager, lists(ready(), [account, token]));
        expect(bodyAt(actions, "/api/v1/namespaces/network/secrets")).toMatchObject({
            type: "kubernetes.io/tls",
            metadata: { name: "home-tls", annotations: { "cert-manager.io/alt-names": "example.org,*.example.org" } },
            stringData: { "tls.crt": expect.stringContaining("BEGIN CERTIFICATE") },
        });
        expect(bodyAt(actions, status)).toMatchObject({
            status: { ...ready(), notAfter: "2026-04-01T00:00:00Z", revision: 1 },
        });
    });

    test("for another issuer it is signed anew, and its day begins then", async () => {
        const token = secret("cert-manager", "dns", { token: "t" });
        const by = (name: string) => {
            const own = secret("network", "home-tls", { "tls.crt": "old" });
            return { ...own, metadata: { ...own.metadata, annotations: { "cert-manager.io/issuer-name": name } } };
        };
        const old = { ...certificate, status: { ...ready(), notBefore: "2025-01-01T00:00:00Z" } };
        const pass = (name: string) =>
            run(certManager, {
                ...lists(ready(), [account, token, by(name)]),
                [resources("cert-manager.io", "v1", "certificates")]: [old],
            });
        const actions = await pass("another");
        expect(told(actions)).toContain("delete /api/v1/namespaces/network/secrets/home-tls");
        expect(bodyAt(actions, "/api/v1/namespaces/network/secrets")).toMatchObject({
            metadata: { annotations: { "cert-manager.io/issuer-name": "letsencrypt" } },
        });
        expect(bodyAt(actions, status)).toMatchObject({ status: { notBefore: "2026-01-01T00:00:00Z" } });
        expect(told(await pass("letsencrypt"))).not.toContain("delete /api/v1/namespaces/network/secrets/home-tls");
    });

    test("nothing happens without the operator", async () => {
        expect(await run(certManager, { ...lists(ready(), []), [collections.deployments]: [] })).toEqual([]);
    });
});

describe("External Secrets", () => {
    const stores = resources("external-secrets.io", "v1", "clustersecretstores");
    const list = resources("external-secrets.io", "v1", "externalsecrets");
    const store = (status?: object) => ({
        metadata: { name: "doppler" },
        spec: {
            provider: {
                doppler: { auth: { secretRef: { dopplerToken: { name: "t", key: "k", namespace: "es" } } } },
            },
        },
        ...(status !== undefined && { status }),
    });
    const one = {
        metadata: { name: "app", namespace: "media", uid: "u1", generation: 1 },
        spec: {
            secretStoreRef: { kind: "ClusterSecretStore", name: "doppler" },
            target: { template: { type: "Opaque", data: { URL: "s3:{{ .BUCKET }}/x", KEY: "{{ .API_KEY }}" } } },
            data: [{ secretKey: "API_KEY", remoteRef: { key: "API_KEY" } }],
        },
    };
    const lists = (status: object | undefined, secrets: object[]) => ({
        [collections.deployments]: [named("external-secrets")],
        [collections.secrets]: secrets,
        [stores]: [store(status)],
        [list]: [one],
    });

    test("a store is ready once its credentials are there", async () => {
        const path = `${stores}/doppler/status`;
        expect(bodyAt(await run(externalSecretsOperator(), lists(undefined, [])), path)).toMatchObject({
            status: { conditions: [{ status: "False", reason: "InvalidProviderConfig" }] },
        });
        const token = secret("es", "t", { k: "dp.st.x" });
        expect(bodyAt(await run(externalSecretsOperator(), lists(undefined, [token])), path)).toMatchObject({
            status: { conditions: [{ status: "True", reason: "Valid" }] },
        });
    });

    test("a secret has the template's keys, belongs to the ExternalSecret, and is the same the next time", async () => {
        const token = secret("es", "t", { k: "dp.st.x" });
        const actions = await run(externalSecretsOperator(), lists(ready(), [token]));
        const made = bodyAt(actions, "/api/v1/namespaces/media/secrets/app");
        expect(made).toMatchObject({
            type: "Opaque",
            metadata: { ownerReferences: [{ kind: "ExternalSecret", name: "app", uid: "u1" }] },
            data: { URL: Buffer.from("s3:sandbox-bucket/x").toString("base64") },
        });
        const again = await run(externalSecretsOperator(), lists(ready(), [token, made ?? {}]));
        expect(told(again)).not.toContain("apply /api/v1/namespaces/media/secrets/app");
    });

    test("while the store is not ready there is no secret", async () => {
        const actions = await run(externalSecretsOperator(), lists(undefined, []));
        expect(told(actions).filter((line) => line.startsWith("apply"))).toEqual([]);
    });

    test("dataFrom gives a key of that name; a template that merges keeps what was fetched", () => {
        expect(contents({ dataFrom: [{ extract: { key: "ALL" } }] })).toEqual({ ALL: "sandbox-all" });
        expect(
            contents({
                data: [{ secretKey: "a", remoteRef: { key: "A_KEY" } }],
                target: { template: { mergePolicy: "Merge", data: { b: "{{ .a }}!" } } },
            }),
        ).toEqual({ a: "sandbox-a-key", b: "sandbox-a-key!" });
    });
});

const ceph = (more: object = {}, status: object | undefined = { phase: "Ready" }) => ({
    metadata: { name: "rook-ceph", namespace: "rook-ceph", generation: 1, finalizers: ["cephcluster.ceph.rook.io"] },
    spec: {
        storage: {
            nodes: [
                { name: "n1", devices: [{}, {}] },
                { name: "n9", devices: [{}] },
            ],
        },
    },
    ...(status !== undefined && { status }),
    ...more,
});
const pool = (more: object = {}) => ({
    metadata: { name: "pool", namespace: "rook-ceph", generation: 1 },
    spec: {},
    ...more,
});
const rbd = {
    metadata: { name: "ceph-block" },
    provisioner: "rook-ceph.rbd.csi.ceph.com",
    reclaimPolicy: "Delete",
    parameters: { clusterID: "rook-ceph", pool: "pool" },
};
const image = {
    metadata: { name: "pvc-u1" },
    spec: { csi: { driver: rbd.provisioner, volumeAttributes: { clusterID: "rook-ceph", pool: "pool" } } },
};

describe("Rook", () => {
    const rookLists = (lists: Record<string, readonly object[]>) => ({
        [collections.deployments]: [deployment("rook-ceph-operator")],
        [collections.nodes]: [{ metadata: { name: "n1" } }],
        [collections.services]: [
            { metadata: { name: "rook-ceph-mon-a", namespace: "rook-ceph" }, spec: { clusterIP: "10.96.0.7" } },
        ],
        ...lists,
    });
    const leaving = { deletionTimestamp: "2026-01-01T00:00:00Z" };
    const cluster = "/apis/ceph.rook.io/v1/namespaces/rook-ceph/cephclusters/rook-ceph";

    test("a cluster is healthy with the disks of the nodes that are there, and holds what protects it", async () => {
        const fresh = ceph({ metadata: { name: "rook-ceph", namespace: "rook-ceph", uid: "c" } }, undefined);
        const actions = await run(rook(), rookLists({ [cephClusters]: [fresh] }));
        expect(bodyAt(actions, `${cluster}/status`)).toMatchObject({
            status: {
                phase: "Ready",
                ceph: { health: "HEALTH_OK" },
                storage: { osd: { storeType: { bluestore: 2 } } },
            },
        });
        expect(bodyAt(actions, cluster)).toEqual({ metadata: { finalizers: ["cephcluster.ceph.rook.io"] } });
        expect(bodyAt(actions, "/api/v1/namespaces/rook-ceph/secrets")).toMatchObject({
            metadata: { name: "rook-ceph-mon", finalizers: ["ceph.rook.io/disaster-protection"] },
        });
    });

    describe("on machines that had a Ceph before", () => {
        const monitors = (fsid: string, more: Record<string, readonly object[]> = {}) =>
            rookLists({
                [cephClusters]: [
                    ceph({ metadata: { name: "rook-ceph", namespace: "rook-ceph", uid: fsid } }, undefined),
                ],
                ...more,
            });
        const at = (address: string) => ({
            [collections.services]: [
                { metadata: { name: "rook-ceph-mon-a", namespace: "rook-ceph" }, spec: { clusterIP: address } },
            ],
        });
        const mon = secret("rook-ceph", "rook-ceph-mon", { fsid: "one", "mon-secret": "k1" });
        const known = { [collections.secrets]: [mon] };
        const phase = async (controller: Controller, lists: Record<string, readonly object[]>) =>
            bodyAt(await run(controller, lists), `${cluster}/status`);
        const ready = { status: { phase: "Ready", storage: { osd: { storeType: { bluestore: 2 } } } } };
        const waits = { status: { phase: "Progressing", message: expect.stringContaining("mon quorum") } };

        test("another cluster's monitors do not start, the same one's do, at their old addresses", async () => {
            const controller = rook();
            expect(await phase(controller, monitors("one", known))).toMatchObject(ready);
            expect(await phase(controller, monitors("two"))).toMatchObject(waits);
            expect(await phase(controller, monitors("two", { ...known, ...at("10.96.0.8") }))).toMatchObject(waits);
            expect(await phase(controller, monitors("two", known))).toMatchObject(ready);
        });

        test("another cluster's disks are passed over, unless they may be wiped", async () => {
            const controller = rook();
            await phase(controller, monitors("one"));
            const empty = {
                metadata: { name: "p", namespace: "rook-ceph", labels: { "app.kubernetes.io/name": "ceph-remains" } },
                spec: {
                    nodeName: "n1",
                    containers: [{ name: "look", image: "i", env: [{ name: "EMPTY", value: "yes" }] }],
                },
                status: { phase: "Running" },
            };
            const answer = await run(controller, { [collections.pods]: [empty] });
            expect(JSON.stringify(answer)).toContain('"message":"none"');
            expect(await phase(controller, monitors("two"))).toMatchObject({
                status: { phase: "Ready", storage: { osd: { storeType: { bluestore: 0 } } } },
            });
            const cleanupPolicy = { wipeDevicesFromOtherClusters: true };
            const wiping = ceph(
                {
                    metadata: { name: "rook-ceph", namespace: "rook-ceph", uid: "two" },
                    spec: { ...ceph().spec, cleanupPolicy },
                },
                undefined,
            );
            expect(await phase(controller, monitors("two", { [cephClusters]: [wiping] }))).toMatchObject(ready);
        });

        test("a pod that looks says whether monitors are left", async () => {
            const controller = rook();
            const look = {
                metadata: { name: "p", namespace: "rook-ceph", labels: { "app.kubernetes.io/name": "ceph-remains" } },
                spec: {
                    nodeName: "n1",
                    containers: [{ name: "look", image: "i", env: [{ name: "EMPTY", value: "no" }] }],
                },
                status: { phase: "Running" },
            };
            const said = async () => JSON.stringify(await run(controller, { [collections.pods]: [look] }));
            expect(await said()).toContain('"message":"none"');
            await phase(controller, monitors("one"));
            expect(await said()).toContain('"message":"old"');
        });
    });

    test("a pool is ready once the cluster is", async () => {
        const path = "/apis/ceph.rook.io/v1/namespaces/rook-ceph/cephblockpools/pool/status";
        const lists = (status: object) => rookLists({ [cephClusters]: [ceph({}, status)], [cephBlockPools]: [pool()] });
        expect(bodyAt(await run(rook(), lists({ phase: "Progressing" })), path)).toBeUndefined();
        expect(bodyAt(await run(rook(), lists({ phase: "Ready" })), path)).toMatchObject({
            status: { phase: "Ready" },
        });
    });

    test("neither a pool with images nor a cluster with a pool goes", async () => {
        const gone = { ...ceph(), metadata: { ...ceph().metadata, ...leaving } };
        const finalizers = ["cephblockpool.ceph.rook.io"];
        const goingPool = pool({ metadata: { ...pool().metadata, ...leaving, finalizers } });
        const poolPath = "/apis/ceph.rook.io/v1/namespaces/rook-ceph/cephblockpools/pool";
        const held = await run(
            rook(),
            rookLists({
                [cephClusters]: [gone],
                [cephBlockPools]: [goingPool],
                [collections.volumes]: [image],
            }),
        );
        expect(bodyAt(held, `${poolPath}/status`)).toMatchObject({ status: ready("True", "DeletionIsBlocked") });
        expect(bodyAt(held, `${cluster}/status`)).toMatchObject({ status: ready("True", "DeletionIsBlocked") });
        expect(bodyAt(held, cluster)).toBeUndefined();
        const freed = await run(rook(), rookLists({ [cephClusters]: [gone], [cephBlockPools]: [goingPool] }));
        expect(bodyAt(freed, poolPath)).toEqual({ metadata: { finalizers: [] } });
        expect(bodyAt(await run(rook(), rookLists({ [cephClusters]: [gone] })), cluster)).toEqual({
            metadata: { finalizers: [] },
        });
        expect(await run(rook(), { [cephClusters]: [gone] })).toEqual([]);
    });

    describe("a file system", () => {
        const fs = (more: object = {}) => ({
            metadata: { name: "fs", namespace: "rook-ceph", uid: "f", generation: 1, finalizers: [finalizer] },
            spec: { metadataServer: { activeCount: 1, activeStandby: true } },
            ...more,
        });
        const finalizer = "cephfilesystem.ceph.rook.io";
        const groupFinalizer = "cephfilesystemsubvolumegroup.ceph.rook.io";
        const group = (more: object = {}) => ({
            metadata: { name: "fs-csi", namespace: "rook-ceph", generation: 1, finalizers: [groupFinalizer] },
            spec: { name: "csi", filesystemName: "fs" },
            ...more,
        });
        const rookAt = "/apis/ceph.rook.io/v1/namespaces/rook-ceph";
        const [fsPath, groupPath] = [
            `${rookAt}/cephfilesystems/fs`,
            `${rookAt}/cephfilesystemsubvolumegroups/fs-csi`,
        ] as const;
        const file = {
            metadata: { name: "pvc-u2" },
            spec: { csi: { driver: "d", volumeAttributes: { clusterID: "rook-ceph", fsName: "fs" } } },
        };
        const server = deployment("rook-ceph-mds-fs-a", { rook_file_system: "fs" }, "rook-ceph");
        const there = (lists: Record<string, readonly object[]>) => rookLists({ [cephClusters]: [ceph()], ...lists });
        const gone = (object: { metadata: object }) => ({ ...object, metadata: { ...object.metadata, ...leaving } });

        test("is ready with its first metadata server, and the group of volumes with it", async () => {
            const lists = { [cephFilesystems]: [fs()], [subVolumeGroups]: [group()] };
            const waiting = await run(rook(), there(lists));
            const servers = "/apis/apps/v1/namespaces/rook-ceph/deployments/rook-ceph-mds-fs-";
            expect(told(waiting)).toEqual(expect.arrayContaining([`apply ${servers}a`, `apply ${servers}b`]));
            expect(bodyAt(waiting, `${servers}a`)).toMatchObject({
                metadata: { labels: { rook_file_system: "fs" }, ownerReferences: [{ kind: "CephFilesystem" }] },
            });
            expect(bodyAt(waiting, `${fsPath}/status`)).toEqual({ status: { phase: "Progressing" } });
            expect(bodyAt(waiting, `${groupPath}/status`)).toEqual({ status: { phase: "Progressing" } });
            const operator = deployment("rook-ceph-operator");
            const served = await run(rook(), there({ ...lists, [collections.deployments]: [operator, server] }));
            expect(bodyAt(served, `${fsPath}/status`)).toEqual({ status: { phase: "Ready" } });
            const known = { ...lists, [cephFilesystems]: [fs({ status: { phase: "Ready" } })] };
            expect(bodyAt(await run(rook(), there(known)), `${groupPath}/status`)).toEqual({
                status: { phase: "Ready" },
            });
        });

        test("stays while a group is in it, and the group while volumes are", async () => {
            const lists = { [cephFilesystems]: [gone(fs())], [subVolumeGroups]: [gone(group())] };
            const full = await run(rook(), there({ ...lists, [collections.volumes]: [file] }));
            expect(bodyAt(full, `${fsPath}/status`)).toMatchObject({ status: ready("True", "DeletionIsBlocked") });
            expect(bodyAt(full, groupPath)).toBeUndefined();
            const empty = await run(rook(), there(lists));
            expect(bodyAt(empty, groupPath)).toEqual({ metadata: { finalizers: [] } });
            expect(bodyAt(empty, fsPath)).toBeUndefined();
            const last = await run(rook(), there({ [cephFilesystems]: [gone(fs())] }));
            expect(bodyAt(last, fsPath)).toEqual({ metadata: { finalizers: [] } });
        });

        test("holds its cluster back", async () => {
            const held = await run(rook(), rookLists({ [cephClusters]: [gone(ceph())], [cephFilesystems]: [fs()] }));
            expect(bodyAt(held, `${cluster}/status`)).toMatchObject({ status: ready("True", "DeletionIsBlocked") });
        });

        test("its driver makes volumes that several nodes write; that of blocks refuses them", async () => {
            const cephfs = {
                metadata: { name: "ceph-filesystem" },
                provisioner: "rook-ceph.cephfs.csi.ceph.com",
                parameters: { clusterID: "rook-ceph", fsName: "fs", pool: "fs-data0" },
            };
            const claim = (storageClassName: string) => ({
                metadata: { name: "models", namespace: "ai", uid: "u3" },
                spec: { storageClassName, accessModes: ["ReadWriteMany"] },
                status: { phase: "Pending" },
            });
            const serving = {
                [collections.deployments]: [cephfs, rbd].map((one) => deployment(`${one.provisioner}-ctrlplugin`)),
                [collections.storageClasses]: [cephfs, rbd],
                [cephClusters]: [ceph()],
                [cephBlockPools]: [pool({ status: { phase: "Ready" } })],
                [cephFilesystems]: [fs({ status: { phase: "Ready" } })],
            };
            const lists = { ...serving, [subVolumeGroups]: [group({ status: { phase: "Ready" } })] };
            const made = await run(cephVolumes, { ...lists, [collections.claims]: [claim("ceph-filesystem")] });
            expect(made).toMatchObject([
                {
                    verb: "create",
                    body: {
                        spec: {
                            accessModes: ["ReadWriteMany"],
                            csi: { volumeAttributes: { clusterID: "rook-ceph", fsName: "fs" } },
                        },
                    },
                },
            ]);
            // Without its group there is no place for a volume.
            expect(await run(cephVolumes, { ...serving, [collections.claims]: [claim("ceph-filesystem")] })).toEqual(
                [],
            );
            const refused = await run(cephVolumes, { ...lists, [collections.claims]: [claim("ceph-block")] });
            expect(JSON.stringify(refused)).toContain("multi node access modes are only supported on rbd `block` type");
            expect(refused.some(({ path }) => path === collections.volumes)).toBe(false);
        });
    });

    test("confirmed data loss wipes each storage node by a Job", async () => {
        const gone = ceph({
            metadata: { ...ceph().metadata, ...leaving },
            spec: { ...ceph().spec, cleanupPolicy: { confirmation: "yes-really-destroy-data" } },
        });
        const actions = await run(rook(), rookLists({ [cephClusters]: [gone] }));
        expect(bodyAt(actions, "/apis/batch/v1/namespaces/rook-ceph/jobs")).toMatchObject({
            metadata: { name: "cluster-cleanup-job-n1" },
        });
    });

    test("a driver has its two workloads", async () => {
        const driver = {
            metadata: { name: rbd.provisioner, namespace: "rook-ceph", uid: "d" },
            spec: { controllerPlugin: { replicas: 2 } },
        };
        const actions = await run(rook(), {
            [collections.deployments]: [deployment("ceph-csi-controller-manager")],
            [resources("csi.ceph.io", "v1", "drivers")]: [driver],
        });
        expect(told(actions)).toEqual([
            `apply /apis/apps/v1/namespaces/rook-ceph/deployments/${rbd.provisioner}-ctrlplugin`,
            `apply /apis/apps/v1/namespaces/rook-ceph/daemonsets/${rbd.provisioner}-nodeplugin`,
        ]);
    });
});

describe("Ceph's volumes", () => {
    const claim = (more: object = {}) => ({
        metadata: { name: "data", namespace: "media", uid: "u1", resourceVersion: "7" },
        spec: {
            storageClassName: "ceph-block",
            accessModes: ["ReadWriteOnce"],
            resources: { requests: { storage: "5Gi" } },
            ...more,
        },
        status: { phase: "Pending" },
    });
    const serving = {
        [collections.deployments]: [
            deployment(`${rbd.provisioner}-ctrlplugin`),
            deployment("snapshot-controller"),
            named("volsync"),
        ],
        [collections.storageClasses]: [rbd],
        [cephClusters]: [ceph()],
        [cephBlockPools]: [pool({ status: { phase: "Ready" } })],
    };
    const source = { dataSourceRef: { apiGroup: "volsync.backube", kind: "ReplicationDestination", name: "data-dst" } };
    const destination = (status: object) => ({ metadata: { name: "data-dst", namespace: "media" }, spec: {}, status });
    const snapshot = {
        metadata: { name: "image", namespace: "media", uid: "s", annotations: { "sandbox/restored-from": "s3:x now" } },
        spec: { volumeSnapshotClassName: "ceph-block", source: { persistentVolumeClaimName: "d" } },
        status: { readyToUse: true },
    };

    test("a claim gets an image of its pool once cluster, pool and driver serve", async () => {
        const [action] = await run(cephVolumes, { ...serving, [collections.claims]: [claim()] });
        expect(action).toMatchObject({
            verb: "create",
            path: collections.volumes,
            body: {
                metadata: { name: "pvc-u1" },
                spec: {
                    claimRef: { namespace: "media", name: "data", uid: "u1" },
                    csi: { driver: rbd.provisioner, volumeAttributes: { clusterID: "rook-ceph", pool: "pool" } },
                },
            },
        });
    });

    test.each([
        ["the cluster is not ready", { [cephClusters]: [ceph({}, { phase: "Progressing" })] }],
        ["the pool is not ready", { [cephBlockPools]: [pool()] }],
        ["the driver does not run", { [collections.deployments]: [] }],
    ])("nothing is made while %s", async (_, lists) => {
        expect(await run(cephVolumes, { ...serving, ...lists, [collections.claims]: [claim()] })).toEqual([]);
    });

    test("a claim made from a backup waits for the image, and says what was restored", async () => {
        const lists = { ...serving, [collections.claims]: [claim(source)] };
        expect(await run(cephVolumes, { ...lists, [destinations]: [destination({})] })).toEqual([]);
        const [action] = await run(cephVolumes, {
            ...lists,
            [destinations]: [destination({ latestImage: { kind: "VolumeSnapshot", name: "image" } })],
            [snapshots]: [snapshot],
            [resources("snapshot.storage.k8s.io", "v1", "volumesnapshotcontents")]: [],
        });
        expect(action).toMatchObject({ body: { metadata: { annotations: { "sandbox/restored-from": "s3:x now" } } } });
    });

    test("a snapshot gets its content, which goes with it", async () => {
        const contentList = resources("snapshot.storage.k8s.io", "v1", "volumesnapshotcontents");
        const ofClass = { metadata: { name: "ceph-block" }, driver: rbd.provisioner, deletionPolicy: "Delete" };
        const lists = { ...serving, [snapshotClasses]: [ofClass] };
        const [made] = await run(cephVolumes, { ...lists, [snapshots]: [{ ...snapshot, status: {} }] });
        expect(made).toMatchObject({
            verb: "create",
            path: contentList,
            body: { metadata: { name: "snapcontent-s" } },
        });
        const content = made !== undefined && "body" in made ? made.body : {};
        expect(told(await run(cephVolumes, { ...lists, [contentList]: [content] }))).toEqual([
            `delete ${contentList}/snapcontent-s`,
        ]);
    });
});

describe("VolSync", () => {
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "volsync-"));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    const sources = resources("volsync.backube", "v1alpha1", "replicationsources");
    const repository = secret("media", "data-minio", { RESTIC_REPOSITORY: "s3:x/data", RESTIC_PASSWORD: "p" });
    const lists = (more: Record<string, readonly object[]>) => ({
        [collections.deployments]: [named("volsync"), deployment(`${rbd.provisioner}-ctrlplugin`)],
        [collections.secrets]: [repository],
        [collections.storageClasses]: [rbd],
        [collections.claims]: [{ metadata: { name: "data", namespace: "media" }, status: { phase: "Bound" } }],
        [cephClusters]: [ceph()],
        [cephBlockPools]: [pool({ status: { phase: "Ready" } })],
        ...more,
    });
    const restic = { repository: "data-minio", storageClassName: "ceph-block", volumeSnapshotClassName: "ceph-block" };
    const source = (trigger: object, status: object = {}) => ({
        metadata: { name: "data-minio", namespace: "media", generation: 2 },
        spec: { sourcePVC: "data", trigger, restic },
        status,
    });
    const destination = {
        metadata: { name: "data-dst", namespace: "media", uid: "d", generation: 1 },
        spec: { trigger: { manual: "restore-once" }, restic },
    };
    const status = `${sources.replace("/replicationsources", "/namespaces/media/replicationsources")}/data-minio/status`;

    test("a new source backs up at once, then waits for its schedule; a manual trigger is done once", async () => {
        const volsync = volSync(join(folder, "restic.json"));
        const first = await run(volsync, lists({ [sources]: [source({ schedule: "5 * * * *" })] }));
        expect(bodyAt(first, status)).toMatchObject({
            status: {
                lastSyncTime: "2026-01-01T00:00:00Z",
                conditions: [{ type: "Synchronizing", status: "False", reason: "WaitingForSchedule" }],
            },
        });
        const done = { lastSyncTime: "2026-01-01T00:00:00Z" };
        const idle = await run(volsync, lists({ [sources]: [source({ schedule: "5 * * * *" }, done)] }));
        expect(bodyAt(idle, status)).not.toHaveProperty("status.lastSyncTime");
        const manual = await run(volsync, lists({ [sources]: [source({ manual: "last" }, done)] }));
        expect(bodyAt(manual, status)).toMatchObject({ status: { lastManualSync: "last" } });
        const kept = JSON.parse(readFileSync(join(folder, "restic.json"), "utf8")) as {
            repositories: Record<string, { backups: object[] }>;
        };
        expect(kept.repositories["s3:x/data"]?.backups).toHaveLength(2);
    });

    test("a destination restores what another life of the cluster backed up, or an empty volume", async () => {
        const file = join(folder, "restic.json");
        const snapshotsIn = "/apis/snapshot.storage.k8s.io/v1/namespaces/media/volumesnapshots";
        const empty = await run(volSync(file), lists({ [destinations]: [destination] }));
        expect(bodyAt(empty, snapshotsIn)).not.toHaveProperty("metadata.annotations");
        await run(volSync(file), lists({ [sources]: [source({ schedule: "5 * * * *" })] }));
        const [made] = await run(volSync(file), lists({ [destinations]: [destination] }));
        const snapshot = made !== undefined && "body" in made ? made.body : {};
        expect(snapshot).toMatchObject({
            metadata: { annotations: { "sandbox/restored-from": "s3:x/data 2026-01-01T00:00:00Z" } },
        });
        const finished = await run(
            volSync(file),
            lists({ [destinations]: [destination], [snapshots]: [{ ...snapshot, status: { readyToUse: true } }] }),
        );
        expect(finished).toMatchObject([
            {
                body: {
                    status: {
                        lastManualSync: "restore-once",
                        latestImage: { kind: "VolumeSnapshot", apiGroup: "snapshot.storage.k8s.io" },
                        latestMoverStatus: {
                            logs: expect.stringMatching(
                                /^restoring snapshot \w{8} of \[\/data\] at 2026-01-01 00:00:00/,
                            ),
                        },
                    },
                },
            },
        ]);
    });

    test("what others write into the bucket meanwhile is there", async () => {
        const file = join(folder, "restic.json");
        const volsync = volSync(file);
        await run(volsync, lists({ [sources]: [source({ schedule: "5 * * * *" })] }));
        const copied = JSON.parse(
            readFileSync(file, "utf8").replace("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ) as object;
        writeFileSync(file, JSON.stringify(copied));
        utimesSync(file, 2_000_000_000, 2_000_000_000);
        const [made] = await run(volsync, lists({ [destinations]: [destination] }));
        expect(made).toMatchObject({
            body: { metadata: { annotations: { "sandbox/restored-from": "s3:x/data 2026-01-02T00:00:00Z" } } },
        });
    });

    describe("on the volume itself (copyMethod Direct)", () => {
        const direct = {
            repository: "data-minio",
            copyMethod: "Direct",
            cacheAccessModes: ["ReadWriteOnce"],
            cacheCapacity: "4Gi",
            cacheStorageClassName: "openebs-hostpath",
            moverSecurityContext: { runAsUser: 1000 },
        };
        const restoring = {
            metadata: { name: "data-dst", namespace: "media", uid: "d", generation: 1 },
            spec: {
                trigger: { manual: "restore-once" },
                restic: { ...direct, destinationPVC: "data", cleanupCachePVC: true },
            },
        };
        const backingUp = (trigger: object = { manual: "last" }, last: object = {}) => ({
            metadata: { name: "data-minio", namespace: "media", uid: "s", generation: 1 },
            spec: { sourcePVC: "data", trigger, restic: direct },
            status: last,
        });
        const pending = {
            metadata: { name: "data", namespace: "media", uid: "c" },
            spec: { accessModes: ["ReadWriteOnce"] },
        };
        const bound = { ...pending, status: { phase: "Bound" } };
        const volume = (annotations: object = {}) => ({
            metadata: { name: "pvc-c", annotations },
            spec: { claimRef: { uid: "c" } },
            status: { phase: "Bound" },
        });
        const cacheOf = (dir: string, labels: object = {}) => ({
            metadata: { name: `volsync-${dir}-cache`, namespace: "media", labels },
            spec: {},
        });
        const account = (dir: string) => ({ metadata: { name: `volsync-${dir}`, namespace: "media" } });
        const job = (dir: string, uid: string, succeeded = 1) => ({
            metadata: { name: `volsync-${dir}`, namespace: "media", labels: { "volsync.backube/cleanup": uid } },
            status: { succeeded },
        });
        const app = (status: object, spec: object = {}) => ({
            metadata: { name: "app", namespace: "media" },
            spec: { containers: [], volumes: [{ persistentVolumeClaim: { claimName: "data" } }], ...spec },
            status,
        });
        const claimsOf = (...all: object[]) => ({ [collections.claims]: all });
        const JOBS = "/apis/batch/v1/jobs";
        const ACCOUNTS = "/api/v1/serviceaccounts";
        const prepared = (dir: string, claim: object, more: Record<string, readonly object[]> = {}) =>
            lists({ ...claimsOf(claim, cacheOf(dir)), [ACCOUNTS]: [account(dir)], ...more });
        const SRC = "src-data-minio";
        const DST = "dst-data-dst";
        const dstStatus = "/apis/volsync.backube/v1alpha1/namespaces/media/replicationdestinations/data-dst/status";

        test("the volume must be there; a cache and an account come before the mover, which nothing has bound yet", async () => {
            const none = await run(volSync(), lists({ ...claimsOf(), [destinations]: [restoring] }));
            expect(bodyAt(none, dstStatus)).toMatchObject({
                status: { conditions: [{ reason: "Error", message: 'PersistentVolumeClaim "data" not found' }] },
            });
            const first = await run(volSync(), lists({ ...claimsOf(pending), [destinations]: [restoring] }));
            expect(first).toMatchObject([
                {
                    verb: "create",
                    path: "/api/v1/namespaces/media/persistentvolumeclaims",
                    body: {
                        metadata: {
                            name: "volsync-dst-data-dst-cache",
                            labels: { "volsync.backube/cleanup": "d" },
                            ownerReferences: [{ kind: "ReplicationDestination", name: "data-dst", uid: "d" }],
                        },
                        spec: { storageClassName: "openebs-hostpath", resources: { requests: { storage: "4Gi" } } },
                    },
                },
                {
                    path: "/api/v1/namespaces/media/serviceaccounts",
                    body: { metadata: { name: "volsync-dst-data-dst" } },
                },
                { body: { status: { conditions: [{ reason: "SyncInProgress", status: "True" }] } } },
            ]);
            const second = await run(volSync(), prepared(DST, pending, { [destinations]: [restoring] }));
            expect(second[0]).toMatchObject({
                path: "/apis/batch/v1/namespaces/media/jobs",
                body: {
                    metadata: { name: "volsync-dst-data-dst" },
                    spec: {
                        template: {
                            spec: {
                                securityContext: { runAsUser: 1000 },
                                volumes: [
                                    { persistentVolumeClaim: { claimName: "data" } },
                                    { persistentVolumeClaim: { claimName: "volsync-dst-data-dst-cache" } },
                                    {},
                                ],
                            },
                        },
                    },
                },
            });
        });

        test("a restore is done when its pod is: the volume holds the backup, what is marked goes, the claim is its image", async () => {
            const file = join(folder, "restic.json");
            await run(volSync(file), lists({ [sources]: [source({ schedule: "5 * * * *" })] }));
            const world = (succeeded: number) =>
                lists({
                    ...claimsOf(bound, cacheOf(DST, { "volsync.backube/cleanup": "d" })),
                    [ACCOUNTS]: [account(DST)],
                    [JOBS]: [job(DST, "d", succeeded)],
                    [collections.volumes]: [volume()],
                    [destinations]: [restoring],
                });
            const moving = await run(volSync(file), world(0));
            expect(bodyAt(moving, dstStatus)).not.toHaveProperty("status.lastManualSync");
            const done = await run(volSync(file), world(1));
            expect(told(done)).toEqual([
                "patch /api/v1/persistentvolumes/pvc-c",
                "delete /apis/batch/v1/namespaces/media/jobs/volsync-dst-data-dst?propagationPolicy=Background",
                "delete /api/v1/namespaces/media/persistentvolumeclaims/volsync-dst-data-dst-cache?propagationPolicy=Background",
                `patch ${dstStatus}`,
            ]);
            expect(done[0]).toMatchObject({
                body: { metadata: { annotations: { "sandbox/restored-from": "s3:x/data 2026-01-01T00:00:00Z" } } },
            });
            expect(bodyAt(done, dstStatus)).toMatchObject({
                status: {
                    lastManualSync: "restore-once",
                    latestImage: { apiGroup: "", kind: "PersistentVolumeClaim", name: "data" },
                },
            });
        });

        test("a repository without a backup is no fault: the volume stays empty", async () => {
            const world = prepared(DST, bound, {
                [JOBS]: [job(DST, "d")],
                [collections.volumes]: [volume()],
                [destinations]: [restoring],
            });
            const done = await run(volSync(), world);
            expect(bodyAt(done, dstStatus)).toMatchObject({
                status: { latestMoverStatus: { logs: "No eligible snapshots found" } },
            });
            expect(told(done)).not.toContain("patch /api/v1/persistentvolumes/pvc-c");
        });

        test("a wrong password is the mover's failure: it goes on trying and never says that it is done", async () => {
            const file = join(folder, "restic.json");
            await run(volSync(file), lists({ [sources]: [source({ schedule: "5 * * * *" })] }));
            const other = secret("media", "data-minio", { RESTIC_REPOSITORY: "s3:x/data", RESTIC_PASSWORD: "q" });
            const failing = await run(
                volSync(file),
                prepared(DST, bound, {
                    [collections.secrets]: [other],
                    [JOBS]: [job(DST, "d")],
                    [destinations]: [restoring],
                }),
            );
            expect(bodyAt(failing, dstStatus)).toMatchObject({
                status: {
                    latestMoverStatus: { result: "Failed", logs: expect.stringContaining("wrong password") },
                    conditions: [{ reason: "SyncInProgress" }],
                },
            });
        });

        test.each([
            ["of an empty volume there is none", {}, "== Directory is empty skipping backup ===", 0],
            [
                "of one that an app has had",
                { "sandbox/written": "true" },
                "snapshot of data saved\nRestic completed",
                1,
            ],
            [
                "of one that was restored",
                { "sandbox/restored-from": "x" },
                "snapshot of data saved\nRestic completed",
                1,
            ],
        ])("a backup: %s", async (_title, annotations, logs, count) => {
            const file = join(folder, "restic.json");
            const world = prepared(SRC, bound, {
                [JOBS]: [job(SRC, "s")],
                [collections.volumes]: [volume(annotations)],
                [sources]: [backingUp()],
            });
            const done = await run(volSync(file), world);
            expect(bodyAt(done, status)).toMatchObject({
                status: { lastManualSync: "last", latestMoverStatus: { logs } },
            });
            const kept = existsSync(file)
                ? (JSON.parse(readFileSync(file, "utf8")) as { repositories: Record<string, { backups: object[] }> })
                : { repositories: {} };
            expect(kept.repositories["s3:x/data"]?.backups ?? []).toHaveLength(count);
            // A source keeps its cache.
            expect(told(done).filter((line) => line.includes("-cache"))).toEqual([]);
        });

        test("the mover goes where the app is that has the volume, and waits while that has no place", async () => {
            const world = (pod: object) =>
                prepared(SRC, bound, {
                    [collections.volumes]: [volume({ "sandbox/written": "true" })],
                    [collections.pods]: [pod],
                    [sources]: [backingUp()],
                });
            const [made] = await run(volSync(), world(app({ phase: "Running" }, { nodeName: "n2" })));
            expect(made).toMatchObject({
                body: { spec: { template: { spec: { nodeSelector: { "kubernetes.io/hostname": "n2" } } } } },
            });
            const waiting = await run(volSync(), world(app({ phase: "Pending" })));
            expect(told(waiting)).toEqual([`patch ${status}`]);
            expect(bodyAt(waiting, status)).toMatchObject({ status: { conditions: [{ reason: "Error" }] } });
        });

        test("an app that runs on the volume fills it", async () => {
            const world = prepared(SRC, bound, {
                [collections.volumes]: [volume()],
                [collections.pods]: [app({ phase: "Running" }, { nodeName: "n2" })],
                [sources]: [backingUp({ schedule: "5 * * * *" }, { lastSyncTime: "2026-01-01T00:00:00Z" })],
            });
            expect(await run(volSync(), world)).toContainEqual({
                verb: "patch",
                path: "/api/v1/persistentvolumes/pvc-c",
                body: { metadata: { annotations: { "sandbox/written": "true" } } },
            });
        });
    });

    test("a missing Secret and a wrong password are said", async () => {
        const volsync = volSync();
        const one = [source({ schedule: "5 * * * *" })];
        const missing = await run(volsync, lists({ [sources]: one, [collections.secrets]: [] }));
        expect(bodyAt(missing, status)).toMatchObject({
            status: { conditions: [{ reason: "Error", message: 'Secret "data-minio" not found' }] },
        });
        await run(volsync, lists({ [sources]: one }));
        const other = secret("media", "data-minio", { RESTIC_REPOSITORY: "s3:x/data", RESTIC_PASSWORD: "q" });
        const wrong = await run(volsync, lists({ [sources]: one, [collections.secrets]: [other] }));
        expect(bodyAt(wrong, status)).toMatchObject({
            status: { conditions: [{ message: expect.stringContaining("wrong password") }] },
        });
    });
});

describe("CloudNativePG", () => {
    const list = resources("postgresql.cnpg.io", "v1", "clusters");
    const plugin = (serverName: string) => ({
        name: "barman-cloud.cloudnative-pg.io",
        parameters: { barmanObjectName: "store", serverName },
    });
    const cluster = (uid: string, more: object = {}) => ({
        metadata: { name: "postgres", namespace: "database", uid, generation: 1 },
        spec: {
            instances: 3,
            storage: { storageClass: "ceph-block" },
            plugins: [{ ...plugin("postgres-v1"), isWALArchiver: true }],
            ...more,
        },
    });
    const store = {
        metadata: { name: "store", namespace: "database" },
        spec: {
            configuration: {
                destinationPath: "s3://cnpg/",
                s3Credentials: { accessKeyId: { name: "s3", key: "id" }, secretAccessKey: { name: "s3", key: "key" } },
            },
        },
    };
    const lists = (more: Record<string, readonly object[]>) => ({
        [collections.deployments]: [named("cloudnative-pg"), named("plugin-barman-cloud")],
        [collections.services]: [
            {
                metadata: {
                    name: "barman-cloud",
                    namespace: "cnpg-system",
                    labels: { "cnpg.io/pluginName": "barman-cloud.cloudnative-pg.io" },
                },
                spec: {},
            },
        ],
        [collections.secrets]: [secret("database", "s3", { id: "i", key: "k" })],
        [collections.storageClasses]: [rbd],
        [resources("barmancloud.cnpg.io", "v1", "objectstores")]: [store],
        ...more,
    });
    const status = `/apis/postgresql.cnpg.io/v1/namespaces/database/clusters/postgres/status`;
    const phase = async (controller: Controller, one: object, more: Record<string, readonly object[]> = {}) =>
        bodyAt(await run(controller, lists({ [list]: [one], ...more })), status);

    test("a cluster becomes healthy and has Services and the application's Secret", async () => {
        const actions = await run(cloudNativePg(), lists({ [list]: [cluster("c1")] }));
        expect(bodyAt(actions, status)).toMatchObject({
            status: {
                phase: "Cluster in healthy state",
                readyInstances: 3,
                currentPrimary: "postgres-1",
                conditions: [
                    { type: "Ready", status: "True" },
                    { type: "ContinuousArchiving", status: "True" },
                ],
            },
        });
        expect(told(actions).filter((line) => line.includes("/services/"))).toEqual(
            ["rw", "ro", "r"].map((suffix) => `apply /api/v1/namespaces/database/services/postgres-${suffix}`),
        );
        expect(bodyAt(actions, "/api/v1/namespaces/database/secrets")).toMatchObject({
            type: "kubernetes.io/basic-auth",
            metadata: { name: "postgres-app" },
        });
    });

    test.each([
        ["its plugin", { [collections.deployments]: [named("cloudnative-pg")] }, "Unknown plugin"],
        ["its object store", { [resources("barmancloud.cnpg.io", "v1", "objectstores")]: [] }, "not found"],
        ["the store's credentials", { [collections.secrets]: [] }, "missing key id in secret s3"],
        ["its storage class", { [collections.storageClasses]: [] }, "storageclass"],
    ])("it is not ready without %s", async (_, more, words) => {
        expect(await phase(cloudNativePg(), cluster("c1"), more)).toMatchObject({
            status: { conditions: [{ type: "Ready", status: "False", message: expect.stringContaining(words) }] },
        });
    });

    /** What a pod says that lists the bucket. */
    const listed = async (controller: Controller) => {
        const pod = {
            metadata: { name: "p", namespace: "database", labels: { "app.kubernetes.io/name": "postgres-archives" } },
            spec: {
                containers: [
                    {
                        name: "list",
                        image: "i",
                        env: [
                            { name: "BUCKET", value: "cnpg" },
                            { name: "SERVER", value: "postgres" },
                            { name: "AWS_ACCESS_KEY_ID", valueFrom: { secretKeyRef: { name: "s3", key: "id" } } },
                        ],
                    },
                ],
            },
            status: { phase: "Running" },
        };
        const body = bodyAt(
            await run(controller, lists({ [collections.pods]: [pod] })),
            "/api/v1/namespaces/database/pods/p/status",
        ) as { status: { containerStatuses: { state: { terminated: { message: string } } }[] } };
        return body.status.containerStatuses[0]?.state.terminated.message;
    };

    test("another life must not write into the first one's archive, and may start from it", async () => {
        const controller = cloudNativePg();
        await phase(controller, cluster("c1"));
        expect(await phase(controller, cluster("c2"))).toMatchObject({
            status: {
                conditions: [{}, { status: "False", message: expect.stringContaining("Expected empty archive") }],
            },
        });
        const recovery = (source: string) =>
            cluster("c2", {
                plugins: [{ ...plugin("postgres-v2"), isWALArchiver: true }],
                bootstrap: { recovery: { source } },
                externalClusters: [{ name: source, plugin: plugin(source) }],
            });
        expect(await phase(controller, recovery("postgres-v9"))).toMatchObject({
            status: { phase: "Setting up primary", phaseReason: expect.stringContaining("no target backup found") },
        });
        // There is WAL, but nothing to start from.
        expect(await phase(controller, recovery("postgres-v1"))).toMatchObject({
            status: { phaseReason: expect.stringContaining("no target backup found") },
        });
        expect(await listed(controller)).toBe("postgres-v1=incomplete");
        const backup = {
            metadata: { name: "b", namespace: "database" },
            spec: { cluster: { name: "postgres" }, method: "plugin" },
        };
        const healthy = {
            ...cluster("c1"),
            status: { conditions: ["Ready", "ContinuousArchiving"].map((type) => ({ type, status: "True" })) },
        };
        await run(
            controller,
            lists({ [list]: [healthy], [resources("postgresql.cnpg.io", "v1", "backups")]: [backup] }),
        );
        expect(await listed(controller)).toBe("postgres-v1=complete");
        expect(await phase(controller, recovery("postgres-v1"))).toMatchObject({
            status: { phase: "Cluster in healthy state", conditions: [{ status: "True" }, { status: "True" }] },
        });
    });

    test("a database is applied once its owner is there", async () => {
        const databases = resources("postgresql.cnpg.io", "v1", "databases");
        const roles = resources("postgresql.cnpg.io", "v1", "databaseroles");
        const healthy = { ...cluster("c1"), status: ready() };
        const database = {
            metadata: { name: "paperless", namespace: "database", generation: 1 },
            spec: { cluster: { name: "postgres" }, name: "paperless", owner: "paperless" },
        };
        const role = {
            metadata: { name: "paperless", namespace: "database", generation: 1 },
            spec: { cluster: { name: "postgres" }, name: "paperless", passwordSecret: { name: "s3" } },
        };
        const at = (plural: string) => `/apis/postgresql.cnpg.io/v1/namespaces/database/${plural}/paperless/status`;
        const first = await run(
            cloudNativePg(),
            lists({ [list]: [healthy], [databases]: [database], [roles]: [role] }),
        );
        expect(bodyAt(first, at("databases"))).toMatchObject({ status: { applied: false } });
        expect(bodyAt(first, at("databaseroles"))).toMatchObject({ status: { applied: true } });
        const second = await run(
            cloudNativePg(),
            lists({ [list]: [healthy], [databases]: [database], [roles]: [{ ...role, status: { applied: true } }] }),
        );
        expect(bodyAt(second, at("databases"))).toMatchObject({ status: { applied: true } });
    });
});

describe("flux-operator", () => {
    const list = resources("fluxcd.controlplane.io", "v1", "fluxinstances");
    const crd = {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: "gitrepositories.source.toolkit.fluxcd.io" },
        spec: {
            group: "source.toolkit.fluxcd.io",
            scope: "Namespaced",
            names: { kind: "GitRepository", plural: "gitrepositories" },
            versions: [{ name: "v1", served: true }],
        },
    };
    const sync = { kind: "GitRepository", url: "https://git.example/x", ref: "refs/heads/main", path: "clusters/x" };
    const instance = (metadata: object = {}, spec: object = {}) => ({
        metadata: { name: "flux", namespace: "flux-system", generation: 1, ...metadata },
        spec: {
            distribution: { version: "2.8.x", registry: "ghcr.io/fluxcd" },
            components: ["source-controller"],
            wait: true,
            ...spec,
            kustomize: {
                patches: [
                    {
                        target: { name: "source-controller" },
                        patch: '[{"op":"replace","path":"/spec/template/spec/containers/0/resources/limits/memory","value":"2Gi"}]',
                    },
                ],
            },
        },
    });
    const operator = deployment("flux-operator", { "app.kubernetes.io/name": "flux-operator" }, "flux-system");
    const pass = (deployments: object[], one: object, served: boolean) =>
        flux(() => [crd]).reconcile(
            viewOf(
                { [collections.deployments]: [operator, ...deployments], [list]: [one] },
                served ? { "/apis/source.toolkit.fluxcd.io/v1": { resources: [{ name: "gitrepositories" }] } } : {},
            ),
        );
    const status = "/apis/fluxcd.controlplane.io/v1/namespaces/flux-system/fluxinstances/flux/status";

    test("first the kinds, then the controllers with their limits, then what follows Git", async () => {
        expect(told(await pass([], instance(), false))).toContain(
            "apply /apis/apiextensions.k8s.io/v1/customresourcedefinitions/gitrepositories.source.toolkit.fluxcd.io",
        );
        const controllers = await pass([], instance(), true);
        expect(bodyAt(controllers, "/apis/apps/v1/namespaces/flux-system/deployments/source-controller")).toMatchObject(
            {
                spec: { template: { spec: { containers: [{ resources: { limits: { memory: "2Gi" } } }] } } },
            },
        );
        expect(bodyAt(controllers, status)).toMatchObject({ status: ready("False") });
        const done = await pass([deployment("source-controller", {}, "flux-system")], instance(), true);
        expect(bodyAt(done, status)).toMatchObject({ status: ready() });
    });

    test("an instance that syncs and waits is as ready as its repository, which is out of reach", async () => {
        const syncs = await pass([deployment("source-controller", {}, "flux-system")], instance({}, { sync }), true);
        expect(told(syncs)).toContain(
            "apply /apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/flux-system",
        );
        expect(bodyAt(syncs, status)).toMatchObject({ status: ready("False") });
        const hasty = instance({}, { sync, wait: false });
        const done = await pass([deployment("source-controller", {}, "flux-system")], hasty, true);
        expect(bodyAt(done, status)).toMatchObject({ status: ready() });
    });

    test("what follows Git says that it cannot", async () => {
        const repositories = resources("source.toolkit.fluxcd.io", "v1", "gitrepositories");
        const repository = { metadata: { name: "flux-system", namespace: "flux-system", generation: 1 }, spec: {} };
        const actions = await flux(() => [crd]).reconcile(
            viewOf({
                [collections.deployments]: [operator, deployment("source-controller", {}, "flux-system")],
                [repositories]: [repository],
            }),
        );
        const at = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/flux-system/status";
        expect(bodyAt(actions, at)).toMatchObject({ status: { conditions: [{ type: "Ready", status: "False" }] } });
    });

    test("an instance that goes takes all of it along and the finalizer last", async () => {
        const going = instance({
            deletionTimestamp: "2026-01-01T00:00:00Z",
            finalizers: ["fluxcd.controlplane.io/finalizer"],
        });
        const own = deployment("source-controller", { "app.kubernetes.io/managed-by": "flux-operator" }, "flux-system");
        expect(told(await pass([own], going, true))).toEqual([
            "delete /apis/apps/v1/namespaces/flux-system/deployments/source-controller",
        ]);
        expect(told(await pass([], going, true))).toEqual([
            "delete /apis/apiextensions.k8s.io/v1/customresourcedefinitions/gitrepositories.source.toolkit.fluxcd.io",
            "patch /apis/fluxcd.controlplane.io/v1/namespaces/flux-system/fluxinstances/flux",
        ]);
    });
});
