import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { DirectoryClass } from "./local-path-classes";
import { claimSpec, type ClaimArgs, type SharedLibrary, type Storage, type Volume, type VolumeRow } from "./volumes";

export interface ClassDirectoriesArgs {
    /** Class of every claim, and its name once it can be used. */
    readonly volumes: Pick<DirectoryClass, "name" | "path"> & { readonly className: pulumi.Output<string> };
    /** Shared directories of the nodes, and the path at which workloads see each. */
    readonly libraries: Readonly<Partial<Record<SharedLibrary, { readonly directory: string; readonly path: string }>>>;
    readonly owner: { readonly uid: number; readonly gid: number };
    /** Labels of the nodes that have directories and devices. */
    readonly nodeSelector: Readonly<Record<string, string>>;
}

/** A directory has no quota, so a size is only a word. Nothing grows a claim of its class. */
const UNTOUCHED = { ignoreChanges: ["spec.resources.requests.storage"] };

/**
 * Storage of a cluster whose disks belong to the machine under it: each claim is a directory by its namespace and name, which
 * outlives the cluster (LocalPathClasses says why), and libraries are directories beside them.
 */
export class ClassDirectories implements Storage {
    readonly #rows: VolumeRow[] = [];

    constructor(private readonly args: ClassDirectoriesArgs) {}

    get rows(): readonly VolumeRow[] {
        return this.#rows;
    }

    get owner() {
        return this.args.owner;
    }

    get nodeSelector() {
        return this.args.nodeSelector;
    }

    get scratchClass() {
        return this.args.volumes.className;
    }

    record(workload: string, mountPath: string, volume: Volume, namespace: string): void {
        this.#rows.push({
            workload,
            mountPath,
            kind: volume.kind,
            source: this.source(workload, volume, namespace),
            // Of a cache too: nothing removes a directory.
            survivesDestroy: volume.kind !== "scratch" && volume.kind !== "device",
        });
    }

    claim(name: string, args: ClaimArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        return this.directory(name, args.workload, args, opts);
    }

    /** Beside the data: the interface lets a cache be lost, and here it is found again. */
    cache(name: string, args: ClaimArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        return this.directory(`${name}-cache`, `${args.workload}-cache`, args, opts);
    }

    path(library: SharedLibrary): string {
        return this.shared(library).path;
    }

    library(library: SharedLibrary): k8s.types.input.core.v1.Volume {
        return { name: library, hostPath: { path: this.shared(library).directory, type: "Directory" } };
    }

    private directory(
        resource: string,
        claim: string,
        { namespace, size }: ClaimArgs,
        opts: pulumi.CustomResourceOptions,
    ): pulumi.Output<string> {
        return new k8s.core.v1.PersistentVolumeClaim(
            resource,
            {
                metadata: { name: claim, namespace },
                spec: claimSpec(this.args.volumes.className, size),
            },
            pulumi.mergeOptions(opts, UNTOUCHED),
        ).metadata.name;
    }

    private source(workload: string, volume: Volume, namespace: string): string {
        const { path } = this.args.volumes;
        switch (volume.kind) {
            case "data":
                return `${path}/${namespace}/${workload}`;
            case "cache":
                return `${path}/${namespace}/${workload}-cache`;
            case "scratch":
                return "emptyDir";
            case "shared":
                return [this.shared(volume.library).directory, volume.subPath].filter((part) => part).join("/");
            case "device":
                return volume.path;
        }
    }

    private shared(library: SharedLibrary) {
        const found = this.args.libraries[library];
        if (found !== undefined) return found;
        throw new pulumi.RunError(
            `this cluster has no shared directory for "${library}"; it has ${Object.keys(this.args.libraries).join(", ") || "none"}`,
        );
    }
}
