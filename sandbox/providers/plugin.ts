import type { DiffResult } from "./diff";
import type { Props } from "./values";

/** What every stand-in is given: never the process's own environment. */
export interface PluginOptions {
    /** What child processes and clients of cloud APIs see. */
    env: NodeJS.ProcessEnv;
    /** Path of the helm binary. */
    helm: string;
    /** Where child processes start, as the engine starts its plugins: the project's folder. */
    cwd?: string;
}

export type Severity = "debug" | "info" | "warning" | "error";

/** The engine's side of one connection. */
export interface Host {
    /** Writes to the engine's log; `status` lines are shown while the resource works and not kept. */
    log(severity: Severity, urn: string, message: string, status?: boolean): Promise<void>;
    /** Aborted when the engine cancels its operation. */
    signal: AbortSignal;
}

export interface CheckRequest {
    urn: string;
    /** The resource's logical name. */
    name: string;
    type: string;
    olds: Props;
    news: Props;
}

export interface CheckFailure {
    property?: string;
    reason: string;
}

export interface CheckResult {
    inputs: Props;
    failures?: CheckFailure[];
}

/** `olds` is the recorded state (outputs), `oldInputs` what the program said then, `news` what it says now. */
export interface DiffRequest {
    id: string;
    urn: string;
    type: string;
    olds: Props;
    oldInputs: Props;
    news: Props;
    ignoreChanges: string[];
}

export interface CreateRequest {
    urn: string;
    name: string;
    type: string;
    inputs: Props;
    /** Seconds from customTimeouts; 0 when none are set. */
    timeout: number;
    preview: boolean;
}

export interface UpdateRequest extends DiffRequest {
    timeout: number;
    preview: boolean;
}

export interface ReadRequest {
    id: string;
    urn: string;
    type: string;
    state: Props;
    inputs: Props;
}

export interface DeleteRequest {
    id: string;
    urn: string;
    type: string;
    state: Props;
    inputs: Props;
    timeout: number;
}

export interface Created {
    id: string;
    outputs: Props;
}

export interface Found extends Created {
    inputs: Props;
}

/** A configured provider: one for each provider resource of the program. */
export interface Session {
    check(request: CheckRequest): Promise<CheckResult>;
    diff(request: DiffRequest): Promise<DiffResult>;
    create(request: CreateRequest): Promise<Created>;
    /** The resource as it is now, or undefined when it is gone. */
    read(request: ReadRequest): Promise<Found | undefined>;
    update(request: UpdateRequest): Promise<Props>;
    delete(request: DeleteRequest): Promise<void>;
    invoke(token: string, args: Props): Promise<Props>;
    close?(): Promise<void>;
}

/** One provider: how its configuration is checked and compared, and how it becomes a session. */
export interface Plugin {
    checkConfig?(news: Props): CheckFailure[];
    diffConfig?(olds: Props, news: Props): DiffResult;
    /** `config` is what the engine knows of the provider's inputs, secrets revealed. */
    configure(config: Props, host: Host): Promise<Session>;
}

/**
 * The resource exists but is not what it should be yet. The engine keeps it in the state, with the reasons, and the next
 * update tries again instead of leaking it.
 */
export class InitError extends Error {
    constructor(
        message: string,
        readonly id: string,
        readonly outputs: Props,
        readonly reasons: string[] = [],
        readonly inputs?: Props,
    ) {
        super(message);
    }
}

/** The answer to a request for a resource type or function that the stand-in does not have. */
export function unsupported(what: string, token: string): Error {
    return new Error(
        `the sandbox's stand-in provider has no ${what} ${token}; ` +
            `run with the official plugin, or add it in sandbox/providers/`,
    );
}
