/**
 * Script lines that wait until CRDs are served. One that has just been made has no list of conditions yet, which
 * kubectl takes for a fault, whether it is asked for a condition or filters the list: so the list is waited for first.
 * `crds` as words of the shell, without the `crd/`.
 */
export function waitEstablished(crds: string): string[] {
    return [
        `kubectl wait crd ${crds} --for='jsonpath={.status.conditions[0].type}' --timeout=120s`,
        `kubectl wait crd ${crds} --for=condition=Established --timeout=120s`,
    ];
}
