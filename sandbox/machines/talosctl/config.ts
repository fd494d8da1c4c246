/** Machine configurations of the simulated talosctl: made from secrets and patches, checked, compared. */
import { isRecord, record } from "../../../lib/json";
import { createHash } from "node:crypto";
import { parse, parseAllDocuments, stringify } from "yaml";
import { talosMinor } from "../../../bootstrap/talos/versions";
import { Refused } from "./flags";

export interface Tree {
    [key: string]: unknown;
}

/** A machine configuration: the document without a kind, and those beside it. */
export type Documents = readonly [main: Tree, ...beside: Tree[]];

/** From this release on the machine's name is a document of its own. */
const HOSTNAME_CONFIG = 12;

/** Keys of Talos 1.10's v1alpha1 configuration; others are refused, as the real decoder does. */
const KNOWN = {
    machine:
        "type token ca acceptedCAs certSANs controlPlane kubelet pods network disks install files env time sysctls sysfs registries systemDiskEncryption features udev logging kernel seccompProfiles baseRuntimeSpecOverrides nodeLabels nodeAnnotations nodeTaints",
    cluster:
        "id secret controlPlane clusterName network token aescbcEncryptionSecret secretboxEncryptionSecret ca acceptedCAs aggregatorCA serviceAccount apiServer controllerManager proxy scheduler discovery etcd coreDNS externalCloudProvider extraManifests extraManifestHeaders inlineManifests adminKubeconfig allowSchedulingOnControlPlanes",
} as const;

/** Parts of `machine` that Talos applies while it runs; a change of any other needs a reboot. */
const IMMEDIATE =
    "ca acceptedCAs time certSANs install network sysfs sysctls logging controlPlane kubelet kernel registries pods seccompProfiles nodeAnnotations nodeLabels nodeTaints".split(
        " ",
    );
const IMMEDIATE_FEATURES = "kubernetesTalosAPIAccess kubePrism hostDNS imageCache nodeAddressSortAlgorithm".split(" ");

export function generate(
    secretsText: string,
    options: {
        name: string;
        endpoint: string;
        /** Of talosctl. */
        talos: string;
        /** Release that the configuration is for. */
        contract: string;
        kubernetes: string;
        patches: readonly string[];
    },
): Documents {
    const secrets = tree(parse(secretsText));
    const certs = tree(secrets["certs"]);
    const own = tree(secrets["secrets"]);
    const id = tree(secrets["cluster"]);
    if (certs["os"] === undefined || id["id"] === undefined) {
        throw new Refused("failed to load secrets bundle: [cluster.id certs.os] required");
    }
    const named = talosMinor(options.contract) >= HOSTNAME_CONFIG;
    const image = (component: string) => ({ image: `registry.k8s.io/${component}:v${options.kubernetes}` });
    const base: Tree = {
        version: "v1alpha1",
        debug: false,
        persist: true,
        machine: {
            type: "controlplane",
            token: tree(secrets["trustdinfo"])["token"],
            ca: certs["os"],
            kubelet: { image: `ghcr.io/siderolabs/kubelet:v${options.kubernetes}` },
            install: { disk: "/dev/sda", image: `ghcr.io/siderolabs/installer:${options.talos}`, wipe: false },
            nodeLabels: { "node.kubernetes.io/exclude-from-external-load-balancers": "" },
            features: {
                ...(named ? {} : { rbac: true, stableHostname: true }),
                ...{ kubePrism: { enabled: true, port: 7445 }, hostDNS: { enabled: true } },
            },
        },
        cluster: {
            id: id["id"],
            secret: id["secret"],
            clusterName: options.name,
            controlPlane: { endpoint: options.endpoint },
            network: { dnsDomain: "cluster.local", podSubnets: ["10.244.0.0/16"], serviceSubnets: ["10.96.0.0/12"] },
            token: own["bootstraptoken"],
            secretboxEncryptionSecret: own["secretboxencryptionsecret"],
            ca: certs["k8s"],
            aggregatorCA: certs["k8saggregator"],
            serviceAccount: certs["k8sserviceaccount"],
            apiServer: image("kube-apiserver"),
            controllerManager: image("kube-controller-manager"),
            proxy: image("kube-proxy"),
            scheduler: image("kube-scheduler"),
            etcd: { ca: certs["etcd"] },
        },
    };
    const hostname: Tree = { apiVersion: "v1alpha1", kind: "HostnameConfig", auto: "stable" };
    return options.patches
        .flatMap((patch) => documents(patch))
        .reduce<Documents>(patched, named ? [base, hostname] : [base]);
}

/** A document is merged into the one of its kind; without one it is added. */
function patched([main, ...beside]: Documents, patch: Tree): Documents {
    if (patch["kind"] === undefined) return [merge(main, patch), ...beside];
    const same = beside.findIndex(({ kind }) => kind === patch["kind"]);
    return same < 0
        ? [main, ...beside, patch]
        : [main, ...beside.map((document, index) => (index === same ? merge(document, patch) : document))];
}

/** Of a file or a patch. */
export function documents(text: string): Documents {
    const all = parseAllDocuments(text).map((document) => tree(document.toJS()));
    return [all.find(({ kind }) => kind === undefined) ?? {}, ...all.filter(({ kind }) => kind !== undefined)];
}

export function written(config: Documents): string {
    return config.map((document) => stringify(document)).join("---\n");
}

/** Strategic merge as far as it is used: maps are merged, lists and values replaced, `$patch: delete` removes. */
function merge(base: Tree, patch: Tree): Tree {
    const result = { ...base };
    for (const [key, value] of Object.entries(patch)) {
        if (isRecord(value) && value["$patch"] === "delete") {
            if (!(key in result)) throw new Refused(`patch delete: failed to delete path '${key}': lookup failed`);
            Reflect.deleteProperty(result, key);
        } else result[key] = isRecord(value) && isRecord(result[key]) ? merge(result[key], value) : value;
    }
    return result;
}

/** Throws `Refused` on what the validation of a release of Talos would not take. */
export function check(text: string, release: string): Documents {
    const [config, ...beside] = documents(text);
    for (const part of ["machine", "cluster"] as const) {
        const unknown = Object.keys(tree(config[part])).filter((key) => !KNOWN[part].split(" ").includes(key));
        if (unknown.length > 0)
            throw new Refused(`unknown keys found during decoding:\n${part}: ${unknown.join(", ")}`);
    }
    const { disk, image } = install(config);
    if (disk === "") throw new Refused('install instructions are required in "metal" mode');
    if (!/:v\d+\.\d+\.\d+$/.test(image)) throw new Refused(`installer image "${image}" has no release`);
    for (const document of beside) checkBeside(config, document, release);
    return [config, ...beside];
}

function checkBeside(config: Tree, { apiVersion, kind, auto, hostname }: Tree, release: string): void {
    if (kind !== "HostnameConfig" || talosMinor(release) < HOSTNAME_CONFIG)
        throw new Refused(`"${String(kind)}" "${String(apiVersion)}": not registered`);
    const machine = tree(config["machine"]);
    const errors = [
        ...(auto !== undefined && auto !== "off" && hostname !== undefined
            ? ["'auto' and 'hostname' cannot be set at the same time"]
            : []),
        ...(tree(machine["network"])["hostname"] === undefined
            ? []
            : ["static hostname is already set in v1alpha1 config"]),
        ...(tree(machine["features"])["stableHostname"] === true
            ? ["stable hostname is already set in v1alpha1 config"]
            : []),
    ];
    if (errors.length > 0) throw new Refused(errors.map((error) => `\t* ${error}`).join("\n"));
}

export function install(main: Tree): { disk: string; image: string } {
    const { disk, image } = tree(tree(main["machine"])["install"]);
    return { disk: String(disk ?? ""), image: String(image ?? "") };
}

export function compare(current: Documents, next: Documents): "nothing" | "no-reboot" | "reboot" {
    if (text(current) === text(next)) return "nothing";
    return text(needsReboot(current)) === text(needsReboot(next)) ? "no-reboot" : "reboot";
}

/** What Talos takes over only when it boots. */
function needsReboot([main]: Documents): Tree {
    const without = (part: unknown, keys: readonly string[]) =>
        Object.fromEntries(Object.entries(tree(part)).filter(([key]) => !keys.includes(key)));
    const machine = without(main["machine"], IMMEDIATE);
    return { ...machine, features: without(machine["features"], IMMEDIATE_FEATURES) };
}

/** The same for the same content, in whatever order its keys are. */
function text(value: unknown): string {
    return JSON.stringify(value, (_, item: unknown) =>
        isRecord(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
    );
}

/** Stands for the certificate authority of the Talos API. */
export function authority([main]: Documents): string {
    return digest(JSON.stringify(tree(main["machine"])["ca"]));
}

export function digest(text: string): string {
    return createHash("sha256").update(text).digest("hex");
}

export function tree(value: unknown): Tree {
    return record(value);
}
