import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { podSecurityNamespace } from "../cluster/namespaces";
import { imageReference, images } from "../images";
import { alertRules } from "../monitoring/alerts";
import type { Cluster } from "../platform";
import type { SecretStore } from "../secrets/secret-store";

/** Place of the repository's password in the secret store. Without it no snapshot can be read: keep a copy outside the house. */
export const KOPIA_PASSWORD = "kopia.password";

export interface KopiaArgs {
    cluster: Pick<Cluster, "name" | "timezone">;
    /** Directory of the node that is the repository. */
    repository: string;
    /** Directory of the node below which the volumes are, `<namespace>/<claim>`. */
    data: string;
    /** The volumes that are kept, `<namespace>/<claim>`. */
    sources: readonly string[];
    /** Labels of the node that has both. */
    nodeSelector: Readonly<Record<string, string>>;
    /** Cron expression in the household's time zone. */
    schedule: string;
    keep: { readonly daily: number; readonly weekly: number; readonly monthly: number };
    secrets: SecretStore;
}

const NAME = "kopia";
const FILES = "/etc/homelab";

/**
 * Snapshots of volumes that are directories of the machine, into a repository that is another directory of it: whoever deletes
 * a volume, or an app that wrote nonsense, is a snapshot away. Against the loss of the machine the repository itself needs a
 * copy elsewhere. https://kopia.io/docs/
 *
 * Two jobs: one by the clock, and one that never runs by itself, which a restore is made from (`npm run restore`). Alerts are there
 * for whichever Prometheus reads them, so their kind must be.
 */
export class Kopia extends pulumi.ComponentResource {
    constructor(name: string, args: KopiaArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:backup:Kopia", name, {}, opts);
        const child = { parent: this };
        // Its pods have directories of the machine, and read every app's files.
        const namespace = podSecurityNamespace("kopia", "privileged", child).metadata.name;
        const secret = args.secrets.deliver(name, { name: NAME, namespace, data: { KOPIA_PASSWORD } }, child);
        const script = readFileSync(join(__dirname, "kopia.sh"), "utf8");
        const files = new k8s.core.v1.ConfigMap(
            name,
            { metadata: { name: NAME, namespace }, data: { "kopia.sh": script } },
            child,
        ).metadata.name;
        const job = (
            title: string,
            word: "snapshot" | "restore",
            env: Readonly<Record<string, string>>,
            spec: { readonly schedule: string; readonly suspend?: boolean },
        ) =>
            new k8s.batch.v1.CronJob(
                title,
                {
                    metadata: { name: title, namespace, labels: labelsOf(title) },
                    spec: {
                        ...spec,
                        timeZone: args.cluster.timezone,
                        concurrencyPolicy: "Forbid",
                        // A machine that was off at the hour makes it up.
                        startingDeadlineSeconds: 6 * 3600,
                        successfulJobsHistoryLimit: 1,
                        failedJobsHistoryLimit: 3,
                        jobTemplate: {
                            spec: {
                                backoffLimit: 0,
                                template: {
                                    metadata: { labels: labelsOf(title) },
                                    spec: podSpec(args, word, env, { secret, files }),
                                },
                            },
                        },
                    },
                },
                child,
            );
        job(
            name,
            "snapshot",
            {
                SOURCES: args.sources.join(" "),
                KEEP_DAILY: String(args.keep.daily),
                KEEP_WEEKLY: String(args.keep.weekly),
                KEEP_MONTHLY: String(args.keep.monthly),
            },
            { schedule: args.schedule },
        );
        job(`${name}-restore`, "restore", { SOURCE: "", SNAPSHOT: "latest" }, { schedule: "0 0 1 1 *", suspend: true });
        alertRules(`${name}-alerts`, "kopia", namespace, child);
        this.registerOutputs({});
    }
}

const labelsOf = (name: string) => ({ "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "infra" });

function podSpec(
    args: KopiaArgs,
    word: "snapshot" | "restore",
    env: Readonly<Record<string, string>>,
    { secret, files }: { readonly secret: pulumi.Output<string>; readonly files: pulumi.Output<string> },
): k8s.types.input.core.v1.PodSpec {
    const variables = { TZ: args.cluster.timezone, KOPIA_IDENTITY: args.cluster.name, HOME: "/tmp", ...env };
    return {
        restartPolicy: "Never",
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        nodeSelector: { ...args.nodeSelector },
        securityContext: { seccompProfile: { type: "RuntimeDefault" } },
        containers: [
            {
                name: "kopia",
                image: imageReference(images.kopia),
                command: ["/bin/sh", `${FILES}/kopia.sh`, word],
                env: [
                    ...Object.entries(variables).map(([key, value]) => ({ name: key, value })),
                    { name: "KOPIA_PASSWORD", valueFrom: { secretKeyRef: { name: secret, key: "KOPIA_PASSWORD" } } },
                ],
                resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { memory: "2Gi" } },
                // Files of every user are read, and given back to them.
                securityContext: {
                    runAsUser: 0,
                    runAsGroup: 0,
                    runAsNonRoot: false,
                    allowPrivilegeEscalation: false,
                    readOnlyRootFilesystem: true,
                    capabilities: {
                        drop: ["ALL"],
                        add:
                            word === "snapshot"
                                ? ["DAC_OVERRIDE"]
                                : ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETFCAP"],
                    },
                },
                volumeMounts: [
                    { name: "data", mountPath: "/data", ...(word === "snapshot" ? { readOnly: true } : {}) },
                    { name: "repository", mountPath: "/repository" },
                    { name: "files", mountPath: FILES, readOnly: true },
                    { name: "tmp", mountPath: "/tmp" },
                ],
            },
        ],
        volumes: [
            { name: "data", hostPath: { path: args.data, type: "Directory" } },
            { name: "repository", hostPath: { path: args.repository, type: "Directory" } },
            { name: "files", configMap: { name: files } },
            // Kopia's cache.
            { name: "tmp", emptyDir: { sizeLimit: "8Gi" } },
        ],
    };
}
