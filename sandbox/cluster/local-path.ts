/** What local-path-provisioner reads and decides before it makes a directory: its configuration, the class, the claim. */
import { posix } from "node:path";
import type { PersistentVolumeClaim, StorageClass } from "../controllers/objects";

interface ClassConfig {
    readonly nodePathMap?: readonly { readonly node?: string; readonly paths?: readonly string[] }[];
    readonly sharedFileSystemPath?: string;
}

/** `config.json` of its ConfigMap. */
export interface LocalPathConfig extends ClassConfig {
    readonly storageClassConfigs?: Readonly<Record<string, ClassConfig>>;
}

export type Placed = { readonly path: string } | { readonly fault: string };

const OTHERS = "DEFAULT_PATH_FOR_NON_LISTED_NODES";

/** Where k3s' own puts volumes, which the sandbox has no ConfigMap of. */
export const BUNDLED: LocalPathConfig = { nodePathMap: [{ node: OTHERS, paths: ["/opt/local-path-provisioner"] }] };

/** Undefined for a text that the provisioner would not start with. */
export function readConfig(text: string | undefined): LocalPathConfig | undefined {
    try {
        return JSON.parse(text ?? "") as LocalPathConfig;
    } catch {
        return undefined;
    }
}

/** The directory of a claim's volume, or why there is none. provisioner.go of local-path-provisioner 0.0.37 */
export function place(
    config: LocalPathConfig | undefined,
    storageClass: StorageClass,
    claim: PersistentVolumeClaim,
    node: string,
): Placed {
    if (config === undefined) return { fault: "no valid config available" };
    const { storageClassConfigs: byClass = {} } = config;
    const own = Object.keys(byClass).length === 0 ? config : byClass[storageClass.metadata.name];
    if (own === undefined) {
        return { fault: `BUG: Got request for unexpected storage class ${storageClass.metadata.name}` };
    }
    const root = rootOf(own, node, storageClass.parameters?.["nodePath"]);
    if ("fault" in root) return root;
    const folder = folderOf(storageClass, claim);
    return "fault" in folder ? folder : { path: posix.join(root.path, folder.path) };
}

function rootOf({ nodePathMap = [], sharedFileSystemPath = "" }: ClassConfig, node: string, wanted?: string): Placed {
    if (nodePathMap.length > 0 && sharedFileSystemPath !== "") {
        return {
            fault: "both nodePathMap and sharedFileSystemPath are defined. Please make sure only one is in use",
        };
    }
    if (sharedFileSystemPath !== "") return { path: sharedFileSystemPath };
    if (nodePathMap.length === 0) return { fault: "both nodePathMap and sharedFileSystemPath are unconfigured" };
    const row = nodePathMap.find((one) => one.node === node) ?? nodePathMap.find((one) => one.node === OTHERS);
    if (row === undefined) return { fault: `config doesn't contain node ${node}, and no ${OTHERS} available` };
    const { paths = [] } = row;
    const [path] = wanted === undefined ? paths : paths.filter((one) => one === wanted);
    if (path !== undefined) return { path };
    return {
        fault:
            wanted === undefined
                ? `no local path available on node ${node}`
                : `config doesn't contain path ${wanted} on node ${node}`,
    };
}

function folderOf({ metadata, parameters = {} }: StorageClass, claim: PersistentVolumeClaim): Placed {
    const { namespace = "", name, uid = "" } = claim.metadata;
    const volume = `pvc-${uid}`;
    const pattern = parameters["pathPattern"];
    if (pattern === undefined) return { path: `${volume}_${namespace}_${name}` };
    const text = pattern
        .replace(/\{\{-?\s*\.PVC\.Namespace\s*-?\}\}/g, namespace)
        .replace(/\{\{-?\s*\.PVC\.Name\s*-?\}\}/g, name)
        .replace(/\{\{-?\s*\.PVName\s*-?\}\}/g, volume);
    const unsafe = parameters["allowUnsafePathPattern"] ?? metadata.annotations?.["allowUnsafePathPattern"];
    // What Go's ParseBool takes for true.
    if (["1", "t", "T", "TRUE", "true", "True"].includes(unsafe ?? "")) return { path: text };
    const failed = (why: string) => ({ fault: `failed to create path from pattern ${pattern}: ${why}` });
    if (!text.startsWith(`${namespace}/${name}/`)) {
        return failed(`pathPattern must start with {{ .PVC.Namespace }}/{{ .PVC.Name }}/: ${text}`);
    }
    return posix.normalize(text).startsWith("..")
        ? { fault: `folder path contains invalid references: ${text}` }
        : { path: text };
}
