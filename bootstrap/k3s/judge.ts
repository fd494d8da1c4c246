/** The machines as doctor sees them: what the program itself looks at before each run, from the network upwards. */
import { findingsOf, type Finding } from "../../lib/finding";
import { SshFault, type Surroundings } from "../linux/machine";
import type { K3sClusterArgs, K3sNode } from "./cluster-config";
import type { MachineFacts } from "./facts";
import { judgeMachines, lookAtMachines, PARTS, type MachineFinding, type Part, type Seen } from "./look";

const say = findingsOf("machines");

/** With a fault in one of these, what is above it on the machine is not judged. */
const LAYERS: readonly Part[] = ["network", "ssh", "dns", "api"];

type Good = (node: K3sNode, facts: MachineFacts, args: K3sClusterArgs) => string | undefined;

const GOOD: Readonly<Record<Part, Good>> = {
    network: ({ address }) => `${address} answers and is the machine's own`,
    ssh: () => "answers, without a password",
    dns: () => "resolves names",
    api: (node, { k3s }) => {
        if (node.role === "server") return k3s.cluster === "" ? undefined : "the API server answers";
        return k3s.seenAuthorities.length === 0
            ? undefined
            : `reaches the API of ${k3s.seenAuthorities.map(({ address }) => address).join(", ")}`;
    },
    k3s: (_, { k3s }, { version }) => {
        if (k3s.units.length === 0) return "is not there yet: pulumi up installs it";
        return `${k3s.units.join(", ")} ${k3s.state}, ${k3s.version}${k3s.version === version ? "" : ` (pulumi up makes it ${version})`}`;
    },
    system: (_, { linux }) => `${linux.osName}, kernel ${linux.kernel}`,
    storage: ({ disks }, { linux }) => {
        const root = linux.disks.find(({ system }) => system)?.path ?? "unknown";
        return disks.length === 0
            ? `system on ${root}`
            : `${disks.length} disks for volumes are there, system on ${root}`;
    },
    leftovers: () => undefined,
};

export async function lookForDoctor(around: Surroundings, args: K3sClusterArgs): Promise<Seen[]> {
    return lookAtMachines(around, args);
}

/** Node by node, each from layer 3 up; what stands on a broken layer is skipped, never good. */
export function judgeK3s(args: K3sClusterArgs, seen: readonly Seen[]): Finding[] {
    const { faults, warnings } = judgeMachines(args, seen);
    return seen.flatMap(({ node, facts }) => {
        const title = `${node.name} (${node.address})`;
        const own = (list: readonly MachineFinding[], part: Part) =>
            list.filter((one) => one.node === title && one.part === part);
        let broken: string | undefined;
        return PARTS.flatMap((part): Finding[] => {
            const check = `${node.name} ${part}`;
            if (broken !== undefined) return part === "leftovers" ? [] : [say.skipped(check, broken)];
            const found = own(faults, part);
            const told = [
                ...found.map((one) => say.failure(check, one.found, one.mend)),
                ...own(warnings, part).map((one) => say.warning(check, one.found, one.mend)),
            ];
            const silent = facts instanceof SshFault && told.length > 0;
            if (silent || (found.length > 0 && LAYERS.includes(part))) {
                broken = `${part} first: ${told[0]?.found ?? ""}`;
            }
            if (told.length > 0) return told;
            // It is in the network: otherwise that would be the finding.
            if (facts instanceof SshFault) return [say.ok(check, "there is a way to it")];
            const good = GOOD[part](node, facts, args);
            return good === undefined ? [] : [say.ok(check, good)];
        });
    });
}
