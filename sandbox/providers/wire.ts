import * as grpc from "@grpc/grpc-js";
import { ErrorResourceInitFailed } from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import type { Message } from "google-protobuf";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { InitError } from "./plugin";
import { secretTexts, type Props } from "./values";

/** A Struct as a plain bag; an absent one is empty. */
export function readStruct(struct: Struct | undefined): Props {
    return struct === undefined ? {} : (struct.toJavaScript() as Props);
}

export function writeStruct(props: Props): Struct {
    return Struct.fromJavaScript(props);
}

/** The plain texts of the secrets in a request, whichever its kind. */
export function secretsOf(request: Message): string[] {
    const getters: Record<string, unknown> = Object.getPrototypeOf(request) as Record<string, unknown>;
    const names = ["getProperties", "getInputs", "getOlds", "getNews", "getOldInputs", "getArgs"];
    return names.flatMap((name) => {
        const getter = getters[name];
        const value: unknown = typeof getter === "function" ? getter.call(request) : undefined;
        return value instanceof Struct ? secretTexts(readStruct(value)) : [];
    });
}

/**
 * The gRPC status for whatever a provider threw. An {@link InitError} carries the resource's state as a detail, so that
 * the engine records what exists.
 */
export function statusOf(error: unknown, redact: (message: string) => string): Partial<grpc.ServiceError> {
    const message = redact(error instanceof Error ? error.message : String(error));
    if (!(error instanceof InitError)) {
        return { code: grpc.status.UNKNOWN, details: message, message };
    }
    const detail = new ErrorResourceInitFailed()
        .setId(error.id)
        .setProperties(writeStruct(error.outputs))
        .setReasonsList([message, ...error.reasons.map(redact)]);
    if (error.inputs !== undefined) {
        detail.setInputs(writeStruct(error.inputs));
    }
    const any = new Any();
    any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
    const status = new Status().setCode(grpc.status.UNKNOWN).setMessage(message).setDetailsList([any]);
    const metadata = new grpc.Metadata();
    metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
    return { code: grpc.status.UNKNOWN, details: message, message, metadata };
}
