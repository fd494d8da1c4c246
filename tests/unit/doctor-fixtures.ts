/** Worlds in which all is well, and for each check one that is ill in one way. */
import type { NodeFacts } from "../../bootstrap/node-facts";
import type { SecretValues } from "../../components/secrets/sops";
import { openStack } from "../../stacks";
import type { Machines } from "../../bootstrap/kinds";
import type { ToolWish } from "../../bootstrap/machines";
import type { CloudflareFact } from "../../tools/doctor/cloudflare";
import { judgeCloudflare } from "../../tools/doctor/cloudflare";
import { judgeCluster, type ClusterFact, type DeclaredNode } from "../../tools/doctor/cluster";
import { judgeBitwarden, type BitwardenFact } from "../../tools/doctor/bitwarden";
import { judgeVault, type VaultFact } from "../../tools/doctor/vault";
import { judgeNames, type NameFacts } from "../../tools/doctor/names";
import { judgeDoppler, type DopplerFact } from "../../tools/doctor/doppler";
import type { Finding, Verdict } from "../../lib/finding";
import { judgeNixos } from "../../bootstrap/nixos/judge";
import { judgeClusterKey, judgeSecretsFile, type ClusterKey, type SecretsFact } from "../../tools/doctor/secrets";
import { judgeState } from "../../tools/doctor/state";
import { freshPolicy, mergeFragment } from "../../components/tailnet/policy";
import { judgeTailscale, type TailscaleFact } from "../../tools/doctor/tailscale";
import { judgeTalos, type TalosExtras, type TalosFacts } from "../../bootstrap/talos/judge";
import { judgeNode, judgePlugins, judgeTool, toolWishes, type ToolFact } from "../../tools/doctor/tools";
import { extensionsFor, schematic } from "../../bootstrap/talos/schematic";
import type { Told } from "../../lib/told";
import type { State } from "../../tools/live/state";
import { readStackValue, ROOT } from "../../stacks/stack-file";

export interface Fixture {
    readonly name: string;
    /** What the one finding says. */
    readonly verdict: Exclude<Verdict, "ok">;
    readonly check: string;
    readonly found: RegExp;
    readonly fix?: RegExp;
    readonly findings: () => readonly Finding[];
}

export const told = <T>(value: T): Told<T> => ({ ok: true, value });
export const refused = (status: number, reason = String(status)): { ok: false; status: number; reason: string } => ({
    ok: false,
    status,
    reason,
});

export const homelab = openStack("homelab", readStackValue(ROOT, "homelab"));
export const chongus = openStack("chongus", readStackValue(ROOT, "chongus"));

function machinesOf<K extends Machines["kind"]>(stack: typeof homelab, kind: K): Machines & { kind: K } {
    const machines = stack.machines;
    if (machines.kind !== kind) throw new Error(`${stack.name} has other machines`);
    return machines as Machines & { kind: K };
}

const nixos = machinesOf(homelab, "nixos-k3s");
const talos = machinesOf(chongus, "talos");
const PATHS = {
    directories: ["/var/data/media", "/mnt/usb"],
    devices: ["/dev/net/tun", "/dev/serial/by-id/usb-zigbee"],
};

const FACTS: NodeFacts = {
    unit: "active",
    hostname: "homelab",
    commandLine:
        "k3s server --flannel-backend=none --disable-network-policy --disable=servicelb --disable=traefik " +
        "--disable-kube-proxy --disable=local-storage",
    config: [],
    kubeconfigHash: "1",
    cluster: "3",
    ageKeyHash: "2",
    ageRecipient: "age1ours",
    missingDirectories: [],
    missingDevices: [],
};

const node = (change: Partial<NodeFacts> = {}) => judgeNixos(nixos.args, PATHS, told({ ...FACTS, ...change }));

const RULES = "creation_rules:\n  - path_regex: secrets\\.enc\\.yaml$\n    age: age1ours\n";
const FILE = { path: "secrets.enc.yaml", refs: ["cloudflare.apiToken", "tailscale.oauthClientId"] };
const values =
    (all: Record<string, string>): SecretValues =>
    (ref) =>
        all[ref];
const SECRETS: SecretsFact = {
    there: true,
    recipients: ["age1ours"],
    opened: told(values({ "cloudflare.apiToken": "t", "tailscale.oauthClientId": "i" })),
};
const secrets = (change: Partial<SecretsFact> = {}, rules: string | undefined = RULES) =>
    judgeSecretsFile(FILE, { ...SECRETS, ...change }, rules);
const key = (clusterKey: ClusterKey, fact: SecretsFact = SECRETS) => [
    judgeClusterKey(FILE.path, clusterKey, fact, RULES),
];
const KEY: ClusterKey = { kind: "known", recipient: "age1ours", where: "/keys.txt on homelab" };

const ALLOWED = { src: ["autogroup:member"], dst: ["10.0.0.1"], ip: ["tcp:443"] };
const FRAGMENT = { tagOwners: { "tag:homelab": ["autogroup:admin"] }, routes: {}, grants: [] };
const NEEDS = {
    ...{ dnsRecords: true, tunnel: true, policy: true, authKeys: true, splitDns: false },
    policyEntries: { stack: "homelab", fragment: FRAGMENT },
};
const account = { accountId: "a", zoneId: "z", domain: "example.org", apiToken: "cloudflare.apiToken" };
const CLOUDFLARE: CloudflareFact = {
    token: told({ status: "active", expires: "" }),
    permissions: ["DNS Write", "Cloudflare Tunnel Write"],
    zone: told("example.org"),
    records: told(9),
    tunnels: told(1),
};
const NOW = new Date("2026-01-01T00:00:00Z");
const cloudflare = (change: Partial<CloudflareFact> = {}) =>
    judgeCloudflare(account, NEEDS, { ...CLOUDFLARE, ...change }, NOW);

const TAILSCALE: TailscaleFact = {
    granted: told(["auth_keys", "devices:core", "policy_file"]),
    policy: told(freshPolicy("homelab", FRAGMENT)),
};
const tailscale = (change: Partial<TailscaleFact> = {}) =>
    judgeTailscale({ tailnet: "-", clientId: "i", clientSecret: "s" }, NEEDS, { ...TAILSCALE, ...change });

const DOPPLER: DopplerFact = {
    me: told({ type: "service_token", project: "home-ops", config: "chongus" }),
    names: told(["A", "B"]),
};
const doppler = (change: Partial<DopplerFact> = {}) =>
    judgeDoppler({ project: "home-ops", config: "chongus", serviceToken: "t" }, { ...DOPPLER, ...change });

const ORGANIZATION = "7c0d21ec-10d9-4972-bdf8-ec52df99cc86";
export const BITWARDEN = {
    organizationId: ORGANIZATION,
    projectId: "9c713cd6-728c-437a-a783-252b0773a0bb",
    apiUrl: "https://api.bitwarden.com",
    identityUrl: "https://identity.bitwarden.com",
    accessToken: "bitwarden.accessToken",
    keys: ["kopia.password", "paperless.secretKey"],
};
const BITWARDEN_FACT: BitwardenFact = {
    login: told({ organization: ORGANIZATION }),
    names: told(["KOPIA_PASSWORD", "PAPERLESS_SECRET_KEY", "OTHER", "OTHER"]),
};
const bitwarden = (change: Partial<BitwardenFact> = {}) => judgeBitwarden(BITWARDEN, { ...BITWARDEN_FACT, ...change });

const VAULT_SERVER = { name: "vault-0", initialized: true, sealed: false, active: true };
const VAULT: VaultFact = {
    servers: told([
        VAULT_SERVER,
        { ...VAULT_SERVER, name: "vault-1", active: false },
        { ...VAULT_SERVER, name: "vault-2", active: false },
    ]),
    snapshot: told("2025-12-31T02:30:07Z"),
    missing: told({}),
};
const vault = (change: Partial<VaultFact> = {}) =>
    judgeVault(
        "magi",
        { replicas: 3, wanted: { "media/sonarr": ["apiKey"], "web/site": ["a", "b"] } },
        told({ ...VAULT, ...change }),
        NOW,
    );

const CLUSTER: ClusterFact = {
    server: "https://192.168.0.28:6443",
    version: "v1.33.4",
    ready: true,
    nodes: [{ name: "homelab", ready: true, memory: "32103456Ki", gpus: { amd: 1, intel: 4 } }],
    strays: told([]),
    failedJobs: told([]),
    sickApis: told([]),
};
const DECLARED: DeclaredNode = {
    ...{ name: "homelab", capacity: { cpu: "8", memory: "32Gi" } },
    // Four apps share Intel's.
    gpus: { nvidia: 0, intel: 1, amd: 1 },
};
const withNode = (change: Partial<ClusterFact["nodes"][number]>) =>
    cluster({ nodes: CLUSTER.nodes.map((one) => ({ ...one, ...change })) });
const cluster = (change: Partial<ClusterFact> = {}) => judgeCluster([DECLARED], told({ ...CLUSTER, ...change }));

const WISHES = {
    local: ["sonarr", "plex"].map((host) => ({ host: `${host}.lab.example`, address: "192.168.10.224" })),
    public: [] as string[],
};
const LEADS = told(["192.168.10.224"]);
const names = (change: Record<string, Told<string[]>> = {}) => {
    const local = new Map(WISHES.local.map(({ host }) => [host, change[host] ?? LEADS]));
    return judgeNames(WISHES, { local, public: new Map() });
};
const publicNames = (answers: Record<string, Told<string[]>>) => {
    const facts: NameFacts = { local: new Map(), public: new Map(Object.entries(answers)) };
    return judgeNames({ local: [], public: Object.keys(answers) }, facts);
};

const STATE: State = { kind: "read", resources: [], unfinished: 0 };
const ENV = { PULUMI_CONFIG_PASSPHRASE: "x" };

const wish = (name: string): ToolWish => {
    const all = [...toolWishes(nixos.tools), ...toolWishes(talos.tools)];
    const found = all.find((one) => one.name === name);
    if (found === undefined) throw new Error(`nobody wishes for ${name}`);
    return found;
};
const tool = (name: string, fact: ToolFact) => [judgeTool(wish(name), fact)];

const EXTRAS = (index: number): TalosExtras => {
    const one = talos.args.nodes[index];
    return { schematic: one === undefined ? "" : schematic(extensionsFor(one)).id, mounted: true };
};
const TALOS: TalosFacts = {
    answer: { secretsHash: "1", cluster: "3", faults: [], warnings: [] },
    extras: new Map(talos.args.nodes.map(({ name }, index) => [name, EXTRAS(index)])),
};
const withTalos = (answer: Partial<TalosFacts["answer"]>, extras: Partial<TalosExtras> = {}) =>
    judgeTalos(talos.args, {
        answer: { ...TALOS.answer, ...answer },
        extras: new Map([...TALOS.extras, ["node02", { ...EXTRAS(1), ...extras }]]),
    });

/** Nothing in them is a warning, a failure or skipped. */
export const healthy: Readonly<Record<string, () => readonly Finding[]>> = {
    tools: () => [
        judgeNode("v22.23.3", ">=22"),
        ...tool("pulumi", { found: true, version: "3.251.0" }),
        ...tool("kubectl", { found: true, version: "1.34.1" }),
        ...tool("talosctl", { found: true, version: "1.10.9" }),
        ...tool("bash", { found: true }),
        ...tool("sops", { found: true, version: "3.11.0" }),
        ...judgePlugins({ random: "4.21.2" }, [{ name: "random", version: "4.21.2" }], new Map()),
    ],
    secrets: () => [
        ...secrets(),
        ...key(KEY),
        ...key({ kind: "tried", recipient: "", where: "/keys.txt", opens: true }),
    ],
    state: () => judgeState("homelab", STATE, ENV),
    "NixOS machine": () => node(),
    "Talos machines": () => judgeTalos(talos.args, TALOS),
    cluster: () => cluster(),
    names: () => names(),
    cloudflare: () => cloudflare(),
    tailscale: () => tailscale(),
    doppler: () => doppler(),
    bitwarden: () => bitwarden(),
    vault: () => vault(),
};

export const ill: readonly Fixture[] = [
    // Tools.
    {
        name: "an old Node",
        verdict: "failure",
        check: "node",
        found: /v20\.1\.0; wanted: >=22/,
        fix: /npm run doctor/,
        findings: () => [judgeNode("v20.1.0", ">=22")],
    },
    {
        name: "no pulumi",
        verdict: "failure",
        check: "pulumi",
        found: /not on the PATH \(the engine\)/,
        fix: /install it: https/,
        findings: () => tool("pulumi", { found: false }),
    },
    {
        name: "an old pulumi",
        verdict: "failure",
        check: "pulumi",
        found: /is 3\.100\.0; wanted: 3\.x from 3\.250\.0 on/,
        fix: /install/,
        findings: () => tool("pulumi", { found: true, version: "3.100.0" }),
    },
    {
        name: "a pulumi of another major version",
        verdict: "failure",
        check: "pulumi",
        found: /is 4\.0\.0/,
        fix: /install/,
        findings: () => tool("pulumi", { found: true, version: "4.0.0" }),
    },
    {
        name: "an old kubectl",
        verdict: "failure",
        check: "kubectl",
        found: /wanted: 1\.x from 1\.31\.0 on/,
        fix: /mise install/,
        findings: () => tool("kubectl", { found: true, version: "1.30.9" }),
    },
    {
        name: "a kubectl that says no version",
        verdict: "failure",
        check: "kubectl",
        found: /does not say its version/,
        fix: /anew/,
        findings: () => tool("kubectl", { found: true }),
    },
    {
        name: "a talosctl of another release",
        verdict: "failure",
        check: "talosctl",
        found: /is 1\.9\.5; wanted: 1\.10\.x/,
        fix: /v1\.10\.6/,
        findings: () => tool("talosctl", { found: true, version: "1.9.5" }),
    },
    {
        name: "no ssh",
        verdict: "failure",
        check: "ssh",
        found: /not on the PATH/,
        fix: /OpenSSH/,
        findings: () => tool("ssh", { found: false }),
    },
    {
        name: "no sops, which only people need",
        verdict: "warning",
        check: "sops",
        found: /editing secrets/,
        fix: /getsops/,
        findings: () => tool("sops", { found: false }),
    },
    {
        name: "a plugin that is not installed",
        verdict: "warning",
        check: "provider plugins",
        found: /not installed: random 4\.21\.2/,
        fix: /pulumi plugin install resource random 4\.21\.2/,
        findings: () => judgePlugins({ random: "4.21.2" }, [{ name: "random", version: "4.0.0" }], new Map()),
    },
    // Secrets.
    {
        name: "no secrets file",
        verdict: "failure",
        check: "file",
        found: /does not exist/,
        fix: /sops secrets\.enc\.yaml/,
        findings: () => secrets({ there: false, opened: refused(0, "the secrets file does not exist") }),
    },
    {
        name: "a secrets file in plain text",
        verdict: "failure",
        check: "file",
        found: /not encrypted/,
        fix: /sops encrypt --in-place/,
        findings: () => judgeSecretsFile(FILE, { there: true, opened: SECRETS.opened }, RULES),
    },
    {
        name: "no .sops.yaml",
        verdict: "failure",
        check: "recipients",
        found: /no \.sops\.yaml/,
        fix: /docs\/secrets\.md/,
        findings: () => judgeSecretsFile(FILE, SECRETS, undefined),
    },
    {
        name: "no rule for the file",
        verdict: "failure",
        check: "recipients",
        found: /no creation rule/,
        fix: /path_regex/,
        findings: () => secrets({}, "creation_rules:\n  - path_regex: other\n    age: age1ours\n"),
    },
    {
        name: "a recipient of .sops.yaml that cannot read the file",
        verdict: "warning",
        check: "recipients",
        found: /not encrypted to age1theirs/,
        fix: /sops updatekeys/,
        findings: () => secrets({}, RULES.replace("age1ours", "age1ours,age1theirs")),
    },
    {
        name: "a former recipient that still can",
        verdict: "warning",
        check: "recipients",
        found: /still encrypted to age1former/,
        fix: /sops updatekeys/,
        findings: () => secrets({ recipients: ["age1ours", "age1former"] }),
    },
    {
        name: "a key that does not open the file",
        verdict: "failure",
        check: "decryption",
        found: /no identity matched/,
        fix: /SOPS_AGE_KEY_FILE/,
        findings: () => secrets({ opened: refused(0, "no identity matched") }),
    },
    {
        name: "a value that is missing",
        verdict: "failure",
        check: "values",
        found: /1 of 2 are missing: tailscale\.oauthClientId/,
        fix: /sops set secrets\.enc\.yaml '\["tailscale"\]\["oauthClientId"\]'/,
        findings: () => secrets({ opened: told(values({ "cloudflare.apiToken": "t" })) }),
    },
    {
        name: "a cluster's key that is not among the recipients",
        verdict: "failure",
        check: "cluster's age key",
        found: /age1other, which is not among those/,
        fix: /\.sops\.yaml and run {2}sops updatekeys/,
        findings: () => key({ ...KEY, recipient: "age1other" } as ClusterKey),
    },
    {
        name: "a cluster's key that the file is not encrypted to yet",
        verdict: "failure",
        check: "cluster's age key",
        found: /not encrypted to it/,
        fix: /sops updatekeys/,
        findings: () => key(KEY, { ...SECRETS, recipients: ["age1former"] }),
    },
    {
        name: "a cluster's key without its recipient",
        verdict: "warning",
        check: "cluster's age key",
        found: /cannot be compared/,
        fix: /age-keygen -y/,
        findings: () => key({ kind: "nameless", where: "/keys.txt" }),
    },
    {
        name: "a cluster's key that does not open the file",
        verdict: "failure",
        check: "cluster's age key",
        found: /keys\.txt does not open secrets\.enc\.yaml/,
        fix: /age-keygen -y/,
        findings: () => key({ kind: "tried", recipient: "age1ours", where: "/keys.txt", opens: false }),
    },
    {
        name: "no cluster's key",
        verdict: "failure",
        check: "cluster's age key",
        found: /none at \/keys\.txt/,
        fix: /secrets\.ageKey/,
        findings: () => key({ kind: "missing", where: "/keys.txt" }),
    },
    {
        name: "a cluster's key on a machine that does not answer",
        verdict: "skipped",
        check: "cluster's age key",
        found: /cannot be looked at/,
        findings: () => key({ kind: "not looked at", reason: "homelab cannot be looked at" }),
    },
    // State.
    {
        name: "a state that cannot be read",
        verdict: "failure",
        check: "state",
        found: /cannot be read: bucket/,
        fix: /pulumi login/,
        findings: () => judgeState("homelab", { kind: "not read", reason: "bucket" }, ENV),
    },
    {
        name: "no engine to read the state",
        verdict: "skipped",
        check: "state",
        found: /not on the PATH/,
        findings: () => judgeState("homelab", { kind: "not read", reason: "pulumi is not on the PATH" }, ENV),
    },
    {
        name: "no state yet",
        verdict: "warning",
        check: "state",
        found: /none yet/,
        fix: /pulumi stack select homelab --create/,
        findings: () => judgeState("homelab", { kind: "none", reason: "no stack named" }, ENV),
    },
    {
        name: "an update that was cut short",
        verdict: "warning",
        check: "state",
        found: /2 operations/,
        fix: /pulumi refresh/,
        findings: () => judgeState("homelab", { ...STATE, unfinished: 2 } as State, ENV),
    },
    {
        name: "no passphrase",
        verdict: "warning",
        check: "passphrase",
        found: /not set/,
        fix: /export/,
        findings: () => judgeState("homelab", STATE, {}),
    },
    // The NixOS machine.
    {
        name: "another host name",
        verdict: "failure",
        check: "name",
        found: /"nixos", node\.name says "homelab"/,
        fix: /networking\.hostName/,
        findings: () => node({ hostname: "nixos" }),
    },
    {
        name: "other pod networks",
        verdict: "failure",
        check: "networks",
        found: /cluster-cidr=10\.52\.0\.0\/16/,
        fix: /the same/,
        findings: () =>
            node({ config: [{ path: "/etc/rancher/k3s/config.yaml", text: "cluster-cidr: 10.52.0.0/16" }] }),
    },
    {
        name: "a stopped k3s",
        verdict: "failure",
        check: "k3s",
        found: /"failed", not active/,
        fix: /journalctl -u k3s/,
        findings: () => node({ unit: "failed" }),
    },
    {
        name: "a required flag missing",
        verdict: "failure",
        check: "k3s",
        found: /without --flannel-backend=none/,
        fix: /^NixOS: services\.k3s\.extraFlags/,
        findings: () => node({ commandLine: FACTS.commandLine.replace("--flannel-backend=none ", "") }),
    },
    {
        name: "a recommended flag missing",
        verdict: "warning",
        check: "k3s",
        found: /without --disable-kube-proxy/,
        fix: /NixOS/,
        findings: () => node({ commandLine: FACTS.commandLine.replace("--disable-kube-proxy ", "") }),
    },
    {
        name: "no kubeconfig",
        verdict: "failure",
        check: "kubeconfig",
        found: /no kubeconfig at/,
        fix: /journalctl/,
        findings: () => node({ kubeconfigHash: "" }),
    },
    {
        name: "no age key",
        verdict: "failure",
        check: "age key",
        found: /no age key at/,
        fix: /sops-nix/,
        findings: () => node({ ageKeyHash: "" }),
    },
    {
        name: "an unmounted data disk",
        verdict: "failure",
        check: "directory",
        found: /\/var\/data is missing/,
        fix: /mounted\?/,
        findings: () => node({ missingDirectories: ["/var/data", "/var/data/media", "/var/data/configs"] }),
    },
    {
        name: "a directory that up will make",
        verdict: "warning",
        check: "directory",
        found: /\/var\/data\/media is not there yet/,
        fix: /pulumi up makes it/,
        findings: () => node({ missingDirectories: ["/var/data/media"] }),
    },
    {
        name: "a directory that a pod mounts and nobody makes",
        verdict: "failure",
        check: "directory",
        found: /\/mnt\/usb is missing, and a pod mounts it/,
        fix: /mkdir -p \/mnt\/usb/,
        findings: () => node({ missingDirectories: ["/mnt/usb"] }),
    },
    {
        name: "no tun device",
        verdict: "failure",
        check: "device",
        found: /\/dev\/net\/tun is missing/,
        fix: /boot\.kernelModules/,
        findings: () => node({ missingDevices: ["/dev/net/tun"] }),
    },
    {
        name: "a USB stick that is not plugged in",
        verdict: "failure",
        check: "device",
        found: /usb-zigbee is missing/,
        fix: /plug the device in.*ls -l \/dev\/serial\/by-id\//,
        findings: () => node({ missingDevices: ["/dev/serial/by-id/usb-zigbee"] }),
    },
    // The Talos machines.
    {
        name: "a missing disk",
        verdict: "failure",
        check: "node02",
        found: /has no disk \/dev\/disk\/by-id\/x; it has/,
        fix: /plug the disk in/,
        findings: () => withTalos({ faults: ["node02 has no disk /dev/disk/by-id/x; it has none"] }),
    },
    {
        name: "a mistaken interface",
        verdict: "failure",
        check: "node02",
        found: /hardware address/,
        fix: /correct its mac/,
        findings: () =>
            withTalos({ faults: ["node02 has 1.2.3.4 on eno1, whose hardware address is a, not b: correct its mac"] }),
    },
    {
        name: "a silent machine among others",
        verdict: "warning",
        check: "node02",
        found: /does not answer/,
        fix: /switch the machine on/,
        findings: () => withTalos({ warnings: ["node02 (172.30.11.2) does not answer: no route"] }),
    },
    {
        name: "a machine of other extensions",
        verdict: "warning",
        check: "node02 system",
        found: /runs the schematic abc/,
        fix: /reboots it/,
        findings: () => withTalos({}, { schematic: "abc" }),
    },
    {
        name: "no mount point for local volumes",
        verdict: "failure",
        check: "node02 volumes",
        found: /\/var\/mnt\/local-hostpath is missing/,
        fix: /machine configuration/,
        findings: () => withTalos({}, { mounted: false }),
    },
    // The API server.
    {
        name: "an API server that cannot be reached",
        verdict: "failure",
        check: "API server",
        found: /cannot be reached/,
        fix: /firewall/,
        findings: () => judgeCluster([], refused(0, "192.168.0.28:6443 cannot be reached: ECONNREFUSED")),
    },
    {
        name: "a kubeconfig that is no more",
        verdict: "failure",
        check: "API server",
        found: /401/,
        fix: /administrator/,
        findings: () => judgeCluster([], refused(401)),
    },
    {
        name: "no kubeconfig to ask it with",
        verdict: "skipped",
        check: "API server",
        found: /no kubeconfig: ssh/,
        findings: () => judgeCluster([], refused(-1, "ssh")),
    },
    {
        name: "an API server that is not ready",
        verdict: "failure",
        check: "API server",
        found: /is not ready/,
        fix: /readyz/,
        findings: () => cluster({ ready: false }),
    },
    {
        name: "a node that is not ready",
        verdict: "warning",
        check: "node",
        found: /homelab is not Ready/,
        fix: /describe node/,
        findings: () => withNode({ ready: false }),
    },
    {
        name: "a node that has not joined",
        verdict: "warning",
        check: "node",
        found: /has not joined/,
        fix: /pulumi up/,
        findings: () => cluster({ nodes: [] }),
    },
    {
        name: "a GPU that no device plugin offers",
        verdict: "warning",
        check: "GPUs",
        found: /homelab offers 0 amd\.com\/gpu, and the configuration counts on 1/,
        fix: /device plugin on that node.*docs\/gpus\.md/,
        findings: () => withNode({ gpus: { intel: 4 } }),
    },
    {
        name: "memory that belongs to the GPU, and not to the machine",
        verdict: "warning",
        check: "memory",
        found: /homelab has 15Gi, and the configuration counts on 32Gi/,
        fix: /capacity.*firmware/,
        findings: () => withNode({ memory: "16384000Ki" }),
    },
    {
        name: "a pod that was left in the namespace default",
        verdict: "warning",
        check: "namespace default",
        found: /pod pg-ext-check \(Failed\) is there, and nothing of a stack is in this namespace/,
        fix: /kubectl --namespace default delete pod pg-ext-check$/,
        findings: () => cluster({ strays: told(["pod pg-ext-check (Failed)"]) }),
    },
    {
        name: "a namespace default that may not be listed",
        verdict: "skipped",
        check: "namespace default",
        found: /cannot be listed: 403/,
        findings: () => cluster({ strays: { ok: false, status: 403, reason: "403" } }),
    },
    {
        name: "a job that failed",
        verdict: "warning",
        check: "jobs",
        found: /scheduling\/descheduler-29000000 has failed/,
        fix: /kubectl --namespace scheduling describe job descheduler-29000000/,
        findings: () => cluster({ failedJobs: told(["scheduling/descheduler-29000000"]) }),
    },
    {
        name: "jobs that may not be listed",
        verdict: "skipped",
        check: "jobs",
        found: /cannot be listed: 403/,
        findings: () => cluster({ failedJobs: { ok: false, status: 403, reason: "403" } }),
    },
    {
        name: "an aggregated API that does not answer",
        verdict: "warning",
        check: "aggregated APIs",
        found: /v1beta1\.metrics\.k8s\.io \(MissingEndpoints\) does not answer, and until it does no namespace can be deleted/,
        fix: /kubectl describe apiservice v1beta1\.metrics\.k8s\.io  names/,
        findings: () => cluster({ sickApis: told(["v1beta1.metrics.k8s.io (MissingEndpoints)"]) }),
    },
    {
        name: "aggregated APIs that may not be listed",
        verdict: "skipped",
        check: "aggregated APIs",
        found: /cannot be listed: 403/,
        findings: () => cluster({ sickApis: { ok: false, status: 403, reason: "403" } }),
    },
    // Cloudflare.
    {
        name: "a disabled token",
        verdict: "failure",
        check: "token",
        found: /is disabled/,
        fix: /make a new one/,
        findings: () => cloudflare({ token: told({ status: "disabled", expires: "" }) }),
    },
    {
        name: "a token near its end",
        verdict: "warning",
        check: "token",
        found: /ends in 9 days/,
        fix: /roll it/,
        findings: () => cloudflare({ token: told({ status: "active", expires: "2026-01-10T00:00:00Z" }) }),
    },
    {
        name: "another zone's id",
        verdict: "failure",
        check: "zone",
        found: /z is other\.org, domain says example\.org/,
        fix: /cloudflare\.zoneId/,
        findings: () => cloudflare({ zone: told("other.org") }),
    },
    {
        name: "an unknown zone",
        verdict: "failure",
        check: "zone",
        found: /cannot be read: 404/,
        fix: /cloudflare\.zoneId/,
        findings: () => cloudflare({ zone: refused(404) }),
    },
    {
        name: "a token that may not read zones, as it need not",
        verdict: "skipped",
        check: "zone",
        found: /needs no such scope/,
        findings: () => cloudflare({ zone: refused(403) }),
    },
    {
        name: "a token without DNS",
        verdict: "failure",
        check: "DNS records",
        found: /may not list/,
        fix: /Zone \/ DNS \/ Edit/,
        findings: () => cloudflare({ records: refused(403) }),
    },
    {
        name: "a token without tunnels",
        verdict: "failure",
        check: "tunnels",
        found: /may not list/,
        fix: /Account \/ Cloudflare Tunnel \/ Edit/,
        findings: () => cloudflare({ tunnels: refused(403) }),
    },
    {
        name: "a token that may only read DNS",
        verdict: "failure",
        check: "editing DNS records",
        found: /may not: it has DNS Read, Cloudflare Tunnel Write/,
        fix: /Zone \/ DNS \/ Edit/,
        findings: () => cloudflare({ permissions: ["DNS Read", "Cloudflare Tunnel Write"] }),
    },
    // Tailscale.
    {
        name: "a missing scope",
        verdict: "failure",
        check: "scopes",
        found: /policy_file missing; it has auth_keys, devices:core/,
        fix: /auth_keys, devices:core, policy_file/,
        findings: () => tailscale({ granted: told(["auth_keys", "devices:core"]) }),
    },
    {
        name: "a read-only scope",
        verdict: "failure",
        check: "scopes",
        found: /auth_keys, devices:core, policy_file missing/,
        fix: /OAuth client/,
        findings: () => tailscale({ granted: told(["all:read"]) }),
    },
    {
        name: "scopes that the API does not tell",
        verdict: "skipped",
        check: "scopes",
        found: /did not say/,
        findings: () => tailscale({ granted: told([]) }),
    },
    {
        name: "a policy without entries of this stack",
        verdict: "warning",
        check: "policy file",
        found: /has no entries of this stack yet/,
        fix: /what others wrote stays/,
        findings: () => tailscale({ policy: told(freshPolicy("chongus", { ...FRAGMENT, tagOwners: {} })) }),
    },
    {
        name: "a policy that somebody put back to an earlier version",
        verdict: "warning",
        check: "policy file",
        found: /lacks what this stack's last up wrote.*tagOwners tag:homelab: \["autogroup:admin"\]/,
        fix: /pulumi up --replace '\*\*:Command::tailnet-policy'/,
        findings: () =>
            tailscale({ policy: told(freshPolicy("homelab", { ...FRAGMENT, tagOwners: { "tag:old": ["a@b.c"] } })) }),
    },
    {
        name: "a policy in which Tailscale's default still stands",
        verdict: "warning",
        check: "policy file",
        found: /every device reaches every other/,
        fix: /docs\/dns\.md/,
        findings: () => tailscale({ policy: told(mergeFragment("{}", "homelab", { ...FRAGMENT, grants: [ALLOWED] })) }),
    },
    {
        name: "a policy that is cut off",
        verdict: "failure",
        check: "policy file",
        found: /is no HuJSON: line 1, column 2/,
        fix: /console/,
        findings: () => tailscale({ policy: told("{") }),
    },
    {
        name: "a policy that cannot be read",
        verdict: "failure",
        check: "policy file",
        found: /404/,
        fix: /tailscale\.tailnet/,
        findings: () => tailscale({ policy: refused(404) }),
    },
    // Doppler.
    {
        name: "a token of another config",
        verdict: "failure",
        check: "service token",
        found: /is for home-ops\/bitty, secrets\.doppler says home-ops\/chongus/,
        fix: /sops set/,
        findings: () => doppler({ me: told({ type: "", project: "home-ops", config: "bitty" }) }),
    },
    {
        name: "secrets that cannot be listed",
        verdict: "failure",
        check: "secrets",
        found: /cannot be listed \(403\)/,
        fix: /service token/,
        findings: () => doppler({ names: refused(403) }),
    },
    // Bitwarden.
    {
        name: "a name that the LAN's resolver does not know",
        verdict: "warning",
        check: "LAN",
        found: /^1 name leads elsewhere: plex\.lab\.example is not known$/,
        fix: /let it lead to 192\.168\.10\.224; .* one for \*\.lab\.example may do/,
        findings: () => names({ "plex.lab.example": refused(404, "is not known") }),
    },
    {
        name: "names that lead to the old cluster",
        verdict: "warning",
        check: "LAN",
        found: /^2 names lead elsewhere: sonarr\.lab\.example leads to 192\.168\.10\.5, and 1 more$/,
        fix: /let it lead to 192\.168\.10\.224/,
        findings: () =>
            names({ "sonarr.lab.example": told(["192.168.10.5"]), "plex.lab.example": told(["192.168.10.5"]) }),
    },
    {
        name: "a resolver that is silent",
        verdict: "skipped",
        check: "LAN",
        found: /does not say: timeout/,
        findings: () =>
            names({ "sonarr.lab.example": refused(0, "timeout"), "plex.lab.example": refused(0, "timeout") }),
    },
    {
        name: "a name that Let's Encrypt does not find",
        verdict: "failure",
        check: "Let's Encrypt",
        found: /^1 name leads nowhere that the internet reaches: b\.lab\.example is not known$/,
        fix: /in public DNS let it lead to your house/,
        findings: () =>
            publicNames({ "a.lab.example": told(["203.0.114.7"]), "b.lab.example": refused(404, "is not known") }),
    },
    {
        name: "a name that is in public DNS with its address in the LAN",
        verdict: "failure",
        check: "Let's Encrypt",
        found: /a\.lab\.example leads to 192\.168\.10\.224$/,
        fix: /or prove the names otherwise/,
        findings: () => publicNames({ "a.lab.example": LEADS }),
    },
    {
        name: "a public resolver that is silent",
        verdict: "skipped",
        check: "Let's Encrypt",
        found: /the public resolver does not say: refused$/,
        findings: () => publicNames({ "a.lab.example": refused(0, "refused") }),
    },
    {
        name: "a router that only the internet sees",
        verdict: "skipped",
        check: "port 80",
        found: /from the internet only/,
        findings: () => publicNames({ "a.lab.example": told(["203.0.114.7"]) }),
    },
    {
        name: "a token of another organization",
        verdict: "failure",
        check: "access token",
        found: /is of the organization b1a4b97f.*secrets\.bitwarden\.organizationId says 7c0d21ec/,
        fix: /correct the ID/,
        findings: () => bitwarden({ login: told({ organization: "b1a4b97f-c75e-4901-b831-00912f3549a7" }) }),
    },
    {
        name: "a secret that the project lacks",
        verdict: "failure",
        check: "secrets",
        found: /1 of 2 are missing in the project: PAPERLESS_SECRET_KEY/,
        fix: /bws secret create PAPERLESS_SECRET_KEY '<value>' 9c713cd6/,
        findings: () => bitwarden({ names: told(["KOPIA_PASSWORD"]) }),
    },
    {
        name: "two secrets of one name",
        verdict: "failure",
        check: "secrets",
        found: /KOPIA_PASSWORD: more than one/,
        fix: /remove one/,
        findings: () => bitwarden({ names: told(["KOPIA_PASSWORD", "PAPERLESS_SECRET_KEY", "KOPIA_PASSWORD"]) }),
    },
    {
        name: "a project that the machine account may not read",
        verdict: "failure",
        check: "secrets",
        found: /cannot be listed \(404\)/,
        fix: /let the machine account read the project/,
        findings: () => bitwarden({ names: refused(404) }),
    },
    // Vault.
    {
        name: "a Vault that nobody initialised",
        verdict: "failure",
        check: "servers",
        found: /none is initialised/,
        fix: /pulumi up initialises it/,
        findings: () =>
            vault({ servers: told([{ ...VAULT_SERVER, initialized: false, sealed: true, active: false }]) }),
    },
    {
        name: "a sealed server",
        verdict: "failure",
        check: "servers",
        found: /sealed: vault-1/,
        fix: /logs vault-1 --container keeper/,
        findings: () =>
            vault({ servers: told([VAULT_SERVER, { ...VAULT_SERVER, name: "vault-1", sealed: true, active: false }]) }),
    },
    {
        name: "a server that has not joined",
        verdict: "warning",
        check: "servers",
        found: /has not joined the others: vault-2/,
        fix: /keeper/,
        findings: () =>
            vault({
                servers: told([VAULT_SERVER, { ...VAULT_SERVER, name: "vault-2", initialized: false, active: false }]),
            }),
    },
    {
        name: "a server that is not there",
        verdict: "warning",
        check: "servers",
        found: /2 of 3 are there/,
        fix: /get pods,pvc/,
        findings: () => vault({ servers: told([VAULT_SERVER, { ...VAULT_SERVER, name: "vault-1", active: false }]) }),
    },
    {
        name: "no leader",
        verdict: "failure",
        check: "leader",
        found: /nobody leads/,
        fix: /docs\/vault\.md/,
        findings: () =>
            vault({
                servers: told(
                    ["vault-0", "vault-1", "vault-2"].map((name) => ({ ...VAULT_SERVER, name, active: false })),
                ),
            }),
    },
    {
        name: "an old snapshot",
        verdict: "failure",
        check: "snapshot",
        found: /the last is of 2025-12-28T02:30:07Z, 3 days ago/,
        fix: /create job --from=cronjob\/vault-snapshot/,
        findings: () => vault({ snapshot: told("2025-12-28T02:30:07Z") }),
    },
    {
        name: "no snapshot yet",
        verdict: "warning",
        check: "snapshot",
        found: /none has been made yet/,
        fix: /create job/,
        findings: () => vault({ snapshot: told("") }),
    },
    {
        name: "values that Vault lacks",
        verdict: "failure",
        check: "values",
        found: /missing: media\/sonarr \(apiKey\); web\/site \(b\)/,
        fix: /npm run vault -- magi --put media\/sonarr --property apiKey\nnpm run vault -- magi --put web\/site --property b$/,
        findings: () => vault({ missing: told({ "media/sonarr": ["apiKey"], "web/site": ["b"] }) }),
    },
    {
        name: "a Vault that nobody can ask",
        verdict: "warning",
        check: "values",
        found: /nobody could be asked which are there \(503/,
        fix: /pulumi up asks in the cluster/,
        findings: () => vault({ missing: refused(503) }),
    },
];
