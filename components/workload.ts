import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Expose } from "./edge/edge";
import { imageReference, type Image } from "./images";
import type { WorkloadHost } from "./platform";
import type { SecretRef } from "./secrets/secret-store";
import { volumeName, type Volume } from "./storage/volumes";

/**
 * Who a container runs as.
 * - `owner`: user and group of the household's files (the cluster's Storage names them), root file system read-only;
 * - `{ user }`: another non-root user, likewise confined;
 * - `startsAsRoot`: images (s6-overlay and the like) whose init is root and drops to PUID/PGID itself;
 * - `vpn`: starts as root and configures the network: NET_ADMIN on top.
 */
export type Security = "owner" | "startsAsRoot" | "vpn" | { readonly user: number };

/** How to see that a container works. `exec` runs in the container; ports by name. */
export type Health =
    | { readonly http: string; readonly port?: string }
    | { readonly tcp: true; readonly port?: string }
    | {
          readonly exec: readonly string[];
          readonly timeoutSeconds?: number;
          /** A lesser command for liveness; absent: the same. */
          readonly alive?: readonly string[];
      };

export interface WorkloadArgs {
    /** A namespace that the stack declared. */
    namespace: string;
    /** Group of the seed's tree: infra, apps or media. */
    group: "infra" | "apps" | "media";
    image: Image;
    args?: readonly string[];
    replicas?: number;
    /** Container ports by name; the first is the one that is exposed. */
    ports: Readonly<Record<string, number>>;
    env?: Readonly<Record<string, pulumi.Input<string>>>;
    /** Environment from existing Secrets. */
    secretEnv?: Readonly<Record<string, { secret: pulumi.Input<string>; key: string }>>;
    /** Environment from values of the cluster's secret store; one Secret is made for them. */
    secrets?: Readonly<Record<string, SecretRef>>;
    /** Mount path to volume. */
    volumes?: Readonly<Record<string, Volume>>;
    expose?: Expose;
    health: Health;
    /** CPU request; CPU has no limit, so that a burst is not throttled. */
    cpu: string;
    memory: { readonly request: string; readonly limit: string };
    security: Security;
    /** URLs of the workloads this one is set up to talk to; documented on the object, not enforced. */
    connects?: readonly string[];
    /** Seconds between the request to stop and the kill. */
    terminationGracePeriod?: number;
    /** Annotations of the pods; a change rolls them. */
    podAnnotations?: Readonly<Record<string, pulumi.Input<string>>>;
    /** The escape hatch: last word on the pod's and the container's spec. */
    patch?: {
        pod?: Partial<k8s.types.input.core.v1.PodSpec>;
        container?: Partial<k8s.types.input.core.v1.Container>;
    };
}

/**
 * A Deployment with everything around it: claims, secret, Service, route. One declaration in apps/ yields it on any
 * cluster; what differs between clusters comes from the platform.
 */
export class Workload extends pulumi.ComponentResource {
    readonly deployment: k8s.apps.v1.Deployment;
    readonly service: k8s.core.v1.Service;
    /** `http://<service>.<namespace>.svc.cluster.local:<first port>`, plain text, for partners in the cluster. */
    readonly url: string;

    constructor(name: string, args: WorkloadArgs, platform: WorkloadHost, opts: pulumi.ComponentResourceOptions = {}) {
        super("homelab:apps:Workload", name, {}, pulumi.mergeOptions(platform.opts, opts));
        const child = { parent: this };
        const namespace = platform.namespaces.name(args.namespace);
        const selector = { "app.kubernetes.io/name": name };
        const labels = { ...selector, "app.kubernetes.io/part-of": args.group };
        const port = firstPort(name, args.ports);
        this.url = `http://${name}.${args.namespace}.svc.cluster.local:${port}`;

        const volumes = Object.entries(args.volumes ?? {});
        for (const [mountPath, volume] of volumes) platform.storage.record(name, mountPath, volume);
        const claims = new Map(
            volumes.flatMap(([mountPath, volume]) =>
                volume.kind === "data"
                    ? [
                          [
                              mountPath,
                              platform.storage.claim(name, { workload: name, namespace, size: volume.size }, child),
                          ],
                      ]
                    : [],
            ),
        );
        const secret =
            args.secrets === undefined
                ? undefined
                : platform.secrets.deliver(name, { name, namespace, data: args.secrets }, child);

        const container: k8s.types.input.core.v1.Container = {
            name,
            image: imageReference(args.image),
            ...(args.args === undefined ? {} : { args: [...args.args] }),
            env: environment(args, platform, secret),
            ports: Object.entries(args.ports).map(([portName, containerPort]) => ({ name: portName, containerPort })),
            resources: {
                requests: { cpu: args.cpu, memory: args.memory.request },
                limits: { memory: args.memory.limit },
            },
            ...probes(args.health, args.ports),
            securityContext: containerSecurity(args.security),
            volumeMounts: volumes.map(([mountPath, volume]) => ({
                name: volumeName(mountPath, volume),
                mountPath,
                ...(volume.kind === "shared" && volume.subPath !== undefined ? { subPath: volume.subPath } : {}),
                ...(volume.kind === "shared" && volume.readOnly === true ? { readOnly: true } : {}),
            })),
            ...args.patch?.container,
        };
        this.deployment = new k8s.apps.v1.Deployment(
            name,
            {
                metadata: {
                    name,
                    namespace,
                    labels,
                    ...(args.connects === undefined
                        ? {}
                        : { annotations: { "homelab/connects-to": args.connects.join(" ") } }),
                },
                spec: {
                    replicas: args.replicas ?? 1,
                    // Two pods on one ReadWriteOnce directory would corrupt its database.
                    strategy: { type: claims.size > 0 ? "Recreate" : "RollingUpdate" },
                    selector: { matchLabels: selector },
                    template: {
                        metadata: {
                            labels,
                            ...(args.podAnnotations === undefined ? {} : { annotations: args.podAnnotations }),
                        },
                        spec: {
                            automountServiceAccountToken: false,
                            enableServiceLinks: false,
                            securityContext: podSecurity(args.security, platform),
                            terminationGracePeriodSeconds: args.terminationGracePeriod ?? 30,
                            containers: [container],
                            volumes: podVolumes(volumes, claims, platform),
                            ...args.patch?.pod,
                        },
                    },
                },
            },
            child,
        );

        const dedicated = args.expose?.access === "dedicated" ? args.expose : undefined;
        const address = dedicated === undefined ? undefined : platform.edge?.dedicatedService(dedicated.address);
        this.service = new k8s.core.v1.Service(
            name,
            {
                metadata: {
                    name,
                    namespace,
                    labels,
                    ...(address === undefined ? {} : { annotations: address.annotations }),
                },
                spec: {
                    ...(address?.spec ?? { type: "ClusterIP" }),
                    selector,
                    ports: Object.entries(args.ports).map(([portName, number]) => ({
                        name: portName,
                        port: number,
                        targetPort: portName,
                    })),
                },
            },
            // The engine waits for endpoints of a Service: without its pods there are none.
            { parent: this, dependsOn: this.deployment },
        );
        if (args.expose !== undefined) {
            if (platform.edge === undefined) {
                throw new pulumi.ResourceError(
                    `workload ${name} is exposed, but this platform has no edge`,
                    this,
                    true,
                );
            }
            platform.edge.expose(
                name,
                args.expose,
                { workload: name, namespace, service: this.service.metadata.name, port },
                child,
            );
        }
        this.registerOutputs({ url: this.url });
    }
}

function firstPort(name: string, ports: Readonly<Record<string, number>>): number {
    const [port] = Object.values(ports);
    if (port === undefined) throw new pulumi.RunError(`workload ${name} declares no port; give it at least one`);
    return port;
}

function environment(
    args: WorkloadArgs,
    platform: WorkloadHost,
    secret: pulumi.Output<string> | undefined,
): k8s.types.input.core.v1.EnvVar[] {
    const household = { TZ: platform.cluster.timezone, ...rootDropsTo(args.security, platform) };
    const plain = Object.entries({ ...household, ...args.env }).map(([name, value]) => ({ name, value }));
    const fromSecrets = Object.entries(args.secretEnv ?? {}).map(([name, ref]) => ({
        name,
        valueFrom: { secretKeyRef: { name: ref.secret, key: ref.key } },
    }));
    const fromStore = Object.keys(args.secrets ?? {}).map((name) => ({
        name,
        valueFrom: { secretKeyRef: { ...(secret === undefined ? {} : { name: secret }), key: name } },
    }));
    return [...plain, ...fromSecrets, ...fromStore];
}

function rootDropsTo(security: Security, platform: WorkloadHost): Record<string, string> {
    if (security !== "startsAsRoot" && security !== "vpn") return {};
    return { PUID: String(platform.storage.owner.uid), PGID: String(platform.storage.owner.gid) };
}

function podSecurity(security: Security, platform: WorkloadHost): k8s.types.input.core.v1.PodSecurityContext {
    const seccompProfile = { type: "RuntimeDefault" };
    const { uid, gid } = platform.storage.owner;
    const fsGroup = { fsGroup: gid, fsGroupChangePolicy: "OnRootMismatch" };
    switch (security) {
        case "startsAsRoot":
        case "vpn":
            return { ...fsGroup, seccompProfile };
        case "owner":
            return { ...fsGroup, seccompProfile, runAsNonRoot: true, runAsUser: uid, runAsGroup: gid };
        default:
            return { seccompProfile, runAsNonRoot: true, runAsUser: security.user, runAsGroup: security.user };
    }
}

function containerSecurity(security: Security): k8s.types.input.core.v1.SecurityContext {
    switch (security) {
        case "startsAsRoot":
            // s6's init changes owners and switches users; the runtime's default capabilities are what it needs.
            return { allowPrivilegeEscalation: false };
        case "vpn":
            return { allowPrivilegeEscalation: false, capabilities: { add: ["NET_ADMIN"] } };
        default:
            return { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } };
    }
}

type ProbeFields = Pick<k8s.types.input.core.v1.Container, "startupProbe" | "readinessProbe" | "livenessProbe">;

function probes(health: Health, ports: Readonly<Record<string, number>>): ProbeFields {
    const [first = ""] = Object.keys(ports);
    const check: k8s.types.input.core.v1.Probe =
        "exec" in health
            ? { exec: { command: [...health.exec] }, timeoutSeconds: health.timeoutSeconds ?? 10 }
            : "http" in health
              ? { httpGet: { path: health.http, port: health.port ?? first }, timeoutSeconds: 5 }
              : { tcpSocket: { port: health.port ?? first }, timeoutSeconds: 5 };
    return {
        // Five minutes for a first start: databases are migrated in it.
        startupProbe: { ...check, periodSeconds: 10, failureThreshold: 30 },
        readinessProbe: { ...check, periodSeconds: 10, failureThreshold: 3 },
        livenessProbe: {
            ...("exec" in health && health.alive !== undefined ? { exec: { command: [...health.alive] } } : check),
            periodSeconds: 30,
            failureThreshold: 5,
        },
    };
}

function podVolumes(
    volumes: readonly [mountPath: string, volume: Volume][],
    claims: ReadonlyMap<string, pulumi.Output<string>>,
    platform: WorkloadHost,
): k8s.types.input.core.v1.Volume[] {
    const byName = new Map<string, k8s.types.input.core.v1.Volume>();
    for (const [mountPath, volume] of volumes) {
        const name = volumeName(mountPath, volume);
        switch (volume.kind) {
            case "data": {
                const claimName = claims.get(mountPath);
                if (claimName !== undefined) byName.set(name, { name, persistentVolumeClaim: { claimName } });
                break;
            }
            case "scratch":
                byName.set(name, {
                    name,
                    emptyDir: volume.sizeLimit === undefined ? {} : { sizeLimit: volume.sizeLimit },
                });
                break;
            case "shared":
                byName.set(name, platform.storage.library(volume.library));
                break;
            case "device":
                byName.set(name, { name, hostPath: { path: volume.path, type: "CharDevice" } });
                break;
        }
    }
    return [...byName.values()];
}
