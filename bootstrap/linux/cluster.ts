/** A cluster of Linux machines as a step sees it: who answers, whether there is one, and a node that has come into it. */
import { lastLine } from "../../lib/run-program";
import { NotYet, waitFor } from "../wait";
import { isReady, setLabels, setTaints, uncordonOwn, type NodeApi } from "./cluster-node";
import { SshFault, type LinuxMachine, type Surroundings } from "./machine";

/** Undefined where none answers, with what each said. */
export interface Answering {
    readonly api?: NodeApi;
    readonly reasons: readonly string[];
}

/** The first that answers and that `refusal` has nothing against: it asks the machine, and says why not. */
export async function answering(
    apis: readonly NodeApi[],
    refusal: (api: NodeApi) => Promise<string | undefined>,
): Promise<Answering> {
    const reasons: string[] = [];
    for (const api of apis) {
        try {
            const reason = await refusal(api);
            if (reason === undefined) return { api, reasons };
            reasons.push(reason);
        } catch (error) {
            if (!(error instanceof SshFault)) throw error;
            reasons.push(`${error.machine}: ${lastLine(error.reason)}`);
        }
    }
    return { reasons };
}

/** The first answer that is none of an error; throws with all errors where each is one. */
export async function firstAnswer<M, T>(asked: readonly M[], ask: (one: M) => Promise<T>): Promise<T> {
    const faults: string[] = [];
    for (const one of asked) {
        try {
            return await ask(one);
        } catch (error) {
            faults.push(error instanceof Error ? error.message : String(error));
        }
    }
    throw new Error(faults.join("\n"));
}

/** Whether one of these machines has the cluster. Throws where one cannot be asked and none says yes. */
export async function founded(
    machines: readonly LinuxMachine[],
    has: (machine: LinuxMachine) => Promise<boolean>,
): Promise<boolean> {
    const silent: string[] = [];
    for (const machine of machines) {
        try {
            if (await has(machine)) return true;
        } catch (error) {
            if (!(error instanceof SshFault)) throw error;
            silent.push(error.message);
        }
    }
    if (silent.length === 0) return false;
    throw new Error(
        `whether there is a cluster already is not known, and a second one must not be founded beside it:\n${silent.join("\n")}`,
    );
}

/** Pulling images over a household's line, and a VM's disk. */
export const READY_MINUTES = 15;

/** A node that is awaited in the cluster. */
export interface Awaited {
    readonly own: LinuxMachine;
    /** Release that its kubelet is to report. */
    readonly version: string;
    /** Who can be asked for it. */
    readonly apis: () => Promise<Answering>;
}

/** Waits until the node is in the cluster with the wanted release, and Ready if it is to be. */
export async function registered(
    around: Surroundings,
    { own, version, apis }: Awaited,
    { ready }: { readonly ready: boolean },
): Promise<NodeApi> {
    return waitFor(around, `${own.name} in the cluster`, READY_MINUTES, async () => {
        const { api, reasons } = await apis();
        if (api === undefined) return new NotYet(`no API server answers: ${reasons.join("; ")}`);
        const node = await api.node(own.name);
        if (node === undefined) return new NotYet("it has not registered");
        const reported = node.status?.nodeInfo?.kubeletVersion ?? "";
        if (reported !== version) return new NotYet(`its kubelet reports ${reported || "nothing"}`);
        return ready && !isReady(node) ? new NotYet("it is not Ready") : api;
    });
}

/** Labels (`<key>=<value>`) and taints as configured, and no cordon of this program's. */
export async function settled(
    around: Surroundings,
    api: NodeApi,
    own: LinuxMachine,
    { labels, taints }: { readonly labels: readonly string[]; readonly taints: readonly string[] },
): Promise<void> {
    const node = await api.node(own.name);
    if (node === undefined) {
        throw new Error(`${own.title} has left the cluster while its step ran: run pulumi up again`);
    }
    await setLabels(api, own.name, node, labels);
    await setTaints(api, own.name, node, taints);
    await uncordonOwn(around, api, own.name, node);
}
