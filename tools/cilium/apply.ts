/** Cilium put back by Helm alone: without pods' network, cluster DNS, Git, state or secrets. docs/cilium-break-glass.md */
import { isRecord, records } from "../../lib/json";
import { textOf } from "../live/get";
import { UserError } from "../../lib/user-error";
import { helmUpgrade, type PlannedRelease } from "../plan/release";

/** What a program said. */
interface Said {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
}

export interface BreakGlass {
    readonly release: PlannedRelease;
    /** File with the release's values. */
    readonly valuesFile: string;
    /** A chart at hand, as a folder or .tgz; absent: from its repository. */
    readonly chart?: string | undefined;
    /** Both with the cluster's kubeconfig. */
    readonly helm: (args: readonly string[]) => Promise<Said>;
    readonly kubectl: (args: readonly string[]) => Promise<Said>;
    readonly say: (line: string) => void;
}

/** Seconds for agents and operator: images may have to be pulled. */
const ROLLOUT = 600;

/** Seconds for a namespace without pods. */
const NAMESPACE = 120;

/** Throws a `UserError` with what to do next where a step fails. Every step may be run again. */
export async function applyCilium({ release, valuesFile, chart, helm, kubectl, say }: BreakGlass): Promise<void> {
    const { name, namespace, version } = release;
    const place = ["--namespace", namespace];

    const ready = await kubectl(["get", "--raw", "/readyz", "--request-timeout=10s"]);
    if (ready.code !== 0) {
        throw new UserError(
            `the API server does not answer: ${lastWords(ready)}\n` +
                "It runs on its machine's own network and needs no Cilium. If its address is a virtual one, name a machine's: --server https://ADDRESS:6443 ; else see on the machine: crictl ps, journalctl -u kubelet",
        );
    }
    say("the API server answers");

    const history = await helm(["history", name, ...place, "--output", "json", "--max", "20"]);
    if (history.code !== 0 && !/release: not found/.test(history.stderr)) {
        throw new UserError(`Helm cannot read the release ${name}: ${lastWords(history)}`);
    }
    const revisions = history.code === 0 ? revisionsOf(history.stdout) : [];
    const last = revisions.at(-1);
    say(last === undefined ? `there is no release ${name}` : `revision ${last.revision} of ${name} is ${last.status}`);
    // Helm refuses to touch a release whose last operation was cut off.
    if (last?.status.startsWith("pending-") === true) {
        const good = revisions.filter(({ status }) => ["deployed", "superseded"].includes(status)).at(-1);
        await must(
            good === undefined
                ? helm(["uninstall", name, ...place, "--no-hooks"])
                : helm(["rollback", name, good.revision, ...place, "--no-hooks"]),
            "the operation that was cut off cannot be taken back",
        );
        say(good === undefined ? "the half installed one is taken away" : `back to revision ${good.revision}`);
    }

    // An uninstall returns before the chart's own namespaces are gone, and the API server refuses new objects in those.
    const namespaces = await must(
        kubectl(["get", "namespaces", "--output", "json"]),
        "the namespaces cannot be listed",
    );
    for (const going of terminating(namespaces.stdout, name)) {
        say(`namespace ${going} of an earlier ${name} is being deleted: waiting for its end`);
        await must(
            kubectl(["wait", "--for=delete", `namespace/${going}`, `--timeout=${NAMESPACE}s`]),
            `namespace ${going} of an earlier ${name} is not gone after ${NAMESPACE} s`,
            STUCK,
        );
    }

    await must(helm(helmUpgrade(release, valuesFile, chart)), `Helm cannot install ${name}`, UNREACHABLE);
    say(`${name} ${version} is applied as the stack declares it`);

    for (const workload of ["daemonset/cilium", "deployment/cilium-operator"]) {
        await must(
            kubectl(["rollout", "status", workload, ...place, `--timeout=${ROLLOUT}s`]),
            `${workload} does not become ready`,
            `kubectl ${place.join(" ")} describe ${workload} ; kubectl ${place.join(" ")} logs ${workload} --tail=50`,
        );
        say(`${workload} is ready`);
    }

    const nodes = await must(kubectl(["get", "nodes", "--output", "json"]), "the nodes cannot be listed");
    const waiting = notReady(nodes.stdout);
    if (waiting.length > 0) {
        throw new UserError(
            `Cilium is ready and these nodes are not: ${waiting.join(", ")}. kubectl describe node ${waiting[0]} names the condition`,
        );
    }
    say("every node is Ready. pulumi up later finds the release as it left it; npm run doctor looks at the rest");
}

const UNREACHABLE =
    "without a way to the chart's repository: --chart FILE with a copy that was pulled in better days (docs/cilium-break-glass.md)";

// Pods that nobody reaches cannot serve an aggregated API, and no namespace ends while one does not answer.
const STUCK =
    "kubectl get namespaces --output yaml  says why (status.conditions). NamespaceDeletionDiscoveryFailure: an API whose pods have no network. " +
    "kubectl get apiservices  names it (False); keep a copy (kubectl get apiservice NAME --output yaml > NAME.yaml), kubectl delete apiservice NAME, run this again, and kubectl apply --filename NAME.yaml when the nodes are Ready";

const lastWords = ({ stdout, stderr }: Said): string => (stderr || stdout).trim().split("\n").slice(-3).join("\n");

async function must(running: Promise<Said>, failure: string, mend?: string): Promise<Said> {
    const said = await running;
    if (said.code === 0) return said;
    throw new UserError(`${failure}: ${lastWords(said)}${mend === undefined ? "" : `\n${mend}`}`);
}

function revisionsOf(text: string): { readonly revision: string; readonly status: string }[] {
    const list: unknown = JSON.parse(text);
    return records(list).map((one) => ({ revision: String(one["revision"]), status: textOf(one, "status") }));
}

function itemsOf(text: string): Record<string, unknown>[] {
    const list: unknown = JSON.parse(text);
    return records(isRecord(list) ? list["items"] : []);
}

/** Names of the namespaces that Helm made for `release` and that are on their way out. */
function terminating(text: string, release: string): string[] {
    return itemsOf(text)
        .filter(
            ({ metadata }) =>
                isRecord(metadata) &&
                metadata["deletionTimestamp"] !== undefined &&
                textOf(metadata["annotations"], "meta.helm.sh/release-name") === release,
        )
        .map(({ metadata }) => textOf(metadata, "name"));
}

function notReady(text: string): string[] {
    return itemsOf(text)
        .filter(
            ({ status }) =>
                !records(isRecord(status) ? status["conditions"] : []).some(
                    (condition) => condition["type"] === "Ready" && condition["status"] === "True",
                ),
        )
        .map(({ metadata }) => textOf(metadata, "name"));
}
