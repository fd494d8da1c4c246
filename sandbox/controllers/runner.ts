import type { Action, Controller, View } from "./controller";
import { ApiError, type Kube } from "./kube";

/** A running set of controllers. */
export interface Running {
    stop(): Promise<void>;
}

/**
 * Runs the controllers over one cluster until stopped: list, let each decide, do what they ask, wait, again.
 * Polling once a second is plenty for one throw-away cluster, and survives restarts of the API server by its nature.
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

    const pass = async (): Promise<void> => {
        const lists = new Map<string, readonly unknown[]>();
        const failures = new Map<string, unknown>();
        await Promise.all(
            paths.map(async (path) => {
                try {
                    lists.set(path, await listOf(kube, path));
                } catch (error) {
                    failures.set(path, error);
                }
            }),
        );
        const view: View = {
            now: Date.now(),
            list: <T>(path: string) => (lists.get(path) ?? []) as readonly T[],
            get: (path) => objectAt(kube, path),
        };
        for (const controller of controllers) {
            // An empty list and one that could not be had are different things: without its lists a controller sits out.
            const missing = controller.lists.find((path) => failures.has(path));
            if (missing !== undefined) {
                complaints.raise(controller.name, failures.get(missing));
                continue;
            }
            try {
                for (const action of await controller.reconcile(view)) {
                    await perform(kube, controller.name, action, log);
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
            return ended;
        },
    };
}

async function listOf(kube: Kube, path: string): Promise<readonly unknown[]> {
    const list = await objectAt<{ items?: readonly unknown[] }>(kube, path);
    return list?.items ?? [];
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

async function perform(kube: Kube, name: string, action: Action, log: (line: string) => void): Promise<void> {
    const method = action.verb === "create" ? "POST" : action.verb === "delete" ? "DELETE" : "PATCH";
    const path = action.verb === "apply" ? `${action.path}?fieldManager=sandbox-${name}&force=true` : action.path;
    try {
        await kube.send(method, path, "body" in action ? action.body : undefined, CONTENT_TYPES[action.verb]);
        if (!action.path.endsWith("/events")) {
            log(`${name}: ${action.verb} ${action.path}`);
        }
    } catch (error) {
        // Gone meanwhile, made meanwhile, or changed since it was listed: the next pass sees how things are.
        if (!(error instanceof ApiError && [404, 409].includes(error.status))) {
            throw error;
        }
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
