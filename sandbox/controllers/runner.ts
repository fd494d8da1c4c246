import type { Action, Controller, View } from "./controller";
import { ApiError, type Kube } from "./kube";
import { collectionOf, Mirror } from "./mirror";

/** A running set of controllers. */
export interface Running {
    stop(): Promise<void>;
}

/** Names are enough to see that definitions came or went; their schemas are megabytes. */
const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/** A definition that came or went shows in what the API server serves a moment later. */
const SERVED_WITHIN_MS = 5_000;
/** How old an answer may be that no definition's change has put in question. */
const LOOKS_AGAIN_MS = 30_000;

/** A path of discovery: which kinds an API has. */
const DISCOVERY = /^\/(api\/v1|apis\/[^/]+\/[^/?]+)$/;

/**
 * Runs the controllers over one cluster until stopped: see, let each decide, do what they ask, wait, again.
 * A pass a second is plenty for one throw-away cluster, and survives restarts of the API server by its nature.
 */
export function runControllers(
    kube: Kube,
    controllers: readonly Controller[],
    {
        intervalMs = 1000,
        log = console.log,
    }: { readonly intervalMs?: number; readonly log?: (line: string) => void } = {},
): Running {
    const paths = [...new Set(controllers.flatMap((controller) => controller.lists))];
    const complaints = new Complaints(log);
    let stopped = false;
    let wake = (): void => undefined;

    let definitionsChanged = Date.now();
    const served = new Map<string, { readonly since: number; readonly answer: unknown }>();
    const definitions = new Mirror(kube, DEFINITIONS, () => (definitionsChanged = Date.now()), NAMES_ONLY);
    const mirrors = new Map(paths.map((path) => [path, new Mirror(kube, path)]));
    const looked = new Map<Mirror, number>();
    const byCollection = new Map([...mirrors].map(([path, mirror]) => [path.split("?")[0], mirror]));

    const pass = async (): Promise<void> => {
        await definitions.sync();
        const now = Date.now();
        // What is served, and what is not, stays so until a definition changes; without seeing them nothing is sure.
        const unsure = definitions.failure !== undefined || now - definitionsChanged < SERVED_WITHIN_MS;
        const isOld = (since: number) => unsure || now - since >= LOOKS_AGAIN_MS;
        await Promise.all(
            [...mirrors.values()].map(async (mirror) => {
                if (mirror.absent && !isOld(looked.get(mirror) ?? 0)) return;
                looked.set(mirror, now);
                await mirror.sync();
            }),
        );
        const discover = async <T>(path: string): Promise<T | undefined> => {
            const known = served.get(path);
            if (known !== undefined && !isOld(known.since)) return known.answer as T | undefined;
            const answer = await objectAt<T>(kube, path);
            served.set(path, { since: now, answer });
            return answer;
        };
        const view: View = {
            now,
            list: <T>(path: string) => (mirrors.get(path)?.items ?? []) as unknown as readonly T[],
            get: (path) => (DISCOVERY.test(path) ? discover(path) : objectAt(kube, path)),
        };
        for (const controller of controllers) {
            // An empty list and one that could not be had are different things: without its lists a controller sits out.
            const missing = controller.lists.find((path) => mirrors.get(path)?.failure !== undefined);
            if (missing !== undefined) {
                complaints.raise(controller.name, mirrors.get(missing)?.failure);
                continue;
            }
            try {
                for (const action of await controller.reconcile(view)) {
                    const answer = await perform(kube, controller.name, action, log);
                    byCollection.get(collectionOf(action.path))?.wrote(answer);
                }
                complaints.clear(controller.name);
            } catch (error) {
                complaints.raise(controller.name, error);
            }
        }
    };

    const loop = async (): Promise<void> => {
        while (!stopped) {
            await pass();
            if (!stopped) {
                await new Promise<void>((resolve) => {
                    const timer = setTimeout(resolve, intervalMs);
                    wake = () => {
                        clearTimeout(timer);
                        resolve();
                    };
                });
            }
        }
    };
    const ended = loop();
    return {
        stop: () => {
            stopped = true;
            wake();
            // After the last pass: it may have opened a watch.
            return ended.finally(() => [definitions, ...mirrors.values()].forEach((mirror) => mirror.close()));
        },
    };
}

async function objectAt<T>(kube: Kube, path: string): Promise<T | undefined> {
    try {
        return await kube.get<T>(path);
    } catch (error) {
        if (error instanceof ApiError && error.status === 404) {
            return undefined;
        }
        throw error;
    }
}

const CONTENT_TYPES = {
    create: "application/json",
    patch: "application/merge-patch+json",
    apply: "application/apply-patch+yaml",
    delete: "application/json",
} as const;

/** Yields what the server answered; undefined when the world has moved on. */
async function perform(kube: Kube, name: string, action: Action, log: (line: string) => void): Promise<unknown> {
    const method = action.verb === "create" ? "POST" : action.verb === "delete" ? "DELETE" : "PATCH";
    const path = action.verb === "apply" ? `${action.path}?fieldManager=sandbox-${name}&force=true` : action.path;
    try {
        const answer = await kube.send(
            method,
            path,
            "body" in action ? action.body : undefined,
            CONTENT_TYPES[action.verb],
        );
        if (!action.path.endsWith("/events")) {
            log(`${name}: ${action.verb} ${action.path}`);
        }
        return action.verb === "delete" ? undefined : answer;
    } catch (error) {
        // Gone meanwhile, made meanwhile, or changed since it was listed: the next pass sees how things are.
        if (!(error instanceof ApiError && [404, 409].includes(error.status))) {
            throw error;
        }
        return undefined;
    }
}

/** Says a trouble once, and that it is over: a restart of the API server shall not fill the log. */
class Complaints {
    private readonly current = new Map<string, string>();

    constructor(private readonly log: (line: string) => void) {}

    raise(source: string, error: unknown): void {
        const message = error instanceof Error ? error.message : String(error);
        if (this.current.get(source) !== message) {
            this.current.set(source, message);
            this.log(`${source}: ${message}`);
        }
    }

    clear(source: string): void {
        if (this.current.delete(source)) {
            this.log(`${source}: recovered`);
        }
    }
}
