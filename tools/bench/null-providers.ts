/**
 * Providers that make nothing: every resource is accepted as it stands after a wait from a table. What is left of an
 * `up` is the engine and the program, so programs can be compared without the noise of what they build.
 * Functions that look at the machine are answered by the sandbox's own `command` stand-in.
 */
import type { ProviderName } from "../../sandbox/providers";
import { commandPlugin } from "../../sandbox/providers/command";
import type { Plugin, Session } from "../../sandbox/providers/plugin";
import { Processes } from "../../sandbox/providers/process";
import { serve } from "../../sandbox/providers/server";
import { isObject, secret, text, UNKNOWN, type Json, type Props } from "../../sandbox/providers/values";

/** One resource being made, in milliseconds of `performance.now()`. */
export interface Making {
    readonly urn: string;
    readonly start: number;
    readonly end: number;
}

export interface NullProviders {
    /** By plugin name. */
    readonly ports: Readonly<Record<string, number>>;
    /** What was made since the last `reset`, in the order in which it was finished. */
    readonly made: readonly Making[];
    /** Begins a run: forgets what was made and sets the waits. */
    reset(waitSeconds?: (type: string) => number): void;
    stop(): Promise<void>;
}

/** Outputs that only the provider knows, by type; unknown in a preview. */
const COMPUTED: Readonly<Record<string, (name: string) => Props>> = {
    // Texts differ by resource: whoever finds one elsewhere knows where it came from.
    "command:local:Command": (name) => ({ stdout: `printed by ${name}`, stderr: "" }),
    "random:index/randomPassword:RandomPassword": (name) => ({ result: secret(`password ${name}`) }),
    "tailscale:index/tailnetKey:TailnetKey": (name) => ({ key: secret(`key ${name}`) }),
};

const FUNCTIONS: Readonly<Record<string, Props>> = {
    "cloudflare:index/getZeroTrustTunnelCloudflaredToken:getZeroTrustTunnelCloudflaredToken": {
        token: "token-of-nobody",
    },
};

const LOOK_AT_MACHINE = "command:local:run";

export async function startNullProviders(
    versions: Readonly<Record<ProviderName, string>>,
    env: NodeJS.ProcessEnv,
): Promise<NullProviders> {
    const processes = new Processes();
    const commands = commandPlugin({ env, helm: "" }, processes);
    const made: Making[] = [];
    let waitSeconds: (type: string) => number = () => 0;

    const plugin: Plugin = {
        configure: async (config, host) => {
            const command = await commands.configure(config, host);
            const session: Session = {
                check: ({ news }) => Promise.resolve({ inputs: news }),
                diff: () => Promise.resolve({ changes: {} }),
                create: async ({ urn, type, name, inputs, preview }) => {
                    if (preview) return { id: "", outputs: { ...inputs, ...computed(type, name, inputs, true) } };
                    const start = performance.now();
                    await pause(waitSeconds(type) * 1000, host.signal);
                    made.push({ urn, start, end: performance.now() });
                    return { id: idOf(name, inputs), outputs: { ...inputs, ...computed(type, name, inputs, false) } };
                },
                read: ({ id, state, inputs }) => Promise.resolve({ id, outputs: state, inputs }),
                update: ({ news }) => Promise.resolve(news),
                delete: () => Promise.resolve(),
                invoke: (token, args) => {
                    if (token === LOOK_AT_MACHINE) return command.invoke(token, args);
                    const answer = FUNCTIONS[token];
                    return answer === undefined
                        ? Promise.reject(
                              new Error(`add the function ${token} to tools/bench/null-providers.ts, with an answer`),
                          )
                        : Promise.resolve({ ...args, ...answer });
                },
            };
            return session;
        },
    };

    const names = Object.keys(versions) as ProviderName[];
    const running = await Promise.all(
        names.map(async (name) => [name, await serve(plugin, versions[name], () => undefined)] as const),
    );
    return {
        ports: Object.fromEntries(running.map(([name, { port }]) => [name, port])),
        made,
        reset: (waits = () => 0) => {
            made.length = 0;
            waitSeconds = waits;
        },
        stop: async () => {
            processes.stop();
            await Promise.all(running.map(([, server]) => server.stop()));
        },
    };
}

function computed(type: string, name: string, inputs: Props, preview: boolean): Props {
    // A release says where it is even before it is.
    if (type === "kubernetes:helm.sh/v3:Release") return { status: { namespace: inputs["namespace"] ?? "default" } };
    const outputs = COMPUTED[type]?.(name) ?? {};
    return preview ? Object.fromEntries(Object.keys(outputs).map((key): [string, Json] => [key, UNKNOWN])) : outputs;
}

function idOf(name: string, inputs: Props): string {
    const metadata = inputs["metadata"];
    if (!isObject(metadata)) return `${name}-of-nobody`;
    return [text(metadata, "namespace"), text(metadata, "name") ?? name].filter(Boolean).join("/");
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (milliseconds === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
        const stop = () => {
            clearTimeout(timer);
            reject(new Error("cancelled"));
        };
        const timer = setTimeout(() => {
            signal.removeEventListener("abort", stop);
            resolve();
        }, milliseconds);
        signal.addEventListener("abort", stop, { once: true });
    });
}
