/** Storage in directories of the machine under the nodes, a class a disk, and its backups: schema, rules, and what is built. */
import { z } from "zod";
import { Kopia } from "../components/backup/kopia";
import type { WorkloadHost } from "../components/platform";
import { ClassDirectories } from "../components/storage/class-directories";
import { LocalPathClasses } from "../components/storage/local-path-classes";
import { absolutePath, cron, folder, owner, whole } from "../config/fields";
import type { CrossRule } from "../config/parse";
import { directoriesApart, machineDirectories } from "../config/rules";
import type * as pulumi from "@pulumi/pulumi";

/** `storage` of a schema. None of the directories is made by the program: a missing one is a pool that is not mounted. */
export const hostDiskKeys = z.strictObject({
    /** Where the class local-fast, the default, has its volumes: `<fast>/<namespace>/<claim>`. */
    fast: absolutePath,
    /** Where the class local-bulk has its volumes; also the library: tv/ and movies/ below it. */
    bulk: absolutePath,
    /** Downloads: complete/ and incomplete/ below it. A directory of `bulk`. */
    downloads: folder.default("downloads"),
    /** Where a scanner puts documents. A directory of `bulk`; absent: there is no inbox. */
    inbox: folder.optional(),
    owner,
});

const kept = (count: number) => whole(0, 100).default(count);

/** `backups` of a schema. */
export const hostBackupKeys = z.strictObject({
    /** Directory of the machine that is Kopia's repository; default: `kopia-repo` beside `storage.bulk`. */
    repository: absolutePath.optional(),
    /** When snapshots are taken, in the household's time zone. */
    schedule: cron.default("30 3 * * *"),
    /** How many snapshots of each volume stay. */
    keep: z
        .strictObject({ daily: kept(7), weekly: kept(4), monthly: kept(6) })
        .refine((keep) => Object.values(keep).some((count) => count > 0), {
            error: "at least one number above 0: otherwise no snapshot would stay",
        })
        .prefault({}),
});

/** What of a configuration concerns them. */
export interface HostDisksConfig {
    readonly storage: z.output<typeof hostDiskKeys>;
    readonly backups: z.output<typeof hostBackupKeys>;
}

/** Where backups are: on the disks that are not those of most volumes. */
const repositoryOf = ({ storage, backups }: HostDisksConfig): string =>
    backups.repository ?? storage.bulk.replace(/[^/]*$/, "kopia-repo");

/** Volumes of one disk inside the other's would be found by both classes, and a backup inside what it keeps grows without end. */
const ownDirectories: CrossRule<HostDisksConfig> = ({ storage: s, backups }) => [
    ...[directoriesApart, machineDirectories].flatMap((rule) =>
        rule([
            ["storage.fast", s.fast],
            ["storage.bulk", s.bulk],
            ["backups.repository", repositoryOf({ storage: s, backups })],
        ]),
    ),
    ...(s.inbox === undefined
        ? []
        : directoriesApart([
              ["storage.downloads", `/${s.downloads}`],
              ["storage.inbox", `/${s.inbox}`],
          ])),
];

export const hostDiskRules: readonly CrossRule<HostDisksConfig>[] = [ownDirectories];

/** Directories that the nodes get from the machine. */
export const hostMounts = (config: HostDisksConfig): string[] => [
    config.storage.fast,
    config.storage.bulk,
    repositoryOf(config),
];

/** Names of the classes. */
const CLASSES = { fast: "local-fast", bulk: "local-bulk" } as const;

/** The provisioner with a class a disk. `node`: the one that has them. */
export const hostClasses = (
    { storage }: HostDisksConfig,
    { cluster, node }: Pick<WorkloadHost, "cluster"> & { readonly node: string },
    opts: pulumi.ComponentResourceOptions,
): LocalPathClasses =>
    new LocalPathClasses(
        "local-path",
        {
            cluster,
            classes: [
                { name: CLASSES.fast, path: storage.fast, isDefault: true },
                { name: CLASSES.bulk, path: storage.bulk, isDefault: false },
            ],
            nodes: [node],
        },
        opts,
    );

/** Volumes of the default class, and libraries beside them. */
export const hostVolumes = (
    { storage: { fast, bulk, downloads, inbox, owner: files } }: HostDisksConfig,
    { classes, node }: { readonly classes: LocalPathClasses; readonly node: string },
): ClassDirectories =>
    new ClassDirectories({
        volumes: { name: CLASSES.fast, path: fast, className: classes.className(CLASSES.fast) },
        libraries: {
            media: { directory: bulk, path: "/media" },
            downloads: { directory: `${bulk}/${downloads}`, path: "/downloads" },
            ...(inbox === undefined ? {} : { inbox: { directory: `${bulk}/${inbox}`, path: "/inbox" } }),
        },
        owner: files,
        nodeSelector: { "kubernetes.io/hostname": node },
    });

/** Snapshots of every volume that a declaration calls data. Declare all volumes first. */
export function hostBackups(
    config: HostDisksConfig,
    { cluster, secrets, volumes }: Pick<WorkloadHost, "cluster" | "secrets"> & { readonly volumes: ClassDirectories },
    opts: pulumi.ComponentResourceOptions,
): Kopia {
    const { fast } = config.storage;
    const data = volumes.rows.filter(({ kind }) => kind === "data");
    return new Kopia(
        "kopia",
        {
            cluster,
            ...config.backups,
            repository: repositoryOf(config),
            data: fast,
            sources: data.map(({ source }) => source.slice(fast.length + 1)),
            nodeSelector: volumes.nodeSelector,
            secrets,
        },
        opts,
    );
}
