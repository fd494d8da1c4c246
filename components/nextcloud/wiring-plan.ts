/** What `wire.php` is given. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface NextcloudPlan {
    /** Nextcloud's apps that must be there, by their ids in its store. */
    readonly apps: readonly string[];
    readonly settings: readonly NextcloudSetting[];
    /** Commands of occ that look whether what was set works; run each time, for apps that are there. */
    readonly checks: readonly { readonly app: string; readonly occ: readonly string[] }[];
    /** Indexes of Elasticsearch that are filled from all files, each until that has ended well once. */
    readonly indexes: readonly {
        readonly app: string;
        readonly url: string;
        readonly name: string;
        readonly user: string;
        /** Environment variable with the password. */
        readonly secret: string;
        readonly occ: readonly string[];
    }[];
}

/** A setting of one of Nextcloud's apps. */
export interface NextcloudSetting {
    readonly app: string;
    readonly key: string;
    /** `{secret}` in it is the secret, as a URL spells it. */
    readonly value?: string;
    /** Environment variable with the secret; without `value` it is the setting. */
    readonly secret?: string;
}

/** Text of the program: it runs in Nextcloud's image. */
export const nextcloudWiring = (): string => readFileSync(join(__dirname, "wire.php"), "utf8");
