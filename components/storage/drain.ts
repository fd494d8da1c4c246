/** Waiting, before a provisioner goes, for what it alone can remove. */

/**
 * Bash that waits until each object of a cluster-wide resource that meets a JSONPath condition is gone. An object that
 * something still holds is named in kubectl's error.
 */
export function drainScript(resource: string, condition: string): string {
    return `
kubectl get ${resource} --output=jsonpath='{range .items[?(@${condition})]}{.metadata.name}{"\\n"}{end}' |
  while read -r object; do kubectl wait --for=delete "${resource}/$object" --timeout=600s; done`.trim();
}
