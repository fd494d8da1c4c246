import { randomBytes } from "node:crypto";
import { parseAllDocuments } from "yaml";
import type { DiffResult } from "../diff";
import {
    InitError,
    unsupported,
    type CheckRequest,
    type CheckResult,
    type CreateRequest,
    type Created,
    type DeleteRequest,
    type DiffRequest,
    type Found,
    type Host,
    type ReadRequest,
    type Session,
    type UpdateRequest,
} from "../plugin";
import { containsUnknown, isObject, isUnknown, pluck, reveal, text, type Json, type Props } from "../values";
import { awaitReady, AwaitError, checkReady, deleteAndAwait, type Waiting } from "./await";
import { annotateObject, checkpoint, objectOf, readCheckpoint } from "./checkpoint";
import { NoMatchError, StatusError, type KubeClient } from "./client";
import type { Mutable } from "./force-new";
import { builtInNamespaced, group, isBuiltIn, isCrd, isPatchType } from "./kinds";
import { annotation, flagged, fromWireKeys, normalize } from "./normalize";
import { diffObject, ignore, prune } from "./object-diff";
import { createObject, NotPreviewable, relinquish, updateObject } from "./objects";
import { isRelease, type Releases } from "./release";

/** The provider's configuration, with the official defaults. */
export interface Settings {
    namespace: string;
    serverSideApply: boolean;
    patchForce: boolean;
    upsert: boolean;
    deleteUnreachable: boolean;
    skipUpdateUnreachable: boolean;
    mutable: Mutable;
    settleSeconds: number;
}

const AUTONAMED = "pulumi.com/autonamed";

const kindOf = (object: Props): string => text(object, "kind") ?? "";
const versionOf = (object: Props): string => text(object, "apiVersion") ?? "";

function idOf(object: Props): string {
    const [namespace, name] = [text(object, "metadata", "namespace"), text(object, "metadata", "name") ?? ""];
    return namespace ? `${namespace}/${name}` : name;
}

/** A configured kubernetes provider. `client` is undefined while the cluster cannot be reached. */
export class KubernetesSession implements Session {
    /** Scopes of the CRDs that the program declares, for custom resources whose CRD is not there yet. */
    private readonly scopes = new Map<string, boolean>();

    constructor(
        private readonly settings: Settings,
        private readonly host: Host,
        private readonly client: KubeClient | undefined,
        private readonly unreachable: string,
        private readonly releases: Releases,
    ) {}

    async close(): Promise<void> {
        this.client?.close();
        await this.releases.close();
    }

    async check(request: CheckRequest): Promise<CheckResult> {
        const { type, name, urn, olds, news } = request;
        if (this.client === undefined && this.settings.skipUpdateUnreachable) {
            await this.host.log("warning", urn, "Cluster is unreachable but skipUpdateUnreachable is set, skipping...");
            return { inputs: olds };
        }
        if (isRelease(type)) {
            return this.releases.check(request);
        }
        const object = normalizeKnown(objectOf(news));
        const [apiVersion, kind] = [versionOf(object), kindOf(object)];
        if (apiVersion === "" || kind === "") {
            return { inputs: news, failures: [{ reason: `${type} has no apiVersion or kind` }] };
        }
        if (kind.endsWith("List") && type.endsWith(`:${kind}`) && Array.isArray(object["items"])) {
            throw new Error("list resources cannot be created directly; use the underlying resource type instead");
        }
        const metadata = isObject(object["metadata"]) ? object["metadata"] : {};
        object["metadata"] = metadata;
        const named = text(metadata, "name") || undefined;
        const patch = isPatchType(type, kind);
        if (patch && !this.settings.serverSideApply) {
            throw new Error("patch resources require Server-Side Apply mode");
        }
        if (patch && named === undefined) {
            throw new Error("patch resources require the `.metadata.name` field to be set");
        }
        if (metadata["generateName"] !== undefined && named === undefined && this.settings.serverSideApply) {
            throw new Error("the `.metadata.generateName` field is not supported in Server-Side Apply mode");
        }
        if (named === undefined) {
            const old = objectOf(olds);
            const keeps = flagged(old, AUTONAMED);
            metadata["name"] = keeps
                ? (text(old, "metadata", "name") ?? "")
                : `${name}-${randomBytes(4).toString("hex")}`;
            const annotations = metadata["annotations"];
            if (!isUnknown(annotations)) {
                metadata["annotations"] = { ...(isObject(annotations) && annotations), [AUTONAMED]: "true" };
            }
        }
        if (
            this.settings.namespace !== "" &&
            !text(metadata, "namespace") &&
            (await this.namespaced(apiVersion, kind))
        ) {
            metadata["namespace"] = this.settings.namespace;
        }
        this.rememberScope(object);
        const inputs = fromWireKeys(object);
        annotateObject(inputs, news);
        return { inputs };
    }

    private rememberScope(object: Props): void {
        if (isCrd(object)) {
            const key = `${text(object, "spec", "group") ?? ""}/${text(object, "spec", "names", "kind") ?? ""}`;
            this.scopes.set(key, text(object, "spec", "scope") === "Namespaced");
        }
    }

    /** Is a kind namespaced? One that nothing is known of is taken to be. */
    private async namespaced(apiVersion: string, kind: string): Promise<boolean> {
        if (isBuiltIn(apiVersion)) {
            return builtInNamespaced(kind);
        }
        const declared = this.scopes.get(`${group(apiVersion)}/${kind}`);
        if (declared !== undefined || this.client === undefined || !(await this.client.serves(apiVersion, kind))) {
            return declared ?? true;
        }
        return (await this.client.mapping(apiVersion, kind)).namespaced;
    }

    async diff(request: DiffRequest): Promise<DiffResult> {
        if (isRelease(request.type)) {
            return this.releases.diff(request);
        }
        const { inputs: oldInputs, live } = readCheckpoint(request.olds);
        const news = objectOf(request.news);
        const result = diffObject(oldInputs, live, news, {
            namespaced: await this.namespaced(versionOf(news), kindOf(news)),
            patch: isPatchType(request.type, kindOf(news)),
            mutable: this.settings.mutable,
        });
        return ignore(result, request.ignoreChanges);
    }

    async create(request: CreateRequest): Promise<Created> {
        const { type, urn, inputs: wrapped, preview, timeout } = request;
        if (isRelease(type)) {
            return this.releases.create(request);
        }
        const object = objectOf(wrapped);
        const patch = isPatchType(type, kindOf(object));
        if (preview && (patch || !this.settings.serverSideApply || !(await this.previewable(object)))) {
            return { id: "", outputs: wrapped };
        }
        const client = this.reach();
        const manager = annotation(object, "pulumi.com/patchFieldManager") ?? newManager();
        const write = { client, host: this.host, urn, object, manager, preview, force: this.settings.patchForce };
        let applied: Props;
        try {
            applied = await createObject(write, this.settings.serverSideApply && (patch || this.settings.upsert));
        } catch (error) {
            const status = error instanceof StatusError ? error : undefined;
            const unanswered =
                status?.code === 403 || status?.reason === "AlreadyExists" || / dry ?run/i.test(status?.message ?? "");
            if (preview && (unanswered || error instanceof NotPreviewable)) {
                return { id: "", outputs: wrapped };
            }
            throw createFailure(urn, object, error);
        }
        if (preview) {
            const { status: _, ...rest } = applied;
            return { id: "", outputs: checkpoint(object, rest, wrapped, manager) };
        }
        const id = idOf(applied);
        try {
            const live = await awaitReady(this.waiting(client), applied, {
                urn,
                inputs: object,
                creating: true,
                timeout,
            });
            if (isCrd(object)) {
                client.forgetMappings();
            }
            return { id, outputs: checkpoint(object, live, wrapped, manager) };
        } catch (error) {
            throw this.partial(
                error,
                applied,
                (live) => checkpoint(object, live, wrapped, manager),
                (message) =>
                    `resource ${JSON.stringify(urn)} was successfully created, but the Kubernetes API server reported that it ` +
                    `failed to fully initialize or become live: ${message}`,
            );
        }
    }

    async update(request: UpdateRequest): Promise<Props> {
        const { type, urn, olds, news: wrapped, preview, timeout, ignoreChanges } = request;
        if (isRelease(type)) {
            return this.releases.update(request);
        }
        const object = normalizeKnown(objectOf(wrapped));
        if (preview && !(await this.previewable(object))) {
            return wrapped;
        }
        const client = this.reach();
        const { live: oldLive, manager: oldManager } = readCheckpoint(olds);
        const manager = annotation(object, "pulumi.com/patchFieldManager") ?? oldManager ?? newManager();
        const write = { client, host: this.host, urn, object, manager, preview, force: this.settings.patchForce };
        const liveName = text(oldLive, "metadata", "name") ?? "";
        let applied: Props | undefined;
        try {
            applied = await updateObject(write, liveName, isPatchType(type, kindOf(object)), ignoreChanges);
            if (preview) {
                return checkpoint(object, applied, wrapped, manager);
            }
            const options = { urn, inputs: object, creating: false, timeout };
            const live = await awaitReady(this.waiting(client), applied, options);
            if (oldManager !== undefined && oldManager !== manager) {
                await relinquish(client, live, oldManager);
            }
            if (isCrd(object)) {
                client.forgetMappings();
            }
            return checkpoint(object, live, wrapped, manager);
        } catch (error) {
            if (preview && error instanceof StatusError && error.code === 403) {
                return wrapped;
            }
            if (error instanceof NoMatchError) {
                throw new Error(
                    `update of resource ${JSON.stringify(urn)} failed because the Kubernetes API server reported that the ` +
                        `apiVersion for this resource does not exist. Verify that any required CRDs have been created: ${error.message}`,
                );
            }
            // Even a refused update counts as begun: what is there is read and recorded with the new inputs.
            const now = await client.find(
                versionOf(object),
                kindOf(object),
                text(oldLive, "metadata", "namespace"),
                liveName,
            );
            if (now === undefined) {
                throw new Error(`update of resource ${JSON.stringify(urn)} failed: ${messageOf(error)}`);
            }
            throw this.partial(
                error,
                now,
                (live) => checkpoint(object, live, wrapped, manager),
                (message) =>
                    `the Kubernetes API server reported that ${JSON.stringify(idOf(now))} failed to fully initialize or become ` +
                    `live: ${message}`,
            );
        }
    }

    async read(request: ReadRequest): Promise<Found | undefined> {
        const { id, urn, type, state, inputs: wrapped } = request;
        if (this.client === undefined) {
            await this.host.log("warning", urn, `configured Kubernetes cluster is unreachable: ${this.unreachable}`);
            if (this.settings.deleteUnreachable) {
                return undefined;
            }
            if (this.settings.skipUpdateUnreachable) {
                return { id, outputs: state, inputs: wrapped };
            }
            throw new Error(
                "failed to read resource state due to unreachable cluster. If the cluster was deleted, you can remove this " +
                    'resource from Pulumi state by setting PULUMI_K8S_DELETE_UNREACHABLE to "true"',
            );
        }
        if (isRelease(type)) {
            return this.releases.read(request);
        }
        const recorded = readCheckpoint(state);
        const said = normalize(objectOf(wrapped));
        const known = versionOf(said) !== "";
        const [apiVersion, kind] = known ? [versionOf(said), kindOf(said)] : ofType(type, recorded.live);
        const [name = "", namespace] = id.split("/").reverse();
        const live = await this.client.find(apiVersion, kind, namespace ?? text(said, "metadata", "namespace"), name);
        if (live === undefined) {
            return undefined;
        }
        const imported = !known;
        const inputs = imported ? importable(live) : (prune(live, said) as Props);
        const manager = recorded.manager ?? newManager();
        const outputs = checkpoint(inputs, live, wrapped, manager);
        const liveInputs = fromWireKeys(inputs);
        annotateObject(liveInputs, wrapped);
        if (!imported) {
            try {
                await checkReady(this.waiting(this.client), live, urn, said);
            } catch (error) {
                if (error instanceof AwaitError) {
                    throw new InitError(error.message, id, outputs, error.reasons, liveInputs);
                }
                throw error;
            }
        }
        return { id, outputs, inputs: liveInputs };
    }

    async delete(request: DeleteRequest): Promise<void> {
        const { type, urn, state, timeout } = request;
        if (this.client === undefined) {
            if (isRelease(type)) {
                throw new Error(`can't delete Helm Release with unreachable cluster. Reason: ${this.unreachable}`);
            }
            await this.host.log("warning", urn, `configured Kubernetes cluster is unreachable: ${this.unreachable}`);
            if (this.settings.deleteUnreachable) {
                return;
            }
            throw new Error(
                "configured Kubernetes cluster is unreachable. If the cluster was deleted, you can remove this resource from " +
                    'Pulumi state by setting PULUMI_K8S_DELETE_UNREACHABLE to "true"',
            );
        }
        if (isRelease(type)) {
            return this.releases.delete(request);
        }
        const { inputs, live, manager } = readCheckpoint(state);
        try {
            if (isPatchType(type, kindOf(live)) && this.settings.serverSideApply) {
                await relinquish(this.client, live, manager ?? newManager());
            } else {
                await deleteAndAwait(this.waiting(this.client), live, inputs, urn, timeout);
            }
        } catch (error) {
            // The kind is gone, and with it all its objects.
            if (!(error instanceof NoMatchError)) {
                throw error;
            }
        }
    }

    invoke(token: string, args: Props): Promise<Props> {
        if (token !== "kubernetes:yaml:decode") {
            return Promise.reject(unsupported("function", token));
        }
        const documents = parseAllDocuments(text(reveal(args), "text") ?? "");
        const objects = (Array.isArray(documents) ? documents : []).map((each) => each.toJS() as Json).filter(isObject);
        return Promise.resolve({ result: objects });
    }

    private waiting(client: KubeClient): Waiting {
        return { client, host: this.host, settleSeconds: this.settings.settleSeconds };
    }

    private reach(): KubeClient {
        if (this.client === undefined) {
            throw new Error(`configured Kubernetes cluster is unreachable: ${this.unreachable}`);
        }
        return this.client;
    }

    /** Can the server be asked what it would do? Not while values are unknown, or the kind is not there yet. */
    private async previewable(object: Props): Promise<boolean> {
        return (
            this.client !== undefined &&
            !containsUnknown(object) &&
            (await this.client.serves(versionOf(object), kindOf(object)))
        );
    }

    /** What the engine is to record when a write went through but its wait did not. */
    private partial(
        error: unknown,
        applied: Props,
        state: (live: Props) => Props,
        say: (message: string) => string,
    ): InitError {
        const live = error instanceof AwaitError ? error.live : applied;
        const reasons = error instanceof AwaitError ? error.reasons : [];
        return new InitError(say(messageOf(error)), idOf(live), state(live), reasons);
    }
}

/** Values that the program does not know yet cannot be normalized. */
function normalizeKnown(object: Props): Props {
    return containsUnknown(object) ? object : normalize(object);
}

function newManager(): string {
    return `pulumi-kubernetes-${randomBytes(4).toString("hex")}`;
}

function messageOf(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}

function createFailure(urn: string, object: Props, error: unknown): Error {
    if (error instanceof NoMatchError) {
        return new Error(
            `creation of resource ${JSON.stringify(urn)} with kind ${versionOf(object)}/${kindOf(object)} failed because the ` +
                "Kubernetes API server reported that the apiVersion for this resource does not exist. " +
                `Verify that any required CRDs have been created: ${error.message}`,
        );
    }
    return new Error(
        `resource ${JSON.stringify(urn)} was not successfully created by the Kubernetes API server: ${messageOf(error)}`,
    );
}

/** apiVersion and kind of a type token: `kubernetes:apps/v1:Deployment`. */
function ofType(type: string, live: Props): [string, string] {
    if (versionOf(live) !== "") {
        return [versionOf(live), kindOf(live)];
    }
    const [, version = "", kind = ""] = type.split(":");
    return [version.replace(/^core\//, ""), kind];
}

/** A live object as inputs, for one that the program never described. */
function importable(live: Props): Props {
    const { status: _, ...rest } = live;
    const inputs = normalize(rest);
    const annotations = pluck(inputs, "metadata", "annotations");
    if (isObject(annotations)) {
        delete annotations["kubectl.kubernetes.io/last-applied-configuration"];
        delete annotations["deployment.kubernetes.io/revision"];
    }
    return inputs;
}
