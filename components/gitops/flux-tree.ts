/** What Flux leaves alone in the tree it follows, because this program has it already. docs/flux-apps.md */

export interface LeftToPulumi {
    /** Namespaces of the platform: nothing of the tree is applied in them. */
    readonly platformNamespaces: readonly string[];
    /** Namespaces made by Pulumi in which Flux may have apps of its own. */
    readonly sharedNamespaces: readonly string[];
    /** Apps that this program declares, whoever delivers them. */
    readonly apps: readonly string[];
    /** Names of the platform's parts in such trees, beside those that are known everywhere. */
    readonly parts?: readonly string[];
}

/** One of `spec.patches` of a Flux Kustomization. */
export interface FluxPatch {
    readonly target: {
        readonly group?: string;
        readonly kind?: string;
        readonly name?: string;
        readonly namespace?: string;
    };
    readonly patch: string;
}

/** Kubernetes' own, which no program declares. */
const KUBERNETES_NAMESPACES = ["kube-system", "kube-public", "kube-node-lease"];

/** Parts of the platform, by their charts' names, the seed's, and those usual for them in trees like the seed's. */
const PLATFORM_NAMES = [
    "alloy",
    "awair-exporter",
    "blackbox-exporter",
    "ceph-csi-drivers",
    "cert-manager",
    "cert-manager-issuers",
    "cilium",
    "cloudflared",
    "cloudflare-tunnel",
    "cloudnative-pg",
    "cloudnative-pg-cluster",
    "coredns",
    "doppler",
    "envoy-gateway",
    "external-dns",
    "external-secrets",
    "external-secrets-stores",
    "flux-instance",
    "flux-operator",
    "grafana",
    "graphite-exporter",
    "kube-prometheus-stack",
    "kube-state-metrics",
    "loki",
    "metrics-server",
    "node-exporter",
    "nvidia-device-plugin",
    "openebs",
    "plugin-barman-cloud",
    "prometheus-blackbox-exporter",
    "reloader",
    "rook-ceph",
    "rook-ceph-cluster",
    "rook-ceph-operator",
    "snapshot-controller",
    "tailscale",
    "thanos",
    "volsync",
];

/** Other names of apps: seed 002, "Naming Conventions". */
const ALSO_CALLED: Readonly<Record<string, readonly string[]>> = { paperless: ["paperless-ngx"] };

/** Names that a Kustomization of the tree must not have, in whatever namespace it is. */
export function namesOfPulumi(apps: readonly string[], parts: readonly string[] = []): string[] {
    return [...PLATFORM_NAMES, ...parts, ...apps.flatMap(namesOfApp)].sort();
}

const namesOfApp = (app: string): string[] => [app, ...(ALSO_CALLED[app] ?? [])];

/**
 * Patches that take out of a built tree what Pulumi owns: an object that is not built is neither applied nor pruned.
 * Selectors are anchored regular expressions; https://fluxcd.io/flux/components/kustomize/kustomizations/#patches
 */
export function leaveToPulumi({ platformNamespaces, sharedNamespaces, apps, parts }: LeftToPulumi): FluxPatch[] {
    const platform = [...new Set([...KUBERNETES_NAMESPACES, ...platformNamespaces])];
    return [
        without({ namespace: anyOf(platform) }),
        without({ kind: "Namespace", name: anyOf([...platform, ...sharedNamespaces]) }),
        without({
            group: "kustomize.toolkit.fluxcd.io",
            kind: "Kustomization",
            name: anyOf(namesOfPulumi(apps, parts)),
        }),
        // The seed's component flux/alerts; here they are made with the namespace.
        without({ group: "notification.toolkit.fluxcd.io", namespace: anyOf(sharedNamespaces) }),
    ];
}

/**
 * The same for a tree whose apps are directories of plain objects and whose Kustomizations hold many of them: an app's own
 * objects go too, by name, and a Kustomization of the tree builds without them as its parent does.
 */
export function leaveObjectsToPulumi(left: LeftToPulumi): FluxPatch[] {
    const { sharedNamespaces, apps } = left;
    const patches = [
        ...leaveToPulumi(left),
        ...(apps.length === 0 || sharedNamespaces.length === 0
            ? []
            : [
                  without({
                      namespace: anyOf(sharedNamespaces),
                      name: `(${anyOf(apps.flatMap(namesOfApp))})(-.*)?`,
                  }),
              ]),
    ];
    return [
        ...patches,
        {
            target: { group: "kustomize.toolkit.fluxcd.io", kind: "Kustomization" },
            patch: JSON.stringify([{ op: "add", path: "/spec/patches", value: patches }]),
        },
    ];
}

const anyOf = (names: readonly string[]): string => [...names].sort().join("|");

function without(target: FluxPatch["target"]): FluxPatch {
    // kustomize takes kind and name from the target, but refuses a patch that has none.
    return { target, patch: "$patch: delete\napiVersion: v1\nkind: Any\nmetadata:\n  name: any\n" };
}
