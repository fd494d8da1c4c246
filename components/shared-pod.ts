import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { WorkloadHost } from "./platform";
import { beginParts, cameFrom, filesOwned, groupsOf, podPart, podTemplate, type PodArgs } from "./pod";
import { containerFields, deploy, serve, SHARED_POD, WORKLOAD, type WorkloadArgs } from "./workload";

/** A workload in a pod that it shares: claims, Secret, Service and route are its own. */
export interface Member {
    /** Of its claims, Secret, ConfigMap, Service and route. */
    readonly name: string;
    /** Default: its name. */
    readonly container?: string;
    readonly args: WorkloadArgs;
}

/** A container that serves the members, and that nobody outside the pod speaks to. */
export interface Sidecar {
    readonly name: string;
    readonly container: string;
    readonly args: PodArgs;
    /** A command in the container that succeeds when it does its work. It is not restarted for failing it: it mends itself. */
    readonly ready: readonly string[];
}

export interface SharedPodArgs {
    namespace: string;
    group: PodArgs["group"];
    /** They start one after the other, each when the one before it is well, and before any member; they end after all members. */
    before?: readonly Sidecar[];
    /** They start with the members. */
    beside?: readonly Sidecar[];
    members: readonly Member[];
    /** URLs of the workloads that it is set up to talk to; documented on the object, not enforced. */
    connects?: readonly string[];
    /** How names are looked up in it; default: by the cluster's DNS. */
    dns?: Pick<k8s.types.input.core.v1.PodSpec, "dnsPolicy" | "dnsConfig">;
}

/**
 * Several workloads in one pod, so with one network between them: what one of them does to it (a VPN, a firewall) holds for
 * all. An update of one of them restarts all.
 */
export class SharedPod extends pulumi.ComponentResource {
    constructor(name: string, args: SharedPodArgs, platform: WorkloadHost, opts: pulumi.ComponentResourceOptions = {}) {
        super(SHARED_POD, name, {}, pulumi.mergeOptions(platform.opts, opts));
        const { members, before = [], beside = [] } = args;
        apart(name, args);
        const { options, settled } = beginParts(this, name, args.namespace, platform);
        const namespace = platform.namespaces.name(args.namespace);
        const selector = { "app.kubernetes.io/name": name };
        const partOf = { "app.kubernetes.io/part-of": args.group };
        const labels = { ...selector, ...partOf };
        // Each may have had a pod of its own.
        const ofMember = (own: string) => cameFrom([pulumi.createUrn(own, WORKLOAD)], options);
        const sidecar = ({ name: own, container, args: sidecarArgs, ready }: Sidecar) =>
            podPart(own, sidecarArgs, watched(ready), platform, options, container);
        const first = before.map(sidecar);
        const own = members.map(({ name: own, container = own, args: memberArgs }) =>
            podPart(
                own,
                memberArgs,
                containerFields(own, memberArgs, { shared: true }),
                platform,
                ofMember(own),
                container,
            ),
        );
        const parts = [...first, ...own, ...beside.map(sidecar)];
        const annotations = Object.assign({}, ...parts.map((part) => part.annotations)) as Record<string, string>;
        const podLabels = Object.assign({}, ...parts.map((part) => part.podLabels)) as Record<string, string>;
        const podAnnotations = together(parts.map((part) => part.podAnnotations));
        const connects = [...(args.connects ?? []), ...members.flatMap((one) => one.args.connects ?? [])];
        const patience = members.flatMap((one) => one.args.patience ?? []);
        // A library that several see is one volume.
        const volumes = new Map(parts.flatMap((part) => part.volumes).map((volume) => [volume.name, volume]));

        const template = podTemplate(
            { labels: { ...labels, ...podLabels }, annotations: podAnnotations },
            {
                securityContext: {
                    ...filesOwned(platform),
                    ...groupsOf(parts.flatMap((part) => part.supplementalGroups)),
                },
                terminationGracePeriodSeconds: Math.max(...members.map((one) => one.args.terminationGracePeriod ?? 30)),
                ...args.dns,
                ...placedTogether(
                    name,
                    parts.map(({ container, placing }) => [container.name, placing]),
                ),
                initContainers: [
                    // One that restarts by itself goes on beside what starts after it.
                    ...first.map(({ container }) => ({ ...container, restartPolicy: "Always" })),
                    ...parts.flatMap(({ initContainers }) => initContainers),
                ],
                containers: parts.slice(first.length).map(({ container }) => container),
                volumes: [...volumes.values()],
            },
        );
        const deployment = deploy(
            name,
            {
                namespace,
                labels,
                selector,
                annotations,
                recreate: parts.some(({ recreate }) => recreate),
                template,
                replicas: 1,
                connects: [...new Set(connects)],
                // All must be ready, so it takes as long as the slowest.
                patience: patience.length === 0 ? undefined : Math.max(...patience),
            },
            options.objects,
        );
        const serving = members.flatMap((member) =>
            serve(
                this,
                {
                    ...member,
                    namespace,
                    labels: { "app.kubernetes.io/name": member.name, ...partOf },
                    selector,
                    controller: deployment,
                    shared: true,
                },
                platform,
                ofMember(member.name).objects,
            ),
        );
        settled([...parts.flatMap(({ objects }) => objects), deployment?.urn, ...serving.map(({ urn }) => urn)]);
        this.registerOutputs({});
    }
}

const watched = (ready: readonly string[]): Partial<k8s.types.input.core.v1.Container> => {
    const probe = { exec: { command: [...ready] }, timeoutSeconds: 10 };
    return {
        // Whoever comes next waits for it.
        startupProbe: { ...probe, periodSeconds: 5, failureThreshold: 60 },
        readinessProbe: { ...probe, periodSeconds: 15, failureThreshold: 3 },
    };
};

/** Annotations of one pod from those of its parts; of files each has a checksum, which becomes one. */
function together(
    parts: readonly Readonly<Record<string, pulumi.Input<string>>>[],
): Record<string, pulumi.Input<string>> {
    const checksums = parts.flatMap(({ "homelab/files": checksum }) => (checksum === undefined ? [] : [checksum]));
    return {
        ...(Object.assign({}, ...parts) as Record<string, pulumi.Input<string>>),
        ...(checksums.length === 0
            ? {}
            : { "homelab/files": createHash("sha256").update(JSON.stringify(checksums)).digest("hex") }),
    };
}

type Placing = ReturnType<typeof podPart>["placing"];

/** A pod is in one place: of two parts that call for two, one would not get its own. */
function placedTogether(
    name: string,
    parts: readonly (readonly [container: pulumi.Input<string>, Placing])[],
): Placing {
    const together: Placing = {};
    const said = new Map<string, pulumi.Input<string>>();
    for (const [container, placing] of parts) {
        for (const key of ["nodeSelector", "affinity", "runtimeClassName"] as const) {
            const value = placing[key];
            if (value === undefined) continue;
            const first = said.get(key);
            if (first !== undefined && !isDeepStrictEqual(together[key], value)) {
                throw new pulumi.RunError(
                    `pod ${name}: ${String(first)} and ${String(container)} call for another ${key} each, and a pod is in one place; ` +
                        "put both on the same machines, or one of them into a pod of its own",
                );
            }
            said.set(key, first ?? container);
            Object.assign(together, { [key]: value });
        }
    }
    return together;
}

/** One network has each port once, and one pod each container. */
function apart(name: string, { before = [], beside = [], members }: SharedPodArgs): void {
    const taken = new Map<number, string>();
    const containers = new Set([...before, ...beside].map(({ container }) => container));
    for (const { name: own, container = own, args } of members) {
        if (containers.has(container)) throw new pulumi.RunError(`pod ${name} has two containers "${container}"`);
        containers.add(container);
        if ((args.replicas ?? 1) > 1 || args.patch?.pod !== undefined) {
            throw new pulumi.RunError(
                `pod ${name}: ${own} wants ${args.replicas === undefined ? "a pod spec" : `${args.replicas} replicas`} of its own; give it a pod of its own`,
            );
        }
        for (const port of Object.values(args.ports)) {
            const other = taken.get(port);
            if (other !== undefined) {
                throw new pulumi.RunError(
                    `pod ${name}: ${other} and ${own} both listen at port ${port}, and a pod has one network; put one of them elsewhere`,
                );
            }
            taken.set(port, own);
        }
    }
}
