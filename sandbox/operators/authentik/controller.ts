/** authentik, as far as it takes blueprints: the pods that apply one end as authentik's command would. */
import { blueprintFaults } from "./blueprint";
import { type Action, collections, type Controller, type View } from "../../controllers/controller";
import { type ConfigMap, type Deployment, isRolledOut, keyOf, type Pod, type Secret } from "../../controllers/objects";
import { failed, isPlayed, played } from "../../controllers/played-pods";

/** Label of the pods. */
const APPLIES = "authentik-blueprints";

/** authentik's directory of blueprints. */
const BLUEPRINTS = "/blueprints/";

export const authentik: Controller = {
    name: "authentik",
    lists: [collections.pods, collections.configMaps, collections.secrets, collections.deployments],
    reconcile: (view) =>
        view
            .list<Pod>(collections.pods)
            .filter((pod) => isPlayed(pod, APPLIES))
            .flatMap((pod): Action[] => {
                const faults = faultsOf(view, pod);
                return faults.length === 0 ? played(view, pod, "") : failed(view, pod, faults.join("\n"));
            }),
};

function faultsOf(view: View, pod: Pod): string[] {
    const [container] = pod.spec.containers;
    const [command, path = ""] = container?.args ?? [];
    if (command !== "apply_blueprint") return [`Unknown command: '${command ?? ""}'`];
    const missing = environmentFaults(view, pod);
    if (missing.length > 0) return missing;
    const text = fileIn(view, pod, `${BLUEPRINTS}${path}`);
    if (text === undefined) return [`BlueprintRetrievalFailed: ${path}: no such file`];
    return blueprintFaults(text, (name) => fileIn(view, pod, name));
}

/** Without them authentik does not start, or waits for its database. */
function environmentFaults(view: View, { metadata: { namespace = "" }, spec }: Pod): string[] {
    const secrets = new Map(view.list<Secret>(collections.secrets).map((secret) => [keyOf(secret), secret]));
    const [container] = spec.containers;
    const given = new Map<string, string>();
    for (const { secretRef } of container?.envFrom ?? []) {
        const found = secrets.get(`${namespace}/${secretRef?.name ?? ""}`);
        if (found === undefined) return [`secret "${secretRef?.name ?? ""}" not found`];
        for (const [name, value] of Object.entries(found.data ?? {})) given.set(name, value);
    }
    for (const { name, value, valueFrom } of container?.env ?? []) {
        const ref = valueFrom?.secretKeyRef;
        given.set(name, value ?? secrets.get(`${namespace}/${ref?.name ?? ""}`)?.data?.[ref?.key ?? ""] ?? "");
    }
    const needed = ["AUTHENTIK_SECRET_KEY", "AUTHENTIK_POSTGRESQL__HOST", "AUTHENTIK_POSTGRESQL__PASSWORD"];
    const faults = needed.filter((name) => (given.get(name) ?? "") === "").map((name) => `${name} is empty`);
    const workers = view
        .list<Deployment>(collections.deployments)
        .some((one) => keyOf(one) === `${namespace}/authentik-worker` && isRolledOut(one));
    // They make what a blueprint refers to.
    return workers ? faults : [...faults, "no worker has applied authentik's own blueprints yet"];
}

/** Content of a file that a volume of the pod brings. */
function fileIn(view: View, { metadata: { namespace = "" }, spec }: Pod, path: string): string | undefined {
    const mount = spec.containers[0]?.volumeMounts?.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
    const volume = spec.volumes?.find(({ name }) => name === mount?.name);
    const file = path.slice((mount?.mountPath.length ?? 0) + 1);
    const found = <T extends ConfigMap | Secret>(collection: string, name: string | undefined) =>
        view.list<T>(collection).find((one) => keyOf(one) === `${namespace}/${name ?? ""}`)?.data?.[file];
    if (volume?.configMap !== undefined) return found<ConfigMap>(collections.configMaps, volume.configMap.name);
    const secret = volume?.secret && found<Secret>(collections.secrets, volume.secret.secretName);
    return secret === undefined ? undefined : Buffer.from(secret, "base64").toString("utf8");
}
