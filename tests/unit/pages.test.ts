/** Uptime Kuma's monitors and Homarr's tiles: what the jobs are told, and the programs themselves against what they speak to. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Exposure } from "../../components/edge/edge";
import { Exposures } from "../../components/edge/exposures";
import type { ClusterCheck } from "../../components/pages/check-account";
import type { MonitorPlan, TilePlan } from "../../components/pages/plans";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";
import { backupServers } from "../../lab/backup-servers";
import type { Platform } from "../../components/platform";
import { deploy, testPlatform } from "./test-platform";

// Each run of a program is a process, and a busy machine starts some of them slowly.
jest.setTimeout(60_000);

const row = (workload: string, more: Partial<Exposure> = {}): Exposure => ({
    workload,
    host: `${workload}.example.net`,
    access: "local",
    auth: "none",
    address: "10.0.0.1",
    port: 443,
    ...more,
});

describe("what is watched and shown", () => {
    const EXPOSED = [
        row("sonarr"),
        row("uptime-kuma"),
        row("homarr"),
        // A bridge, a page of the platform, and two with addresses of their own.
        row("opnsense"),
        row("hubble", { host: "flows.example.net" }),
        row("plex", { access: "dedicated", port: 32400 }),
        row("unifi", { access: "dedicated", port: 8443, scheme: "https" }),
        // No page: nobody opens it, and no request of HTTP is answered.
        row("mosquitto", { access: "dedicated", port: 1883, scheme: "tcp" }),
    ];
    async function plans(
        apps: Record<string, unknown>,
        exposed: readonly Exposure[] = EXPOSED,
        watched: Platform["watched"] = [],
        checks: Platform["checks"] = [],
    ) {
        const resources = await planComponent(() =>
            deploy({ ...testPlatform({ productivity: "baseline" }, exposed), watched, checks }, apps),
        );
        const { find, all } = lookInto(() => ({ resources }));
        const told = (name: string) =>
            JSON.parse(
                (dig(find(":ConfigMap", name).inputs, "data") as Record<string, string>)["etc-homelab-plan.json"] ?? "",
            ) as unknown;
        const hash = (name: string) =>
            dig(
                find(":CronJob", name).inputs,
                ...["spec", "jobTemplate", "spec", "template", "metadata", "annotations", "homelab/files"],
            );
        const pod = (name: string) =>
            dig(find(":CronJob", name).inputs, ...["spec", "jobTemplate", "spec", "template", "spec"]);
        return { told, hash, all, pod };
    }

    test("servers that backups go to are watched as well, each once, whoever saves to them (M-DR-03)", async () => {
        const watched = backupServers([
            ["kubeadm.snapshots.s3.endpoint", "http://192.168.1.10:9000"],
            ["secrets.vault.snapshots.endpoint", "http://192.168.1.10:9000/"],
            ["backups.minio.endpoint", "http://minio-api.other.svc.cluster.local:9000"],
            ["backups.offsite.endpoint", "https://s3.example.org/path"],
        ]);
        const { told } = await plans({ "uptime-kuma": {}, homarr: {} }, [row("sonarr")], watched);
        expect((told("uptime-kuma-monitors") as MonitorPlan).monitors).toEqual([
            { key: "sonarr.example.net", name: "Sonarr", url: "https://sonarr.example.net" },
            { key: "192.168.1.10:9000", name: "Backups: 192.168.1.10:9000", url: "http://192.168.1.10:9000/" },
            {
                key: "minio-api.other.svc.cluster.local:9000",
                name: "Backups: minio-api.other.svc.cluster.local:9000",
                url: "http://minio-api.other.svc.cluster.local:9000/",
            },
            { key: "s3.example.org", name: "Backups: s3.example.org", url: "https://s3.example.org/" },
        ]);
        // Nobody opens them.
        expect((told("homarr-tiles") as TilePlan).tiles.map(({ name }) => name)).toEqual(["Sonarr"]);
    });

    test("everything that is reached but the page itself, by the address that people open", async () => {
        const { told } = await plans({ "uptime-kuma": {}, homarr: {} });
        const monitors = told("uptime-kuma-monitors") as MonitorPlan;
        expect(monitors).toMatchObject({
            url: "http://uptime-kuma.productivity.svc.cluster.local:3001",
            user: "admin",
            checkCertificates: true,
        });
        expect(monitors.monitors).toEqual([
            { key: "flows.example.net", name: "Hubble", url: "https://flows.example.net" },
            { key: "homarr.example.net", name: "Homarr", url: "https://homarr.example.net" },
            { key: "opnsense.example.net", name: "Opnsense", url: "https://opnsense.example.net" },
            { key: "plex.example.net", name: "Plex", url: "http://plex.example.net:32400" },
            { key: "sonarr.example.net", name: "Sonarr", url: "https://sonarr.example.net" },
            {
                key: "unifi.example.net",
                name: "Unifi",
                url: "https://unifi.example.net:8443",
                ownCertificate: true,
            },
        ]);
        const tiles = told("homarr-tiles") as TilePlan;
        expect(tiles.board).toBe("household");
        expect(tiles.tiles.map(({ key }) => key)).toContain("uptime-kuma.example.net");
        expect(tiles.tiles.map(({ key }) => key)).not.toContain("homarr.example.net");
        expect(tiles.tiles[0]?.icon).toMatch(/\/hubble\.svg$/);
    });

    test("who asks the cluster reads what its questions are about, and no Secret; without questions it is nobody", async () => {
        const checks: Platform["checks"] = [
            { key: "cluster/jobs", name: "Jobs", kind: "jobs" },
            { key: "cluster/one", name: "One", kind: "jobs", only: ["scheduling"] },
            { key: "cluster/etcd", name: "etcd", kind: "etcd", leases: { two: "lease-two", one: "lease-one" } },
        ];
        const { told, all, pod } = await plans({ "uptime-kuma": {} }, EXPOSED, [], checks);
        expect((told("uptime-kuma-monitors") as MonitorPlan).checks).toEqual(checks);
        const [role] = all(":ClusterRole");
        expect(dig(role?.inputs, "rules")).toEqual([
            { apiGroups: ["batch"], resources: ["cronjobs", "jobs"], verbs: ["get", "list"] },
            {
                apiGroups: ["coordination.k8s.io"],
                resources: ["leases"],
                resourceNames: ["lease-one", "lease-two"],
                verbs: ["get"],
            },
            { apiGroups: [""], resources: ["nodes"], resourceNames: ["one", "two"], verbs: ["get"] },
        ]);
        expect(
            all(":ClusterRoleBinding").map(({ inputs }) => [dig(inputs, "roleRef"), dig(inputs, "subjects")]),
        ).toEqual([
            [
                { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "uptime-kuma-monitors" },
                [{ kind: "ServiceAccount", name: "uptime-kuma-monitors", namespace: "productivity" }],
            ],
        ]);
        expect(pod("uptime-kuma-monitors")).toMatchObject({
            serviceAccountName: "uptime-kuma-monitors",
            automountServiceAccountToken: true,
        });
        expect(JSON.stringify(pod("uptime-kuma-monitors"))).toContain("NODE_EXTRA_CA_CERTS");
        const without = await plans({ "uptime-kuma": {} });
        expect(without.all(":ClusterRole")).toEqual([]);
        expect(without.pod("uptime-kuma-monitors")).toMatchObject({ automountServiceAccountToken: false });
        expect(without.told("uptime-kuma-monitors")).not.toHaveProperty("checks");
    });

    test("something new is watched by being declared: the job's pods change with it", async () => {
        const before = await plans({ "uptime-kuma": {} });
        const after = await plans({ "uptime-kuma": {} }, [...EXPOSED, row("radarr")]);
        expect(JSON.stringify(after.told("uptime-kuma-monitors"))).toContain("radarr.example.net");
        expect(after.hash("uptime-kuma-monitors")).toMatch(/^[0-9a-f]{64}$/);
        expect(after.hash("uptime-kuma-monitors")).not.toBe(before.hash("uptime-kuma-monitors"));
    });

    test("who does without has no job and no secret for it", async () => {
        const { all } = await plans({ "uptime-kuma": { monitors: false }, homarr: { tiles: false } });
        expect(all(":CronJob")).toEqual([]);
        expect(all(":Secret").map(({ name }) => name)).toEqual(["homarr"]);
    });

    test("the list is given out when it is whole, and not before", async () => {
        const exposures = new Exposures();
        let given: readonly Exposure[] | undefined;
        void exposures.sealed.then((rows) => (given = rows));
        exposures.add(row("early"));
        await Promise.resolve();
        expect(given).toBeUndefined();
        exposures.add(row("late"));
        exposures.seal();
        await exposures.sealed;
        expect(given?.map(({ workload }) => workload)).toEqual(["early", "late"]);
    });
});

let folder: string;
let server: Server | undefined;
beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pages-"));
});
afterEach(async () => {
    rmSync(folder, { recursive: true });
    server?.closeAllConnections();
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
    server = undefined;
});

async function serve(answer: (request: IncomingMessage, body: string, response: ServerResponse) => void) {
    server = createServer((request, response) => {
        let body = "";
        request.on("data", (chunk: Buffer) => (body += chunk.toString()));
        request.on("end", () => answer(request, body, response));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server?.once("listening", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function run(program: string, plan: object, environment: Record<string, string>) {
    writeFileSync(join(folder, "plan.json"), JSON.stringify(plan));
    const child = spawn(process.execPath, [join(ROOT, "components/pages", program), join(folder, "plan.json")], {
        env: { PAGES_WAIT_SECONDS: "0", ...environment },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const status = await new Promise((resolve) => child.once("close", resolve));
    return { status, lines: said.trim().split("\n") };
}

describe("monitors.mjs", () => {
    interface Monitor {
        id: number;
        name: string;
        url: string;
        tags: { tag_id: number; value: string; name: string }[];
        [key: string]: unknown;
    }
    /** Uptime Kuma 2.5 as far as its pages see it: Engine.IO 4 by polling, Socket.IO 5, its events and its refusals. */
    class Kuma {
        account: { username: string; password: string } | undefined = { username: "admin", password: "long-Secret-1" };
        twoFactors = false;
        tags: { id: number; name: string; color: string }[] = [];
        monitors: Monitor[] = [];
        refuseTags = false;
        beats: string[] = [];
        readonly sessions = new Map<string, { queue: string[]; wake: (() => void) | undefined; signedIn: boolean }>();
        #next = 1;

        heed(request: IncomingMessage, body: string, response: ServerResponse): void {
            const { searchParams, pathname } = new URL(request.url ?? "", "http://kuma");
            const [, pushed] = /^\/api\/push\/(.+)$/.exec(pathname) ?? [];
            if (pushed !== undefined) {
                const told = this.monitors.find(({ pushToken, active }) => pushToken === pushed && active !== false);
                if (told === undefined) {
                    response.writeHead(500).end('{"ok":false,"msg":"Monitor not found or not active."}');
                    return;
                }
                this.beats.push(`${told.name}: ${searchParams.get("status")} ${searchParams.get("msg")}`);
                response.end('{"ok":true}');
                return;
            }
            if (searchParams.get("EIO") !== "4" || searchParams.get("transport") !== "polling") {
                response.writeHead(400).end();
                return;
            }
            const sid = searchParams.get("sid");
            if (sid === null) {
                const id = `s${this.sessions.size}`;
                this.sessions.set(id, { queue: [], wake: undefined, signedIn: false });
                response.end(
                    `0${JSON.stringify({ sid: id, upgrades: [], pingInterval: 25_000, pingTimeout: 20_000 })}`,
                );
                return;
            }
            const session = this.sessions.get(sid);
            if (session === undefined) {
                response.writeHead(400).end('{"code":1,"message":"Session ID unknown"}');
                return;
            }
            const push = (packet: string) => {
                session.queue.push(packet);
                session.wake?.();
            };
            if (request.method === "POST") {
                for (const packet of body.split("\u001e")) this.take(packet, session, push);
                response.end("ok");
                return;
            }
            const flush = () => {
                session.wake = undefined;
                response.end(session.queue.splice(0).join("\u001e"));
            };
            if (session.queue.length > 0) flush();
            else session.wake = flush;
        }

        private take(packet: string, session: { signedIn: boolean }, push: (packet: string) => void): void {
            if (packet === "40") {
                push('40{"sid":"x"}');
                // Of its own accord, as the real one does every 25 seconds.
                push("2");
                push('42["info",{"version":"2.5.0"}]');
                return;
            }
            if (packet === "41") return push("1");
            const [, id = "", data = ""] = /^42(\d+)(\[.*)$/s.exec(packet) ?? [];
            if (data === "") return;
            const [event, ...values] = JSON.parse(data) as [string, ...unknown[]];
            const events: string[] = [];
            const answer = this.answer(event, values, session, (name, value) =>
                events.push(`42${JSON.stringify([name, value])}`),
            );
            for (const one of events) push(one);
            push(`43${id}${JSON.stringify([answer])}`);
        }

        private answer(
            event: string,
            values: unknown[],
            session: { signedIn: boolean },
            tell: (name: string, value: unknown) => void,
        ): unknown {
            if (event === "needSetup") return this.account === undefined;
            if (event === "setup") {
                const [username, password] = values as [string, string];
                if (password.length < 6) return { ok: false, msg: "passwordTooWeak" };
                this.account = { username, password };
                return { ok: true };
            }
            if (event === "login") {
                const given = values[0] as { username: string; password: string };
                if (given.username !== this.account?.username || given.password !== this.account.password)
                    return { ok: false, msg: "authIncorrectCreds" };
                if (this.twoFactors) return { tokenRequired: true };
                session.signedIn = true;
                tell("monitorList", Object.fromEntries(this.monitors.map((one) => [one.id, one])));
                tell("notificationList", [
                    { id: 4, isDefault: true },
                    { id: 5, isDefault: false },
                ]);
                return { ok: true, token: "jwt" };
            }
            if (!session.signedIn) return { ok: false, msg: "You are not logged in." };
            if (event === "getTags") return { ok: true, tags: this.tags };
            if (event === "addTag") {
                const tag = { id: this.#next++, ...(values[0] as { name: string; color: string }) };
                this.tags.push(tag);
                return { ok: true, tag };
            }
            if (event === "add") {
                const monitor = values[0] as Monitor;
                const codes = monitor["accepted_statuscodes"] as unknown[];
                if (!codes.every((code) => typeof code === "string"))
                    return { ok: false, msg: "Accepted status codes are not all strings" };
                if ((monitor["interval"] as number) < 20 || (monitor["retryInterval"] as number) < 20)
                    return { ok: false, msg: "Interval cannot be less" };
                const id = this.#next++;
                this.monitors.push({ ...monitor, id, tags: [] });
                return { ok: true, monitorID: id };
            }
            if (event === "addMonitorTag") {
                if (this.refuseTags) return { ok: false, msg: "SQLITE_BUSY" };
                const [tag, monitor, value] = values as [number, number, string];
                this.monitors
                    .find(({ id }) => id === monitor)
                    ?.tags.push({ tag_id: tag, value, name: this.tags.find(({ id }) => id === tag)?.name ?? "" });
                return { ok: true };
            }
            if (event === "editMonitor") {
                const monitor = values[0] as Monitor;
                this.monitors = this.monitors.map((one) => (one.id === monitor.id ? monitor : one));
                return { ok: true };
            }
            if (event === "deleteMonitor") {
                this.monitors = this.monitors.filter(({ id }) => id !== values[0]);
                return { ok: true };
            }
            throw new Error(`Uptime Kuma knows no ${event}`);
        }
    }

    const PASSWORD = "long-Secret-1";
    let kuma: Kuma;
    const watch = async (
        names: readonly string[],
        more: Partial<MonitorPlan> = {},
        password = PASSWORD,
        environment: Record<string, string> = {},
    ) => {
        const url = await serve((request, body, response) => kuma.heed(request, body, response));
        const monitors = names.map((name) => ({
            key: `${name}.example.net`,
            name,
            url: `https://${name}.example.net`,
        }));
        const plan: MonitorPlan = { url, user: "admin", checkCertificates: true, monitors, ...more };
        const result = await run("monitors.mjs", plan, { UPTIME_KUMA_PASSWORD: password, ...environment });
        server?.closeAllConnections();
        await new Promise((resolve) => server?.close(resolve));
        server = undefined;
        return result;
    };
    beforeEach(() => {
        kuma = new Kuma();
    });

    test("adds what is missing, and a second run changes nothing", async () => {
        const first = await watch(["sonarr", "opnsense"]);
        expect(first).toEqual({
            status: 0,
            lines: ["sonarr.example.net: added", "opnsense.example.net: added", "uptime-kuma: 2 hosts looked at"],
        });
        expect(kuma.monitors).toMatchObject([
            {
                type: "http",
                url: "https://sonarr.example.net",
                ignoreTls: false,
                // Those that a person made the default are told.
                notificationIDList: { "4": true },
                tags: [{ name: "homelab", value: "sonarr.example.net" }],
            },
            { url: "https://opnsense.example.net" },
        ]);
        expect((await watch(["sonarr", "opnsense"])).lines.slice(0, 2)).toEqual([
            "sonarr.example.net: unchanged",
            "opnsense.example.net: unchanged",
        ]);
        expect(kuma.tags).toHaveLength(1);
    });

    test("removes what is reached no more, and nothing of a person's", async () => {
        await watch(["sonarr", "radarr"]);
        const own = { id: 900, name: "the neighbour", url: "https://radarr.example.net", tags: [] };
        kuma.monitors.push(own);
        const { lines, status } = await watch(["sonarr"]);
        expect(status).toBe(0);
        expect(lines).toContain("radarr.example.net: removed: nothing is reached there any more");
        expect(kuma.monitors.map(({ name }) => name)).toEqual(["sonarr", "the neighbour"]);
        expect(kuma.monitors[1]).toEqual(own);
    });

    test("of its own it sets the address, and leaves a person's name, interval and pause", async () => {
        await watch(["sonarr"]);
        Object.assign(kuma.monitors[0] as Monitor, { name: "Series", interval: 300, active: false });
        const { lines } = await watch(["sonarr"], { checkCertificates: false });
        expect(lines[0]).toBe("sonarr.example.net: updated");
        expect(kuma.monitors).toMatchObject([{ name: "Series", interval: 300, active: false, ignoreTls: true }]);
    });

    test("does not check a certificate of an app's own making, and tells nobody when it ends", async () => {
        const own = { key: "unifi.example.net", name: "Unifi", url: "https://unifi.example.net:8443" };
        await watch([], {
            monitors: [
                { ...own, ownCertificate: true },
                { ...own, key: "sonarr.example.net" },
            ],
        });
        expect(kuma.monitors).toMatchObject([
            { ignoreTls: true, expiryNotification: false },
            { ignoreTls: false, expiryNotification: true },
        ]);
    });

    test("a new one gets its account before a visitor makes one", async () => {
        kuma.account = undefined;
        const { status, lines } = await watch(["sonarr"]);
        expect([status, lines[0]]).toEqual([0, "account admin: added"]);
        expect(kuma.account).toEqual({ username: "admin", password: PASSWORD });
        kuma.account = undefined;
        const weak = await watch(["sonarr"], {}, "weak");
        expect(weak.status).toBe(1);
        expect(weak.lines[0]).toBe("uptime-kuma: FAILED: uptime-kuma refuses the first account: passwordTooWeak");
    });

    test("another password, a second factor, nobody there: it fails, says why, and never the password", async () => {
        const wrong = await watch(["sonarr"], {}, "other-Secret-2");
        expect(wrong.status).toBe(1);
        expect(wrong.lines.join("\n")).toMatch(/refuses the account admin .*authIncorrectCreds/);
        expect(wrong.lines.join("\n")).not.toContain("other-Secret-2");
        kuma.twoFactors = true;
        expect((await watch(["sonarr"])).lines[0]).toMatch(/asks for a second factor/);
        const nobody = await run(
            "monitors.mjs",
            { url: "http://127.0.0.1:9", user: "admin", checkCertificates: true, monitors: [] },
            { UPTIME_KUMA_PASSWORD: PASSWORD },
        );
        expect(nobody.status).toBe(1);
        expect(nobody.lines[0]).toMatch(/FAILED: uptime-kuma does not answer at/);
    });

    describe("asks the cluster", () => {
        const CHECKS: ClusterCheck[] = [
            { key: "cluster/etcd", name: "Snapshots of etcd", kind: "etcd", leases: { one: "etcd-snapshot-one" } },
            { key: "cluster/jobs", name: "Jobs", kind: "jobs" },
        ];
        let api: Server | undefined;
        afterEach(() => new Promise((resolve) => (api === undefined ? resolve(undefined) : api.close(resolve))));
        const ask = async (objects: Record<string, unknown>, more: Partial<MonitorPlan> = {}) => {
            api = createServer((request, response) => {
                const found =
                    request.headers.authorization === "Bearer secret" ? objects[request.url ?? ""] : undefined;
                response.writeHead(found === undefined ? 404 : 200).end(JSON.stringify(found ?? {}));
            }).listen(0, "127.0.0.1");
            await new Promise((resolve) => api?.once("listening", resolve));
            writeFileSync(join(folder, "token"), "secret\n");
            const result = await watch(["sonarr"], { checks: CHECKS, ...more }, PASSWORD, {
                PAGES_API: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
                PAGES_ACCOUNT: folder,
            });
            await new Promise((resolve) => api?.close(resolve));
            api = undefined;
            return result;
        };
        const EMPTY = { "/apis/batch/v1/cronjobs": { items: [] }, "/apis/batch/v1/jobs": { items: [] } };
        const lease = (hours: number) => ({
            "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/etcd-snapshot-one": {
                spec: {
                    renewTime: new Date(Date.now() - hours * 3_600_000).toISOString(),
                    leaseDurationSeconds: 7 * 3600,
                },
            },
        });

        test("each answer is told to a monitor that waits for it, and that says so when nobody comes", async () => {
            const { status, lines } = await ask({ ...EMPTY, ...lease(1) });
            expect([status, lines]).toEqual([
                0,
                [
                    "sonarr.example.net: added",
                    "cluster/etcd: added, up: 1 control planes",
                    "cluster/jobs: added, up: 0 schedules, 0 jobs beside them",
                    "uptime-kuma: 1 hosts looked at, 2 questions asked of the cluster",
                ],
            ]);
            const [, etcd, jobs] = kuma.monitors;
            expect(etcd).toMatchObject({
                type: "push",
                name: "Snapshots of etcd",
                // One run in three may be lost.
                interval: 2_700,
                maxretries: 0,
                notificationIDList: { "4": true },
                tags: [{ name: "homelab", value: "cluster/etcd" }],
            });
            expect(etcd?.["pushToken"]).toMatch(/^[0-9a-f]{32}$/);
            expect(etcd?.["pushToken"]).not.toBe(jobs?.["pushToken"]);
            // A monitor of what is reached keeps its own patience.
            expect(kuma.monitors[0]).toMatchObject({ type: "http", interval: 60, retryInterval: 60, maxretries: 2 });
            expect(lines.join("\n")).not.toContain(etcd?.["pushToken"]);
        });

        test("a second run tells the same monitors, also that it is over", async () => {
            await ask({ ...EMPTY, ...lease(8) });
            const { status, lines } = await ask({ ...EMPTY, ...lease(1) });
            expect([status, lines[1]]).toEqual([0, "cluster/etcd: unchanged, up: 1 control planes"]);
            expect(kuma.monitors).toHaveLength(3);
            expect(kuma.beats.map((beat) => beat.replace(/of \d.*/, "of then"))).toEqual([
                "Snapshots of etcd: down the last of one is of then",
                "Jobs: up 0 schedules, 0 jobs beside them",
                "Snapshots of etcd: up 1 control planes",
                "Jobs: up 0 schedules, 0 jobs beside them",
            ]);
        });

        test("what cannot be asked is not well, and the job itself has done its work", async () => {
            const { status } = await ask(lease(1));
            expect(status).toBe(0);
            expect(kuma.beats[1]).toMatch(
                /^Jobs: down cannot be looked at: the API server answers 404 to \/apis\/batch/,
            );
        });

        test("one that a person paused stays so; one whose question is asked no more goes", async () => {
            await ask({ ...EMPTY, ...lease(1) });
            Object.assign(kuma.monitors[1] as Monitor, { active: false, interval: 86_400 });
            kuma.beats = [];
            const { status, lines } = await ask({ ...EMPTY, ...lease(9) }, { checks: CHECKS.slice(0, 1) });
            expect([status, lines.slice(1, 3)]).toEqual([
                0,
                [
                    "cluster/etcd: unchanged, paused by a person",
                    "cluster/jobs: removed: nothing is reached there any more",
                ],
            ]);
            expect(kuma.beats).toEqual([]);
            expect(kuma.monitors[1]).toMatchObject({ active: false, interval: 86_400 });
        });
    });

    test("a monitor that cannot be marked as its own is taken back", async () => {
        kuma.refuseTags = true;
        const { status, lines } = await watch(["sonarr"]);
        expect(status).toBe(1);
        expect(lines[0]).toBe("sonarr.example.net: FAILED: uptime-kuma refuses its tag: SQLITE_BUSY");
        expect(kuma.monitors).toEqual([]);
    });
});

describe("tiles.mjs", () => {
    interface Item {
        id: string;
        kind: string;
        options: Record<string, unknown>;
    }
    const KEY = "id.token";
    /** Homarr 1.72 as far as an administrator's key sees it. */
    class Homarr {
        apps: { id: string; name: string; description: string | null; iconUrl: string; href: string; pingUrl: null }[] =
            [];
        boards: { id: string; name: string; sections: object[]; items: Item[] }[] = [];
        meta: object | undefined;
        #next = 1;

        heed(request: IncomingMessage, body: string, response: ServerResponse): void {
            const url = new URL(request.url ?? "", "http://homarr");
            const end = (value: unknown, status = 200) => {
                response.writeHead(status, { "Content-Type": "application/json" });
                response.end(value === undefined ? "" : JSON.stringify(value));
            };
            if (url.pathname === "/api/health/live") return end(undefined);
            if (request.headers["apikey"] !== KEY) return end({ message: "UNAUTHORIZED", code: "UNAUTHORIZED" }, 401);
            const given = (body === "" ? {} : JSON.parse(body)) as Record<string, unknown>;
            const route = `${request.method} ${url.pathname}`;
            const [, id] = /^\/api\/apps\/(.+)$/.exec(url.pathname) ?? [];
            if (id !== undefined) {
                const app = this.apps.find((one) => one.id === id);
                if (app === undefined) return end({ message: "App not found" }, 404);
                if (request.method === "DELETE") this.apps = this.apps.filter((one) => one !== app);
                else Object.assign(app, this.valid(given));
                return end(undefined);
            }
            switch (route) {
                case "GET /api/apps":
                    return end(this.apps);
                case "POST /api/apps": {
                    const added = { id: `app${this.#next++}`, ...this.valid(given) } as Homarr["apps"][number];
                    this.apps.push(added);
                    return end({ appId: added.id, ...added });
                }
                case "GET /api/boards":
                    return end(this.boards.map(({ id: board, name }) => ({ id: board, name })));
                case "POST /api/boards": {
                    const board = `board${this.#next++}`;
                    const sections = [{ id: "top", kind: "empty", xOffset: 0, yOffset: 0 }];
                    this.boards.push({ id: board, name: given["name"] as string, sections, items: [] });
                    return end({ boardId: board });
                }
                case "POST /api/boards/items": {
                    const { boardId, kind, options } = JSON.parse(body) as { boardId: string } & Item;
                    const item = { id: `item${this.#next++}`, kind, options };
                    this.boards.find((one) => one.id === boardId)?.items.push(item);
                    return end({ itemId: item.id });
                }
                case "GET /api/trpc/board.getBoardByName": {
                    const { json } = JSON.parse(url.searchParams.get("input") ?? "") as { json: { name: string } };
                    const board = this.boards.find(({ name }) => name.toUpperCase() === json.name.toUpperCase());
                    return board === undefined
                        ? end({ error: { json: { message: "Board not found" } } }, 404)
                        : end({ result: { data: { json: board, ...(this.meta && { meta: this.meta }) } } });
                }
                case "POST /api/trpc/board.saveBoard": {
                    const { json } = given as { json: { id: string; sections: object[]; items: Item[] } };
                    const board = this.boards.find((one) => one.id === json.id);
                    Object.assign(board ?? {}, { sections: json.sections, items: json.items });
                    return end({ result: { data: { json: null } } });
                }
                default:
                    return end({ message: "Not found" }, 404);
            }
        }

        private valid({ name, description, iconUrl, href, pingUrl }: Record<string, unknown>) {
            if (typeof iconUrl !== "string" || iconUrl === "" || typeof pingUrl !== "string")
                throw new Error("Homarr would refuse this app");
            return { name, description, iconUrl, href, pingUrl: pingUrl === "" ? null : pingUrl };
        }
    }

    let homarr: Homarr;
    const show = async (names: readonly string[], key = KEY, domain = "example.net") => {
        const url = await serve((request, body, response) => homarr.heed(request, body, response));
        const tiles = names.map((name) => ({
            key: `${name}.example.net`,
            name,
            url: `https://${name}.${domain}`,
            icon: `https://icons.example.net/${name}.svg`,
        }));
        const plan: TilePlan = { url, board: "household", tiles };
        const result = await run("tiles.mjs", plan, { HOMARR_API_KEY: key });
        server?.closeAllConnections();
        await new Promise((resolve) => server?.close(resolve));
        server = undefined;
        return result;
    };
    beforeEach(() => {
        homarr = new Homarr();
    });
    const shown = () => homarr.boards[0]?.items.map(({ options }) => options["appId"]);

    test("makes its board and a tile for each host; a second run changes nothing", async () => {
        expect(await show(["sonarr", "opnsense"])).toEqual({
            status: 0,
            lines: [
                "board household: added",
                "sonarr.example.net: added, put on the board",
                "opnsense.example.net: added, put on the board",
                "homarr: 2 hosts looked at",
            ],
        });
        expect(homarr.apps).toMatchObject([
            { name: "sonarr", href: "https://sonarr.example.net", description: "sonarr.example.net (kept by homelab)" },
            { name: "opnsense" },
        ]);
        expect(shown()).toEqual(homarr.apps.map(({ id }) => id));
        expect((await show(["sonarr", "opnsense"])).lines).toEqual([
            "sonarr.example.net: unchanged",
            "opnsense.example.net: unchanged",
            "homarr: 2 hosts looked at",
        ]);
    });

    test("takes off what is reached no more; what is a person's stays, on this board, too", async () => {
        await show(["sonarr", "radarr"]);
        const weather = { id: "w", kind: "weather", options: { city: "Berlin" } };
        homarr.boards[0]?.items.push(weather);
        const neighbour = { id: "n", name: "n", description: "mine", iconUrl: "x", href: "https://n", pingUrl: null };
        homarr.apps.push(neighbour);
        const { status, lines } = await show(["sonarr"]);
        expect(status).toBe(0);
        expect(lines).toEqual([
            "sonarr.example.net: unchanged",
            "board household: 1 tiles taken off",
            "radarr.example.net: removed: nothing is reached there any more",
            "homarr: 1 hosts looked at",
        ]);
        expect(homarr.apps.map(({ name }) => name)).toEqual(["sonarr", "n"]);
        expect(homarr.boards[0]?.items).toContainEqual(weather);
        expect(homarr.boards[0]?.items).toHaveLength(2);
    });

    test("sets an address that changed, and keeps a person's name and picture", async () => {
        await show(["sonarr"]);
        Object.assign(homarr.apps[0] ?? {}, { name: "Series", iconUrl: "https://my/own.png" });
        expect((await show(["sonarr"], KEY, "example.org")).lines[0]).toBe("sonarr.example.net: updated");
        expect(homarr.apps).toMatchObject([
            { name: "Series", iconUrl: "https://my/own.png", href: "https://sonarr.example.org" },
        ]);
    });

    test("a board that JSON cannot say is not written back", async () => {
        await show(["sonarr", "radarr"]);
        homarr.meta = { values: { "items.0.options.since": ["Date"] } };
        const before = JSON.stringify(homarr.boards);
        const { status, lines } = await show(["sonarr"]);
        expect(status).toBe(1);
        expect(lines.join("\n")).toMatch(/cannot write back/);
        expect(JSON.stringify(homarr.boards)).toBe(before);
    });

    test("without a key that it takes it fails and says where one is made, and never the key", async () => {
        const { status, lines } = await show(["sonarr"], "other.key");
        expect(status).toBe(1);
        expect(lines[0]).toMatch(/FAILED: homarr refuses the key of the secret store, homarr\.apiKey \(401\)/);
        expect(lines.join("\n")).not.toContain("other.key");
        expect(homarr.boards).toEqual([]);
    });
});
