/** The server between External Secrets and Bitwarden: whether it is reached, by a certificate that the store trusts. */
import { collections, type View } from "../../controllers/controller";
import type { CustomResource } from "../../controllers/custom-resources";
import { type Deployment, isRolledOut, keyOf, type Secret, selects, type Service } from "../../controllers/objects";

export interface BitwardenProvider {
    readonly bitwardenServerSDKURL?: string;
    readonly organizationID: string;
    readonly projectID: string;
    readonly caBundle?: string;
    readonly caProvider?: SecretKey & { readonly type: string };
    readonly auth: { readonly secretRef: { readonly credentials: SecretKey } };
}

interface SecretKey {
    readonly namespace?: string;
    readonly name: string;
    readonly key: string;
}

/** A store's provider, when it is Bitwarden. */
export function bitwardenOf({ spec }: CustomResource): BitwardenProvider | undefined {
    return (spec["provider"] as { readonly bitwardensecretsmanager?: BitwardenProvider } | undefined)
        ?.bitwardensecretsmanager;
}

/** Text of a key of a Secret; undefined when it is not there, or empty. */
export function secretText(
    secrets: ReadonlyMap<string, Secret>,
    { namespace = "", name, key }: SecretKey,
): string | undefined {
    const encoded = secrets.get(`${namespace}/${name}`)?.data?.[key] ?? "";
    return encoded === "" ? undefined : Buffer.from(encoded, "base64").toString("utf8");
}

/** Why External Secrets cannot speak to the server, in the words of Go's HTTP client; undefined when it can. */
export function serverFault(
    view: View,
    provider: BitwardenProvider,
    secrets: ReadonlyMap<string, Secret>,
): string | undefined {
    const { protocol, hostname, port } = new URL(provider.bitwardenServerSDKURL ?? "");
    const [name = "", namespace = ""] = hostname.split(".");
    const service = view.list<Service>(collections.services).find((one) => keyOf(one) === `${namespace}/${name}`);
    if (service === undefined) return `dial tcp: lookup ${hostname}: no such host`;
    const number = Number(port === "" ? (protocol === "https:" ? "443" : "80") : port);
    const matchLabels = service.spec.selector ?? {};
    const deployment = view
        .list<Deployment>(collections.deployments)
        .find(
            (one) =>
                one.metadata.namespace === namespace &&
                selects({ matchLabels }, one.spec.template.metadata?.labels ?? {}),
        );
    const listens = (service.spec.ports ?? []).some((one) => one.port === number);
    if (!listens || deployment === undefined || !isRolledOut(deployment)) {
        return `dial tcp ${hostname}:${number}: connect: connection refused`;
    }
    const mounted = (deployment.spec.template.spec?.volumes ?? []).flatMap(({ secret }) =>
        secret === undefined ? [] : [secrets.get(`${namespace}/${secret.secretName}`)],
    );
    const certificate = mounted.find((secret) => secret?.data?.["tls.crt"] !== undefined);
    // A pod whose Secret is missing does not start, whatever kwok says of it.
    if (certificate === undefined) return `dial tcp ${hostname}:${number}: connect: connection refused`;
    if (protocol !== "https:") return "malformed HTTP response: server gave HTTPS response to HTTP client";
    const names = (certificate.metadata.annotations?.["cert-manager.io/alt-names"] ?? "").split(",");
    if (!names.includes(hostname)) {
        return `tls: failed to verify certificate: x509: certificate is valid for ${names.join(", ")}, not ${hostname}`;
    }
    const signer = Buffer.from(certificate.data?.["ca.crt"] ?? "", "base64").toString("utf8");
    const trusted =
        provider.caProvider === undefined
            ? Buffer.from(provider.caBundle ?? "", "base64").toString("utf8")
            : secretText(secrets, provider.caProvider);
    return signer !== "" && trusted === signer
        ? undefined
        : "tls: failed to verify certificate: x509: certificate signed by unknown authority";
}
