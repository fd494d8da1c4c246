/** Bash for one claim's way back: restore, look whether it is bound to what was restored, last backup. */
import { STAGING_NAMESPACE, VELERO_NAMESPACE } from "./velero-locations";
import { SAME_CLASS } from "./volume-backups";

/** What the scripts of a claim share. */
const COMMON = `
here=$NAMESPACE/$CLAIM
marks="homelab.namespace=$NAMESPACE,homelab.claim=$CLAIM"
velero() { kubectl --namespace ${VELERO_NAMESPACE} "$@"; }
# Waits until a Backup or Restore has ended, in short turns: when a script is killed, the engine still waits for the kubectl that it had started. Prints the phase.
ended() {
  local end=$((SECONDS + 7200)) phase said
  while true; do
    phase=$(velero get "$1" --output='jsonpath={.status.phase}') || return 1
    case "$phase" in Completed | PartiallyFailed | Failed | FailedValidation) echo "$phase"; return ;; esac
    [ "$SECONDS" -lt "$end" ] || { echo "\${phase:-not begun} after two hours"; return; }
    said=$(velero wait "$1" --for='jsonpath={.status.completionTimestamp}' --timeout=10s 2>&1) || case "$said" in
      *"timed out waiting"*) ;;
      *) echo "$said" >&2; return 1 ;;
    esac
  done
}
why() { velero get "$1" --output='jsonpath={.status.failureReason}{" "}{.status.validationErrors}'; }`.trim();

/** Brings the claim's volume back, handed to its name, where it is not there and a backup is. */
export const RESTORE = `${COMMON}
fail() {
  echo "$here was not restored, and its app is not started on an empty volume: $1" >&2
  exit 1
}
names() { kubectl get "$@" --output='jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}'; }

${SAME_CLASS}
# A claim of an earlier up, or of a hand: what is in it is newer than any backup.
[ -z "$found" ] || exit 0

staged() { kubectl --namespace "$STAGING" get persistentvolumeclaim "$CLAIM" --ignore-not-found --output="jsonpath=$1"; }

# The volume of a restore that is done is marked from the moment it leaves its claim: a script that was cut short goes on from there.
volume=$(names persistentvolumes --selector="$marks")
if [ -z "$volume" ]; then
  location() { velero get backupstoragelocation "$LOCATION" --output="jsonpath=$1"; }
  phase=$(location '{.status.phase}')
  [ "$phase" = Available ] || fail "its backups are looked for in $WHERE, which is \${phase:-not looked at yet}: $(location '{.status.message}')"
  [ -n "$(location '{.status.lastSyncedTime}')" ] || fail "Velero has not listed the backups in $WHERE yet; run pulumi up again"
  owner=$(staged '{.metadata.labels.homelab\\.namespace}')
  [ -z "$owner" ] || [ "$owner" = "$NAMESPACE" ] || fail "$owner/$CLAIM is being restored at this moment, and both are called $CLAIM; run pulumi up again"
  restore=$(velero get restores.velero.io --selector="$marks" --output='jsonpath={range .items[*]}{.metadata.creationTimestamp}{" "}{.metadata.name}{"\\n"}{end}' | sort | tail -n 1 | cut -d ' ' -f 2)
  phase=none
  [ -z "$restore" ] || phase=$(velero get "restores.velero.io/$restore" --output='jsonpath={.status.phase}')
  # One that has ended is of use as long as what it restored is there.
  case "$phase" in
  none | PartiallyFailed | Failed | FailedValidation) restore= ;;
  Completed) [ -n "$owner" ] || restore= ;;
  esac
  if [ -z "$restore" ]; then
    # Remains of a restore that failed: Velero would leave them as they are.
    kubectl --namespace "$STAGING" delete persistentvolumeclaim "$CLAIM" --ignore-not-found --wait --timeout=120s > /dev/null
    backups=$(velero get backups.velero.io --selector="$marks,velero.io/storage-location=$LOCATION" --output='jsonpath={range .items[*]}{.status.startTimestamp}{" "}{.metadata.name}{" "}{.status.phase}{" "}{.status.backupItemOperationsCompleted}{"\\n"}{end}' | sort)
    # Without a moved volume a backup is but the claim's own text: its driver makes no snapshots, or the claim was not there.
    backup=$(awk -v wanted="\${BACKUP_NAME:-}" '$3 == "Completed" && $4 >= 1 && (wanted == "" || $2 == wanted) { name = $2 } END { print name }' <<< "$backups")
    if [ -z "$backup" ]; then
      [ -z "\${BACKUP_NAME:-}" ] || fail "$BACKUP_NAME is no complete backup of it in $WHERE"
      lost=$(awk '$3 ~ /^(PartiallyFailed|Failed)$/ { n++ } END { print n + 0 }' <<< "$backups")
      [ "$lost" -eq 0 ] || fail "none of its backups in $WHERE is complete ($lost failed). See  kubectl -n velero get backups.velero.io -l $marks; docs/velero.md says how to take another location, or none"
      echo "$here: no backup in $WHERE, it starts empty" >&2
      exit 0
    fi
    velero apply --server-side --force-conflicts --field-manager=homelab-restore -f - <<< "$MODIFIER" > /dev/null
    restore=$(velero create --field-manager=homelab-restore --output='jsonpath={.metadata.name}' -f - <<< "\${RESTORE//@BACKUP@/$backup}")
    echo "$here is restored from $backup in $WHERE" >&2
  fi
  phase=$(ended "restores.velero.io/$restore")
  [ "$phase" = Completed ] || fail "Velero's restore $restore is $phase: $(why "restores.velero.io/$restore"). See  kubectl -n velero describe restore $restore  and its datadownloads; the next pulumi up tries again, or goes on where it still runs"
  moved=$(velero get "restores.velero.io/$restore" --output='jsonpath={.status.restoreItemOperationsCompleted}')
  [ "\${moved:-0}" -ge 1 ] || fail "Velero's restore $restore is Completed, but moved no data: its volume is empty"
  volume=$(staged '{.spec.volumeName}')
  [ -n "$volume" ] || fail "Velero's restore $restore is Completed, but $STAGING/$CLAIM has no volume"
  policy=$(kubectl get persistentvolume "$volume" --output='jsonpath={.spec.persistentVolumeReclaimPolicy}')
  kubectl patch persistentvolume "$volume" --type=merge --patch "{\\"metadata\\":{\\"labels\\":{\\"homelab.namespace\\":\\"$NAMESPACE\\",\\"homelab.claim\\":\\"$CLAIM\\"},\\"annotations\\":{\\"homelab.reclaim-policy\\":\\"$policy\\"}},\\"spec\\":{\\"persistentVolumeReclaimPolicy\\":\\"Retain\\"}}" > /dev/null
fi
case "$volume" in *$'\\n'*) fail "several volumes are marked as its own: $(tr '\\n' ' ' <<< "$volume")" ;; esac

kubectl --namespace "$STAGING" delete persistentvolumeclaim "$CLAIM" --ignore-not-found --wait --timeout=120s > /dev/null
kubectl patch persistentvolume "$volume" --type=merge --patch "{\\"metadata\\":{\\"annotations\\":{\\"pv.kubernetes.io/bound-by-controller\\":null}},\\"spec\\":{\\"claimRef\\":{\\"apiVersion\\":\\"v1\\",\\"kind\\":\\"PersistentVolumeClaim\\",\\"namespace\\":\\"$NAMESPACE\\",\\"name\\":\\"$CLAIM\\",\\"uid\\":null,\\"resourceVersion\\":null}}}" > /dev/null
# While it is Released its driver would delete it, had it that policy.
kubectl wait persistentvolume "$volume" --for='jsonpath={.status.phase}=Available' --timeout=120s > /dev/null
policy=$(kubectl get persistentvolume "$volume" --output='jsonpath={.metadata.annotations.homelab\\.reclaim-policy}')
kubectl patch persistentvolume "$volume" --type=merge --patch "{\\"spec\\":{\\"persistentVolumeReclaimPolicy\\":\\"\${policy:-Delete}\\"}}" > /dev/null
velero delete configmap "restore-$NAMESPACE-$CLAIM" --ignore-not-found > /dev/null
echo "$here has its data back" >&2`;

/** Refuses a claim that is bound to another volume than the restored one. */
export const BOUND = `${COMMON}
# A restored volume that nobody took is somebody's data beside an empty volume.
marked=$(kubectl get persistentvolumes --selector="$marks" --output='jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}')
[ -n "$marked" ] || exit 0
bound=$(kubectl --namespace "$NAMESPACE" get persistentvolumeclaim "$CLAIM" --output='jsonpath={.spec.volumeName}')
if [ "$marked" != "$bound" ]; then
  echo "$here was restored into the volume $marked, but is bound to \${bound:-none}: its app is not started. Compare both with  kubectl get persistentvolume $marked $bound  (size, access modes); delete the claim and run pulumi up again." >&2
  exit 1
fi
kubectl patch persistentvolume "$bound" --type=merge --patch '{"metadata":{"labels":{"homelab.namespace":null,"homelab.claim":null},"annotations":{"homelab.reclaim-policy":null}}}' > /dev/null`;

/** A backup once nobody writes any more. */
export const LAST_BACKUP = `${COMMON}
refuse() {
  echo "The last backup of $here to $WHERE was not taken: $1. Its volume stays." >&2
  echo "To go on without: set backups.beforeDestroy to false, pulumi up, pulumi destroy. To take it elsewhere: set backups.restoreFrom, pulumi up, pulumi destroy." >&2
  exit 1
}
phase=$(kubectl --namespace "$NAMESPACE" get persistentvolumeclaim "$CLAIM" --ignore-not-found --output='jsonpath={.status.phase}')
case "$phase" in
Bound) ;;
Lost) refuse "the claim has lost its volume" ;;
*)
  echo "$here has no volume: nothing to back up" >&2
  exit 0
  ;;
esac
backup=$(velero create --field-manager=homelab-backup --output='jsonpath={.metadata.name}' -f - <<< "$BACKUP")
phase=$(ended "backups.velero.io/$backup")
[ "$phase" = Completed ] || refuse "Velero's backup $backup is $phase: $(why "backups.velero.io/$backup"). See  kubectl -n velero describe backup.velero.io $backup"
moved=$(velero get "backups.velero.io/$backup" --output='jsonpath={.status.backupItemOperationsCompleted}')
[ "\${moved:-0}" -ge 1 ] || refuse "Velero's backup $backup is Completed, but moved no data"
echo "$here is backed up to $WHERE as $backup" >&2
# Kept for years each, so the newest alone.
for old in $(velero get backups.velero.io --selector="$marks,homelab.before-destroy=true,velero.io/storage-location=$LOCATION" --output='jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}'); do
  [ "$old" != "$backup" ] || continue
  velero create --field-manager=homelab-backup -f - > /dev/null <<< "{\\"apiVersion\\":\\"velero.io/v1\\",\\"kind\\":\\"DeleteBackupRequest\\",\\"metadata\\":{\\"generateName\\":\\"$old-\\",\\"namespace\\":\\"velero\\"},\\"spec\\":{\\"backupName\\":\\"$old\\"}}"
  velero wait "backups.velero.io/$old" --for=delete --timeout=120s > /dev/null 2>&1 || echo "$old, which $backup takes the place of, is not deleted yet: Velero goes on with it, or the next destroy asks again" >&2
done`;

/** In place of it. */
export const NO_LAST_BACKUP = `echo "backups.beforeDestroy is false: no last backup of $NAMESPACE/$CLAIM" >&2`;

/**
 * What `RESTORE` gives to Velero, as JSON. Size and class are those of the claim that is to come: it may have grown since, or
 * moved to another tier.
 */
export function restoreObjects(to: {
    readonly namespace: string;
    readonly claim: string;
    readonly size: string;
    readonly storageClass: string;
}): { readonly MODIFIER: string; readonly RESTORE: string } {
    const { namespace, claim, size, storageClass } = to;
    const labels = { "homelab.namespace": namespace, "homelab.claim": claim };
    const modifier = `restore-${namespace}-${claim}`;
    const patchData = JSON.stringify({
        spec: { storageClassName: storageClass, resources: { requests: { storage: size } } },
    });
    const rule = {
        conditions: { groupResource: "persistentvolumeclaims", resourceNameRegex: `^${claim.replaceAll(".", "\\.")}$` },
        mergePatches: [{ patchData }],
    };
    return {
        MODIFIER: JSON.stringify({
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: modifier, namespace: VELERO_NAMESPACE, labels },
            // JSON is YAML.
            data: { "claim.yaml": JSON.stringify({ version: "v1", resourceModifierRules: [rule] }) },
        }),
        RESTORE: JSON.stringify({
            apiVersion: "velero.io/v1",
            kind: "Restore",
            metadata: { generateName: `${namespace}-${claim}-`, namespace: VELERO_NAMESPACE, labels },
            spec: {
                backupName: "@BACKUP@",
                includedNamespaces: [namespace],
                includedResources: ["persistentvolumeclaims"],
                labelSelector: { matchLabels: labels },
                namespaceMapping: { [namespace]: STAGING_NAMESPACE },
                restorePVs: true,
                existingResourcePolicy: "none",
                resourceModifier: { kind: "ConfigMap", name: modifier },
                itemOperationTimeout: "4h0m0s",
            },
        }),
    };
}
