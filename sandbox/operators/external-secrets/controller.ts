/**
 * External Secrets: a store is ready when its credentials are there. What Bitwarden has and whom it lets in is known; of other
 * stores every key that is asked has a made-up value.
 */
import { type BitwardenAccount, refusal } from "../../clouds/bitwarden";
import { bitwardenOf, secretText, serverFault } from "./bitwarden-sdk-server";
import { type Action, collections, type Controller, resources, type View, warning } from "../../controllers/controller";
import {
    type CustomResource,
    ensure,
    isLeaving,
    isTrue,
    labelled,
    ownedBy,
    running,
    secretReferences,
    statusOf,
} from "../../controllers/custom-resources";
import { keyOf, type KubeObject, type Secret } from "../../controllers/objects";
import { deniedBy, vaultOf, type VaultReader } from "../vault/reader";

interface RemoteRef {
    readonly key: string;
    readonly property?: string;
}

interface ExternalSecretSpec {
    readonly secretStoreRef?: { readonly name: string; readonly kind?: string };
    readonly target?: {
        readonly name?: string;
        readonly creationPolicy?: string;
        readonly template?: {
            readonly type?: string;
            readonly mergePolicy?: string;
            readonly data?: Readonly<Record<string, string>>;
            readonly metadata?: {
                readonly labels?: Record<string, string>;
                readonly annotations?: Record<string, string>;
            };
        };
    };
    readonly data?: readonly { readonly secretKey: string; readonly remoteRef: RemoteRef }[];
    readonly dataFrom?: readonly { readonly extract?: { readonly key: string } }[];
}

type ExternalSecret = CustomResource<ExternalSecretSpec>;

const stores = resources("external-secrets.io", "v1", "secretstores");
const clusterStores = resources("external-secrets.io", "v1", "clustersecretstores");
const externalSecrets = resources("external-secrets.io", "v1", "externalsecrets");

export const externalSecretsOperator = (bitwarden?: BitwardenAccount, vault?: VaultReader): Controller => ({
    name: "external-secrets",
    lists: [collections.deployments, collections.services, collections.secrets, stores, clusterStores, externalSecrets],
    reconcile(view) {
        if (running(view, labelled({ "app.kubernetes.io/name": "external-secrets" })) === undefined) return [];
        const secrets = new Map(view.list<Secret>(collections.secrets).map((secret) => [keyOf(secret), secret]));
        return [
            ...[stores, clusterStores].flatMap((list) =>
                view.list<CustomResource>(list).flatMap((store) => storeActions(view, list, store, secrets, vault)),
            ),
            ...view
                .list<ExternalSecret>(externalSecrets)
                .filter((one) => !isLeaving(one))
                .flatMap((one) => secretActions(view, one, secrets, { bitwarden, vault })),
        ];
    },
});

function storeActions(
    view: View,
    list: string,
    store: CustomResource,
    secrets: ReadonlyMap<string, Secret>,
    vault: VaultReader | undefined,
): Action[] {
    const { now } = view;
    const refusedByVault = vaultOf(store) === undefined ? undefined : vaultFault(vault?.login(view, store));
    if (refusedByVault !== undefined) {
        return statusOf(list, store, now, {}, [
            {
                type: "Ready",
                status: "False",
                reason: "InvalidProviderConfig",
                message: `unable to create client: ${refusedByVault}`,
            },
        ]);
    }
    const missing = secretReferences(store.spec["provider"]).find(
        ({ name, key, namespace = store.metadata.namespace ?? "" }) =>
            secretText(secrets, { namespace, name, key }) === undefined,
    );
    return missing === undefined
        ? statusOf(list, store, now, { capabilities: "ReadWrite" }, [
              { type: "Ready", status: "True", reason: "Valid", message: "store validated" },
          ])
        : statusOf(list, store, now, {}, [
              {
                  type: "Ready",
                  status: "False",
                  reason: "InvalidProviderConfig",
                  message: `cannot get Kubernetes secret "${missing.name}": key ${missing.key} not found`,
              },
          ]);
}

/** Why Vault lets nobody in; undefined where it does. */
const vaultFault = (told: { readonly token: string } | { readonly fault: string } | undefined): string | undefined =>
    told === undefined ? "there is no Vault" : "fault" in told ? told.fault : undefined;

interface Providers {
    readonly bitwarden: BitwardenAccount | undefined;
    readonly vault: VaultReader | undefined;
}

function secretActions(
    view: View,
    one: ExternalSecret,
    secrets: ReadonlyMap<string, Secret>,
    { bitwarden, vault }: Providers,
): Action[] {
    const { namespace = "", name } = one.metadata;
    const { secretStoreRef: reference, target = {} } = one.spec;
    const inCluster = reference?.kind === "ClusterSecretStore";
    const store = view
        .list<CustomResource>(inCluster ? clusterStores : stores)
        .find(
            ({ metadata }) =>
                metadata.name === reference?.name && (inCluster || metadata.namespace === one.metadata.namespace),
        );
    if (!isTrue(store, "Ready")) {
        return statusOf(externalSecrets, one, view.now, {}, [
            {
                type: "Ready",
                status: "False",
                reason: "SecretSyncedError",
                message: `could not get secret data from provider: store ${reference?.name ?? ""} is not ready`,
            },
        ]);
    }
    const fetched = new Map<string, string>();
    const fault =
        (inCluster ? deniedBy(store, namespace) : undefined) ??
        (store !== undefined && vaultOf(store) !== undefined
            ? readVault(view, one, store, vault, fetched)
            : refused(view, one, store, secrets, bitwarden));
    if (fault !== undefined) {
        const { uid } = one.metadata;
        const involved = { kind: "ExternalSecret", namespace, name, ...(uid !== undefined && { uid }) };
        return [
            warning(involved, "UpdateFailed", fault, "external-secrets", view.now),
            ...statusOf(externalSecrets, one, view.now, {}, [
                {
                    type: "Ready",
                    status: "False",
                    reason: "SecretSyncedError",
                    message: "could not get secret data from provider",
                },
            ]),
        ];
    }
    const { creationPolicy = "Owner", template } = target;
    const metadata = {
        name: target.name ?? name,
        namespace,
        labels: { "reconcile.external-secrets.io/managed": "true", ...template?.metadata?.labels },
        ...(template?.metadata?.annotations !== undefined && { annotations: template.metadata.annotations }),
        ...(creationPolicy === "Owner" && {
            ownerReferences: ownedBy(one, "external-secrets.io/v1", "ExternalSecret"),
        }),
    };
    const encoded = Object.fromEntries(
        Object.entries(contents(one.spec, fetched)).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
    );
    const secret: KubeObject & { data: object; type?: string } = {
        apiVersion: "v1",
        kind: "Secret",
        metadata,
        data: encoded,
        ...(template?.type !== undefined && { type: template.type }),
    };
    const changes =
        creationPolicy === "None"
            ? []
            : ensure(collections.secrets, withoutKind(secrets.get(`${namespace}/${metadata.name}`)), secret);
    return [
        ...changes,
        ...statusOf(
            externalSecrets,
            one,
            view.now,
            {
                binding: { name: metadata.name },
            },
            [{ type: "Ready", status: "True", reason: "SecretSynced", message: "secret synced" }],
        ),
    ];
}

/** Fetches each value into `fetched`; says why the first that cannot be had cannot. */
function readVault(
    view: View,
    { spec }: ExternalSecret,
    store: CustomResource,
    vault: VaultReader | undefined,
    fetched: Map<string, string>,
): string | undefined {
    for (const [place, { secretKey, remoteRef }] of (spec.data ?? []).entries()) {
        const told = vault?.read(view, store, remoteRef) ?? { fault: "there is no Vault" };
        if ("fault" in told) return `error processing spec.data[${place}] (key: ${remoteRef.key}), err: ${told.fault}`;
        fetched.set(secretKey, told.value);
    }
    return undefined;
}

/** What the provider says when one of the values cannot be had. */
function refused(
    view: View,
    { spec }: ExternalSecret,
    store: CustomResource | undefined,
    secrets: ReadonlyMap<string, Secret>,
    account: BitwardenAccount | undefined,
): string | undefined {
    const provider = store && bitwardenOf(store);
    if (provider === undefined) return undefined;
    const { organizationID: organizationId, projectID: projectId, auth } = provider;
    const { credentials } = auth.secretRef;
    const accessToken = secretText(secrets, { namespace: store?.metadata.namespace ?? "", ...credentials }) ?? "";
    const unreachable = serverFault(view, provider, secrets);
    return (spec.data ?? [])
        .map(({ remoteRef: { key } }, place) => {
            const why =
                unreachable === undefined
                    ? refusal(account, { accessToken, organizationId, projectId, key })
                    : `failed to get secret: failed to get all secrets: failed to list secrets: failed to do request: ${unreachable}`;
            return why && `error processing spec.data[${place}] (key: ${key}), err: ${why}`;
        })
        .find((fault) => fault !== undefined);
}

/** Items of a list say neither kind nor version. */
function withoutKind(secret: Secret | undefined): KubeObject | undefined {
    return secret === undefined ? undefined : { apiVersion: "v1", kind: "Secret", ...secret };
}

/** The Secret's text by key. A value is made of its name in the store, so that it is the same after a rebuild. */
export function contents(
    { data = [], dataFrom = [], target }: ExternalSecretSpec,
    known: ReadonlyMap<string, string> = new Map(),
): Record<string, string> {
    const fetched = Object.fromEntries([
        ...dataFrom.flatMap(({ extract }) => (extract === undefined ? [] : [[extract.key, madeUp(extract.key)]])),
        ...data.map(({ secretKey, remoteRef }) => [secretKey, known.get(secretKey) ?? madeUp(remoteRef.key)]),
    ]) as Record<string, string>;
    const template = target?.template;
    if (template?.data === undefined) return fetched;
    const rendered = Object.fromEntries(
        Object.entries(template.data).map(([key, text]) => [
            key,
            text.replace(/\{\{-?\s*\.(\w+)[^}]*\}\}/g, (_, name: string) => fetched[name] ?? madeUp(name)),
        ]),
    );
    return template.mergePolicy === "Merge" ? { ...fetched, ...rendered } : rendered;
}

function madeUp(key: string): string {
    return `sandbox-${key.toLowerCase().replaceAll("_", "-")}`;
}
