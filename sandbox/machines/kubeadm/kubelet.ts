/** systemd and the kubelet of the simulated machines. */
import { basename } from "node:path";
import { Refused } from "../k3d/refused";
import type { PlayedMachine } from "../k3s/state";
import { registerNode } from "../linux/kubectl";
import { API_MANIFEST, apiAnswers, clusterOf, versionOf } from "./cluster";
import { kubectlOf } from "./kubectl";
import { minorOf, releaseOf } from "./release";

/** What kubeadm gives a control plane: phases/markcontrolplane/markcontrolplane.go. */
const CONTROL_PLANE_LABELS = {
    "node-role.kubernetes.io/control-plane": "",
    "node.kubernetes.io/exclude-from-external-load-balancers": "",
};

const UNITS = ["kubelet", "containerd", "homelab-infrastructure-etcd-snapshot"];

const unitPath = (unit: string) => `etc/systemd/system/${unit}`;

export function systemctl(machine: PlayedMachine, args: readonly string[]): string {
    const [verb = "", ...names] = args.filter((word) => !word.startsWith("-"));
    const full = names[0] ?? "";
    const unit = basename(full, ".service");
    if (verb === "daemon-reload") {
        const { loaded: _loaded, ...rest } = machine.unit("kubelet");
        const file = machine.read(unitPath("kubelet.service"));
        machine.change(({ units }) => {
            units["kubelet"] = { ...rest, ...(file === undefined ? {} : { loaded: file }) };
        });
        return "";
    }
    if (full.endsWith(".timer")) {
        if (!UNITS.includes(basename(full, ".timer"))) throw new Refused(`systemctl ${verb} ${full} is not simulated`);
        if (verb === "enable" && machine.read(unitPath(full)) === undefined) {
            throw new Refused(`Failed to enable unit: Unit file ${full} does not exist.`);
        }
        machine.setUnit(full, { enabled: verb === "enable", state: verb === "enable" ? "active" : "inactive" });
        return "";
    }
    const known = machine.unit(unit);
    switch (verb) {
        case "enable":
            if (unit !== "containerd" && machine.read(unitPath(`${unit}.service`)) === undefined)
                throw new Refused(`Failed to enable unit: Unit file ${unit}.service does not exist.`);
            machine.setUnit(unit, { enabled: true });
            return "";
        case "stop":
        case "disable":
            machine.setUnit(unit, { state: "inactive", ...(verb === "disable" ? { enabled: false } : {}) });
            return "";
        case "restart":
        case "start":
            if (unit !== "kubelet") throw new Refused(`systemctl ${verb} ${unit} is not simulated`);
            if (known.loaded === undefined)
                throw new Refused("Failed to restart kubelet.service: Unit kubelet.service not found.", 5);
            startKubelet(machine);
            return "";
    }
    throw new Refused(`systemctl ${verb} is not simulated`);
}

/** Runs the kubelet, as its unit, its configuration and its release let it. */
export function startKubelet(machine: PlayedMachine): void {
    const end = (state: "active" | "activating", ...log: string[]) => {
        machine.setUnit("kubelet", { state, log });
        const api = machine.read(API_MANIFEST) !== undefined;
        machine.ports = state === "active" ? [10250, ...(api ? [6443, 2379, 2380] : [])] : [];
    };
    const version = releaseOf(machine.read("usr/local/bin/kubelet"));
    if (version === undefined)
        return end("activating", "Failed at step EXEC spawning /usr/local/bin/kubelet: No such file or directory");
    const config = machine.read("var/lib/kubelet/config.yaml");
    if (config === undefined)
        return end(
            "activating",
            "failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: open: no such file or directory",
        );
    if ((machine.read("proc/swaps") ?? "").trim().split("\n").length > 1)
        return end(
            "activating",
            "running with swap on is not supported, please disable swap or set --fail-swap-on flag to false",
        );
    if (machine.unit("containerd").state !== "active")
        return end(
            "activating",
            "validate CRI v1 runtime API for endpoint unix:///run/containerd/containerd.sock: connection refused",
        );
    const cluster = clusterOf(machine.all);
    if (cluster === undefined || machine.read("etc/kubernetes/kubelet.conf") === undefined)
        return end("activating", "failed to run Kubelet: unable to load bootstrap kubeconfig");
    if ((machine.read("etc/kubernetes/pki/ca.crt") ?? "").trim() !== cluster.authority.trim())
        return end("activating", "x509: certificate signed by unknown authority");
    const api = versionOf(machine) ?? oldestApi(machine);
    // Stricter than the real one, which comes up and is supported by nobody.
    if (api !== undefined && minorOf(version) > minorOf(api))
        return end("activating", `a kubelet of ${version} is newer than its API server of ${api}`);
    end("active", "Started kubelet");
    register(machine, version);
}

/** A worker may be told to by any of them. */
function oldestApi(machine: PlayedMachine): string | undefined {
    const versions = (clusterOf(machine.all)?.members ?? []).flatMap(
        (name) => versionOf(machine.all.machine(name)) ?? [],
    );
    return versions.sort((a, b) => minorOf(a) - minorOf(b))[0];
}

/** The node of a machine, by labels and taints only where it is new; where nobody answers it goes on trying. */
function register(machine: PlayedMachine, version: string): void {
    const { all, record, name } = machine;
    const server = all.names.map((one) => all.machine(one)).find(apiAnswers);
    if (server === undefined) return;
    const said = JSON.parse(machine.read("var/lib/kubelet/registration.json") ?? "{}") as {
        taints?: { key: string; value?: string; effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute" }[];
        labels?: Record<string, string>;
        controlPlane?: boolean;
    };
    registerNode(
        (args, stdin) => kubectlOf(server, args, stdin),
        { name, version },
        () => ({
            address: record.address,
            labels: {
                ...(said.controlPlane === true ? CONTROL_PLANE_LABELS : {}),
                ...said.labels,
            },
            capacity: record.capacity,
            taints: (said.taints ?? []).map(({ key, value = "", effect }) => ({ key, value, effect })),
            osImage: "Arch Linux",
        }),
    );
}
