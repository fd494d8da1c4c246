/** An S3 bucket of the household, and the credentials of this cluster's monitoring for it. */
export interface Bucket {
    /** https URL, or http of a machine in the house. */
    readonly endpoint: string;
    readonly bucket: string;
}

/** Values in the secret store. */
export const MONITORING_S3 = {
    accessKeyId: "observability.s3AccessKeyId",
    secretAccessKey: "observability.s3SecretAccessKey",
} as const;
