/** The list of what cannot change in an object that exists (tools/plan-diff/immutable.ts), put to the real API server. */
import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KubeClient, StatusError } from "../../sandbox/providers/kubernetes/client";
import { pluck, type Props } from "../../sandbox/providers/values";
import { findTool } from "../../lib/toolchain";
import { cases } from "../immutable-cases";

jest.setTimeout(3 * 60_000);

const folder = mkdtempSync(join(tmpdir(), "immutable-test-"));
const children: ChildProcess[] = [];
const stop = new AbortController();
let client: KubeClient;

/** etcd and the API server by themselves: no controller, so that nothing but validation answers. */
beforeAll(async () => {
    const [etcd, server] = await Promise.all([findTool("etcd"), findTool("kube-apiserver")]);
    if (etcd === undefined || server === undefined)
        throw new Error("no etcd or no API server: `npm run tools` gets them");
    const [clientPort, peerPort, port] = await Promise.all([freePort(), freePort(), freePort()]);
    const url = (at: number) => `http://127.0.0.1:${at}`;
    const [key, tokens] = [join(folder, "sa.key"), join(folder, "tokens.csv")];
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(key, privateKey.export({ type: "pkcs1", format: "pem" }), { mode: 0o600 });
    writeFileSync(tokens, "t,tester,tester,system:masters\n", { mode: 0o600 });
    start(etcd, [
        ...["--data-dir", join(folder, "etcd"), "--unsafe-no-fsync"],
        ...["--listen-client-urls", url(clientPort), "--advertise-client-urls", url(clientPort)],
        ...["--listen-peer-urls", url(peerPort), "--initial-advertise-peer-urls", url(peerPort)],
        ...["--initial-cluster", `default=${url(peerPort)}`],
    ]);
    start(server, [
        ...["--etcd-servers", url(clientPort), "--bind-address", "127.0.0.1", "--secure-port", String(port)],
        ...["--cert-dir", folder, "--token-auth-file", tokens, "--authorization-mode", "AlwaysAllow"],
        ...["--service-account-issuer", "https://127.0.0.1", "--service-account-key-file", key],
        ...["--service-account-signing-key-file", key, "--service-cluster-ip-range", "10.96.0.0/16"],
        ...["--disable-admission-plugins", "ServiceAccount,StorageObjectInUseProtection"],
    ]);
    client = new KubeClient(
        { server: `https://127.0.0.1:${port}`, insecure: true, token: "t", namespace: "default" },
        stop.signal,
    );
    for (let look = 0; ; look += 1) {
        // Not before the API server has made its namespace is everything there.
        const fault = await client.request("GET", "/api/v1/namespaces/default").then(
            () => undefined,
            (error: unknown) => String(error),
        );
        if (fault === undefined) break;
        if (look > 120) throw new Error(`the API server does not answer: ${fault}`);
        await sleep(500);
    }
    // Claims may grow in it.
    const books = { apiVersion: "storage.k8s.io/v1", kind: "StorageClass", metadata: { name: "books" } };
    await apply({ ...books, provisioner: "a.org/a", allowVolumeExpansion: true });
});

afterAll(() => {
    client.close();
    stop.abort();
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});

function start(command: string, args: readonly string[]): void {
    children.push(spawn(command, args, { stdio: "ignore", cwd: folder }));
}

function freePort(): Promise<number> {
    return new Promise((resolve) => {
        const server = createServer().listen(0, "127.0.0.1", () => {
            const { port } = server.address() as AddressInfo;
            server.close(() => resolve(port));
        });
    });
}

const place = (object: Props) => {
    const { name, namespace } = object["metadata"] as { name: string; namespace?: string };
    return [String(object["apiVersion"]), String(object["kind"]), namespace, name] as const;
};

async function change(object: Props): Promise<unknown> {
    const path = await client.path(...place(object));
    const contentType = "application/apply-patch+yaml";
    return client
        .request("PATCH", path, {
            query: { fieldManager: "t", force: "true", dryRun: "All" },
            body: object,
            contentType,
        })
        .catch((error: unknown) => error);
}

const made = new Set<string>();

test.each(cases.map((each) => [each.title, each.refused ? "is refused" : "is taken", each] as const))(
    "%s %s",
    async (_, __, { before, after, refused }) => {
        const id = JSON.stringify(before);
        if (!made.has(id)) {
            made.add(id);
            await apply(before as Props);
        }
        const answer = await change(after as Props);
        const words = answer instanceof Error ? answer.message : "";
        expect([refused, words]).toEqual([answer instanceof StatusError && answer.code === 422, words]);
    },
);

test("a claim neither shrinks nor changes its class", async () => {
    const claim = (storage: string, storageClassName: string): Props => ({
        ...{ apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: "shrinks", namespace: "default" } },
        spec: { accessModes: ["ReadWriteOnce"], storageClassName, resources: { requests: { storage } } },
    });
    await apply(claim("2Gi", "books"));
    expect(await change(claim("1Gi", "books"))).toMatchObject({ code: 422 });
    expect(await change(claim("2Gi", "other"))).toMatchObject({ code: 422 });
    expect(await change(claim("3Gi", "books"))).toMatchObject({ kind: "PersistentVolumeClaim" });
});

/** Made by the manager that changes it later, so that a field which is left out is given up. */
async function apply(object: Props): Promise<void> {
    const path = await client.path(...place(object));
    const contentType = "application/apply-patch+yaml";
    await client.request("PATCH", path, { query: { fieldManager: "t", force: "true" }, body: object, contentType });
    if (object["kind"] === "PersistentVolumeClaim") {
        // As when a volume of that size is behind it: a growth that has not happened yet may be taken back.
        const body = { status: { phase: "Bound", capacity: pluck(object, "spec", "resources", "requests") ?? {} } };
        await client.request("PATCH", `${path}/status`, { body, contentType: "application/merge-patch+json" });
    }
    // Names are final once the server has taken them into use.
    if (object["kind"] === "CustomResourceDefinition") await sleep(3_000);
}
