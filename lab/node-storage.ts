/** Storage in directories of the one machine: its part of the schema and rules, what the machine must have, and what is built. */
import { dirname } from "node:path";
import { z } from "zod";
import { LocalPathStorage } from "../components/storage/local-path";
import { NodeDirectories } from "../components/storage/node-directories";
import { absolutePath, label, owner } from "../config/fields";
import type { CrossRule } from "../config/parse";
import { directoriesApart, machineDirectories, type Claim } from "../config/rules";
import { appFolders, appsWithData, type Apps } from "./apps";

/** `storage` of a schema. */
export const nodeStorageKeys = z.strictObject({
    /** `managed`: this program runs local-path-provisioner; `k3s`: the one that k3s brings is used. */
    provisioner: z.enum(["managed", "k3s"]).default("managed"),
    className: label.default("local-path"),
    /** Where volumes without a fixed directory go; scratch, deleted with the cluster. */
    scratch: absolutePath.default("/var/lib/local-path-provisioner"),
    /** One directory an app below it; survives the cluster. */
    configs: absolutePath.default("/var/data/configs"),
    /** The library: tv/ and movies/ below it. */
    media: absolutePath.default("/var/data/media"),
    /** Downloads: complete/ and incomplete/ below it. */
    torrents: absolutePath.default("/var/data/torrents"),
    /** Where a scanner puts documents; absent: there is no inbox. */
    inbox: absolutePath.optional(),
    owner,
});

/** What of a configuration concerns it. */
export interface NodeStorageConfig {
    readonly storage: z.output<typeof nodeStorageKeys>;
}

/** A data directory inside another would give one app the files of the other, or be wiped as scratch. */
export const ownDirectories: CrossRule<NodeStorageConfig> = ({ storage: s }) => {
    const data: Claim[] = [
        ["storage.configs", s.configs],
        ["storage.media", s.media],
        ["storage.torrents", s.torrents],
        ...(s.inbox === undefined ? [] : [["storage.inbox", s.inbox] as const]),
    ];
    const all: Claim[] = [["storage.scratch", s.scratch], ...data];
    return [directoriesApart, machineDirectories].flatMap((rule) => rule(all));
};

/** Directories whose absence means an unmounted disk. */
export function dataDisks({ storage: { configs, media, torrents, inbox } }: NodeStorageConfig): string[] {
    const paths = [configs, media, torrents, ...(inbox === undefined ? [] : [inbox])];
    return [...new Set(paths.map((path) => dirname(path)))].sort();
}

/** The seed's storage layout: a configuration directory an app, the library, the downloads. */
export function nodeDirectories({
    storage: { configs, media, torrents, inbox },
    apps,
}: NodeStorageConfig & { readonly apps: Apps }): string[] {
    return [
        configs,
        ...appsWithData(apps).map((name) => `${configs}/${name}`),
        media,
        `${media}/tv`,
        `${media}/movies`,
        ...appFolders(apps).map((folder) => `${media}/${folder}`),
        torrents,
        `${torrents}/complete`,
        `${torrents}/incomplete`,
        ...(inbox === undefined ? [] : [inbox]),
    ];
}

/** Volumes in them. */
export const nodeVolumes = (
    { storage }: NodeStorageConfig,
    { node, className }: { readonly node: string; readonly className: LocalPathStorage["className"] },
): NodeDirectories =>
    new NodeDirectories({
        node,
        configs: storage.configs,
        libraries: {
            media: { directory: storage.media, path: "/media" },
            downloads: { directory: storage.torrents, path: "/torrents" },
            ...(storage.inbox === undefined ? {} : { inbox: { directory: storage.inbox, path: "/inbox" } }),
        },
        owner: storage.owner,
        className,
    });
