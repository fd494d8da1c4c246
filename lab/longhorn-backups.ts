/** Volumes of Longhorn together with Velero's backups of them: the rule that both have, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import type { Velero } from "../components/backup/velero";
import type { Cluster } from "../components/platform";
import type { SecretStore } from "../components/secrets/secret-store";
import { show, type CrossRule } from "../config/parse";
import type { Lab } from "./lab";
import { hasLonghorn, longhornStorage, type LonghornConfig, type LonghornStorage } from "./longhorn";
import { veleroBackups, type VeleroConfig } from "./velero";

/** Velero moves snapshots, which directories of a node have none of. */
export const backupsNeedLonghorn: CrossRule<VeleroConfig & Pick<LonghornConfig, "nodes">> = (config) =>
    config.backups === undefined || hasLonghorn(config)
        ? []
        : [
              {
                  rule: "backups-without-longhorn",
                  path: "backups",
                  got: show(config.backups),
                  allowed: "only where a machine has disks for Longhorn: nothing else here can be snapshotted",
                  suggestion: "say under nodes[].disks where disks are mounted, or take backups out",
              },
          ];

/** Disks before whatever keeps data, backups before the first claim: each looks whether there is one of it. */
export function backedUpStorage(
    lab: Lab,
    config: LonghornConfig & VeleroConfig,
    { core, ...on }: { cluster: Cluster; secrets: SecretStore; core: pulumi.ComponentResource },
): LonghornStorage & { readonly velero: Velero | undefined } {
    let velero: Velero | undefined;
    const storage = longhornStorage(
        lab,
        config,
        {
            cluster: on.cluster,
            monitoring: true,
            backups: ({ longhorn }) => {
                if (longhorn === undefined) return undefined;
                const { snapshotClass } = longhorn;
                const made = veleroBackups(lab, config, { ...on, snapshotClass }, lab.after(core, longhorn));
                velero = made?.velero;
                return made?.backups;
            },
        },
        lab.after(core),
    );
    return { ...storage, velero };
}
