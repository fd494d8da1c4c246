import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { VolumeBackups } from "../backup/volume-backups";
import {
    claimSpec,
    claimUrn,
    KEPT_OF_CLAIM,
    type ClaimArgs,
    type SharedLibrary,
    type Storage,
    type Volume,
    type VolumeRow,
} from "./volumes";

/** A StorageClass that volumes are made from. */
export interface VolumeClass {
    readonly className: pulumi.Output<string>;
    /** Its name, for tables. */
    readonly title: string;
}

/** A directory of the household's file server as a tier: `<path>/<workload>` for each, which outlives every cluster. */
export interface ExportedTier {
    readonly server: string;
    readonly path: string;
}

export interface ClassStorageArgs {
    /** Class of data volumes and of caches. */
    readonly volumes: VolumeClass;
    /** Classes of those that ask for a tier, by its name; absent: there are no tiers. */
    readonly tiers?: Readonly<Record<string, VolumeClass | ExportedTier>>;
    /** Class of what may be lost with the node. */
    readonly scratchClass: pulumi.Output<string>;
    /** Absent: data volumes are as safe as their class is. */
    readonly backups?: VolumeBackups;
    /** Shared directories, each as a pod's volume and as a person names it. */
    readonly libraries: Readonly<Partial<Record<SharedLibrary, Library>>>;
    /** User and group that own the household's files. */
    readonly owner: { readonly uid: number; readonly gid: number };
}

export interface Library {
    readonly volume: Omit<k8s.types.input.core.v1.Volume, "name">;
    /** E.g. nas.example.net:/volume1/media. */
    readonly source: string;
}

/** The household's file server: libraries are mounts straight from it, without a class or provisioner. */
export function nfsLibraries(
    server: string,
    exports: Readonly<Partial<Record<SharedLibrary, string | undefined>>>,
): Partial<Record<SharedLibrary, Library>> {
    return Object.fromEntries(
        Object.entries(exports).flatMap(([library, path]) =>
            path === undefined ? [] : [[library, { volume: { nfs: { server, path } }, source: `${server}:${path}` }]],
        ),
    );
}

/**
 * Directories below one that every machine has mounted at the same path. Each must be there: below an empty mount point
 * there is none, and no pod starts on it.
 */
export function hostPathLibraries(
    root: string,
    directories: Readonly<Partial<Record<SharedLibrary, string | undefined>>>,
): Partial<Record<SharedLibrary, Library>> {
    return Object.fromEntries(
        Object.entries(directories).flatMap(([library, directory]) => {
            if (directory === undefined) return [];
            const path = `${root}/${directory}`;
            return [
                [library, { volume: { hostPath: { path, type: "Directory" } }, source: `${path} of every machine` }],
            ];
        }),
    );
}

/** Storage of a cluster whose volumes come from StorageClasses: data, backed up and restored where it says how; caches; libraries. */
export class ClassStorage implements Storage {
    readonly #rows: VolumeRow[] = [];
    readonly #libraries: Partial<Record<SharedLibrary, Library>>;

    constructor(private readonly args: ClassStorageArgs) {
        this.#libraries = { ...args.libraries };
    }

    get scratchClass() {
        return this.args.scratchClass;
    }

    get owner() {
        return this.args.owner;
    }

    get rows(): readonly VolumeRow[] {
        return this.#rows;
    }

    record(
        workload: string,
        mountPath: string,
        volume: Volume,
        _namespace?: string,
        { tier, exempt }: Pick<ClaimArgs, "tier" | "exempt"> = {},
    ): void {
        const exported = volume.kind === "data" ? this.exported(tier) : undefined;
        this.#rows.push({
            workload,
            mountPath,
            kind: volume.kind,
            source:
                exported === undefined
                    ? this.source(volume, tier, exempt)
                    : `${exported.server}:${exported.path}/${workload}, not backed up`,
            survivesDestroy:
                (volume.kind === "data" && (this.backsUp(exempt) || exported !== undefined)) ||
                // A claim of the cluster's own goes with the cluster.
                (volume.kind === "shared" && this.found(volume.library).volume.persistentVolumeClaim === undefined),
        });
    }

    claim(name: string, args: ClaimArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        const { backups, owner } = this.args;
        const exported = this.exported(args.tier);
        if (exported !== undefined) return exportedClaim(name, exported, args, opts);
        if (backups === undefined || !this.backsUp(args.exempt))
            return this.plainClaim(name, args.workload, args, pulumi.mergeOptions(opts, hadBackups(name, opts)));
        return backups.volume(
            name,
            {
                owner: args.owner ?? owner,
                storageClass: this.classOf(args.tier).className,
                claim: args.workload,
                namespace: args.namespace,
                size: args.size,
                ...(args.device === undefined ? {} : { device: args.device }),
            },
            opts,
        );
    }

    /**
     * On the class of data, without a backup. Not on that of scratch: its directories share the system disk without a
     * quota, and a pod with one cannot move to another node.
     */
    cache(name: string, args: ClaimArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        return this.plainClaim(`${name}-cache`, `${args.workload}-cache`, args, opts);
    }

    private plainClaim(
        resource: string,
        name: string,
        { namespace, size, tier }: ClaimArgs,
        opts: pulumi.CustomResourceOptions,
    ): pulumi.Output<string> {
        return new k8s.core.v1.PersistentVolumeClaim(
            resource,
            {
                metadata: { name, namespace },
                spec: claimSpec(this.classOf(tier).className, size),
            },
            opts,
        ).metadata.name;
    }

    /** Adds a library that is known only once there are namespaces: a claim. Before the first workload. */
    share(library: SharedLibrary, found: Library): void {
        this.#libraries[library] = found;
    }

    path(library: SharedLibrary): string {
        return `/${library}`;
    }

    library(library: SharedLibrary): k8s.types.input.core.v1.Volume {
        return { name: library, ...this.found(library).volume };
    }

    /** Class of a tier; the file server has directories of data alone, so a cache of its tier is of the default class. */
    private classOf(tier: string | undefined): VolumeClass {
        if (tier === undefined) return this.args.volumes;
        const found = this.args.tiers?.[tier];
        if (found === undefined) {
            throw new pulumi.RunError(
                `this cluster has no tier "${tier}"; it has ${Object.keys(this.args.tiers ?? {}).join(", ") || "none"}`,
            );
        }
        return "className" in found ? found : this.args.volumes;
    }

    private exported(tier: string | undefined): ExportedTier | undefined {
        const found = tier === undefined ? undefined : this.args.tiers?.[tier];
        return found !== undefined && "server" in found ? found : undefined;
    }

    private found(library: SharedLibrary): Library {
        const found = this.#libraries[library];
        if (found === undefined) throw new Error(`this cluster has no library "${library}"`);
        return found;
    }

    private backsUp(exempt: string | undefined): boolean {
        return this.args.backups !== undefined && exempt === undefined;
    }

    private source(volume: Volume, tier: string | undefined, exempt: string | undefined): string {
        const { backups } = this.args;
        switch (volume.kind) {
            case "data":
                return backups === undefined || exempt !== undefined
                    ? `${this.classOf(tier).title}, not backed up${exempt === undefined ? "" : `: ${exempt}`}`
                    : `${this.classOf(tier).title}, backed up to ${backups.where}`;
            case "cache":
                return `${this.classOf(tier).title}, not backed up`;
            case "scratch":
                return "emptyDir";
            case "shared": {
                const subPath = volume.subPath === undefined ? "" : `/${volume.subPath}`;
                return `${this.found(volume.library).source}${subPath}`;
            }
            case "device":
                return volume.path;
        }
    }
}

/**
 * A data claim that has no backup any more is the same claim. Labels and annotations stay: by them Velero finds it for the last
 * backup, which is taken when the claim has long been handed over.
 */
const hadBackups = (name: string, { parent }: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions => ({
    aliases: ["VeleroVolume", "BackedUpVolume"].map((kind) =>
        claimUrn(name, pulumi.createUrn(name, `homelab:backup:${kind}`, parent)),
    ),
    ignoreChanges: [...KEPT_OF_CLAIM, "metadata.annotations", "metadata.labels"],
});

/**
 * A claim on the workload's directory of the file server, bound to it from the start. The directory is never made: one that
 * is missing keeps the pod from starting, and an export that is not there does not look like an empty app.
 */
function exportedClaim(
    resource: string,
    { server, path }: ExportedTier,
    { workload, namespace, size }: ClaimArgs,
    opts: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
    // A directory has no quota: a claim keeps the size that it was made with, which nothing could grow.
    const volume = new k8s.core.v1.PersistentVolume(
        resource,
        {
            metadata: { name: pulumi.interpolate`${namespace}-${workload}` },
            spec: {
                accessModes: ["ReadWriteMany"],
                capacity: { storage: size },
                claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name: workload },
                nfs: { server, path: `${path}/${workload}` },
                persistentVolumeReclaimPolicy: "Retain",
                storageClassName: "",
            },
        },
        pulumi.mergeOptions(opts, { ignoreChanges: ["spec.capacity.storage"] }),
    );
    return new k8s.core.v1.PersistentVolumeClaim(
        resource,
        {
            metadata: { name: workload, namespace },
            spec: {
                accessModes: ["ReadWriteMany"],
                // Empty, not absent: no class, rather than the default one.
                storageClassName: "",
                volumeName: volume.metadata.name,
                resources: { requests: { storage: size } },
            },
        },
        pulumi.mergeOptions(opts, { ignoreChanges: [...KEPT_OF_CLAIM, "spec.resources.requests.storage"] }),
    ).metadata.name;
}
