/** What Velero keeps in a bucket, and how a location opens one. Buckets are outside the cluster: they outlive it. */
import { createHash } from "node:crypto";
import { collections, type View } from "../../controllers/controller";
import type { CustomResource } from "../../controllers/custom-resources";
import { type Deployment, keyOf, type Secret } from "../../controllers/objects";

export interface StoredClaim {
    readonly namespace: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly spec: Readonly<Record<string, unknown>>;
    /** Its files; absent: the claim's text alone. */
    readonly moved?: {
        /** What stands for the files of a volume. */
        readonly contents?: string;
        /** Hash of the password that encrypts them. */
        readonly password: string;
    };
}

/** A backup as its JSON in the bucket, and the claims in its archive. */
export interface StoredBackup {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly spec: BackupSpec;
    readonly status: Readonly<Record<string, unknown>>;
    readonly claims: readonly StoredClaim[];
}

export interface Bucket {
    /** Hash of the keys that open it: those that came first. */
    readonly keys: string;
    readonly backups: Record<string, StoredBackup>;
}

export interface Buckets {
    /** By `<endpoint>/<bucket>`. */
    buckets: Record<string, Bucket>;
    /** Endpoints that do not answer. */
    down: string[];
}

export interface BackupSpec {
    readonly storageLocation?: string;
    readonly ttl?: string;
    readonly includedNamespaces?: readonly string[];
    readonly includedResources?: readonly string[];
    readonly excludedResources?: readonly string[];
    readonly labelSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly snapshotVolumes?: boolean;
    readonly snapshotMoveData?: boolean;
    readonly csiSnapshotTimeout?: string;
    readonly itemOperationTimeout?: string;
}

export type Location = CustomResource<{
    readonly provider: string;
    readonly accessMode?: string;
    readonly objectStorage?: { readonly bucket: string; readonly prefix?: string };
    readonly credential?: { readonly name: string; readonly key: string };
    readonly config?: Readonly<Record<string, string>>;
}>;

export const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Seconds of a Go duration such as 4h0m0s. */
export function secondsOf(duration: string | undefined, otherwise: number): number {
    const parts = [...(duration ?? "").matchAll(/(\d+)(h|m|s)/g)];
    if (parts.length === 0) return otherwise;
    const unit = { h: 3600, m: 60, s: 1 } as const;
    return parts.reduce((sum, [, count, name]) => sum + Number(count) * unit[name as keyof typeof unit], 0);
}

/** The bucket behind a location, or why it cannot be used, in the words of the plugin or of S3. */
export function openBucket(view: View, server: Deployment, location: Location, state: Buckets): Bucket | string {
    const { provider, config = {}, objectStorage, credential } = location.spec;
    const plugins = server.spec.template.spec?.initContainers ?? [];
    if (!/^(velero\.io\/)?aws$/.test(provider) || !plugins.some(({ image }) => /velero-plugin-for-aws/.test(image))) {
        return `unable to locate ObjectStore plugin named velero.io/${provider}`;
    }
    const unknown = Object.keys(config).filter((key) => !CONFIG_KEYS.includes(key));
    if (unknown.length > 0) return `rpc error: code = Unknown desc = config has invalid keys [${unknown.join(" ")}]`;
    const secret = view
        .list<Secret>(collections.secrets)
        .find((one) => keyOf(one) === `${location.metadata.namespace ?? ""}/${credential?.name ?? ""}`);
    const file = secret?.data?.[credential?.key ?? ""];
    if (file === undefined) {
        return `unable to get credentials: unable to get key for secret: Secret "${credential?.name ?? ""}" not found`;
    }
    const text = Buffer.from(file, "base64").toString("utf8");
    const value = (key: string) => new RegExp(`^\\s*${key}\\s*=\\s*(\\S+)\\s*$`, "m").exec(text)?.[1] ?? "";
    const [id, key] = [value("aws_access_key_id"), value("aws_secret_access_key")];
    if (!text.includes("[default]") || id === "" || key === "") {
        return "rpc error: code = Unknown desc = operation error S3: ListObjectsV2, get identity: get credentials: failed to refresh cached credentials, static credentials are empty";
    }
    if ((config["region"] ?? "") === "") return "rpc error: code = Unknown desc = missing region in config";
    const { s3Url = "", s3ForcePathStyle } = config;
    if (s3Url === "" || state.down.includes(s3Url)) {
        return `rpc error: code = Unknown desc = operation error S3: ListObjectsV2, exceeded maximum number of attempts, 3, dial tcp: lookup ${s3Url}: i/o timeout`;
    }
    if (s3ForcePathStyle !== "true") {
        return `rpc error: code = Unknown desc = operation error S3: ListObjectsV2, dial tcp: lookup ${objectStorage?.bucket ?? ""}.${s3Url}: no such host`;
    }
    const url = `${s3Url}/${objectStorage?.bucket ?? ""}`;
    const keys = hashOf(`${id}\n${key}`);
    const bucket = (state.buckets[url] ??= { keys, backups: {} });
    return bucket.keys === keys
        ? bucket
        : "rpc error: code = Unknown desc = operation error S3: ListObjectsV2, https response error StatusCode: 403, api error InvalidAccessKeyId: The Access Key Id you provided does not exist in our records.";
}

/** Why an object cannot be put there; undefined where it can. B2 takes no header of a checksum, which is the plugin's default. */
export function refusesUploads({ spec: { config = {} } }: Location): string | undefined {
    return (config["s3Url"] ?? "").includes("backblazeb2.com") && config["checksumAlgorithm"] !== ""
        ? "error putting object: operation error S3: PutObject, https response error StatusCode: 400, api error InvalidArgument: Unsupported header 'x-amz-sdk-checksum-algorithm' received for this API call."
        : undefined;
}

/** https://github.com/velero-io/velero-plugin-for-aws/blob/v1.14.2/velero-plugin-for-aws/object_store.go */
const CONFIG_KEYS = [
    ...["region", "s3Url", "publicUrl", "kmsKeyId", "customerKeyEncryptionFile", "customerKeyEncryptionSecret"],
    ...["s3ForcePathStyle", "credentialsFile", "profile", "serverSideEncryption", "insecureSkipTLSVerify"],
    ...["enableSharedConfig", "tagging", "checksumAlgorithm"],
];
