/** How strictly each recipe is held to the rules, and who is exempt for what reason. Each keeps what its own seed says. */
import { imageReference, tagOnlyImages } from "../components/images";
import type { Rule } from "./rules/rule";

/** `mandatory` stops a preview, `advisory` is told, `off` is not looked at. */
export type Severity = "mandatory" | "advisory" | "off";

export interface Exemption {
    /** Id of the rule. */
    readonly rule: string;
    /** What is exempt; everything given must be equal. */
    readonly match: {
        /** Type token. */
        readonly type?: string;
        /** Name in the cluster: of the object or of the Helm release. */
        readonly name?: string;
        /** Part of the resource as the rule names it: an image, a container, a path of values. */
        readonly part?: string;
    };
    readonly reason: string;
    /** True: it comes with an app or a part that a cluster may do without, and is not stale where nothing needs it. */
    readonly optional?: true;
}

export interface StackPolicy {
    /** By id of the rule. One that is missing here is mandatory, or off when it is for those only who ask for it. */
    readonly severity: Readonly<Record<string, Severity>>;
    readonly exemptions: readonly Exemption[];
}

/** Exemptions for images of `tagOnlyImages`, the project's one list of images without a digest. */
function tagOnly(...names: readonly (keyof typeof tagOnlyImages)[]): Exemption[] {
    return names.map((image) => ({
        rule: "image-digest",
        match: { part: imageReference(tagOnlyImages[image]) },
        reason: "No digest with a source that can be named was found; `tagOnlyImages` in components/images.ts.",
    }));
}

/** Answers with what it was asked, to anybody. */
const echoServer: Exemption = {
    rule: "external-login",
    match: { name: "echo-server" },
    reason: "It shows from outside that name, tunnel and edge work, and holds nothing but the request itself.",
};

/** What apps bring with them wherever they are. */
export const ofApps: readonly Exemption[] = [
    ...tagOnly("transmission", "headscaleUi"),
    echoServer,
    {
        rule: "external-login",
        match: { name: "portfolio" },
        reason: "Everybody shall read it: a person's own pages, without data.",
    },
    {
        rule: "non-root",
        match: { name: "transmission" },
        reason: "It makes the VPN's device and routes, and then drops to PUID and PGID.",
    },
    ...["whisparr", "arr-stack"].map((name): Exemption => ({
        rule: "non-root",
        match: { name, part: "whisparr" },
        reason: "Its image starts as root and drops to PUID and PGID; there is none by the makers of the others.",
    })),
    {
        rule: "non-root",
        match: { name: "homarr" },
        reason: "Its image starts as root and drops to PUID and PGID.",
    },
    {
        rule: "namespace-name",
        match: { name: "home-automation" },
        reason: "The catalogue's name for it, after the category of seed 000.",
    },
].map((exemption): Exemption => ({ ...exemption, optional: true }));

/** Seed 001: Ingress and SOPS are its way, it backs nothing up but its disk, and of limits and root it says nothing. */
const homelab: StackPolicy = {
    severity: {
        "non-root": "advisory",
        "raw-manifest": "advisory",
    },
    exemptions: [
        ...ofApps,
        {
            rule: "memory-limit",
            match: { name: "cilium" },
            reason: "One node: a network agent that is killed for its memory takes every pod's network with it.",
        },
        ...[
            "prometheusOperator.prometheusConfigReloader.resources",
            "prometheusOperator.admissionWebhooks.patch.resources",
        ].map((part): Exemption => ({
            rule: "memory-limit",
            match: { name: "kube-prometheus-stack", part },
            reason: "Seed 001 asks for no limits; a helper of a few MiB that the chart leaves open.",
        })),
    ],
};

/** Seed 002, whose rules these are. */
const chongus: StackPolicy = {
    severity: {
        ...mandatory("velero", "namespace-name", "ingress", "external-gateway", "helm-repository"),
        ...mandatory("shared-chart-source", "legacy-path", "sops-in-flux", "literal-secret", "backed-up"),
        "raw-manifest": "advisory",
    },
    exemptions: [
        ...ofApps,
        {
            rule: "memory-limit",
            match: { name: "kube-prometheus-stack", part: "alertmanager.alertmanagerSpec.resources" },
            reason: "Seed 002, Resource Quotas and Limits: Alertmanager has no specific limits.",
        },
        ...["rook-ceph", "rook-ceph-cluster", "ceph-csi-drivers"].map((name): Exemption => ({
            rule: "memory-limit",
            match: { name },
            reason: "Seed 002, Resource Quotas and Limits: Rook-Ceph has none, it is system-critical.",
        })),
        {
            rule: "memory-limit",
            match: { name: "ceph-filesystem" },
            reason: "As the rest of Rook-Ceph: every volume of it waits for its metadata server.",
            optional: true,
        },
        {
            rule: "backed-up",
            match: { name: "models" },
            reason: "Language models, which are downloaded again.",
            optional: true,
        },
        ...["cert-manager", "cnpg-system", "external-secrets", "flux-system", "rook-ceph", "volsync-system"].map(
            (name): Exemption => ({
                rule: "namespace-name",
                match: { name },
                reason: "Upstream's name for its own namespace.",
            }),
        ),
        {
            rule: "literal-secret",
            match: { name: "doppler-token" },
            reason: "Without it there is no Doppler: the one token that opens the store, seed 002, Bootstrap Phases 3.",
        },
        {
            rule: "literal-secret",
            match: { name: "cloudflared-token" },
            reason: "Cloudflare gives it out when this program makes the tunnel; it stands in no file.",
        },
        {
            rule: "literal-secret",
            match: { name: "tailscale-auth-key" },
            reason: "Tailscale gives it out when this program asks for it; it stands in no file.",
        },
    ],
};

/** Seed 000: of its own rules there are the three lessons on permissions, which every recipe is held to. */
const truenas: StackPolicy = {
    severity: { ...mandatory("default-project"), "raw-manifest": "advisory" },
    exemptions: [
        ...ofApps,
        ...tagOnly("multus"),
        ...["multus", "kopia", "kopia-restore"].map((name): Exemption => ({
            rule: "non-root",
            match: { name },
            reason:
                name === "multus"
                    ? "It puts plugins and their configuration into the node."
                    : "It reads every app's files, and gives them back to their owners.",
        })),
    ],
};

/** Seed 003: its lessons are that data is neither on scratch nor without a copy, and that a Gateway needs more than a class. */
const k3sHome: StackPolicy = {
    severity: {
        ...mandatory("ingress", "data-on-scratch"),
        "raw-manifest": "advisory",
    },
    exemptions: [
        ...ofApps,
        {
            rule: "memory-limit",
            match: { name: "kube-prometheus-stack", part: "alertmanager.alertmanagerSpec.resources" },
            reason: "As on chongus, whose seed names it: it needs little, and must not be the first to go.",
        },
        {
            rule: "memory-limit",
            match: { name: "longhorn" },
            reason: "A manager that is killed for its memory takes the node's volumes from their pods; the chart has no value for the others.",
        },
    ],
};

/** Seed 004: a strict app of apps, nothing in `default`, and an address pool that nobody takes from by chance. */
const magi: StackPolicy = {
    severity: {
        ...mandatory("default-project", "literal-secret"),
        "raw-manifest": "advisory",
    },
    exemptions: [
        ...ofApps,
        ...tagOnly("redisEnterpriseOperator"),
        ...["rook-ceph", "rook-ceph-cluster", "ceph-csi-drivers", "ceph-filesystem"].map((name): Exemption => ({
            rule: "memory-limit",
            match: { name },
            reason: "As on chongus: who keeps everybody's data must not be the first to be killed.",
        })),
        ...[
            ["vault-s3", "It opens the bucket in which a new Vault finds its snapshot."],
            ["cloudflare-dns-token", "Certificates come before Vault, whose listener has one."],
            ["cloudflared-token", "Cloudflare gives it out when this program makes the tunnel; it stands in no file."],
        ].map(([name = "", reason = ""]): Exemption => ({ rule: "literal-secret", match: { name }, reason })),
        {
            rule: "literal-secret",
            match: { name: "tailscale-auth-key" },
            reason: "Tailscale gives it out when this program asks for it; it stands in no file.",
            optional: true,
        },
    ],
};

/** One entry a recipe of stacks/index.ts. */
export const recipePolicies: Readonly<Record<string, StackPolicy>> = {
    homelab,
    chongus,
    truenas,
    "k3s-home": k3sHome,
    magi,
};

function mandatory(...ids: readonly string[]): Record<string, Severity> {
    return Object.fromEntries(ids.map((id) => [id, "mandatory"]));
}

/** How strictly a rule is meant by a policy. */
export function severityOf({ id, optIn }: Pick<Rule, "id" | "optIn">, { severity }: StackPolicy): Severity {
    return severity[id] ?? (optIn === true ? "off" : "mandatory");
}
