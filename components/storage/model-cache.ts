import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Library } from "./class-storage";

export interface ModelCacheArgs {
    /** Namespace of its users: a claim is mounted in its own alone. */
    namespace: pulumi.Input<string>;
    /** Kubernetes quantity. */
    size: string;
    /** A class whose volumes several nodes write at once. */
    storageClass: pulumi.Input<string>;
}

/** One claim of language models for all who load them: written by several pods, kept until the cluster goes, never backed up. */
export class ModelCache extends pulumi.ComponentResource {
    /** For `ClassStorage.share`. */
    readonly library: Library;

    constructor(
        name: string,
        { namespace, size, storageClass }: ModelCacheArgs,
        opts: pulumi.ComponentResourceOptions,
    ) {
        super("homelab:storage:ModelCache", name, {}, opts);
        const claim = new k8s.core.v1.PersistentVolumeClaim(
            `${name}-cache`,
            {
                metadata: { name: MODELS_CLAIM, namespace },
                spec: {
                    accessModes: ["ReadWriteMany"],
                    storageClassName: storageClass,
                    resources: { requests: { storage: size } },
                },
            },
            { parent: this },
        );
        this.library = {
            volume: { persistentVolumeClaim: { claimName: claim.metadata.name } },
            source: `claim ${MODELS_CLAIM}, ${size}, not backed up`,
        };
        this.registerOutputs({});
    }
}

const MODELS_CLAIM = "models";
