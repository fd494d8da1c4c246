# A restored volume that nobody took is somebody's data beside an empty volume.
marked=$(kubectl get persistentvolumes --selector="$marks" --output='jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}')
[ -n "$marked" ] || exit 0
bound=$(kubectl --namespace "$NAMESPACE" get persistentvolumeclaim "$CLAIM" --output='jsonpath={.spec.volumeName}')
if [ "$marked" != "$bound" ]; then
  echo "$here was restored into the volume $marked, but is bound to ${bound:-none}: its app is not started. Compare both with  kubectl get persistentvolume $marked $bound  (size, access modes); delete the claim and run pulumi up again." >&2
  exit 1
fi
kubectl patch persistentvolume "$bound" --type=merge --patch '{"metadata":{"labels":{"homelab.namespace":null,"homelab.claim":null},"annotations":{"homelab.reclaim-policy":null}}}' > /dev/null
