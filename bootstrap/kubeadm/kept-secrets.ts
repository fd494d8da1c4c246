/**
 * Secrets that outlive the cluster. etcd goes with the last control plane, so each control plane that is reset takes a copy
 * first, in a file that only root reads; the one that founds the next cluster puts the newest back. They pass through this
 * process, by standard input and output of ssh, and are on no command line, in no log and in no state.
 */
import { z } from "zod";
import { OUTLIVES_CLUSTER, OUTLIVES_NAMESPACE } from "../../components/cluster/outlives";
import { filesScript, type FileWish, type NodeApi } from "../linux/cluster-node";
import type { LinuxMachine, Surroundings } from "../linux/machine";
import { REMOTE_PRELUDE } from "../ssh";
import { PATHS } from "./cluster-config";

/** Without what only the old API server knew: uid, versions, managers. */
const Secret = z.object({
    metadata: z.object({
        name: z.string(),
        labels: z.record(z.string(), z.string()).optional(),
        annotations: z.record(z.string(), z.string()).optional(),
    }),
    type: z.string().optional(),
    immutable: z.boolean().optional(),
    data: z.record(z.string(), z.string()).optional(),
});

/** A file without Secrets says that there were none, so that no older one counts. */
const Kept = z.object({ time: z.iso.datetime(), secrets: z.array(Secret) });
export type Kept = z.infer<typeof Kept>;

const SELECTOR = `${OUTLIVES_CLUSTER.key}=${OUTLIVES_CLUSTER.value}`;
const DIRECTORY = PATHS.kept.replace(/\/[^/]*$/, "");

/** Of another stack that had the machine before, a file stays as it is. */
const pathOf = (stack: string): string => `${PATHS.kept}${stack}.json`;

/** For a machine that is in a cluster, which has them: the copy would only grow old. */
export const noKept = (stack: string): FileWish => ({ path: pathOf(stack), content: undefined, mode: "0600" });

/** A parser's own words would have parts of the text in them. */
function read<T>(schema: z.ZodType<T>, text: string): T | undefined {
    try {
        return schema.safeParse(JSON.parse(text)).data;
    } catch {
        return undefined;
    }
}

/** The copy on a machine. */
async function keptOn(own: LinuxMachine, stack: string): Promise<Kept | undefined> {
    const path = pathOf(stack);
    const text = await own.shell(`${REMOTE_PRELUDE}if $SUDO test -e ${path}; then exec $SUDO cat ${path}; fi\n`);
    if (text.trim() === "") return undefined;
    const kept = read(Kept, text);
    if (kept === undefined) {
        throw new Error(
            `${own.title}: ${path} cannot be read as Secrets of the cluster before; nothing was founded. Put a whole copy there, or move it away and go on without what is in it`,
        );
    }
    return kept;
}

/**
 * `api`: any that answers; undefined: none does, for `reasons`. Throws, before anything is taken away, where one answers and
 * does not tell them.
 */
export async function keepSecrets(
    around: Surroundings,
    own: LinuxMachine,
    stack: string,
    { api, reasons }: { readonly api?: NodeApi; readonly reasons: readonly string[] },
): Promise<void> {
    if (api === undefined) {
        const before = await keptOn(own, stack);
        around.say(
            before === undefined
                ? `${own.name}: WARNING: no API server answers, so Secrets of ${OUTLIVES_NAMESPACE} with the label ${SELECTOR} cannot be kept for the next cluster: what opens Ceph's disks is lost with etcd, but for what is put aside here (${reasons.join("; ")})`
                : `${own.name}: no API server answers; Secrets for the next cluster are those that were kept at ${before.time}`,
        );
        return;
    }
    const said = await api
        .kubectl([
            `--namespace=${OUTLIVES_NAMESPACE}`,
            ...["get", "secrets", `--selector=${SELECTOR}`, "--output=json"],
        ])
        .catch((error: unknown) => {
            throw new Error(
                `${own.title} is left as it is, for Secrets that the next cluster needs cannot be read: ${error instanceof Error ? error.message : String(error)}`,
            );
        });
    const secrets = read(z.object({ items: z.array(Secret) }), said)?.items;
    if (secrets === undefined) {
        throw new Error(`${own.title} is left as it is: what the API server says of Secrets is no list of them`);
    }
    const kept: Kept = { time: new Date(around.now()).toISOString(), secrets };
    await own.shell(
        filesScript([DIRECTORY], [{ path: pathOf(stack), content: `${JSON.stringify(kept)}\n`, mode: "0600" }]),
    );
    if (secrets.length > 0) around.say(`${own.name}: keeps ${namesOf(kept)} for the next cluster`);
}

const namesOf = ({ secrets }: Kept): string =>
    secrets.map(({ metadata }) => `Secret ${OUTLIVES_NAMESPACE}/${metadata.name}`).join(", ");

/** The newest of all control planes; undefined where there is nothing to put back. Throws where one cannot be asked. */
export async function newestKept(machines: readonly LinuxMachine[], stack: string): Promise<Kept | undefined> {
    let newest: Kept | undefined;
    for (const one of machines) {
        const kept = await keptOn(one, stack);
        if (kept !== undefined && (newest === undefined || kept.time > newest.time)) newest = kept;
    }
    return newest === undefined || newest.secrets.length === 0 ? undefined : newest;
}

/** What a person is told, and what kubectl is given. */
export function putBack(kept: Kept): { readonly said: string; readonly list: string } {
    const items = kept.secrets.map(({ metadata, ...secret }) => ({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { ...metadata, namespace: OUTLIVES_NAMESPACE },
        ...secret,
    }));
    return {
        said: `puts back what was kept at ${kept.time}: ${namesOf(kept)}`,
        list: JSON.stringify({ apiVersion: "v1", kind: "List", items }),
    };
}
