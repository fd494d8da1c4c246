/** What a container may take and do. */
import { chartContainers, objectContainers } from "./containers";
import { chartName, containersOf, isKind, isRelease, objectName, objectType, podOf, settings } from "./kubernetes";
import { dig, fields, isFields, objects, UNKNOWN, type Finding, type Json, type Rule, type Subject } from "./rule";

const CHART_TABLE = "policy/rules/containers.ts";

const memoryLimit: Rule = {
    id: "memory-limit",
    title: "Every container has a memory limit",
    description:
        "Without one a leak takes the node. Init containers count, and so do the containers that charts and operators make, where they can be told.",
    sources: ["C-POL-03", "C-POL-06", "C-POL-22", "C-POL-24", "C-POL-27"],
    fix: `Set resources.limits.memory; Workload asks for it as \`memory\`. For a chart: at the path named, or in ${CHART_TABLE} if the chart is new.`,
    scope: "resource",
    check: (resource) => {
        const pod = podOf(resource);
        if (pod !== undefined) {
            return containersOf(pod.spec)
                .filter(({ container }) => !hasLimit(container["resources"]))
                .map(({ name }) => ({ part: name, message: `the container ${name} has no memory limit` }));
        }
        return [...unlisted(resource), ...unset(resource), ...halfSet(resource)];
    },
};

function hasLimit(resources: Json | undefined): boolean {
    const limit = dig(resources, "limits", "memory");
    return (typeof limit === "string" && limit !== "") || typeof limit === "number";
}

/** A chart of which nobody has looked up where its containers take their limits. */
function unlisted(resource: Subject): Finding[] {
    const chart = chartName(resource);
    return chart === undefined || chart in chartContainers
        ? []
        : [{ part: chart, message: `${CHART_TABLE} does not say where the chart ${chart} takes limits` }];
}

/** Paths of the table at which nothing is set. */
function unset(resource: Subject): Finding[] {
    const object = objectType(resource);
    const paths =
        object === undefined
            ? chartContainers[chartName(resource) ?? ""]
            : objectContainers[`${object.group}/${object.kind}`];
    return (paths ?? []).flatMap((entry): Finding[] => {
        const path = entry.replace(/\?$/, "");
        const value = dig(settings(resource), ...path.split("."));
        const wanted = entry.endsWith("?") ? "on" : "not off";
        return !switched(settings(resource), path, wanted) || isSet(value) ? [] : [noLimit(path)];
    });
}

/** Requests or other limits without one for memory, wherever they stand. Claims have requests, too, but of storage. */
function halfSet(resource: Subject): Finding[] {
    if (!isRelease(resource) && objectType(resource) === undefined) return [];
    return [...objects(settings(resource))]
        .filter(([path, value]) => /resources$/i.test(path.at(-1) ?? "") && isSet(value) && !hasLimit(value))
        .filter(([, value]) => !("storage" in fields(dig(value, "requests"))))
        .map(([path]) => noLimit(path.join(".")));
}

function isSet(value: Json | undefined): boolean {
    if (value === UNKNOWN) return true;
    return isFields(value) && (isFields(value["requests"]) || isFields(value["limits"]));
}

function noLimit(path: string): Finding {
    return { part: path, message: `no memory limit at ${path}` };
}

/** Whether what a path belongs to is on, by the `enabled` fields above it. */
function switched(values: Json | undefined, path: string, wanted: "on" | "not off"): boolean {
    const keys = path.split(".");
    const switches = keys.map((_, depth) => dig(values, ...keys.slice(0, depth), "enabled"));
    return wanted === "on" ? switches.includes(true) && !switches.includes(false) : !switches.includes(false);
}

const nonRoot: Rule = {
    id: "non-root",
    title: "Containers do not run as root",
    description:
        "The pod, or each of its containers, has runAsNonRoot. Images that must start as root are exempt one by one.",
    sources: ["C-POL-13"],
    fix: 'Declare `security: "owner"` or a user of the image\'s own; `startsAsRoot` needs an exemption with its reason.',
    scope: "resource",
    check: (resource) => {
        const pod = podOf(resource);
        if (pod === undefined) return [];
        const forAll = dig(pod.spec, "securityContext", "runAsNonRoot");
        return containersOf(pod.spec)
            .filter(({ container }) => {
                const nonRootUser = dig(container["securityContext"], "runAsNonRoot") ?? forAll;
                return nonRootUser !== true && nonRootUser !== UNKNOWN;
            })
            .map(({ name }) => ({ part: name, message: `the container ${name} may run as root` }));
    },
};

const podSecurity: Rule = {
    id: "pod-security",
    title: "Namespaces enforce a Pod Security level",
    description:
        "Every namespace carries pod-security.kubernetes.io/enforce, so what may run there was decided. Helm's `createNamespace` makes one without.",
    sources: ["C-POL-15"],
    fix: "Declare the namespace in the stack's Namespaces, or with podSecurityNamespace, and its level with it.",
    scope: "resource",
    check: (resource) => {
        if (isRelease(resource)) {
            return dig(resource.inputs, "createNamespace") === true
                ? [{ part: "createNamespace", message: "Helm makes the namespace, without a Pod Security level" }]
                : [];
        }
        if (!isKind(resource, "core", "Namespace")) return [];
        const level = dig(resource.inputs, "metadata", "labels", "pod-security.kubernetes.io/enforce");
        return ["privileged", "baseline", "restricted", UNKNOWN].includes(String(level))
            ? []
            : [{ part: objectName(resource), message: `the namespace ${objectName(resource)} enforces no level` }];
    },
};

export const podRules: readonly Rule[] = [memoryLimit, nonRoot, podSecurity];
