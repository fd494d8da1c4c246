/** The backup policy of seed 002 (Volsync Strategy, Backup Backends) as data, without Pulumi. */
import type { SecretRef } from "../secrets/secret-store";

/** An S3 bucket. */
export interface Bucket {
    /** URL of the S3 endpoint. */
    readonly endpoint: string;
    readonly bucket: string;
}

/** Where backups go: Backblaze B2, MinIO at home, or another S3 server somewhere else. */
export type Backend = "b2" | "minio" | "offsite";

export const BACKENDS: readonly Backend[] = ["b2", "minio", "offsite"];

/** Snapshots that restic keeps: the newest of each of so many hours, days, weeks and months. */
export interface Retain {
    readonly hourly?: number | undefined;
    readonly daily?: number | undefined;
    readonly weekly?: number | undefined;
    readonly monthly?: number | undefined;
}

/** How often a volume is backed up, and what stays. */
export interface BackupPolicy {
    readonly every: "hour" | "day";
    readonly retain: Retain;
}

/** Where a cluster says nothing else. */
export const POLICIES: Readonly<Record<Backend, BackupPolicy>> = {
    b2: { every: "day", retain: { daily: 7 } },
    minio: { every: "hour", retain: { hourly: 24, daily: 7, weekly: 5 } },
    offsite: { every: "day", retain: { daily: 7, weekly: 4, monthly: 3 } },
};

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
    offsite: {
        RESTIC_PASSWORD: "volsync.resticPassword",
        AWS_ACCESS_KEY_ID: "volsync.offsiteAccessKey",
        AWS_SECRET_ACCESS_KEY: "volsync.offsiteSecretKey",
    },
} as const satisfies Record<Backend, Record<string, SecretRef>>;

/** The restic repository of one claim: VolSync does not share them. */
export function resticRepository({ endpoint, bucket }: Bucket, claim: string): string {
    return `s3:${endpoint.replace(/\/+$/, "")}/${bucket}/${claim}`;
}

/**
 * Cron of one claim's backups, in UTC. The minute comes from the claim's name, so that not every volume is snapshotted at
 * once; the backends of one claim are half an hour or hours apart.
 */
export function backupSchedule(backend: Backend, claim: string, { every }: BackupPolicy = POLICIES[backend]): string {
    const name = [...claim].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 60, 0);
    const minute = backend === "minio" ? name : (name + 30) % 60;
    return `${minute} ${every === "hour" ? "*" : HOURS[backend]} * * *`;
}

/** Of daily backups. */
const HOURS: Readonly<Record<Backend, number>> = { b2: 9, minio: 2, offsite: 4 };
