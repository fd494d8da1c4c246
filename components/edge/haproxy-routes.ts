import * as k8s from "@pulumi/kubernetes";
import type { BackendTls, Routes } from "./edge";
import { HAPROXY_KEY, type HaproxyIngress } from "./haproxy";
import { BOTH_ISSUERS, type LetsEncryptServer } from "./lets-encrypt";

export interface HaproxyRoutesArgs {
    haproxy: HaproxyIngress;
    /** Of both classes. */
    address: string;
    /** Hosts, fully qualified, that have a certificate of their own, by `BOTH_ISSUERS`. */
    issuers?: Readonly<Record<string, LetsEncryptServer>>;
}

/** Routes by HAProxy Ingress: an Ingress a host, of the restricted class unless the workload asks for the internet. */
export function haproxyRoutes({ haproxy, address, issuers = {} }: HaproxyRoutesArgs): Routes {
    return {
        scheme: "https",
        port: 443,
        backendTls: true,
        address: () => address,
        route: (name, { host, access, backend, annotations }, opts) => {
            const issuer = issuers[host];
            const keys = {
                ...annotations,
                // The class says it as well, for who forgets it.
                ...(access === "local" ? { [`${HAPROXY_KEY}allowlist-source-range`]: haproxy.restrictedTo } : {}),
                ...(backend.tls === undefined ? {} : tlsKeys(backend.tls)),
                // The plugin looks a minute for an Endpoints object, which nobody makes for slices of one's own.
                ...(backend.outside === true ? { "pulumi.com/skipAwait": "true" } : {}),
                ...(issuer === undefined ? {} : ownCertificate(issuer)),
            };
            return new k8s.networking.v1.Ingress(
                name,
                {
                    metadata: {
                        name: backend.workload,
                        namespace: backend.namespace,
                        labels: { "app.kubernetes.io/name": backend.workload },
                        ...(Object.keys(keys).length === 0 ? {} : { annotations: keys }),
                    },
                    spec: {
                        ingressClassName: haproxy.classes[access],
                        // Without a Secret of its own: the domain's certificate.
                        tls: [
                            {
                                hosts: [host],
                                ...(issuer === undefined ? {} : { secretName: `${backend.workload}-tls` }),
                            },
                        ],
                        rules: [
                            {
                                host,
                                http: {
                                    paths: [
                                        {
                                            path: "/",
                                            pathType: "Prefix",
                                            backend: {
                                                service: { name: backend.service, port: { number: backend.port } },
                                            },
                                        },
                                    ],
                                },
                            },
                        ],
                    },
                },
                opts,
            );
        },
    };
}

/** https://haproxy-ingress.github.io/docs/configuration/keys/#secure-backend */
function tlsKeys({ authority, serverName }: BackendTls) {
    return {
        [`${HAPROXY_KEY}backend-protocol`]: "h1-ssl",
        ...(authority === undefined ? {} : { [`${HAPROXY_KEY}secure-verify-ca-secret`]: authority }),
        ...(serverName === undefined ? {} : { [`${HAPROXY_KEY}secure-sni`]: serverName }),
    };
}

/** By cert-manager, for this Ingress. A browser must not be told to insist on one of the staging directory. */
function ownCertificate(server: LetsEncryptServer) {
    return {
        "cert-manager.io/cluster-issuer": BOTH_ISSUERS[server],
        ...(server === "staging" ? { [`${HAPROXY_KEY}hsts`]: "false" } : {}),
    };
}
