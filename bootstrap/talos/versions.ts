/** Which Kubernetes Talos releases know. */
import { KUBERNETES_MINORS } from "../../components/kubernetes-support";

/**
 * First minor of each release, which spans six: siderolabs/talos, pkg/machinery/compatibility/talos1*
 *
 * From 1.14 on `talosctl gen config` writes Kubernetes' part into documents of their own (KubeletConfig, KubeNodeConfig,
 * KubeNetworkConfig and more), and Talos refuses them beside what machine-config.ts sets.
 */
const FIRST_KUBERNETES = { 6: 24, 7: 25, 8: 26, 9: 27, 10: 28, 11: 29, 12: 30, 13: 31 } as const;

const lastOf = (first: number) => first + 5;

/** First and last release, such as `v1.8`, that is known and runs a Kubernetes that clusters here may be of. */
export const TALOS_RELEASES: readonly [first: string, last: string] = (() => {
    const minors = Object.entries(FIRST_KUBERNETES).flatMap(([talos, first]) =>
        lastOf(first) >= KUBERNETES_MINORS.first && first <= KUBERNETES_MINORS.last ? [Number(talos)] : [],
    );
    return [`v1.${Math.min(...minors)}`, `v1.${Math.max(...minors)}`];
})();

/** Minor of a release of Talos 1, such as 10 of `v1.10.6`; not a number for anything else. */
export function talosMinor(release: string): number {
    return Number(/^v1\.(\d+)\./.exec(release)?.[1]);
}

/** First and last minor of Kubernetes 1 for a release such as `v1.10.6`; undefined for one that is not of `TALOS_RELEASES`. */
export function kubernetesOfTalos(release: string): { readonly first: number; readonly last: number } | undefined {
    const minor = talosMinor(release);
    const first = Object.entries(FIRST_KUBERNETES).find(([talos]) => Number(talos) === minor)?.[1];
    return first === undefined || lastOf(first) < KUBERNETES_MINORS.first ? undefined : { first, last: lastOf(first) };
}
