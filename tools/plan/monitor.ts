/**
 * A resource monitor that answers as an engine in preview would, without engine, provider or account, and remembers
 * every registration. The SDK's own mocks do not show dependencies; this does.
 */
import * as pulumi from "@pulumi/pulumi";
import { setMockOptions } from "@pulumi/pulumi/runtime/settings";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";

/** Wire form of an unknown value and of a secret one (Pulumi's property marshalling). */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

export interface Registration {
    readonly urn: string;
    readonly type: string;
    readonly name: string;
    readonly custom: boolean;
    readonly parent: string;
    readonly dependencies: readonly string[];
    readonly protect: boolean;
    readonly retainOnDelete: boolean;
    /** Paths of inputs that keep the value with which the resource was made. */
    readonly ignoreChanges: readonly string[];
    /** `<provider urn>::<id>`, or "" for the default provider. */
    readonly provider: string;
    /** Earlier URNs that the program claims for it. Those that follow from its owner's aliases are not among them. */
    readonly aliases: readonly string[];
    /** Inputs in wire form: unknowns and secrets still marked. */
    readonly inputs: Json;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The few methods of the generated request classes that the monitor reads. */
interface RegisterRequest {
    getType(): string;
    getName(): string;
    getCustom(): boolean;
    getParent(): string;
    getDependenciesList(): string[];
    getProtect(): boolean;
    getRetainondelete(): boolean;
    getIgnorechangesList(): string[];
    getProvider(): string;
    getAliasesList(): AliasRequest[];
    getAliasurnsList(): string[];
    getAdditionalsecretoutputsList(): string[];
    getObject(): { toJavaScript(): Json } | undefined;
}

/** An alias: a URN, or what is different in it from the URN that the resource has now. */
interface AliasRequest {
    getUrn(): string;
    getSpec():
        | {
              getName(): string;
              getType(): string;
              getStack(): string;
              getProject(): string;
              getParenturn(): string;
              getNoparent(): boolean;
          }
        | undefined;
}

interface InvokeRequest {
    getTok(): string;
}

type Callback<T> = (error: Error | null, response: T | undefined) => void;

export class PlanMonitor {
    readonly registrations: Registration[] = [];
    readonly #types = new Map<string, string>();

    constructor(
        private readonly project: string,
        private readonly stack: string,
        /** What commands print that decide what is made, by name; without an answer it stays unknown, as in a preview. */
        private readonly answers: Readonly<Record<string, string>> = {},
    ) {}

    /**
     * Makes this monitor the one that the SDK of this process talks to, in preview mode.
     * @returns what gives the SDK back what it is spared in a plan: whoever runs programs on an engine afterwards needs it.
     */
    async install(): Promise<() => void> {
        // Sets the SDK's feature flags as for mocks; the monitor itself is replaced right after.
        await pulumi.runtime.setMocks(
            {
                newResource: () => ({ id: "", state: {} }),
                call: () => ({}),
            },
            this.project,
            this.stack,
            true,
        );
        setMockOptions(this, this.project, this.stack, true);
        const message = Struct.fromJavaScript.bind(Struct);
        // A request carries its inputs as they are: nothing is sent, and it would be written into a message and read again.
        Object.assign(Struct, { fromJavaScript: (value: Json) => Object.assign(new Struct(), struct(value)) });
        // Where the program registers each resource: only an engine asks, and each is a whole stack, written out and read again.
        const { stackTrace } = pulumi.Resource as unknown as { stackTrace: unknown };
        Object.assign(pulumi.Resource, { stackTrace: () => [] });
        return () => {
            Object.assign(Struct, { fromJavaScript: message });
            Object.assign(pulumi.Resource, { stackTrace });
        };
    }

    supportsFeature(request: { getId(): string }, callback: Callback<{ getHassupport(): boolean }>): void {
        const supported = request.getId() !== "outputValues";
        callback(null, { getHassupport: () => supported });
    }

    registerResource(request: RegisterRequest, callback: Callback<unknown>): void {
        const type = request.getType();
        const name = request.getName();
        const urn = this.urn(request.getParent(), type, name);
        if (this.#types.has(urn)) {
            callback(new Error(`two resources have the URN ${urn}; give one of them another name`), undefined);
            return;
        }
        this.#types.set(urn, type);
        const inputs = request.getObject()?.toJavaScript() ?? {};
        this.registrations.push({
            urn,
            type,
            name,
            custom: request.getCustom(),
            parent: request.getParent(),
            dependencies: [...request.getDependenciesList()].sort(),
            protect: request.getProtect(),
            retainOnDelete: request.getRetainondelete(),
            ignoreChanges: request.getIgnorechangesList(),
            provider: request.getProvider(),
            aliases: this.aliases(request),
            inputs,
        });
        const { id, outputs } = previewOutputs(type, name, inputs);
        const answer = type === "command:local:Command" ? this.answers[name] : undefined;
        if (answer !== undefined) outputs["stdout"] = answer;
        callback(null, {
            getUrn: () => urn,
            getId: () => id,
            getObject: () => struct({ ...outputs, ...secretOutputs(request.getAdditionalsecretoutputsList()) }),
            getStable: () => false,
            getStablesList: () => [],
            getPropertydependenciesMap: () => new Map(),
            getResult: () => 0,
        });
    }

    invoke(request: InvokeRequest, callback: Callback<unknown>): void {
        callback(null, {
            getFailuresList: () => [],
            getReturn: () => struct(invokeResult(request.getTok())),
        });
    }

    registerResourceOutputs(_request: unknown, callback: Callback<unknown>): void {
        callback(null, {});
    }

    signalAndWaitForShutdown(_request: unknown, callback: Callback<unknown>): void {
        callback(null, {});
    }

    readResource(_request: unknown, callback: Callback<unknown>): void {
        callback(new Error("a plan cannot read existing resources"), undefined);
    }

    registerPackage(_request: unknown, callback: Callback<unknown>): void {
        callback(null, { getRef: () => "" });
    }

    private urn(parent: string, type: string, name: string, stack = this.stack, project = this.project): string {
        // An alias may name an owner that this program no longer has: its type stands in its URN.
        const parentType = this.#types.get(parent) ?? parent.split("::")[2];
        const qualified =
            parentType === undefined || parentType === "pulumi:pulumi:Stack"
                ? type
                : `${parent.split("::")[2] ?? parentType}$${type}`;
        return `urn:pulumi:${stack}::${project}::${qualified}::${name}`;
    }

    /** Aliases as URNs, as the engine completes them (its deploy/step_generator.go, collapseAliasToUrn). */
    private aliases(request: RegisterRequest): string[] {
        const urns = request.getAliasesList().map((alias) => {
            const spec = alias.getSpec();
            if (spec === undefined) return alias.getUrn();
            return this.urn(
                spec.getNoparent() ? "" : spec.getParenturn() || request.getParent(),
                spec.getType() || request.getType(),
                spec.getName() || request.getName(),
                spec.getStack() || undefined,
                spec.getProject() || undefined,
            );
        });
        return [...new Set([...urns, ...request.getAliasurnsList()])];
    }
}

function struct(value: Json): { toJavaScript(): Json } {
    return { toJavaScript: () => value };
}

/** What a provider would say in a preview of a resource that does not exist yet: its inputs, and what is foreseeable. */
function previewOutputs(type: string, name: string, inputs: Json): { id: string; outputs: { [key: string]: Json } } {
    const object = isObject(inputs) ? inputs : {};
    switch (type) {
        case "pulumi:pulumi:Stack":
            return { id: "", outputs: {} };
        case "kubernetes:helm.sh/v3:Release":
            return { id: "", outputs: { ...object, status: { namespace: object["namespace"] ?? "default" } } };
        case "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared":
            return { id: `<${name}-id>`, outputs: object };
        default:
            return { id: type.startsWith("pulumi:providers:") ? "plan" : "", outputs: object };
    }
}

/** Outputs that the provider marks as secret. A plan does not know their values, but must show them as secrets. */
function secretOutputs(names: readonly string[]): { [key: string]: Json } {
    return Object.fromEntries(names.map((name) => [name, { [SIGNATURE]: SECRET, value: "[secret]" }]));
}

/**
 * Functions look at machines and accounts: in a plan their answers are unknown. A credential is a word instead, which
 * shows wherever the program does not mark it secret.
 */
function invokeResult(token: string): Json {
    const results: Record<string, Json> = {
        "command:local:run": { stdout: UNKNOWN, stderr: UNKNOWN },
        "cloudflare:index/getZeroTrustTunnelCloudflaredToken:getZeroTrustTunnelCloudflaredToken": {
            token: "<tunnel-token>",
        },
        // Nothing was up before.
        "pulumi:pulumi:readStackOutputs": { outputs: {} },
    };
    const result = results[token];
    if (result === undefined)
        throw new Error(`the plan does not know the function ${token}; add it to tools/plan/monitor.ts`);
    return result;
}

/** Wire form to what a person reads: secrets as `[secret]`, unknowns as `[unknown]`, keys sorted. */
export function readable(value: Json): Json {
    if (value === UNKNOWN) return "[unknown]";
    if (Array.isArray(value)) return value.map(readable);
    if (!isObject(value)) return value;
    if (value[SIGNATURE] === SECRET) return "[secret]";
    return Object.fromEntries(
        Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, item]) => [key, readable(item)]),
    );
}

/** Its elements; none where it is no list. */
export const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);

export function isObject(value: Json | undefined): value is { [key: string]: Json } {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}
