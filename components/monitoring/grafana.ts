import * as pulumi from "@pulumi/pulumi";
import { bySha, chartImages } from "../chart-images";
import { charts } from "../charts";
import { valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import type { OidcClient, OidcLogin } from "../identity/identity";
import type { Platform } from "../platform";
import { LOKI } from "./loki";
import { chartResources } from "./resources";
import { THANOS_QUERY } from "./thanos";

export interface GrafanaArgs {
    namespace: pulumi.Input<string>;
    /** Host label. */
    host: string;
    /** Where metrics are asked for: Thanos, where the cluster has it, else Prometheus. */
    metrics: "thanos" | "prometheus";
    /** Whether there are logs in Loki. */
    logs: boolean;
    /** Volume for what people make in it; absent: nothing is kept, and data sources and dashboards come from the cluster's objects. */
    volume?: { readonly storageClass: pulumi.Input<string>; readonly size: string } | undefined;
}

/** Values in the secret store. */
export const GRAFANA_SECRETS = {
    "admin-user": "grafana.adminUser",
    "admin-password": "grafana.adminPassword",
} as const;

/** Name, which is also its id with the identity provider, and where that sends people back to. */
export const GRAFANA = {
    name: "grafana",
    login: { kind: "oidc", redirects: ["/login/generic_oauth"] },
} as const satisfies { name: string; login: OidcLogin };

/** Grafana on its own: data sources and dashboards from the cluster's objects. */
export class Grafana extends pulumi.ComponentResource {
    constructor(name: string, args: GrafanaArgs, platform: Platform, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:Grafana", name, {}, opts);
        const { namespace } = args;
        const admin = platform.secrets.deliver(
            name,
            { name: "grafana-admin", namespace, data: GRAFANA_SECRETS },
            { parent: this },
        );
        const oidc = platform.identity?.oidc(GRAFANA.name, namespace, { parent: this });
        const release = helmRelease(
            name,
            charts.grafana,
            {
                name: "grafana",
                namespace,
                timeout: 600,
                values: grafanaValues({
                    ...args,
                    adminSecret: admin,
                    rootUrl: platform.edge.url(args.host, "local"),
                    annotations: platform.reloadAnnotations ?? {},
                    oidc,
                }),
            },
            { parent: this },
        );
        platform.edge.expose(
            name,
            { host: args.host, access: "local", auth: oidc === undefined ? "own" : "oidc" },
            {
                workload: "grafana",
                namespace: valueAfter(release, namespace),
                service: "grafana",
                port: 80,
            },
            { parent: this, dependsOn: release },
        );
        this.registerOutputs({});
    }
}

interface GrafanaValuesArgs extends Pick<GrafanaArgs, "metrics" | "logs" | "volume"> {
    adminSecret: pulumi.Input<string>;
    rootUrl: string;
    annotations: Readonly<Record<string, string>>;
    /** Absent: people have accounts in Grafana itself. */
    oidc?: OidcClient | undefined;
}

/** Values for the chart in components/charts.ts. */
export function grafanaValues({ adminSecret, rootUrl, annotations, metrics, logs, oidc, volume }: GrafanaValuesArgs) {
    return {
        ...(volume === undefined ? {} : onVolume(volume)),
        image: bySha(chartImages.grafana),
        annotations,
        admin: { existingSecret: adminSecret, userKey: "admin-user", passwordKey: "admin-password" },
        "grafana.ini": {
            server: { root_url: rootUrl },
            analytics: { check_for_updates: false, reporting_enabled: false },
            ...(oidc === undefined ? {} : { "auth.generic_oauth": genericOauth(oidc) }),
        },
        ...(oidc === undefined
            ? {}
            : {
                  envValueFrom: {
                      GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET: {
                          secretKeyRef: { name: oidc.clientSecret.secret, key: oidc.clientSecret.key },
                      },
                  },
              }),
        datasources: {
            "datasources.yaml": {
                apiVersion: 1,
                datasources: [
                    {
                        name: "Prometheus",
                        uid: "prometheus",
                        type: "prometheus",
                        url:
                            metrics === "thanos"
                                ? `http://${THANOS_QUERY.service}:${THANOS_QUERY.port}`
                                : "http://kube-prometheus-stack-prometheus:9090",
                        isDefault: true,
                        jsonData: {
                            prometheusType: metrics === "thanos" ? "Thanos" : "Prometheus",
                            timeInterval: "1m",
                        },
                    },
                    ...(logs
                        ? [{ name: "Loki", uid: "loki", type: "loki", url: `http://${LOKI.service}:${LOKI.port}` }]
                        : []),
                    {
                        name: "Alertmanager",
                        uid: "alertmanager",
                        type: "alertmanager",
                        url: "http://kube-prometheus-stack-alertmanager:9093",
                        jsonData: { implementation: "prometheus" },
                    },
                ],
            },
        },
        sidecar: {
            image: bySha(chartImages.grafanaSidecar),
            dashboards: { enabled: true, searchNamespace: "ALL" },
            resources: chartResources("64Mi", "256Mi"),
        },
        serviceMonitor: { enabled: true },
        // It keeps its search index and dashboards of every namespace in memory.
        resources: chartResources("256Mi", "1Gi"),
        // The chart's test pod is of no use outside `helm test`.
        testFramework: { enabled: false },
    };
}

/**
 * Beside the login form, not in its place: with the identity provider down, the administrator still gets in.
 * https://grafana.com/docs/grafana/latest/setup-grafana/configure-access/configure-authentication/generic-oauth/
 */
function genericOauth(oidc: OidcClient) {
    return {
        enabled: true,
        name: "authentik",
        client_id: oidc.clientId,
        auth_url: oidc.authorizeUrl,
        token_url: oidc.tokenUrl,
        api_url: oidc.userInfoUrl,
        signout_redirect_url: oidc.endSessionUrl,
        scopes: oidc.scopes.join(" "),
        use_pkce: true,
        use_refresh_token: true,
        allow_sign_up: true,
        login_attribute_path: "preferred_username",
        groups_attribute_path: "groups",
        // Who has no such group looks, and changes nothing.
        role_attribute_path: `contains(groups[*], '${oidc.operators}') && 'Admin' || 'Viewer'`,
        allow_assign_grafana_admin: false,
    };
}

const onVolume = ({ storageClass, size }: NonNullable<GrafanaArgs["volume"]>) => ({
    persistence: { enabled: true, storageClassName: storageClass, size },
    // Two pods on one volume would corrupt its database.
    deploymentStrategy: { type: "Recreate" },
    // A step as root, for volumes that know no group: these do.
    initChownData: { enabled: false },
});
