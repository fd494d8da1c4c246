import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import type { Host, Severity } from "./plugin";

const SEVERITIES: Record<Severity, LogSeverity> = {
    debug: LogSeverity.DEBUG,
    info: LogSeverity.INFO,
    warning: LogSeverity.WARNING,
    error: LogSeverity.ERROR,
};

/** Engines are dialled once; the channels are idle most of the time. */
const clients = new Map<string, EngineClient>();

/** A log that goes to the engine at `address`. A line that cannot be delivered is dropped: it must fail no resource. */
export function engineLog(address: () => string | undefined, hide: (message: string) => string): Host["log"] {
    return (severity, urn, message, status = false) => {
        const target = address();
        if (target === undefined || target === "") {
            return Promise.resolve();
        }
        const client = clients.get(target) ?? new EngineClient(target, grpc.credentials.createInsecure());
        clients.set(target, client);
        const request = new LogRequest()
            .setSeverity(SEVERITIES[severity])
            .setUrn(urn)
            .setMessage(hide(message))
            .setEphemeral(status);
        return new Promise((resolve) =>
            client.log(request, new grpc.Metadata(), { deadline: Date.now() + 5_000 }, () => resolve()),
        );
    };
}

/** Closes the channels to all engines. */
export function closeEngineLogs(): void {
    clients.forEach((client) => client.close());
    clients.clear();
}
