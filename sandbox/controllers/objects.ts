/** The parts of Kubernetes objects that the controllers read. Types only: whoever imports this needs no client library. */

export interface Metadata {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly finalizers?: readonly string[];
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string; readonly uid: string }[];
}

export interface Condition {
    readonly type: string;
    readonly status: string;
    readonly reason?: string;
    readonly message?: string;
    readonly lastTransitionTime?: string;
    readonly observedGeneration?: number;
}

export interface KubeObject {
    readonly apiVersion?: string;
    readonly kind?: string;
    readonly metadata: Metadata;
}

export interface LabelSelector {
    readonly matchLabels?: Readonly<Record<string, string>>;
    readonly matchExpressions?: readonly {
        readonly key: string;
        readonly operator: string;
        readonly values?: readonly string[];
    }[];
}

export interface Deployment extends KubeObject {
    readonly spec: {
        readonly replicas?: number;
        readonly template: {
            readonly metadata?: { readonly labels?: Record<string, string> };
            readonly spec?: {
                readonly containers: readonly Container[];
                readonly initContainers?: readonly Container[];
                readonly volumes?: readonly { readonly secret?: { readonly secretName: string } }[];
            };
        };
    };
    readonly status?: {
        readonly observedGeneration?: number;
        readonly readyReplicas?: number;
        readonly updatedReplicas?: number;
    };
}

export interface LoadBalancerIngress {
    readonly ip?: string;
    readonly hostname?: string;
}

export interface Service extends KubeObject {
    readonly spec: {
        readonly type?: string;
        readonly clusterIP?: string;
        readonly loadBalancerIP?: string;
        readonly loadBalancerClass?: string;
        readonly ipFamilies?: readonly string[];
        readonly externalTrafficPolicy?: string;
        readonly selector?: Readonly<Record<string, string>>;
        readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
    };
    readonly status?: {
        readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerIngress[] };
        readonly conditions?: readonly Condition[];
    };
}

export interface Ingress extends KubeObject {
    readonly spec: { readonly ingressClassName?: string };
    readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerIngress[] } };
}

export interface EnvVar {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string; readonly key: string } };
}

export interface Container {
    readonly name: string;
    readonly image: string;
    readonly args?: readonly string[];
    readonly env?: readonly EnvVar[];
    readonly envFrom?: readonly { readonly prefix?: string; readonly secretRef?: { readonly name: string } }[];
    readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface Pod extends KubeObject {
    readonly spec: {
        readonly nodeName?: string;
        readonly hostname?: string;
        readonly containers: readonly Container[];
        readonly initContainers?: readonly Container[];
        readonly volumes?: readonly {
            readonly name: string;
            readonly configMap?: { readonly name: string };
            readonly secret?: { readonly secretName: string };
            readonly persistentVolumeClaim?: { readonly claimName: string };
        }[];
    };
    readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

export interface Secret extends KubeObject {
    readonly data?: Readonly<Record<string, string>>;
}

export interface ConfigMap extends KubeObject {
    readonly data?: Readonly<Record<string, string>>;
}

export interface StorageClass extends KubeObject {
    readonly provisioner: string;
    readonly allowVolumeExpansion?: boolean;
    readonly reclaimPolicy?: string;
    readonly volumeBindingMode?: string;
    readonly parameters?: Readonly<Record<string, string>>;
}

export interface PersistentVolumeClaim extends KubeObject {
    readonly spec: {
        readonly storageClassName?: string;
        readonly volumeName?: string;
        readonly volumeMode?: string;
        readonly accessModes?: readonly string[];
        readonly selector?: unknown;
        readonly dataSourceRef?: { readonly apiGroup?: string; readonly kind: string; readonly name: string };
        readonly resources?: { readonly requests?: { readonly storage?: string } };
    };
    readonly status?: { readonly phase?: string; readonly capacity?: { readonly storage?: string } };
}

export interface PersistentVolume extends KubeObject {
    readonly spec: {
        readonly persistentVolumeReclaimPolicy?: string;
        readonly capacity?: { readonly storage?: string };
        readonly claimRef?: { readonly uid?: string };
        readonly csi?: {
            readonly driver: string;
            readonly volumeHandle?: string;
            readonly volumeAttributes?: Readonly<Record<string, string>>;
        };
    };
    readonly status?: { readonly phase?: string };
}

export interface Node extends KubeObject {
    readonly spec?: { readonly taints?: readonly Taint[] };
    readonly status?: {
        readonly addresses?: readonly { readonly type: string; readonly address: string }[];
        readonly capacity?: Readonly<Record<string, string>>;
        readonly allocatable?: Readonly<Record<string, string>>;
        readonly volumesInUse?: readonly string[];
    };
}

export interface Taint {
    readonly key: string;
    readonly value?: string | undefined;
    readonly effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
}

/** `namespace/name`, or the name alone of what has no namespace. */
export function keyOf(object: KubeObject): string {
    const { namespace, name } = object.metadata;
    return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Whether a Deployment has rolled out: the newest generation is observed and every replica of it ready. */
export function isRolledOut(deployment: Deployment): boolean {
    const wanted = deployment.spec.replicas ?? 1;
    const { observedGeneration = 0, readyReplicas = 0, updatedReplicas = 0 } = deployment.status ?? {};
    return (
        wanted > 0 &&
        observedGeneration >= (deployment.metadata.generation ?? 0) &&
        readyReplicas >= wanted &&
        updatedReplicas >= wanted
    );
}

/** Whether a pod runs, is ready and is not being deleted. */
export function isReady(pod: Pod): boolean {
    return (
        pod.metadata.deletionTimestamp === undefined &&
        (pod.status?.conditions ?? []).some((condition) => condition.type === "Ready" && condition.status === "True")
    );
}

/** Whether labels satisfy a selector; an absent or empty selector takes everything. */
export function selects(selector: LabelSelector | undefined, labels: Readonly<Record<string, string>>): boolean {
    const equal = Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
    return (
        equal &&
        (selector?.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
            const value = labels[key];
            switch (operator) {
                case "In":
                    return value !== undefined && values.includes(value);
                case "NotIn":
                    return value === undefined || !values.includes(value);
                case "Exists":
                    return value !== undefined;
                case "DoesNotExist":
                    return value === undefined;
                default:
                    return false;
            }
        })
    );
}

/**
 * The list with this condition in place of the one of its type. The transition time moves only with the status,
 * and an unchanged condition gives `undefined`: nothing to write.
 */
export function withCondition(
    conditions: readonly Condition[],
    condition: Omit<Condition, "lastTransitionTime">,
    now: string,
): Condition[] | undefined {
    const old = conditions.find((candidate) => candidate.type === condition.type);
    if (
        old !== undefined &&
        old.status === condition.status &&
        old.reason === condition.reason &&
        old.message === condition.message
    ) {
        return undefined;
    }
    const lastTransitionTime = old?.status === condition.status ? (old.lastTransitionTime ?? now) : now;
    return [...conditions.filter((candidate) => candidate !== old), { ...condition, lastTransitionTime }];
}
