import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { BackedUpVolume, type BackupSettings } from "../backup/backed-up-volume";
import { claimSpec, type ClaimArgs, type SharedLibrary, type Storage, type Volume, type VolumeRow } from "./volumes";

/** A StorageClass that volumes are made from. */
export interface VolumeClass {
    readonly className: pulumi.Output<string>;
    /** Its name, for tables. */
    readonly title: string;
}

/** How data volumes are backed up; what every volume shares but its own names, and its class. */
export type Backups = Omit<BackupSettings, "storageClass" | "owner">;

export interface ClassStorageArgs {
    /** Class of data volumes and of caches. */
    readonly volumes: VolumeClass;
    /** Class of what may be lost with the node. */
    readonly scratchClass: pulumi.Output<string>;
    /** Absent: data volumes are as safe as their class is. */
    readonly backups?: Backups;
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

/** Storage of a cluster whose volumes come from StorageClasses: data, backed up and restored where it says how; caches; libraries. */
export class ClassStorage implements Storage {
    readonly #rows: VolumeRow[] = [];

    constructor(private readonly args: ClassStorageArgs) {}

    get scratchClass() {
        return this.args.scratchClass;
    }

    get owner() {
        return this.args.owner;
    }

    get rows(): readonly VolumeRow[] {
        return this.#rows;
    }

    record(workload: string, mountPath: string, volume: Volume): void {
        this.#rows.push({
            workload,
            mountPath,
            kind: volume.kind,
            source: this.source(volume),
            survivesDestroy: (volume.kind === "data" && this.args.backups !== undefined) || volume.kind === "shared",
        });
    }

    claim(name: string, args: ClaimArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        const { backups, volumes, owner } = this.args;
        if (backups === undefined) return this.plainClaim(name, args.workload, args, opts);
        return new BackedUpVolume(
            name,
            {
                ...backups,
                owner,
                storageClass: volumes.className,
                claim: args.workload,
                namespace: args.namespace,
                size: args.size,
                ...(args.device === undefined ? {} : { device: args.device }),
            },
            opts,
        ).claimName;
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
        { namespace, size }: ClaimArgs,
        opts: pulumi.CustomResourceOptions,
    ): pulumi.Output<string> {
        return new k8s.core.v1.PersistentVolumeClaim(
            resource,
            {
                metadata: { name, namespace },
                spec: claimSpec(this.args.volumes.className, size),
            },
            opts,
        ).metadata.name;
    }

    path(library: SharedLibrary): string {
        return `/${library}`;
    }

    library(library: SharedLibrary): k8s.types.input.core.v1.Volume {
        return { name: library, ...this.found(library).volume };
    }

    private found(library: SharedLibrary): Library {
        const found = this.args.libraries[library];
        if (found === undefined) throw new Error(`this cluster has no library "${library}"`);
        return found;
    }

    private source(volume: Volume): string {
        const { volumes, backups } = this.args;
        switch (volume.kind) {
            case "data":
                return backups === undefined
                    ? `${volumes.title}, not backed up`
                    : `${volumes.title}, backed up to ${Object.keys(backups.backends).sort().join(" and ")}`;
            case "cache":
                return `${volumes.title}, not backed up`;
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
