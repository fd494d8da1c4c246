import {
    CONTAINER_SECURITY,
    full,
    POD_SECURITY,
    labels,
    service,
    value,
    workload,
    inNamespace,
    type ChartObject,
    type StandIn,
    type StandIns,
} from "../../charts/generator";

interface ArgoPart {
    readonly name: string;
    readonly key: string;
    readonly kind?: "Deployment" | "StatefulSet";
    readonly image?: string;
    /** Account its pods run as; default one of its own. */
    readonly account?: string;
    readonly ports: Readonly<Record<string, number>>;
    readonly service?: Readonly<Record<string, readonly [port: number, target: string]>>;
    readonly when?: string;
}

const argoPart = ({
    name,
    key,
    kind = "Deployment",
    image,
    account,
    ports,
    service: served,
    when,
}: ArgoPart): ChartObject[] => {
    const of = { name: `${full}-${name}`, labels: labels(`argocd-${name}`), ...(when === undefined ? {} : { when }) };
    const pods = workload({
        ...of,
        ...{ kind, ports, image: image ?? "quay.io/argoproj/argocd", resources: `${key}.resources` },
        ...(account === undefined ? {} : { account }),
    });
    const accounts = account === undefined ? [] : ["ServiceAccount"];
    return [
        ...pods.filter(({ object }) => !accounts.includes((object as { kind: string }).kind)),
        ...(served === undefined ? [] : [service({ ...of, ports: served })]),
    ];
};

const settings = (name: string, key: string): ChartObject => ({
    object: {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, namespace: "{{ .Release.Namespace }}" },
        data: { "settings.json": value(`(.Values.configs.${key} | toJson)`) },
    },
});

const argoCd: StandIn = {
    values: {
        nameOverride: "argocd",
        crds: { install: true, keep: true },
        global: { domain: "argocd.example.com" },
        configs: { cm: {}, params: {}, rbac: {} },
        controller: { resources: {} },
        server: { resources: {} },
        repoServer: { resources: {} },
        applicationSet: { resources: {} },
        redis: { enabled: true, resources: {} },
        redisSecretInit: { enabled: true, resources: {} },
        dex: { enabled: true, resources: {} },
        notifications: { enabled: true, resources: {} },
    },
    crds: [
        {
            subchart: "crds",
            projects: ["argo-cd"],
            condition: "crds.install",
            as: "template",
            keep: "$.Values.keep",
        },
    ],
    objects: [
        settings("argocd-cm", "cm"),
        settings("argocd-cmd-params-cm", "params"),
        settings("argocd-rbac-cm", "rbac"),
        // server.secretkey is Argo CD's own to fill in; a chart that made one would make another on every upgrade.
        inNamespace("v1", "Secret", "argocd-secret", { type: "Opaque" }),
        argoPart({ name: "application-controller", key: "controller", kind: "StatefulSet", ports: { metrics: 8082 } }),
        argoPart({
            name: "server",
            key: "server",
            ports: { server: 8080, metrics: 8083 },
            service: { http: [80, "server"], https: [443, "server"] },
        }),
        argoPart({
            name: "repo-server",
            key: "repoServer",
            ports: { "repo-server": 8081 },
            service: { "tcp-repo-server": [8081, "repo-server"] },
        }),
        argoPart({
            name: "applicationset-controller",
            key: "applicationSet",
            ports: { webhook: 7000 },
            service: { "http-webhook": [7000, "webhook"] },
        }),
        argoPart({
            name: "redis",
            key: "redis",
            image: "ecr-public.aws.com/docker/library/redis",
            account: "default",
            ports: { redis: 6379 },
            service: { redis: [6379, "redis"] },
            when: ".Values.redis.enabled",
        }),
        argoPart({
            name: "dex-server",
            key: "dex",
            image: "ghcr.io/dexidp/dex",
            ports: { http: 5556, grpc: 5557 },
            service: { http: [5556, "http"], grpc: [5557, "grpc"] },
            when: ".Values.dex.enabled",
        }),
        argoPart({
            name: "notifications-controller",
            key: "notifications",
            ports: { metrics: 9001 },
            when: ".Values.notifications.enabled",
        }),
        {
            when: ".Values.redisSecretInit.enabled",
            object: {
                apiVersion: "batch/v1",
                kind: "Job",
                metadata: {
                    name: `${full}-redis-secret-init`,
                    namespace: "{{ .Release.Namespace }}",
                    annotations: {
                        "helm.sh/hook": "pre-install,pre-upgrade",
                        "helm.sh/hook-delete-policy": "before-hook-creation",
                    },
                },
                spec: {
                    ttlSecondsAfterFinished: 60,
                    template: {
                        spec: {
                            restartPolicy: "OnFailure",
                            securityContext: POD_SECURITY,
                            containers: [
                                {
                                    name: "secret-init",
                                    image: "quay.io/argoproj/argocd:{{ .Chart.Version }}",
                                    securityContext: CONTAINER_SECURITY,
                                    resources: value("(.Values.redisSecretInit.resources | default dict)"),
                                },
                            ],
                        },
                    },
                },
            },
        },
    ],
};

export const charts: StandIns = { "argo-cd": argoCd };
