/** A control plane that is started again. kwokctl and kubectl are scripts here that answer as the real ones do. */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { ControlPlane as Plane, ToolPaths } from "../../sandbox/control-plane";
import { sandboxLayout } from "../../sandbox/layout";
import { freePorts } from "../../sandbox/ports";
import { mockRun } from "./mock-run";

mockRun();
const { ControlPlane } = jest.requireActual<{ ControlPlane: typeof Plane }>("../../sandbox/control-plane");

let base: string;
beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "control-plane-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const NODES = ["node01", "node02", "node03"].map((name) => `lease.coordination.k8s.io/${name}`);

/**
 * kubectl of a cluster whose new kwok has made no lease yet. It polls for an object that is missing; of several it joins
 * the answers to one fault, no longer knows it for "not found", and ends (kubectl wait --for=create, seen on 1.32 and 1.35).
 */
const KUBECTL = (log: string, kubeconfig: string) => `#!/bin/bash
echo "$*" >> '${log}'
case "$*" in
  *"config view"*) cat '${kubeconfig}' ;;
  *"get leases"*) printf '%s\\n' ${NODES.join(" ")} ;;
  *--for=create*)
    if [ "$(grep -o 'lease\\.coordination' <<< "$*" | wc -l)" -gt 1 ]; then
      echo 'Error from server (NotFound): leases.coordination.k8s.io "node01" not found' >&2
      exit 1
    fi ;;
esac
`;

/** API server and kwok in one, ready from the second question on. */
async function answering(): Promise<{ url: URL; close: () => void }> {
    let asked = 0;
    const server = createServer((_, answer) => {
        answer.statusCode = asked++ === 0 ? 500 : 200;
        answer.end("ok");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return { url: new URL(`http://127.0.0.1:${port}`), close: () => void server.close() };
}

test("waits for the lease of every node of three, though none is there yet", async () => {
    const layout = sandboxLayout("chongus", { SANDBOX_HOME: base });
    const [port = 0] = await freePorts(1);
    const cluster = join(layout.kwok, "clusters", "chongus");
    mkdirSync(cluster, { recursive: true });
    writeFileSync(join(cluster, "kwok.yaml"), "");
    const { url, close } = await answering();
    writeFileSync(join(layout.kwok, "config.yaml"), stringify({ options: { kwokControllerPort: Number(url.port) } }));
    writeFileSync(
        layout.kubeconfig,
        stringify({
            "current-context": "kwok",
            contexts: [{ name: "kwok", context: { cluster: "kwok" } }],
            // The API server's own port is free until kwokctl starts it, which is a script here.
            clusters: [{ name: "kwok", cluster: { server: url.origin } }],
            users: [{ name: `https://127.0.0.1:${port}` }],
        }),
    );
    const kubeconfig = join(base, "kubeconfig.yaml");
    copyFileSync(layout.kubeconfig, kubeconfig);
    const log = join(base, "calls");
    const script = (name: string, text: string) => {
        writeFileSync(join(base, name), text);
        chmodSync(join(base, name), 0o755);
        return join(base, name);
    };
    const tools = {
        kubectl: script("kubectl", KUBECTL(log, kubeconfig)),
        kwokctl: script("kwokctl", "#!/bin/sh\nexit 0\n"),
    } as ToolPaths;
    await expect(new ControlPlane(layout, tools, port).start()).resolves.toBe("started");
    close();
    const waited = readFileSync(log, "utf8")
        .split("\n")
        .filter((line) => line.includes("--for=create"));
    expect(NODES.map((name) => waited.filter((line) => line.includes(` ${name} `)).length)).toEqual([1, 1, 1]);
});
