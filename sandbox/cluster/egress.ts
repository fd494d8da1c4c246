/**
 * The way of the API server to pods: what one serves as a part of the API (an APIService) is answered here, as its pods
 * do not run. Whether one is ready to answer the API server sees by the Service's endpoints, as it does in life.
 */
import { mkdirSync, rmSync } from "node:fs";
import { createServer, STATUS_CODES } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import { ApiError, type Kube } from "../controllers/kube";
import { selfSigned } from "../self-signed";

/** Answers a GET of a path, e.g. `/apis/metrics.k8s.io/v1beta1`; `undefined` where there is nothing. */
export type AggregatedApi = (path: string) => object | undefined;

/** What the API server is told of it: all that goes to pods, nodes and Services goes through the socket. */
export const egressConfig = (socket: string): object => ({
    apiVersion: "apiserver.k8s.io/v1beta1",
    kind: "EgressSelectorConfiguration",
    egressSelections: [
        {
            name: "cluster",
            connection: { proxyProtocol: "HTTPConnect", transport: { uds: { udsName: socket } } },
        },
    ],
});

interface ApiService {
    readonly spec: { readonly service?: { readonly namespace: string; readonly name: string; readonly port?: number } };
}

interface Service {
    readonly spec: { readonly clusterIP?: string };
}

/** `host:port` of the Service behind an APIService, as the API server dials it; `undefined` when there is none. */
async function addressOf(kube: Kube, apiService: string): Promise<string | undefined> {
    try {
        const api = await kube.get<ApiService>(`/apis/apiregistration.k8s.io/v1/apiservices/${apiService}`);
        const { service } = api.spec;
        if (service === undefined) return undefined;
        const { spec } = await kube.get<Service>(`/api/v1/namespaces/${service.namespace}/services/${service.name}`);
        const { clusterIP = "" } = spec;
        return `${clusterIP.includes(":") ? `[${clusterIP}]` : clusterIP}:${service.port ?? 443}`;
    } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined;
        throw error;
    }
}

/** Listens on a Unix socket. `apis` by the name of their APIService. */
export async function startEgress(
    socket: string,
    kube: Kube,
    apis: Readonly<Record<string, AggregatedApi>>,
): Promise<{ close(): Promise<void> }> {
    const sockets = new Set<Socket>();
    const { certificate, key } = selfSigned("sandbox", 3650);
    const servers = Object.entries(apis).map(([apiService, api]) => ({
        apiService,
        server: createTlsServer({ cert: certificate, key }, (request, response) => {
            const [path = ""] = (request.url ?? "").split("?");
            const body = request.method === "GET" ? api(path) : undefined;
            response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" });
            response.end(JSON.stringify(body ?? { kind: "Status", apiVersion: "v1", status: "Failure", code: 404 }));
        }),
    }));

    const connect = async (address: string, client: Socket): Promise<void> => {
        for (const { apiService, server } of servers) {
            if ((await addressOf(kube, apiService)) !== address) continue;
            client.write("HTTP/1.1 200 Connection established\r\n\r\n");
            server.emit("connection", client);
            return;
        }
        refuse(client, 502, `no container runs in a sandbox, so nothing answers at ${address}`);
    };

    const proxy = createServer((_request, response) => response.writeHead(405).end());
    proxy.on("connect", (request, client: Socket) => {
        sockets.add(client);
        client.on("close", () => sockets.delete(client)).on("error", () => client.destroy());
        connect(request.url ?? "", client).catch((error: unknown) =>
            refuse(client, 503, error instanceof Error ? error.message : String(error)),
        );
    });
    // The folder for short names may be one that is emptied; and what a killed one left.
    mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
    rmSync(socket, { force: true });
    await new Promise<void>((resolve, reject) => proxy.once("error", reject).listen(socket, resolve));
    return {
        close: () =>
            new Promise((resolve) => {
                proxy.close(() => resolve());
                proxy.closeAllConnections();
                for (const one of sockets) one.destroy();
            }),
    };
}

/** The API server shows the status line to whoever asked. */
function refuse(client: Socket, status: number, why: string): void {
    client.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}: ${why.replaceAll(/[\r\n]+/g, " ")}\r\n\r\n`);
}
