import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { claimSpec, type ClaimArgs, type SharedLibrary, type Storage, type Volume, type VolumeRow } from "./volumes";

export interface NodeDirectoriesArgs {
    /** Node that has the directories. */
    node: string;
    /** Directory with one directory a workload, e.g. /var/data/configs. */
    configs: string;
    /** Shared directories of this cluster, and the path at which workloads see each. */
    libraries: Readonly<Partial<Record<SharedLibrary, { readonly directory: string; readonly path: string }>>>;
    owner: { readonly uid: number; readonly gid: number };
    /** Class of the pre-bound claims and of scratch volumes. */
    className: pulumi.Output<string>;
}

const REQUESTED = "spec.resources.requests.storage";

/**
 * Storage of a one-node cluster: stable directories on the node.
 *
 * A data volume is a PersistentVolume on `<configs>/<workload>`, bound to its claim from the start (claimRef) with
 * reclaim policy Retain. Deleting the object leaves the directory, and the next cluster's volume finds it again. The
 * directory must exist (`type: Directory`): were it made on demand, an unmounted disk would look like an empty app.
 *
 * A directory has no quota, so a size is only a word, and a claim keeps the one it was made with: the API server refuses
 * to grow a claim whose class does not expand volumes, and neither static volumes nor local-path's can.
 */
export class NodeDirectories implements Storage {
    readonly #rows: VolumeRow[] = [];
    readonly scratchClass: pulumi.Output<string>;

    constructor(private readonly args: NodeDirectoriesArgs) {
        this.scratchClass = args.className;
    }

    get owner() {
        return this.args.owner;
    }

    get rows(): readonly VolumeRow[] {
        return this.#rows;
    }

    record(workload: string, mountPath: string, volume: Volume): void {
        const source = {
            data: () => `${this.args.configs}/${workload}`,
            cache: () => "dynamic volume",
            scratch: () => "emptyDir",
            shared: () => this.shared((volume as Extract<Volume, { kind: "shared" }>).library).directory,
            device: () => (volume as Extract<Volume, { kind: "device" }>).path,
        }[volume.kind]();
        const subPath = volume.kind === "shared" && volume.subPath !== undefined ? `/${volume.subPath}` : "";
        this.#rows.push({
            workload,
            mountPath,
            kind: volume.kind,
            source: `${source}${subPath}`,
            survivesDestroy: volume.kind === "data" || volume.kind === "shared",
        });
    }

    claim(
        name: string,
        { workload, namespace, size }: ClaimArgs,
        opts: pulumi.CustomResourceOptions,
    ): pulumi.Output<string> {
        const claimName = `${workload}-config`;
        const volume = new k8s.core.v1.PersistentVolume(
            name,
            {
                metadata: { name: pulumi.interpolate`${namespace}-${claimName}` },
                spec: {
                    accessModes: ["ReadWriteOnce"],
                    capacity: { storage: size },
                    claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name: claimName },
                    hostPath: { path: `${this.args.configs}/${workload}`, type: "Directory" },
                    nodeAffinity: {
                        required: {
                            nodeSelectorTerms: [
                                {
                                    matchExpressions: [
                                        { key: "kubernetes.io/hostname", operator: "In", values: [this.args.node] },
                                    ],
                                },
                            ],
                        },
                    },
                    persistentVolumeReclaimPolicy: "Retain",
                    storageClassName: this.args.className,
                },
            },
            pulumi.mergeOptions(opts, { ignoreChanges: ["spec.capacity.storage"] }),
        );
        const claim = new k8s.core.v1.PersistentVolumeClaim(
            name,
            {
                metadata: {
                    name: claimName,
                    namespace,
                    // The provider waits for a claim of a WaitForFirstConsumer class to be Pending; this one may be
                    // Bound before it looks. The workload's own rollout shows that it is bound.
                    annotations: { "pulumi.com/skipAwait": "true" },
                },
                spec: {
                    ...claimSpec(this.args.className, size),
                    volumeName: volume.metadata.name,
                },
            },
            pulumi.mergeOptions(opts, { ignoreChanges: [REQUESTED] }),
        );
        return claim.metadata.name;
    }

    cache(
        name: string,
        { workload, namespace, size }: ClaimArgs,
        opts: pulumi.CustomResourceOptions,
    ): pulumi.Output<string> {
        return new k8s.core.v1.PersistentVolumeClaim(
            `${name}-cache`,
            {
                metadata: { name: `${workload}-cache`, namespace },
                spec: claimSpec(this.args.className, size),
            },
            pulumi.mergeOptions(opts, { ignoreChanges: [REQUESTED] }),
        ).metadata.name;
    }

    path(library: SharedLibrary): string {
        return this.shared(library).path;
    }

    library(library: SharedLibrary): k8s.types.input.core.v1.Volume {
        return { name: library, hostPath: { path: this.shared(library).directory, type: "Directory" } };
    }

    private shared(library: SharedLibrary) {
        const found = this.args.libraries[library];
        if (found !== undefined) return found;
        throw new pulumi.RunError(
            `this cluster has no shared directory for "${library}"; it has ${Object.keys(this.args.libraries).join(", ")}`,
        );
    }
}
