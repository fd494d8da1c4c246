fail() {
  echo "$here was not restored, and its app is not started on an empty volume: $1" >&2
  exit 1
}
names() { kubectl get "$@" --output='jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'; }

# A claim of an earlier up, or of a hand: what is in it is newer than any backup.
[ -z "$(kubectl --namespace "$NAMESPACE" get persistentvolumeclaim "$CLAIM" --ignore-not-found --output=name)" ] || exit 0

staged() { kubectl --namespace "$STAGING" get persistentvolumeclaim "$CLAIM" --ignore-not-found --output="jsonpath=$1"; }

# The volume of a restore that is done is marked from the moment it leaves its claim: a script that was cut short goes on from there.
volume=$(names persistentvolumes --selector="$marks")
if [ -z "$volume" ]; then
  location() { velero get backupstoragelocation "$LOCATION" --output="jsonpath=$1"; }
  phase=$(location '{.status.phase}')
  [ "$phase" = Available ] || fail "its backups are looked for in $WHERE, which is ${phase:-not looked at yet}: $(location '{.status.message}')"
  [ -n "$(location '{.status.lastSyncedTime}')" ] || fail "Velero has not listed the backups in $WHERE yet; run pulumi up again"
  owner=$(staged '{.metadata.labels.homelab\.namespace}')
  [ -z "$owner" ] || [ "$owner" = "$NAMESPACE" ] || fail "$owner/$CLAIM is being restored at this moment, and both are called $CLAIM; run pulumi up again"
  restore=$(velero get restores.velero.io --selector="$marks" --output='jsonpath={range .items[*]}{.metadata.creationTimestamp}{" "}{.metadata.name}{"\n"}{end}' | sort | tail -n 1 | cut -d ' ' -f 2)
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
    backups=$(velero get backups.velero.io --selector="$marks,velero.io/storage-location=$LOCATION" --output='jsonpath={range .items[*]}{.status.startTimestamp}{" "}{.metadata.name}{" "}{.status.phase}{" "}{.status.backupItemOperationsCompleted}{"\n"}{end}' | sort)
    # Without a moved volume a backup is but the claim's own text: its driver makes no snapshots, or the claim was not there.
    backup=$(awk '$3 == "Completed" && $4 >= 1 { name = $2 } END { print name }' <<< "$backups")
    if [ -z "$backup" ]; then
      lost=$(awk '$3 ~ /^(PartiallyFailed|Failed)$/ { n++ } END { print n + 0 }' <<< "$backups")
      [ "$lost" -eq 0 ] || fail "none of its backups in $WHERE is complete ($lost failed). See  kubectl -n velero get backups -l $marks; docs/velero.md says how to take another location, or none"
      echo "$here: no backup in $WHERE, it starts empty" >&2
      exit 0
    fi
    velero apply --server-side --force-conflicts --field-manager=homelab-restore -f - <<< "$MODIFIER" > /dev/null
    restore=$(velero create --output='jsonpath={.metadata.name}' -f - <<< "${RESTORE//@BACKUP@/$backup}")
    echo "$here is restored from $backup in $WHERE" >&2
  fi
  phase=$(ended "restores.velero.io/$restore")
  [ "$phase" = Completed ] || fail "Velero's restore $restore is $phase: $(why "restores.velero.io/$restore"). See  kubectl -n velero describe restore $restore  and its datadownloads; the next pulumi up tries again, or goes on where it still runs"
  moved=$(velero get "restores.velero.io/$restore" --output='jsonpath={.status.restoreItemOperationsCompleted}')
  [ "${moved:-0}" -ge 1 ] || fail "Velero's restore $restore is Completed, but moved no data: its volume is empty"
  volume=$(staged '{.spec.volumeName}')
  [ -n "$volume" ] || fail "Velero's restore $restore is Completed, but $STAGING/$CLAIM has no volume"
  policy=$(kubectl get persistentvolume "$volume" --output='jsonpath={.spec.persistentVolumeReclaimPolicy}')
  kubectl patch persistentvolume "$volume" --type=merge --patch "{\"metadata\":{\"labels\":{\"homelab.namespace\":\"$NAMESPACE\",\"homelab.claim\":\"$CLAIM\"},\"annotations\":{\"homelab.reclaim-policy\":\"$policy\"}},\"spec\":{\"persistentVolumeReclaimPolicy\":\"Retain\"}}" > /dev/null
fi
case "$volume" in *$'\n'*) fail "several volumes are marked as its own: $(tr '\n' ' ' <<< "$volume")" ;; esac

kubectl --namespace "$STAGING" delete persistentvolumeclaim "$CLAIM" --ignore-not-found --wait --timeout=120s > /dev/null
kubectl patch persistentvolume "$volume" --type=merge --patch "{\"metadata\":{\"annotations\":{\"pv.kubernetes.io/bound-by-controller\":null}},\"spec\":{\"claimRef\":{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"namespace\":\"$NAMESPACE\",\"name\":\"$CLAIM\",\"uid\":null,\"resourceVersion\":null}}}" > /dev/null
# While it is Released its driver would delete it, had it that policy.
kubectl wait persistentvolume "$volume" --for='jsonpath={.status.phase}=Available' --timeout=120s > /dev/null
policy=$(kubectl get persistentvolume "$volume" --output='jsonpath={.metadata.annotations.homelab\.reclaim-policy}')
kubectl patch persistentvolume "$volume" --type=merge --patch "{\"spec\":{\"persistentVolumeReclaimPolicy\":\"${policy:-Delete}\"}}" > /dev/null
velero delete configmap "restore-$NAMESPACE-$CLAIM" --ignore-not-found > /dev/null
echo "$here has its data back" >&2
