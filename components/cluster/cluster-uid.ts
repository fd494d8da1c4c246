/**
 * Which cluster is behind a name. The UID of namespace kube-system is made with a cluster and lives as long as it: a
 * machine that was installed anew, or another one at the same address, has another. The certificate authority would not
 * do: Talos makes it from the secrets file, and a reinstalled cluster has the old one.
 */

/** Logical name of the command that notes the UID. It waits for every resource, which says nothing of any of them. */
export const IDENTITY = "cluster-identity";

/** What a look at the machines says of the cluster on them: its UID, or one of these two. */
export const NO_CLUSTER = "none";
export const UNKNOWN_CLUSTER = "";

/** Arguments of a command that print the UID; `kubectl` or `k3s kubectl` before them. */
export const CLUSTER_UID = [
    ...["get", "namespace", "kube-system"],
    ...["--output=jsonpath={.metadata.uid}", "--request-timeout=10s"],
] as const;
