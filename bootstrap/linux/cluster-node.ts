/** A Linux machine's node as the API server knows it: emptied before a change, labelled and tainted; and its files. */
import { shellQuote } from "../../components/cluster/shell";
import { REMOTE_PRELUDE } from "../ssh";
import type { LinuxMachine, Surroundings } from "./machine";

/** On a node that this program has cordoned, so that the next run takes it back and a person's own cordon stays. */
export const CORDON_MARK = "homelab-infrastructure/cordoned";
/** Labels and taints that this program has put on a node, so that those it no longer wants go. */
export const LABELS_MARK = "homelab-infrastructure/labels";
export const TAINTS_MARK = "homelab-infrastructure/taints";

/** kubectl on a machine of the cluster. */
export class NodeApi {
    constructor(
        readonly server: LinuxMachine,
        /** Shell: kubectl as an administrator there, e.g. `/usr/local/bin/k3s kubectl`. */
        readonly program: string,
    ) {}

    /** Throws a `SshFault` with what kubectl said. */
    async kubectl(words: readonly string[], { minutes = 1 }: { readonly minutes?: number } = {}): Promise<string> {
        const line = words.map(shellQuote).join(" ");
        return this.server.shell(`${REMOTE_PRELUDE}exec $SUDO ${this.program} ${line} < /dev/null\n`, { minutes });
    }

    async node(name: string): Promise<ApiNode | undefined> {
        const said = await this.kubectl(["get", "node", name, "--ignore-not-found", "--output=json"]);
        return said.trim() === "" ? undefined : (JSON.parse(said) as ApiNode);
    }
}

interface ApiTaint {
    readonly key: string;
    readonly value?: string;
    readonly effect: string;
}

export interface ApiNode {
    readonly metadata: {
        readonly labels?: Readonly<Record<string, string>>;
        readonly annotations?: Readonly<Record<string, string>>;
    };
    readonly spec?: {
        readonly unschedulable?: boolean;
        readonly taints?: readonly ApiTaint[];
    };
    readonly status?: {
        readonly nodeInfo?: { readonly kubeletVersion?: string };
        readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    };
}

export const isReady = (node: ApiNode | undefined): boolean =>
    (node?.status?.conditions ?? []).some(({ type, status }) => type === "Ready" && status === "True");

/**
 * Cordons, and with `evict` drains. A node that is not Ready keeps its pods: they cannot end while nobody runs them. Throws
 * where it cannot be emptied within `minutes`; it takes work again then.
 */
export async function drained(
    around: Surroundings,
    api: NodeApi,
    name: string,
    before: ApiNode,
    { minutes, evict }: { readonly minutes: number; readonly evict: boolean },
): Promise<void> {
    const own = before.spec?.unschedulable !== true || before.metadata.annotations?.[CORDON_MARK] !== undefined;
    if (before.spec?.unschedulable !== true) {
        // The mark first: a run that is killed between the two has marked a node that it did not cordon, which harms nobody.
        await api.kubectl(["annotate", "node", name, `${CORDON_MARK}=yes`, "--overwrite"]);
        await api.kubectl(["cordon", name]);
    }
    if (!evict) return;
    if (!isReady(before)) {
        around.say(`${name}: not Ready, so it is not drained`);
        return;
    }
    try {
        await api.kubectl(
            // By evictions, which every PodDisruptionBudget is asked for.
            ["drain", name, "--ignore-daemonsets", "--delete-emptydir-data", `--timeout=${minutes * 60}s`],
            { minutes: minutes + 1 },
        );
        around.say(`${name}: drained`);
    } catch (error) {
        // Nothing has been changed on it: it takes work again, and no capacity is missing until somebody looks.
        if (own) await uncordon(api, name);
        throw new Error(
            `${name} could not be drained within ${minutes} minutes, so it was left as it was${own ? " and takes work again" : ""}: ${error instanceof Error ? error.message : String(error)}\n` +
                `A PodDisruptionBudget that allows nothing holds it:  kubectl get pdb -A  ; for Longhorn a volume must have its replica elsewhere, or its app be stopped. Then run pulumi up again.`,
        );
    }
}

async function uncordon(api: NodeApi, name: string): Promise<void> {
    await api.kubectl(["uncordon", name]);
    await api.kubectl(["annotate", "node", name, `${CORDON_MARK}-`]);
}

/** Where this program has cordoned the node; a person's own cordon stays. */
export async function uncordonOwn(
    { say }: Surroundings,
    api: NodeApi,
    name: string,
    { metadata }: ApiNode,
): Promise<void> {
    if (metadata.annotations?.[CORDON_MARK] === undefined) return;
    await uncordon(api, name);
    say(`${name}: takes work again`);
}

/** `wanted`: `<key>=<value>` each. Those that this program has put on the node before and that are not wanted go. */
export async function setLabels(
    api: NodeApi,
    name: string,
    { metadata }: ApiNode,
    wanted: readonly string[],
): Promise<void> {
    const key = (one: string) => one.split("=")[0] ?? one;
    const known = words(metadata.annotations?.[LABELS_MARK]);
    const gone = known.filter(
        (one) => !wanted.some((label) => key(label) === one) && metadata.labels?.[one] !== undefined,
    );
    const missing = wanted.filter((one) => metadata.labels?.[key(one)] !== one.slice(key(one).length + 1));
    if (missing.length + gone.length > 0) {
        await api.kubectl(["label", "node", name, ...missing, ...gone.map((one) => `${one}-`), "--overwrite"]);
    }
    await note(api, name, metadata.annotations?.[LABELS_MARK], LABELS_MARK, wanted.map(key));
}

/** As kubectl writes it. */
export const taintText = ({ key, value = "", effect }: ApiTaint): string =>
    `${key}${value === "" ? "" : `=${value}`}:${effect}`;

/** `wanted`: `<key>=<value>:<effect>` each, or without `=<value>`. */
export async function setTaints(
    api: NodeApi,
    name: string,
    { metadata, spec }: ApiNode,
    wanted: readonly string[],
): Promise<void> {
    // A key with its effect is one taint.
    const id = (one: string) => {
        const [, key = "", effect = ""] = /^([^=:]+)(?:=[^:]*)?:(.*)$/.exec(one) ?? [];
        return `${key}:${effect}`;
    };
    const there = (spec?.taints ?? []).map(taintText);
    const known = words(metadata.annotations?.[TAINTS_MARK]);
    const gone = known.filter(
        (one) => !wanted.some((taint) => id(taint) === one) && there.some((taint) => id(taint) === one),
    );
    const missing = wanted.filter((one) => !there.includes(one));
    if (missing.length + gone.length > 0) {
        await api.kubectl(["taint", "node", name, ...missing, ...gone.map((one) => `${one}-`), "--overwrite"]);
    }
    await note(api, name, metadata.annotations?.[TAINTS_MARK], TAINTS_MARK, wanted.map(id));
}

const words = (said: string | undefined): string[] => (said ?? "").split(" ").filter((word) => word !== "");

async function note(
    api: NodeApi,
    name: string,
    said: string | undefined,
    mark: string,
    keys: readonly string[],
): Promise<void> {
    const wanted = [...keys].sort().join(" ");
    if ((said ?? "") === wanted) return;
    await api.kubectl(["annotate", "node", name, wanted === "" ? `${mark}-` : `${mark}=${wanted}`, "--overwrite"]);
}

export interface FileWish {
    readonly path: string;
    /** Undefined: the file must not be there. */
    readonly content: string | undefined;
    readonly mode: string;
}

/** Each file whole or as it was; the contents come with the script, by standard input, and are on no command line. */
export function filesScript(directories: readonly string[], wishes: readonly FileWish[]): string {
    return [
        REMOTE_PRELUDE.trimEnd(),
        "umask 077",
        `$SUDO install -d -m 0755 ${directories.join(" ")}`,
        ...wishes.map(({ path, content, mode }) =>
            content === undefined
                ? `$SUDO rm -f ${path}`
                : // printf is the shell's own: no process has the text among its arguments.
                  `printf '%s' ${Buffer.from(content).toString("base64")} | base64 -d | $SUDO install -m ${mode} /dev/stdin ${path}.next && $SUDO mv -f ${path}.next ${path}`,
        ),
        "",
    ].join("\n");
}
