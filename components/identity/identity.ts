/** Who signs people in for what is reached, without knowing by what program. */
import type * as pulumi from "@pulumi/pulumi";

/**
 * Who asks for a login before a host answers.
 * - `oidc`: the host itself, which sends people to the cluster's identity provider (OpenID Connect);
 * - `forward`: the identity provider's proxy, which stands between the edge and the host;
 * - `own`: the host, by accounts of its own;
 * - `none`: nobody.
 */
export const AUTH = ["oidc", "forward", "own", "none"] as const;
export type Auth = (typeof AUTH)[number];

/** What the identity provider must know of something that it signs people in for. */
export interface IdentityClient {
    /** Name of the workload: also the client id, and part of URLs. */
    readonly name: string;
    /** What people read. */
    readonly title: string;
    /** Host label. */
    readonly host: string;
    /** From where it is reached; absent: from LAN and tailnet. */
    readonly access?: "external";
    /** Who may enter: people of any of these groups; empty: everybody who has an account. */
    readonly groups: readonly string[];
    readonly login: OidcLogin | ForwardLogin;
}

export interface OidcLogin {
    readonly kind: "oidc";
    /** Paths of the host that people are sent back to, each with its slash, e.g. `/login/generic_oauth`. */
    readonly redirects: readonly string[];
}

export interface ForwardLogin {
    readonly kind: "forward";
    /** What the proxy speaks to: `http://<service>.<namespace>.svc.cluster.local:<port>`. */
    readonly upstream: string;
    /** Paths that ask for no login, as regular expressions: those that programs call with a key of their own. */
    readonly open: readonly string[];
}

/** A client's side of an OIDC login. URLs are those that people's browsers see. */
export interface OidcClient {
    /** As the tokens spell it, with its slash at the end. */
    readonly issuer: string;
    readonly discoveryUrl: string;
    readonly authorizeUrl: string;
    readonly tokenUrl: string;
    readonly userInfoUrl: string;
    readonly endSessionUrl: string;
    readonly clientId: string;
    /** Secret in the client's namespace and its key. */
    readonly clientSecret: { readonly secret: pulumi.Output<string>; readonly key: string };
    readonly scopes: readonly string[];
    /** Group whose people operate the cluster, as the claim `groups` names it. */
    readonly operators: string;
}

export interface Identity {
    /**
     * The client of that name, with its secret in the namespace, a part of the provider where `opts` say nothing. Throws a `RunError` when the provider was not told of it
     * as one that signs in by OIDC.
     */
    oidc(name: string, namespace: pulumi.Input<string>, opts?: pulumi.CustomResourceOptions): OidcClient;
}

/** How a host is put behind the identity provider. Today by its proxy, which needs nothing of the edge but a route. */
export interface ForwardAuth {
    /** The client behind a host label; undefined: the provider was not told of it. */
    client(host: string): (IdentityClient & { readonly login: ForwardLogin }) | undefined;
    /** Where the proxy answers, which tells hosts apart by their names. */
    readonly proxy: {
        readonly namespace: pulumi.Output<string>;
        readonly service: pulumi.Output<string>;
        readonly port: number;
    };
}
