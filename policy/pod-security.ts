/**
 * What a namespace's Pod Security level forbids of a pod, https://kubernetes.io/docs/concepts/security/pod-security-standards/
 * The API server refuses such a pod only when its controller makes it: the rollout then waits for ever.
 */
import { dig, fields, isFields, items, text, type Json } from "./rules/rule";
import { containersOf } from "./rules/kubernetes";

export type PodSecurityLevel = "privileged" | "baseline" | "restricted";

const CAPABILITIES =
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT".split(
        " ",
    );
const SYSCTLS = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
];
const SELINUX_TYPES = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
const VOLUMES = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/** Faults of a pod's spec at a level, each a sentence; none at `privileged`. */
export function podSecurityFaults(level: PodSecurityLevel, spec: Json): string[] {
    if (level === "privileged") return [];
    return [...baseline(spec), ...(level === "restricted" ? restricted(spec) : [])];
}

/** Settings of the pod and of each container, by where they stand. */
function contexts(spec: Json): [where: string, context: Json | undefined][] {
    return [
        ["the pod", dig(spec, "securityContext")],
        ...containersOf(spec).map(({ name, container }): [string, Json | undefined] => [
            `the container ${name}`,
            container["securityContext"],
        ]),
    ];
}

function baseline(spec: Json): string[] {
    const pod = ["hostNetwork", "hostPID", "hostIPC"]
        .filter((key) => dig(spec, key) === true)
        .map((key) => `the pod has ${key}`);
    const volumes = items(dig(spec, "volumes"))
        .filter((volume) => isFields(volume["hostPath"]))
        .map((volume) => `the volume ${String(volume["name"])} is a hostPath`);
    const sysctls = items(dig(spec, "securityContext", "sysctls"))
        .map(({ name }) => String(name))
        .filter((name) => !SYSCTLS.includes(name))
        .map((name) => `the pod sets ${name}`);
    const both = contexts(spec).flatMap(([where, context]) => {
        const selinux = fields(dig(context, "seLinuxOptions"));
        return [
            ...(dig(context, "seccompProfile", "type") === "Unconfined" ? [`${where} runs without seccomp`] : []),
            ...(dig(context, "appArmorProfile", "type") === "Unconfined" ? [`${where} runs without AppArmor`] : []),
            ...(dig(context, "windowsOptions", "hostProcess") === true ? [`${where} is a process of the host`] : []),
            ...(SELINUX_TYPES.includes(text(selinux["type"]) ?? "") &&
            (selinux["user"] ?? selinux["role"]) === undefined
                ? []
                : [`${where} has SELinux options of its own`]),
        ];
    });
    const containers = containersOf(spec).flatMap(({ name, container }) => {
        const context = container["securityContext"];
        const added = list(dig(context, "capabilities", "add")).filter((one) => !CAPABILITIES.includes(one));
        const ports = items(container["ports"]).filter(({ hostPort }) => hostPort !== undefined && hostPort !== 0);
        const procMount = text(dig(context, "procMount")) ?? "Default";
        return [
            ...(dig(context, "privileged") === true ? [`the container ${name} is privileged`] : []),
            ...added.map((one) => `the container ${name} adds ${one}`),
            ...ports.map(({ hostPort }) => `the container ${name} takes port ${String(hostPort)} of the host`),
            ...(procMount === "Default" ? [] : [`the container ${name} mounts /proc as ${procMount}`]),
        ];
    });
    return [...pod, ...volumes, ...sysctls, ...both, ...containers];
}

function restricted(spec: Json): string[] {
    const forAll = dig(spec, "securityContext");
    const volumes = items(dig(spec, "volumes")).flatMap((volume) =>
        Object.keys(volume)
            .filter((key) => key !== "name" && key !== "hostPath" && !VOLUMES.includes(key))
            .map((key) => `the volume ${String(volume["name"])} is of the kind ${key}`),
    );
    const users = contexts(spec)
        .filter(([, context]) => dig(context, "runAsUser") === 0)
        .map(([where]) => `${where} runs as root`);
    const containers = containersOf(spec).flatMap(({ name, container }) => {
        const context = container["securityContext"];
        const either = (...path: string[]) => dig(context, ...path) ?? dig(forAll, ...path);
        const added = list(dig(context, "capabilities", "add")).filter(
            (one) => one !== "NET_BIND_SERVICE" && CAPABILITIES.includes(one),
        );
        return [
            ...(either("runAsNonRoot") === true ? [] : [`the container ${name} may run as root`]),
            ...(["RuntimeDefault", "Localhost"].includes(String(either("seccompProfile", "type")))
                ? []
                : [`the container ${name} has no seccomp profile`]),
            ...(dig(context, "allowPrivilegeEscalation") === false
                ? []
                : [`the container ${name} may gain privileges`]),
            ...(list(dig(context, "capabilities", "drop")).includes("ALL")
                ? []
                : [`the container ${name} keeps capabilities`]),
            ...added.map((one) => `the container ${name} adds ${one}`),
        ];
    });
    return [...volumes, ...users, ...containers];
}

function list(value: Json | undefined): string[] {
    return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
