import type { LoopbackTailscale } from "../../clouds";
import { collections, type Controller } from "../../controllers/controller";
import { isReady, keyOf, type Pod } from "../../controllers/objects";
import { containerOf, variable } from "../../controllers/pod-environment";

/**
 * Lets ready pods with a Tailscale container join the loopback tailnet by their TS_AUTHKEY, offering the routes of TS_ROUTES;
 * takes them offline when they are gone. A key that is refused is told once.
 */
export function tailnet(
    tailscale: Pick<LoopbackTailscale, "registerDevice" | "disconnectDevice">,
    { log = console.log }: { readonly log?: (line: string) => void } = {},
): Controller {
    /** By pod: its hostname and with what it registered, so that it registers again only when that changes. */
    const joined = new Map<string, { readonly hostname: string; readonly as: string }>();
    return {
        name: "tailnet",
        lists: [collections.pods],
        async reconcile(view) {
            const alive = new Set<string>();
            for (const pod of view.list<Pod>(collections.pods)) {
                const container = containerOf(pod, "tailscale/tailscale");
                if (container === undefined || !isReady(pod)) {
                    continue;
                }
                const key = `${keyOf(pod)}/${pod.metadata.uid ?? ""}`;
                alive.add(key);
                const authKey =
                    (await variable(view, pod, container, "TS_AUTHKEY")) ??
                    (await variable(view, pod, container, "TS_AUTH_KEY"));
                if (authKey === undefined) {
                    continue;
                }
                const hostname =
                    (await variable(view, pod, container, "TS_HOSTNAME")) ?? pod.spec.hostname ?? pod.metadata.name;
                const routes = ((await variable(view, pod, container, "TS_ROUTES")) ?? "")
                    .split(",")
                    .map((route) => route.trim());
                const as = JSON.stringify([hostname, authKey, routes]);
                if (joined.get(key)?.as === as) {
                    continue;
                }
                joined.set(key, { hostname, as });
                const result = tailscale.registerDevice({
                    authKey,
                    hostname,
                    routes: routes.filter((route) => route !== ""),
                });
                log(
                    "refused" in result
                        ? `tailnet: pod ${keyOf(pod)} is refused: ${result.refused}`
                        : `tailnet: pod ${keyOf(pod)} joins as ${hostname}, routes enabled: ${result.enabledRoutes.join(", ") || "none"}`,
                );
            }
            for (const [key, { hostname }] of joined) {
                if (!alive.has(key)) {
                    joined.delete(key);
                    if (![...joined.values()].some((other) => other.hostname === hostname)) {
                        tailscale.disconnectDevice(hostname);
                    }
                }
            }
            return [];
        },
    };
}
