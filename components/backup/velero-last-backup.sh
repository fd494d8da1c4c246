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
backup=$(velero create --output='jsonpath={.metadata.name}' -f - <<< "$BACKUP")
phase=$(ended "backups.velero.io/$backup")
[ "$phase" = Completed ] || refuse "Velero's backup $backup is $phase: $(why "backups.velero.io/$backup"). See  kubectl -n velero describe backup $backup"
moved=$(velero get "backups.velero.io/$backup" --output='jsonpath={.status.backupItemOperationsCompleted}')
[ "${moved:-0}" -ge 1 ] || refuse "Velero's backup $backup is Completed, but moved no data"
echo "$here is backed up to $WHERE as $backup" >&2
# Kept for years each, so the newest alone.
for old in $(velero get backups.velero.io --selector="$marks,homelab.before-destroy=true,velero.io/storage-location=$LOCATION" --output='jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'); do
  [ "$old" != "$backup" ] || continue
  velero create -f - > /dev/null <<< "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"DeleteBackupRequest\",\"metadata\":{\"generateName\":\"$old-\",\"namespace\":\"velero\"},\"spec\":{\"backupName\":\"$old\"}}"
  velero wait "backups.velero.io/$old" --for=delete --timeout=120s > /dev/null 2>&1 || echo "$old, which $backup takes the place of, is not deleted yet: Velero goes on with it, or the next destroy asks again" >&2
done
