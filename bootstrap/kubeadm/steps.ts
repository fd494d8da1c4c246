/** What the commands of the component do on the machines: every step can be run again at any time. */
import { createHash, randomBytes, randomInt } from "node:crypto";
import { parse } from "yaml";
import { shellQuote } from "../../components/cluster/shell";
import { lastLine } from "../../lib/run-program";
import { answering, firstAnswer, founded, registered, settled, type Answering, type Awaited } from "../linux/cluster";
import { drained, filesScript, isReady, NodeApi, taintText, type FileWish } from "../linux/cluster-node";
import { SshFault, type LinuxMachine, type Surroundings } from "../linux/machine";
import { machineOf, machinesIn, type NamedAddress } from "../linux/machine-spec";
import { DOWNLOAD_MINUTES, downloadScript, REMOVE_NETWORK, timeStamp, unitRuns } from "../linux/scripts";
import { REMOTE_PRELUDE } from "../ssh";
import { NotYet, waitFor } from "../wait";
import { API_PORT } from "../machines";
import {
    appliedHash,
    documents,
    encryptionYaml,
    foundedText,
    initConfiguration,
    joinConfiguration,
    KUBELET_DROP_IN,
    KUBELET_UNIT,
    kubeVipManifest,
    PATHS,
    PROGRAMS,
    releaseUrl,
    snapshotPassword,
    SNAPSHOT_UNIT,
    snapshotStoreConfig,
    SYSCTL,
    type JoinSecrets,
    type KubeadmClusterArgs,
    type KubeadmSecrets,
    type NodePlan,
    type Sums,
} from "./cluster-config";
import { caCertHash, factsOf, KUBECTL, UNFINISHED, type FoundKubernetes } from "./facts";
import { keepSecrets, newestKept, noKept, putBack } from "./kept-secrets";
import { SNAPSHOT_PATHS, SNAPSHOT_SERVICE, snapshotScript, snapshotTimer } from "./snapshots";
import { controlPlanesSpec, type ControlPlanesSpec, type NodeSpec, type ReleaseSpec } from "./spec";
import { upgradeFault, type Role } from "./versions";

/** Pulling images over a household's line. */
const KUBEADM_MINUTES = 25;
const API_MINUTES = 10;

const controlPlanesOf = ({ CONTROL_PLANES }: Pick<ControlPlanesSpec, "CONTROL_PLANES">): NamedAddress[] =>
    machinesIn(CONTROL_PLANES);

/**
 * JSON of `Sums`: SHA-256 of the release's programs for amd64, as the lists beside them have it; a machine asks for them,
 * where the programs will be fetched too. Printed once and kept in the state: later machines must get the very same files.
 */
export async function release(around: Surroundings, spec: ReleaseSpec): Promise<string> {
    const lines = PROGRAMS.map(
        (name) =>
            `curl --fail --silent --show-error --location --retry 3 --max-time 60 ${shellQuote(releaseUrl(spec.VERSION, `${name}.sha256`))}; echo`,
    );
    return firstAnswer(controlPlanesOf(spec), async (one) => {
        const said = await machineOf(around, spec, one).shell(`set -eu\n${lines.join("\n")}\n`, { minutes: 5 });
        const sums = said.trim().split(/\s+/);
        if (sums.length !== PROGRAMS.length || !sums.every((sum) => /^[0-9a-f]{64}$/.test(sum))) {
            throw new Error(
                `${releaseUrl(spec.VERSION, "*.sha256")} are no hashes: set kubeadm.sha256 to what the release's page says`,
            );
        }
        return JSON.stringify(Object.fromEntries(PROGRAMS.map((name, index) => [name, sums[index]])));
    });
}

/** kubectl on a control plane, at the API server of that very machine. */
const apiOf = (around: Surroundings, spec: ControlPlanesSpec, one: NamedAddress): NodeApi =>
    new NodeApi(machineOf(around, spec, one), `${KUBECTL} --server=https://${one.address}:${API_PORT}`);

/** The first control plane, this stack's own, whose API answers; undefined where none does. */
function answeringApi(around: Surroundings, spec: ControlPlanesSpec, except?: string): Promise<Answering> {
    const apis = controlPlanesOf(spec)
        .filter(({ name }) => name !== except)
        .map((one) => apiOf(around, spec, one));
    return answering(apis, async ({ server, program }) => {
        const said = await server.shell(
            `${REMOTE_PRELUDE}$SUDO cat ${PATHS.mark}\nif $SUDO test -e ${UNFINISHED}; then echo unfinished; fi\n$SUDO ${program} get --raw /readyz < /dev/null\n`,
        );
        const [mark = "", next = ""] = said.trim().split("\n");
        // One whose step has not ended is not counted on.
        if (next === "unfinished") return `${server.title} has not joined yet`;
        return mark.split(" ")[0] === spec.CLUSTER ? undefined : `${server.title} is of the stack ${mark}`;
    });
}

/** What a step `node` has to bring its machine to. */
interface Wanted {
    readonly role: Role;
    readonly plan: NodePlan;
    readonly sums: Sums;
    /** Everything but kubeadm's own; kube-vip's manifest as it is once the machine is in the cluster. */
    readonly files: readonly FileWish[];
    /** See `appliedHash`. */
    readonly hash: string;
}

function wantedOf(spec: NodeSpec, secrets: KubeadmSecrets | undefined): Wanted {
    const plan = JSON.parse(spec.PLAN) as NodePlan;
    const files = filesOf(plan, secrets);
    return {
        role: spec.NODE_ROLE === "worker" ? "worker" : "control-plane",
        plan,
        sums: JSON.parse(spec.SUMS) as Sums,
        files,
        hash: appliedHash(plan, [...files, ...kubeVip(plan, false)]),
    };
}

function filesOf(plan: NodePlan, secrets: KubeadmSecrets | undefined): FileWish[] {
    const { node, snapshots } = plan;
    const open = (path: string, content: string | undefined): FileWish => ({ path, content, mode: "0644" });
    const closed = (path: string, content: string | undefined): FileWish => ({ path, content, mode: "0600" });
    const common = [
        open(PATHS.modules, `${plan.modules.join("\n")}\n`),
        open(PATHS.sysctl, SYSCTL),
        open(PATHS.unit, KUBELET_UNIT),
        open(PATHS.unitDropIn, KUBELET_DROP_IN),
    ];
    if (snapshots === undefined) return common;
    if (secrets === undefined) throw new Error(`the step of ${node.name}, a control plane, was given no secrets`);
    const { s3 } = snapshots;
    if (s3 !== undefined && secrets.snapshotStore === undefined) {
        throw new Error("the step was given a store of snapshots and no credentials of it");
    }
    return [
        ...common,
        closed(PATHS.encryption, encryptionYaml(secrets)),
        closed(PATHS.snapshotKey, snapshotPassword(secrets)),
        closed(
            PATHS.snapshotStore,
            s3 === undefined || secrets.snapshotStore === undefined
                ? undefined
                : snapshotStoreConfig(s3, secrets.snapshotStore),
        ),
        { path: PATHS.snapshotScript, content: snapshotScript(node, snapshots), mode: "0700" },
        open(SNAPSHOT_PATHS.service, SNAPSHOT_SERVICE),
        open(SNAPSHOT_PATHS.timer, snapshotTimer(snapshots)),
    ];
}

/** kube-vip's, which the kubelet starts as soon as the file is there. */
const kubeVip = (plan: NodePlan, bootstrap: boolean): FileWish[] =>
    plan.snapshots === undefined
        ? []
        : [{ path: PATHS.kubeVip, content: kubeVipManifest(plan, bootstrap), mode: "0600" }];

const DIRECTORIES = [
    PATHS.directory,
    PATHS.encryption.replace(/\/[^/]*$/, ""),
    PATHS.unitDropIn.replace(/\/[^/]*$/, ""),
    PATHS.manifests,
    "/etc/modules-load.d",
    "/etc/sysctl.d",
];

/**
 * Brings one machine to what its configuration says: installs the release and lets it found or join the cluster; on a node
 * of the cluster upgrades it, with a snapshot before and its work elsewhere meanwhile, and changes its configuration; then
 * labels and taints. Ends when the node is registered with the wanted release, and Ready where it was before.
 */
export async function convergeNode(
    around: Surroundings,
    spec: NodeSpec,
    secrets: KubeadmSecrets | undefined,
): Promise<void> {
    const own = machineOf(around, spec, { name: spec.NODE_NAME, address: spec.NODE_ADDRESS });
    const wanted = wantedOf(spec, secrets);
    const { kubernetes: found } = await factsOf(own, wishes(spec, wanted.plan));
    refuse(own, spec, wanted, found);
    if (!found.joined || found.unfinished) {
        await install(around, own, spec, wanted, found);
    } else {
        const upgraded = found.versions.kubelet !== spec.VERSION || !even(found, wanted.sums);
        if (upgraded) await upgrade(around, own, spec, wanted, found);
        if (found.applied !== wanted.hash) await reconfigure(around, own, spec, wanted);
        else if (found.kubelet !== "active") await restartKubelet(around, own);
        else if (!upgraded) around.say(`${own.name}: nothing to change`);
    }
    await settle(around, own, spec, wanted);
}

const wishes = (spec: ControlPlanesSpec, { modules }: Pick<NodePlan, "modules">) => ({
    modules,
    controlPlanes: controlPlanesOf(spec).map(({ address }) => address),
    virtualAddress: spec.VIRTUAL_ADDRESS,
});

const even = ({ sums }: FoundKubernetes, wanted: Sums): boolean =>
    PROGRAMS.every((name) => sums[name] === wanted[name]);

/** What must not be done, asked again right before it would be. */
function refuse(own: LinuxMachine, spec: NodeSpec, wanted: Wanted, found: FoundKubernetes): void {
    const installed = found.joined || found.controlPlane || found.etcd || found.authority !== "";
    if (installed && found.stack !== spec.CLUSTER) {
        throw new Error(
            `${own.title}: its Kubernetes is ${found.stack === "" ? "none of this program's" : `of the stack ${found.stack}`}; nothing was touched`,
        );
    }
    if (!found.joined || found.unfinished) return;
    if (found.controlPlane !== (wanted.role === "control-plane")) {
        throw new Error(
            `${own.title} is a ${found.controlPlane ? "control plane" : "worker"} already, and nodes says ${wanted.role}; nothing was touched`,
        );
    }
    const { kubelet } = found.versions;
    const fault = kubelet === "" ? undefined : upgradeFault(wanted.role, kubelet, spec.VERSION);
    if (fault !== undefined) throw new Error(`${own.title}: ${fault.found}: ${fault.mend}`);
    if (found.founded !== "" && foundedFile(wanted).content?.trim() !== found.founded) {
        throw new Error(
            `${own.title}: the cluster was founded with other networks, another address or another key; nothing was touched. It has:\n${found.founded}\nWanted is:\n${foundedFile(wanted).content ?? ""}`,
        );
    }
}

/** With a hash of the key of Secrets: with another one nobody could read them. */
function foundedFile({ plan, files }: Pick<Wanted, "plan" | "files">): FileWish {
    const key = files.find(({ path }) => path === PATHS.snapshotKey)?.content;
    const line = key === undefined ? "" : `kubeadm.encryptionKey ${createHash("sha256").update(key).digest("hex")}\n`;
    return { path: PATHS.founded, content: `${foundedText(plan)}${line}`, mode: "0600" };
}

/** A machine outside the cluster: founds one, as the first of all control planes, or joins. */
async function install(
    around: Surroundings,
    own: LinuxMachine,
    spec: NodeSpec,
    wanted: Wanted,
    found: FoundKubernetes,
): Promise<void> {
    if (found.unfinished) {
        around.say(`${own.name}: an earlier run was killed while it joined; what is half made goes first`);
        await own.shell(resetScript({ keepMember: false }), { minutes: KUBEADM_MINUTES });
    }
    const by = await joinBy(around, own, spec, wanted.role);
    for (const name of PROGRAMS) await fetchProgram(around, own, spec, wanted.sums, found.sums, name);
    await own.shell(
        filesScript(DIRECTORIES, [
            // First: from here on the machine is this stack's.
            { path: PATHS.mark, content: `${spec.CLUSTER} ${own.name}\n`, mode: "0644" },
            foundedFile(wanted),
            ...wanted.files,
            { path: UNFINISHED, content: "\n", mode: "0600" },
        ]),
    );
    await own.shell(systemScript(wanted), { minutes: 5 });
    if (by === undefined) await begin(around, own, spec, wanted);
    else await join(around, own, wanted, by);
    await own.shell(
        filesScript(DIRECTORIES, [
            ...kubeVip(wanted.plan, false),
            { path: PATHS.applied, content: `${wanted.hash}\n`, mode: "0600" },
            noKept(spec.CLUSTER),
            { path: UNFINISHED, content: undefined, mode: "0600" },
        ]),
    );
}

/** Modules and sysctls now, and at every start. */
const systemScript = ({ plan, role }: Pick<Wanted, "plan" | "role">): string =>
    `${REMOTE_PRELUDE}PATH="$PATH:/usr/sbin:/sbin"
for module in ${plan.modules.join(" ")}; do $SUDO modprobe "$module"; done
$SUDO sysctl --quiet --load ${PATHS.sysctl}
$SUDO systemctl daemon-reload
$SUDO systemctl enable --quiet kubelet.service
${
    role === "control-plane" && plan.snapshots !== undefined
        ? `systemd-analyze calendar ${shellQuote(plan.snapshots.schedule)} > /dev/null
$SUDO systemctl enable --quiet --now ${SNAPSHOT_UNIT}.timer
`
        : ""
}`;

/** A cluster that has, as soon as it is there, what the one before has left to it. */
async function begin(around: Surroundings, own: LinuxMachine, spec: NodeSpec, wanted: Wanted): Promise<void> {
    const machines = controlPlanesOf(spec).map((one) => machineOf(around, spec, one));
    const kept = await newestKept(machines, spec.CLUSTER);
    await init(around, own, wanted);
    if (kept === undefined) return;
    const { said, list } = putBack(kept);
    around.say(`${own.name}: ${said}`);
    const { program } = apiOf(around, spec, { name: own.name, address: own.target.address });
    await own.shell(
        withConfig(
            list,
            `$SUDO ${program} apply --server-side --force-conflicts --field-manager=kept-secrets --filename="$config" > /dev/null < /dev/null`,
        ),
        { minutes: 5 },
    );
}

async function init(around: Surroundings, own: LinuxMachine, { plan }: Wanted): Promise<void> {
    around.say(`${own.name}: founds the cluster`);
    const token = newToken();
    if (plan.virtualAddress !== undefined) await own.shell(filesScript(DIRECTORIES, kubeVip(plan, true)));
    // kubeadm makes a token in any case; one of its own would live for a day.
    const config = documents(initConfiguration(plan, { token }), plan.cluster, plan.kubelet);
    await own.shell(
        withConfig(
            config,
            `$SUDO ${PATHS.programs}/kubeadm init --config "$config" --skip-token-print > /dev/null
$SUDO ${TOKENS} delete ${token.split(".")[0]} > /dev/null`,
        ),
        { minutes: KUBEADM_MINUTES },
    );
}

/** Left to itself kubeadm asks by what root has in ~/.kube/config, which may be of a cluster that is gone, or of another one. */
const TOKENS = `${PATHS.programs}/kubeadm token --kubeconfig ${PATHS.admin}`;

/** A bootstrap token: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
function newToken(): string {
    const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    const text = (length: number) => Array.from({ length }, () => letters[randomInt(letters.length)]).join("");
    return `${text(6)}.${text(16)}`;
}

/**
 * A script with a configuration beside it that only root reads, on no disk, and gone with the script whatever becomes of it;
 * the text comes by standard input and is on no command line.
 */
export function withConfig(config: string, script: string): string {
    return `${REMOTE_PRELUDE}umask 077
$SUDO install -d -m 0700 ${PATHS.run}
config=$($SUDO mktemp ${PATHS.run}/kubeadm.XXXXXXXX)
trap '$SUDO rm -f "$config"' EXIT
trap 'exit 130' HUP INT TERM
printf '%s' ${Buffer.from(config).toString("base64")} | base64 -d | $SUDO install -m 0600 /dev/stdin "$config"
${script}
`;
}

/** By an answering control plane, with a token and a key that live for this alone. */
async function join(around: Surroundings, own: LinuxMachine, wanted: Wanted, by: NodeApi): Promise<void> {
    const { plan, role } = wanted;
    around.say(`${own.name}: joins by ${by.server.name}`);
    await forget(around, own, by);
    const token = newToken();
    const certificateKey = role === "control-plane" ? randomBytes(32).toString("hex") : undefined;
    const authority = await by.server.shell(`${REMOTE_PRELUDE}exec $SUDO cat ${PATHS.ca}\n`);
    const secrets: JoinSecrets = {
        token,
        caCertHash: caCertHash(authority),
        ...(certificateKey === undefined ? {} : { certificateKey }),
    };
    const kubeadm = `$SUDO ${PATHS.programs}/kubeadm`;
    try {
        await by.server.shell(
            withConfig(
                documents(
                    initConfiguration(plan, { token, ...(certificateKey === undefined ? {} : { certificateKey }) }),
                    plan.cluster,
                ),
                // Both print what they have made.
                `${certificateKey === undefined ? "" : `${kubeadm} init phase upload-certs --upload-certs --config "$config" > /dev/null\n`}$SUDO ${TOKENS} create --config "$config" > /dev/null`,
            ),
            { minutes: 5 },
        );
        await own.shell(
            withConfig(documents(joinConfiguration(plan, secrets)), `${kubeadm} join --config "$config" > /dev/null`),
            { minutes: KUBEADM_MINUTES },
        );
    } finally {
        try {
            await by.server.shell(
                `${REMOTE_PRELUDE}$SUDO ${TOKENS} delete ${token.split(".")[0]} > /dev/null
$SUDO ${by.program} --namespace=kube-system delete secret kubeadm-certs --ignore-not-found > /dev/null < /dev/null
`,
            );
        } catch (error) {
            // What went wrong before it is what a person must see.
            around.say(
                `${own.name}: its token and the certificates' key end by themselves, within half an hour and two hours: ${error instanceof Error ? error.message : String(error)}`,
            );
        }
    }
}

/** A machine that was installed anew comes under a name that the cluster knows: etcd has a member of that name. */
async function forget(around: Surroundings, own: LinuxMachine, by: NodeApi): Promise<void> {
    if ((await by.node(own.name)) === undefined) return;
    around.say(`${own.name}: was installed anew, the cluster forgets the old one`);
    await by.kubectl(["delete", "node", own.name, "--timeout=60s"], { minutes: 2 });
    await forgetMember(by, own.name);
}

const ETCDCTL = [
    "etcdctl",
    "--endpoints=https://127.0.0.1:2379",
    ...["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"].map(
        (file, index) => `--${["cacert", "cert", "key"][index] ?? ""}=${PATHS.kubernetes}/pki/etcd/${file}`,
    ),
];

/** Takes a member out of etcd that will not come back by itself. */
async function forgetMember(by: NodeApi, name: string): Promise<void> {
    const exec = ["--namespace=kube-system", "exec", `etcd-${by.server.name}`, "--", ...ETCDCTL];
    const list = await by.kubectl([...exec, "member", "list"]);
    // <id>, started, <name>, <peers>, <clients>, <learner>
    const id = list
        .split("\n")
        .map((line) => line.split(", "))
        .find(([, , member]) => member === name)?.[0];
    if (id !== undefined) await by.kubectl([...exec, "member", "remove", id]);
}

/** The control plane by which a machine joins; undefined where it founds the cluster. */
async function joinBy(
    around: Surroundings,
    own: LinuxMachine,
    spec: NodeSpec,
    role: Role,
): Promise<NodeApi | undefined> {
    const all = controlPlanesOf(spec);
    const others = all.filter(({ name }) => name !== own.name);
    if (role === "control-plane" && !(await foundedBy(around, spec, others))) {
        // Any other would found a second cluster beside the first.
        if (all[0]?.name === own.name) return undefined;
    }
    return waitFor(around, `a control plane for ${own.name} to join`, API_MINUTES, async () => {
        const { api, reasons } = await answeringApi(around, spec, own.name);
        if (api === undefined) return new NotYet(reasons.join("; ") || "there is none");
        const endpoint = spec.VIRTUAL_ADDRESS === "" ? api.server.target.address : spec.VIRTUAL_ADDRESS;
        // Seen from the machine itself: that this computer reaches it is not enough.
        const said = await own.shell(
            `if curl --silent --insecure --fail --max-time 5 https://${endpoint}:${API_PORT}/livez > /dev/null; then echo yes; fi\n`,
        );
        return said.trim() === "yes" ? api : new NotYet(`${own.title} does not reach ${endpoint} on port ${API_PORT}`);
    });
}

/** Whether one of these has the cluster. */
const foundedBy = (around: Surroundings, spec: NodeSpec, controlPlanes: readonly NamedAddress[]): Promise<boolean> =>
    founded(
        controlPlanes.map((one) => machineOf(around, spec, one)),
        async (machine) => {
            const { kubernetes } = await factsOf(machine, { modules: [], controlPlanes: [], virtualAddress: "" });
            return kubernetes.controlPlane && !kubernetes.unfinished && kubernetes.stack === spec.CLUSTER;
        },
    );

/**
 * kubeadm's order: https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/. One node at a time, which the
 * order of the commands sees to.
 */
async function upgrade(
    around: Surroundings,
    own: LinuxMachine,
    spec: NodeSpec,
    wanted: Wanted,
    found: FoundKubernetes,
): Promise<void> {
    const { api, reasons } = await answeringApi(around, spec);
    if (api === undefined) {
        throw new Error(`${own.title} cannot be upgraded, for no API server answers: ${reasons.join("; ")}`);
    }
    const before = await api.node(own.name);
    around.say(`${own.name}: ${found.versions.kubelet} becomes ${spec.VERSION}`);
    if (wanted.role === "control-plane") {
        const saved = await own.shell(
            `${REMOTE_PRELUDE}$SUDO sh ${PATHS.snapshotScript} before-${spec.VERSION} < /dev/null\n`,
            { minutes: 20 },
        );
        around.say(`${own.name}: snapshot ${lastLine(saved)} saved`);
    }
    await fetchProgram(around, own, spec, wanted.sums, found.sums, "kubeadm");
    await own.shell(await upgradeScript(api, own, spec, wanted.role), { minutes: KUBEADM_MINUTES });
    if (before !== undefined) {
        // Its own API server has just been restarted.
        const again = await waitFor(around, `an API server after ${own.name}'s`, API_MINUTES, async () => {
            const answer = await answeringApi(around, spec);
            return answer.api ?? new NotYet(answer.reasons.join("; "));
        });
        // A cluster of one machine has nowhere to put its pods; they stay where they are.
        const evict = !wanted.plan.alone;
        await drained(around, again, own.name, before, { minutes: Number(spec.DRAIN_MINUTES), evict });
    }
    await fetchProgram(around, own, spec, wanted.sums, found.sums, "kubelet");
    await fetchProgram(around, own, spec, wanted.sums, found.sums, "kubectl");
    await restartKubelet(around, own);
    await registered(around, awaited(around, spec, own), { ready: isReady(before) });
}

/** `apply` on the first control plane of an upgrade, `node` on every other machine. */
async function upgradeScript(api: NodeApi, own: LinuxMachine, spec: NodeSpec, role: Role): Promise<string> {
    const running = await clusterVersion(api);
    const kubeadm = `$SUDO ${PATHS.programs}/kubeadm`;
    if (running === spec.VERSION) return `${REMOTE_PRELUDE}${kubeadm} upgrade node < /dev/null > /dev/null\n`;
    if (role === "worker") {
        throw new Error(
            `${own.title} is a worker, and the control planes are ${running} still: they are upgraded first`,
        );
    }
    const fault = upgradeFault("control-plane", running, spec.VERSION);
    if (fault !== undefined) throw new Error(`${own.title}: ${fault.found}: ${fault.mend}`);
    return `${REMOTE_PRELUDE}${kubeadm} upgrade apply ${spec.VERSION} --yes < /dev/null > /dev/null\n`;
}

/** Of the control planes, as kubeadm keeps it in the cluster. */
async function clusterVersion(api: NodeApi): Promise<string> {
    const said = await api.kubectl([
        ...["--namespace=kube-system", "get", "configmap", "kubeadm-config"],
        "--output=jsonpath={.data.ClusterConfiguration}",
    ]);
    const { kubernetesVersion } = parse(said) as { kubernetesVersion?: string };
    if (kubernetesVersion === undefined) throw new Error("the cluster's kubeadm-config says no kubernetesVersion");
    return kubernetesVersion;
}

/** Files, the API server's certificate, static pods and the kubelet as the configuration says now; pods stay where they are. */
async function reconfigure(around: Surroundings, own: LinuxMachine, spec: NodeSpec, wanted: Wanted): Promise<void> {
    const { plan, role } = wanted;
    around.say(`${own.name}: its configuration changes`);
    await own.shell(filesScript(DIRECTORIES, [...wanted.files, ...kubeVip(plan, false)]));
    await own.shell(systemScript(wanted), { minutes: 5 });
    const kubeadm = `$SUDO ${PATHS.programs}/kubeadm`;
    if (role === "control-plane") {
        const pki = `${PATHS.kubernetes}/pki`;
        await own.shell(
            withConfig(
                documents(initConfiguration(plan), plan.cluster, plan.kubelet),
                `${kubeadm} init phase upload-config all --config "$config" > /dev/null
# One that is there would be kept, whatever names are in it.
for file in crt key; do $SUDO mv -f ${pki}/apiserver.$file ${pki}/apiserver.$file.old; done
if ! ${kubeadm} init phase certs apiserver --config "$config" > /dev/null; then
  for file in crt key; do $SUDO mv -f ${pki}/apiserver.$file.old ${pki}/apiserver.$file; done
  exit 1
fi
$SUDO rm -f ${pki}/apiserver.crt.old ${pki}/apiserver.key.old
${kubeadm} init phase control-plane all --config "$config" > /dev/null`,
            ),
            { minutes: 5 },
        );
    }
    await own.shell(`${REMOTE_PRELUDE}${kubeadm} upgrade node phase kubelet-config < /dev/null > /dev/null\n`, {
        minutes: 5,
    });
    await restartKubelet(around, own);
    await registered(around, awaited(around, spec, own), { ready: false });
    // Only now: what was killed, or did not come up, is done again.
    await own.shell(filesScript(DIRECTORIES, [{ path: PATHS.applied, content: `${wanted.hash}\n`, mode: "0600" }]));
}

async function fetchProgram(
    around: Surroundings,
    own: LinuxMachine,
    { VERSION }: Pick<ReleaseSpec, "VERSION">,
    wanted: Sums,
    found: Sums,
    name: keyof Sums,
): Promise<void> {
    if (found[name] === wanted[name]) return;
    around.say(`${own.name}: fetches ${name} ${VERSION}`);
    const script = downloadScript({
        url: releaseUrl(VERSION, name),
        sha256: wanted[name],
        path: `${PATHS.programs}/${name}`,
        mistaken: "Is kubeadm.sha256 that of this release?",
    });
    await own.shell(script, { minutes: DOWNLOAD_MINUTES });
}

async function restartKubelet(around: Surroundings, own: LinuxMachine): Promise<void> {
    await own.shell(
        `${REMOTE_PRELUDE}$SUDO systemctl daemon-reload\n$SUDO systemctl enable --quiet kubelet.service\n$SUDO systemctl restart kubelet.service\n`,
        { minutes: 5 },
    );
    await unitRuns(around, own, "kubelet", "the kubelet");
}

const awaited = (around: Surroundings, spec: NodeSpec, own: LinuxMachine): Awaited => ({
    own,
    version: spec.VERSION,
    apis: () => answeringApi(around, spec),
});

/** What every run ends with: registered, labels and taints as configured, and no cordon of this program's. */
async function settle(
    around: Surroundings,
    own: LinuxMachine,
    spec: NodeSpec,
    { plan }: Pick<Wanted, "plan">,
): Promise<void> {
    const api = await registered(around, awaited(around, spec, own), { ready: false });
    await settled(around, api, own, {
        labels: Object.entries(plan.node.labels).map(([key, value]) => `${key}=${value}`),
        taints: plan.taints.map(taintText),
    });
}

/**
 * Takes a node out of the cluster and Kubernetes off its machine. Disks stay as they are; the last control plane's etcd and
 * certificates are put aside, so that the next `up` founds a new cluster and the old one can still be looked into.
 */
export async function removeNode(around: Surroundings, spec: NodeSpec): Promise<void> {
    const own = machineOf(around, spec, { name: spec.NODE_NAME, address: spec.NODE_ADDRESS });
    const plan = JSON.parse(spec.PLAN) as NodePlan;
    const { kubernetes: found } = await factsOf(own, wishes(spec, plan)).catch((error: unknown) => {
        if (!(error instanceof SshFault) || !error.silent) throw error;
        throw new Error(
            `${error.message}\nIs the machine gone for good? docs/kubeadm.md (A machine that is gone) lets it go.`,
        );
    });
    if (found.stack !== spec.CLUSTER) {
        around.say(`${own.title}: nothing of this stack's is on it`);
        return;
    }
    // By another control plane: its own API goes with it. The last one has nobody to ask.
    const { api } = await answeringApi(around, spec, own.name);
    if (found.controlPlane) {
        const any = api === undefined ? await answeringApi(around, spec) : { api, reasons: [] };
        await keepSecrets(around, own, spec.CLUSTER, any);
    }
    const node = await api?.node(own.name);
    if (api !== undefined && node !== undefined) {
        await drained(around, api, own.name, node, { minutes: Number(spec.DRAIN_MINUTES), evict: !plan.alone });
    }
    const last = api === undefined && found.controlPlane;
    const time = timeStamp(around);
    await own.shell(removeScript(last ? time : undefined), { minutes: KUBEADM_MINUTES });
    if (api !== undefined && node !== undefined) {
        await api.kubectl(["delete", "node", own.name, "--timeout=60s"], { minutes: 2 });
        around.say(`${own.name}: out of the cluster`);
    }
    around.say(
        `${own.name}: Kubernetes is taken off${last ? `, etcd and certificates are in ${PATHS.backup}${time}` : ""}`,
    );
}

/**
 * `kubeadm reset`, which takes a control plane out of etcd as long as another one is there, and what it leaves: the network
 * plugin's interfaces, rules and configuration. `keepMember`: the machine is the last, and etcd has nobody to tell.
 */
function resetScript({ keepMember }: { readonly keepMember: boolean }): string {
    const { programs, kubernetes } = PATHS;
    return `${REMOTE_PRELUDE}PATH="$PATH:/usr/sbin:/sbin"
if test -x ${programs}/kubeadm; then
  $SUDO ${programs}/kubeadm reset --force${keepMember ? " --skip-phases=remove-etcd-member" : ""} > /dev/null < /dev/null
fi
mounts() { awk '{ print $2 }' /proc/self/mounts | grep -E '^(/var/lib/kubelet/pods|/run/netns/cni-)' | LC_ALL=C sort -r || true; }
left=$(mounts)
if [ -n "$left" ]; then
  echo "still mounted, so what is below was not removed (what is in a volume must not go): $left" >&2
  exit 1
fi
${REMOVE_NETWORK}
$SUDO sh -c 'rm -f /etc/cni/net.d/*cilium* /etc/cni/net.d/*linkerd*'
$SUDO rm -rf --one-file-system ${kubernetes} /var/lib/kubelet /var/lib/cni
$SUDO rm -f ${UNFINISHED} ${PATHS.applied} ${PATHS.founded}
`;
}

/** `time`: of the copy that the last control plane leaves; undefined: there is another one. */
export function removeScript(time: string | undefined): string {
    const { backup, etcd, kubernetes, directory, programs, snapshotScript: script } = PATHS;
    const timer = SNAPSHOT_UNIT;
    return `${REMOTE_PRELUDE}
if systemctl cat ${timer}.timer > /dev/null 2>&1; then $SUDO systemctl disable --quiet --now ${timer}.timer; fi
${
    time === undefined
        ? "# Another control plane has the cluster's data."
        : `$SUDO install -d -m 0700 ${backup}${time}
# A last snapshot while etcd still runs; without it the files as they are.
if ! $SUDO sh ${script} destroy > /dev/null < /dev/null; then echo "etcd took no last snapshot: its files are put aside as they are" >&2; fi
if systemctl cat kubelet.service > /dev/null 2>&1; then $SUDO systemctl stop kubelet.service; fi
for id in $($SUDO ctr --namespace k8s.io tasks list --quiet); do $SUDO ctr --namespace k8s.io tasks kill --signal SIGTERM "$id" || true; done
if $SUDO test -d ${kubernetes}/pki; then $SUDO cp -a ${kubernetes}/pki ${backup}${time}/pki; fi
if $SUDO test -d ${etcd}; then $SUDO cp -a ${etcd} ${backup}${time}/etcd; fi
if $SUDO test -d ${directory}/apiserver; then $SUDO cp -a ${directory}/apiserver ${backup}${time}/apiserver; fi`
}
${resetScript({ keepMember: time !== undefined }).replace(REMOTE_PRELUDE, "")}
$SUDO rm -rf ${etcd} ${directory} ${PATHS.run}
$SUDO rm -rf ${PATHS.unitDropIn.replace(/\/[^/]*$/, "")}
$SUDO rm -f ${PATHS.unit} ${SNAPSHOT_PATHS.service} ${SNAPSHOT_PATHS.timer} ${PATHS.modules} ${PATHS.sysctl}
$SUDO rm -f ${PROGRAMS.map((name) => `${programs}/${name}`).join(" ")}
$SUDO systemctl daemon-reload
`;
}

/** The administrator's kubeconfig, from the first control plane that has one; it leads to the cluster's endpoint. */
export async function kubeconfig(around: Surroundings, spec: ControlPlanesSpec): Promise<string> {
    return firstAnswer(controlPlanesOf(spec), (one) =>
        machineOf(around, spec, one).shell(`${REMOTE_PRELUDE}exec $SUDO cat ${PATHS.admin}\n`),
    );
}

/** The same for who looks without building. */
export const readKubeconfig = (around: Surroundings, args: KubeadmClusterArgs): Promise<string> =>
    kubeconfig(around, controlPlanesSpec(args));
