/**
 * Label of Secrets in kube-system that the next cluster on the same machines needs. They are of no stack; where destroying a
 * cluster takes its database, its machines keep them and the next cluster begins with them.
 */
export const OUTLIVES_CLUSTER = { key: "homelab-infrastructure/outlives", value: "cluster" } as const;

export const OUTLIVES_NAMESPACE = "kube-system";
