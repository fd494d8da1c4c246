/** Machine configurations of the simulated talosctl: made from secrets and patches, checked, compared. */
import { isRecord, record } from "../../../lib/json";
import { createHash } from "node:crypto";
import { parse } from "yaml";
import { Refused } from "./flags";

export interface Tree {
    [key: string]: unknown;
}

/** Keys of Talos 1.10's v1alpha1 configuration; others are refused, as the real decoder does. */
const KNOWN = {
    machine:
        "type token ca acceptedCAs certSANs controlPlane kubelet pods network disks install files env time sysctls sysfs registries systemDiskEncryption features udev logging kernel seccompProfiles baseRuntimeSpecOverrides nodeLabels nodeAnnotations nodeTaints",
    cluster:
        "id secret controlPlane clusterName network token aescbcEncryptionSecret secretboxEncryptionSecret ca acceptedCAs aggregatorCA serviceAccount apiServer controllerManager proxy scheduler discovery etcd coreDNS externalCloudProvider extraManifests extraManifestHeaders inlineManifests adminKubeconfig allowSchedulingOnControlPlanes",
} as const;

/** Parts of `machine` that Talos applies while it runs; a change of any other needs a reboot. */
const IMMEDIATE =
    "ca acceptedCAs time certSANs install network sysfs sysctls logging controlPlane kubelet kernel registries pods seccompProfiles nodeAnnotations nodeLabels nodeTaints features".split(
        " ",
    );

export function generate(
    secretsText: string,
    options: { name: string; endpoint: string; talos: string; kubernetes: string; patches: readonly string[] },
): Tree {
    const secrets = tree(parse(secretsText));
    const certs = tree(secrets["certs"]);
    const own = tree(secrets["secrets"]);
    const id = tree(secrets["cluster"]);
    if (certs["os"] === undefined || id["id"] === undefined) {
        throw new Refused("failed to load secrets bundle: [cluster.id certs.os] required");
    }
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
            features: { rbac: true, kubePrism: { enabled: true, port: 7445 }, hostDNS: { enabled: true } },
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
    return options.patches.reduce((config, patch) => merge(config, tree(parse(patch))), base);
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

/** Throws `Refused` on what Talos' own validation would not take. */
export function check(text: string): Tree {
    const config = tree(parse(text));
    for (const part of ["machine", "cluster"] as const) {
        const unknown = Object.keys(tree(config[part])).filter((key) => !KNOWN[part].split(" ").includes(key));
        if (unknown.length > 0)
            throw new Refused(`unknown keys found during decoding:\n${part}: ${unknown.join(", ")}`);
    }
    const { disk, image } = install(config);
    if (disk === "") throw new Refused('install instructions are required in "metal" mode');
    if (!/:v\d+\.\d+\.\d+$/.test(image)) throw new Refused(`installer image "${image}" has no release`);
    return config;
}

export function install(config: Tree): { disk: string; image: string } {
    const { disk, image } = tree(tree(config["machine"])["install"]);
    return { disk: String(disk ?? ""), image: String(image ?? "") };
}

export function compare(current: Tree, next: Tree): "nothing" | "no-reboot" | "reboot" {
    if (text(current) === text(next)) return "nothing";
    const [before, after] = [tree(current["machine"]), tree(next["machine"])];
    const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
        (key) => text(before[key]) !== text(after[key]),
    );
    return changed.every((key) => IMMEDIATE.includes(key)) ? "no-reboot" : "reboot";
}

/** The same for the same content, in whatever order its keys are. */
function text(value: unknown): string {
    return JSON.stringify(value, (_, item: unknown) =>
        isRecord(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
    );
}

/** Stands for the certificate authority of the Talos API. */
export function authority(config: Tree): string {
    return digest(JSON.stringify(tree(config["machine"])["ca"]));
}

export function digest(text: string): string {
    return createHash("sha256").update(text).digest("hex");
}

export function tree(value: unknown): Tree {
    return record(value);
}
