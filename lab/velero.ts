/** Backups of a cluster by Velero: MinIO in the house, Backblaze B2 outside; schema, rules, claims, secrets, building. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { crds } from "../components/crds";
import { Velero } from "../components/backup/velero";
import {
    b2Region,
    INTERVALS,
    LOCATION_SECRETS,
    LOCATIONS,
    REPOSITORY_PASSWORD,
    VELERO_NAMESPACE,
    type BackupLocation,
    type Interval,
    type LocationName,
} from "../components/backup/velero-locations";
import { veleroBackupsOf } from "../components/backup/velero-volume";
import type { VolumeBackups } from "../components/backup/volume-backups";
import type { Cluster } from "../components/platform";
import type { SecretStore } from "../components/secrets/secret-store";
import { homeS3, region, s3, whole } from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { bucketClaims, type Claim } from "../config/rules";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** A bucket of the cluster's own, how often it gets a backup of each data volume, and for how many days it keeps one. */
const location = (bucket: typeof s3, every: Interval, keepDays: number) =>
    bucket.extend({
        /** What requests are signed for. Default: the one in a B2 endpoint; MinIO's own, us-east-1. */
        region: region.optional(),
        every: z.enum(INTERVALS, { error: `one of ${INTERVALS.join(", ")}` }).default(every),
        keepDays: whole(1, 3650, "days, from 1 to 3650").default(keepDays),
    });

/** `backups` of a schema. Absent: data volumes are as safe as the disks they are on. */
export const veleroKeys = z.strictObject({
    minio: location(homeS3, "6h", 14).optional(),
    /** Backblaze B2. */
    b2: location(s3, "24h", 60).optional(),
    /**
     * Where a volume that is new in the cluster gets its content from: MinIO has the newer backup and is near, B2 is outside the
     * house. Default: MinIO, where it is given.
     */
    restoreFrom: z.enum(LOCATIONS),
    /** Whether destroy first takes a last backup of each volume to `restoreFrom`; false for a cluster that can't reach it any more. */
    beforeDestroy: z.boolean({ error: "true or false" }).default(true),
    /**
     * True: nothing is written to the buckets and nothing in them expires. For the first `up` of a cluster whose last backups may
     * have expired meanwhile: Velero would delete those when it sees them. docs/velero.md
     */
    readOnly: z.boolean({ error: "true or false" }).default(false),
});

export type VeleroKeys = z.output<typeof veleroKeys>;

/** What of a configuration concerns it. */
export interface VeleroConfig {
    readonly backups?: VeleroKeys | undefined;
}

const place = (name: LocationName): string => `backups.${name}`;

/** Velero signs for a region, and an endpoint of B2 that does not say its own leaves nothing to guess from. */
const regions: CrossRule<VeleroConfig> = ({ backups }) =>
    backups?.b2 === undefined || backups.b2.region !== undefined || b2Region(backups.b2.endpoint) !== undefined
        ? []
        : [
              {
                  rule: "b2-region",
                  path: "backups.b2.region",
                  got: show(undefined),
                  allowed: `a region such as us-west-004 (required: the endpoint ${backups.b2.endpoint} does not say it, as https://s3.us-west-004.backblazeb2.com does)`,
              },
          ];

/** A restore reads where backups are written. */
const restoreSource: CrossRule<VeleroConfig> = ({ backups }) =>
    backups === undefined || backups[backups.restoreFrom] !== undefined
        ? []
        : [
              {
                  rule: "restore-source-missing",
                  path: "backups.restoreFrom",
                  got: show(backups.restoreFrom),
                  allowed: "one of the locations under backups that is given",
              },
          ];

export const veleroRules: readonly CrossRule<VeleroConfig>[] = [regions, restoreSource];

/** `bucket` of each location with its server, for comparison with other clusters: each would expire the other's backups. */
export const veleroBuckets = ({ backups: b }: VeleroConfig): Claim[] =>
    bucketClaims({ [place("minio")]: b?.minio, [place("b2")]: b?.b2 });

/** Folders of somebody else in Velero's buckets: it calls a location with a folder that it does not know invalid, and leaves it. */
export const besideVelero = (own: readonly Claim[], others: readonly Claim[]): Fault[] =>
    others.flatMap(([path, folder]): Fault[] => {
        const bucket = own.find(([, one]) => folder.startsWith(`${one}/`));
        return bucket === undefined
            ? []
            : [
                  {
                      rule: "folder-beside-velero",
                      path,
                      got: show(folder),
                      allowed: `another bucket than ${bucket[0]}: Velero takes none that has folders of others`,
                  },
              ];
    });

/** What the secret store must hold. */
export const veleroSecrets = ({ backups }: VeleroConfig): string[] =>
    backups === undefined
        ? []
        : [
              REPOSITORY_PASSWORD,
              ...LOCATIONS.filter((name) => backups[name] !== undefined).flatMap((name) =>
                  Object.values(LOCATION_SECRETS[name]),
              ),
          ];

/** Velero as a part of the platform. */
export const veleroPart: Part<VeleroConfig> = {
    rules: veleroRules,
    buckets: veleroBuckets,
    servers: ({ backups }) =>
        LOCATIONS.flatMap((name): Claim[] => {
            const given = backups?.[name];
            return given === undefined ? [] : [[`${place(name)}.endpoint`, given.endpoint]];
        }),
    definitions: ({ backups }) => (backups === undefined ? [] : [crds.velero]),
    secrets: (config) => ({ [VELERO_NAMESPACE]: veleroSecrets(config) }),
};

/** The locations, MinIO first. */
function locationsOf(backups: VeleroKeys): BackupLocation[] {
    return LOCATIONS.flatMap((name): BackupLocation[] => {
        const given = backups[name];
        if (given === undefined) return [];
        const known = name === "b2" ? b2Region(given.endpoint) : "us-east-1";
        return [{ ...given, name, region: given.region ?? known ?? "" }];
    });
}

/**
 * Builds Velero. Returns what a `ClassStorage` makes its data volumes with; undefined where the configuration has no backups.
 * `volumes`: the class's driver and its VolumeSnapshotClass must be there before, and go after.
 */
export function veleroBackups(
    lab: Lab,
    { backups }: VeleroConfig,
    on: { readonly cluster: Cluster; readonly secrets: SecretStore; readonly snapshotClass: pulumi.Input<string> },
    opts: pulumi.ComponentResourceOptions,
): { readonly velero: Velero; readonly backups: VolumeBackups } | undefined {
    if (backups === undefined) return undefined;
    const { cluster, secrets, snapshotClass } = on;
    const { restoreFrom, readOnly, beforeDestroy } = backups;
    const velero = lab.stage(
        "Velero",
        new Velero("velero", { cluster, secrets, locations: locationsOf(backups), restoreFrom, readOnly }, opts),
    );
    return { velero, backups: veleroBackupsOf({ cluster, velero, snapshotClass, beforeDestroy }) };
}
