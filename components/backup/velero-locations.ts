/** Where Velero keeps backups, how often and for how long, as data, without Pulumi. */
import type { SecretRef } from "../secrets/secret-store";

/** A bucket that is a BackupStorageLocation. */
export interface BackupLocation {
    readonly name: LocationName;
    /** URL of the S3 endpoint. */
    readonly endpoint: string;
    readonly bucket: string;
    /** What requests are signed for. MinIO takes any unless it was told one. */
    readonly region: string;
    /** Hours between two backups of a volume. */
    readonly every: Interval;
    /** Days after which a backup expires. */
    readonly keepDays: number;
}

export const LOCATIONS = ["minio", "b2"] as const;
export type LocationName = (typeof LOCATIONS)[number];

/** Hours that divide a day, so that a cron expression can say them. */
export const INTERVALS = ["1h", "2h", "3h", "4h", "6h", "8h", "12h", "24h"] as const;
export type Interval = (typeof INTERVALS)[number];

export const VELERO_NAMESPACE = "velero";

/** Where a restored claim waits until its volume is handed to the program's own. */
export const STAGING_NAMESPACE = "velero-restores";

/** Values that the secret store must hold. The password encrypts the files in every bucket: without it no backup can be read. */
export const REPOSITORY_PASSWORD = "velero.repositoryPassword" satisfies SecretRef;

export const LOCATION_SECRETS = {
    minio: { accessKey: "velero.minioAccessKey", secretKey: "velero.minioSecretKey" },
    b2: { accessKey: "velero.b2AccessKey", secretKey: "velero.b2SecretKey" },
} as const satisfies Record<LocationName, Record<"accessKey" | "secretKey", SecretRef>>;

/** Region in a Backblaze B2 endpoint; undefined in any other. https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api */
export const b2Region = (endpoint: string): string | undefined =>
    /^https:\/\/s3\.([a-z0-9-]+)\.backblazeb2\.com\/?$/.exec(endpoint)?.[1];

/** https://github.com/velero-io/velero-plugin-for-aws/blob/v1.14.2/backupstoragelocation.md */
export const locationConfig = ({ name, endpoint, region }: BackupLocation) => ({
    region,
    s3Url: endpoint.replace(/\/+$/, ""),
    s3ForcePathStyle: "true",
    // B2 refuses the header of a checksum, and with it every upload: velero-io/velero#7534.
    ...(name === "b2" ? { checksumAlgorithm: "" } : {}),
});

/** The bucket as a person finds it. */
export const whereOf = ({ name, endpoint, bucket }: BackupLocation): string =>
    `${name} (bucket ${bucket} at ${endpoint})`;

export const hoursOf = (every: Interval): number => Number(every.slice(0, -1));

/** Velero's duration of a number of days. */
export const ttlOf = (days: number): string => `${days * 24}h0m0s`;

/** A last backup outlives a house that stands empty for years: Velero deletes what has expired as soon as it sees it again. */
export const LAST_BACKUP_DAYS = 5 * 365;

/** Cron of one claim's backups in UTC. The minute and the hour come from its name, so that not every volume is moved at once. */
export function claimSchedule({ name, every }: Pick<BackupLocation, "name" | "every">, claim: string): string {
    const hash = [...`${claim} ${name}`].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 86_399, 7);
    const [minute, hours] = [hash % 60, hoursOf(every)];
    const first = Math.floor(hash / 60) % hours;
    if (hours === 24) return `${minute} ${first} * * *`;
    return hours === 1 ? `${minute} * * * *` : `${minute} ${first}-23/${hours} * * *`;
}
