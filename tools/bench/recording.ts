/** What a program says to the engine, and what the engine answers, taken down as it passes. */
import { ResourceMonitorClient } from "@pulumi/pulumi/proto/resource_grpc_pb";
import type * as rpc from "@pulumi/pulumi/proto/resource_pb";
import type { InvokeResponse } from "@pulumi/pulumi/proto/provider_pb";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { equal, type Props } from "../../sandbox/providers/values";

export interface RecordedResource {
    readonly urn: string;
    readonly id: string;
    readonly type: string;
    readonly name: string;
    readonly custom: boolean;
    /** URN; "" for the stack. */
    readonly parent: string;
    /** `<urn>::<id>` of the provider instance; "" for the default one. */
    readonly provider: string;
    /** URNs that were waited for. */
    readonly dependencies: readonly string[];
    readonly protect: boolean;
    readonly retainOnDelete: boolean;
    readonly deleteBeforeReplace: boolean;
    readonly ignoreChanges: readonly string[];
    readonly secretOutputs: readonly string[];
    /** In wire form: unknown and secret values are marked. */
    readonly inputs: Props;
    readonly outputs: Props;
}

export interface RecordedCall {
    readonly token: string;
    readonly args: Props;
    readonly result: Props;
}

/** Resources in the order in which they were registered; what they wait for comes before them. */
export interface Recording {
    readonly resources: readonly RecordedResource[];
    readonly calls: readonly RecordedCall[];
}

/** Dependencies of a resource and of its owners: what a resource without owners would have to wait for itself. */
export function waitsFor(resource: RecordedResource, recorded: ReadonlyMap<string, RecordedResource>): string[] {
    const urns = new Set(resource.dependencies);
    for (let owner = recorded.get(resource.parent); owner !== undefined; owner = recorded.get(owner.parent)) {
        for (const urn of owner.dependencies) urns.add(urn);
    }
    return [...urns];
}

/**
 * What two programs registered differently, a sentence each: resources of one only, inputs, and what is waited for.
 * Owners do not count, and neither does which of the equal values is marked secret.
 */
export function differences(one: Recording, other: Recording): string[] {
    const describe = ({ resources }: Recording) => {
        const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
        return new Map(
            resources.map((resource) => [
                nameOf(resource.urn),
                { inputs: resource.inputs, waits: [...everythingBefore(resource, byUrn)].map(nameOf).sort() },
            ]),
        );
    };
    const [first, second] = [describe(one), describe(other)];
    const names = [...new Set([...first.keys(), ...second.keys()])];
    return names.flatMap((name) => {
        const [a, b] = [first.get(name), second.get(name)];
        if (a === undefined || b === undefined) return [`${name} is in one of them only`];
        return [
            ...(equal(a.inputs, b.inputs) ? [] : [`${name} has other inputs`]),
            ...a.waits
                .filter((wait) => !b.waits.includes(wait))
                .map((wait) => `${name} waits for ${wait} in the first only`),
            ...b.waits
                .filter((wait) => !a.waits.includes(wait))
                .map((wait) => `${name} waits for ${wait} in the second only`),
        ];
    });
}

/** URNs of all that a resource waits for, directly or not: an edge that follows from others makes no difference. */
function everythingBefore(
    resource: RecordedResource,
    recorded: ReadonlyMap<string, RecordedResource>,
    seen = new Set<string>(),
): Set<string> {
    for (const urn of waitsFor(resource, recorded)) {
        const before = recorded.get(urn);
        if (seen.has(urn) || before === undefined) continue;
        seen.add(urn);
        everythingBefore(before, recorded, seen);
    }
    return seen;
}

/** Type and name; a URN names the types of all owners too. */
function nameOf(urn: string): string {
    const [, , types = "", name = ""] = urn.split("::");
    return `${types.split("$").at(-1) ?? ""} ${name}`;
}

type Answered<T> = (error: Error | null, answer: T | undefined) => void;

/** Listens to every monitor client of this process from now on; the returned recording fills itself. */
export function startRecording(): Recording {
    const resources: RecordedResource[] = [];
    const calls: RecordedCall[] = [];
    listen<rpc.RegisterResourceRequest, rpc.RegisterResourceResponse>("registerResource", (request, answer) => {
        resources.push({
            urn: answer.getUrn(),
            id: answer.getId(),
            type: request.getType(),
            name: request.getName(),
            custom: request.getCustom(),
            parent: request.getParent(),
            provider: request.getProvider(),
            dependencies: request.getDependenciesList(),
            protect: request.getProtect() ?? false,
            retainOnDelete: request.getRetainondelete() ?? false,
            deleteBeforeReplace: request.getDeletebeforereplace(),
            ignoreChanges: request.getIgnorechangesList(),
            secretOutputs: request.getAdditionalsecretoutputsList(),
            inputs: plain(request.getObject()),
            outputs: plain(answer.getObject()),
        });
    });
    listen<rpc.ResourceInvokeRequest, InvokeResponse>("invoke", (request, answer) => {
        calls.push({ token: request.getTok(), args: plain(request.getArgs()), result: plain(answer.getReturn()) });
    });
    return { resources, calls };
}

function listen<Request, Answer>(
    method: "registerResource" | "invoke",
    take: (request: Request, answer: Answer) => void,
): void {
    const client = ResourceMonitorClient.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
    const original = client[method];
    if (original === undefined) throw new Error(`the SDK's monitor client has no ${method} to listen to`);
    client[method] = function (this: unknown, request: unknown, ...rest: unknown[]) {
        const callback = rest.pop() as Answered<Answer>;
        const heard: Answered<Answer> = (error, answer) => {
            if (error === null && answer !== undefined) take(request as Request, answer);
            callback(error, answer);
        };
        return original.call(this, request, ...rest, heard);
    };
}

function plain(struct: Struct | undefined): Props {
    return struct === undefined ? {} : (struct.toJavaScript() as Props);
}
