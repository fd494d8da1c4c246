/** The pod of a workload: what Deployments and CronJobs have in common. */
import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { imageReference, type Image } from "./images";
import type { NetworkWish } from "./network/networks";
import { TRAFFIC_LABEL, type TrafficTier } from "./network/traffic";
import type { GpuKind, WorkloadHost } from "./platform";
import type { SecretRef } from "./secrets/secret-store";
import { volumeName, type ClaimArgs, type PodVolume, type Volume } from "./storage/volumes";

/**
 * Who a container runs as.
 * - `owner`: user and group of the household's files (the cluster's Storage names them), root file system read-only;
 * - `{ user }`: another non-root user, or the owner, likewise confined; `writableRoot` for images that write beside their volumes;
 * - `startsAsRoot`: images (s6-overlay and the like) whose init is root and drops to PUID/PGID itself;
 * - `vpn`: starts as root and configures the network: NET_ADMIN on top;
 * - `devices`: the owner, with the node's devices open: the runtime lets only a privileged container at a device that no device plugin gives out.
 */
export type Security =
    | "owner"
    | "devices"
    | "startsAsRoot"
    | "vpn"
    | { readonly user: number | "owner"; readonly group?: number; readonly writableRoot?: boolean };

/** A container that runs to its end before the workload's own one starts, with the same environment and files. */
export interface InitStep {
    /** Default: the workload's own. */
    image?: Image;
    command: readonly string[];
    /** Its mount path to the mount path of a volume of the workload. */
    mounts: Readonly<Record<string, string>>;
    /** True: it alone is root, for what nobody else may do, such as apt-get and chown. Otherwise it is who the workload is. */
    asRoot?: boolean;
}

export interface PodArgs {
    /** A namespace that the stack declared. */
    namespace: string;
    /** Group of the seed's tree: infra, apps or media. */
    group: "infra" | "apps" | "media";
    image: Image;
    command?: readonly string[];
    args?: readonly string[];
    env?: Readonly<Record<string, pulumi.Input<string>>>;
    /** Environment from existing Secrets. */
    secretEnv?: Readonly<Record<string, { secret: pulumi.Input<string>; key: string }>>;
    /** Environment from values of the cluster's secret store; one Secret is made for them. */
    secrets?: Readonly<Record<string, SecretRef>>;
    /** Environment of which secret values are a part, such as a URL with a password, as `SecretArgs.templates`. */
    secretTexts?: Readonly<Record<string, (secret: (ref: SecretRef) => string) => string>>;
    /** Mount path to volume. */
    volumes?: Readonly<Record<string, PodVolume>>;
    /**
     * Mount path to a directory of a volume, by the mount path of that: for programs that keep what belongs together apart. A step of
     * the workload's own makes them: the kubelet would make them as root's where the volume is a directory of a machine.
     */
    directories?: Readonly<Record<string, { readonly of: string; readonly directory: string }>>;
    /** Absolute path to content: files of the container's configuration, read-only. A change rolls the pods. */
    files?: Readonly<Record<string, pulumi.Input<string>>>;
    /** CPU request; CPU has no limit, so that a burst is not throttled. */
    cpu: string;
    memory: { readonly request: string; readonly limit: string };
    security: Security;
    /** Groups besides its own, e.g. that of a device. */
    groups?: readonly number[];
    /** What runs before, by name, in this order. */
    init?: Readonly<Record<string, InitStep>>;
    /** Tier of disks of its own volumes, where the cluster has tiers; absent: the cluster's default. */
    tier?: string | undefined;
    /** Why its data volume has no backup although the cluster takes some; absent: it has. */
    backup?: { readonly exempt: string } | undefined;
    /** A card in another network besides the pod network. */
    network?: NetworkWish | undefined;
    /** One GPU of this maker. */
    gpu?: GpuKind;
    /** Nodes that it may be on, by name; absent: any. */
    nodes?: readonly string[];
    /** Class of what it sends; absent: none. */
    traffic?: TrafficTier;
    /** True: it is in the service mesh of a cluster that has one. */
    mesh?: boolean;
    /** Annotations of the pods; a change rolls them. */
    podAnnotations?: Readonly<Record<string, pulumi.Input<string>>>;
    /** The escape hatch: last word on the pod's and the container's spec. */
    patch?: {
        pod?: Partial<k8s.types.input.core.v1.PodSpec>;
        container?: Partial<k8s.types.input.core.v1.Container>;
    };
}

/** A pod with what it needs around it. */
export interface Pod {
    readonly namespace: pulumi.Output<string>;
    readonly labels: Readonly<Record<string, string>>;
    readonly selector: Readonly<Record<string, string>>;
    readonly template: k8s.types.input.core.v1.PodTemplateSpec;
    /** Annotations of the controller. */
    readonly annotations: Readonly<Record<string, string>>;
    /** Whether the pod has a volume that only one pod at a time may write. */
    readonly exclusive: boolean;
    /** Whether the old pod must be gone before the new one starts. */
    readonly recreate: boolean;
    /** Its claims by mount path. */
    readonly claims: ReadonlyMap<string, pulumi.Output<string>>;
    /** Outputs of the objects made for it, claims aside. */
    readonly objects: readonly pulumi.Input<unknown>[];
}

/** Where a workload's parts go. */
export interface PodOptions {
    /** For claims, which are always Pulumi's: data must not depend on what a Git tree says. */
    readonly claims: pulumi.CustomResourceOptions;
    /** For everything else; undefined: Git applies it. */
    readonly objects: pulumi.CustomResourceOptions | undefined;
    /** Secrets as references. */
    readonly references: boolean;
}

/** What one workload brings to a pod: its container, and what that needs around it. */
export interface PodPart {
    readonly container: k8s.types.input.core.v1.Container;
    readonly initContainers: readonly k8s.types.input.core.v1.Container[];
    readonly volumes: readonly k8s.types.input.core.v1.Volume[];
    /** Labels of the pod besides those that every workload has. */
    readonly podLabels: Readonly<Record<string, string>>;
    /** Annotations of the pod. */
    readonly podAnnotations: Readonly<Record<string, pulumi.Input<string>>>;
    /** Annotations of the controller. */
    readonly annotations: Readonly<Record<string, string>>;
    readonly supplementalGroups: readonly pulumi.Input<number[]>[];
    /** Where the pod can be, and what runs it. */
    readonly placing: Pick<k8s.types.input.core.v1.PodSpec, "nodeSelector" | "affinity" | "runtimeClassName">;
    /** Whether it has a volume that only one pod at a time may write. */
    readonly exclusive: boolean;
    /**
     * Whether the old pod must be gone before the new one starts: two pods on one ReadWriteOnce directory would corrupt its
     * database, and the second may wait for ever for a GPU that the first has.
     */
    readonly recreate: boolean;
    /** Its claims by mount path. */
    readonly claims: ReadonlyMap<string, pulumi.Output<string>>;
    /** Outputs of the objects made for it, claims aside. */
    readonly objects: readonly pulumi.Input<unknown>[];
}

/** Claims, Secret and ConfigMap of a workload, and the template of its pod around `container`'s own fields. */
export function workloadPod(
    name: string,
    args: PodArgs,
    container: Partial<k8s.types.input.core.v1.Container>,
    spec: Partial<k8s.types.input.core.v1.PodSpec>,
    platform: WorkloadHost,
    options: PodOptions,
): Pod {
    const namespace = platform.namespaces.name(args.namespace);
    const selector = { "app.kubernetes.io/name": name };
    const labels = { ...selector, "app.kubernetes.io/part-of": args.group };
    const part = podPart(name, args, container, platform, options);
    const { supplementalGroups, initContainers, podAnnotations, podLabels } = part;

    return {
        namespace,
        labels,
        selector,
        annotations: part.annotations,
        exclusive: part.exclusive,
        recreate: part.recreate,
        claims: part.claims,
        objects: part.objects,
        template: podTemplate(
            { labels: { ...labels, ...podLabels }, annotations: podAnnotations },
            {
                securityContext: {
                    ...podSecurity(args.security, platform),
                    ...(part.exclusive ? volumesGroup(args.security) : {}),
                    ...groupsOf(supplementalGroups),
                },
                ...spec,
                ...part.placing,
                ...(args.init === undefined ? {} : { initContainers: [...initContainers] }),
                containers: [part.container],
                volumes: [...part.volumes],
                ...args.patch?.pod,
            },
        ),
    };
}

/** Labels and annotations of an object; none, where there are none. */
export interface Marks {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, pulumi.Input<string>>>;
}

export const marks = ({ labels, annotations }: Marks) => ({
    labels,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
});

/** A pod without a way to the API server, and without every Service in its environment. */
export const podTemplate = (
    of: Marks,
    spec: k8s.types.input.core.v1.PodSpec,
): k8s.types.input.core.v1.PodTemplateSpec => ({
    metadata: marks(of),
    spec: { automountServiceAccountToken: false, enableServiceLinks: false, ...spec },
});

/** Begins a component's parts: where they go, and whom to tell once they are there. */
export function beginParts(
    component: pulumi.ComponentResource,
    name: string,
    namespace: string,
    { delivery: by }: WorkloadHost,
): { readonly options: PodOptions; readonly settled: (parts: readonly pulumi.Input<unknown>[]) => void } {
    const child = { parent: component };
    const delivery = by?.begin(component, name, namespace);
    return delivery === undefined
        ? { options: { claims: child, objects: child, references: false }, settled: () => undefined }
        : {
              options: { claims: child, objects: delivery.objects, references: delivery.references },
              settled: (parts) => delivery.settled(parts),
          };
}

/**
 * Options of parts that may have had another owner: they stay the objects that they are. Without, the engine would make what
 * is there already. Of what Git applies it has nothing.
 */
export function cameFrom(
    owners: readonly pulumi.Input<pulumi.URN>[],
    { claims, objects, references }: PodOptions,
): PodOptions {
    const aliases = owners.map((parent) => ({ parent }));
    const moved = (own: pulumi.CustomResourceOptions) => pulumi.mergeOptions(own, { aliases });
    return { claims: moved(claims), objects: objects && (references ? objects : moved(objects)), references };
}

/** Groups of a pod besides its own. */
export const groupsOf = (
    groups: readonly pulumi.Input<number[]>[],
): Pick<k8s.types.input.core.v1.PodSecurityContext, "supplementalGroups"> =>
    groups.length === 0 ? {} : { supplementalGroups: pulumi.all([...groups]).apply((all) => all.flat()) };

/**
 * Claims, Secret and ConfigMap of a workload, and its container around `container`'s own fields. `beside`: name of the
 * container in a pod that it shares with others; it then says itself who it runs as, and its volumes are called after it.
 */
export function podPart(
    name: string,
    args: PodArgs,
    container: Partial<k8s.types.input.core.v1.Container>,
    platform: WorkloadHost,
    options: PodOptions,
    beside?: string,
): PodPart {
    const namespace = platform.namespaces.name(args.namespace);
    const labels = { "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": args.group };
    const volumes = Object.entries(args.volumes ?? {});
    const gpu = graphics(name, args.gpu, platform);
    const wishes = {
        ...(gpu === undefined ? {} : { device: gpu.resource }),
        ...(args.tier === undefined ? {} : { tier: args.tier }),
        ...(args.backup === undefined ? {} : { exempt: args.backup.exempt }),
        ...filesOwner(args.security),
    };
    const claims = claimVolumes(name, args.namespace, volumes, namespace, wishes, platform, options.claims);
    const secret =
        args.secrets === undefined && args.secretTexts === undefined
            ? undefined
            : secretOf(name, args, namespace, platform, options);
    volumesApart(name, volumes, args.files);
    const called = naming(beside);
    const files = configFiles(name, args.files, namespace, labels, options.objects, called.files);
    const security = {
        ...containerSecurity(args.security),
        ...(beside === undefined ? {} : (userOf(args.security, platform) ?? besideOthers(args.security))),
    };
    const env = environment(args, platform, secret);
    const mounts = [
        ...volumes.map((one) => mount(one, called.volume(...one))),
        ...directoryMounts(name, args, called),
        ...(files?.mounts ?? []),
    ];
    const steps = Object.entries(args.init ?? {}).map(([step, wanted]) =>
        initContainer(name, args, env, files?.mounts ?? [], security, called, [step, wanted]),
    );
    return {
        container: {
            name: beside ?? name,
            image: imageReference(args.image),
            ...(args.command === undefined ? {} : { command: [...args.command] }),
            ...(args.args === undefined ? {} : { args: [...args.args] }),
            env,
            resources: {
                requests: { cpu: args.cpu, memory: args.memory.request },
                limits: {
                    memory: args.memory.limit,
                    ...(gpu === undefined ? {} : { [gpu.resource]: "1" }),
                },
            },
            ...container,
            securityContext: security,
            volumeMounts: mounts,
            ...args.patch?.container,
        },
        initContainers: steps,
        volumes: [...podVolumes(volumes, claims, platform, called), ...(files?.volumes ?? [])],
        podLabels: args.traffic === undefined ? {} : { [TRAFFIC_LABEL]: args.traffic },
        podAnnotations: {
            ...(args.mesh === true ? platform.mesh?.annotations : {}),
            ...(args.traffic === undefined ? {} : platform.shaping?.annotations[args.traffic]),
            ...args.podAnnotations,
            ...files?.annotations,
            ...networkCard(name, args.network, platform),
        },
        annotations: secret === undefined && args.secretEnv === undefined ? {} : (platform.reloadAnnotations ?? {}),
        supplementalGroups: [
            ...(gpu?.groups === undefined ? [] : [gpu.groups]),
            ...(args.groups === undefined ? [] : [[...args.groups]]),
        ],
        placing: {
            ...nodeOf(volumes, platform),
            ...onNodes(args.nodes),
            ...(gpu?.runtimeClass === undefined ? {} : { runtimeClassName: gpu.runtimeClass }),
        },
        exclusive: claims.size > 0,
        recreate: claims.size > 0 || gpu !== undefined,
        claims,
        objects: [secret, files?.map],
    };
}

/** Names of volumes and steps in a pod. */
interface Naming {
    volume(mountPath: string, volume: PodVolume): string;
    readonly files: string;
    step(name: string): string;
}

/** In a pod of several all have a /config and a /tmp; a library is the same for all of them. */
function naming(beside: string | undefined): Naming {
    if (beside === undefined) return { volume: volumeName, files: "files", step: (name) => name };
    return {
        volume: (mountPath, volume) =>
            volume.kind === "shared" ? volumeName(mountPath, volume) : `${beside}-${volumeName(mountPath, volume)}`,
        files: `${beside}-files`,
        step: (name) => `${beside}-${name}`,
    };
}

function initContainer(
    name: string,
    args: PodArgs,
    env: k8s.types.input.core.v1.EnvVar[],
    files: k8s.types.input.core.v1.VolumeMount[],
    security: k8s.types.input.core.v1.SecurityContext,
    called: Naming,
    [step, { image, command, mounts, asRoot }]: readonly [string, InitStep],
): k8s.types.input.core.v1.Container {
    const volumeMounts = Object.entries(mounts).map(([path, of]) => ({
        ...mountOf(name, `its step ${step}`, of, args, called),
        mountPath: path,
    }));
    return {
        name: called.step(step),
        image: imageReference(image ?? args.image),
        command: [...command],
        env,
        resources: {
            requests: { cpu: "10m", memory: "32Mi" },
            limits: { memory: args.memory.limit },
        },
        securityContext:
            asRoot === true
                ? { runAsUser: 0, runAsGroup: 0, runAsNonRoot: false, allowPrivilegeEscalation: false }
                : security,
        volumeMounts: [...volumeMounts, ...files],
    };
}

/** The mount of the volume that is mounted at a path; `who` mounts it elsewhere. */
function mountOf(
    name: string,
    who: string,
    path: string,
    { volumes = {} }: Pick<PodArgs, "volumes">,
    called: Naming,
): k8s.types.input.core.v1.VolumeMount {
    const volume = volumes[path];
    if (volume === undefined) {
        throw new pulumi.RunError(
            `workload ${name}: ${who} mounts the volume of ${path}, and there is none; ` +
                `it has ${Object.keys(volumes).join(", ")}`,
        );
    }
    return mount([path, volume], called.volume(path, volume));
}

const directoryMounts = (name: string, args: PodArgs, called: Naming) =>
    Object.entries(args.directories ?? {}).map(([mountPath, { of, directory }]) => ({
        ...mountOf(name, mountPath, of, args, called),
        mountPath,
        subPath: directory,
    }));

/** Annotation that asks for the card. */
function networkCard(
    name: string,
    wish: NetworkWish | undefined,
    { networks }: WorkloadHost,
): Readonly<Record<string, pulumi.Input<string>>> {
    if (wish === undefined) return {};
    if (networks === undefined) {
        throw new pulumi.RunError(
            `workload ${name} asks for a card in the network ${wish.name}, and this cluster has the pod network only`,
        );
    }
    return networks.card(name, wish);
}

function secretOf(
    name: string,
    { secrets: data = {}, secretTexts }: Pick<PodArgs, "secrets" | "secretTexts">,
    namespace: pulumi.Output<string>,
    { secrets }: WorkloadHost,
    { objects, references }: PodOptions,
): pulumi.Output<string> {
    if (objects === undefined) return pulumi.output(name);
    const args = { name, namespace, data, ...(secretTexts === undefined ? {} : { templates: secretTexts }) };
    return references ? secrets.refer(name, args, objects) : secrets.deliver(name, args, objects);
}

function claimVolumes(
    name: string,
    namespaceName: string,
    volumes: readonly [mountPath: string, volume: PodVolume][],
    namespace: pulumi.Output<string>,
    wishes: Pick<ClaimArgs, "device" | "tier" | "exempt" | "owner">,
    platform: WorkloadHost,
    child: pulumi.CustomResourceOptions,
): ReadonlyMap<string, pulumi.Output<string>> {
    const claims = new Map<string, pulumi.Output<string>>();
    const seen = new Set<Volume["kind"]>();
    for (const [mountPath, volume] of volumes) {
        if (volume.kind === "lent") continue;
        platform.storage.record(name, mountPath, volume, namespaceName, wishes);
        if (volume.kind !== "data" && volume.kind !== "cache") continue;
        if (seen.has(volume.kind)) {
            throw new pulumi.RunError(
                `workload ${name} has two ${volume.kind} volumes (${mountPath} is the second); it may have one: put both into directories of it`,
            );
        }
        seen.add(volume.kind);
        const claim = { workload: name, namespace, size: volume.size, ...wishes };
        claims.set(
            mountPath,
            volume.kind === "data"
                ? platform.storage.claim(name, claim, child)
                : platform.storage.cache(name, claim, child),
        );
    }
    return claims;
}

/** A claim's volume knows its node; a directory or device that is mounted past any claim does not. */
function nodeOf(
    volumes: readonly [mountPath: string, volume: PodVolume][],
    { storage: { nodeSelector } }: WorkloadHost,
): Pick<k8s.types.input.core.v1.PodSpec, "nodeSelector"> {
    const bound = volumes.some(([, { kind }]) => kind === "shared" || kind === "device");
    return bound && nodeSelector !== undefined ? { nodeSelector: { ...nodeSelector } } : {};
}

/** By the label that each kubelet gives its node. */
function onNodes(nodes: PodArgs["nodes"]): Pick<k8s.types.input.core.v1.PodSpec, "affinity"> {
    if (nodes === undefined) return {};
    const named = { key: "kubernetes.io/hostname", operator: "In", values: [...nodes] };
    return {
        affinity: {
            nodeAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: {
                    nodeSelectorTerms: [{ matchExpressions: [named] }],
                },
            },
        },
    };
}

/** Two paths whose volumes got one name would share one volume, and the API server refuses what is no name. */
function volumesApart(
    name: string,
    volumes: readonly [mountPath: string, volume: PodVolume][],
    files: PodArgs["files"],
): void {
    const taken = new Map<string, string>(files === undefined ? [] : [["files", "its configuration files"]]);
    for (const [mountPath, volume] of volumes) {
        const own = volumeName(mountPath, volume);
        const other = taken.get(own);
        const faulty =
            !/^\/[^:]*[^:/][^:]*$/.test(mountPath) || own === ""
                ? `workload ${name} mounts a volume at "${mountPath}"; allowed: an absolute path below /, without a colon`
                : other !== undefined && volume.kind !== "shared"
                  ? `workload ${name}: the volumes of ${mountPath} and ${other} would both be called "${own}"; mount one at another path`
                  : undefined;
        if (faulty !== undefined) throw new pulumi.RunError(faulty);
        taken.set(own, mountPath);
    }
}

function mount([mountPath, volume]: readonly [string, PodVolume], name: string): k8s.types.input.core.v1.VolumeMount {
    return {
        name,
        mountPath,
        ...(volume.kind === "shared" && volume.subPath !== undefined ? { subPath: volume.subPath } : {}),
        ...(volume.kind === "shared" && volume.readOnly === true ? { readOnly: true } : {}),
    };
}

/** Of content that is known later, known then. */
function contentHash(files: NonNullable<PodArgs["files"]>): pulumi.Input<string> {
    const hash = (content: unknown) => createHash("sha256").update(JSON.stringify(content)).digest("hex");
    return Object.values(files).every((content) => typeof content === "string")
        ? hash(files)
        : pulumi.output(files).apply(hash);
}

function configFiles(
    name: string,
    files: PodArgs["files"],
    namespace: pulumi.Output<string>,
    labels: Readonly<Record<string, string>>,
    opts: pulumi.CustomResourceOptions | undefined,
    volume: string,
) {
    if (files === undefined) return undefined;
    const entries = Object.entries(files).map(([path, content]) => ({
        path,
        content,
        key: path.slice(1).replaceAll(/[^A-Za-z0-9._-]+/g, "-"),
    }));
    const map =
        opts === undefined
            ? undefined
            : new k8s.core.v1.ConfigMap(
                  name,
                  {
                      metadata: { name, namespace, labels: { ...labels } },
                      data: Object.fromEntries(entries.map(({ key, content }) => [key, content])),
                  },
                  opts,
              ).metadata.name;
    return {
        map,
        // A file mounted by subPath is not renewed in a running pod.
        annotations: { "homelab/files": contentHash(files) },
        mounts: entries.map(({ path, key }) => ({ name: volume, mountPath: path, subPath: key, readOnly: true })),
        volumes: [{ name: volume, configMap: { name: map ?? name } }],
    };
}

function graphics(name: string, kind: GpuKind | undefined, platform: WorkloadHost) {
    if (kind === undefined) return undefined;
    const gpu = platform.gpus?.[kind];
    if (gpu !== undefined) return gpu;
    const has = Object.keys(platform.gpus ?? {});
    throw new pulumi.RunError(
        `workload ${name} asks for a GPU by ${kind}, but this cluster has ${has.length === 0 ? "none" : `only ${has.join(", ")}`}`,
    );
}

function environment(
    args: PodArgs,
    platform: WorkloadHost,
    secret: pulumi.Output<string> | undefined,
): k8s.types.input.core.v1.EnvVar[] {
    const household = { TZ: platform.cluster.timezone, ...rootDropsTo(args.security, platform) };
    const plain = Object.entries({ ...household, ...args.env }).map(([name, value]) => ({ name, value }));
    const fromSecrets = Object.entries(args.secretEnv ?? {}).map(([name, ref]) => ({
        name,
        valueFrom: { secretKeyRef: { name: ref.secret, key: ref.key } },
    }));
    const fromStore = Object.keys({ ...args.secrets, ...args.secretTexts }).map((name) => ({
        name,
        valueFrom: { secretKeyRef: { ...(secret === undefined ? {} : { name: secret }), key: name } },
    }));
    return [...plain, ...fromSecrets, ...fromStore];
}

function rootDropsTo(security: Security, platform: WorkloadHost): Record<string, string> {
    if (security !== "startsAsRoot" && security !== "vpn") return {};
    return { PUID: String(platform.storage.owner.uid), PGID: String(platform.storage.owner.gid) };
}

/** User and group that a container is told; undefined: those of its image. */
function userOf(
    security: Security,
    { storage: { owner } }: WorkloadHost,
): Pick<k8s.types.input.core.v1.SecurityContext, "runAsNonRoot" | "runAsUser" | "runAsGroup"> | undefined {
    if (security === "startsAsRoot" || security === "vpn") return undefined;
    const [user, group] =
        typeof security === "object" && security.user !== "owner"
            ? [security.user, security.group ?? security.user]
            : [owner.uid, owner.gid];
    return { runAsNonRoot: true, runAsUser: user, runAsGroup: group };
}

/** Group of a pod's files, for whoever writes claims in it, and what holds for every pod. */
export function filesOwned({ storage }: WorkloadHost): k8s.types.input.core.v1.PodSecurityContext {
    return {
        fsGroup: storage.owner.gid,
        fsGroupChangePolicy: "OnRootMismatch",
        seccompProfile: { type: "RuntimeDefault" },
    };
}

function podSecurity(security: Security, platform: WorkloadHost): k8s.types.input.core.v1.PodSecurityContext {
    const { seccompProfile, ...group } = filesOwned(platform);
    const ownUser = typeof security === "object" && security.user !== "owner";
    return { ...(ownUser ? {} : group), seccompProfile, ...userOf(security, platform) };
}

/** Root in a pod whose other containers are not says so for itself. */
const besideOthers = (security: Security): k8s.types.input.core.v1.SecurityContext =>
    security === "vpn" ? { runAsUser: 0, runAsGroup: 0, runAsNonRoot: false } : {};

/** A new volume is root's: who is neither that nor the household's owner must be given it. */
function volumesGroup(security: Security): k8s.types.input.core.v1.PodSecurityContext {
    const { owner } = filesOwner(security);
    return owner === undefined ? {} : { fsGroup: owner.gid, fsGroupChangePolicy: "OnRootMismatch" };
}

/** Whose files a workload's own volumes hold, where that is not the household's owner. */
function filesOwner(security: Security): Pick<ClaimArgs, "owner"> {
    if (typeof security === "string" || security.user === "owner") return {};
    return { owner: { uid: security.user, gid: security.group ?? security.user } };
}

function containerSecurity(security: Security): k8s.types.input.core.v1.SecurityContext {
    switch (security) {
        case "startsAsRoot":
            // s6's init changes owners and switches users; the runtime's default capabilities are what it needs.
            return { allowPrivilegeEscalation: false };
        case "vpn":
            return { allowPrivilegeEscalation: false, capabilities: { add: ["NET_ADMIN"] } };
        case "devices":
            return { privileged: true, readOnlyRootFilesystem: true };
        default:
            return {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: security === "owner" || security.writableRoot !== true,
                capabilities: { drop: ["ALL"] },
            };
    }
}

function podVolumes(
    volumes: readonly [mountPath: string, volume: PodVolume][],
    claims: ReadonlyMap<string, pulumi.Output<string>>,
    platform: WorkloadHost,
    called: Naming,
): k8s.types.input.core.v1.Volume[] {
    const byName = new Map<string, k8s.types.input.core.v1.Volume>();
    for (const [mountPath, volume] of volumes) {
        const name = called.volume(mountPath, volume);
        switch (volume.kind) {
            case "data":
            case "cache": {
                const claimName = claims.get(mountPath);
                if (claimName !== undefined) byName.set(name, { name, persistentVolumeClaim: { claimName } });
                break;
            }
            case "lent":
                byName.set(name, { name, persistentVolumeClaim: { claimName: volume.claim } });
                break;
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
