import type { Exposure } from "../components/edge/edge";
import type { SopsReader } from "../components/secrets/sops";
import type { VolumeRow } from "../components/storage/volumes";

/** What a stack takes from outside besides its configuration: files of the machine that runs it. */
export interface StackContext {
    /** Root of the project: paths of the configuration are seen from here. */
    readonly root: string;
    /** Opens the stack's secrets file. A plan gives placeholders instead. */
    readonly readSops: SopsReader;
}

/** What a stack's program says of itself, for tables and documents. */
export interface StackSummary {
    readonly exposures: readonly Exposure[];
    readonly volumes: readonly VolumeRow[];
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
}

/** The cloud accounts a stack speaks to, as far as its configuration names them. */
export interface CloudAccounts {
    readonly cloudflare?: { readonly accountId: string; readonly zoneId: string; readonly domain: string };
    readonly tailscale?: { readonly tailnet: string };
}
