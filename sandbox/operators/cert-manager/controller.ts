/** cert-manager: issuers become ready, certificates are issued once what they need is there and their names are proven. Nothing is signed. */
import { randomBytes } from "node:crypto";
import { parse } from "yaml";
import {
    challengeActions,
    challenges,
    challengesOf,
    http01Lists,
    newChallenge,
    removal,
    type Challenge,
    type Solver,
    solverOf,
} from "./acme-http01";
import {
    type Action,
    collectionIn,
    collections,
    type Controller,
    objectPath,
    resources,
    type View,
} from "../../controllers/controller";
import {
    type CustomResource,
    isLeaving,
    isTrue,
    labelled,
    running,
    secretReferences,
    statusOf,
    timestamp,
} from "../../controllers/custom-resources";
import { type ConfigMap, type Deployment, keyOf, type Secret } from "../../controllers/objects";

interface IssuerSpec {
    readonly acme?: {
        readonly server: string;
        readonly email?: string;
        readonly privateKeySecretRef: { readonly name: string };
        readonly solvers?: readonly Solver[];
    };
    readonly ca?: { readonly secretName: string };
    readonly selfSigned?: object;
}

interface CertificateSpec {
    readonly secretName: string;
    readonly issuerRef: { readonly name: string; readonly kind?: string };
    readonly commonName?: string;
    readonly dnsNames?: readonly string[];
}

type Issuer = CustomResource<IssuerSpec>;
type Certificate = CustomResource<CertificateSpec>;

const issuers = resources("cert-manager.io", "v1", "issuers");
const clusterIssuers = resources("cert-manager.io", "v1", "clusterissuers");
const certificates = resources("cert-manager.io", "v1", "certificates");

const DAY = 86_400_000;

export const certManager: Controller = {
    name: "cert-manager",
    lists: [
        ...new Set([
            collections.deployments,
            collections.secrets,
            collections.configMaps,
            ...[issuers, clusterIssuers, certificates],
            ...http01Lists,
        ]),
    ],
    async reconcile(view) {
        const operator = running(
            view,
            labelled({ "app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller" }),
        );
        if (operator === undefined) return [];
        const gatewayApi = answersByRoutes(view, operator);
        // Told so, it does not start without.
        if (gatewayApi && (await view.get("/apis/gateway.networking.k8s.io/v1")) === undefined) return [];
        const home = operator.metadata.namespace ?? "";
        const secrets = new Map(view.list<Secret>(collections.secrets).map((secret) => [keyOf(secret), secret]));
        const issue = (list: string) =>
            view
                .list<Issuer>(list)
                .filter((issuer) => !isLeaving(issuer))
                .flatMap((issuer) => issuerActions(list, issuer, issuer.metadata.namespace ?? home, secrets, view.now));
        return [
            ...issue(issuers),
            ...issue(clusterIssuers),
            ...view
                .list<Certificate>(certificates)
                .filter((certificate) => !isLeaving(certificate))
                .flatMap((certificate) => certificateActions(view, certificate, home, secrets)),
            ...view.list<Challenge>(challenges).flatMap((challenge) => challengeActions(view, challenge, gatewayApi)),
        ];
    },
};

/** Whether the controller's configuration, a file from a ConfigMap of its Deployment's name, switches the Gateway API on. */
function answersByRoutes(view: View, { metadata, spec }: Deployment): boolean {
    const args = spec.template.spec?.containers.flatMap((container) => container.args ?? []) ?? [];
    if (args.some((arg) => arg === "--enable-gateway-api" || arg === "--enable-gateway-api=true")) return true;
    if (!args.some((arg) => arg.startsWith("--config="))) return false;
    const file = view
        .list<ConfigMap>(collections.configMaps)
        .find((one) => keyOf(one) === `${metadata.namespace ?? ""}/${metadata.name}`)?.data?.["config.yaml"];
    const said = parse(file ?? "") as { enableGatewayAPI?: unknown; gatewayAPI?: { enabled?: unknown } } | null;
    return (said?.gatewayAPI?.enabled ?? said?.enableGatewayAPI) === true;
}

function issuerActions(
    list: string,
    issuer: Issuer,
    namespace: string,
    secrets: ReadonlyMap<string, Secret>,
    now: number,
): Action[] {
    const ready = (status: "True" | "False", reason: string, message: string, fields: object = {}) =>
        statusOf(list, issuer, now, { ...fields }, [{ type: "Ready", status, reason, message }]);
    const { acme, ca } = issuer.spec;
    if (acme !== undefined) {
        const { name } = acme.privateKeySecretRef;
        const account = secrets.has(`${namespace}/${name}`)
            ? []
            : [newSecret({ name, namespace }, "Opaque", { "tls.key": pem("PRIVATE KEY") })];
        const uri = `${new URL(acme.server).origin}/acme/acct/1`;
        return [
            ...account,
            ...ready("True", "ACMEAccountRegistered", "The ACME account was registered with the ACME server", {
                acme: { uri },
            }),
        ];
    }
    if (ca !== undefined && !secrets.has(`${namespace}/${ca.secretName}`)) {
        return ready(
            "False",
            "ErrGetKeyPair",
            `Error getting keypair for CA issuer: secret "${ca.secretName}" not found`,
        );
    }
    return ready("True", "IsReady", "");
}

function certificateActions(
    view: View,
    certificate: Certificate,
    home: string,
    secrets: ReadonlyMap<string, Secret>,
): Action[] {
    const { namespace = "", name } = certificate.metadata;
    const { issuerRef, secretName, dnsNames = [], commonName } = certificate.spec;
    const inCluster = issuerRef.kind === "ClusterIssuer";
    const issuer = view
        .list<Issuer>(inCluster ? clusterIssuers : issuers)
        .find((one) => one.metadata.name === issuerRef.name && (inCluster || one.metadata.namespace === namespace));
    const waits = (reason: string, message: string) =>
        statusOf(certificates, certificate, view.now, {}, [{ type: "Ready", status: "False", reason, message }]);
    if (!isTrue(issuer, "Ready")) {
        return waits(
            "DoesNotExist",
            `Issuing certificate: ${issuerRef.kind ?? "Issuer"} ${issuerRef.name} is not ready`,
        );
    }
    // What the challenges need is looked for where the issuer's Secrets are.
    const missing = secretReferences(issuer?.spec.acme?.solvers).find(
        (reference) =>
            secrets.get(`${inCluster ? home : namespace}/${reference.name}`)?.data?.[reference.key] === undefined,
    );
    if (missing !== undefined) {
        return waits(
            "DoesNotExist",
            `Issuing certificate: the solver's Secret ${missing.name} has no key ${missing.key}`,
        );
    }
    const acme = issuer?.spec.acme;
    const proof = acme === undefined ? undefined : proven(view, certificate, acme.server, acme.solvers ?? []);
    if (proof?.unproven !== undefined && !secrets.has(`${namespace}/${secretName}`)) {
        return [...proof.actions, ...waits("DoesNotExist", proof.unproven)];
    }
    const own = pem("CERTIFICATE");
    const authority = authorityOf(issuer?.spec, own, (name) => secrets.get(`${inCluster ? home : namespace}/${name}`));
    const present = secrets.get(`${namespace}/${secretName}`);
    // Signed anew for another issuer; for another key of the same one it is not.
    const by = present?.metadata.annotations?.["cert-manager.io/issuer-name"];
    const another = by !== undefined && by !== issuerRef.name;
    const issued = certificate.status?.["notBefore"] !== undefined && present !== undefined && !another;
    const at = (days: number) => timestamp(view.now + days * DAY);
    return [
        ...challengesOf(view, certificate)
            .filter((challenge) => !isLeaving(challenge))
            .map(removal),
        ...(present !== undefined && !another
            ? []
            : [
                  ...(another
                      ? [
                            {
                                verb: "delete" as const,
                                path: objectPath(collections.secrets, { namespace, name: secretName }),
                            },
                        ]
                      : []),
                  newSecret(
                      { name: secretName, namespace },
                      "kubernetes.io/tls",
                      {
                          "tls.crt": own,
                          "tls.key": pem("PRIVATE KEY"),
                          ...(authority !== undefined && { "ca.crt": authority }),
                      },
                      {
                          "cert-manager.io/certificate-name": name,
                          "cert-manager.io/issuer-name": issuerRef.name,
                          "cert-manager.io/issuer-kind": issuerRef.kind ?? "Issuer",
                          "cert-manager.io/common-name": commonName ?? "",
                          "cert-manager.io/alt-names": dnsNames.join(","),
                      },
                  ),
              ]),
        ...statusOf(
            certificates,
            certificate,
            view.now,
            issued ? {} : { notBefore: at(0), notAfter: at(90), revision: 1 },
            [
                {
                    type: "Ready",
                    status: "True",
                    reason: "Ready",
                    message: "Certificate is up to date and has not expired",
                },
            ],
        ),
    ];
}

/** Whether every name is proven, as far as that is played: by DNS it is, over HTTP once its challenge is answered. */
function proven(
    view: View,
    certificate: Certificate,
    server: string,
    solvers: readonly Solver[],
): { readonly unproven?: string; readonly actions: readonly Action[] } {
    const { dnsNames = [], commonName, issuerRef } = certificate.spec;
    const names = [...new Set([...(commonName === undefined ? [] : [commonName]), ...dnsNames])];
    const present = challengesOf(view, certificate);
    const actions: Action[] = [];
    let unproven: string | undefined;
    for (const name of names) {
        const solver = solverOf(name.replace(/^\*\./, ""), solvers);
        if (solver?.dns01 !== undefined) continue;
        if (solver?.http01 === undefined || name.startsWith("*.")) {
            // The order fails for good: for a wildcard the authority offers the challenge by DNS alone.
            unproven = `The certificate request has failed to complete and will be retried: Failed to wait for order resource to become ready: no configured challenge solvers can be used for the challenge of ${name}`;
            continue;
        }
        const challenge = present.find(({ spec }) => spec.dnsName === name);
        if (challenge === undefined) actions.push(newChallenge(certificate, name, issuerRef, server, solver));
        if (challenge?.status?.["state"] !== "valid") unproven ??= "Issuing certificate as Secret does not exist";
    }
    return { actions, ...(unproven !== undefined && { unproven }) };
}

/** The authority's certificate, which cert-manager puts beside the one it issued where it knows it. */
function authorityOf(
    spec: IssuerSpec | undefined,
    own: string,
    secret: (name: string) => Secret | undefined,
): string | undefined {
    if (spec?.selfSigned !== undefined) return own;
    const signer = spec?.ca && secret(spec.ca.secretName)?.data?.["tls.crt"];
    return signer === undefined ? undefined : Buffer.from(signer, "base64").toString("utf8");
}

function newSecret(
    metadata: { name: string; namespace: string },
    type: string,
    data: Readonly<Record<string, string>>,
    annotations: Readonly<Record<string, string>> = {},
): Action {
    return {
        verb: "create",
        path: collectionIn(collections.secrets, metadata.namespace),
        body: {
            apiVersion: "v1",
            kind: "Secret",
            type,
            // It stays when the Certificate goes, as cert-manager leaves it.
            metadata: {
                ...metadata,
                annotations,
                labels: { "controller.cert-manager.io/fao": "true" },
            },
            stringData: data,
        },
    };
}

/** Looks like PEM and is nobody's key. */
function pem(kind: string): string {
    const lines =
        randomBytes(192)
            .toString("base64")
            .match(/.{1,64}/g) ?? [];
    return `-----BEGIN ${kind}-----\n${lines.join("\n")}\n-----END ${kind}-----\n`;
}
