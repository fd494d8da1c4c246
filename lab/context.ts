import type * as pulumi from "@pulumi/pulumi";
import type { Exposure } from "../components/edge/edge";
import type { Delivered, Recorded } from "../components/gitops/delivery";
import type { DnsRecordRow } from "../components/edge/names";
import type { StaticRoute } from "../components/network/cilium-pool";
import type { RouterPeering } from "../components/network/router";
import type { SecretRef } from "../components/secrets/secret-store";
import type { SopsReader } from "../components/secrets/sops";
import type { VolumeRow } from "../components/storage/volumes";

/** What a stack takes from outside besides its configuration: files of the machine that runs it. */
export interface StackContext {
    /** Root of the project: paths of the configuration are seen from here. */
    readonly root: string;
    /** Opens the stack's secrets file. A plan gives placeholders instead. */
    readonly readSops: SopsReader;
    /** Variables in which a person may hand over values of secrets files; absent in a plan, which asks for none. */
    readonly environment?: Readonly<Record<string, string | undefined>>;
    /** Where the last `up` left each app; absent: nothing is there yet. */
    readonly delivered?: Delivered;
    /** UID of the cluster that the last `up` built; absent: nothing is there yet. */
    readonly cluster?: string;
    /** True in a plan: objects that Git has are shown too. */
    readonly showsGit?: boolean;
}

/** What a stack's program says of itself, for tables and documents. */
export interface StackSummary {
    /** Of the cluster, secret. */
    readonly kubeconfig: pulumi.Output<string>;
    /** See `Cluster`. */
    readonly generation?: pulumi.Output<string>;
    readonly exposures: readonly Exposure[];
    readonly volumes: readonly VolumeRow[];
    /** Records that a controller in the cluster keeps; those that this program makes itself need no mention. */
    readonly dns?: readonly DnsRecordRow[];
    /** Records that a person must set in the LAN's resolver. */
    readonly resolver?: readonly DnsRecordRow[];
    /** Routes that a person must set on the LAN's router. */
    readonly routes?: readonly StaticRoute[];
    /** What a person should know of the cluster and no table shows, a sentence each. */
    readonly notes?: readonly string[];
    /** BGP neighbours that a person must set on the LAN's router. */
    readonly peering?: RouterPeering;
    /** Hosts that Let's Encrypt asks on this port from the internet, and where the router must lead it. */
    readonly challenges?: { readonly address: string; readonly port: number; readonly hosts: readonly string[] };
    /** Who delivers each app, for the next `up`. */
    readonly delivery: Readonly<Record<string, pulumi.Output<Recorded>>>;
    /** Stages of the bootstrap in the order of their making. */
    readonly stages: readonly pulumi.Output<Stage>[];
}

/** A bootstrap stage: its title and the logical name of the component that it consists of. */
export interface Stage {
    readonly title: string;
    readonly component: string;
}

/** The secrets file of a stack and the values it must hold, by dotted path. */
export interface SecretsFile {
    /** Seen from the project's root. */
    readonly path: string;
    readonly refs: readonly string[];
    /** How values are written, where something decodes them: keys and certificates are base64. */
    readonly encoding?: "base64";
    /** Variables of the environment that take the place of a value, by its path: what is exported need not be in the file. */
    readonly environment?: Readonly<Record<SecretRef, string>>;
}

/** The cloud accounts a stack speaks to, as far as its configuration names them. Credentials are places in its secrets files. */
export interface CloudAccounts {
    readonly cloudflare?: {
        readonly accountId: string;
        readonly zoneId: string;
        readonly domain: string;
        readonly apiToken: SecretRef;
    };
    readonly tailscale?: {
        readonly tailnet: string;
        readonly clientId: SecretRef;
        readonly clientSecret: SecretRef;
        /** Tags that a person gives an owner in the policy file; absent: the stack does. */
        readonly ownTags?: readonly string[];
    };
    readonly bitwarden?: {
        readonly organizationId: string;
        readonly projectId: string;
        readonly apiUrl: string;
        readonly identityUrl: string;
        readonly accessToken: SecretRef;
        /** Every value that the stack asks of the project. */
        readonly keys: readonly SecretRef[];
    };
    /** Vault in the cluster itself: how many servers, and the properties that must be there by path. */
    readonly vault?: { readonly replicas: number; readonly wanted: Readonly<Record<string, readonly string[]>> };
    readonly doppler?: { readonly project: string; readonly config: string; readonly serviceToken: SecretRef };
}

/** Where the age key is that the cluster gets. */
export interface AgeKeyPlace {
    /** On the machine itself, or on this computer. */
    readonly from: "node" | "file";
    readonly path: string;
}
