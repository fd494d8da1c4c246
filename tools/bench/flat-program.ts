/**
 * The yardstick for a program's own cost: the resources of a recorded run, registered one by one with the classes of
 * the same SDK. Same types, names, inputs, dependencies and data flow; no component classes, no derived tables, no
 * configuration, nothing looked at. Registered components stay, empty, so that the number is the same.
 */
import * as cloudflare from "@pulumi/cloudflare";
import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import * as tailscale from "@pulumi/tailscale";
import { isObject, isSecret, isUnknown, reveal, type Json, type Props } from "../../sandbox/providers/values";
import { waitsFor, type RecordedCall, type RecordedResource, type Recording } from "./recording";

/** One program in two runs: the preview tells which values come from other resources, the up what they were. */
export interface Recordings {
    readonly preview: Recording;
    readonly up: Recording;
}

type ResourceClass = new (
    name: string,
    inputs: Record<string, unknown>,
    opts: pulumi.CustomResourceOptions,
) => pulumi.CustomResource;

const STACK = "pulumi:pulumi:Stack";
const PACKAGES: Readonly<Record<string, unknown>> = { cloudflare, command, kubernetes: k8s, random, tailscale };

export async function flatProgram({ preview, up }: Recordings): Promise<void> {
    const seenInPreview = new Map(preview.resources.map((resource) => [resource.urn, resource]));
    const recorded = new Map(up.resources.map((resource) => [resource.urn, resource]));
    // A provider's answer may tie a value to more resources than are known in a preview.
    const waits = pulumi.runtime.isDryRun() ? seenInPreview : recorded;
    const registered = new Map<string, pulumi.Resource>();
    const live = new LiveValues(up.calls);
    // What the program asks the engine itself; the engine makes a provider for that, which counts. Before anything is registered,
    // as the program does: the engine reads a file of state for it, and fails on one that it writes at that moment.
    for (const { token, args } of up.calls) {
        if (token.startsWith("pulumi:")) await pulumi.runtime.invoke(token, args);
    }
    for (const resource of up.resources) {
        if (resource.type === STACK) continue;
        const dependsOn = waitsFor(waits.get(resource.urn) ?? resource, waits).flatMap(
            (urn) => registered.get(urn) ?? [],
        );
        if (!resource.custom) {
            registered.set(resource.urn, new EmptyComponent(resource.type, resource.name, { dependsOn }));
            continue;
        }
        const custom = dependsOn.filter((before) => pulumi.CustomResource.isInstance(before));
        const before = seenInPreview.get(resource.urn)?.inputs;
        const inputs = live.revive(providerInputs(resource), before, custom) as Record<string, unknown>;
        const opts = options(resource, dependsOn, registered);
        const made = new (classOf(resource.type))(resource.name, inputs, opts);
        registered.set(resource.urn, made);
        live.add(resource, made, opts.provider);
    }
}

class EmptyComponent extends pulumi.ComponentResource {
    constructor(type: string, name: string, opts: pulumi.ComponentResourceOptions) {
        super(type, name, {}, opts);
        this.registerOutputs({});
    }
}

function options(
    resource: RecordedResource,
    dependsOn: pulumi.Resource[],
    registered: ReadonlyMap<string, pulumi.Resource>,
): pulumi.CustomResourceOptions {
    const provider = registered.get(resource.provider.replace(/::[^:]*$/, ""));
    return {
        dependsOn,
        ...(provider === undefined ? {} : { provider: provider as pulumi.ProviderResource }),
        ...(resource.protect ? { protect: true } : {}),
        ...(resource.retainOnDelete ? { retainOnDelete: true } : {}),
        ...(resource.deleteBeforeReplace ? { deleteBeforeReplace: true } : {}),
        ...(resource.ignoreChanges.length === 0 ? {} : { ignoreChanges: [...resource.ignoreChanges] }),
        ...(resource.secretOutputs.length === 0 ? {} : { additionalSecretOutputs: [...resource.secretOutputs] }),
    };
}

/** Class by type token, e.g. `kubernetes:core/v1:Secret` or `cloudflare:index/dnsRecord:DnsRecord`. */
function classOf(token: string): ResourceClass {
    const [pkg = "", module = "", name = ""] = token.split(":");
    const provider = pkg === "pulumi" && module === "providers";
    const sdk = provider ? PACKAGES[name] : PACKAGES[pkg];
    const [group = "", version = ""] = module.split("/");
    const path = provider
        ? ["Provider"]
        : pkg === "kubernetes"
          ? // The SDK names a group by its first word: rbac.authorization.k8s.io is k8s.rbac, helm.sh is k8s.helm.
            [group.split(".")[0] ?? "", version, name]
          : [...(group === "index" ? [] : [group]), name];
    const found = path.reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], sdk);
    if (typeof found === "function") return found as ResourceClass;
    if (pkg === "kubernetes") return k8s.apiextensions.CustomResource as unknown as ResourceClass;
    throw new Error(`no class of an SDK for ${token}; tools/bench/flat-program.ts must know its package`);
}

/** A provider's class makes JSON of its inputs; on the wire they are JSON already. */
function providerInputs({ type, inputs }: RecordedResource): Props {
    if (!type.startsWith("pulumi:providers:")) return inputs;
    return Object.fromEntries(
        Object.entries(inputs).map(([key, value]) => [
            key,
            value === "true" ? true : value === "false" ? false : value,
        ]),
    );
}

/** A text that the engine gave in the recorded run, and where the same comes from in this one. */
interface Source {
    readonly resource: pulumi.CustomResource;
    readonly text: string;
    readonly output: pulumi.Output<unknown>;
}

/** Recorded values become what they were in the program: constants, secrets, or outputs of other resources. */
class LiveValues {
    readonly #sources: Source[] = [];
    readonly #calls: Set<RecordedCall>;

    constructor(calls: readonly RecordedCall[]) {
        this.#calls = new Set(calls);
    }

    /** What is known of a resource only after it was made becomes a source for later ones. */
    add(recorded: RecordedResource, resource: pulumi.CustomResource, provider?: pulumi.ProviderResource): void {
        this.addSource(resource, recorded.id, resource.id);
        for (const [key, wire] of Object.entries(recorded.outputs)) {
            const output = (resource as unknown as Record<string, unknown>)[key];
            if (key in recorded.inputs || !pulumi.Output.isInstance(output)) continue;
            this.addSource(resource, reveal(wire), output);
        }
        // A function of the program that was given something of this resource: asked again as soon as it can be.
        for (const call of this.#calls) {
            if (recorded.id === "" || !Object.values(call.args).includes(recorded.id)) continue;
            this.#calls.delete(call);
            const args = Object.fromEntries(
                Object.entries(call.args).map(([key, value]) => [key, value === recorded.id ? resource.id : value]),
            );
            const result = pulumi.runtime.invokeOutput<Record<string, unknown>>(call.token, args, {
                ...(provider === undefined ? {} : { provider }),
            });
            for (const [key, wire] of Object.entries(call.result)) {
                if (key in call.args) continue;
                const output = result.apply((given) => given[key]);
                this.addSource(resource, reveal(wire), output);
            }
        }
    }

    /** `before` is the same value in the preview: what was unknown there came from a resource. */
    revive(value: Json, before: Json | undefined, dependencies: readonly pulumi.CustomResource[]): unknown {
        if (isSecret(value)) {
            const hidden = isSecret(before) ? before["value"] : before;
            return pulumi.secret(this.revive(value["value"] ?? null, hidden, dependencies));
        }
        if (before !== undefined && isUnknown(isSecret(before) ? (before["value"] ?? null) : before)) {
            return this.fromResource(value, dependencies);
        }
        if (Array.isArray(value)) {
            const items = Array.isArray(before) ? before : [];
            return value.map((item, index) => this.revive(item, items[index], dependencies));
        }
        if (isObject(value)) {
            const entries = isObject(before) ? before : {};
            return Object.fromEntries(
                Object.entries(value).map(([key, item]) => [key, this.revive(item, entries[key], dependencies)]),
            );
        }
        return value;
    }

    private fromResource(value: Json, dependencies: readonly pulumi.CustomResource[]): unknown {
        const longest = this.#sources
            .filter(({ resource }) => dependencies.includes(resource))
            .filter(({ text }) => typeof value === "string" && value.includes(text))
            .sort((a, b) => b.text.length - a.text.length)[0];
        if (longest !== undefined) {
            const [text, recorded] = [String(value), longest.text];
            return longest.output.apply((given) => text.replaceAll(recorded, String(given)));
        }
        // Computed in a way not known here: at least as late, and as unknown in a preview, as what it came from.
        const [origin] = dependencies.slice(-1);
        return origin === undefined ? value : origin.id.apply(() => reveal(value));
    }

    private addSource(resource: pulumi.CustomResource, text: Json, output: pulumi.Output<unknown>): void {
        // Shorter ones would be found by chance.
        if (typeof text === "string" && text.length >= 8) this.#sources.push({ resource, text, output });
    }
}
