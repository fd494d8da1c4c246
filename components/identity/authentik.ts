import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { byDigest, chartImages } from "../chart-images";
import { charts } from "../charts";
import { valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import type { Database, Databases } from "../database/databases";
import type { Edge } from "../edge/edge";
import { chartResources } from "../monitoring/resources";
import type { Cluster } from "../platform";
import type { SecretStore } from "../secrets/secret-store";
import { blueprint, OIDC_SCOPES } from "./blueprints";
import { guardedEdge } from "./guarded-edge";
import type { ForwardAuth, ForwardLogin, Identity, IdentityClient, OidcClient } from "./identity";

export interface AuthentikArgs {
    cluster: Pick<Cluster, "lan" | "podCidr">;
    /** Namespace of its own. */
    namespace: pulumi.Output<string>;
    /** Host label. */
    host: string;
    /** `external`: people sign in from the internet, too. */
    access: "local" | "external";
    /** Servers, and as many workers. */
    replicas: number;
    /** Whether everybody must have a second factor; without, whoever set one up is asked for it. */
    mfa: boolean;
    /** Groups of people that there shall be, beside authentik's own. */
    groups: readonly string[];
    /** Group whose people operate the cluster. */
    operators: string;
    /** Everything that it signs people in for. */
    clients: readonly IdentityClient[];
    databases: Databases;
    secrets: SecretStore;
    /** The way in, on which it stands itself. */
    edge: Edge;
    /** Whether there are the kinds of Prometheus' operator. */
    monitored: boolean;
    /** Annotations on controllers that read a Secret. */
    reloadAnnotations?: Readonly<Record<string, string>> | undefined;
}

/** Namespace of authentik, its Secret, and the database with its owner. Seed 003: authentik/authentik-secret. */
export const AUTHENTIK = { namespace: "authentik", secret: "authentik-secret", database: "authentik" } as const;

/** Values in the secret store, by the variables in which authentik takes them. */
export const AUTHENTIK_SECRETS = {
    AUTHENTIK_SECRET_KEY: "authentik.secretKey",
    AUTHENTIK_BOOTSTRAP_PASSWORD: "authentik.bootstrapPassword",
    AUTHENTIK_BOOTSTRAP_TOKEN: "authentik.bootstrapToken",
} as const;

/** The chart's Service in front of the servers, and of the outpost in them. */
const SERVICE = { name: "authentik-server", port: 80 } as const;

const BLUEPRINT = { configMap: "authentik-blueprints", file: "homelab.yaml" } as const;

/** What applies the blueprint; also the label of its pods. */
export const BLUEPRINT_JOB = "authentik-blueprints";

/** Where the chart mounts it, seen from authentik's directory of blueprints. */
export const BLUEPRINT_PATH = `mounted/cm-${BLUEPRINT.configMap}/${BLUEPRINT.file}`;

const CLIENT_SECRETS = "/run/secrets/oidc";

/** Key of a client's secret in the Secret that the client reads. */
const CLIENT_SECRET_KEY = "client-secret";

/** User of the image. */
const USER = 1000;

/**
 * authentik, which signs people in for everything that is reached: https://docs.goauthentik.io/. Its data is in PostgreSQL,
 * without Redis since 2025.10. What the cluster has is told it by a blueprint, which is applied before this is done.
 */
export class Authentik extends pulumi.ComponentResource implements Identity {
    /** The way in, on which `auth: "forward"` leads through authentik. */
    readonly edge: Edge;
    readonly #url: string;
    readonly #operators: string;
    readonly #secrets: ReadonlyMap<string, pulumi.Output<string>>;
    readonly #ready: pulumi.Resource;

    constructor(name: string, args: AuthentikArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:identity:Authentik", name, {}, opts);
        const child = { parent: this };
        const { namespace, edge, clients } = args;
        this.#url = edge.url(args.host, args.access);
        this.#operators = args.operators;

        const database = args.databases.postgres(
            name,
            { database: AUTHENTIK.database, namespace, domain: AUTHENTIK.namespace },
            child,
        );
        const secret = args.secrets.deliver(
            name,
            {
                name: AUTHENTIK.secret,
                namespace,
                data: AUTHENTIK_SECRETS,
                literals: { AUTHENTIK_BOOTSTRAP_EMAIL: `akadmin@${edge.domain}` },
            },
            child,
        );
        this.#secrets = new Map(
            clients
                .filter(({ login }) => login.kind === "oidc")
                .map(({ name: client }) => [
                    client,
                    new random.RandomPassword(`${name}-oidc-${client}`, { length: 64, special: false }, child).result,
                ]),
        );
        const clientSecrets =
            this.#secrets.size === 0
                ? undefined
                : new k8s.core.v1.Secret(
                      `${name}-oidc`,
                      {
                          metadata: { name: "authentik-oidc", namespace },
                          type: "Opaque",
                          stringData: Object.fromEntries(this.#secrets),
                      },
                      child,
                  ).metadata.name;
        const text = blueprint({
            url: this.#url,
            urlOf: ({ host, access }) => edge.url(host, access ?? "local"),
            clients,
            groups: [...new Set([...args.groups, args.operators])],
            mfa: args.mfa,
            secretFile: (client) => `${CLIENT_SECRETS}/${client}`,
        });
        const blueprints = new k8s.core.v1.ConfigMap(
            `${name}-blueprints`,
            { metadata: { name: BLUEPRINT.configMap, namespace }, data: { [BLUEPRINT.file]: text } },
            child,
        ).metadata.name;

        const environment = databaseEnvironment(database, args);
        const release = helmRelease(
            name,
            charts.authentik,
            {
                name: "authentik",
                namespace,
                // The first start makes the tables.
                timeout: 900,
                values: authentikValues({ ...args, secret, environment, blueprints, text, clientSecrets }),
            },
            child,
        );
        this.#ready = this.applied(name, { namespace, secret, environment, blueprints, clientSecrets, text }, release);

        edge.expose(
            name,
            { host: args.host, access: args.access, auth: "own" },
            {
                workload: "authentik",
                namespace: valueAfter(release, namespace),
                service: SERVICE.name,
                port: SERVICE.port,
            },
            child,
        );
        this.edge = guardedEdge(edge, this.forwardAuth(args));
        this.registerOutputs({ url: this.#url });
    }

    oidc(
        name: string,
        namespace: pulumi.Input<string>,
        opts: pulumi.CustomResourceOptions = { parent: this },
    ): OidcClient {
        const secret = this.#secrets.get(name);
        if (secret === undefined) {
            throw new pulumi.RunError(
                `authentik was not told of "${name}" as a client of OIDC; it knows ${[...this.#secrets.keys()].join(", ") || "none"}. ` +
                    "Name it among its clients, where the stack makes it",
            );
        }
        const delivered = new k8s.core.v1.Secret(
            `${name}-oidc`,
            {
                metadata: { name: `${name}-oidc`, namespace },
                type: "Opaque",
                stringData: { [CLIENT_SECRET_KEY]: secret },
            },
            opts,
        );
        const of = (path: string) => `${this.#url}/application/o/${path}`;
        return {
            issuer: of(`${name}/`),
            discoveryUrl: of(`${name}/.well-known/openid-configuration`),
            authorizeUrl: of("authorize/"),
            tokenUrl: of("token/"),
            userInfoUrl: of("userinfo/"),
            endSessionUrl: of(`${name}/end-session/`),
            clientId: name,
            clientSecret: { secret: delivered.metadata.name, key: CLIENT_SECRET_KEY },
            scopes: OIDC_SCOPES,
            operators: this.#operators,
        };
    }

    private forwardAuth({ namespace, clients }: AuthentikArgs): ForwardAuth {
        const isForward = (client: IdentityClient): client is IdentityClient & { readonly login: ForwardLogin } =>
            client.login.kind === "forward";
        return {
            client: (host) => clients.filter(isForward).find((client) => client.host === host),
            proxy: {
                namespace: valueAfter(this.#ready, namespace),
                service: valueAfter(this.#ready, SERVICE.name),
                port: SERVICE.port,
            },
        };
    }

    /**
     * Applies the blueprint, and fails with authentik's reason where it is not taken. A worker would do so as well, but finds
     * a new one within the hour only, tells nobody what is wrong with it, and passes over one whose file is as it was, although
     * a client's secret or the database is another.
     */
    private applied(name: string, args: JobArgs, release: pulumi.Resource): k8s.batch.v1.Job {
        const digest = sha256(JSON.stringify([args.text, charts.authentik.version])).slice(0, 10);
        // Not in the name: whoever only looks at the declaration does not know them.
        const secrets = pulumi.unsecret(
            pulumi.all([...this.#secrets.values()]).apply((parts) => sha256(JSON.stringify(parts)).slice(0, 10)),
        );
        return new k8s.batch.v1.Job(
            `${name}-blueprints`,
            {
                metadata: {
                    name: `${BLUEPRINT_JOB}-${digest}`,
                    namespace: args.namespace,
                    labels: { "app.kubernetes.io/name": BLUEPRINT_JOB },
                },
                spec: blueprintJob(args, secrets),
            },
            // Each with a name of its own: the next one is there before the last one goes.
            { parent: this, dependsOn: release, customTimeouts: { create: "20m", update: "20m" } },
        );
    }
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const POD_SECURITY = {
    runAsNonRoot: true,
    runAsUser: USER,
    runAsGroup: USER,
    fsGroup: USER,
    seccompProfile: { type: "RuntimeDefault" },
};
const CONTAINER_SECURITY = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };

type Environment = readonly k8s.types.input.core.v1.EnvVar[];

/** Settings by environment, https://docs.goauthentik.io/install-config/configuration/ */
function databaseEnvironment(database: Database, { cluster }: Pick<AuthentikArgs, "cluster">): Environment {
    const plain: Record<string, pulumi.Input<string>> = {
        AUTHENTIK_POSTGRESQL__HOST: database.host,
        AUTHENTIK_POSTGRESQL__PORT: String(database.port),
        AUTHENTIK_POSTGRESQL__NAME: database.name,
        AUTHENTIK_POSTGRESQL__USER: database.user,
        AUTHENTIK_POSTGRESQL__SSLMODE: "require",
        // Of whom it believes which host and scheme a person asked for: the edge, in the pod network or on a node.
        AUTHENTIK_LISTEN__TRUSTED_PROXY_CIDRS: ["127.0.0.0/8", "::1/128", cluster.podCidr, cluster.lan].join(","),
        // It makes no outposts of its own in the cluster, and has no rights to.
        AUTHENTIK_OUTPOSTS__DISCOVER: "false",
        AUTHENTIK_DISABLE_UPDATE_CHECK: "true",
        AUTHENTIK_DISABLE_STARTUP_ANALYTICS: "true",
        AUTHENTIK_ERROR_REPORTING__ENABLED: "false",
        // Otherwise pictures are asked for at gravatar.com.
        AUTHENTIK_AVATARS: "initials",
    };
    return [
        ...Object.entries(plain).map(([name, value]) => ({ name, value })),
        {
            name: "AUTHENTIK_POSTGRESQL__PASSWORD",
            valueFrom: { secretKeyRef: { name: database.password.secret, key: database.password.key } },
        },
    ];
}

interface ReleaseArgs {
    secret: pulumi.Input<string>;
    environment: Environment;
    /** Name of the ConfigMap, and what stands in it. */
    blueprints: pulumi.Input<string>;
    text: string;
    /** Name of the Secret with the clients' secrets, where there are clients of OIDC. */
    clientSecrets: pulumi.Input<string> | undefined;
}

interface JobArgs extends ReleaseArgs {
    namespace: pulumi.Input<string>;
}

interface ValuesArgs extends ReleaseArgs, Pick<AuthentikArgs, "replicas" | "monitored" | "reloadAnnotations"> {}

/** Values for the chart in components/charts.ts. */
export function authentikValues(args: ValuesArgs) {
    const { replicas, monitored, clientSecrets } = args;
    const common = {
        replicas,
        containerSecurityContext: CONTAINER_SECURITY,
        automountServiceAccountToken: false,
        ...(replicas > 1 ? { pdb: { enabled: true, maxUnavailable: 1 } } : {}),
        metrics: { enabled: monitored, serviceMonitor: { enabled: monitored } },
    };
    return {
        global: {
            image: byDigest(chartImages.authentik),
            env: [...args.environment],
            deploymentAnnotations: { ...args.reloadAnnotations },
            securityContext: POD_SECURITY,
        },
        // Everything is in the Secret and the environment; with this on, the chart would make a second Secret.
        authentik: { enabled: false, existingSecret: { secretName: args.secret } },
        blueprints: { configMaps: [args.blueprints] },
        server: {
            ...common,
            // The chart looks at `automountServiceAccountToken` where an account is named only.
            serviceAccountName: "default",
            resources: chartResources("512Mi", "2Gi", "100m"),
        },
        worker: {
            ...common,
            resources: chartResources("512Mi", "2Gi", "100m"),
            // A worker looks for blueprints when it starts.
            podAnnotations: { "homelab/blueprints": sha256(args.text) },
            ...(clientSecrets === undefined
                ? {}
                : {
                      volumes: [{ name: "oidc", secret: { secretName: clientSecrets } }],
                      volumeMounts: [{ name: "oidc", mountPath: CLIENT_SECRETS, readOnly: true }],
                  }),
        },
        serviceAccount: { create: false },
        postgresql: { enabled: false },
    };
}

/** Runs authentik's own command in authentik's own image, with everything as a worker has it. */
function blueprintJob({ secret, environment, blueprints, clientSecrets }: ReleaseArgs, secrets: pulumi.Output<string>) {
    const { image, digest } = chartImages.authentik;
    return {
        // About ten minutes: what it refers to is made by the workers, in their first minutes.
        backoffLimit: 6,
        template: {
            metadata: {
                labels: { "app.kubernetes.io/name": BLUEPRINT_JOB },
                annotations: { "homelab/client-secrets": secrets },
            },
            spec: {
                // Not on failure: a pod that failed stays, with what it said.
                restartPolicy: "Never",
                automountServiceAccountToken: false,
                enableServiceLinks: false,
                securityContext: POD_SECURITY,
                containers: [
                    {
                        name: "apply",
                        image: `${image}@${digest}`,
                        args: ["apply_blueprint", BLUEPRINT_PATH],
                        env: [...environment],
                        envFrom: [{ secretRef: { name: secret } }],
                        resources: chartResources("256Mi", "1Gi"),
                        securityContext: CONTAINER_SECURITY,
                        terminationMessagePolicy: "FallbackToLogsOnError",
                        volumeMounts: [
                            {
                                name: "blueprints",
                                mountPath: `/blueprints/mounted/cm-${BLUEPRINT.configMap}`,
                                readOnly: true,
                            },
                            ...(clientSecrets === undefined
                                ? []
                                : [{ name: "oidc", mountPath: CLIENT_SECRETS, readOnly: true }]),
                        ],
                    },
                ],
                volumes: [
                    { name: "blueprints", configMap: { name: blueprints } },
                    ...(clientSecrets === undefined ? [] : [{ name: "oidc", secret: { secretName: clientSecrets } }]),
                ],
            },
        },
    };
}
