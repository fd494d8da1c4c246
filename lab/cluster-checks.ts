/** What a cluster without a Prometheus is asked by Uptime Kuma's job: backups of every kind, jobs, licence, disks, certificates. */
import { REDIS_ENTERPRISE_NAMESPACE } from "../components/database/redis-enterprise";
import type { ClusterCheck } from "../components/pages/check-account";
import { DESCHEDULER_NAMESPACE } from "../components/scheduling/descheduler";
import { VAULT_NAMESPACE } from "../components/secrets/vault/names";
import { ROOK_NAMESPACE } from "../components/storage/rook-operator";
import { backedUpNamespaces, type Apps } from "./apps";
import { backupTargets, hasCeph, type VolumeBackupsConfig } from "./ceph-storage";
import type { DeschedulerConfig } from "./descheduler";
import { snapshotLeases, type KubeadmMachinesConfig } from "./kubeadm-machines";
import { DATABASE, postgresNames } from "./postgres";
import type { RedisConfig } from "./redis";

export interface CheckedConfig extends Pick<KubeadmMachinesConfig, "nodes">, DeschedulerConfig, RedisConfig {
    readonly apps: Apps;
    readonly backups?: VolumeBackupsConfig | undefined;
    readonly postgres?: Parameters<typeof postgresNames>[0]["postgres"];
    readonly secrets: { readonly vault?: unknown };
}

/** Each tells of one thing, so that what fails today is news although something else has failed since yesterday. */
export function clusterChecks(config: CheckedConfig): ClusterCheck[] {
    const { redis, descheduler, secrets } = config;
    const apart = [
        ...(descheduler === undefined ? [] : [DESCHEDULER_NAMESPACE]),
        ...(secrets.vault === undefined ? [] : [VAULT_NAMESPACE]),
    ];
    return [
        check("etcd", "Snapshots of etcd", { kind: "etcd", leases: snapshotLeases(config) }),
        ...(secrets.vault === undefined
            ? []
            : [check("vault", "Snapshots of Vault", { kind: "jobs", only: [VAULT_NAMESPACE] })]),
        ...(backedUpNamespaces(config.apps).length === 0 ? [] : backupTargets(config)).map((target) =>
            check(`volumes-${target}`, `Backups of volumes: ${target}`, { kind: "volumes", target }),
        ),
        ...(config.postgres === undefined
            ? []
            : [
                  check("postgres", "PostgreSQL and its backups", {
                      kind: "postgres",
                      namespace: DATABASE,
                      servers: postgresNames(config),
                  }),
              ]),
        ...(redis === undefined
            ? []
            : [
                  check("redis", "Redis Enterprise, its backups and licence", {
                      kind: "redis",
                      namespace: REDIS_ENTERPRISE_NAMESPACE,
                      server: redis.name,
                  }),
              ]),
        ...(hasCeph(config)
            ? [check("ceph", "Ceph", { kind: "ceph", namespace: ROOK_NAMESPACE, cluster: ROOK_NAMESPACE })]
            : []),
        ...(descheduler === undefined
            ? []
            : [check("descheduler", "Descheduler", { kind: "jobs", only: [DESCHEDULER_NAMESPACE] })]),
        check("jobs", "Jobs", { kind: "jobs", ...(apart.length === 0 ? {} : { except: apart }) }),
        check("certificates", "Certificates", { kind: "certificates" }),
    ];
}

type Question = ClusterCheck extends infer C ? (C extends ClusterCheck ? Omit<C, "key" | "name"> : never) : never;

/** The keys are no hosts: those are the other monitors'. */
const check = (key: string, name: string, question: Question): ClusterCheck =>
    ({ key: `cluster/${key}`, name, ...question }) as ClusterCheck;

/** Said where nobody asks them. */
export function clusterCheckNotes({ apps }: Pick<CheckedConfig, "apps">): string[] {
    const kuma = apps["uptime-kuma"];
    return kuma !== undefined && kuma["monitors" as keyof typeof kuma] !== false
        ? []
        : [
              "nobody is told from inside the cluster when a backup, a job, a licence or a disk fails: declare uptime-kuma with its monitors, or run npm run doctor by a timer",
          ];
}
