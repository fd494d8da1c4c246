import { stringify } from "yaml";
import type { Crd } from "../controllers/operators";

type Row = readonly [
    kind: string,
    plural: string,
    scope: "Cluster" | "Namespaced",
    version: string,
    status: boolean,
    shortNames?: readonly string[],
];

/** Kinds by project: names, scope, version and status subresource as upstream has them; everything else is left open. */
const KINDS: Readonly<Record<string, { readonly group: string; readonly rows: readonly Row[] }>> = {
    // What the operator of Cilium 1.20 registers. The address pool has left v2alpha1, the L2 policy has not.
    cilium: {
        group: "cilium.io",
        rows: [
            ["CiliumBGPAdvertisement", "ciliumbgpadvertisements", "Cluster", "v2", false, ["cbgpadvert"]],
            ["CiliumBGPClusterConfig", "ciliumbgpclusterconfigs", "Cluster", "v2", true, ["cbgpcluster"]],
            ["CiliumBGPNodeConfig", "ciliumbgpnodeconfigs", "Cluster", "v2", true, ["cbgpnode"]],
            [
                "CiliumBGPNodeConfigOverride",
                "ciliumbgpnodeconfigoverrides",
                "Cluster",
                "v2",
                false,
                ["cbgpnodeoverride"],
            ],
            ["CiliumBGPPeerConfig", "ciliumbgppeerconfigs", "Cluster", "v2", true, ["cbgppeer"]],
            ["CiliumCIDRGroup", "ciliumcidrgroups", "Cluster", "v2", false, ["ccg"]],
            ["CiliumClusterwideEnvoyConfig", "ciliumclusterwideenvoyconfigs", "Cluster", "v2", false, ["ccec"]],
            ["CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies", "Cluster", "v2", true, ["ccnp"]],
            ["CiliumDatapathPlugin", "ciliumdatapathplugins", "Cluster", "v2alpha1", false, ["cddp"]],
            ["CiliumEgressGatewayPolicy", "ciliumegressgatewaypolicies", "Cluster", "v2", false, ["cegp"]],
            ["CiliumEndpoint", "ciliumendpoints", "Namespaced", "v2", false, ["cep", "ciliumep"]],
            ["CiliumEndpointSlice", "ciliumendpointslices", "Cluster", "v2alpha1", false, ["ces"]],
            ["CiliumEnvoyConfig", "ciliumenvoyconfigs", "Namespaced", "v2", false, ["cec"]],
            ["CiliumGatewayClassConfig", "ciliumgatewayclassconfigs", "Namespaced", "v2alpha1", true, ["cgcc"]],
            ["CiliumIdentity", "ciliumidentities", "Cluster", "v2", true, ["ciliumid"]],
            [
                "CiliumL2AnnouncementPolicy",
                "ciliuml2announcementpolicies",
                "Cluster",
                "v2alpha1",
                true,
                ["l2announcement"],
            ],
            [
                "CiliumLoadBalancerIPPool",
                "ciliumloadbalancerippools",
                "Cluster",
                "v2",
                true,
                ["ippools", "ippool", "lbippool", "lbippools"],
            ],
            ["CiliumLocalRedirectPolicy", "ciliumlocalredirectpolicies", "Namespaced", "v2", false, ["clrp"]],
            ["CiliumNetworkPolicy", "ciliumnetworkpolicies", "Namespaced", "v2", true, ["cnp", "ciliumnp"]],
            ["CiliumNode", "ciliumnodes", "Cluster", "v2", true, ["cn", "ciliumn"]],
            ["CiliumNodeConfig", "ciliumnodeconfigs", "Namespaced", "v2", false],
            ["CiliumPodIPPool", "ciliumpodippools", "Cluster", "v2alpha1", false, ["cpip"]],
        ],
    },
    "argo-cd": {
        group: "argoproj.io",
        rows: [
            ["Application", "applications", "Namespaced", "v1alpha1", false, ["app", "apps"]],
            ["ApplicationSet", "applicationsets", "Namespaced", "v1alpha1", true, ["appset", "appsets"]],
            ["AppProject", "appprojects", "Namespaced", "v1alpha1", false, ["appproj", "appprojs"]],
        ],
    },
    "prometheus-operator": {
        group: "monitoring.coreos.com",
        rows: [
            ["Alertmanager", "alertmanagers", "Namespaced", "v1", true, ["am"]],
            ["AlertmanagerConfig", "alertmanagerconfigs", "Namespaced", "v1alpha1", true, ["amcfg"]],
            ["PodMonitor", "podmonitors", "Namespaced", "v1", true, ["pmon"]],
            ["Probe", "probes", "Namespaced", "v1", true, ["prb"]],
            ["Prometheus", "prometheuses", "Namespaced", "v1", true, ["prom"]],
            ["PrometheusAgent", "prometheusagents", "Namespaced", "v1alpha1", true, ["promagent"]],
            ["PrometheusRule", "prometheusrules", "Namespaced", "v1", true, ["promrule"]],
            ["ScrapeConfig", "scrapeconfigs", "Namespaced", "v1alpha1", true, ["scfg"]],
            ["ServiceMonitor", "servicemonitors", "Namespaced", "v1", true, ["smon"]],
            ["ThanosRuler", "thanosrulers", "Namespaced", "v1", true, ["ruler"]],
        ],
    },
};

/**
 * Stand-ins for a project's CRDs: they make the kinds exist and nothing more. With the real ones
 * (`../shared/crds`) the API server checks every field as well.
 *
 * @throws Error for a project that has none.
 */
export function standInCrds(project: string): Crd[] {
    const known = KINDS[project];
    if (known === undefined) {
        throw new Error(`no stand-in CRDs for "${project}"; there are some for ${Object.keys(KINDS).join(", ")}`);
    }
    return known.rows.map((row) => crdOf(known.group, row));
}

/** The CRD files of a project, by file name. */
export function standInCrdFiles(project: string): Map<string, string> {
    return new Map(standInCrds(project).map((crd) => [`${crd.metadata.name}.yaml`, stringify(crd)]));
}

function crdOf(group: string, [kind, plural, scope, version, status, shortNames]: Row): Crd {
    const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    return {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: `${plural}.${group}` },
        spec: {
            group,
            scope,
            names: {
                kind,
                listKind: `${kind}List`,
                plural,
                singular: kind.toLowerCase(),
                ...(shortNames !== undefined && { shortNames: [...shortNames] }),
            },
            versions: [
                {
                    name: version,
                    served: true,
                    storage: true,
                    ...(status && { subresources: { status: {} } }),
                    schema: {
                        openAPIV3Schema: {
                            type: "object",
                            properties: { spec: open, status: open },
                            "x-kubernetes-preserve-unknown-fields": true,
                        },
                    },
                },
            ],
        },
    };
}
