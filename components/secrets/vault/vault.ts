import { readFileSync } from "node:fs";
import { join } from "node:path";
import type * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../../charts";
import { answeringJob } from "../../cluster/answering-job";
import { clusterCommand } from "../../cluster/cluster-command";
import { contentHash } from "../../cluster/content-hash";
import { helmRelease } from "../../cluster/helm-release";
import { IN_PROJECT } from "../../cluster/in-project";
import { podSecurityNamespace } from "../../cluster/namespaces";
import type { CertManager } from "../../edge/cert-manager";
import { OwnAuthority } from "../../edge/own-authority";
import { imageReference, images } from "../../images";
import type { Cluster } from "../../platform";
import type { SecretRef, SecretStore } from "../secret-store";
import { SEALED_KEYS, UNSEAL_KEY, VAULT, VAULT_AUDIENCE, VAULT_NAMESPACE, VAULT_SERVER_NAME, VAULT_TLS } from "./names";
import { VAULT_ACCOUNTS, vaultPlan, type VaultPlanArgs } from "./plan";
import { vaultValues } from "./values";

/** Values of the secrets file with which Vault reaches its bucket: they cannot come from Vault. */
export const VAULT_S3 = {
    accessKeyId: "vault.s3AccessKeyId",
    secretAccessKey: "vault.s3SecretAccessKey",
} as const satisfies Record<string, SecretRef>;

export interface VaultArgs extends VaultPlanArgs {
    readonly cluster: Pick<Cluster, "name" | "kubeconfig" | "generation" | "timezone">;
    /** Size of each server's volume. */
    readonly size: string;
    readonly storageClass: pulumi.Input<string>;
    readonly ui: boolean;
    /** Cron expression in the household's time zone. */
    readonly snapshotSchedule: string;
    /** Whether destroy takes a last snapshot first. */
    readonly beforeDestroy: boolean;
    /** Where the credentials of the bucket come from: another store than Vault. */
    readonly bootstrapSecrets: SecretStore;
    readonly certManager: CertManager;
}

const PROGRAM = "vault-program";
const PROGRAM_TEXT = readFileSync(join(__dirname, "program.mjs"), "utf8");

/** Labels of the pods that run the program, by its verb. */
export const VAULT_JOBS = {
    setup: "vault-setup",
    check: "vault-check",
    /** By the schedule. */
    snapshot: "vault-snapshot",
    /** By a command, which reads how it went. */
    save: "vault-save",
} as const;

/**
 * Vault with its data in itself (Raft), on one, three or five nodes. `up` initialises it, or puts back the newest snapshot;
 * it is unsealed without a person. https://developer.hashicorp.com/vault/docs/internals/integrated-storage
 *
 * A snapshot is in the bucket as soon as every value is there, and `destroy` takes a last one: what a person has written by
 * hand since the night is nowhere else.
 */
export class Vault extends pulumi.ComponentResource {
    readonly namespace: pulumi.Output<string>;
    /** Done once Vault is unsealed, set up, and has every value that was named. */
    readonly ready: command.local.Command;

    constructor(name: string, args: VaultArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:secrets:Vault", name, {}, opts);
        const child = { parent: this };
        const namespace = podSecurityNamespace(VAULT_NAMESPACE, "restricted", child);
        this.namespace = namespace.metadata.name;
        const certificate = new OwnAuthority(
            name,
            {
                operator: args.certManager,
                namespace: this.namespace,
                authority: "vault-authority",
                commonName: "Vault authority",
                issuer: "vault",
            },
            this,
        ).sign(name, { name: VAULT, secretName: VAULT_TLS, dnsNames: certificateNames() });
        const values = pulumi.all([args.storageClass, certificate]).apply(([storageClass]) =>
            vaultValues({
                replicas: args.replicas,
                storageClass,
                size: args.size,
                ui: args.ui,
            }),
        );
        const enough = clusterCommand(
            `${name}-servers`,
            args.cluster,
            { create: ENOUGH, triggers: [args.replicas], environment: { REPLICAS: String(args.replicas) } },
            { parent: this, dependsOn: [namespace] },
        );
        const release = helmRelease(
            name,
            charts.vault,
            {
                name: VAULT,
                namespace: this.namespace,
                values,
                // No server is ready before it is unsealed, which the command behind this does.
                skipAwait: true,
            },
            { parent: this, dependsOn: [enough] },
        );
        const accounts = Object.fromEntries(
            Object.entries(VAULT_ACCOUNTS).map(([errand, account]) => [
                errand,
                new k8s.core.v1.ServiceAccount(
                    `${name}-${errand}`,
                    {
                        metadata: { name: account, namespace: this.namespace },
                        automountServiceAccountToken: false,
                    },
                    child,
                ),
            ]),
        );
        const access = keyAccess(name, this.namespace, child);
        const plan = vaultPlan(args);
        const program = new k8s.core.v1.ConfigMap(
            `${name}-program`,
            {
                metadata: { name: PROGRAM, namespace: this.namespace },
                data: { "program.mjs": PROGRAM_TEXT, "plan.json": JSON.stringify(plan) },
            },
            child,
        );
        const credentials = args.bootstrapSecrets.deliver(
            `${name}-s3`,
            {
                name: "vault-s3",
                namespace: this.namespace,
                data: { AWS_ACCESS_KEY_ID: VAULT_S3.accessKeyId, AWS_SECRET_ACCESS_KEY: VAULT_S3.secretAccessKey },
            },
            child,
        );
        const hash = contentHash({ program: PROGRAM_TEXT, plan });
        const job = (verb: "setup" | "check" | "save") => ({
            JOB_NAME: VAULT_JOBS[verb],
            JOB: pulumi.jsonStringify(credentials.apply((secret) => vaultJob(verb, secret, certificate))),
        });
        const run = (verb: "setup" | "check" | "save", create: string, dependsOn: pulumi.Resource[]) =>
            clusterCommand(
                `${name}-${verb}`,
                args.cluster,
                {
                    create,
                    environment: { STACK: args.cluster.name, ...job(verb) },
                    // In a namespace that was made anew there is everything to do again.
                    triggers: [hash, namespace.metadata.uid],
                },
                { parent: this, dependsOn },
            );
        const setup = run("setup", SET_UP, [release, program, ...access, ...Object.values(accounts)]);
        // Before the values are asked for: with some of them missing a destroy has the others to keep. Always with a
        // `delete`, see `ClusterCommandArgs`.
        const last = clusterCommand(
            `${name}-last-snapshot`,
            args.cluster,
            {
                create: "kubectl get --raw /version > /dev/null",
                delete: args.beforeDestroy ? LAST_SNAPSHOT : NO_LAST_SNAPSHOT,
                environment: job("save"),
            },
            { parent: this, dependsOn: [setup] },
        );
        this.ready = run("check", CHECK, [last]);
        run("save", SAVE, [this.ready]);
        new k8s.batch.v1.CronJob(
            `${name}-snapshot`,
            {
                metadata: {
                    name: VAULT_JOBS.snapshot,
                    namespace: this.namespace,
                    labels: { "app.kubernetes.io/name": VAULT_JOBS.snapshot },
                },
                spec: {
                    schedule: args.snapshotSchedule,
                    timeZone: args.cluster.timezone,
                    concurrencyPolicy: "Forbid",
                    successfulJobsHistoryLimit: 1,
                    failedJobsHistoryLimit: 2,
                    jobTemplate: {
                        spec: {
                            backoffLimit: 2,
                            template: {
                                metadata: { labels: { "app.kubernetes.io/name": VAULT_JOBS.snapshot } },
                                spec: {
                                    restartPolicy: "Never",
                                    automountServiceAccountToken: false,
                                    ...programPod("snapshot", credentials, certificate),
                                },
                            },
                        },
                    },
                },
            },
            { parent: this, dependsOn: [setup] },
        );
        this.registerOutputs({});
    }
}

/** Every name by which a server is asked: services, pods behind the headless one, and itself. */
function certificateNames(): string[] {
    const domains = ["", `.${VAULT_NAMESPACE}`, `.${VAULT_NAMESPACE}.svc`, `.${VAULT_NAMESPACE}.svc.cluster.local`];
    const hosts = [VAULT, `${VAULT}-active`, `${VAULT}-internal`, `*.${VAULT}-internal`];
    return [
        VAULT_SERVER_NAME,
        ...hosts.flatMap((host) => domains.map((domain) => `${host}${domain}`)),
        "localhost",
    ].filter((one, place, all) => all.indexOf(one) === place);
}

/** What the program may do in its own namespace: keep keys, and start servers anew after a restore. */
function keyAccess(name: string, namespace: pulumi.Output<string>, opts: pulumi.CustomResourceOptions) {
    const role = new k8s.rbac.v1.Role(
        `${name}-keys`,
        {
            metadata: { name: "vault-keys", namespace },
            rules: [
                {
                    apiGroups: [""],
                    resources: ["secrets"],
                    resourceNames: [UNSEAL_KEY.secret, SEALED_KEYS],
                    verbs: ["get", "patch"],
                },
                // A creation has no name yet.
                { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
                { apiGroups: [""], resources: ["pods"], verbs: ["delete"] },
            ],
        },
        opts,
    );
    const binding = new k8s.rbac.v1.RoleBinding(
        `${name}-keys`,
        {
            metadata: { name: "vault-keys", namespace },
            roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
            subjects: [VAULT_ACCOUNTS.setup, VAULT_ACCOUNTS.snapshot].map((account) => ({
                kind: "ServiceAccount",
                name: account,
                namespace,
            })),
        },
        opts,
    );
    return [role, binding];
}

const ACCOUNT_OF = {
    setup: VAULT_ACCOUNTS.setup,
    check: VAULT_ACCOUNTS.look,
    snapshot: VAULT_ACCOUNTS.snapshot,
    save: VAULT_ACCOUNTS.snapshot,
} as const;

/** A pod that runs one verb of the program. */
function programPod(
    verb: keyof typeof VAULT_JOBS,
    credentials: pulumi.Input<string>,
    certificate: pulumi.Input<string>,
) {
    const key = (name: string) => ({ name, valueFrom: { secretKeyRef: { name: credentials, key: name } } });
    return {
        serviceAccountName: ACCOUNT_OF[verb],
        securityContext: {
            runAsNonRoot: true,
            runAsUser: 1000,
            runAsGroup: 1000,
            fsGroup: 1000,
            seccompProfile: { type: "RuntimeDefault" },
        },
        containers: [
            {
                name: verb,
                image: imageReference(images.node),
                command: ["node", "/etc/vault-program/program.mjs", verb, "/etc/vault-program/plan.json"],
                env: [key("AWS_ACCESS_KEY_ID"), key("AWS_SECRET_ACCESS_KEY")],
                resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "256Mi" } },
                securityContext: {
                    allowPrivilegeEscalation: false,
                    readOnlyRootFilesystem: true,
                    capabilities: { drop: ["ALL"] },
                },
                volumeMounts: [
                    { name: "program", mountPath: "/etc/vault-program", readOnly: true },
                    { name: "tls", mountPath: "/etc/vault-tls", readOnly: true },
                    { name: "vault-token", mountPath: "/var/run/secrets/vault", readOnly: true },
                    { name: "account", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true },
                ],
            },
        ],
        volumes: [
            { name: "program", configMap: { name: PROGRAM } },
            // The authority alone: the key is the servers'.
            { name: "tls", secret: { secretName: certificate, items: [{ key: "ca.crt", path: "ca.crt" }] } },
            {
                name: "vault-token",
                projected: {
                    sources: [
                        { serviceAccountToken: { audience: VAULT_AUDIENCE, expirationSeconds: 600, path: "token" } },
                    ],
                },
            },
            {
                name: "account",
                projected: {
                    sources: [
                        { serviceAccountToken: { expirationSeconds: 3600, path: "token" } },
                        {
                            configMap: {
                                name: "kube-root-ca.crt",
                                items: [{ key: "ca.crt", path: "ca.crt" }],
                            },
                        },
                    ],
                },
            },
        ],
    };
}

/** The Job as it is sent. */
function vaultJob(verb: "setup" | "check" | "save", credentials: string, certificate: pulumi.Input<string>) {
    return answeringJob(VAULT_JOBS[verb], VAULT_JOBS[verb], programPod(verb, credentials, certificate));
}

const inNamespace = `kubectl --namespace ${VAULT_NAMESPACE}`;

/** Servers that are taken away keep their votes: those that stay would be no majority, and nobody could read anything. */
const ENOUGH = `
there=$(${inNamespace} get statefulset ${VAULT} --ignore-not-found --output=jsonpath='{.spec.replicas}')
if [ "\${there:-0}" -gt "$REPLICAS" ]; then
  echo "Vault has $there servers and secrets.vault.replicas is $REPLICAS: those that go must leave the others first, or none that stays could lead. See docs/vault.md, Fewer servers; nothing was changed." >&2
  exit 1
fi`.trim();

/** Runs the Job that is in $JOB; its answer is in $answer. */
const ASK = `
ask() {
  ${inNamespace} delete job "$JOB_NAME" --ignore-not-found --cascade=foreground --timeout=120s > /dev/null
  printf '%s' "$JOB" | ${inNamespace} create --filename=- > /dev/null
  ${inNamespace} wait job "$JOB_NAME" --for=condition=Complete --timeout=600s > /dev/null || {
    echo "Nobody could ask Vault: see  ${inNamespace} describe pods --selector=app.kubernetes.io/name=$JOB_NAME" >&2
    exit 1
  }
  answer=$(${inNamespace} get pods --selector="app.kubernetes.io/name=$JOB_NAME" --output=jsonpath='{.items[0].status.containerStatuses[0].state.terminated.message}')
  ${inNamespace} delete job "$JOB_NAME" --cascade=foreground --timeout=120s > /dev/null
}`.trim();

/** What the operator's computer does: it alone can open the key that a snapshot was made under. */
const SET_UP = `
${IN_PROJECT}
${ASK}
ask
case "$answer" in
  "need "*)
    echo "Vault's unseal key is asked of this computer" >&2
    # A shell variable is neither argument nor environment; printf is a builtin.
    key=$(printf '%s' "\${answer#need }" | node components/secrets/vault/unseal-key/run.cjs)
    printf '%s' "$key" |
      ${inNamespace} create secret generic ${UNSEAL_KEY.secret} --from-file=${UNSEAL_KEY.key}=/dev/stdin --dry-run=client -o yaml |
      kubectl apply --server-side --force-conflicts --field-manager=vault-setup -f - > /dev/null
    unset key
    ask
    ;;
esac
case "$answer" in
  "done "*) echo "Vault: \${answer#done }" >&2 ;;
  "need "*) echo "Vault asks for its unseal key although it was given: see docs/vault.md" >&2; exit 1 ;;
  "!"*) echo "Vault: \${answer#!}" >&2; exit 1 ;;
  *) echo "Vault was asked and there is no answer; see  ${inNamespace} get events" >&2; exit 1 ;;
esac`.trim();

const CHECK = `
${ASK}
ask
case "$answer" in
  done) ;;
  "missing "*)
    set -- \${answer#missing }
    echo "Vault lacks values at $1 of the places that the plan names; nothing that needs them was made. Write each with" >&2
    shift
    for place; do
      for property in $(printf '%s' "\${place#*:}" | tr ',' ' '); do
        echo "  npm run vault -- $STACK --put \${place%%:*} --property $property" >&2
      done
    done
    exit 1
    ;;
  "!"*) echo "Vault: \${answer#!}" >&2; exit 1 ;;
  *) echo "Vault was asked and there is no answer; see  ${inNamespace} get events" >&2; exit 1 ;;
esac`.trim();

const SAVE = `
${ASK}
ask
case "$answer" in
  "done "*) echo "Vault: its snapshot \${answer#done } is in the bucket" >&2 ;;
  "!"*) echo "Vault: \${answer#!}" >&2; exit 1 ;;
  *) echo "Vault was asked and there is no answer; see  ${inNamespace} get events" >&2; exit 1 ;;
esac`.trim();

/** Said before it is tried: whatever it fails at, the person reads what to do. */
const LAST_SNAPSHOT = `
echo "Vault: a last snapshot is taken. To go on without one, and lose what was written since the newest: set secrets.vault.snapshots.beforeDestroy to false, pulumi up, pulumi destroy" >&2
${SAVE}`.trim();

const NO_LAST_SNAPSHOT = `echo "secrets.vault.snapshots.beforeDestroy is false: no last snapshot of Vault" >&2`;
