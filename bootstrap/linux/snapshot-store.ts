/** S3 server to which snapshots of a cluster's datastore are copied. */
export interface SnapshotStore {
    /** URL, http or https. */
    readonly endpoint: string;
    readonly bucket: string;
    readonly region: string;
    /** Folder in the bucket. */
    readonly folder: string;
}

export interface SnapshotStoreKeys {
    readonly accessKey: string;
    readonly secretKey: string;
}
