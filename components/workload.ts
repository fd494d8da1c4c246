import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Backend, Expose } from "./edge/edge";
import type { WorkloadHost } from "./platform";
import { beginParts, cameFrom, marks, workloadPod, type Pod, type PodArgs } from "./pod";

/** How to see that a container works. `exec` runs in the container; ports by name. */
export type Health =
    | { readonly http: string; readonly port?: string; readonly scheme?: "HTTPS" }
    | { readonly tcp: true; readonly port?: string }
    | {
          readonly exec: readonly string[];
          readonly timeoutSeconds?: number;
          /** A lesser command for liveness; absent: the same. */
          readonly alive?: readonly string[];
      };

export interface WorkloadArgs extends PodArgs {
    replicas?: number;
    /** Container ports by name; the first is the one that is exposed. */
    ports: Readonly<Record<string, number>>;
    /** UDP ports by name; with an address of its own they are a second Service at it. */
    udpPorts?: Readonly<Record<string, number>>;
    expose?: Expose;
    health: Health;
    /** URLs of the workloads this one is set up to talk to; documented on the object, not enforced. */
    connects?: readonly string[];
    /** Seconds in which it must be ready where that takes longer than ten minutes: `up` waits as long, and a first start is not ended before. */
    patience?: number;
    /** Seconds between the request to stop and the kill. */
    terminationGracePeriod?: number;
    /** Pods of several that may have held it: what it owned there stays, under its own name. */
    holders?: readonly string[];
}

/** What the Services of a workload with one address have in common. */
export const sharingKey = (workload: string): string => workload;

/** Types of the owners between which an app's objects move when a pod of several takes it in or lets it go. */
export const WORKLOAD = "homelab:apps:Workload";
export const SHARED_POD = "homelab:apps:SharedPod";

/**
 * A Deployment with everything around it: claims, secret, Service, route. One declaration in apps/ yields it on any
 * cluster; what differs between clusters comes from the platform.
 */
export class Workload extends pulumi.ComponentResource {
    /** `http://<service>.<namespace>.svc.cluster.local:<first port>`, plain text, for partners in the cluster. */
    readonly url: string;
    /** Its claims by mount path, for whoever must see its files. */
    readonly claims: ReadonlyMap<string, pulumi.Output<string>>;

    constructor(name: string, args: WorkloadArgs, platform: WorkloadHost, opts: pulumi.ComponentResourceOptions = {}) {
        super(WORKLOAD, name, {}, pulumi.mergeOptions(platform.opts, opts));
        const { options: own, settled } = beginParts(this, name, args.namespace, platform);
        const options = cameFrom(
            (args.holders ?? []).map((pod) => pulumi.createUrn(pod, SHARED_POD)),
            own,
        );
        const port = firstPort(name, args.ports);
        this.url = `http://${serviceName(name, args)}.${args.namespace}.svc.cluster.local:${port}`;

        const pod = workloadPod(
            name,
            args,
            containerFields(name, args),
            { terminationGracePeriodSeconds: args.terminationGracePeriod ?? 30 },
            platform,
            options,
        );
        const { namespace, labels, selector } = pod;
        this.claims = pod.claims;
        if (pod.exclusive && (args.replicas ?? 1) > 1) {
            throw new pulumi.ResourceError(
                `workload ${name} asks for ${args.replicas} replicas and has a volume that one pod at a time may write; ` +
                    "allowed: 1, or a workload without data and cache volumes",
                this,
                true,
            );
        }
        const deployment = deploy(
            name,
            { ...pod, connects: args.connects ?? [], patience: args.patience, replicas: args.replicas ?? 1 },
            options.objects,
        );

        const serving = serve(
            this,
            { name, args, namespace, labels, selector, controller: deployment },
            platform,
            options.objects,
        );
        settled([...pod.objects, deployment?.urn, ...serving.map(({ urn }) => urn)]);
        this.registerOutputs({ url: this.url });
    }
}

/** What a Deployment is made of. */
export interface Deployed extends Pick<
    Pod,
    "namespace" | "labels" | "selector" | "annotations" | "recreate" | "template"
> {
    readonly replicas: number;
    /** As `WorkloadArgs.connects`, each once. */
    readonly connects: readonly string[];
    /** As `WorkloadArgs.patience`. */
    readonly patience: number | undefined;
}

/** The Deployment of a pod; undefined without options: Git applies it. */
export const deploy = (
    name: string,
    { namespace, labels, selector, annotations, recreate, template, replicas, connects, patience }: Deployed,
    objects: pulumi.CustomResourceOptions | undefined,
): k8s.apps.v1.Deployment | undefined =>
    objects &&
    new k8s.apps.v1.Deployment(
        name,
        {
            metadata: {
                name,
                namespace,
                ...marks({
                    labels,
                    annotations: {
                        ...annotations,
                        ...(connects.length === 0 ? {} : { "homelab/connects-to": connects.join(" ") }),
                        ...(patience === undefined ? {} : { "pulumi.com/timeoutSeconds": String(patience) }),
                    },
                }),
            },
            spec: {
                replicas,
                ...(patience === undefined ? {} : { progressDeadlineSeconds: patience }),
                strategy: { type: recreate ? "Recreate" : "RollingUpdate" },
                selector: { matchLabels: selector },
                template,
            },
        },
        objects,
    );

/** What answers under a name of its own: ports of a workload's pods. */
export interface Served {
    readonly name: string;
    readonly args: Pick<WorkloadArgs, "ports" | "udpPorts" | "expose">;
    readonly namespace: pulumi.Input<string>;
    readonly labels: Readonly<Record<string, string>>;
    /** Labels of the pods. */
    readonly selector: Readonly<Record<string, string>>;
    /** What makes the pods; undefined: Git does. */
    readonly controller: pulumi.Resource | undefined;
    /**
     * True: the pods have other containers, too. Theirs may be what keeps a pod from being ready, so it is reached all the
     * same; and they may call their ports the same, so these go by number.
     */
    readonly shared?: true;
}

/** With an address of its own each protocol has a Service: not every load balancer takes both in one. */
const servedApart = ({ expose, udpPorts }: Pick<WorkloadArgs, "udpPorts" | "expose">): boolean =>
    expose?.access === "dedicated" && udpPorts !== undefined;

/** Name of the Service with its first port. */
const serviceName = (name: string, args: Pick<WorkloadArgs, "udpPorts" | "expose">): string =>
    servedApart(args) ? `${name}-tcp` : name;

/** Service and route of a workload. Without options it only records the exposure. */
export function serve(
    parent: pulumi.ComponentResource,
    { name, args, namespace, labels, selector, controller, shared }: Served,
    platform: WorkloadHost,
    objects: pulumi.CustomResourceOptions | undefined,
): readonly pulumi.Resource[] {
    const dedicated = args.expose?.access === "dedicated" ? args.expose : undefined;
    const apart = servedApart(args);
    const ports = (of: Readonly<Record<string, number>>, protocol: { readonly protocol?: "UDP" } = {}) =>
        Object.entries(of).map(([portName, number]) => ({
            name: portName,
            port: number,
            targetPort: shared === true ? number : portName,
            ...protocol,
        }));
    const tcpPorts = ports(args.ports);
    const udpPorts = ports(args.udpPorts ?? {}, { protocol: "UDP" });
    const service = (called: string, those: typeof tcpPorts) => {
        if (controller === undefined) return undefined;
        const address =
            dedicated === undefined
                ? undefined
                : platform.edge?.dedicatedService(
                      dedicated.address,
                      dedicated.host,
                      apart ? sharingKey(name) : undefined,
                  );
        return new k8s.core.v1.Service(
            called,
            {
                metadata: {
                    name: called,
                    namespace,
                    labels: { ...labels },
                    ...(address === undefined ? {} : { annotations: address.annotations }),
                },
                spec: {
                    ...(address?.spec ?? { type: "ClusterIP" }),
                    selector: { ...selector },
                    ...(shared === true ? { publishNotReadyAddresses: true } : {}),
                    ports: those,
                },
            },
            // The engine waits for endpoints of a Service: without its pods there are none.
            { ...objects, dependsOn: controller },
        );
    };
    const first = serviceName(name, args);
    const services = apart
        ? [service(first, tcpPorts), service(`${name}-udp`, udpPorts)]
        : [service(first, [...tcpPorts, ...udpPorts])];
    const { expose } = args;
    if (expose !== undefined && platform.edge === undefined) {
        throw new pulumi.ResourceError(`workload ${name} is exposed, but this platform has no edge`, parent, true);
    }
    const port = firstPort(name, args.ports);
    const backend: Backend = { workload: name, namespace, service: services[0]?.metadata.name ?? first, port };
    const route = expose && platform.edge?.expose(name, expose, backend, objects);
    return [...services, route].filter((resource) => resource !== undefined);
}

/**
 * Ports and probes of a workload's container. In a pod that it shares its ports go without names: others in it may call theirs
 * the same, which the API server warns of at every update.
 */
export const containerFields = (
    name: string,
    {
        ports,
        udpPorts = {},
        health,
        mesh,
        patience,
    }: Pick<WorkloadArgs, "ports" | "udpPorts" | "health" | "mesh" | "patience">,
    { shared = false }: { readonly shared?: boolean } = {},
): Partial<k8s.types.input.core.v1.Container> => {
    const listed = (of: Readonly<Record<string, number>>, protocol: { readonly protocol?: "UDP" } = {}) =>
        Object.entries(of).map(([portName, containerPort]) => ({
            ...(shared ? {} : { name: portName }),
            containerPort,
            ...protocol,
        }));
    return {
        ports: [...listed(ports), ...listed(udpPorts, { protocol: "UDP" })],
        ...probes(watchable(name, health, mesh), ports, patience, { shared }),
    };
};

/** What a mesh's proxy would answer in the container's place says nothing of the container. */
function watchable(name: string, health: Health, mesh: boolean | undefined): Health {
    if (mesh !== true || !("tcp" in health)) return health;
    throw new pulumi.RunError(
        `workload ${name} is in the service mesh and watched by opening a port, which the mesh's proxy always lets happen; ` +
            "give it a health of http or exec, or leave it out of the mesh",
    );
}

function firstPort(name: string, ports: Readonly<Record<string, number>>): number {
    const [port] = Object.values(ports);
    if (port === undefined) throw new pulumi.RunError(`workload ${name} declares no port; give it at least one`);
    return port;
}

type ProbeFields = Pick<k8s.types.input.core.v1.Container, "startupProbe" | "readinessProbe" | "livenessProbe">;

export function probes(
    health: Health,
    ports: Readonly<Record<string, number>>,
    patience = 300,
    { shared = false }: { readonly shared?: boolean } = {},
): ProbeFields {
    const [first = ""] = Object.keys(ports);
    const at = (port = first) => (shared ? (ports[port] ?? port) : port);
    const check: k8s.types.input.core.v1.Probe =
        "exec" in health
            ? { exec: { command: [...health.exec] }, timeoutSeconds: health.timeoutSeconds ?? 10 }
            : "http" in health
              ? {
                    httpGet: {
                        path: health.http,
                        port: at(health.port),
                        ...(health.scheme === undefined ? {} : { scheme: health.scheme }),
                    },
                    timeoutSeconds: 5,
                }
              : { tcpSocket: { port: at(health.port) }, timeoutSeconds: 5 };
    return {
        // Five minutes for a first start: databases are migrated in it.
        startupProbe: { ...check, periodSeconds: 10, failureThreshold: Math.ceil(patience / 10) },
        readinessProbe: { ...check, periodSeconds: 10, failureThreshold: 3 },
        livenessProbe: {
            ...("exec" in health && health.alive !== undefined ? { exec: { command: [...health.alive] } } : check),
            periodSeconds: 30,
            failureThreshold: 5,
        },
    };
}
