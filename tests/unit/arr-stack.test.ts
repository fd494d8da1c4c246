/** Pods behind a VPN: what is planned of arr-stack, arr-lts and arr-lts2, and who cannot be in one. */
import { images, imageReference } from "../../components/images";
import { SharedPod } from "../../components/shared-pod";
import { data } from "../../components/storage/volumes";
import type { WorkloadArgs } from "../../components/workload";
import { appNamespaces, appRules, appSecrets, appVolumes, appsSchema, type Apps, type Offers } from "../../lab/apps";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { comparePlans } from "../../tools/plan-diff/compare";
import { planStack } from "../../tools/plan/plan";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { deploy, testPlatform, type TestPlatform } from "./test-platform";

const VPN = { provider: "protonvpn" };
const MEMBERS = ["qbittorrent", "sonarr", "radarr", "prowlarr", "jellyseerr", "flaresolverr"];
const STACK = { ...Object.fromEntries(MEMBERS.map((name) => [name, {}])), "arr-stack": { vpn: VPN } };

async function plan(apps: Record<string, unknown>, change: (platform: TestPlatform) => TestPlatform = (same) => same) {
    let platform: TestPlatform | undefined;
    const resources = await planComponent(() => {
        platform = change(testPlatform({ media: "privileged" }));
        deploy(platform, apps);
    });
    if (platform === undefined) throw new Error("not planned");
    return { look: lookInto(() => ({ resources })), resources, platform };
}

interface Container {
    readonly name: string;
    readonly image: string;
    readonly command?: string[];
    readonly env: { name: string; value?: string; valueFrom?: unknown }[];
    readonly ports?: { readonly name?: string; readonly containerPort: number }[];
    readonly securityContext: Inputs;
    readonly restartPolicy?: string;
    readonly volumeMounts: { name: string; mountPath: string }[];
    readonly startupProbe?: Inputs;
    readonly readinessProbe?: Inputs;
    readonly livenessProbe?: Inputs;
}
const list = (pod: Inputs, kind: "containers" | "initContainers") => (pod[kind] ?? []) as Container[];
const one = (pod: Inputs, name: string): Container => {
    const found = [...list(pod, "containers"), ...list(pod, "initContainers")].find((each) => each.name === name);
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
};
const env = (container: Container) => Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
const environment = (container: Container) =>
    Object.fromEntries(container.env.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]));

describe("arr-stack", () => {
    let planned: Awaited<ReturnType<typeof plan>>;
    let pod: Inputs;
    beforeAll(async () => {
        planned = await plan(STACK);
        pod = planned.look.pod("arr-stack");
    });

    test("one pod with all of them; none has a Deployment of its own (M-APP-09, M-APP-11, M-APP-12, M-APP-13)", () => {
        expect(planned.look.all("apps/v1:Deployment").map(({ name }) => name)).toEqual(["arr-stack"]);
        expect(list(pod, "containers").map(({ name }) => name)).toEqual([...MEMBERS, "pf-sync"]);
        expect(list(pod, "initContainers").map(({ name }) => name)).toEqual(["gluetun", "jellyseerr-settings"]);
        expect(one(pod, "jellyseerr").image).toBe(imageReference(images.seerr));
        expect(dig(planned.look.find("apps/v1:Deployment", "arr-stack").inputs, "spec", "strategy", "type")).toBe(
            "Recreate",
        );
    });

    test("gluetun comes before all others and goes after them, and is let at the network alone (M-APP-10)", () => {
        const gluetun = one(pod, "gluetun");
        expect(gluetun.restartPolicy).toBe("Always");
        // Whoever comes next waits for the tunnel.
        expect(dig(gluetun.startupProbe, "exec", "command")).toEqual(["/gluetun-entrypoint", "healthcheck"]);
        expect(dig(gluetun.readinessProbe, "exec", "command")).toEqual(["/gluetun-entrypoint", "healthcheck"]);
        expect(gluetun.livenessProbe).toBeUndefined();
        const all = [...list(pod, "containers"), ...list(pod, "initContainers")];
        const added = all.filter(({ securityContext }) => dig(securityContext, "capabilities", "add") !== undefined);
        expect(added.map(({ name }) => name)).toEqual(["gluetun"]);
        expect(gluetun.securityContext).toEqual({
            allowPrivilegeEscalation: false,
            capabilities: { add: ["NET_ADMIN"] },
            runAsUser: 0,
            runAsGroup: 0,
            runAsNonRoot: false,
        });
        expect(all.filter(({ securityContext }) => securityContext["privileged"] === true)).toEqual([]);
        const [device] = gluetun.volumeMounts.filter(({ mountPath }) => mountPath === "/dev/net/tun");
        expect((pod["volumes"] as Inputs[]).find(({ name }) => name === device?.name)).toEqual({
            name: "gluetun-dev-net-tun",
            hostPath: { path: "/dev/net/tun", type: "CharDevice" },
        });
    });

    test("nothing leaves but by the tunnel, to the cluster and to the household, and only pages are let in", () => {
        expect(env(one(pod, "gluetun"))).toMatchObject({
            VPN_SERVICE_PROVIDER: "protonvpn",
            VPN_TYPE: "wireguard",
            VPN_INTERFACE: "tun0",
            VPN_PORT_FORWARDING: "on",
            FIREWALL_INPUT_PORTS: "8080,8989,7878,9696,5055,8191",
            FIREWALL_OUTBOUND_SUBNETS: "10.244.0.0/16,10.96.0.0/12,192.168.0.0/24",
            HTTP_CONTROL_SERVER_ADDRESS: "127.0.0.1:8000",
        });
        // Names too: nobody but gluetun asks the cluster's DNS, and that one only for names of the cluster.
        expect(pod["dnsPolicy"]).toBe("None");
        expect(dig(pod, "dnsConfig", "nameservers")).toEqual(["127.0.0.1"]);
        const files = dig(planned.look.find(":ConfigMap", "arr-stack-gluetun").inputs, "data") as Inputs;
        expect(files).toEqual({
            "etc-resolv.conf": "nameserver 10.96.0.10\n",
            "gluetun-auth-config.toml":
                '[[roles]]\nname = "pf-sync"\nauth = "none"\nroutes = ["GET /v1/portforward"]\n',
        });
        const resolv = (container: Container) =>
            container.volumeMounts.filter(({ mountPath }) => mountPath === "/etc/resolv.conf").length;
        expect(list(pod, "containers").map(resolv)).toEqual(list(pod, "containers").map(() => 0));
        expect(resolv(one(pod, "gluetun"))).toBe(1);
    });

    test("what a gluetun that was killed left of its network is taken away, its firewall is not", () => {
        const [shell, flag, script = ""] = one(pod, "gluetun").command ?? [];
        expect([shell, flag]).toEqual(["/bin/sh", "-c"]);
        expect(script).toMatch(/ip \$family rule del table 51820/);
        expect(script).not.toMatch(/iptables/);
        expect(script.split("\n").at(-1)).toBe("exec /gluetun-entrypoint");
    });

    test("qBittorrent is bound to the tunnel, and pf-sync has its password (M-APP-14)", () => {
        const qbittorrent = env(one(pod, "qbittorrent"));
        expect(qbittorrent).toMatchObject({ INTERFACE: "tun0", WEBUI_PORT: "8080", DOWNLOADS: "/downloads" });
        expect(qbittorrent).not.toHaveProperty("TORRENTING_PORT");
        const given = Object.fromEntries(planned.platform.secrets.asked.map(({ name, data }) => [name, data]));
        expect(given).toMatchObject({
            "arr-stack-gluetun": { WIREGUARD_PRIVATE_KEY: "arr-stack.wireguardPrivateKey" },
            "arr-stack-pf-sync": { QBITTORRENT_PASSWORD: "qbittorrent.password" },
            qbittorrent: { QBITTORRENT_PASSWORD: "qbittorrent.password" },
            jellyseerr: {
                API_KEY: "jellyseerr.apiKey",
                SONARR_API_KEY: "sonarr.apiKey",
                RADARR_API_KEY: "radarr.apiKey",
            },
        });
        const pfSync = one(pod, "pf-sync");
        expect(pfSync.command).toEqual(["node", "/etc/homelab/port-sync.mjs"]);
        expect(env(pfSync)).toMatchObject({
            CONTROL_URL: "http://127.0.0.1:8000",
            QBITTORRENT_URL: "http://127.0.0.1:8080",
            FORWARDED: "yes",
        });
        expect(dig(pfSync.readinessProbe, "exec", "command")).toEqual([...(pfSync.command ?? []), "ready"]);
    });

    test("no two ports of the pod have one name, and each probe asks its own container's port", () => {
        const members = MEMBERS.map((member) => one(pod, member));
        const names = members.flatMap(({ ports = [] }) =>
            ports.flatMap(({ name }) => (name === undefined ? [] : [name])),
        );
        expect(new Set(names).size).toBe(names.length);
        for (const { name, ports = [], readinessProbe } of members) {
            const asked = dig(readinessProbe, "httpGet", "port") ?? dig(readinessProbe, "tcpSocket", "port");
            if (asked !== undefined)
                expect([name, ports.map(({ containerPort }) => containerPort)]).toEqual([
                    name,
                    expect.arrayContaining([asked]),
                ]);
        }
    });

    test("each page keeps its Service, its host and its volume", () => {
        const services = planned.look.all("core/v1:Service");
        expect(services.map(({ name }) => name)).toEqual(MEMBERS);
        const sonarr = planned.look.find("core/v1:Service", "sonarr").inputs;
        expect(dig(sonarr, "spec", "selector")).toEqual({ "app.kubernetes.io/name": "arr-stack" });
        // Others in the pod call their port http, too; and their trouble is not this one's.
        expect(dig(sonarr, "spec", "ports")).toEqual([{ name: "http", port: 8989, targetPort: 8989 }]);
        expect(dig(sonarr, "spec", "publishNotReadyAddresses")).toBe(true);
        expect(planned.platform.edge.exposures.map(({ host }) => host)).toEqual(
            ["qbittorrent", "sonarr", "radarr", "prowlarr", "jellyseerr"].map((host) => `${host}.example.net`),
        );
        expect(
            planned.look
                .all(":PersistentVolumeClaim")
                .map(({ name }) => name)
                .sort(),
        ).toEqual(["jellyseerr", "prowlarr", "qbittorrent", "radarr", "sonarr"]);
        const mounts = one(pod, "sonarr").volumeMounts.map(({ name, mountPath }) => [mountPath, name]);
        expect(mounts).toEqual([
            ["/config", "sonarr-config"],
            ["/tmp", "sonarr-tmp"],
            ["/media", "media"],
            ["/downloads", "downloads"],
        ]);
        expect((pod["volumes"] as Inputs[]).filter(({ name }) => name === "downloads")).toHaveLength(1);
    });

    test("each container says who it is; the pod says the group of its files alone", () => {
        expect(pod["securityContext"]).toEqual({
            fsGroup: 1001,
            fsGroupChangePolicy: "OnRootMismatch",
            seccompProfile: { type: "RuntimeDefault" },
        });
        expect(one(pod, "sonarr").securityContext).toMatchObject({
            runAsNonRoot: true,
            runAsUser: 1000,
            runAsGroup: 1001,
            readOnlyRootFilesystem: true,
        });
        expect(one(pod, "qbittorrent").securityContext).toEqual({ allowPrivilegeEscalation: false });
    });

    test("the pod is of bulk traffic (M-NET-07)", () => {
        const template = dig(planned.look.find("apps/v1:Deployment", "arr-stack").inputs, "spec", "template");
        expect(dig(template, "metadata", "labels")).toEqual({
            "app.kubernetes.io/name": "arr-stack",
            "app.kubernetes.io/part-of": "media",
            "traffic-tier": "bulk-seed",
        });
        expect(
            dig(planned.look.find("apps/v1:Deployment", "arr-stack").inputs, "spec", "selector", "matchLabels"),
        ).toEqual({ "app.kubernetes.io/name": "arr-stack" });
    });

    test("the wiring knows them as it knows them elsewhere, and flaresolverr too", () => {
        const files = dig(planned.look.find(":ConfigMap", "media-wiring").inputs, "data") as Record<string, string>;
        const url = (app: string, port: number) => `http://${app}.media.svc.cluster.local:${port}`;
        expect(JSON.parse(files["etc-homelab-plan.json"] ?? "")).toMatchObject({
            indexers: [{ name: "prowlarr", url: url("prowlarr", 9696) }],
            downloads: [{ name: "qbittorrent", url: url("qbittorrent", 8080), key: "QBITTORRENT_API_KEY" }],
            solvers: [{ name: "flaresolverr", url: url("flaresolverr", 8191) }],
            requests: [{ name: "jellyseerr", url: url("jellyseerr", 5055), key: "JELLYSEERR_API_KEY" }],
        });
    });

    test("its part in lists of the stack", () => {
        const apps = appsSchema.parse(STACK);
        expect(appNamespaces(apps, "baseline")).toEqual({ media: "privileged" });
        expect(appSecrets(apps)).toEqual(
            expect.arrayContaining(["arr-stack.wireguardPrivateKey", "qbittorrent.password", "jellyseerr.apiKey"]),
        );
        expect(
            appVolumes(apps)
                .map(({ app }) => app)
                .sort(),
        ).toEqual(["jellyseerr", "prowlarr", "qbittorrent", "radarr", "sonarr"]);
    });
});

test("who is left out stands in a pod of its own, without the VPN", async () => {
    const { look } = await plan({ ...STACK, "arr-stack": { vpn: VPN, holds: ["qbittorrent", "prowlarr"] } });
    expect(list(look.pod("arr-stack"), "containers").map(({ name }) => name)).toEqual([
        "qbittorrent",
        "prowlarr",
        "pf-sync",
    ]);
    expect(look.container("sonarr")["image"]).toBe(imageReference(images.sonarr));
    expect(look.pod("sonarr")).not.toHaveProperty("dnsPolicy");
    expect(dig(look.find("core/v1:Service", "sonarr").inputs, "spec", "ports")).toEqual([
        { name: "http", port: 8989, targetPort: "http" },
    ]);
});

test("where the wiring is switched off qBittorrent and pf-sync agree on a password all the same", async () => {
    const { platform } = await plan({ ...STACK, "media-wiring": { enabled: false } });
    const given = Object.fromEntries(platform.secrets.asked.map(({ name, data }) => [name, data]));
    expect(given["qbittorrent"]).toEqual(given["arr-stack-pf-sync"]);
});

describe("arr-lts and arr-lts2 (M-APP-15, M-APP-16)", () => {
    const BOTH = {
        "arr-lts": { vpn: VPN },
        "arr-lts2": { vpn: { provider: "private internet access", regions: ["Iceland", "US Seattle"] } },
    };

    test("a pod, a VPN, a volume, a page and a directory each, in bulk traffic", async () => {
        const { look, platform } = await plan(BOTH);
        for (const name of ["arr-lts", "arr-lts2"]) {
            const pod = look.pod(name);
            expect(list(pod, "initContainers").map((each) => each.name)).toEqual(["gluetun"]);
            expect(list(pod, "containers").map((each) => each.name)).toEqual(["qbittorrent", "pf-sync"]);
            expect(env(one(pod, "qbittorrent"))).toMatchObject({ DOWNLOADS: `/downloads/${name}`, INTERFACE: "tun0" });
            const labels = dig(look.find("apps/v1:Deployment", name).inputs, "spec", "template", "metadata", "labels");
            expect(labels).toMatchObject({ "traffic-tier": "bulk-seed" });
            expect(look.find(":PersistentVolumeClaim", name)).toBeDefined();
        }
        expect(platform.edge.exposures.map(({ host }) => host)).toEqual([
            "arr-lts.example.net",
            "arr-lts2.example.net",
        ]);
        const given = Object.fromEntries(platform.secrets.asked.map(({ name, data }) => [name, data]));
        expect(given).toEqual({
            "arr-lts": { QBITTORRENT_PASSWORD: "arr-lts.password" },
            "arr-lts-pf-sync": { QBITTORRENT_PASSWORD: "arr-lts.password" },
            "arr-lts-gluetun": { WIREGUARD_PRIVATE_KEY: "arr-lts.wireguardPrivateKey" },
            "arr-lts2": { QBITTORRENT_PASSWORD: "arr-lts2.password" },
            "arr-lts2-pf-sync": { QBITTORRENT_PASSWORD: "arr-lts2.password" },
            "arr-lts2-gluetun": {
                OPENVPN_USER: "arr-lts2.openvpnUser",
                OPENVPN_PASSWORD: "arr-lts2.openvpnPassword",
            },
        });
        const gluetun = env(one(look.pod("arr-lts2"), "gluetun"));
        expect(gluetun).toMatchObject({
            VPN_TYPE: "openvpn",
            SERVER_REGIONS: "Iceland,US Seattle",
            VPN_PORT_FORWARDING: "on",
        });
        expect(gluetun).not.toHaveProperty("SERVER_COUNTRIES");
        expect(gluetun).not.toHaveProperty("SERVER_CITIES");
    });

    const LOGIN = ["USER", "PASSWORD"];
    test.each([
        ["cyberghost", [...LOGIN, "CERT", "KEY"]],
        ["vpn unlimited", [...LOGIN, "CERT", "KEY"]],
        ["airvpn", ["CERT", "KEY"]],
        ["vpnsecure", ["CERT", "ENCRYPTED_KEY", "KEY_PASSPHRASE"]],
        ["privado", LOGIN],
    ])("gluetun gets what %s knows an account by with OpenVPN", async (provider, values) => {
        const apps = { "arr-lts": { vpn: { provider, type: "openvpn" } } };
        const { platform } = await plan(apps);
        const given = platform.secrets.asked.find(({ name }) => name === "arr-lts-gluetun")?.data ?? {};
        expect(Object.keys(given)).toEqual(values.map((value) => `OPENVPN_${value}`));
        expect(appSecrets(appsSchema.parse(apps))).toEqual(expect.arrayContaining(Object.values(given)));
    });

    test("the other apps do not know of them", () => {
        const apps = appsSchema.parse({ ...BOTH, sonarr: {}, prowlarr: {}, qbittorrent: {} });
        const fault = appRules<{ apps: Apps }>(() => OFFERS).flatMap((rule) => rule({ apps }));
        expect(fault).toEqual([]);
        expect(
            appRules<{ apps: Apps }>(() => OFFERS).flatMap((rule) =>
                rule({ apps: appsSchema.parse({ ...BOTH, sonarr: {}, prowlarr: {} }) }),
            ),
        ).toMatchObject([{ rule: "partner-missing", path: "apps.sonarr" }]);
    });
});

const OFFERS = {
    nodes: [],
    capacity: [],
    gpus: {},
    postgres: true,
    prometheus: true,
    libraries: ["media", "downloads"],
    devices: true,
    addresses: "optional",
    mend: { gpu: "", postgres: "", prometheus: "", library: "", device: "", address: "", network: "" },
} as unknown as Offers;

describe("what cannot be", () => {
    const faults = (apps: Record<string, unknown>, offers: Offers = OFFERS) =>
        appRules<{ apps: Apps }>(() => offers).flatMap((rule) => rule({ apps: appsSchema.parse(apps) }));

    test("the whole of it can", () => {
        expect(faults(STACK)).toEqual([]);
    });

    test("a pod without qBittorrent", () => {
        expect(faults({ sabnzbd: {}, prowlarr: {}, "arr-stack": { vpn: VPN } })).toEqual([
            {
                rule: "held-missing",
                path: "apps.arr-stack",
                got: "prowlarr",
                allowed: "a pod with qbittorrent in it, which it is there for",
                suggestion: 'add "qbittorrent: {}" under apps, or take arr-stack out',
            },
        ]);
    });

    test.each([
        ["nodes", { nodes: ["k3s1"] }],
        ["delivery", { delivery: "gitops" }],
        ["traffic", { traffic: "normal" }],
        ["mesh", { mesh: true }],
    ])("one in the pod with %s of its own", (key, block) => {
        const { rule, path, suggestion } =
            faults({ ...STACK, sonarr: block }, { ...OFFERS, mesh: true, nodes: [{ name: "k3s1" }] } as never).find(
                (fault) => fault.rule === "held-elsewhere",
            ) ?? {};
        expect({ rule, path }).toEqual({ rule: "held-elsewhere", path: `apps.sonarr.${key}` });
        expect(suggestion).toContain("apps.arr-stack.holds");
    });

    test("a cluster without devices to hand out", () => {
        expect(faults(STACK, { ...OFFERS, devices: false })).toMatchObject([
            { rule: "app-need-missing", path: "apps.arr-stack" },
        ]);
    });

    test.each([
        ["a provider that nobody knows", { provider: "my-vpn" }, "vpn.provider"],
        ["WireGuard where gluetun has none of it", { provider: "privatevpn", type: "wireguard" }, "vpn.type"],
        ["no address where each account has its own", { provider: "mullvad" }, "vpn.address"],
        ["an address with OpenVPN", { provider: "privatevpn", address: "10.1.2.3/32" }, "vpn.address"],
        [
            "a port of a provider that forwards none",
            { provider: "mullvad", address: "10.1.2.3/32", portForwarding: true },
            "vpn.portForwarding",
        ],
    ])("%s", (_what, vpn, path) => {
        const { error } = appsSchema.safeParse({ ...STACK, "arr-stack": { vpn } });
        expect(error?.issues.map((issue) => issue.path.join("."))).toEqual([`arr-stack.${path}`]);
    });

    test.each([
        [{ provider: "protonvpn", countries: ["CH"] }, "did you mean Switzerland?"],
        [{ provider: "protonvpn", countries: ["usa"] }, "did you mean United States?"],
        [{ provider: "protonvpn", countries: ["UK"] }, "did you mean United Kingdom?"],
        [{ provider: "protonvpn", countries: ["UAE"] }, undefined],
        [{ provider: "protonvpn", countries: ["XX"] }, undefined],
        [
            { provider: "windscribe", address: "10.1.2.3/32", countries: ["Iceland"] },
            "say it by vpn.regions or vpn.cities",
        ],
        [{ provider: "mullvad", address: "10.64.0.2/32,fc00:bbbb::2/128" }, "did you mean 10.64.0.2/32?"],
        [{ provider: "mullvad", address: "10.64.0.2" }, "did you mean 10.64.0.2/32?"],
        [{ provider: "mullvad", address: "127.0.0.1/32" }, undefined],
    ])("%j is answered with its mend", (vpn, mend) => {
        const [issue] = appsSchema.safeParse({ "arr-lts": { vpn } }).error?.issues ?? [];
        expect(issue).toBeDefined();
        expect(issue?.code === "custom" ? issue.params?.["suggestion"] : issue).toBe(mend);
    });

    test("a few providers' lists have USA, UK and UAE for countries", () => {
        const vpn = { provider: "expressvpn", countries: ["USA", "UK", "UAE"], cities: ["Boston"] };
        expect(appsSchema.parse({ "arr-lts": { vpn } })["arr-lts"]).toMatchObject({ vpn });
    });

    test("what a provider can is taken for wished", () => {
        const parse = (vpn: object) => appsSchema.parse({ "arr-lts": { vpn } })["arr-lts"];
        expect(parse({ provider: "mullvad", address: "10.1.2.3/32" })).toMatchObject({
            vpn: { type: "wireguard", portForwarding: false },
        });
        expect(parse({ provider: "privatevpn" })).toMatchObject({ vpn: { type: "openvpn", portForwarding: true } });
    });

    test("a tunnel in the cluster's own network: the forwarded port would be asked for past the tunnel", async () => {
        const within = (platform: TestPlatform): TestPlatform => ({
            ...platform,
            cluster: { ...platform.cluster, podCidr: "10.0.0.0/14" },
        });
        await expect(plan(STACK, within)).rejects.toThrow(
            /arr-stack: the tunnel of protonvpn has 10\.2\.0\.0\/24, which is in 10\.0\.0\.0\/14/,
        );
    });
});

describe("a pod that workloads share", () => {
    const member = {
        namespace: "media",
        group: "media",
        image: images.echoServer,
        cpu: "1m",
        memory: { request: "1Mi", limit: "1Mi" },
        ports: { http: 8080 },
        health: { http: "/" },
        security: "owner",
    } as const;

    async function shared(...changes: readonly Partial<WorkloadArgs>[]) {
        const resources = await planComponent(() => {
            const platform = testPlatform({ media: "privileged" });
            const members = changes.map((change, index) => ({
                name: `member${index}`,
                args: { ...member, ports: { http: 8080 + index }, ...change },
            }));
            new SharedPod("both", { namespace: "media", group: "media", members }, platform);
        });
        return lookInto(() => ({ resources })).find(":Deployment", "both").inputs;
    }

    test("two at one port", async () => {
        await expect(shared({ ports: { http: 8080 } }, { ports: { http: 8080 } })).rejects.toThrow(
            "pod both: member0 and member1 both listen at port 8080",
        );
    });

    test("two on different machines: the last one's would hold for both", async () => {
        await expect(shared({ nodes: ["one"] }, {}, { nodes: ["two"] })).rejects.toThrow(
            "pod both: member0 and member2 call for another affinity each, and a pod is in one place",
        );
        const together = await shared({ nodes: ["one"] }, { nodes: ["one"] }, {});
        expect(dig(together, "spec", "template", "spec", "affinity", "nodeAffinity")).toEqual({
            requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [
                    { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["one"] }] },
                ],
            },
        });
    });

    test("rolls, unless one of them has a GPU or a volume, which the old pod must give up first", async () => {
        expect(dig(await shared({}, {}), "spec", "strategy")).toEqual({ type: "RollingUpdate" });
        expect(dig(await shared({}, { gpu: "nvidia" }), "spec", "strategy")).toEqual({ type: "Recreate" });
        expect(dig(await shared({ volumes: { "/data": data("1Gi") } }, {}), "spec", "strategy")).toEqual({
            type: "Recreate",
        });
    });

    test("is given as long as the slowest of them", async () => {
        const patient = await shared({}, { patience: 900 }, { patience: 1800 });
        expect(dig(patient, "spec", "progressDeadlineSeconds")).toBe(1800);
        expect(dig(patient, "metadata", "annotations")).toEqual({ "pulumi.com/timeoutSeconds": "1800" });
        const other = await shared({}, {});
        expect(dig(other, "spec", "progressDeadlineSeconds")).toBeUndefined();
        expect(dig(other, "metadata", "annotations")).toBeUndefined();
    });
});

describe("databases of the media apps (M-DATA-10)", () => {
    test("on the server where the block says so, with what they log beside", async () => {
        const postgres = { database: "postgres" };
        const { look } = await plan({
            ...STACK,
            sonarr: postgres,
            radarr: postgres,
            prowlarr: postgres,
            jellyseerr: postgres,
        });
        const pod = look.pod("arr-stack");
        for (const name of ["sonarr", "radarr", "prowlarr"]) {
            const prefix = `${name.toUpperCase()}__POSTGRES__`;
            expect(environment(one(pod, name))).toMatchObject({
                [`${prefix}HOST`]: "postgres.database",
                [`${prefix}PORT`]: "5432",
                [`${prefix}USER`]: name,
                [`${prefix}MAINDB`]: name,
                [`${prefix}LOGDB`]: `${name}_log`,
                [`${prefix}PASSWORD`]: { secretKeyRef: { name: `${name}-postgres`, key: "password" } },
            });
        }
        expect(environment(one(pod, "jellyseerr"))).toMatchObject({
            DB_TYPE: "postgres",
            DB_HOST: "postgres.database",
            DB_PORT: "5432",
            DB_USER: "jellyseerr",
            DB_NAME: "jellyseerr",
            DB_PASS: { secretKeyRef: { name: "jellyseerr-postgres", key: "password" } },
        });
    });

    test("in files where it says nothing", async () => {
        const { look } = await plan(STACK);
        const names = MEMBERS.flatMap((name) => one(look.pod("arr-stack"), name).env.map((each) => each.name));
        expect(names.filter((name) => /POSTGRES|^DB_/.test(name))).toEqual([]);
    });
});

describe("immich (M-APP-19)", () => {
    test("server, machine learning, database, queue and photos", async () => {
        const { look, platform } = await plan({ immich: { address: "192.168.0.234" } });
        const service = look.find("core/v1:Service", "immich-server").inputs;
        expect(dig(service, "spec", "type")).toBe("LoadBalancer");
        expect(dig(service, "metadata", "annotations")).toMatchObject({ "test/address": "192.168.0.234" });
        const server = look.pod("immich-server");
        expect(environment(one(server, "immich-server"))).toMatchObject({
            DB_HOSTNAME: "postgres.database",
            DB_USERNAME: "immich",
            DB_DATABASE_NAME: "immich",
            DB_PASSWORD: { secretKeyRef: { name: "immich-postgres", key: "password" } },
            REDIS_HOSTNAME: expect.stringMatching(/^immich-\w+\.media\.svc/),
            IMMICH_MEDIA_LOCATION: "/data",
            IMMICH_MACHINE_LEARNING_URL: "http://immich-machine-learning.media.svc.cluster.local:3003",
        });
        expect(platform.storage.rows.filter(({ kind }) => kind === "data" || kind === "cache")).toMatchObject([
            { workload: "immich-machine-learning", mountPath: "/cache", kind: "cache" },
            { workload: "immich-server", mountPath: "/data", kind: "data" },
        ]);
        expect(dig(look.container("immich-server"), "resources", "limits")).toEqual({ memory: "4Gi" });
    });

    test("a GPU where its block asks for one, its host where it has no address", async () => {
        const { look, platform } = await plan({ immich: { gpu: "nvidia" } });
        expect(dig(look.container("immich-server"), "resources", "limits")).toMatchObject({ "nvidia.com/gpu": "1" });
        expect(platform.edge.exposures).toMatchObject([{ host: "immich.example.net", access: "local" }]);
    });
});

test("jellyfin at an address of its own, or at its host (M-APP-17)", async () => {
    const { look } = await plan({ jellyfin: { address: "192.168.0.233" } });
    expect(dig(look.find("core/v1:Service", "jellyfin").inputs, "spec", "type")).toBe("LoadBalancer");
    const { platform } = await plan({ jellyfin: {} });
    expect(platform.edge.exposures).toMatchObject([{ host: "jellyfin.example.net", access: "local" }]);
});

/** Volumes of the machine's own, and volumes of a class with backups. */
describe.each(["homelab", "magi"])("an app that moves on %s", (name) => {
    const planned = (holds: readonly string[]) => {
        const value = readStackValue(ROOT, name) as { readonly apps: Readonly<Record<string, unknown>> };
        const apps = Object.entries({ ...value.apps, ...STACK }).filter(([app]) => app !== "arr-stack");
        const stack = holds.length === 0 ? {} : { "arr-stack": { vpn: VPN, holds } };
        const changed = { ...value, delivery: "pulumi", apps: { ...Object.fromEntries(apps), ...stack } };
        return planStack(name, changed, ROOT, () => "pulumi");
    };

    test.each([
        ["in", ["qbittorrent", "prowlarr"], MEMBERS, ["sonarr", "radarr", "jellyseerr"]],
        ["out", MEMBERS, ["qbittorrent", "prowlarr"], ["arr-stack"]],
        ["in with the stack", [], ["qbittorrent", "prowlarr"], ["qbittorrent", "prowlarr"]],
        ["out with the stack", MEMBERS, [], ["arr-stack"]],
    ])("%s: all but its pod stays, and who has its volume is to be ended first", async (_, from, to, ended) => {
        const { resources, dangers } = comparePlans(await planned(from), await planned(to));
        expect(dangers.map(({ id, subject }) => `${id} ${subject}`).sort()).toEqual(
            ended.map((one) => `volume-changes-pod Deployment media/${one}`).sort(),
        );
        for (const { message } of dangers) expect(message).toMatch(/kubectl --namespace media scale deployment /);
        const ofApps = resources.filter(({ title }) => MEMBERS.some((app) => title.split(/[ /]/).includes(app)));
        const made = ofApps.filter(({ kind }) => !["renamed", "changed"].includes(kind)).map(({ title }) => title);
        expect(made.filter((title) => !/^(Workload|Deployment) /.test(title))).toEqual([]);
        const moved = MEMBERS.filter((app) => from.includes(app) !== to.includes(app) && app !== "flaresolverr");
        for (const app of moved) {
            const claims = resources.filter(({ urn }) => urn.endsWith(`PersistentVolumeClaim::${app}`));
            expect(claims.map(({ kind, fields }) => [kind, fields])).toEqual([["renamed", []]]);
        }
    });
});
