/** Building blocks for the schemas of Pulumi.<stack>.yaml. Every message says what is allowed, not only what is wrong. */
import { z } from "zod";
import { KUBERNETES_MINORS } from "../components/kubernetes-support";
import { DELIVERY_CHOICES, type DeliveryChoice } from "../components/gitops/delivery";
import {
    canonicalCidr,
    cidrRange,
    contains,
    isCanonicalCidr,
    isIpv4,
    isPrivate,
    overlaps,
    textRange,
    toNumber,
} from "../components/network/addresses";
import { toBytes, toCores } from "./quantities";

const text = (allowed: string) => z.string({ error: (issue) => missingOr(issue.input, allowed) });

function missingOr(input: unknown, allowed: string): string {
    return input === undefined ? `${allowed} (required)` : allowed;
}

function pattern(regex: RegExp, allowed: string) {
    return text(allowed).regex(regex, { error: allowed });
}

/** Text that a regular expression describes. */
export const spelled = (allowed: string, expression: RegExp) =>
    z.string({ error: allowed }).regex(expression, { error: allowed });

/** IPv4 address as a dotted quad. */
export const ipv4 = text("an IPv4 address such as 192.168.0.10").refine(isIpv4, {
    error: "an IPv4 address such as 192.168.0.10",
});

/** Name of a group of people, as a person calls it. */
export const groupName = pattern(
    /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$/,
    "a name of letters, digits, spaces, dots, underscores and hyphens such as family",
);

/** Hardware address of one network card: no group address (lowest bit of the first octet), in lower case. */
export const macAddress = pattern(
    /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/,
    "a hardware address in lower case such as 24:6e:96:00:00:01",
);

/** Address of an interface with the length of its network's prefix. */
export const interfaceAddress = text("an address with its prefix such as 192.168.1.60/24").refine(
    (value) => isCidr(value) && /\/([89]|[12]\d|30)$/.test(value) && !isCanonicalCidr(value),
    { error: "an address with its prefix such as 192.168.1.60/24, not the network's own" },
);

/** True for an IPv4 network, with or without host bits. */
export const isCidr = (value: string): boolean => {
    try {
        return cidrRange(value) !== undefined;
    } catch {
        return false;
    }
};

/** No machine, pod or Service has an address in these: this network, loopback, link-local, multicast, reserved. RFC 6890 */
const NO_HOSTS = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"];

/** Address that a machine of a network can have. */
export const hostAddress = ipv4.refine(
    (value) => !isIpv4(value) || !NO_HOSTS.some((range) => contains(cidrRange(range), value)),
    { error: `an address that a machine can have, so in none of ${NO_HOSTS.join(", ")}` },
);

/** IPv4 network without host bits, e.g. 10.42.0.0/16. */
export const cidr = text("an IPv4 network such as 10.42.0.0/16").superRefine((value, context) => {
    if (!isCidr(value)) {
        context.addIssue({ code: "custom", message: "an IPv4 network such as 10.42.0.0/16" });
    } else networkWithHosts(value, context);
});

/** Of a network: no host bits, and nothing in it that no machine can have. */
function networkWithHosts(value: string, context: z.RefinementCtx): void {
    if (isCanonicalCidr(value)) withHosts(value, context);
    else {
        context.addIssue({
            code: "custom",
            message: "a network address without host bits",
            params: { rule: "cidr-canonical", suggestion: `did you mean ${canonicalCidr(value)}?` },
        });
    }
}

function withHosts(value: string, context: z.RefinementCtx): void {
    if (!NO_HOSTS.some((range) => overlaps(textRange(value), cidrRange(range)))) return;
    context.addIssue({
        code: "custom",
        message: `a network that machines can have addresses in, so none of ${NO_HOSTS.join(", ")}`,
        params: { rule: "cidr-without-hosts" },
    });
}

const ADDRESS_RANGE = "a range such as 192.168.1.240-192.168.1.250, a network, or a block of keys";

/** Inclusive address range `{first, last}`, first not after last. */
export const addressRange = z
    .strictObject(
        { first: ipv4, last: ipv4 },
        { error: ({ code }) => (code === "invalid_type" ? ADDRESS_RANGE : undefined) },
    )
    .superRefine((range, context) => {
        if (isIpv4(range.first) && isIpv4(range.last) && toNumber(range.first) > toNumber(range.last)) {
            context.addIssue({
                code: "custom",
                message: "a range whose first address is not after its last",
                params: { rule: "range-order", suggestion: `did you mean ${range.last} to ${range.first}?` },
            });
        }
    });

const ADDRESS_POOL = "a range such as 192.168.1.230-192.168.1.250, or a network such as 192.168.1.224/28";

/** Addresses for Services, as MetalLB writes them: `first-last` or a network without host bits. */
export const addressPool = text(ADDRESS_POOL).superRefine((value, context) => {
    const [first = "", last = ""] = value.split("-");
    if (isIpv4(first) && isIpv4(last) && value === `${first}-${last}`) {
        if (toNumber(first) > toNumber(last)) {
            context.addIssue({
                code: "custom",
                message: "a range whose first address is not after its last",
                params: { rule: "range-order", suggestion: `did you mean ${last}-${first}?` },
            });
        } else withHosts(value, context);
    } else if (!isCidr(value)) {
        context.addIssue({ code: "custom", message: ADDRESS_POOL });
    } else networkWithHosts(value, context);
});

const LABEL = "lower-case letters, digits and inner dashes, at most 63";

/** RFC 1123 label: one part of a host name, and every Kubernetes name we choose. */
export const label = pattern(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, LABEL);

const HOST_LABEL = "one label, such as photos: the cluster's domain comes after it";

/** Host of something that is reached, without the domain. */
export const hostLabel = text(HOST_LABEL).superRefine((host, context) => {
    if (label.safeParse(host).success) return;
    const [first = ""] = host
        .toLowerCase()
        .replace(/^https?:\/\//, "")
        .split(/[.:/]/);
    const meant = label.safeParse(first).success ? { suggestion: `did you mean ${first}?` } : {};
    context.addIssue({ code: "custom", message: `${HOST_LABEL}; ${LABEL}`, params: meant });
});

/** Name of a Service, RFC 1035: a label that starts with a letter. */
export const serviceName = pattern(
    /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "lower-case letters, digits and inner dashes, at most 63, a letter first: a Service has this name",
);

/** Namespaces of Kubernetes itself, and those that parts of this program make for themselves alone. */
export const TAKEN_NAMESPACES: readonly string[] = [
    ...["default", "kube-node-lease", "kube-public", "kube-system"],
    ...["amd", "cert-manager", "cnpg-system", "egress-qos", "external-secrets", "flux-system", "intel", "istio-system"],
    ...["kopia", "linkerd", "linkerd-cni", "linkerd-viz", "local-path-storage", "longhorn-system", "metallb-system"],
    ...["nfd", "nvidia", "openebs", "rook-ceph", "vault", "velero", "velero-restores", "volsync-system"],
];

/** Namespace that a person chooses; the program makes it. */
export const ownNamespace = label.refine((name) => !TAKEN_NAMESPACES.includes(name), {
    error: `a namespace that is neither Kubernetes' own nor that of a part of the platform, so none of ${TAKEN_NAMESPACES.join(", ")}`,
});

/** Fully qualified DNS name without a trailing dot, e.g. peterstorm.io. A name has 253 characters, a label before it 63. */
export const domain = pattern(
    /^(?=.{1,189}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/,
    "a lower-case domain name such as peterstorm.io, at most 189 characters, so that a host fits before it",
);

/** A file server of the household, by name or address. */
export const fileServer = z.union([hostAddress, domain], {
    error: "a name such as nas.example.net, or an IPv4 address that a machine can have",
});

/** Name of an S3 bucket. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
export const bucketName = pattern(
    /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/,
    "a bucket's name: 3 to 63 lower-case letters, digits and inner dashes",
);

const SIZE = "a size with a binary unit such as 512Mi or 20Gi, from 1Mi to 1024Ti";

/** Kubernetes quantity of memory or disk with a binary suffix, e.g. 512Mi or 20Gi. */
export const bytes = text(SIZE).superRefine((size, context) => {
    if (isSize(size)) return;
    const meant = closeSize(size);
    context.addIssue({
        code: "custom",
        message: SIZE,
        params: { number: true, ...(meant === undefined ? {} : { suggestion: `did you mean ${meant}?` }) },
    });
});

const isSize = (size: string): boolean =>
    /^[1-9][0-9]{0,14}(Ki|Mi|Gi|Ti)$/.test(size) && toBytes(size) >= 2 ** 20 && toBytes(size) <= 2 ** 50;

/** The size that `2G`, `2 GB`, `2gi` or `1.5Gi` is near to; undefined: it is no such thing. */
function closeSize(size: string): string | undefined {
    const [, number = "", unit = ""] = /^ *([0-9]+(?:\.[0-9]+)?) *([kmgt])i?b? *$/i.exec(size) ?? [];
    const units = ["Ki", "Mi", "Gi", "Ti"];
    const at = units.findIndex((one) => one.startsWith(unit.toUpperCase()));
    const whole = number.includes(".")
        ? `${Math.round(Number(number) * 1024)}${units[at - 1]}`
        : `${number}${units[at]}`;
    return unit !== "" && isSize(whole) ? whole : undefined;
}

const VOLUME =
    "a size with a binary unit such as 512Mi or 20Gi, from 64Mi: in less there is hardly room for a file system";

/** Size of a volume. One of 1Mi is a slip of the unit: its file system is not made, or full with the first file. */
export const volumeSize = bytes.refine((size) => !/^[0-9]+(Ki|Mi)$/.test(size) || toBytes(size) >= 2 ** 26, {
    error: VOLUME,
});

const CORES = 'cores such as "8" or "500m", as text, at most 1024';

/** Whole or fractional cores, e.g. "8" or "500m". */
export const cpu = text(CORES).refine((cores) => /^[1-9][0-9]{0,6}m?$/.test(cores) && toCores(cores) <= 1024, {
    error: CORES,
    params: { number: true },
});

/** One part of a path: no blank and nothing that a shell, a URL or an option parser reads in its own way. */
const PART = "(?!\\.{1,2}(?:/|$))[A-Za-z0-9._+@%=,][A-Za-z0-9._+@%=,-]*";

/** Absolute path on a machine, without a trailing slash, `.` or `..`. */
export const absolutePath = pattern(
    new RegExp(`^(?:/${PART})+$`),
    "an absolute path such as /var/data: letters, digits and ._+@%=,- between slashes, without . or .. and no / at its end",
);

/** Directory of a Talos machine that volumes may be made in: its root is read-only, and mounts of one's own are below /var/mnt. */
export const talosDirectory = pattern(
    new RegExp(`^/var/mnt(?:/${PART})+$`),
    "a directory below /var/mnt, the one place of Talos for mounts of one's own, such as /var/mnt/local-hostpath",
);

/** Device file that a container gets under the same path. */
export const deviceFile = pattern(
    new RegExp(`^/dev(?:/${PART})+$`),
    "a device file such as /dev/ttyUSB0 or /dev/serial/by-id/..., without a colon in it: Docker divides source and target by one",
);

/** A disk by its stable name; sdX names change from boot to boot. */
export const diskById = spelled(
    "a disk by its stable name, such as /dev/disk/by-id/ata-Samsung_SSD_870_EVO_2TB_S0000000000001",
    /^\/dev\/disk\/by-id\/[A-Za-z0-9._:+-]+$/,
);

/** `user@host` or `user@host:port` of a Docker host that is reached over SSH, by name or IPv4 address. */
export const SSH_TARGET =
    /^(?<user>[A-Za-z_][A-Za-z0-9_.-]{0,31})@(?<host>[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*)(?::(?<port>[1-9][0-9]{0,4}))?$/;

const SSH_TARGET_ALLOWED =
    "user@host such as root@truenas.local or root@192.168.1.254, with :port after it where it is not 22";

/** See `SSH_TARGET`. */
export const sshTarget = text(SSH_TARGET_ALLOWED).refine(
    (value) => {
        const { host = "", port = "22" } = SSH_TARGET.exec(value)?.groups ?? {};
        // A name of digits and dots alone is a mistaken address.
        return host !== "" && Number(port) <= 65535 && (!/^[0-9.]+$/.test(host) || isIpv4(host));
    },
    { error: SSH_TARGET_ALLOWED },
);

/** Network interface of a Linux machine: at most 15 characters, no colon or slash. */
export const networkInterface = pattern(
    /^[A-Za-z][A-Za-z0-9._-]{0,14}$/,
    "a network interface such as enp3s0 or br0: at most 15 letters, digits and ._-",
);

/** k3d puts `k3d-` before it and, for a node, `-server-0` after it: with those it must be a host name of 64 characters. */
export const k3dClusterName = pattern(
    /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/,
    "k3d's name of the cluster: lower-case letters, digits and inner dashes, at most 32",
);

/** Release of Kubernetes in a spelling of its own, whose minor is one that the charts here go with. */
const kubernetesRelease = (allowed: string, expression: RegExp) =>
    spelled(allowed, expression).superRefine((release, context) => {
        const minor = Number(/^v?1\.([0-9]+)\./.exec(release)?.[1]);
        const { first, last } = KUBERNETES_MINORS;
        // What is no release has its fault already.
        if (!expression.test(release) || (minor >= first && minor <= last)) return;
        context.addIssue({
            code: "custom",
            message:
                `a release of Kubernetes 1.${first} to 1.${last}: ` +
                (minor < first
                    ? "an older one refuses objects and charts that are installed here"
                    : "nobody has tried what is installed here on a newer one"),
            params: {
                rule: "kubernetes-range",
                suggestion:
                    minor < first
                        ? `take one of 1.${first} or newer; a running cluster is upgraded one minor release at a time`
                        : `take one of 1.${last} or older, or a newer version of this program, which says so in components/kubernetes-support.ts`,
            },
        });
    });

/** Release of Kubernetes without v, as Talos writes it. */
export const talosKubernetes = kubernetesRelease(
    'a Kubernetes release without v, such as "1.33.0"',
    /^1\.[0-9]{1,3}\.[0-9]{1,3}$/,
);

/** Release of Kubernetes as kubeadm writes it. */
export const kubeadmRelease = kubernetesRelease(
    "a release of Kubernetes such as v1.35.1",
    /^v1\.[0-9]{1,3}\.[0-9]{1,3}$/,
);

/** Release of k3s as k3s itself writes it; the tag of its image has a dash in place of the plus. */
export const k3sRelease = kubernetesRelease(
    "a release of k3s such as v1.33.6+k3s1",
    /^v1\.[0-9]{1,3}\.[0-9]{1,3}(?:-rc[0-9]{1,2})?\+k3s[0-9]{1,2}$/,
);

/** Relative, no leading or trailing slash, no `.` or `..`. */
const relative = (what: string) =>
    pattern(
        new RegExp(`^${PART}(?:/${PART})*$`),
        `${what}: letters, digits and ._+@%=,- between slashes, without . or .. and no / at its ends`,
    );

/** Path inside a repository. */
export const relativePath = relative("a path inside the repository such as k8s/argocd-homelab");

/** Directory below another one, or folder of a bucket. */
export const folder = relative("a folder such as media or backups/media");

const HOST = "[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[1-9][0-9]{0,4})?";
const URL_PATH = "(?:/[A-Za-z0-9._~%+,=:@-]+)*";

/** For a URL whose spelling fits: what no pattern sees. `what`: how it is called. */
export const parsedUrl = (what: string) =>
    [
        (url: string) => URL.canParse(url),
        { error: `${what} whose host is a name or an IPv4 address, and its port at most 65535` },
    ] as const;

/** https URL of a service. A token in it would be in plans and logs. */
export const httpsUrl = pattern(
    new RegExp(`^https://${HOST}${URL_PATH}/?$`),
    "an https URL such as https://s3.example.net, without user or password in it",
).refine(...parsedUrl("an https URL"));

/** What is probed: a path and a query may follow. */
export const probeUrl = pattern(
    new RegExp(`^https?://${HOST}${URL_PATH}/?(?:\\?[A-Za-z0-9._~%+,=:@/&-]*)?$`),
    "an http(s) URL such as https://nas.example.net/health, without user or password in it",
).refine(...parsedUrl("an http(s) URL"));

/** A TCP port of a machine, by name or IPv4 address. */
export const hostPort = pattern(
    /^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?:[1-9][0-9]{0,4}$/,
    "a machine and its port such as 192.168.1.20:2049 or nas.example.net:2049",
).refine((text) => Number(text.split(":")[1]) <= 65535, { error: "a machine and its port, which is at most 65535" });

/** Prometheus duration, e.g. 15d. It counts in nanoseconds of 64 bits, which end after 292 years. */
export const duration = pattern(
    /^([1-9][0-9]{0,4}[mhd]|[1-9][0-9]{0,2}w|[1-9][0-9]?y)$/,
    "a duration such as 12h or 15d, at most 99y",
);

/** Cloudflare account or zone id. */
export const cloudflareId = pattern(
    /^[0-9a-f]{32}$/,
    "32 hexadecimal characters (dashboard: Overview, API), in quotes where YAML reads a number",
);

/** An ID of Bitwarden: of an organization, of a project. */
export const bitwardenId = pattern(
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    "an ID as in the address of Bitwarden's pages, such as 7c0d21ec-10d9-4972-bdf8-ec52df99cc86",
);

/** Base URL of an API, without a path's last slash. */
export const httpsApi = pattern(
    new RegExp(`^https://${HOST}(?:/[A-Za-z0-9._~-]+)*$`),
    "an https URL such as https://api.bitwarden.com, without a slash at its end",
).refine(...parsedUrl("an https URL"));

/** Git remote that is read without credentials. */
export const httpsRepository = pattern(
    new RegExp(`^https://${HOST}(?:/[A-Za-z0-9._~+-]+)+/?$`),
    "an https Git URL such as https://github.com/you/home-ops.git, without user or token in it: a private one has its credential in a Secret",
);

/** Git remote that Argo CD can clone. */
export const gitRepository = pattern(
    new RegExp(
        `^(?:https://${HOST}|ssh://(?:[A-Za-z0-9._-]+@)?${HOST})(?:/[A-Za-z0-9._~+-]+)+/?$|^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[A-Za-z0-9._~+][A-Za-z0-9._~+/-]*$`,
    ),
    "a Git URL such as https://github.com/you/homelab.git, without a token or password in it: a private one has its credential in a Secret",
);

/** Branch, tag, commit or full reference; https://git-scm.com/docs/git-check-ref-format */
export const gitRevision = pattern(
    /^(?!.*(?:\.\.|\/\/|\.lock(?:\/|$)|[./]$))[A-Za-z0-9_][A-Za-z0-9._/+@-]*$/,
    "a Git branch, tag, commit or reference such as main or refs/heads/main",
);

/** Tailnet as the admin console names it: organization, e-mail address of a personal one, or an id; `-` for the credential's own. */
export const tailnetName = pattern(
    /^(?:-|[A-Za-z0-9][A-Za-z0-9._+-]*(?:@[A-Za-z0-9][A-Za-z0-9.-]*)?)$/,
    'the tailnet\'s name, such as example.com or you@example.com, or "-"',
);

const ZONE = "an IANA time zone such as Europe/Copenhagen";
const ZONES = Intl.supportedValuesOf("timeZone");
/** Newer names of a place, such as Asia/Kolkata, are not in the list of this Node, but known to it. */
const PLACE =
    /^(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)(\/[A-Z][A-Za-z]*([_-][A-Z][A-Za-z]*)*)+$/;

/**
 * IANA time zone known to this Node, e.g. Europe/Copenhagen, spelled as its file in a container is: Node takes
 * europe/copenhagen and +01:00 as well, containers then run in UTC. Old names such as US/Pacific are not in every image.
 */
export const timezone = text(ZONE).superRefine((value, context) => {
    if (value === "UTC" || value === "Etc/UTC" || ZONES.includes(value)) return;
    const same = ZONES.find((zone) => zone.toLowerCase() === value.toLowerCase()) ?? resolvedZone(value);
    if (same !== undefined && same.toLowerCase() !== value.toLowerCase() && PLACE.test(value)) return;
    context.addIssue({
        code: "custom",
        message: ZONE,
        params: same === undefined || !ZONES.includes(same) ? {} : { suggestion: `did you mean ${same}?` },
    });
});

function resolvedZone(value: string): string | undefined {
    try {
        return new Intl.DateTimeFormat("en", { timeZone: value }).resolvedOptions().timeZone;
    } catch {
        return undefined;
    }
}

/** True for a regular expression that both this program and Go can read: Cilium's are Go's, without lookaround and backreferences. */
export function isGoRegExp(expression: string): boolean {
    try {
        new RegExp(expression);
    } catch {
        return false;
    }
    const outsideClasses = expression.replace(/\\\\/g, "").replace(/\[(?:\\.|[^\]\\])*\]/g, "");
    // (?= (?! (?<= (?<! \1 \k<name> \u0041 \cA, and more than 1,000 repetitions
    return (
        !/\(\?<?[=!]|\\[1-9kuc]/.test(outsideClasses) &&
        [...outsideClasses.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].every(([, low, high]) =>
            [low, high].every((count) => Number(count ?? 0) <= 1000),
        )
    );
}

/** Whole number from `first`, to `last` where there is one. */
export function whole(first: number, last?: number, allowed?: string) {
    const error = allowed ?? `a whole number from ${first}${last === undefined ? "" : ` to ${last}`}`;
    const number = z.int({ error }).min(first, { error });
    return last === undefined ? number : number.max(last, { error });
}

const CRON =
    "a cron expression of five fields within their bounds, such as 30 3 * * * (minute, hour, day, month, day of the week)";

/** Cron of five fields, as Kubernetes and k3s take it (robfig/cron): numbers, `*`, ranges, lists and steps. */
export const cron = text(CRON)
    .refine(isCron, { error: CRON })
    .refine((expression) => !isCron(expression) || comesEver(expression), {
        error: "a cron expression of a day that there is in one of its months",
    });

/** Least and greatest value of each field. */
const CRON_FIELDS = [
    [0, 59],
    [0, 23],
    [1, 31],
    [1, 12],
    [0, 6],
] as const;

/** What a field of a well-formed expression allows. */
function allowedBy(field: string, [least, greatest]: readonly [number, number]): number[] {
    return field.split(",").flatMap((part) => {
        const [range = "", step = "1"] = part.split("/");
        const [first = "", last = part.includes("/") ? String(greatest) : first] = range.split("-");
        const [from, to] = range === "*" ? [least, greatest] : [Number(first), Number(last)];
        return Array.from(
            { length: Math.floor((to - from) / Number(step)) + 1 },
            (_, index) => from + index * Number(step),
        );
    });
}

/** False for 31 February: it would wait for ever. A day of the week beside the day of the month is another way to come. */
function comesEver(expression: string): boolean {
    const [, , days = "", months = "", weekdays = ""] = expression.split(" ");
    if (!weekdays.startsWith("*")) return true;
    const first = Math.min(...allowedBy(days, CRON_FIELDS[2]));
    return allowedBy(months, CRON_FIELDS[3]).some((month) => first <= new Date(Date.UTC(2024, month, 0)).getUTCDate());
}

function isCron(expression: string): boolean {
    const fields = expression.split(" ");
    return (
        fields.length === CRON_FIELDS.length &&
        CRON_FIELDS.every(([least, greatest], index) =>
            (fields[index] ?? "").split(",").every((part) => {
                const found = /^(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:\/([0-9]{1,2}))?$/.exec(part);
                if (found === null) return false;
                const first = Number(found[1] ?? least);
                const last = Number(found[2] ?? found[1] ?? greatest);
                return least <= first && first <= last && last <= greatest && Number(found[3] ?? 1) >= 1;
            }),
        )
    );
}

/** TCP or UDP port. */
export const port = whole(1, 65535, "a port from 1 to 65535");

/** A bucket of an S3 server. */
export const s3 = z.strictObject({
    /** S3 endpoint. */
    endpoint: httpsUrl,
    bucket: bucketName,
});

const HOME_SERVER =
    "an https URL such as https://s3.example.net, or http to a private address such as http://192.168.10.10:9000";

/**
 * URL of an S3 server: https of any, http of a machine in the house alone. A request of S3 is signed and sends no key, but
 * what it brings can be read on the way. By its address: nobody but the LAN can be meant.
 */
const homeUrl = pattern(
    new RegExp(`^(?:https://${HOST}${URL_PATH}/?|http://[0-9.]+(?::[1-9][0-9]{0,4})?/?)$`),
    HOME_SERVER,
)
    .refine(...parsedUrl("a URL"))
    .refine((url) => {
        const [, address] = /^http:\/\/([0-9.]+)/.exec(url) ?? [];
        return address === undefined || (isIpv4(address) && isPrivate(`${address}/32`));
    }, HOME_SERVER);

/** A bucket of an S3 server that may be in the house. */
export const homeS3 = z.strictObject({
    /** S3 endpoint. */
    endpoint: homeUrl,
    bucket: bucketName,
});

/** Names of Services end so; a bridge's is one. */
const SERVICE_HOST = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\\.svc\\.cluster\\.local";

/**
 * URL of an S3 server: https of any, http of a bridge alone, by the name that it has in the cluster. That there is such a
 * bridge is a rule's matter: `bridgedUrls` of lab/bridges.ts.
 */
export const bridgedUrl = pattern(
    new RegExp(`^(?:https://${HOST}${URL_PATH}/?|http://${SERVICE_HOST}(?::[1-9][0-9]{0,4})?/?)$`),
    "an https URL such as https://s3.example.net, or http to a bridge such as http://minio-api.other.svc.cluster.local:9000",
).refine(...parsedUrl("a URL"));

/** A bucket of an S3 server that a bridge may lead to. */
export const bridgedS3 = z.strictObject({
    /** S3 endpoint. */
    endpoint: bridgedUrl,
    bucket: bucketName,
});

/** Region of an S3 server, as requests are signed for it. */
export const region = pattern(/^[a-z0-9]+(-[a-z0-9]+)*$/, "a region such as us-west-004");

/** Kubernetes takes no user or group above. */
const LAST_ID = 2147483647;

/** User and group that own the household's files, and run the processes that write them. */
export const owner = z
    .strictObject({ uid: whole(1, LAST_ID), gid: whole(1, LAST_ID) })
    .default({ uid: 1000, gid: 1000 });

/** True: what holds data cannot be deleted, by destroy or otherwise, until this is false again. docs/destroy-and-rebuild.md */
export const protectData = z.boolean({ error: "true or false" }).default(false);

/** Who applies an app's objects. */
export const delivery = z.enum(DELIVERY_CHOICES, { error: DELIVERY_CHOICES.join(" or ") });

/** Every declared app with its choice: its own, else the stack's. */
export function deliveryChoices(config: {
    readonly delivery: DeliveryChoice;
    readonly apps: Readonly<Record<string, { readonly delivery?: DeliveryChoice | undefined } | undefined>>;
}): Record<string, DeliveryChoice> {
    return Object.fromEntries(
        Object.entries(config.apps).flatMap(([name, app]) =>
            app === undefined ? [] : [[name, app.delivery ?? config.delivery]],
        ),
    );
}
