/** What a container may take and do. */
import { chartContainers, objectContainers } from "./containers";
import { chartName, containersOf, isKind, isRelease, objectName, objectType, podOf, settings } from "./kubernetes";
import {
    dig,
    fields,
    isFields,
    items,
    objects,
    UNKNOWN,
    type Finding,
    type Json,
    type Rule,
    type Subject,
} from "./rule";

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

/** Kubernetes' form, or Linkerd's. */
function hasLimit(resources: Json | undefined): boolean {
    const limit = dig(resources, "limits", "memory") ?? dig(resources, "memory", "limit");
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
    return isFields(value) && ["requests", "limits", "memory"].some((key) => isFields(value[key]));
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

/** Images whose init is s6-overlay of a kind that switches users itself and cannot do so unless it starts as root. */
const S6_IMAGE = /^((lscr\.io|ghcr\.io|docker\.io)\/)?linuxserver\/|^(docker\.io\/)?plexinc\/pms-docker/;

const nonRoot: Rule = {
    id: "non-root",
    title: "Containers do not run as root",
    description:
        "The pod, or each of its containers, has runAsNonRoot. Images that must start as root are exempt one by one; those with s6 are a matter of supervised-image, steps that say root for themselves one of root-step.",
    sources: ["C-POL-13"],
    fix: 'Declare `security: "owner"` or a user of the image\'s own; `startsAsRoot` needs an exemption with its reason.',
    scope: "resource",
    check: (resource) => {
        const pod = podOf(resource);
        if (pod === undefined) return [];
        const forAll = dig(pod.spec, "securityContext", "runAsNonRoot");
        const steps = items(dig(pod.spec, "initContainers"));
        return containersOf(pod.spec)
            .filter(({ container }) => !S6_IMAGE.test(String(container["image"])))
            .filter(
                ({ container }) => !steps.includes(container) || dig(container["securityContext"], "runAsUser") !== 0,
            )
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

const USER_FIELDS = ["runAsNonRoot", "runAsUser", "runAsGroup"] as const;

const s6User: Rule = {
    id: "supervised-image",
    title: "Images with s6 start as root",
    description:
        "LinuxServer's and Plex' images drop to PUID and PGID themselves; told a user by Kubernetes they end with Permission denied on their own scripts. " +
        "Of users their pod says only the group of its files, whose owner is changed where it differs and not at every start.",
    sources: ["T-POL-03", "T-POL-04", "T-POL-05", "T-POL-06"],
    fix: 'Declare `security: "startsAsRoot"`.',
    scope: "resource",
    check: (resource) => {
        const pod = podOf(resource);
        if (pod === undefined) return [];
        return containersOf(pod.spec)
            .filter(({ container }) => S6_IMAGE.test(String(container["image"])))
            .flatMap(({ name, container }): Finding[] => {
                const contexts = [dig(pod.spec, "securityContext"), container["securityContext"]];
                const said = USER_FIELDS.filter((field) =>
                    contexts.some((context) => dig(context, field) !== undefined),
                );
                const { fsGroup, fsGroupChangePolicy } = fields(dig(pod.spec, "securityContext"));
                return [
                    ...said.map((field) => ({
                        part: name,
                        message: `the container ${name} has s6, and ${field} is set`,
                    })),
                    ...(fsGroup === undefined ||
                    (fsGroupChangePolicy !== "OnRootMismatch" && fsGroupChangePolicy !== UNKNOWN)
                        ? [{ part: name, message: `the pod of ${name} lacks fsGroup with OnRootMismatch` }]
                        : []),
                ];
            });
    },
};

const rootStep: Rule = {
    id: "root-step",
    title: "A step that must be root says so for itself",
    description:
        "An init container that inherits another user fails at apt-get or chown. Its own context says user 0, group 0 and runAsNonRoot false, and the pod's does not.",
    sources: ["T-POL-07", "T-POL-08"],
    fix: "Declare the step with `asRoot: true`; it touches no other container.",
    scope: "resource",
    check: (resource) => {
        const pod = podOf(resource);
        if (pod === undefined) return [];
        const forAll = dig(pod.spec, "securityContext", "runAsUser");
        return containersOf({ initContainers: dig(pod.spec, "initContainers") ?? [] })
            .filter(({ container }) => (dig(container["securityContext"], "runAsUser") ?? forAll) === 0)
            .filter(({ container }) => {
                const own = fields(container["securityContext"]);
                return (
                    forAll === 0 || own["runAsUser"] !== 0 || own["runAsGroup"] !== 0 || own["runAsNonRoot"] !== false
                );
            })
            .map(({ name }) => ({
                part: name,
                message: `the step ${name} is root, and not by user 0, group 0 and runAsNonRoot false of its own alone`,
            }));
    },
};

const volumeOwner: Rule = {
    id: "volume-owner",
    title: "Who writes a volume says as whom",
    description:
        "A directory of the machine keeps the numbers of its owner. A pod with a claim says its user, or the group of its files, so that both are the same after every rebuild.",
    sources: ["T-STOR-13"],
    fix: 'Declare `security: "owner"`, `"startsAsRoot"` or a user; of a user of the image\'s own the directory must be that one\'s.',
    scope: "resource",
    check: (resource) => {
        const pod = podOf(resource);
        if (pod === undefined) return [];
        const context = fields(dig(pod.spec, "securityContext"));
        const claims = items(dig(pod.spec, "volumes")).some((volume) => volume["persistentVolumeClaim"] !== undefined);
        return claims && context["fsGroup"] === undefined && context["runAsUser"] === undefined
            ? [
                  {
                      part: objectName(resource),
                      message: `${objectName(resource)} writes a claim as nobody in particular`,
                  },
              ]
            : [];
    },
};

const NETWORKS = "k8s.v1.cni.cncf.io/networks";

/** Hardware addresses that a pod template asks for. */
function macsOf(resource: Subject): string[] {
    const annotation = dig(podOf(resource)?.metadata, "annotations", NETWORKS);
    if (typeof annotation !== "string" || annotation === UNKNOWN) return [];
    try {
        const cards: unknown = JSON.parse(annotation);
        return Array.isArray(cards)
            ? cards.flatMap((card: { mac?: unknown } | null) =>
                  typeof card?.mac === "string" ? [card.mac.toLowerCase()] : [],
              )
            : [];
    } catch {
        // The short form of the annotation: names alone.
        return [];
    }
}

const uniqueMac: Rule = {
    id: "unique-mac",
    title: "A hardware address belongs to one pod",
    description:
        "Two cards with one address in one network take each other's DHCP lease: address already in use, no more tries.",
    sources: ["T-NET-09", "T-NET-12", "T-NET-13"],
    fix: "Leave apps.<app>.network.mac out: then it follows from the names of cluster and workload.",
    scope: "stack",
    check: (resource, { resources }) =>
        macsOf(resource)
            .filter((mac) => resources.some((other) => other.urn !== resource.urn && macsOf(other).includes(mac)))
            .map((mac) => ({ part: mac, message: `another workload's card has the address ${mac}, too` })),
};

export const podRules: readonly Rule[] = [memoryLimit, nonRoot, podSecurity, s6User, rootStep, volumeOwner, uniqueMac];
