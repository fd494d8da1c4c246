import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Action, Controller } from "../../sandbox/controllers/controller";
import { openKube, type Kube } from "../../sandbox/controllers/kube";
import { collectionOf } from "../../sandbox/controllers/mirror";
import { runControllers, type Running } from "../../sandbox/controllers/runner";

type Things = Record<string, { metadata: { name: string; resourceVersion: string }; color?: string }>;

const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const THINGS = "/api/v1/things";
const WIDGETS = "/apis/example.org/v1/widgets";

/** As much of an API server as the runner speaks to: lists, watches, merge patches, discovery. */
class ApiServer {
    /** By collection; a collection that is not here is not served. */
    readonly collections: Record<string, Things> = { [DEFINITIONS]: {}, [THINGS]: {} };
    readonly requests: string[] = [];
    version = 100;
    /** Called instead of answering a PATCH at once. */
    onPatch: ((answer: () => void) => void) | undefined;
    private readonly watchers: { path: string; response: ServerResponse }[] = [];
    private readonly server = createServer((request, response) => {
        const url = new URL(request.url ?? "", "http://localhost");
        const path = url.pathname;
        const watch = url.searchParams.has("watch");
        this.requests.push(`${watch ? "WATCH" : request.method} ${path}`);
        const answer = (status: number, body: object) =>
            response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
        if (request.method === "PATCH") {
            const name = path.split("/").pop() ?? "";
            let body = "";
            request.on("data", (chunk: Buffer) => (body += chunk.toString()));
            request.on("end", () => {
                const object = { ...this.put(THINGS, name, JSON.parse(body) as object, false) };
                const done = () => void answer(200, { kind: "Thing", ...object });
                if (this.onPatch === undefined) done();
                else this.onPatch(done);
            });
            return;
        }
        const collection = this.collections[path];
        if (collection === undefined) return void answer(404, { kind: "Status", message: "not here" });
        if (!watch) {
            const metadata = { resourceVersion: String(this.version) };
            return void answer(200, { metadata, items: Object.values(collection) });
        }
        response.writeHead(200).flushHeaders();
        this.watchers.push({ path, response });
    });

    async listen(): Promise<string> {
        await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
        return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    }

    put(path: string, name: string, more: object = {}, tell = true) {
        this.version += 1;
        const object = { ...more, metadata: { name, resourceVersion: String(this.version) } };
        (this.collections[path] ??= {})[name] = object;
        if (tell) this.tell(path, "MODIFIED", object);
        return object;
    }

    remove(path: string, name: string): void {
        this.version += 1;
        Reflect.deleteProperty(this.collections[path] ?? {}, name);
        this.tell(path, "DELETED", { metadata: { name, resourceVersion: String(this.version) } });
    }

    endWatches(): void {
        this.watchers.splice(0).forEach(({ response }) => response.end());
    }

    count(request: string): number {
        return this.requests.filter((one) => one === request).length;
    }

    close(): void {
        this.endWatches();
        this.server.closeAllConnections();
        this.server.close();
    }

    private tell(path: string, type: string, object: object): void {
        const line = `${JSON.stringify({ type, object })}\n`;
        // In two parts, as a connection may deliver it.
        for (const { response } of this.watchers.filter((each) => each.path === path)) {
            response.write(line.slice(0, 9));
            response.write(line.slice(9));
        }
    }
}

describe("the controllers' runner", () => {
    const folder = mkdtempSync(join(tmpdir(), "homelab-runner-test-"));
    let server: ApiServer;
    let kube: Kube;
    let running: Running | undefined;
    let passes: { things: Record<string, string | undefined>; widgets: number }[];
    let actions: Action[];

    beforeEach(async () => {
        server = new ApiServer();
        const cluster = { name: "c", cluster: { server: await server.listen() } };
        const file = join(folder, "kubeconfig");
        const context = { name: "c", context: { cluster: "c", user: "u" } };
        const users = [{ name: "u", user: { token: "t" } }];
        writeFileSync(
            file,
            JSON.stringify({ clusters: [cluster], contexts: [context], users, "current-context": "c" }),
        );
        kube = openKube(file);
        passes = [];
        actions = [];
    });
    afterEach(async () => {
        await running?.stop();
        running = undefined;
        kube.close();
        server.close();
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    const start = () => {
        const controller: Controller = {
            name: "test",
            lists: [THINGS, WIDGETS],
            async reconcile(view) {
                await view.get("/apis/example.org/v1");
                const things = view.list<{ metadata: { name: string }; color?: string }>(THINGS);
                const widgets = view.list(WIDGETS).length;
                passes.push({
                    things: Object.fromEntries(things.map((each) => [each.metadata.name, each.color])),
                    widgets,
                });
                return actions.splice(0);
            },
        };
        running = runControllers(kube, [controller], { intervalMs: 10, log: () => undefined });
    };
    const until = async (condition: () => boolean) => {
        for (let look = 0; !condition() && look < 500; look += 1) await new Promise((done) => setTimeout(done, 10));
        expect(condition()).toBe(true);
    };
    const morePasses = (count: number) => {
        const from = passes.length;
        return until(() => passes.length >= from + count);
    };
    const latest = () => passes.at(-1);

    test("lists a collection once, and sees by a watch what changes", async () => {
        server.put(THINGS, "one", { color: "red" }, false);
        start();
        await morePasses(5);
        expect(latest()?.things).toEqual({ one: "red" });
        await until(() => server.count(`WATCH ${THINGS}`) === 1);
        server.put(THINGS, "two", { color: "blue" });
        await until(() => latest()?.things["two"] === "blue");
        server.remove(THINGS, "one");
        await until(() => latest()?.things["one"] === undefined);
        expect(latest()?.things).toEqual({ two: "blue" });
        expect(server.count(`GET ${THINGS}`)).toBe(1);
    });

    test("lists anew when a watch has ended", async () => {
        start();
        await morePasses(2);
        await until(() => server.count(`WATCH ${THINGS}`) === 1);
        server.put(THINGS, "unseen", { color: "green" }, false);
        server.endWatches();
        await until(() => latest()?.things["unseen"] === "green");
        expect(server.count(`GET ${THINGS}`)).toBe(2);
    });

    test("sees its own writes in the next pass, whenever the watch tells of them", async () => {
        server.put(THINGS, "one", { color: "red" }, false);
        start();
        await morePasses(2);
        actions.push({ verb: "patch", path: `${THINGS}/one`, body: { color: "black" } });
        await until(() => server.count(`PATCH ${THINGS}/one`) === 1);
        await morePasses(2);
        expect(latest()?.things).toEqual({ one: "black" });
    });

    test("does not bring back what its own write has deleted", async () => {
        server.put(THINGS, "one", { color: "red" }, false);
        start();
        await until(() => server.count(`WATCH ${THINGS}`) === 1);
        // The answer has the object as it was; that it went comes first.
        server.onPatch = (answer) => {
            server.remove(THINGS, "one");
            setTimeout(answer, 100);
        };
        actions.push({ verb: "patch", path: `${THINGS}/one`, body: { color: "black" } });
        await until(() => latest()?.things["one"] === undefined);
        await morePasses(20);
        expect(latest()?.things).toEqual({});
    });

    test("asks for what nothing serves, and for discovery, only while definitions change", async () => {
        jest.useFakeTimers({ doNotFake: ["setTimeout", "clearTimeout", "setImmediate", "nextTick", "queueMicrotask"] });
        try {
            start();
            await morePasses(5);
            jest.setSystemTime(Date.now() + 10_000);
            await morePasses(3);
            const asked = () => [server.count(`GET ${WIDGETS}`), server.count("GET /apis/example.org/v1")];
            const before = asked();
            await morePasses(20);
            expect(asked()).toEqual(before);
            server.collections[WIDGETS] = { first: { metadata: { name: "first", resourceVersion: "7" } } };
            server.put(DEFINITIONS, "widgets.example.org");
            await until(() => latest()?.widgets === 1);
            expect(asked()[1]).toBeGreaterThan(before[1] ?? 0);
        } finally {
            jest.useRealTimers();
        }
    });
});

test.each([
    ["/api/v1/namespaces/media/services/plex/status", "/api/v1/services"],
    ["/api/v1/namespaces/media/services", "/api/v1/services"],
    ["/api/v1/namespaces/media", "/api/v1/namespaces"],
    ["/api/v1/namespaces/media/status", "/api/v1/namespaces"],
    ["/api/v1/nodes/one/status", "/api/v1/nodes"],
    ["/apis/apps/v1/namespaces/media/deployments/plex?fieldManager=x", "/apis/apps/v1/deployments"],
    ["/apis/kwok.x-k8s.io/v1alpha1/stages/pod", "/apis/kwok.x-k8s.io/v1alpha1/stages"],
])("%s is in %s", (path, collection) => expect(collectionOf(path)).toBe(collection));
