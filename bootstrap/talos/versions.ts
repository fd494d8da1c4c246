/** Which Kubernetes a Talos release knows: siderolabs/talos, pkg/machinery/compatibility/talos1*; each spans six minors. */
const FIRST_KUBERNETES = { 6: 24, 7: 25, 8: 26, 9: 27, 10: 28, 11: 29, 12: 30, 13: 31, 14: 32 } as const;

/** First and last minor of Kubernetes 1 for a release such as `v1.10.6`; undefined for one that this table is too old for. */
export function kubernetesOfTalos(release: string): { readonly first: number; readonly last: number } | undefined {
    const minor = /^v1\.(\d+)\./.exec(release)?.[1];
    const first = Object.entries(FIRST_KUBERNETES).find(([talos]) => talos === minor)?.[1];
    return first === undefined ? undefined : { first, last: first + 5 };
}
