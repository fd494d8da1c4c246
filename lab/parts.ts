/** Small parts that the recipes' schemas share. */
import { isRecord } from "../lib/json";
import { z } from "zod";
import { canonicalCidr, isIpv4 } from "../components/network/addresses";
import type { SharedLibrary } from "../components/storage/volumes";
import type { StackClaim } from "../config/claims";
import { bytes, cpu, delivery, domain, isCidr, protectData, relativePath, timezone } from "../config/fields";
import type { Fault } from "../config/parse";
import type { Claim } from "../config/rules";
import { accountKeys } from "./accounts";
import { appsSchema } from "./apps";
import type { LabConfig } from "./lab";

/** Keys of every recipe's schema. What must differ between two stacks is by default called after the stack. */
export const stackKeys = (stack: string) => ({
    domain,
    timezone: timezone.default("Etc/UTC"),
    /** Who applies the apps' objects; an app's own `delivery` comes first. docs/gitops.md */
    delivery: delivery.default("pulumi"),
    protectData,
    ...accountKeys(stack),
    apps: appsSchema,
});

/** Keys of every schema's `secrets`. `folder`: of the stack's own, that the file is in. */
export const secretsKeys = (stack: string, folder = "") => ({
    /** SOPS file with the values the program needs itself, seen from the project's root; covered by a rule of .sops.yaml. */
    sopsFile: relativePath.default(`clusters/${stack}/${folder}secrets.enc.yaml`),
});

/** What a machine has; requests are checked against it and the sandbox's node shows it. */
export const NODE_CAPACITY = z.strictObject({ cpu, memory: bytes });

/** Machines in a few words, for the table of clusters. */
export const machinesWith = ({ length }: readonly unknown[], system: string): string =>
    `${length} ${length === 1 ? "machine" : "machines"} with ${system}`;

/** Buckets as claims. */
export const bucketsTaken = (buckets: readonly Claim[]): StackClaim[] =>
    buckets.map(([path, value]): StackClaim => ({ kind: "repository", value, path }));

/** Where else an app may go for what a recipe never has. */
export const ELSEWHERE = {
    gpu: "put it on a cluster whose machines may have GPUs, of the recipe k3s-home or chongus (NVIDIA, Intel) or magi (AMD)",
    postgres: "put it on a cluster of the recipe k3s-home, magi or chongus, with postgres",
    prometheus: "put it on a cluster of the recipe homelab, k3s-home or chongus",
    device: "put it on a cluster of the recipe homelab, truenas or magi, whose apps may have devices of a machine",
    network: "put it on a cluster of the recipe truenas, with networks",
} as const;

/** What would give a cluster of several machines what an app lacks; how it gets GPUs is each recipe's own. */
export const CLUSTER_MENDS = {
    postgres: "set postgres, with a bucket for its backups",
    prometheus: "it is always there",
    library: "set storage.nfs.<library>, an export of the file server",
    device: ELSEWHERE.device,
    address: "take it out",
    network: ELSEWHERE.network,
} as const;

/** Hosts as claims: fully qualified. */
export const hostClaims = (hosts: readonly Claim[], domain: string): StackClaim[] =>
    hosts.map(([path, value]): StackClaim => ({ kind: "host", value: `${value}.${domain}`, path }));

/** Libraries of a cluster whose inbox is optional. */
export const sharedLibraries = ({ inbox }: { readonly inbox?: string | undefined }): SharedLibrary[] => [
    "media",
    "downloads",
    ...(inbox === undefined ? [] : (["inbox"] as const)),
];

/** `backups` with the place to restore from, where the file says nothing else. */
export const backupDefaults = (said: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => ({
    restoreFrom: said["minio"] === undefined ? "b2" : "minio",
    ...said,
});

/** Git cannot deliver where no Git is. */
export function deliveryNeedsGit({ gitops, delivery, apps }: LabConfig & { readonly gitops?: unknown }): Fault[] {
    if (gitops !== undefined) return [];
    const places = Object.entries(apps).flatMap(([name, app]) =>
        app?.delivery === "gitops" ? [`apps.${name}.delivery`] : [],
    );
    return [...(delivery === "gitops" ? ["delivery"] : []), ...places].map((path) => ({
        rule: "delivery-without-git",
        path,
        got: '"gitops"',
        allowed: "gitops only with a repository, under gitops",
    }));
}

/**
 * The LAN of a node, and what the file says of the network: the LAN said there, else the /24 around the node's address.
 * Undefined where neither can be read; the schema then says so.
 */
export function lanOf(
    node: unknown,
    network: unknown,
): { readonly lan: string; readonly said: Readonly<Record<string, unknown>> } | undefined {
    const said = network === undefined ? {} : network;
    if (!isRecord(said)) return undefined;
    const lan = said["lan"];
    if (lan !== undefined) return typeof lan === "string" && isCidr(lan) ? { lan, said } : undefined;
    const address = isRecord(node) ? node["address"] : undefined;
    return typeof address === "string" && isIpv4(address) ? { lan: canonicalCidr(`${address}/24`), said } : undefined;
}
