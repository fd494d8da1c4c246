import { ApiError, type Kube, type Watching } from "./kube";
import type { KubeObject } from "./objects";

interface List {
    readonly metadata?: { readonly resourceVersion?: string };
    readonly items?: readonly KubeObject[];
}

type WatchEvent =
    | { readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; readonly object: KubeObject }
    | { readonly type: "ERROR"; readonly object: unknown };

/**
 * A collection of the API server: listed once, then kept up by a watch. Listing everything once a second, the real schemas of
 * a hundred kinds among it, was the larger half of what the API server did during an `up`.
 */
export class Mirror {
    private readonly objects = new Map<string, KubeObject>();
    /** Resource versions at which objects went, since the last list. */
    private readonly gone = new Map<string, string>();
    private watching: Watching | undefined;
    private sorted: readonly KubeObject[] | undefined;
    #failure: unknown;
    #absent = false;

    constructor(
        private readonly kube: Kube,
        private readonly path: string,
        /** Told of every change. */
        private readonly changed: () => void = () => undefined,
        private readonly accept?: string,
    ) {}

    /** Why the collection cannot be seen at the moment; undefined when it can, or when nothing serves it. */
    get failure(): unknown {
        return this.#failure;
    }

    /** True when no API serves it. */
    get absent(): boolean {
        return this.#absent;
    }

    /** In the API server's own order. */
    get items(): readonly KubeObject[] {
        this.sorted ??= [...this.objects.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
        return this.sorted;
    }

    /** Lists the collection where no watch keeps it up. Never throws: `failure` has what went wrong. */
    async sync(): Promise<void> {
        if (this.watching !== undefined) return;
        try {
            const list = await this.kube.get<List>(this.path, this.accept);
            this.objects.clear();
            this.gone.clear();
            for (const object of list.items ?? []) this.objects.set(keyOf(object), object);
            this.touched();
            this.#failure = undefined;
            this.#absent = false;
            this.watch(list.metadata?.resourceVersion ?? "0");
        } catch (error) {
            this.#absent = error instanceof ApiError && error.status === 404;
            this.#failure = this.#absent ? undefined : error;
            if (this.#absent && this.objects.size > 0) {
                this.objects.clear();
                this.touched();
            }
        }
    }

    /** What the server answered to a write of ours: the next pass sees it, however late the watch tells of it. */
    wrote(object: unknown): void {
        if (this.watching === undefined || !isObject(object)) return;
        // Taking the last finalizer away deletes, and the watch may have told so before the answer came.
        const gone = this.gone.get(keyOf(object));
        if (gone === undefined || BigInt(gone) < version(object)) this.put(object);
    }

    close(): void {
        this.watching?.close();
    }

    private watch(resourceVersion: string): void {
        const join = this.path.includes("?") ? "&" : "?";
        const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=${resourceVersion}`;
        const watching = this.kube.watch(
            `${this.path}${join}${query}`,
            (event) => this.take(event as WatchEvent),
            () => {
                // However it ended, the next pass lists anew.
                if (this.watching === watching) this.watching = undefined;
            },
            this.accept,
        );
        this.watching = watching;
    }

    private take(event: WatchEvent): void {
        if (event.type === "BOOKMARK") return;
        if (event.type === "ERROR") {
            // Mostly "too old resource version".
            this.watching?.close();
            this.watching = undefined;
        } else if (event.type === "DELETED") {
            const key = keyOf(event.object);
            const present = this.objects.get(key);
            this.gone.set(key, event.object.metadata.resourceVersion ?? "0");
            // Its successor may be here already, by a write of ours.
            if (present !== undefined && !newer(present, event.object)) {
                this.objects.delete(key);
                this.touched();
            }
        } else this.put(event.object);
    }

    private put(object: KubeObject): void {
        const key = keyOf(object);
        const present = this.objects.get(key);
        if (present !== undefined && newer(present, object)) return;
        this.objects.set(key, object);
        this.touched();
    }

    private touched(): void {
        this.sorted = undefined;
        this.changed();
    }
}

/** The collection of an object's path: `/api/v1/namespaces/media/services/plex/status` is in `/api/v1/services`. */
export function collectionOf(path: string): string {
    const [plain = ""] = path.split("?");
    const parts = plain.split("/").slice(1);
    const base = parts.splice(0, parts[0] === "api" ? 2 : 3);
    // `namespaces/media` is itself an object; what follows it is in it.
    const [plural = ""] =
        parts[0] === "namespaces" && parts.length > 2 && parts[2] !== "status" ? parts.slice(2) : parts;
    return `/${[...base, plural].join("/")}`;
}

function keyOf({ metadata }: KubeObject): string {
    return `${metadata.namespace ?? ""}/${metadata.name}`;
}

/** Is the first a later state than the second? Resource versions are numbers that grow. */
function newer(first: KubeObject, second: KubeObject): boolean {
    return version(first) > version(second);
}

function version({ metadata }: KubeObject): bigint {
    return BigInt(metadata.resourceVersion ?? 0);
}

function isObject(value: unknown): value is KubeObject {
    if (typeof value !== "object" || value === null || !("metadata" in value)) return false;
    const { kind, metadata } = value as { kind?: unknown; metadata: { name?: unknown; resourceVersion?: unknown } };
    return kind !== "Status" && typeof metadata.name === "string" && typeof metadata.resourceVersion === "string";
}
