/** The simulated kubeadm: founds, joins, upgrades and resets, and refuses what kubeadm refuses. */
import { createHash, X509Certificate } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { parseAllDocuments, stringify } from "yaml";
import { READ_BY_KUBERNETES } from "../../../lib/yaml-text";
import { selfSigned } from "../../self-signed";
import { emptyControlPlane } from "../k3d/control-plane";
import { Refused } from "../k3d/refused";
import type { PlayedMachine } from "../k3s/state";
import {
    API_MANIFEST,
    apiAnswers,
    apiAt,
    clusterOf,
    ETCD_MANIFEST,
    hasMajority,
    MANIFESTS,
    PKI,
    saveCluster,
    versionOf,
    type PlayedKubeadmCluster,
} from "./cluster";
import { startKubelet } from "./kubelet";
import { minorOf, releaseOf } from "./release";

type Config = Record<string, unknown>;

const isConfig = (value: unknown): value is Config =>
    typeof value === "object" && value !== null && !Array.isArray(value);

/** Keys of v1beta4, as far as they are used here: kubeadm is strict, and an unknown one is an error. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
    InitConfiguration: ["nodeRegistration", "localAPIEndpoint", "skipPhases", "bootstrapTokens", "certificateKey"],
    ClusterConfiguration: [
        ...["clusterName", "kubernetesVersion", "controlPlaneEndpoint", "networking", "apiServer"],
        ...["controllerManager", "scheduler", "etcd", "proxy"],
    ],
    JoinConfiguration: ["nodeRegistration", "discovery", "controlPlane"],
    KubeletConfiguration: [
        ...["cgroupDriver", "failSwapOn", "rotateCertificates"],
        ...["shutdownGracePeriod", "shutdownGracePeriodCriticalPods"],
    ],
};

export async function kubeadm(machine: PlayedMachine, [version = "", ...args]: readonly string[]): Promise<string> {
    const flag = (name: string) => args[args.indexOf(name) + 1];
    const plain = args.filter(
        (word, index) => !word.startsWith("-") && !["--config", "--kubeconfig"].includes(args[index - 1] ?? ""),
    );
    const verb = plain.join(" ");
    const config = () => readConfig(flag("--config"));
    if (verb === "init") return init(machine, version, config(), args);
    if (verb === "join") return join(machine, version, config());
    if (verb === "reset") return reset(machine, args);
    if (verb === "init phase upload-certs") return uploadCertificates(machine, config(), args);
    if (verb === "init phase upload-config all") return uploadConfig(machine, config());
    if (verb === "init phase certs apiserver") return certificate(machine, config());
    if (verb === "init phase control-plane all") return manifests(machine, config());
    if (verb === "token create") return createToken(machine, config(), tokenKubeconfig(machine, args));
    if (verb.startsWith("token delete ")) return deleteToken(machine, plain[2] ?? "", tokenKubeconfig(machine, args));
    if (verb.startsWith("upgrade apply ")) return upgradeApply(machine, version, plain[2] ?? "", args);
    if (verb === "upgrade node") return upgradeNode(machine, version);
    if (verb === "upgrade node phase kubelet-config") return kubeletConfig(machine);
    throw new Refused(`kubeadm ${args.join(" ")} is not simulated`);
}

type Documents = Readonly<Record<string, Config>>;

function readConfig(path: string | undefined): Documents {
    if (path === undefined || !existsSync(path))
        throw new Refused(`error: unable to read config from "${path ?? ""}": no such file or directory`);
    // Stricter than kubeadm: tokens and keys are in it.
    if ((statSync(path).mode & 0o077) !== 0) throw new Refused(`error: ${path} can be read by everybody`);
    const documents: Record<string, Config> = {};
    for (const document of parseAllDocuments(readFileSync(path, "utf8"), READ_BY_KUBERNETES)) {
        const value = document.toJS() as unknown;
        if (!isConfig(value)) throw new Refused("error: a document of the configuration is no object");
        const kind = text(value["kind"]);
        const keys = KEYS[kind];
        const wanted = kind === "KubeletConfiguration" ? "kubelet.config.k8s.io/v1beta1" : "kubeadm.k8s.io/v1beta4";
        if (keys === undefined || value["apiVersion"] !== wanted) {
            throw new Refused(`error: no kind "${kind}" is registered for version "${text(value["apiVersion"])}"`);
        }
        const strange = Object.keys(value).find((key) => !["apiVersion", "kind", ...keys].includes(key));
        if (strange !== undefined)
            throw new Refused(
                `error unmarshaling configuration schema.GroupVersionKind: strict decoding error: unknown field "${strange}"`,
            );
        documents[kind] = value;
    }
    return documents;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

function part(of: Config | undefined, ...path: readonly string[]): unknown {
    return path.reduce<unknown>((value, key) => (isConfig(value) ? value[key] : undefined), of);
}

function need(documents: Documents, kind: string): Config {
    const found = documents[kind];
    if (found === undefined) throw new Refused(`error: the configuration has no ${kind}`);
    return found;
}

const preflight = (errors: readonly string[]): void => {
    if (errors.length === 0) return;
    throw new Refused(
        `error: error execution phase preflight: [preflight] Some fatal errors occurred:\n${errors.map((one) => `\t[ERROR ${one}`).join("\n")}`,
    );
};

/** cmd/kubeadm/app/preflight/checks.go */
function common(machine: PlayedMachine, version: string, socket: string): string[] {
    const kubelet = releaseOf(machine.read("usr/local/bin/kubelet"));
    const modules = (machine.read("loaded-modules") ?? "").split("\n");
    return [
        ...(machine.unit("containerd").state === "active" && socket === "unix:///run/containerd/containerd.sock"
            ? []
            : [`CRI]: container runtime is not running: dial ${socket}: connect: no such file or directory`]),
        ...(machine.read("sysctl-loaded")?.includes("net.ipv4.ip_forward = 1") === true &&
        modules.includes("br_netfilter")
            ? []
            : ["FileContent--proc-sys-net-ipv4-ip_forward]: /proc/sys/net/ipv4/ip_forward contents are not set to 1"]),
        ...(machine.unit("kubelet").loaded === undefined ? ["Service-Kubelet]: kubelet service does not exist"] : []),
        ...(kubelet === undefined
            ? ["KubeletVersion]: couldn't get kubelet version: executable file not found in $PATH"]
            : minorOf(kubelet) > minorOf(version)
              ? [`KubeletVersion]: the kubelet version is higher than the control plane version`]
              : []),
        ...(machine.ports.includes(10250) ? ["Port-10250]: Port 10250 is in use"] : []),
        ...(machine.read("etc/kubernetes/kubelet.conf") === undefined
            ? []
            : ["FileAvailable--etc-kubernetes-kubelet.conf]: /etc/kubernetes/kubelet.conf already exists"]),
    ];
}

function controlPlaneChecks(machine: PlayedMachine): string[] {
    return [
        ...(machine.read(API_MANIFEST) === undefined
            ? []
            : ["FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml]: already exists"]),
        ...(existsSync(machine.path("var/lib/etcd/member"))
            ? ["DirAvailable--var-lib-etcd]: /var/lib/etcd is not empty"]
            : []),
        ...(machine.ports.includes(6443) ? ["Port-6443]: Port 6443 is in use"] : []),
    ];
}

/** Killed in the middle: files are there, and nobody answers. */
function diesNow(machine: PlayedMachine): boolean {
    const { diesOnce, ...lasting } = machine.troubles;
    if (diesOnce === true) machine.all.setTroubles(machine.name, lasting);
    return diesOnce === true;
}

const DEADLINE =
    "error execution phase wait-control-plane: failed while waiting for the control plane to start: client rate limiter Wait returned an error: context deadline exceeded";

async function init(
    machine: PlayedMachine,
    version: string,
    documents: Documents,
    args: readonly string[],
): Promise<string> {
    if (!args.includes("--skip-token-print"))
        throw new Refused("kubeadm init without --skip-token-print would print a token");
    const own = need(documents, "InitConfiguration");
    const cluster = need(documents, "ClusterConfiguration");
    const kubelet = need(documents, "KubeletConfiguration");
    const wanted = text(cluster["kubernetesVersion"]);
    preflight([
        ...common(machine, version, text(part(own, "nodeRegistration", "criSocket"))),
        ...controlPlaneChecks(machine),
        ...(minorOf(wanted) > minorOf(version) || minorOf(wanted) < minorOf(version) - 1
            ? [
                  `KubernetesVersion]: this version of kubeadm only supports deploying clusters with the control plane version >= 1.${minorOf(version) - 1}.0`,
              ]
            : []),
    ]);
    advertised(machine, own);
    const [token] = tokensOf(own);
    if (token === undefined)
        throw new Refused("init without a token of one's own would leave one for a day, which is not simulated");
    // One that is there with its key is taken, as kubeadm does.
    const kept = machine.read(`${PKI}/ca.key`) === undefined ? undefined : machine.read(`${PKI}/ca.crt`);
    const authority = kept ?? selfSigned("kubernetes", 3650).certificate;
    writeCertificate(machine, "ca", authority);
    writeConfigs(machine, kubelet, own, true);
    machine.write("etc/kubernetes/super-admin.conf", readFileSync(machine.all.site.kubeconfig, "utf8"), 0o600);
    writeManifests(machine, cluster, wanted);
    if (diesNow(machine)) throw new Refused("Killed", 137);
    const encryption = encryptionOf(machine, cluster);
    if (encryption === undefined) throw new Refused(DEADLINE);
    const { kubeconfig, controlPlane, root, bin } = machine.all.site;
    if (clusterOf(machine.all) !== undefined) {
        // The sandbox's control plane is that of the cluster before.
        await emptyControlPlane(
            { root, kubeconfig, address: "", ...(controlPlane === undefined ? {} : { controlPlane }) },
            bin,
        );
    }
    const founded: PlayedKubeadmCluster = {
        authority,
        clusterConfiguration: cluster,
        kubeletConfiguration: kubelet,
        version: wanted,
        members: [machine.name],
        tokens: { [token]: Date.now() + ttlOf(own) },
        encryption,
    };
    machine.write("var/lib/etcd/member/snap", "");
    saveCluster(machine.all, founded);
    startKubelet(machine);
    const endpoint = text(cluster["controlPlaneEndpoint"]).replace(/:6443$/, "");
    // Everything goes by the endpoint from here on; with admin.conf kube-vip may ask nothing before init has ended.
    const pod = machine.read(`${MANIFESTS}/kube-vip.yaml`) ?? "";
    if (
        machine.all.at(endpoint) === undefined &&
        !(pod.includes("super-admin.conf") && pod.includes(`value: ${endpoint}\n`))
    ) {
        throw new Refused(DEADLINE);
    }
    if (apiAt(machine, endpoint) === undefined) throw new Refused(DEADLINE);
    return "Your Kubernetes control-plane has initialized successfully!";
}

function advertised(machine: PlayedMachine, own: Config | undefined): void {
    const address = text(part(own, "localAPIEndpoint", "advertiseAddress"));
    if (address !== machine.record.address)
        throw new Refused(`error: the advertise address ${address} is no address of the machine`);
}

/** What the API server is to encrypt with; undefined: it never comes up. */
function encryptionOf(machine: PlayedMachine, cluster: Config): string | undefined {
    const args = part(cluster, "apiServer", "extraArgs");
    const volumes = part(cluster, "apiServer", "extraVolumes");
    const path = (Array.isArray(args) ? args : []).find(
        (one) => part(one as Config, "name") === "encryption-provider-config",
    ) as Config | undefined;
    if (path === undefined) return "";
    const file = text(path["value"]);
    const mounted = (Array.isArray(volumes) ? volumes : []).some((one) =>
        file.startsWith(`${text(part(one as Config, "mountPath"))}/`),
    );
    return mounted ? machine.read(file.slice(1)) : undefined;
}

function writeConfigs(machine: PlayedMachine, kubelet: Config, own: Config, controlPlane: boolean): void {
    const registration = part(own, "nodeRegistration");
    const name = text(part(own, "nodeRegistration", "name"));
    const args = part(own, "nodeRegistration", "kubeletExtraArgs");
    const values = new Map(
        (Array.isArray(args) ? args : []).map((one) => [
            text(part(one as Config, "name")),
            text(part(one as Config, "value")),
        ]),
    );
    if (values.get("node-ip") !== machine.record.address)
        throw new Refused(`error: node-ip ${values.get("node-ip") ?? ""} is no address of the machine`);
    if (name !== machine.name) throw new Refused(`error: the node ${name} is another machine's`);
    // Absent they are kubeadm's own, a control plane's taint.
    const taints =
        part(isConfig(registration) ? registration : {}, "taints") ??
        (controlPlane ? [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }] : []);
    const labels = Object.fromEntries(
        (values.get("node-labels") ?? "")
            .split(",")
            .filter(Boolean)
            .map((one) => one.split("=") as [string, string]),
    );
    machine.write("var/lib/kubelet/registration.json", JSON.stringify({ taints, labels, controlPlane }));
    machine.write("var/lib/kubelet/config.yaml", stringify(kubelet));
    machine.write("etc/kubernetes/kubelet.conf", "kubelet\n", 0o600);
    if (controlPlane) {
        machine.write("etc/kubernetes/admin.conf", readFileSync(machine.all.site.kubeconfig, "utf8"), 0o600);
        for (const file of [
            "apiserver",
            "front-proxy-ca",
            "front-proxy-client",
            "apiserver-kubelet-client",
            "etcd/ca",
            "etcd/server",
            "etcd/healthcheck-client",
        ]) {
            writeCertificate(machine, file);
            machine.write(`${PKI}/${file}.key`, "key\n", 0o600);
        }
        machine.write(`${PKI}/ca.key`, "key\n", 0o600);
        machine.write(`${PKI}/sa.key`, "key\n", 0o600);
    }
}

/** With its end beside it, for the machine's own openssl. */
function writeCertificate(machine: PlayedMachine, file: string, pem = selfSigned(file, 365).certificate): void {
    machine.write(`${PKI}/${file}.crt`, pem);
    machine.write(`${PKI}/${file}.crt.end`, `notAfter=${new X509Certificate(pem).validTo}\n`);
}

function writeManifests(machine: PlayedMachine, cluster: Config, version: string): void {
    const args = part(cluster, "apiServer", "extraArgs");
    const own = (Array.isArray(args) ? args : []).map(
        (one) => `    - --${text(part(one as Config, "name"))}=${text(part(one as Config, "value"))}`,
    );
    machine.write(
        API_MANIFEST,
        `spec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --advertise-address=${machine.record.address}\n${own.join("\n")}\n    image: registry.k8s.io/kube-apiserver:${version}\n`,
        0o600,
    );
    machine.write(ETCD_MANIFEST, "image: registry.k8s.io/etcd:3.6.6-0\n", 0o600);
    for (const name of ["kube-controller-manager", "kube-scheduler"]) {
        machine.write(`${MANIFESTS}/${name}.yaml`, `image: registry.k8s.io/${name}:${version}\n`, 0o600);
    }
}

const TOKEN = /^[a-z0-9]{6}\.[a-z0-9]{16}$/;

function tokensOf(own: Config): string[] {
    const list = own["bootstrapTokens"];
    return (Array.isArray(list) ? list : []).map((one) => {
        const token = text(part(one as Config, "token"));
        if (!TOKEN.test(token))
            throw new Refused(
                'error: the bootstrap token was not of the form "\\\\A([a-z0-9]{6})\\\\.([a-z0-9]{16})\\\\z"',
            );
        return token;
    });
}

function ttlOf(own: Config): number {
    const list = own["bootstrapTokens"];
    const [, minutes] = /^(\d+)m0s$/.exec(text(part((Array.isArray(list) ? list[0] : {}) as Config, "ttl"))) ?? [];
    if (minutes === undefined) throw new Refused("a token without an end in minutes is not simulated");
    return Number(minutes) * 60_000;
}

const ADMIN = "etc/kubernetes/admin.conf";

/** cmd/kubeadm/app/cmd/util: `kubeadm token` takes what is given, else root's own, else admin.conf. */
function tokenKubeconfig(machine: PlayedMachine, args: readonly string[]): string {
    const given = args[args.indexOf("--kubeconfig") + 1];
    if (args.includes("--kubeconfig")) return given ?? "";
    return machine.path([ROOTS_OWN, ADMIN].find((path) => machine.read(path) !== undefined) ?? ADMIN);
}

const ROOTS_OWN = "root/.kube/config";

/** Every other command that asks the API goes by admin.conf, which leads to the endpoint. */
function ask(machine: PlayedMachine, kubeconfig = machine.path(ADMIN)): PlayedKubeadmCluster {
    const cluster = clusterOf(machine.all);
    const endpoint = text(cluster?.clusterConfiguration["controlPlaneEndpoint"]).replace(/:6443$/, "");
    if (machine.read(ADMIN) === undefined)
        throw new Refused(
            "error: failed to load admin kubeconfig: open /etc/kubernetes/admin.conf: no such file or directory",
        );
    if (cluster === undefined || apiAt(machine, endpoint) === undefined) {
        throw new Refused(
            `error: Get "https://${endpoint}:6443/api/v1": dial tcp ${endpoint}:6443: connect: no route to host`,
        );
    }
    // Every admin.conf of the cluster is alike here.
    if (!existsSync(kubeconfig) || readFileSync(kubeconfig, "utf8") !== machine.read(ADMIN)) {
        throw new Refused(
            `error: Get "https://${endpoint}:6443/api/v1": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
        );
    }
    return cluster;
}

function createToken(machine: PlayedMachine, documents: Documents, kubeconfig: string): string {
    const cluster = ask(machine, kubeconfig);
    const own = need(documents, "InitConfiguration");
    const [token = ""] = tokensOf(own);
    saveCluster(machine.all, { ...cluster, tokens: { ...cluster.tokens, [token]: Date.now() + ttlOf(own) } });
    return token;
}

function deleteToken(machine: PlayedMachine, id: string, kubeconfig: string): string {
    const cluster = ask(machine, kubeconfig);
    if (!/^[a-z0-9]{6}$/.test(id)) throw new Refused(`error: given token or token ID is not valid`);
    const kept = Object.entries(cluster.tokens).filter(([token]) => !token.startsWith(`${id}.`));
    saveCluster(machine.all, { ...cluster, tokens: Object.fromEntries(kept) });
    return `bootstrap token "${id}" deleted`;
}

function uploadCertificates(machine: PlayedMachine, documents: Documents, args: readonly string[]): string {
    const cluster = ask(machine);
    if (!args.includes("--upload-certs")) return "[upload-certs] Skipping phase. Please see --upload-certs";
    need(documents, "ClusterConfiguration");
    const key = text(need(documents, "InitConfiguration")["certificateKey"]);
    if (!/^[0-9a-f]{64}$/.test(key)) throw new Refused("error: certificate key must be 32 bytes");
    if (machine.read(`${PKI}/ca.key`) === undefined)
        throw new Refused("error: open /etc/kubernetes/pki/ca.key: no such file or directory");
    saveCluster(machine.all, { ...cluster, certificateKey: key });
    return `[upload-certs] Using certificate key:\n${key}`;
}

function join(machine: PlayedMachine, version: string, documents: Documents): string {
    const own = need(documents, "JoinConfiguration");
    const controlPlane = isConfig(own["controlPlane"]) ? own["controlPlane"] : undefined;
    preflight([
        ...common(machine, version, text(part(own, "nodeRegistration", "criSocket"))),
        ...(controlPlane === undefined ? [] : controlPlaneChecks(machine)),
        ...(controlPlane === undefined && machine.read(`${PKI}/ca.crt`) !== undefined
            ? ["FileAvailable--etc-kubernetes-pki-ca.crt]: /etc/kubernetes/pki/ca.crt already exists"]
            : []),
    ]);
    const endpoint = text(part(own, "discovery", "bootstrapToken", "apiServerEndpoint"));
    const host = endpoint.replace(/:6443$/, "");
    if (isIP(host) !== 4) throw new Refused(`error: ${endpoint} is no endpoint`);
    const server = apiAt(machine, host);
    const cluster = clusterOf(machine.all);
    if (server === undefined || cluster === undefined) {
        throw new Refused(
            `error: couldn't validate the identity of the API Server: Get "https://${endpoint}/api/v1/namespaces/kube-public/configmaps/cluster-info": dial tcp ${endpoint}: connect: no route to host`,
        );
    }
    const token = text(part(own, "discovery", "bootstrapToken", "token"));
    const ends = cluster.tokens[token];
    if (ends === undefined || ends < Date.now()) {
        throw new Refused(
            `error: couldn't validate the identity of the API Server: could not find a JWS signature in the cluster-info ConfigMap for token ID "${token.split(".")[0]}"`,
        );
    }
    const hashes = part(own, "discovery", "bootstrapToken", "caCertHashes");
    const key = new X509Certificate(cluster.authority).publicKey.export({ type: "spki", format: "der" });
    if (!Array.isArray(hashes) || !hashes.includes(`sha256:${createHash("sha256").update(key).digest("hex")}`)) {
        throw new Refused("error: cluster CA found in cluster-info ConfigMap is invalid: public key is not pinned");
    }
    const kubelet = releaseOf(machine.read("usr/local/bin/kubelet")) ?? "";
    if (minorOf(kubelet) > minorOf(cluster.version) || minorOf(version) < minorOf(cluster.version)) {
        throw new Refused(
            `error: this version of kubeadm, or a kubelet of ${kubelet}, does not fit a control plane of ${cluster.version}`,
        );
    }
    writeCertificate(machine, "ca", cluster.authority);
    if (controlPlane === undefined) {
        writeConfigs(machine, cluster.kubeletConfiguration, own, false);
    } else {
        if (cluster.certificateKey === undefined)
            throw new Refused(
                'error: error downloading the secret: secrets "kubeadm-certs" is forbidden: User "system:bootstrap" cannot get resource',
            );
        if (cluster.certificateKey !== controlPlane["certificateKey"])
            throw new Refused(
                "error: error decoding secret data with provided key: cipher: message authentication failed",
            );
        advertised(machine, controlPlane);
        if (cluster.members.includes(machine.name))
            throw new Refused(
                "error: error creating local etcd static pod manifest file: etcdserver: Peer URLs already exists",
            );
        if (!hasMajority(machine.all)) throw new Refused("error: etcdserver: unhealthy cluster");
        if (encryptionOf(machine, cluster.clusterConfiguration) !== cluster.encryption) {
            throw new Refused("error: the API server cannot read Secrets: it has another key than the others");
        }
        writeConfigs(machine, cluster.kubeletConfiguration, own, true);
        writeManifests(machine, cluster.clusterConfiguration, cluster.version);
        // Before it counts: a new member is a learner, without a vote, until it has caught up.
        if (diesNow(machine)) throw new Refused("Killed", 137);
        saveCluster(machine.all, { ...cluster, members: [...cluster.members, machine.name] });
        machine.write("var/lib/etcd/member/snap", "");
    }
    startKubelet(machine);
    if (machine.unit("kubelet").state !== "active")
        throw new Refused(`error: the kubelet is not healthy: ${machine.unit("kubelet").log.join(" ")}`);
    return "This node has joined the cluster";
}

function uploadConfig(machine: PlayedMachine, documents: Documents): string {
    const cluster = ask(machine);
    const wanted = need(documents, "ClusterConfiguration");
    for (const key of ["controlPlaneEndpoint", "clusterName", "networking"]) {
        if (JSON.stringify(wanted[key]) !== JSON.stringify(cluster.clusterConfiguration[key]))
            throw new Refused(`a change of ${key} in place is not simulated: nothing would follow it`);
    }
    saveCluster(machine.all, {
        ...cluster,
        clusterConfiguration: wanted,
        kubeletConfiguration: need(documents, "KubeletConfiguration"),
    });
    return "";
}

function certificate(machine: PlayedMachine, documents: Documents): string {
    need(documents, "ClusterConfiguration");
    if (machine.read(`${PKI}/apiserver.crt`) !== undefined)
        return "[certs] Using existing apiserver certificate and key on disk";
    if (machine.read(`${PKI}/ca.key`) === undefined) throw new Refused("error: failed to load certificate authority");
    const sans = part(need(documents, "ClusterConfiguration"), "apiServer", "certSANs");
    writeCertificate(machine, "apiserver");
    machine.write(`${PKI}/apiserver.key`, "key\n", 0o600);
    machine.write("apiserver-names", (Array.isArray(sans) ? sans : []).map(String).join("\n"));
    return "";
}

function manifests(machine: PlayedMachine, documents: Documents): string {
    const cluster = need(documents, "ClusterConfiguration");
    advertised(machine, need(documents, "InitConfiguration"));
    writeManifests(machine, cluster, text(cluster["kubernetesVersion"]));
    return "";
}

function kubeletConfig(machine: PlayedMachine): string {
    const cluster = clusterOf(machine.all);
    const endpoint = text(cluster?.clusterConfiguration["controlPlaneEndpoint"]).replace(/:6443$/, "");
    if (cluster === undefined || apiAt(machine, endpoint) === undefined)
        throw new Refused("error: could not get the kubelet-config ConfigMap");
    machine.write("var/lib/kubelet/config.yaml", stringify(cluster.kubeletConfiguration));
    return "";
}

/** cmd/kubeadm/app/phases/upgrade/policy.go */
function upgradeApply(machine: PlayedMachine, version: string, wanted: string, args: readonly string[]): string {
    if (!args.includes("--yes")) throw new Refused("error: nobody is there to confirm");
    const cluster = ask(machine);
    if (!apiAnswers(machine)) throw new Refused("error: this machine is no control plane that answers");
    const down = cluster.members.filter((name) => !apiAnswers(machine.all.machine(name)));
    if (down.length > 0)
        throw new Refused(
            `[ERROR ControlPlaneNodesReady]: there are NotReady control-planes in the cluster: [${down.join(" ")}]`,
        );
    if (minorOf(wanted) > minorOf(version))
        throw new Refused(
            `error: Specified version to upgrade to "${wanted}" is higher than the kubeadm version "${version}"`,
        );
    if (minorOf(wanted) - minorOf(cluster.version) > 1)
        throw new Refused(
            `error: Specified version to upgrade to "${wanted}" is too high; kubeadm can upgrade only 1 minor version at a time`,
        );
    if (minorOf(wanted) < minorOf(cluster.version)) throw new Refused("error: downgrades are not supported");
    const old = machine.all.names
        .map((name) => releaseOf(machine.all.machine(name).read("usr/local/bin/kubelet")))
        .find((one) => one !== undefined && minorOf(wanted) - minorOf(one) > 3);
    if (old !== undefined)
        throw new Refused(`error: there are kubelets of ${old} in the cluster, too old for ${wanted}`);
    const clusterConfiguration = { ...cluster.clusterConfiguration, kubernetesVersion: wanted };
    saveCluster(machine.all, { ...cluster, version: wanted, clusterConfiguration });
    writeManifests(machine, clusterConfiguration, wanted);
    return `[upgrade/successful] SUCCESS! Your cluster was upgraded to "${wanted}". Enjoy!`;
}

function upgradeNode(machine: PlayedMachine, version: string): string {
    const cluster = clusterOf(machine.all);
    const endpoint = text(cluster?.clusterConfiguration["controlPlaneEndpoint"]).replace(/:6443$/, "");
    if (
        cluster === undefined ||
        machine.read("etc/kubernetes/kubelet.conf") === undefined ||
        apiAt(machine, endpoint) === undefined
    )
        throw new Refused("error: unable to fetch the kubeadm-config ConfigMap");
    if (minorOf(version) !== minorOf(cluster.version)) {
        throw new Refused(`error: kubeadm ${version} does not fit a cluster of ${cluster.version}`);
    }
    if (versionOf(machine) !== undefined) writeManifests(machine, cluster.clusterConfiguration, cluster.version);
    return kubeletConfig(machine);
}

/** Goes on whatever it cannot do, as the real one does. */
function reset(machine: PlayedMachine, args: readonly string[]): string {
    if (!args.includes("--force")) throw new Refused("error: nobody is there to confirm");
    const cluster = clusterOf(machine.all);
    const said: string[] = [];
    if (
        cluster !== undefined &&
        cluster.members.includes(machine.name) &&
        !args.includes("--skip-phases=remove-etcd-member")
    ) {
        if (cluster.members.length > 1 && hasMajority(machine.all)) {
            saveCluster(machine.all, { ...cluster, members: cluster.members.filter((name) => name !== machine.name) });
        } else said.push("[reset] Failed to remove etcd member, please manually remove this etcd member using etcdctl");
    }
    machine.setUnit("kubelet", { state: "inactive" });
    machine.ports = [];
    for (const file of [
        "manifests",
        "pki",
        "admin.conf",
        "super-admin.conf",
        "kubelet.conf",
        "bootstrap-kubelet.conf",
        "controller-manager.conf",
        "scheduler.conf",
    ]) {
        machine.remove(`etc/kubernetes/${file}`);
    }
    // What is mounted below the kubelet's directory is taken off; where that cannot be done nothing in it is removed.
    const below = (line: string) => (line.split(" ")[1] ?? "").startsWith(machine.path("var/lib/kubelet"));
    const { stuckMount } = machine.troubles;
    const mounts = (machine.read("proc/self/mounts") ?? "").split("\n");
    const left = mounts.filter(
        (line) => !below(line) || (stuckMount !== undefined && line.split(" ")[1] === machine.path(stuckMount)),
    );
    machine.write("proc/self/mounts", left.join("\n"));
    machine.remove("var/lib/etcd/member");
    if (!left.some(below)) machine.remove("var/lib/kubelet");
    return said.join("\n");
}
