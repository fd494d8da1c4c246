/** The triggers that a destroy sets and a later up takes back. */

/** Value of the manual trigger of a last backup, less the time. */
export const STAMP = "before-destroy-";

/** Gives every schedule back that a destroy which was cut short has switched off. A person's own trigger stays. */
export const TAKE_TRIGGERS_BACK = `
kubectl get replicationsources.volsync.backube --all-namespaces --output=jsonpath='{range .items[?(@.spec.trigger.manual)]}{.metadata.namespace}{" "}{.metadata.name}{" "}{.spec.trigger.manual}{"\\n"}{end}' |
  while read -r namespace source manual; do
    case "$manual" in ${STAMP}*) ;; *) continue ;; esac
    kubectl --namespace "$namespace" patch replicationsource "$source" --type=merge --patch '{"spec":{"trigger":{"manual":null}}}' > /dev/null
    echo "$namespace/$source is backed up on schedule again: a destroy that was cut short had switched that off" >&2
  done`.trim();
