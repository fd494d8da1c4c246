/** Releases of k3s, and which of them a running one may become. */

/** Kubernetes allows kubelets to be this many minor releases behind their API server, and so k3s its agents. */
const KUBELET_SKEW = 3;

export type Role = "server" | "agent";

interface Parts {
    readonly major: number;
    readonly minor: number;
    readonly patch: number;
    readonly build: number;
}

/** Of "v1.32.5+k3s1". A release candidate is older than its release. */
function parts(version: string): Parts {
    const [, major, minor, patch, rc, build] =
        /^v(\d+)\.(\d+)\.(\d+)(?:-rc(\d+))?\+k3s(\d+)$/.exec(version.trim()) ?? [];
    if (major === undefined) throw new Error(`"${version}" is no release of k3s such as v1.32.5+k3s1`);
    return {
        major: Number(major),
        minor: Number(minor),
        patch: Number(patch),
        build: Number(build) * 100 + (rc === undefined ? 99 : Number(rc)),
    };
}

/** Below 0: the first is older. Throws on what is no release of k3s. */
export function compareReleases(a: string, b: string): number {
    const [x, y] = [parts(a), parts(b)];
    return x.major - y.major || x.minor - y.minor || x.patch - y.patch || x.build - y.build;
}

/** Why a machine of this role cannot go from one release to the other; undefined where it can. */
export function upgradeFault(role: Role, running: string, wanted: string): { found: string; mend: string } | undefined {
    if (compareReleases(wanted, running) < 0) {
        return {
            found: `it runs k3s ${running}, and k3s.version is the older ${wanted}`,
            mend: `this program does not downgrade: a datastore of the newer one is not read by the older one. Set k3s.version to ${running} or newer; the way back is a snapshot, docs/k3s.md (Emergency downgrade)`,
        };
    }
    const [from, to] = [parts(running), parts(wanted)];
    // Servers go one minor release at a time; an agent follows its server, from as far behind as a kubelet may be.
    const reach = role === "server" ? 1 : KUBELET_SKEW;
    return from.major === to.major && to.minor - from.minor <= reach
        ? undefined
        : {
              found: `it runs k3s ${running}, and k3s.version is ${wanted}`,
              mend:
                  role === "server"
                      ? `a server is upgraded one minor release at a time: set k3s.version to a v${from.major}.${from.minor + 1} first`
                      : `an agent may be at most ${KUBELET_SKEW} minor releases behind: drain it, run the steps of docs/k3s.md (A machine by hand), and let it join anew`,
          };
}

/** Kubernetes' own version, without v. */
export const kubernetesOf = (release: string): string => release.replace(/^v/, "").replace(/\+.*$/, "");
