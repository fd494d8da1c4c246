/**
 * The plan's monitor behind the wire: a program started as the language host starts it talks to it as to an engine in
 * preview. So its start can be timed without one, to the moment of its first registration.
 */
import * as grpc from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import * as engine from "@pulumi/pulumi/proto/engine_pb";
import { InvokeResponse } from "@pulumi/pulumi/proto/provider_pb";
import { ResourceMonitorService } from "@pulumi/pulumi/proto/resource_grpc_pb";
import * as rpc from "@pulumi/pulumi/proto/resource_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import type { Json } from "../plan/monitor";
import { PlanMonitor } from "../plan/monitor";

export interface MonitorServer {
    /** host:port for the program's `--monitor` and `--engine`. */
    readonly address: string;
    /** Begins a run. */
    reset(): void;
    /** `performance.now()` of the first registration that is not the stack's own; undefined before it. */
    readonly firstRegistration: number | undefined;
    readonly registrations: number;
    /** Errors the program reported. */
    readonly errors: readonly string[];
    stop(): void;
}

/** What the plan's monitor answers with: getters only, to be put into real messages. */
interface Answer {
    getUrn(): string;
    getId(): string;
    getObject(): { toJavaScript(): Json };
    getReturn(): { toJavaScript(): Json };
}

export async function serveMonitor(project: string, stack: string): Promise<MonitorServer> {
    let monitor = new PlanMonitor(project, stack);
    let first: number | undefined;
    let rootUrn = "";
    const errors: string[] = [];

    const through = <Request, Response>(
        method: (request: Request, callback: (error: Error | null, answer: unknown) => void) => void,
        message: (answer: Answer) => Response,
    ) => {
        const handler: grpc.handleUnaryCall<Request, Response> = (call, callback) =>
            method(call.request, (error, answer) => {
                if (error !== null) callback({ code: grpc.status.UNKNOWN, details: error.message }, null);
                else callback(null, message(answer as Answer));
            });
        return handler;
    };
    const empty = () => new Empty();

    const server = new grpc.Server();
    server.addService(ResourceMonitorService, {
        supportsFeature: (
            call: grpc.ServerUnaryCall<rpc.SupportsFeatureRequest, rpc.SupportsFeatureResponse>,
            callback: grpc.sendUnaryData<rpc.SupportsFeatureResponse>,
        ) =>
            monitor.supportsFeature({ getId: () => call.request.getId() }, (_, answer) =>
                callback(null, new rpc.SupportsFeatureResponse().setHassupport(answer?.getHassupport() ?? false)),
            ),
        registerResource: through<rpc.RegisterResourceRequest, rpc.RegisterResourceResponse>(
            (request, callback) => {
                if (request.getType() !== "pulumi:pulumi:Stack") first ??= performance.now();
                monitor.registerResource(request as never, callback);
            },
            (answer) =>
                new rpc.RegisterResourceResponse()
                    .setUrn(answer.getUrn())
                    .setId(answer.getId())
                    .setObject(struct(answer.getObject())),
        ),
        invoke: through<rpc.ResourceInvokeRequest, InvokeResponse>(
            (request, callback) => monitor.invoke(request, callback),
            (answer) => new InvokeResponse().setReturn(struct(answer.getReturn())),
        ),
        registerResourceOutputs: through(
            (request, callback) => monitor.registerResourceOutputs(request, callback),
            empty,
        ),
        signalAndWaitForShutdown: through(
            (request, callback) => monitor.signalAndWaitForShutdown(request, callback),
            empty,
        ),
        registerPackage: through(
            (request, callback) => monitor.registerPackage(request, callback),
            () => new rpc.RegisterPackageResponse(),
        ),
    } as never);
    server.addService(EngineService, {
        log: (call: grpc.ServerUnaryCall<engine.LogRequest, Empty>, callback: grpc.sendUnaryData<Empty>) => {
            if (call.request.getSeverity() === engine.LogSeverity.ERROR) errors.push(call.request.getMessage());
            callback(null, new Empty());
        },
        setRootResource: (
            call: grpc.ServerUnaryCall<engine.SetRootResourceRequest, engine.SetRootResourceResponse>,
            callback: grpc.sendUnaryData<engine.SetRootResourceResponse>,
        ) => {
            rootUrn = call.request.getUrn();
            callback(null, new engine.SetRootResourceResponse());
        },
        getRootResource: (_: unknown, callback: grpc.sendUnaryData<engine.GetRootResourceResponse>) =>
            callback(null, new engine.GetRootResourceResponse().setUrn(rootUrn)),
    } as never);
    const port = await new Promise<number>((resolve, reject) =>
        server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
            error === null ? resolve(bound) : reject(error),
        ),
    );
    return {
        address: `127.0.0.1:${port}`,
        reset: () => {
            monitor = new PlanMonitor(project, stack);
            first = undefined;
            errors.length = 0;
        },
        get firstRegistration() {
            return first;
        },
        get registrations() {
            return monitor.registrations.length;
        },
        errors,
        stop: () => server.forceShutdown(),
    };
}

function struct(value: { toJavaScript(): Json }): Struct {
    return Struct.fromJavaScript(value.toJavaScript() as { [key: string]: Json });
}
