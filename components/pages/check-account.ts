/** What an alert elsewhere would say of a cluster: asked from inside by `checks.mjs`, told to Uptime Kuma. docs/status-pages.md */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

/** One question, and the monitor that its answer is. By its key the monitor is known again. */
export type ClusterCheck = { readonly key: string; readonly name: string } & (
    | {
          readonly kind: "jobs";
          /** Namespaces; absent: all. */
          readonly only?: readonly string[];
          readonly except?: readonly string[];
      }
    /** Volumes that are backed up to one target, which their sources' names end in. */
    | { readonly kind: "volumes"; readonly target: string }
    | { readonly kind: "postgres"; readonly namespace: string; readonly servers: readonly string[] }
    | { readonly kind: "redis"; readonly namespace: string; readonly server: string }
    | { readonly kind: "ceph"; readonly namespace: string; readonly cluster: string }
    /** Leases in `kube-system` by machine, held until its next snapshot is overdue. */
    | { readonly kind: "etcd"; readonly leases: Readonly<Record<string, string>> }
    | { readonly kind: "certificates" }
);

type PolicyRule = k8s.types.input.rbac.v1.PolicyRule;

const reads = (group: string, ...resources: readonly string[]): PolicyRule => ({
    apiGroups: [group],
    resources: [...resources],
    verbs: ["get", "list"],
});

/** What each kind reads. */
const RULES: { readonly [K in ClusterCheck["kind"]]: (check: Extract<ClusterCheck, { kind: K }>) => PolicyRule[] } = {
    jobs: () => [reads("batch", "cronjobs", "jobs")],
    volumes: () => [reads("volsync.backube", "replicationsources")],
    postgres: () => [reads("postgresql.cnpg.io", "clusters", "backups")],
    redis: () => [reads("app.redislabs.com", "redisenterpriseclusters", "redisenterprisedatabases")],
    ceph: () => [reads("ceph.rook.io", "cephclusters")],
    etcd: ({ leases }) => [
        {
            apiGroups: ["coordination.k8s.io"],
            resources: ["leases"],
            resourceNames: Object.values(leases).sort(),
            verbs: ["get"],
        },
        { apiGroups: [""], resources: ["nodes"], resourceNames: Object.keys(leases).sort(), verbs: ["get"] },
    ],
    certificates: () => [reads("cert-manager.io", "certificates")],
};

const rulesOf = <K extends ClusterCheck["kind"]>(check: Extract<ClusterCheck, { kind: K }>): PolicyRule[] =>
    RULES[check.kind as K](check);

/** Rights for all of them, each once; no Secret is in them. */
export const checkRules = (checks: readonly ClusterCheck[]): PolicyRule[] => [
    ...new Map(checks.flatMap((check) => rulesOf(check)).map((rule) => [JSON.stringify(rule), rule])).values(),
];

export interface CheckAccountArgs {
    /** Of the pods that ask. */
    namespace: pulumi.Input<string>;
    checks: readonly ClusterCheck[];
}

/** The account that the questions are asked by, which reads and changes nothing. */
export class CheckAccount extends pulumi.ComponentResource {
    /** Of the ServiceAccount. */
    readonly account: string;

    constructor(name: string, args: CheckAccountArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:pages:CheckAccount", name, {}, opts);
        const child = { parent: this };
        this.account = name;
        const { namespace } = args;
        const account = new k8s.core.v1.ServiceAccount(
            name,
            { metadata: { name, namespace }, automountServiceAccountToken: false },
            child,
        );
        const role = new k8s.rbac.v1.ClusterRole(name, { metadata: { name }, rules: checkRules(args.checks) }, child);
        new k8s.rbac.v1.ClusterRoleBinding(
            name,
            {
                metadata: { name },
                roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role.metadata.name },
                subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace }],
            },
            child,
        );
        this.registerOutputs({});
    }
}
