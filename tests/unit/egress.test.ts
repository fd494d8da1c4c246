/** The API server's way to pods: an API that one serves is answered behind its Service's address, and nothing else is. */
import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { request as tlsRequest } from "node:https";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { startEgress } from "../../sandbox/cluster/egress";
import { ApiError, type Kube } from "../../sandbox/controllers/kube";
import { aggregatedApis } from "../../sandbox/operators";

const API = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io";
const SERVICE = "/api/v1/namespaces/kube-system/services/metrics-server";

/** A cluster that has these objects, by path, or answers with an error. */
const cluster = (objects: Readonly<Record<string, object>>, otherwise = new ApiError(404, "not found")): Kube =>
    ({
        get: (path: string) => (path in objects ? Promise.resolve(objects[path]) : Promise.reject(otherwise)),
    }) as Partial<Kube> as Kube;
const withService = (clusterIP: string, port?: number) =>
    cluster({
        [API]: {
            spec: {
                service: { namespace: "kube-system", name: "metrics-server", ...(port === undefined ? {} : { port }) },
            },
        },
        [SERVICE]: { spec: { clusterIP } },
    });

const socket = join(tmpdir(), `homelab-egress-test-${randomBytes(4).toString("hex")}.sock`);

/** Asks as the API server does: the way first, then TLS. Yields what the way or the pod answered. */
async function ask(address: string, path: string): Promise<{ way: string; status?: number; body?: unknown }> {
    const [way, raw] = await new Promise<[string, Socket]>((resolve, reject) => {
        request({ socketPath: socket, method: "CONNECT", path: address })
            .on("connect", ({ statusCode, statusMessage }, given: Socket) =>
                resolve([`${statusCode} ${statusMessage}`, given]),
            )
            .on("error", reject)
            .end();
    });
    if (!way.startsWith("200")) return { way };
    return new Promise((resolve, reject) => {
        const secure = connect({ socket: raw, rejectUnauthorized: false });
        tlsRequest({ createConnection: () => secure, path, headers: { host: "metrics" } }, (answer) => {
            let text = "";
            answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
            answer.on("end", () => {
                secure.destroy();
                resolve({ way, status: answer.statusCode ?? 0, body: JSON.parse(text) });
            });
        })
            .on("error", reject)
            .end();
    });
}

async function during<T>(kube: Kube, then: () => Promise<T>): Promise<T> {
    const egress = await startEgress(socket, kube, aggregatedApis);
    try {
        return await then();
    } finally {
        await egress.close();
    }
}

test("metrics-server's kinds are told at its Service's address, and that nothing is measured yet", async () => {
    await during(withService("10.96.7.8"), async () => {
        const kinds = await ask("10.96.7.8:443", "/apis/metrics.k8s.io/v1beta1?timeout=32s");
        expect(kinds).toMatchObject({ way: expect.stringMatching(/^200/), status: 200 });
        const { resources } = kinds.body as { resources: { name: string; namespaced: boolean; verbs: string[] }[] };
        expect(resources.map(({ name, namespaced }) => [name, namespaced])).toEqual([
            ["nodes", false],
            ["pods", true],
        ]);
        // What can be deleted is looked for in each namespace that ends.
        expect(resources.flatMap(({ verbs }) => verbs)).not.toContain("delete");
        for (const path of ["nodes", "pods", "namespaces/media/pods"]) {
            const { status, body } = await ask("10.96.7.8:443", `/apis/metrics.k8s.io/v1beta1/${path}`);
            expect([status, body]).toEqual([200, expect.objectContaining({ items: [] })]);
        }
        expect((await ask("10.96.7.8:443", "/apis/metrics.k8s.io/v1beta1/nodes/n1")).status).toBe(404);
        expect((await ask("10.96.7.8:443", "/openapi/v2")).status).toBe(404);
    });
});

test("an address of the newer kind, and another port", async () => {
    await during(withService("fd00::a:8", 8443), async () => {
        expect((await ask("[fd00::a:8]:8443", "/apis/metrics.k8s.io/v1beta1")).status).toBe(200);
        expect((await ask("[fd00::a:8]:443", "/")).way).toMatch(/^502/);
    });
});

test.each([
    ["another Service", withService("10.96.7.8"), "10.96.7.9:443", /^502 .*nothing answers at 10\.96\.7\.9:443/],
    ["a cluster without the API", cluster({}), "10.96.7.8:443", /^502 .*nothing answers/],
    [
        "an API that the API server serves itself",
        cluster({ [API]: { spec: {} } }),
        "10.96.7.8:443",
        /^502 .*nothing answers/,
    ],
    [
        "an API server that is not well",
        cluster({}, new ApiError(500, "etcd is\nfull")),
        "10.96.7.8:443",
        /^503 .*etcd is full/,
    ],
])("%s: refused, with the reason in the status line", async (_what, kube, address, expected) => {
    expect(await during(kube, () => ask(address, "/"))).toEqual({ way: expect.stringMatching(expected) });
});

test("a socket that a killed one left is taken, and none is left", async () => {
    writeFileSync(socket, "");
    expect((await during(withService("10.96.7.8"), () => ask("10.96.7.8:443", "/x"))).status).toBe(404);
    expect(existsSync(socket)).toBe(false);
});
