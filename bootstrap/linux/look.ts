/** Looking at Linux machines and saying what is wrong with one, whatever Kubernetes is on it. Changes nothing. */
import type { SshTarget } from "../ssh";
import { LinuxMachine, SshFault, type Surroundings } from "./machine";
import type { NamedAddress } from "./machine-spec";
import type { LinuxFacts } from "./probe";

/** `found` and `mend` make one sentence with a colon between them. */
export interface MachineFinding<Part extends string> {
    /** As `titleOf` calls it. */
    readonly node: string;
    readonly part: Part;
    readonly found: string;
    readonly mend: string;
}

export interface Findings<Part extends string> {
    /** Nothing may be done while there is one. */
    readonly faults: readonly MachineFinding<Part>[];
    /** What the person should know. */
    readonly warnings: readonly MachineFinding<Part>[];
}

export const sentence = ({ node, found, mend }: MachineFinding<string>): string => `${node}: ${found}: ${mend}`;

export const titleOf = ({ name, address }: NamedAddress): string => `${name} (${address})`;

/** A machine that was looked at, or why not. */
export interface Seen<Node, Facts> {
    readonly node: Node;
    readonly facts: Facts | SshFault;
}

/** Asks all machines at once. An answer that is none is a fault of the machine's script. */
export async function lookAtEach<Node extends NamedAddress, Facts>(
    around: Surroundings,
    { nodes, ssh }: { readonly nodes: readonly Node[]; readonly ssh: Pick<SshTarget, "user" | "port"> },
    ask: (machine: LinuxMachine) => Promise<Facts>,
): Promise<Seen<Node, Facts>[]> {
    return Promise.all(
        nodes.map(async (node): Promise<Seen<Node, Facts>> => {
            const machine = new LinuxMachine(around, node.name, { address: node.address, ...ssh });
            try {
                return { node, facts: await ask(machine) };
            } catch (error) {
                if (error instanceof SshFault) return { node, facts: error };
                const said = error instanceof Error ? error.message : String(error);
                return { node, facts: new SshFault(machine.title, "script", said, `see  ${machine.command}`) };
            }
        }),
    );
}

/** Those that said something. */
export const known = <Node, Facts>(
    seen: readonly Seen<Node, Facts>[],
): readonly { readonly node: Node; readonly facts: Facts }[] =>
    seen.flatMap(({ node, facts }) => (facts instanceof SshFault ? [] : [{ node, facts }]));

/** What is said of a machine that did not answer. */
export const silence = ({ machine, layer, reason, mend }: SshFault): MachineFinding<"network" | "ssh"> => ({
    node: machine,
    part: layer === "network" ? "network" : "ssh",
    found: reason,
    mend,
});

export type Report<Part extends string> = (part: Part, found: string, mend: string) => void;

/** Collects what `judge` has to say of one machine. */
export function collected<Part extends string>(
    node: NamedAddress,
    judge: (fault: Report<Part>, warn: Report<Part>) => void,
): Findings<Part> {
    const faults: MachineFinding<Part>[] = [];
    const warnings: MachineFinding<Part>[] = [];
    const into =
        (list: MachineFinding<Part>[]): Report<Part> =>
        (part, found, mend) =>
            list.push({ node: titleOf(node), part, found, mend });
    judge(into(faults), into(warnings));
    return { faults, warnings };
}

export function joined<Part extends string>(all: readonly Findings<Part>[]): Findings<Part> {
    return {
        faults: all.flatMap(({ faults }) => faults),
        warnings: all.flatMap(({ warnings }) => warnings),
    };
}

/** Names and its own address. `runs`: it is a node already, which goes on without names; `name`: one to ask for. */
export function addressFindings(
    { address }: NamedAddress,
    { unresolved, addresses }: Pick<LinuxFacts, "unresolved" | "addresses">,
    { runs, name }: { readonly runs: boolean; readonly name: string },
    fault: Report<"dns" | "network">,
    warn: Report<"dns">,
): void {
    if (unresolved.length > 0) {
        const say = runs ? warn : fault;
        say(
            "dns",
            `it does not resolve ${unresolved.join(", ")}`,
            `images and releases come by name: see  resolvectl query ${name}  there, before anything of Kubernetes`,
        );
    }
    if (!addresses.includes(address)) {
        fault(
            "network",
            `${address} is no address of the machine (${addresses.join(", ") || "it has none"})`,
            "the kubelet is to have it: correct nodes[].address, or the machine's network",
        );
    }
}

const GIB = 2 ** 30;

/** `what`: that takes the room, as a sentence begins. */
export function roomFindings(
    { freeBytes }: Pick<LinuxFacts, "freeBytes">,
    { what, gib }: { readonly what: string; readonly gib: number },
    warn: Report<"system">,
): void {
    const free = freeBytes / GIB;
    if (free >= gib) return;
    warn("system", `${free.toFixed(1)} GiB are free below /var/lib`, `${what} want ${gib}: clean up, or grow the disk`);
}

/** `own`: what the network plugin of this stack's own cluster has put there. */
export function leftoverFindings(
    { networkPlugins }: Pick<LinuxFacts, "networkPlugins">,
    { own, stack }: { readonly own: (name: string) => boolean; readonly stack: string },
    warn: Report<"leftovers">,
): void {
    const strange = networkPlugins.filter((name) => !own(name));
    if (strange.length === 0) return;
    warn(
        "leftovers",
        `another network plugin has left ${strange.join(", ")}`,
        `Cilium may not get pods past it: restart the machine, and remove what is then still in /etc/cni/net.d. Nothing of it is removed by this program (${stack})`,
    );
}
