/**
 * What holds the household's data, by type: volumes and claims of apps, database servers, the storage cluster, the secrets
 * in Vault. Caches can be made again, and a chart's own claims (metrics, logs) are no resources.
 */
export function holdsData(type: string, name: string, props: Readonly<Record<string, unknown>>): boolean {
    switch (type) {
        case "kubernetes:core/v1:PersistentVolume":
        case "kubernetes:postgresql.cnpg.io/v1:Cluster":
        case "kubernetes:ceph.rook.io/v1:CephFilesystem":
        case "kubernetes:app.redislabs.com/v1:RedisEnterpriseCluster":
            return true;
        case "kubernetes:app.redislabs.com/v1alpha1:RedisEnterpriseDatabase":
            return !name.endsWith("-cache-database");
        case "kubernetes:core/v1:PersistentVolumeClaim":
            return !name.endsWith("-cache");
        case "kubernetes:helm.sh/v3:Release":
            // Longhorn's own uninstaller deletes every volume; Vault's are in its namespace.
            return (
                typeof props["chart"] === "string" && /(^|\/)(rook-ceph-cluster|longhorn|vault)$/.test(props["chart"])
            );
        default:
            return false;
    }
}
