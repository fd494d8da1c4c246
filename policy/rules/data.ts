/** Secrets and data. */
import { isKind, namespaceOf, objectName, settings } from "./kubernetes";
import { dig, fields, items, text, texts, UNKNOWN, type Rule, type Subject } from "./rule";

const literalSecret: Rule = {
    id: "literal-secret",
    optIn: true,
    title: "Secrets come from the secret store",
    description:
        "A Secret whose content passes through the program was in Git before, encrypted or not. Where the cluster has a store, content comes from it by ExternalSecret; what must be there before the store is, is exempt one by one.",
    sources: ["C-SEC-12", "C-SEC-14", "C-SEC-23"],
    fix: "Name the value in the store and deliver it with `platform.secrets.deliver`.",
    scope: "stack",
    check: (resource, { resources }) => {
        if (/^kubernetes:isindir\.github\.com\//.test(resource.type)) {
            return [{ part: objectName(resource), message: "it is a Secret encrypted with SOPS" }];
        }
        // Without a store the SOPS file has every value, and there is no other way into a Secret.
        if (!isKind(resource, "core", "Secret") || !resources.some(isStore)) return [];
        return ["data", "stringData"]
            .filter((field) => {
                const content = dig(resource.inputs, field);
                // A whole map that is secret or not known yet is a text here.
                return typeof content === "string" || Object.keys(fields(content)).length > 0;
            })
            .map((field) => ({ part: field, message: `its ${field} is given by the program` }));
    },
};

const isStore = (resource: Subject): boolean =>
    ["ClusterSecretStore", "SecretStore"].some((kind) => isKind(resource, "external-secrets.io", kind));

/** Backends of seed 002 (Backup Backends): names of ReplicationSources end in them. */
const BACKENDS = ["b2", "minio"];

const backedUp: Rule = {
    id: "backed-up",
    optIn: true,
    title: "Every volume is backed up twice",
    description:
        "A claim has two ReplicationSources of VolSync, `<claim>-b2` and `<claim>-minio`, as far as the cluster backs up to both. Caches have none; what else can be made anew is exempt one by one.",
    sources: ["C-BKP-02", "C-BKP-10", "C-BKP-13", "C-BKP-18"],
    fix: "Declare the volume as `data(...)`; a cache that is not worth a backup is exempted in policy/stacks.ts.",
    scope: "stack",
    check: (resource, { resources }) => {
        if (isKind(resource, "apps", "StatefulSet")) {
            return items(dig(resource.inputs, "spec", "volumeClaimTemplates")).map((template) => {
                const name = text(dig(template, "metadata", "name")) ?? "";
                return { part: name, message: `claims of the template ${name} are backed up by nobody` };
            });
        }
        if (!isKind(resource, "core", "PersistentVolumeClaim")) return [];
        const claim = objectName(resource);
        // Made again where it is lost: `ClassStorage.cache` calls it so.
        if (claim.endsWith("-cache")) return [];
        const namespace = namespaceOf(resource);
        const all = resources.filter((other) => isKind(other, "volsync.backube", "ReplicationSource"));
        const wanted = BACKENDS.filter((backend) => all.some((source) => objectName(source).endsWith(`-${backend}`)));
        const sources = new Set(
            all
                .filter((other) => maybe(namespaceOf(other), namespace) && maybe(sourceClaim(other), claim))
                .map(objectName),
        );
        return wanted
            .filter((backend) => !sources.has(`${claim}-${backend}`))
            .map((backend) => ({
                part: backend,
                message: `the claim ${claim} has no ReplicationSource ${claim}-${backend}`,
            }));
    },
};

/** The class of local-path-provisioner: directories of whatever node a pod came to. */
const SCRATCH_CLASS = "local-path";

const dataOnScratch: Rule = {
    id: "data-on-scratch",
    optIn: true,
    title: "Nothing that should last is on local-path",
    description:
        "A volume of the class `local-path` is a directory of one node, and gone with it: metrics, logs and dashboards were lost that way. Where there is replicated storage, it is for caches, exempt one by one.",
    sources: ["K-STOR-08", "K-STOR-10", "K-STOR-23"],
    fix: "Give it the class of the cluster's storage; a cache that may be lost is exempted in policy/stacks.ts.",
    scope: "stack",
    check: (resource, { resources }) => {
        // One class is no choice.
        if (!resources.some(isOtherClass)) return [];
        return [...texts(settings(resource))]
            .filter(([path, value]) => /^storageClass(Name)?$/.test(path.at(-1) ?? "") && value === SCRATCH_CLASS)
            .map(([path]) => ({ part: path.join("."), message: `its ${path.join(".")} is ${SCRATCH_CLASS}` }));
    },
};

const isOtherClass = (resource: Subject): boolean =>
    isKind(resource, "storage.k8s.io", "StorageClass") && objectName(resource) !== SCRATCH_CLASS;

/** Equal as far as a preview can tell: names that objects hand on are not known before these are made. */
function maybe(one: string | undefined, other: string | undefined): boolean {
    return one === other || one === UNKNOWN || other === UNKNOWN;
}

function sourceClaim(source: Subject): string | undefined {
    return text(dig(source.inputs, "spec", "sourcePVC"));
}

export const dataRules: readonly Rule[] = [literalSecret, backedUp, dataOnScratch];
