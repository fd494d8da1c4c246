/** The machines as doctor sees them: what the program itself looks at before each run, from the network upwards. */
import type { Finding } from "../../lib/finding";
import { goodDisks, judge, type Judgement } from "../linux/judge";
import type { K3sClusterArgs, K3sNode } from "./cluster-config";
import type { MachineFacts } from "./facts";
import { judgeMachines, PARTS, type Part, type Seen } from "./look";

/** With a fault in one of these, what is above it on the machine is not judged. */
const LAYERS: readonly Part[] = ["network", "ssh", "dns", "api"];

const good = ({ version }: K3sClusterArgs): Judgement<Part, K3sNode, MachineFacts>["good"] => ({
    network: ({ address }) => `${address} answers and is the machine's own`,
    ssh: () => "answers, without a password",
    dns: () => "resolves names",
    api: (node, { k3s }) => {
        if (node.role === "server") return k3s.cluster === "" ? undefined : "the API server answers";
        return k3s.seenAuthorities.length === 0
            ? undefined
            : `reaches the API of ${k3s.seenAuthorities.map(({ address }) => address).join(", ")}`;
    },
    k3s: (_, { k3s }) => {
        if (k3s.units.length === 0) return "is not there yet: pulumi up installs it";
        return `${k3s.units.join(", ")} ${k3s.state}, ${k3s.version}${k3s.version === version ? "" : ` (pulumi up makes it ${version})`}`;
    },
    system: (_, { linux }) => `${linux.osName}, kernel ${linux.kernel}`,
    storage: (node, facts) => goodDisks(node, facts, "volumes"),
    leftovers: () => undefined,
});

export const judgeK3s = (args: K3sClusterArgs, seen: readonly Seen[]): Finding[] =>
    judge({ parts: PARTS, layers: LAYERS, good: good(args) }, judgeMachines(args, seen), seen);
