/** An API server of a few lines, in memory: enough for controllers of the sandbox to work on each other's objects. */
import type { Action, Controller, View } from "../../sandbox/controllers/controller";
import type { Metadata } from "../../sandbox/controllers/objects";

type Stored = Record<string, unknown> & { metadata: Metadata };

/** Plurals of the kinds that are given as objects. */
const PLURAL: Readonly<Record<string, string>> = {
    GatewayClass: "gatewayclasses",
    CiliumLoadBalancerIPPool: "ciliumloadbalancerippools",
    CiliumBGPClusterConfig: "ciliumbgpclusterconfigs",
    CiliumBGPPeerConfig: "ciliumbgppeerconfigs",
    CiliumBGPAdvertisement: "ciliumbgpadvertisements",
};

const pathOf = ({
    apiVersion = "",
    kind = "",
    metadata,
}: {
    apiVersion?: string;
    kind?: string;
    metadata: Metadata;
}) => {
    const base = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
    const home = metadata.namespace === undefined ? "" : `/namespaces/${metadata.namespace}`;
    return `${base}${home}/${PLURAL[kind] ?? `${kind.toLowerCase()}s`}/${metadata.name}`;
};

/** Collection of a path of an object, in all namespaces. */
const collectionOf = (path: string) =>
    path.replace(/\/namespaces\/[^/]+(?=\/[^/]+\/[^/]+$)/, "").replace(/\/[^/]+$/, "");

export class PlayedCluster {
    readonly #objects = new Map<string, Stored>();
    #made = 0;

    /** `kinds`: what discovery says of a group and version, by its path. */
    constructor(
        private readonly controllers: readonly Controller[],
        private readonly kinds: Readonly<Record<string, readonly string[]>>,
    ) {}

    /** Makes or replaces objects as a user would. */
    give(...objects: readonly object[]): this {
        for (const object of objects) this.#write(pathOf(object as Stored), object as Stored);
        return this;
    }

    take(apiVersion: string, kind: string, namespace: string, name: string): void {
        this.#delete(pathOf({ apiVersion, kind, metadata: { namespace, name } }));
    }

    get(apiVersion: string, kind: string, namespace: string | undefined, name: string): Stored | undefined {
        return this.#objects.get(
            pathOf({ apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } }),
        );
    }

    all(collection: string): Stored[] {
        return [...this.#objects]
            .filter(([path]) => collectionOf(path) === collection.split("?")[0])
            .map(([, one]) => one);
    }

    /** Passes until nobody wants anything any more. Throws when that does not come. */
    async settle(passes = 40): Promise<this> {
        for (let pass = 0; pass < passes; pass++) {
            let actions = 0;
            for (const controller of this.controllers) actions += await this.pass(controller);
            if (this.#collectGarbage() + actions === 0) return this;
        }
        throw new Error(`the controllers are not at rest after ${passes} passes`);
    }

    /** One pass of one controller. Returns how much it wanted. */
    async pass(controller: Controller): Promise<number> {
        const view: View = {
            now: Date.parse("2026-01-01T00:00:00Z") + this.#made * 1000,
            list: <T>(path: string) => this.all(path) as unknown as readonly T[],
            get: <T>(path: string) => {
                const served = this.kinds[path];
                return Promise.resolve(
                    (served === undefined
                        ? this.#objects.get(path)
                        : { resources: served.map((name) => ({ name })) }) as T | undefined,
                );
            },
        };
        const actions = await controller.reconcile(view);
        for (const action of actions) this.#do(action);
        return actions.length;
    }

    #do(action: Action): void {
        const status = action.path.endsWith("/status");
        const path = status ? action.path.slice(0, -"/status".length) : action.path;
        if (action.verb === "delete") return this.#delete(path);
        const body = action.body as Stored;
        if (action.verb === "create") return this.#write(`${path}/${body.metadata.name}`, body);
        const before = this.#objects.get(path);
        if (action.verb === "apply") return this.#write(path, { ...before, ...body });
        if (before === undefined) throw new Error(`patched, and not there: ${path}`);
        const { resourceVersion: _seen, ...metadata } = (body.metadata ?? {}) as unknown as Record<string, unknown>;
        const after = status
            ? { ...before, status: { ...(before["status"] as object), ...(body["status"] as object) } }
            : { ...before, metadata: { ...before.metadata, ...metadata } };
        this.#objects.set(path, after);
        this.#finish(path);
    }

    #write(path: string, object: Stored): void {
        const before = this.#objects.get(path);
        const { uid, creationTimestamp } = before?.metadata ?? {};
        this.#made += 1;
        this.#objects.set(path, {
            ...object,
            ...(before?.["status"] === undefined || object["status"] !== undefined ? {} : { status: before["status"] }),
            metadata: {
                generation: 1,
                ...object.metadata,
                uid: uid ?? object.metadata.uid ?? `uid-${this.#made}`,
                creationTimestamp:
                    creationTimestamp ?? object.metadata.creationTimestamp ?? new Date(this.#made * 1000).toISOString(),
            },
        });
    }

    #delete(path: string): void {
        const object = this.#objects.get(path);
        if (object === undefined) return;
        const metadata = { ...object.metadata, deletionTimestamp: "2026-01-02T00:00:00Z" };
        this.#objects.set(path, { ...object, metadata });
        this.#finish(path);
    }

    /** What is on its way out goes when nobody holds it. */
    #finish(path: string): void {
        const { deletionTimestamp, finalizers = [] } = this.#objects.get(path)?.metadata ?? {};
        if (deletionTimestamp !== undefined && finalizers.length === 0) this.#objects.delete(path);
    }

    /** What is owned by nobody that is there goes. Returns how much that was. */
    #collectGarbage(): number {
        let gone = 0;
        const alive = new Set([...this.#objects.values()].map(({ metadata }) => metadata.uid));
        for (const [path, { metadata }] of [...this.#objects]) {
            const { ownerReferences = [], deletionTimestamp } = metadata;
            const orphan = ownerReferences.length > 0 && ownerReferences.every(({ uid }) => !alive.has(uid));
            if (!orphan || deletionTimestamp !== undefined) continue;
            this.#delete(path);
            gone += 1;
        }
        return gone;
    }
}
