/** Who signs people in, by authentik: its part of the schema, rules, hosts and secrets, and what is built. docs/authentik.md */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { Databases } from "../components/database/databases";
import { databaseSecret } from "../components/database/postgres-database";
import type { Edge } from "../components/edge/edge";
import { AUTHENTIK, AUTHENTIK_SECRETS, Authentik } from "../components/identity/authentik";
import { AUTHENTIK_ADMINS } from "../components/identity/blueprints";
import type { IdentityClient } from "../components/identity/identity";
import type { WorkloadHost } from "../components/platform";
import { groupName, hostLabel, whole } from "../config/fields";
import { didYouMean, show, type CrossRule } from "../config/parse";
import type { Claim } from "../config/rules";
import { appClients, appLoginNotes, type Apps, type Offers } from "./apps";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** `authentik` of a schema. */
export const authentikKeys = z.strictObject({
    host: hostLabel.default("authentik"),
    /** `external`: people sign in from the internet, too; needs a tunnel. */
    access: z.enum(["local", "external"], { error: "local or external" }).default("local"),
    /** Servers, and as many workers. */
    replicas: whole(1, 5).default(1),
    /** True: everybody must have a second factor. Before everything works it locks out whoever has to mend it. */
    mfa: z.boolean({ error: "true or false" }).default(false),
    /** Groups of people, for `groups` of an app. Who is in them is said in authentik. */
    groups: z.array(groupName).default([]),
    /** Group whose people may open what operates the cluster. */
    operators: groupName.default(AUTHENTIK_ADMINS),
});

export interface AuthentikConfig {
    readonly authentik?: z.output<typeof authentikKeys> | undefined;
}

type Authenticated = AuthentikConfig & { readonly apps: Apps };

/** A group that nobody is in would shut everybody out. */
const groupsKnown: CrossRule<Authenticated> = ({ authentik: config, apps }) => {
    if (config === undefined) return [];
    const known = [...config.groups, config.operators];
    return Object.entries(apps).flatMap(([name, app]) =>
        (app?.groups ?? []).flatMap((group, index) =>
            known.includes(group)
                ? []
                : [
                      {
                          rule: "unknown-group",
                          path: `apps.${name}.groups.${index}`,
                          got: show(group),
                          allowed: `one of authentik.groups, or its operators: ${known.join(", ")}`,
                          ...didYouMean(group, known),
                      },
                  ],
        ),
    );
};

/** Apps that are reached from the internet and send people to authentik. */
const externalClients = (apps: Apps): IdentityClient[] => appClients(apps, "external");

/** What else of a configuration its rules ask for. */
type RuledBy = CertificateOfLogin & { readonly postgres?: unknown; readonly cloudflare?: unknown };

/** Everything it needs of a configuration. */
export const authentikRules: readonly CrossRule<Authenticated & RuledBy>[] = [
    ({ authentik: config, postgres }) =>
        config === undefined || postgres !== undefined
            ? []
            : [
                  {
                      rule: "authentik-without-postgres",
                      path: "authentik",
                      got: show(config),
                      allowed: "only with a PostgreSQL server, which has all of its data",
                      suggestion: "set postgres, with a bucket for its backups",
                  },
              ],
    groupsKnown,
    (config) =>
        config.authentik === undefined || trusted(config)
            ? []
            : appClients(config.apps).flatMap(({ name, login }) =>
                  login.kind !== "oidc"
                      ? []
                      : [
                            {
                                rule: "oidc-without-certificate",
                                path: `apps.${name}.auth`,
                                got: config.apps[name]?.auth === undefined ? "oidc, its default" : show("oidc"),
                                allowed:
                                    config.certificates === undefined
                                        ? "another login while nothing is said under certificates: the app itself asks authentik by TLS, and does not know the cluster's own authority"
                                        : "another login while certificates.server is staging: the app itself asks authentik by TLS, and does not know the authority of Let's Encrypt's tests",
                                suggestion: `set certificates${config.certificates === undefined ? "" : ".server: production"}, or apps.${name}.auth: own`,
                            },
                        ],
              ),
    ({ authentik: config, apps, cloudflare }) => {
        if (config === undefined || cloudflare === undefined || config.access === "external") return [];
        const outside = externalClients(apps).map(({ name }) => name);
        return outside.length === 0
            ? []
            : [
                  {
                      rule: "login-out-of-reach",
                      path: "authentik.access",
                      got: show(config.access),
                      allowed: `external, since ${outside.join(", ")} can be reached from the internet and would send people to a host that cannot`,
                  },
              ];
    },
];

/** Whether what speaks to authentik by its name believes that it is it. The images know the public authorities alone. */
export const trusted = ({ certificates }: CertificateOfLogin): boolean =>
    certificates !== undefined && certificates.server !== "staging";

/** What of a configuration says who signs the certificate. */
interface CertificateOfLogin {
    readonly certificates?: { readonly server: "production" | "staging" } | undefined;
}

/** Values of the secret store that it reads. */
export const authentikSecrets = ({ authentik: config }: AuthentikConfig): string[] =>
    config === undefined ? [] : [...Object.values(AUTHENTIK_SECRETS), databaseSecret(AUTHENTIK.database)];

/** The namespace whose database it has, by the key that wants it. */
export const authentikDatabases = ({ authentik: config }: AuthentikConfig): Claim[] =>
    config === undefined ? [] : [["authentik", AUTHENTIK.namespace]];

/** authentik as a part of the platform. */
export const authentikPart: Part<Authenticated & RuledBy> = {
    rules: authentikRules,
    hosts: ({ authentik: config }) => (config === undefined ? [] : [["authentik.host", config.host]]),
    secrets: (config) => ({ [AUTHENTIK.namespace]: authentikSecrets(config) }),
    namespaces: ({ authentik: config }) => (config === undefined ? {} : { [AUTHENTIK.namespace]: "restricted" }),
    notes: ({ authentik: config, apps }) => (config === undefined ? [] : appLoginNotes(apps)),
};

/** What of a cluster's offers for apps it is. */
export const identityOffer = ({ authentik: config }: AuthentikConfig): Required<Pick<Offers, "identity">> => ({
    identity: config !== undefined,
});

/** A page of the cluster's own for those who operate it, which asks for no login itself. */
export interface OperatorPage {
    readonly name: string;
    readonly title: string;
    /** Host label. */
    readonly host: string;
    /** `http://<service>.<namespace>.svc.cluster.local:<port>`. */
    readonly upstream: string;
}

/** A client of authentik's proxy that operators may open. */
export const operatorPage = ({ upstream, ...page }: OperatorPage): Omit<IdentityClient, "groups"> => ({
    ...page,
    login: { kind: "forward", upstream, open: [] },
});

export interface AuthentikParts {
    /** What everything in the cluster stands on. */
    readonly host: Pick<WorkloadHost, "cluster" | "namespaces" | "secrets" | "reloadAnnotations">;
    readonly edge: Edge;
    readonly databases: Databases | undefined;
    /** What it signs people in for beside the apps: `operatorPage`s are for operators, everything else for everybody. */
    readonly clients: readonly (Omit<IdentityClient, "groups"> & { readonly groups?: readonly string[] })[];
    /** Whether there are the kinds of Prometheus' operator. */
    readonly monitored: boolean;
}

/** Builds it, where the configuration has it. Put its `edge` and itself, as `identity`, into the platform. */
export function authentik(
    lab: Lab,
    { authentik: config, apps }: Authenticated,
    { host, edge, databases, clients, monitored }: AuthentikParts,
    opts: pulumi.ComponentResourceOptions,
): Authentik | undefined {
    if (config === undefined) return undefined;
    // A rule asks for it.
    if (databases === undefined) throw new Error("authentik has no server of databases");
    const { cluster, namespaces, secrets, reloadAnnotations } = host;
    const forOperators = clients.map((client) => ({
        groups: client.login.kind === "forward" ? [config.operators] : [],
        ...client,
    }));
    return lab.stage(
        "authentik",
        new Authentik(
            "authentik",
            {
                ...config,
                cluster,
                namespace: namespaces.name(AUTHENTIK.namespace),
                clients: [...forOperators, ...appClients(apps)],
                databases,
                secrets,
                edge,
                monitored,
                reloadAnnotations,
            },
            opts,
        ),
    );
}
