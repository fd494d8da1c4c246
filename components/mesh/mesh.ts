/** What a service mesh is to workloads, whichever mesh it is. */
import type { Input } from "@pulumi/pulumi";

/** How a pod gets into the mesh. */
export interface Mesh {
    /** Annotations of the pod, not of what makes it. They are known once the mesh can take pods in. */
    readonly annotations: Readonly<Record<string, Input<string>>>;
}
