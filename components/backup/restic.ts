/** The backup policy of seed 002 (Volsync Strategy, Backup Backends) as data, without Pulumi. */
import type { SecretRef } from "../secrets/secret-store";

/** An S3 bucket. */
export interface Bucket {
    /** URL of the S3 endpoint. */
    readonly endpoint: string;
    readonly bucket: string;
}

export type Backend = "b2" | "minio";

export const BACKENDS: readonly Backend[] = ["b2", "minio"];

/** Snapshots that restic keeps. */
export const RETAIN = {
    b2: { daily: 7 },
    minio: { hourly: 24, daily: 7, weekly: 5 },
} as const satisfies Record<Backend, Record<string, number>>;

/** Values that the secret store must hold. One restic password for all: it is what a person must not lose. */
export const BACKUP_SECRETS = {
    b2: {
        RESTIC_PASSWORD: "volsync.resticPassword",
        AWS_ACCESS_KEY_ID: "volsync.b2AccessKey",
        AWS_SECRET_ACCESS_KEY: "volsync.b2SecretKey",
    },
    minio: {
        RESTIC_PASSWORD: "volsync.resticPassword",
        AWS_ACCESS_KEY_ID: "volsync.minioAccessKey",
        AWS_SECRET_ACCESS_KEY: "volsync.minioSecretKey",
    },
} as const satisfies Record<Backend, Record<string, SecretRef>>;

/** The restic repository of one claim: VolSync does not share them. */
export function resticRepository({ endpoint, bucket }: Bucket, claim: string): string {
    return `s3:${endpoint.replace(/\/+$/, "")}/${bucket}/${claim}`;
}

/**
 * Cron of one claim's backups, in UTC: MinIO each hour, B2 each night. The minute comes from the claim's name, so that
 * not every volume is snapshotted at once; the two backends of one claim are half an hour apart.
 */
export function backupSchedule(backend: Backend, claim: string): string {
    const minute = [...claim].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 60, 0);
    return backend === "minio" ? `${minute} * * * *` : `${(minute + 30) % 60} 9 * * *`;
}
