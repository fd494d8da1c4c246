/** The Kubernetes API, reached as the program reaches it. */
import type { NodeInfo } from "../../bootstrap/machines";
import { GPU_RESOURCES } from "../../components/gpu/resources";
import type { GpuKind } from "../../components/platform";
import { toBytes } from "../../config/quantities";
import { isRecord, records } from "../../lib/json";
import { textOf, Unreachable } from "../live/get";
import type { Told } from "../../lib/told";
import { inTurns, kubeReader, type KubeReader } from "../live/kube";
import { findingsOf, type Finding } from "../../lib/finding";

const say = findingsOf("cluster");

export interface ClusterFact {
    readonly server: string;
    readonly version: string;
    readonly ready: boolean;
    readonly nodes: readonly {
        readonly name: string;
        readonly ready: boolean;
        /** Quantity of its memory, as its kubelet found it; empty: it does not say. */
        readonly memory: string;
        /** How many of each GPU's resource pods can be given there. */
        readonly gpus: Readonly<Partial<Record<GpuKind, number>>>;
    }[];
    /** What is in the namespace default, in which nothing of a stack is, e.g. `pod check (Failed)`; or why nobody could look. */
    readonly strays: Told<readonly string[]>;
    /** Jobs that have failed and are still there, `namespace/name`; or why nobody could look. */
    readonly failedJobs: Told<readonly string[]>;
    /** APIs of other servers that do not answer, e.g. `v1beta1.metrics.k8s.io (MissingEndpoints)`; or why nobody could look. */
    readonly sickApis: Told<readonly string[]>;
}

/** Kinds that are looked for there, by kubectl's word for them. */
const STRAY_KINDS = [
    { group: "", version: "v1", kinds: ["pod", "service", "configmap", "secret", "persistentvolumeclaim"] },
    { group: "apps", version: "v1", kinds: ["deployment", "statefulset", "daemonset"] },
    { group: "batch", version: "v1", kinds: ["job", "cronjob"] },
].flatMap(({ kinds, ...rest }) =>
    kinds.map((kind) => ({ ...rest, kind, resource: `namespaces/default/${kind}s`, namespaced: true })),
);

/** What Kubernetes itself has there, and istiod in every namespace: it would make it again. */
const IN_ITS_PLACE = ["service kubernetes", "configmap kube-root-ca.crt", "configmap istio-ca-root-cert"];

export async function lookAtCluster(kubeconfig: Told<string>, timeout: number): Promise<Told<ClusterFact>> {
    if (!kubeconfig.ok) return { ok: false, status: -1, reason: kubeconfig.reason };
    try {
        const kube = kubeReader(kubeconfig.value, timeout);
        const [version, ready, nodes, strays, jobs, apis] = await Promise.all([
            kube.one("/version"),
            kube.text("/readyz"),
            kube.one("/api/v1/nodes?limit=500"),
            straysOf(kube),
            kube.one("/apis/batch/v1/jobs?limit=500"),
            kube.one("/apis/apiregistration.k8s.io/v1/apiservices?limit=500"),
        ]);
        const refused = [version, nodes].find((told) => !told.ok);
        if (refused !== undefined && !refused.ok) return refused;
        return {
            ok: true,
            value: {
                server: kube.server,
                version: version.ok ? textOf(version.value, "gitVersion") : "",
                ready: ready.ok,
                nodes: nodes.ok ? records(nodes.value["items"]).map(nodeOf) : [],
                strays,
                failedJobs: titlesIn(jobs, (items) => items.filter(hasFailed).map(placeOf)),
                sickApis: titlesIn(apis, (items) => items.flatMap(sickness)),
            },
        };
    } catch (error) {
        if (error instanceof Unreachable) return { ok: false, status: 0, reason: error.message };
        return { ok: false, status: -1, reason: error instanceof Error ? error.message : String(error) };
    }
}

/** Names are enough, but of a pod how it stands. */
async function straysOf(kube: KubeReader): Promise<Told<string[]>> {
    const lists = await inTurns(STRAY_KINDS, 4, async (kind) => ({ kind: kind.kind, told: await kube.list(kind) }));
    const found: string[] = [];
    for (const { kind, told } of lists) {
        if (!told.ok) return told;
        for (const { name, ownerReferences = [] } of told.value) {
            const title = `${kind} ${name}`;
            // What another object owns goes with that one.
            if (ownerReferences.length > 0 || IN_ITS_PLACE.includes(title)) continue;
            const pod = kind === "pod" ? await kube.one(`/api/v1/namespaces/default/pods/${name}`) : undefined;
            const phase = pod?.ok === true ? textOf(pod.value["status"], "phase") : "";
            found.push(phase === "" ? title : `${title} (${phase})`);
        }
    }
    return { ok: true, value: found };
}

/** What is to be said of a list, where there is one. */
const titlesIn = (
    told: Told<Record<string, unknown>>,
    titles: (items: readonly Record<string, unknown>[]) => string[],
): Told<string[]> => (told.ok ? { ok: true, value: titles(records(told.value["items"])) } : told);

const conditionsOf = (object: Record<string, unknown>) =>
    isRecord(object["status"]) ? records(object["status"]["conditions"]) : [];

/** https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions */
const hasFailed = (job: Record<string, unknown>): boolean =>
    conditionsOf(job).some((condition) => condition["type"] === "Failed" && condition["status"] === "True");

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/api-service-v1/ */
function sickness(api: Record<string, unknown>): string[] {
    const available = conditionsOf(api).find((condition) => condition["type"] === "Available");
    return available?.["status"] === "False"
        ? [`${textOf(api["metadata"], "name")} (${textOf(available, "reason")})`]
        : [];
}

const placeOf = ({ metadata }: Record<string, unknown>): string =>
    `${textOf(metadata, "namespace")}/${textOf(metadata, "name")}`;

function nodeOf(node: Record<string, unknown>): ClusterFact["nodes"][number] {
    const status = isRecord(node["status"]) ? node["status"] : {};
    const makers = Object.entries(GPU_RESOURCES) as [GpuKind, string][];
    return {
        name: textOf(node["metadata"], "name"),
        ready: records(status["conditions"]).some(
            (condition) => condition["type"] === "Ready" && condition["status"] === "True",
        ),
        memory: textOf(status["capacity"], "memory"),
        gpus: Object.fromEntries(
            makers.map(([maker, resource]) => [maker, Number(textOf(status["allocatable"], resource) || 0)]),
        ),
    };
}

/** What the configuration says of a machine. */
export type DeclaredNode = Pick<NodeInfo, "name" | "capacity" | "gpus" | "taints">;

/** What pods would look for there in vain: GPUs that no plugin offers, memory that is not the machine's. */
function judgeOffers(declared: DeclaredNode, found: ClusterFact["nodes"][number]): Finding[] {
    const { name, capacity, gpus = {}, taints = [] } = declared;
    // A taint keeps device plugins away as it does apps.
    const makers = taints.length > 0 ? [] : (Object.entries(gpus) as [GpuKind, number][]);
    const offered = makers
        .filter(([, count]) => count > 0)
        .map(([maker, count]) => {
            const resource = GPU_RESOURCES[maker];
            const has = found.gpus[maker] ?? 0;
            return has >= count
                ? say.ok("GPUs", `${name} offers ${has} ${resource}`)
                : say.warning(
                      "GPUs",
                      `${name} offers ${has} ${resource}, and the configuration counts on ${count}`,
                      "before the first up nobody offers them; later the log of the maker's device plugin on that node says why: docs/gpus.md",
                  );
        });
    // A kernel keeps some for itself; a tenth is more than that.
    const short = capacity !== undefined && toBytes(found.memory) < 0.9 * toBytes(capacity.memory);
    return [
        ...offered,
        ...(short
            ? [
                  say.warning(
                      "memory",
                      `${name} has ${Math.floor(toBytes(found.memory) / 2 ** 30)}Gi, and the configuration counts on ${capacity.memory}`,
                      "correct its capacity: the firmware may set a part aside for a GPU (docs/gpus.md)",
                  ),
              ]
            : []),
    ];
}

/** `declared`: the stack's machines. */
export function judgeCluster(declared: readonly DeclaredNode[], told: Told<ClusterFact>): Finding[] {
    if (!told.ok && told.status === -1) return [say.skipped("API server", `no kubeconfig: ${told.reason}`)];
    if (!told.ok) {
        return [
            say.failure(
                "API server",
                told.reason,
                told.status === 0
                    ? "see that the machine runs it and that no firewall is between (port 6443)"
                    : "the kubeconfig on the machine is not its administrator's any more: see journalctl -u k3s, or talosctl health",
            ),
        ];
    }
    const { server, version, ready, nodes, strays, failedJobs, sickApis } = told.value;
    const missing = declared.filter(({ name }) => !nodes.some((node) => node.name === name));
    return [
        ready
            ? say.ok("API server", `${server} is ready, Kubernetes ${version}`)
            : say.failure(
                  "API server",
                  `${server} answers and is not ready`,
                  "kubectl get --raw '/readyz?verbose' names what it waits for",
              ),
        ...nodes.map(({ name, ready: isReady }) =>
            isReady
                ? say.ok("node", `${name} is Ready`)
                : say.warning(
                      "node",
                      `${name} is not Ready`,
                      `kubectl describe node ${name}; before the first up it waits for Cilium`,
                  ),
        ),
        ...judgeStrays(strays),
        ...judgeJobs(failedJobs),
        ...judgeApis(sickApis),
        ...declared.flatMap((one) => {
            const found = nodes.find(({ name, ready: isReady }) => isReady && name === one.name);
            return found === undefined ? [] : judgeOffers(one, found);
        }),
        ...missing.map(({ name }) =>
            say.warning(
                "node",
                `${name} is declared and has not joined`,
                "pulumi up brings it in; then see the machine's own log",
            ),
        ),
    ];
}

/** What should not be there, a warning each; what should be said of none. */
function judgeNone(
    check: string,
    told: Told<readonly string[]>,
    none: string,
    warn: (one: string) => Finding,
): Finding[] {
    if (!told.ok) return [say.skipped(check, `cannot be listed: ${told.reason}`)];
    return told.value.length === 0 ? [say.ok(check, none)] : told.value.map(warn);
}

/** Without what stands in brackets after it. */
const bare = (title: string) => title.replace(/ \(.*/, "");

/** Seed 004: a pod of a migration's tests stood there in Error, and nobody's. */
const judgeStrays = (strays: Told<readonly string[]>): Finding[] =>
    judgeNone("namespace default", strays, "nothing is left behind in it", (stray) =>
        say.warning(
            "namespace default",
            `${stray} is there, and nothing of a stack is in this namespace`,
            `look at it, and delete it if it is nobody's: kubectl --namespace default delete ${bare(stray)}`,
        ),
    );

/** Seed 004: jobs of the descheduler failed again and again, and nobody saw it. */
const judgeJobs = (failed: Told<readonly string[]>): Finding[] =>
    judgeNone("jobs", failed, "none has failed", (job) => {
        const [namespace = "", name = ""] = job.split("/");
        return say.warning(
            "jobs",
            `${job} has failed`,
            `kubectl --namespace ${namespace} describe job ${name}  says why, and  logs job/${name}  what it said`,
        );
    });

/** Kubernetes looks through every API before it lets a namespace go. */
const judgeApis = (sick: Told<readonly string[]>): Finding[] =>
    judgeNone("aggregated APIs", sick, "each one answers", (api) =>
        say.warning(
            "aggregated APIs",
            `${api} does not answer, and until it does no namespace can be deleted: an up that takes out the last app of one waits`,
            `kubectl describe apiservice ${bare(api)}  names the Service that should`,
        ),
    );
