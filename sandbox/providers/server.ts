import { setMaxListeners } from "node:events";
import * as grpc from "@grpc/grpc-js";
import { PluginAttach, PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import type { Message } from "google-protobuf";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import type { DiffResult } from "./diff";
import { engineLog } from "./engine-log";
import type { CheckFailure, Plugin, Session } from "./plugin";
import { readStruct, secretsOf, statusOf, writeStruct } from "./wire";
import { redact, revealProps, secretTexts } from "./values";

/** A provider that listens. */
export interface RunningPlugin {
    port: number;
    stop(): Promise<void>;
}

/** The engine dials once for each provider resource, so what a connection was configured with is kept by its peer. */
interface Connection {
    engine?: string;
    abort: AbortController;
    session?: Promise<Session>;
    /** Plain texts of the configuration's secrets, for errors. */
    secrets: string[];
}

type Call<Req> = grpc.ServerUnaryCall<Req, unknown>;
type Handler<Req, Res> = (request: Req, connection: Connection) => Promise<Res>;

/** Serves the ResourceProvider service for one plugin on a free port of 127.0.0.1. */
export async function serve(plugin: Plugin, version: string, onLog: (line: string) => void): Promise<RunningPlugin> {
    const connections = new Map<string, Connection>();

    const connectionOf = (peer: string): Connection => {
        const known = connections.get(peer);
        if (known !== undefined) {
            return known;
        }
        const fresh: Connection = { abort: new AbortController(), secrets: [] };
        // Every request in flight listens to it.
        setMaxListeners(0, fresh.abort.signal);
        connections.set(peer, fresh);
        return fresh;
    };

    const sessionOf = (connection: Connection): Promise<Session> => {
        if (connection.session === undefined) {
            throw new Error("the connection has no configuration: the engine dialled again after a long silence");
        }
        return connection.session;
    };

    /** Turns an async handler into a gRPC one; whatever it throws reaches the engine without the request's secrets. */
    function unary<Req extends Message, Res>(name: string, handler: Handler<Req, Res>): grpc.handleUnaryCall<Req, Res> {
        return (call: Call<Req>, callback) => {
            const connection = connectionOf(call.getPeer());
            handler(call.request, connection).then(
                (response) => callback(null, response),
                (error: unknown) => {
                    const secrets = [...secretsOf(call.request), ...connection.secrets];
                    const status = statusOf(error, (message) => redact(message, secrets));
                    onLog(`${name}: ${status.details ?? ""}`);
                    callback(status, null);
                },
            );
        };
    }

    /** Like {@link unary}, for requests that need a configured provider. */
    function withSession<Req extends Message, Res>(
        name: string,
        handler: (request: Req, session: Session) => Promise<Res>,
    ) {
        return unary<Req, Res>(name, async (request, connection) => handler(request, await sessionOf(connection)));
    }

    const attach = (connection: Connection, address: string): void => {
        connection.engine = address;
    };

    const handlers: grpc.UntypedServiceImplementation = {
        handshake: unary<rpc.ProviderHandshakeRequest, rpc.ProviderHandshakeResponse>(
            "handshake",
            async (request, c) => {
                attach(c, request.getEngineAddress());
                return new rpc.ProviderHandshakeResponse().setAcceptSecrets(true);
            },
        ),
        attach: unary<PluginAttach, Empty>("attach", async (request, connection) => {
            attach(connection, request.getAddress());
            return new Empty();
        }),
        getPluginInfo: unary<Empty, PluginInfo>("getPluginInfo", async () => new PluginInfo().setVersion(version)),
        getSchema: unary<rpc.GetSchemaRequest, rpc.GetSchemaResponse>("getSchema", async () =>
            // Nothing but the engine's start-up asks; the SDKs carry their own types.
            new rpc.GetSchemaResponse().setSchema("{}"),
        ),
        checkConfig: unary<rpc.CheckRequest, rpc.CheckResponse>("checkConfig", async (request) => {
            const failures = plugin.checkConfig?.(revealProps(readStruct(request.getNews()))) ?? [];
            const response = new rpc.CheckResponse();
            const news = request.getNews();
            return setFailures(news === undefined ? response : response.setInputs(news), failures);
        }),
        diffConfig: unary<rpc.DiffRequest, rpc.DiffResponse>("diffConfig", async (request) => {
            const olds = request.getOldInputs() ?? request.getOlds();
            const [before, after] = [readStruct(olds), readStruct(request.getNews())].map(revealProps);
            return diffResponse(plugin.diffConfig?.(before ?? {}, after ?? {}) ?? { changes: {} });
        }),
        configure: unary<rpc.ConfigureRequest, rpc.ConfigureResponse>("configure", async (request, connection) => {
            const args = readStruct(request.getArgs());
            connection.secrets = secretTexts(args);
            const host = {
                signal: connection.abort.signal,
                log: engineLog(
                    () => connection.engine,
                    (message) => redact(message, connection.secrets),
                ),
            };
            connection.session = plugin.configure(revealProps(args), host);
            await connection.session;
            return new rpc.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true);
        }),
        check: withSession<rpc.CheckRequest, rpc.CheckResponse>("check", async (request, session) => {
            const result = await session.check({
                urn: request.getUrn(),
                name: request.getName(),
                type: request.getType(),
                olds: readStruct(request.getOlds()),
                news: readStruct(request.getNews()),
            });
            const response = new rpc.CheckResponse().setInputs(writeStruct(result.inputs));
            return setFailures(response, result.failures ?? []);
        }),
        diff: withSession<rpc.DiffRequest, rpc.DiffResponse>("diff", async (request, session) =>
            diffResponse(await session.diff(diffRequest(request))),
        ),
        create: withSession<rpc.CreateRequest, rpc.CreateResponse>("create", async (request, session) => {
            const created = await session.create({
                urn: request.getUrn(),
                name: request.getName(),
                type: request.getType(),
                inputs: readStruct(request.getProperties()),
                timeout: request.getTimeout(),
                preview: request.getPreview(),
            });
            return new rpc.CreateResponse().setId(created.id).setProperties(writeStruct(created.outputs));
        }),
        read: withSession<rpc.ReadRequest, rpc.ReadResponse>("read", async (request, session) => {
            const found = await session.read({
                id: request.getId(),
                urn: request.getUrn(),
                type: request.getType(),
                state: readStruct(request.getProperties()),
                inputs: readStruct(request.getInputs()),
            });
            const response = new rpc.ReadResponse();
            return found === undefined
                ? response // an empty id says that the resource is gone
                : response
                      .setId(found.id)
                      .setProperties(writeStruct(found.outputs))
                      .setInputs(writeStruct(found.inputs));
        }),
        update: withSession<rpc.UpdateRequest, rpc.UpdateResponse>("update", async (request, session) => {
            const outputs = await session.update({
                ...diffRequest(request),
                timeout: request.getTimeout(),
                preview: request.getPreview(),
            });
            return new rpc.UpdateResponse().setProperties(writeStruct(outputs));
        }),
        delete: withSession<rpc.DeleteRequest, Empty>("delete", async (request, session) => {
            await session.delete({
                id: request.getId(),
                urn: request.getUrn(),
                type: request.getType(),
                state: readStruct(request.getProperties()),
                inputs: readStruct(request.getOldInputs()),
                timeout: request.getTimeout(),
            });
            return new Empty();
        }),
        invoke: withSession<rpc.InvokeRequest, rpc.InvokeResponse>("invoke", async (request, session) =>
            new rpc.InvokeResponse().setReturn(
                writeStruct(await session.invoke(request.getTok(), readStruct(request.getArgs()))),
            ),
        ),
        cancel: unary<Empty, Empty>("cancel", async (_, connection) => {
            connection.abort.abort();
            return new Empty();
        }),
    };

    const server = new grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
    server.addService(ResourceProviderService, handlers);
    const port = await new Promise<number>((resolve, reject) =>
        server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
            error === null ? resolve(bound) : reject(error),
        ),
    );
    return {
        port,
        stop: async () => {
            server.forceShutdown();
            const all = [...new Set(connections.values())];
            all.forEach((connection) => connection.abort.abort());
            const sessions = await Promise.allSettled(all.flatMap((each) => each.session ?? []));
            await Promise.allSettled(
                sessions.flatMap((each) => (each.status === "fulfilled" ? [each.value.close?.()] : [])),
            );
        },
    };
}

function diffRequest(request: rpc.DiffRequest | rpc.UpdateRequest) {
    return {
        id: request.getId(),
        urn: request.getUrn(),
        type: request.getType(),
        olds: readStruct(request.getOlds()),
        oldInputs: readStruct(request.getOldInputs()),
        news: readStruct(request.getNews()),
        ignoreChanges: request.getIgnorechangesList(),
    };
}

function setFailures(response: rpc.CheckResponse, failures: readonly CheckFailure[]): rpc.CheckResponse {
    return response.setFailuresList(
        failures.map(({ property, reason }) => new rpc.CheckFailure().setProperty(property ?? "").setReason(reason)),
    );
}

const PLAIN = {
    add: rpc.PropertyDiff.Kind.ADD,
    delete: rpc.PropertyDiff.Kind.DELETE,
    update: rpc.PropertyDiff.Kind.UPDATE,
};
const REPLACE = {
    add: rpc.PropertyDiff.Kind.ADD_REPLACE,
    delete: rpc.PropertyDiff.Kind.DELETE_REPLACE,
    update: rpc.PropertyDiff.Kind.UPDATE_REPLACE,
};

function diffResponse(result: DiffResult): rpc.DiffResponse {
    const entries = Object.entries(result.changes);
    const replaces = [
        ...entries.filter(([, change]) => change.replace).map(([path]) => path),
        ...(result.replaces ?? []),
    ];
    const response = new rpc.DiffResponse()
        .setChanges(
            entries.length + replaces.length > 0
                ? rpc.DiffResponse.DiffChanges.DIFF_SOME
                : rpc.DiffResponse.DiffChanges.DIFF_NONE,
        )
        .setReplacesList(replaces)
        .setDiffsList([...new Set(entries.map(([path]) => path.split(/[.[]/)[0] ?? path))])
        .setDeletebeforereplace(result.deleteBeforeReplace ?? false)
        .setHasdetaileddiff(true);
    for (const [path, { kind, replace }] of entries) {
        const change = new rpc.PropertyDiff()
            .setKind((replace ? REPLACE : PLAIN)[kind])
            .setInputdiff(kind === "delete");
        response.getDetaileddiffMap().set(path, change);
    }
    return response;
}
