/** The sandbox's control plane: a program of it that ends by itself is started again, whether its port was taken or it was killed. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../../sandbox/background";
import { nodes } from "../../sandbox/cluster/nodes";
import { ControlPlane } from "../../sandbox/control-plane";
import { openKube } from "../../sandbox/controllers/kube";
import { runControllers } from "../../sandbox/controllers/runner";
import { sandboxLayout } from "../../sandbox/layout";
import { freePorts } from "../../sandbox/ports";
import { toolPaths } from "./harness";

jest.setTimeout(3 * 60_000);

const base = mkdtempSync(join(tmpdir(), "homelab-control-plane-test-"));
const layout = sandboxLayout("plane", { SANDBOX_HOME: base });
const KWOK = join(layout.kwok, "clusters", "plane");

let plane: ControlPlane;

beforeAll(async () => {
    mkdirSync(layout.home, { recursive: true });
    const [port = 0] = await freePorts(1);
    plane = new ControlPlane(layout, await toolPaths(), port);
});
afterAll(async () => {
    if (existsSync(KWOK)) await plane.delete();
    rmSync(base, { recursive: true, force: true });
});

async function seen<T>(look: () => T | undefined): Promise<T> {
    const deadline = Date.now() + 60_000;
    for (;;) {
        const found = look();
        if (found !== undefined) return found;
        if (Date.now() > deadline) throw new Error(`never so: ${look.toString()}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

const text = (...path: readonly string[]) => (existsSync(join(...path)) ? readFileSync(join(...path), "utf8") : "");
const kwok = () => Number(text(KWOK, "pids", "kwok-controller.pid"));

/** A node comes up, which only kwok can bring about. */
async function comesUp(name: string): Promise<void> {
    const kube = openKube(plane.kubeconfig);
    const machine = { name, address: "10.0.0.1", capacity: { cpu: "8", memory: "16Gi" } };
    const running = runControllers(kube, [nodes([machine])], { intervalMs: 200, log: () => undefined });
    try {
        await plane.nodesReady([name]);
    } finally {
        await running.stop();
        kube.close();
    }
}

test("a port that another program takes between its choice and its use: kwok is started again once it is free", async () => {
    const starting = plane.start();
    const port = Number(
        await seen(() => /kwokControllerPort: (\d+)/.exec(text(layout.kwok, "config.yaml"))?.[1] ?? undefined),
    );
    const taken = await new Promise<Server>((resolve) => {
        const server = createServer().listen(port, "127.0.0.1", () => resolve(server));
    });
    await seen(() => (text(KWOK, "logs", "kwok-controller.log").includes("address already in use") ? true : undefined));
    await new Promise((resolve) => taken.close(resolve));
    expect(await starting).toBe("created");
    await comesUp("n1");
});

test("kwok is killed: the next start makes all of it work again", async () => {
    const before = kwok();
    process.kill(before, "SIGKILL");
    await seen(() => (isAlive(before) ? undefined : true));
    expect(await plane.start()).toBe("started");
    expect(kwok()).not.toBe(before);
    await comesUp("n2");
    expect(await plane.start()).toBe("running");
});
