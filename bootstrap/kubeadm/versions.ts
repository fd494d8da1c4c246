/** Releases of Kubernetes, and which of them a running one may become. */

/** A kubelet may be this many minor releases behind its API server: https://kubernetes.io/releases/version-skew-policy/ */
const KUBELET_SKEW = 3;

export type Role = "control-plane" | "worker";

interface Parts {
    readonly major: number;
    readonly minor: number;
    readonly patch: number;
}

/** Of "v1.35.1". */
export function parts(version: string): Parts {
    const [, major, minor, patch] = /^v(\d+)\.(\d+)\.(\d+)$/.exec(version.trim()) ?? [];
    if (major === undefined) throw new Error(`"${version}" is no release of Kubernetes such as v1.35.1`);
    return { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

/** Below 0: the first is older. Throws on what is no release. */
export function compareReleases(a: string, b: string): number {
    const [x, y] = [parts(a), parts(b)];
    return x.major - y.major || x.minor - y.minor || x.patch - y.patch;
}

/** Why a machine of this role cannot go from one release to the other; undefined where it can. */
export function upgradeFault(role: Role, running: string, wanted: string): { found: string; mend: string } | undefined {
    if (compareReleases(wanted, running) < 0) {
        return {
            found: `it runs Kubernetes ${running}, and kubeadm.version is the older ${wanted}`,
            mend: `kubeadm does not downgrade: set kubeadm.version to ${running} or newer; the way back is a snapshot, docs/kubeadm.md (Restore)`,
        };
    }
    const [from, to] = [parts(running), parts(wanted)];
    // kubeadm goes one minor release at a time, and a kubelet follows its API server from as far behind as it may be.
    const reach = role === "control-plane" ? 1 : KUBELET_SKEW;
    return from.major === to.major && to.minor - from.minor <= reach
        ? undefined
        : {
              found: `it runs Kubernetes ${running}, and kubeadm.version is ${wanted}`,
              mend:
                  role === "control-plane"
                      ? `kubeadm upgrades one minor release at a time: set kubeadm.version to a v${from.major}.${from.minor + 1} first`
                      : `a kubelet may be at most ${KUBELET_SKEW} minor releases behind: take the worker out of nodes, pulumi up, then put it in again`,
          };
}

/** Without v. */
export const kubernetesOf = (release: string): string => release.replace(/^v/, "");
