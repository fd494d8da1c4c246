/** External Secrets' side of Vault: what a store says, and what is asked by it. */
import type { View } from "../../controllers/controller";
import type { CustomResource } from "../../controllers/custom-resources";

export interface VaultProvider {
    readonly server: string;
    readonly path?: string;
    readonly version?: string;
    readonly caProvider?: {
        readonly type: string;
        readonly name: string;
        readonly key: string;
        readonly namespace?: string;
    };
    readonly auth?: {
        readonly kubernetes?: {
            readonly mountPath: string;
            readonly role: string;
            readonly serviceAccountRef?: {
                readonly name: string;
                readonly namespace?: string;
                readonly audiences?: readonly string[];
            };
        };
    };
}

export interface VaultReader {
    /** As the store's account; `fault` in the words of whoever refused. */
    login(view: View, store: CustomResource): { readonly token: string } | { readonly fault: string };
    read(
        view: View,
        store: CustomResource,
        ref: { readonly key: string; readonly property?: string },
    ): { readonly value: string } | { readonly fault: string };
}

/** A store's provider, when it is Vault. */
export function vaultOf({ spec }: CustomResource): VaultProvider | undefined {
    return (spec["provider"] as { readonly vault?: VaultProvider } | undefined)?.vault;
}

/** Why a ClusterSecretStore may not be used from a namespace; undefined when it may. */
export function deniedBy(store: CustomResource | undefined, namespace: string): string | undefined {
    const conditions = store?.spec["conditions"] as readonly { readonly namespaces?: readonly string[] }[] | undefined;
    return store === undefined ||
        conditions === undefined ||
        conditions.some(({ namespaces = [] }) => namespaces.includes(namespace))
        ? undefined
        : `using cluster store "${store.metadata.name}" is not allowed from namespace "${namespace}": denied by spec.condition`;
}
