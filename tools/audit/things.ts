/** What audit compares: things by a key that says the same of a declaration, of a line in the state, and of what is there. */
import { isRecord, records } from "../../lib/json";
import { textOf } from "../live/get";

/** Where a thing lives. */
export type Place = "zone" | "tunnels" | "tailnet" | "cluster";

export const PLACES: readonly Place[] = ["zone", "tunnels", "tailnet", "cluster"];

export interface Thing {
    readonly place: Place;
    /** Same for the same thing, whoever speaks of it. */
    readonly key: string;
    /** For people: `A plex.example.org`, `Deployment media/plex`. */
    readonly title: string;
}

/** A thing that some stack's plan declares. */
export interface Declared extends Thing {
    readonly stack: string;
    /** Tells things with the same key apart, where that is known: the content of a DNS record. */
    readonly content?: string;
    /** The resource that is the thing; absent where a controller makes it of others. */
    readonly urn?: string;
    /** Argo CD or Flux applies it. */
    readonly fromGit?: boolean;
}

/** What really is there. */
export interface Live extends Thing {
    readonly content?: string;
    /** What `pulumi import` needs; absent for what cannot be imported. */
    readonly import?: { readonly type: string; readonly id: string };
    /** Whose it is, for what is nobody's to declare; such a thing is counted and not listed. */
    readonly owner?: string;
    /** Who seems to have made it. */
    readonly hint?: string;
}

/** A resource of a plan or of a state. */
interface Resource {
    readonly type: string;
    readonly name: string;
    readonly urn: string;
    readonly inputs: unknown;
}

export const TYPES = {
    dnsRecord: "cloudflare:index/dnsRecord:DnsRecord",
    tunnel: "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared",
    tunnelConfig: "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig",
    key: "tailscale:index/tailnetKey:TailnetKey",
    splitDns: "tailscale:index/dnsSplitNameservers:DnsSplitNameservers",
    nameservers: "tailscale:index/dnsNameservers:DnsNameservers",
    searchPaths: "tailscale:index/dnsSearchPaths:DnsSearchPaths",
    release: "kubernetes:helm.sh/v3:Release",
} as const;

export const dnsKey = (zoneId: string, type: string, name: string) =>
    `dns ${zoneId} ${type} ${name.toLowerCase().replace(/\.$/, "")}`;
export const tunnelKey = (accountId: string, name: string) => `tunnel ${accountId} ${name}`;
export const rulesKey = (accountId: string, name: string) => `tunnel-rules ${accountId} ${name}`;
export const tailnetKey = (
    kind: "device" | "key" | "split-dns" | "acl" | "nameservers" | "search-paths",
    name: string,
) => `tailnet ${kind} ${name}`;
export const releaseKey = (namespace: string, name: string) => `release ${namespace}/${name}`;
export const objectKey = (group: string, kind: string, namespace: string, name: string) =>
    `object ${group}/${kind} ${namespace}/${name}`;

/** What a resource says that there is. Most are one thing; a command or a Deployment may stand for others. */
export function thingsOf({ type, name, urn, inputs }: Resource): (Thing & { content?: string; urn?: string })[] {
    const text = (field: string) => textOf(inputs, field);
    switch (type) {
        case TYPES.dnsRecord: {
            const content = text("content");
            return [
                {
                    place: "zone",
                    key: dnsKey(text("zoneId"), text("type"), text("name")),
                    title: `${text("type")} ${text("name")}`,
                    urn,
                    // Of a tunnel that a plan has not made yet nothing is known.
                    ...(/[<[]/.test(content) || content === "" ? {} : { content }),
                },
            ];
        }
        case TYPES.tunnel:
            return [{ place: "tunnels", key: tunnelKey(text("accountId"), text("name")), title: text("name"), urn }];
        case TYPES.key:
            return [
                {
                    place: "tailnet",
                    key: tailnetKey("key", text("description")),
                    title: `auth key "${text("description")}"`,
                    urn,
                },
            ];
        case TYPES.splitDns:
            return [
                {
                    place: "tailnet",
                    key: tailnetKey("split-dns", text("domain")),
                    title: `split DNS ${text("domain")}`,
                    urn,
                },
            ];
        case TYPES.nameservers:
            return [{ place: "tailnet", key: tailnetKey("nameservers", ""), title: "name servers", urn }];
        case TYPES.searchPaths:
            return [{ place: "tailnet", key: tailnetKey("search-paths", ""), title: "search paths", urn }];
        case TYPES.release: {
            const namespace = text("namespace") || "default";
            const release = text("name") || name;
            return [
                {
                    place: "cluster",
                    key: releaseKey(namespace, release),
                    title: `Helm release ${namespace}/${release}`,
                    urn,
                },
            ];
        }
        case "command:local:Command":
            return [...definitionsOf(inputs), ...policyOf(inputs)];
        default:
            return type.startsWith("kubernetes:") ? objectOf(type, inputs, urn) : [];
    }
}

/** `kubernetes:apps/v1:Deployment` with its inputs; a name the API server would make up cannot be known. */
function objectOf(type: string, inputs: unknown, urn: string) {
    const [, groupVersion = "", kind = ""] = type.split(":");
    const group = groupVersion.includes("/") ? groupVersion.split("/")[0] : "";
    const metadata = isRecord(inputs) ? inputs["metadata"] : undefined;
    const [name, namespace] = [textOf(metadata, "name"), textOf(metadata, "namespace")];
    if (name === "" || name.startsWith("[") || namespace.startsWith("[")) return [];
    const object = {
        place: "cluster" as const,
        key: objectKey(group === "core" || group === undefined ? "" : group, kind, namespace, name),
        title: objectTitle(kind, namespace, name),
        urn,
    };
    // A router joins the tailnet by the name that its pod is given.
    const hosts = environment(inputs)
        .filter((variable) => variable["name"] === "TS_HOSTNAME")
        .map((variable) => textOf(variable, "value"));
    return [
        object,
        ...hosts.map((host) => ({
            place: "tailnet" as const,
            key: tailnetKey("device", host),
            title: `device ${host}`,
        })),
    ];
}

export function objectTitle(kind: string, namespace: string, name: string): string {
    return `${kind} ${namespace === "" ? "" : `${namespace}/`}${name}`;
}

/** The environment of all containers in a workload's template. */
function environment(inputs: unknown): Record<string, unknown>[] {
    const path = ["spec", "template", "spec"];
    const pod = path.reduce<unknown>((node, key) => (isRecord(node) ? node[key] : undefined), inputs);
    return isRecord(pod) ? records(pod["containers"]).flatMap((container) => records(container["env"])) : [];
}

/** What bundles of definitions bring beside them. */
const ADMISSION_KINDS = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];

/** A stack's entries in the tailnet's policy, which there always is: components/tailnet/subnet-router.ts. */
function policyOf(inputs: unknown): Thing[] {
    const fragment = isRecord(inputs) ? textOf(inputs["environment"], "POLICY_FRAGMENT") : "";
    return fragment === "" ? [] : [{ place: "tailnet", key: tailnetKey("acl", ""), title: "policy file" }];
}

/** CRDs are applied by commands that name them: components/cluster/custom-resource-definitions.ts. */
function definitionsOf(inputs: unknown): Thing[] {
    const variables = isRecord(inputs) ? inputs["environment"] : undefined;
    const words = (name: string) =>
        textOf(variables, name)
            .split(/\s+/)
            .filter((word) => word !== "");
    const definition = (name: string): Thing => ({
        place: "cluster",
        key: objectKey("apiextensions.k8s.io", "CustomResourceDefinition", "", name),
        title: objectTitle("CustomResourceDefinition", "", name),
    });
    const others = words("CRD_OTHERS").flatMap((word): Thing[] => {
        const [resource = "", name = ""] = word.split("/");
        const kind = ADMISSION_KINDS.find((one) => one.toLowerCase() === resource);
        if (kind === undefined) return [];
        const key = objectKey("admissionregistration.k8s.io", kind, "", name);
        return [{ place: "cluster", key, title: objectTitle(kind, "", name) }];
    });
    return [...words("CRD_NAMES").map(definition), ...others];
}
