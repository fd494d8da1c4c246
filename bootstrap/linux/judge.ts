/** Linux machines as doctor sees them: what the program itself looks at before each run, from the network upwards. */
import { findingsOf, type Finding } from "../../lib/finding";
import { titleOf, type Findings, type MachineFinding, type Seen } from "./look";
import { SshFault } from "./machine";
import type { NamedAddress } from "./machine-spec";

const say = findingsOf("machines");

/** How machines of a kind are judged. */
export interface Judgement<Part extends string, Node, Facts> {
    /** From below. */
    readonly parts: readonly Part[];
    /** With a fault in one of these, what is above it on the machine is not judged. */
    readonly layers: readonly Part[];
    /** What is said of a part that nothing is wrong with; undefined: nothing. */
    readonly good: Readonly<Record<Part, (node: Node, facts: Facts) => string | undefined>>;
}

/** Node by node, each from layer 3 up; what stands on a broken layer is skipped, never good. */
export function judge<Part extends string, Node extends NamedAddress, Facts>(
    { parts, layers, good }: Judgement<Part, Node, Facts>,
    { faults, warnings }: Findings<Part>,
    seen: readonly Seen<Node, Facts>[],
): Finding[] {
    return seen.flatMap(({ node, facts }) => {
        const title = titleOf(node);
        const own = (list: readonly MachineFinding<Part>[], part: Part) =>
            list.filter((one) => one.node === title && one.part === part);
        let broken: string | undefined;
        return parts.flatMap((part): Finding[] => {
            const check = `${node.name} ${part}`;
            if (broken !== undefined) return part === "leftovers" ? [] : [say.skipped(check, broken)];
            const found = own(faults, part);
            const told = [
                ...found.map((one) => say.failure(check, one.found, one.mend)),
                ...own(warnings, part).map((one) => say.warning(check, one.found, one.mend)),
            ];
            const silent = facts instanceof SshFault && told.length > 0;
            if (silent || (found.length > 0 && layers.includes(part))) {
                broken = `${part} first: ${told[0]?.found ?? ""}`;
            }
            if (told.length > 0) return told;
            // It is in the network: otherwise that would be the finding.
            if (facts instanceof SshFault) return [say.ok(check, "there is a way to it")];
            const said = good[part](node, facts);
            return said === undefined ? [] : [say.ok(check, said)];
        });
    });
}

/** Where the system is, and that the disks for volumes are there. `whose`: "volumes", "Ceph". */
export function goodDisks(
    { disks }: { readonly disks: readonly string[] },
    { linux }: { readonly linux: { readonly disks: readonly { readonly path: string; readonly system: boolean }[] } },
    whose: string,
): string {
    const root = linux.disks.find(({ system }) => system)?.path ?? "unknown";
    return disks.length === 0 ? `system on ${root}` : `${disks.length} disks for ${whose} are there, system on ${root}`;
}
