import type { SopsReader } from "../components/secrets/sops";

/** What a stack takes from outside besides its configuration: files of the machine that runs it. */
export interface StackContext {
    /** Root of the project: paths of the configuration are seen from here. */
    readonly root: string;
    /** Opens the stack's secrets file. A plan gives placeholders instead. */
    readonly readSops: SopsReader;
}

/** What a stack says of itself, for tables and documents. Plain data, known without an engine. */
export interface StackSummary {
    readonly exposures: readonly import("../components/edge/edge").Exposure[];
    readonly volumes: readonly import("../components/storage/volumes").VolumeRow[];
    /** Bootstrap stages in order: title and the logical name of the component that ends it. */
    readonly stages: readonly { readonly title: string; readonly component: string }[];
}
