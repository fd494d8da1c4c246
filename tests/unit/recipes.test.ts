/** A stranger's clusters: other names, other machines, other apps, by the same recipes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { catalogue } from "../../apps";
import { ConfigError } from "../../config/parse";
import { openStack } from "../../stacks";
import { planStack, type Plan } from "../../tools/plan/plan";
import { ROOT } from "../../stacks/stack-file";
import { valueOf } from "./invalid-fixtures";
import { dig } from "./planned";

const file = (recipe: string, name: string) => join(__dirname, "..", "fixtures", "valid", recipe, `${name}.yaml`);
const fixture = (recipe: string, name: string) => valueOf(file(recipe, name)) as Record<string, unknown>;

describe.each([
    ["homelab", "smallest"],
    ["chongus", "smallest"],
    ["chongus", "five-nodes"],
    ["chongus", "nucs-without-ceph"],
])("%s, %s, as the stack cabin", (recipe, name) => {
    let plan: Plan;
    beforeAll(async () => {
        plan = await planStack("cabin", fixture(recipe, name), ROOT);
    });

    test("the recipe is said, the name is the stack's", () => {
        expect([plan.stack, plan.recipe]).toEqual(["cabin", recipe]);
    });

    test("nothing in it is called after another cluster", () => {
        const named = plan.resources.filter(({ inputs, name: logical }) =>
            /\b(homelab|chongus)\b(?!-infrastructure|\.(?:restored|files)|\/)/.test(
                `${logical} ${JSON.stringify(inputs)}`.replaceAll(
                    /homelab-(age-key|restore|identity)|homelab\W{0,6}restored|etc[/-]homelab|HOMELAB/g,
                    "",
                ),
            ),
        );
        expect(named.map(({ name: logical, inputs }) => `${logical} ${JSON.stringify(inputs).slice(0, 300)}`)).toEqual(
            [],
        );
    });

    test("every app that is declared is there and reachable", () => {
        const apps = Object.keys(fixture(recipe, name)["apps"] as object);
        const workloads = plan.resources.filter(({ type }) => type.startsWith("homelab:apps:")).map((one) => one.name);
        expect(workloads).toEqual(expect.arrayContaining(apps));
        expect(plan.exposures.map(({ host }) => host.split(".")[0])).toEqual(expect.arrayContaining(apps));
    });
});

test("the smallest cluster of each recipe fits in 25 lines", () => {
    for (const recipe of ["homelab", "chongus"]) {
        expect(readFileSync(file(recipe, "smallest"), "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(25);
    }
});

describe("what a house lacks is not built", () => {
    const types = async (name: string) => {
        const { resources } = await planStack("cabin", fixture("chongus", name), ROOT);
        return resources.map(({ type, name: logical }) => `${type.split(":").at(-1)} ${logical}`);
    };

    test("no disks for Ceph, no account, no Git, no bucket, no GPU: none of what serves them", async () => {
        const made = await types("smallest");
        const lacking =
            /ceph|doppler|external-secrets|flux|cloudnative|volsync|thanos|loki|alloy|nvidia|tunnel|external-dns|tailnet/;
        expect(made.filter((one) => lacking.test(one))).toEqual([]);
        expect(made).toEqual(
            expect.arrayContaining(["SelfSigned certificates", "OpenEbs openebs", "PrometheusStack prometheus"]),
        );
    });

    test.each(["homelab", "truenas", "chongus", "k3s-home", "magi"])("nor is it said to be there: %s", (recipe) => {
        const { special } = openStack("cabin", fixture(recipe, "smallest"));
        expect(special).not.toMatch(/Argo CD|ksops|Flux|Cloudflare|Tailscale|Multus|GPU/);
    });

    test("five nodes: Ceph by host, one backup target, SOPS for every secret", async () => {
        const five = await planStack("cabin", fixture("chongus", "five-nodes"), ROOT);
        const ceph = five.resources.find(({ name, type }) => name === "ceph" && type.endsWith(":Release"))?.inputs;
        expect(dig(ceph, "values", "cephClusterSpec", "mon", "count")).toBe(3);
        expect(dig(ceph, "values", "cephBlockPools", 0, "spec", "failureDomain")).toBe("host");
        const sources = five.resources
            .filter(({ type }) => type.endsWith(":ReplicationSource"))
            .map(({ name }) => name);
        expect(sources.length).toBeGreaterThan(3);
        expect(sources.filter((name) => !name.endsWith("-b2"))).toEqual([]);
        expect(five.resources.filter(({ type }) => type.endsWith(":ExternalSecret"))).toEqual([]);
    });
});

test("without Ceph data is on local disks, restored into the volume itself before its app starts, and backed up from it", async () => {
    const { resources } = await planStack("cabin", fixture("chongus", "nucs-without-ceph"), ROOT);
    const find = (type: string, name: string) =>
        resources.find((one) => one.type.endsWith(`:${type}`) && one.name === name) ?? {
            urn: "",
            inputs: null,
            dependsOn: [],
        };
    expect(resources.filter(({ name }) => /ceph/.test(name))).toEqual([]);
    expect(dig(find("PersistentVolumeClaim", "jellyfin").inputs, "spec", "storageClassName")).toBe("openebs-hostpath");
    expect(dig(find("PersistentVolumeClaim", "jellyfin").inputs, "spec", "dataSourceRef")).toBeUndefined();
    const restored = find("Command", "jellyfin-restored");
    expect(String(dig(restored.inputs, "environment", "DESTINATION"))).toContain('"copyMethod":"Direct"');
    expect(String(dig(restored.inputs, "create"))).toContain("homelab.restored");
    // The volume is made where its mover runs: there the app must find its GPU.
    expect(String(dig(restored.inputs, "environment", "DESTINATION"))).toContain('"gpu.intel.com/i915":"1"');
    for (const source of ["jellyfin-b2", "jellyfin-minio"]) {
        expect(JSON.stringify(find("ReplicationSource", source).inputs)).not.toContain("gpu.intel.com");
        expect(dig(find("ReplicationSource", source).inputs, "spec", "restic", "copyMethod")).toBe("Direct");
        expect(find("ReplicationSource", source).dependsOn).toContain(restored.urn);
    }
    const container = dig(find("Deployment", "jellyfin").inputs, "spec", "template", "spec", "containers", 0);
    expect(dig(container, "resources", "limits", "gpu.intel.com/i915")).toBe("1");
});

describe("apps of the catalogue on clusters that lack something", () => {
    const faults = (recipe: string, apps: object) => {
        try {
            openStack("cabin", { ...fixture(recipe, "smallest"), apps });
        } catch (error) {
            if (error instanceof ConfigError)
                return error.faults.map(({ path, got, suggestion }) => [path, got, suggestion]);
            throw error;
        }
        return [];
    };

    test("jellyfin does without a GPU, and with none on a cluster that has none of the maker is refused", () => {
        expect(faults("homelab", { jellyfin: {} })).toEqual([]);
        expect(faults("homelab", { jellyfin: { gpu: "intel" } })).toEqual([
            [
                "apps.jellyfin",
                "jellyfin, which needs a GPU by intel",
                expect.stringContaining("gpu: none to do without"),
            ],
        ]);
        expect(faults("chongus", { jellyfin: {} })).toEqual([
            [
                "apps.jellyfin",
                'jellyfin, which needs the library "media"',
                expect.stringContaining("storage.nfs.media"),
            ],
        ]);
    });

    test("paperless names its database and its inbox, ollama its GPU and the way without", () => {
        expect(faults("homelab", { paperless: {} })).toEqual([
            ["apps.paperless", "paperless, which needs a PostgreSQL server", expect.stringContaining("chongus")],
            ["apps.paperless", 'paperless, which needs the library "inbox"', expect.stringContaining("storage.inbox")],
        ]);
        expect(faults("homelab", { ollama: {} })).toEqual([
            ["apps.ollama", "ollama, which needs a GPU by nvidia", expect.stringContaining("apps.ollama.gpu: none")],
        ]);
        expect(faults("homelab", { ollama: { gpu: "none" } })).toEqual([]);
    });

    test("unifi, which speaks UDP, is not told to take out an address that it has not got", () => {
        expect(faults("truenas", { unifi: {} })).toEqual([
            ["apps.unifi", "unifi, which needs an address of its own", expect.stringContaining("a pool of them")],
        ]);
    });

    test("an account's ID of digits alone is told to be quoted: YAML has made a number of it", () => {
        const account = { accountId: 1e31, zoneId: "a".repeat(32) };
        const open = () => openStack("cabin", { ...fixture("homelab", "smallest"), cloudflare: account });
        expect(open).toThrow(/cloudflare\.accountId: got 1e\+31; allowed: 32 hexadecimal characters .*in quotes/);
    });
});

describe("each declaration says what is built", () => {
    const everything: Record<string, object> = {
        plex: { address: "192.168.7.241" },
        "graphite-exporter": { address: "192.168.7.242" },
        unifi: { address: "192.168.7.243" },
        awair: { rooms: { office: "192.168.7.50" } },
        ollama: { gpu: "none" },
        automatic1111: { gpu: "none" },
        zigbee2mqtt: { device: "/dev/ttyUSB0" },
        "arr-lts": { vpn: { provider: "protonvpn" } },
        "arr-lts2": { vpn: { provider: "protonvpn" } },
    };
    const inFiles = ({ name, config }: (typeof catalogue)[number]) =>
        config.safeParse(everything[name] ?? {}).data?.database === "sqlite";
    /** The one machine takes every app but those that need a server it has not, and who takes others into its pod. */
    const onHomelab = catalogue.filter(
        ({ database, holds, libraries = [], asks = [], beside, https, upgrade }, index) =>
            (database === undefined || inFiles(catalogue[index] as (typeof catalogue)[number])) &&
            holds === undefined &&
            // What stands beside Nextcloud is of no use without it, and that needs such a server.
            beside === undefined &&
            !libraries.includes("models") &&
            // In the house it speaks plain HTTP and WebSocket.
            https === undefined &&
            upgrade === undefined &&
            asks.every(({ role }) => role !== "model-servers" && role !== "tailnet"),
    );
    let plan: Plan;
    beforeAll(async () => {
        const apps = Object.fromEntries(onHomelab.map(({ name }) => [name, everything[name] ?? {}]));
        const value = { ...fixture("homelab", "smallest"), apps };
        plan = await planStack("cabin", value, ROOT);
    });

    test("an app without the device that its configuration would name is left out", async () => {
        const value = { ...fixture("homelab", "smallest"), apps: { mosquitto: {}, zigbee2mqtt: {} } };
        const warn = jest.spyOn(console, "warn").mockImplementation(() => undefined);
        const { resources, exposures, volumes } = await planStack("cabin", value, ROOT);
        expect(warn.mock.calls.join("\n")).toMatch(
            /zigbee2mqtt is left out: apps\.zigbee2mqtt\.device names no coordinator/,
        );
        warn.mockRestore();
        expect(resources.filter(({ name }) => name.startsWith("zigbee2mqtt"))).toEqual([]);
        expect([...exposures, ...volumes].filter(({ workload }) => workload === "zigbee2mqtt")).toEqual([]);
    });

    test.each(onHomelab.map((app) => [app.name, app] as const))(
        "%s: ports, requests, kept volumes, secrets",
        (name, app) => {
            const main = name === "awair" ? "awair-office" : name;
            const pods = plan.resources.filter(
                ({ type, name: logical }) => /:(Deployment|CronJob)$/.test(type) && logical === main,
            );
            expect(pods).toHaveLength(1);
            const template =
                dig(pods[0]?.inputs, "spec", "template") ??
                dig(pods[0]?.inputs, "spec", "jobTemplate", "spec", "template");
            const container = dig(template, "spec", "containers", 0);
            expect(dig(container, "resources", "requests")).toEqual(app.requests);
            const ports = (dig(container, "ports") ?? []) as { name?: string; containerPort: number }[];
            const declared = { ...app.ports, ...app.udpPorts };
            // Those of a pod that several apps share have numbers alone.
            if (ports.every((port) => port.name === undefined)) {
                expect(ports.map((port) => port.containerPort)).toEqual(Object.values(declared));
            } else {
                expect(Object.fromEntries(ports.map((port) => [port.name, port.containerPort]))).toEqual(declared);
            }
            const kept = plan.volumes.filter(
                ({ kind, workload }) => kind === "data" && [main, ...(app.keeps ?? [])].includes(workload),
            );
            expect([...new Set(kept.map(({ workload }) => workload))].sort()).toEqual([...(app.keeps ?? [])].sort());
            const exposed = plan.exposures.filter(({ workload }) => workload === name).map(({ access }) => access);
            // Without a tunnel what is for the internet stays in the house.
            expect(exposed).toEqual(app.reach === undefined ? [] : [app.reach === "external" ? "local" : app.reach]);
        },
    );
});

describe("a stranger's NAS", () => {
    const nas = async (stack: string, changes: object = {}) =>
        JSON.stringify((await planStack(stack, { ...fixture("truenas", "smallest"), ...changes }, ROOT)).resources);

    test("has its own pools, and backups beside what is big", async () => {
        const plan = await nas("cabin");
        expect(plan).not.toMatch(/spool|dpool/);
        expect(plan).toContain("/mnt/tank/kopia-repo");
        expect(await nas("cabin", { backups: { repository: "/mnt/usb/kopia" } })).not.toContain("kopia-repo");
    });

    test("says which pools it has: those of another would not be there", () => {
        const faults = (storage: object) => {
            try {
                openStack("cabin", { ...fixture("truenas", "smallest"), storage });
            } catch (error) {
                if (error instanceof ConfigError) return error.faults.map(({ rule, path }) => [rule, path]);
                throw error;
            }
            return [];
        };
        expect(faults({ fast: "/mnt/tank/apps" })).toEqual([["required", "storage.bulk"]]);
        expect(faults({ bulk: "/mnt/tank/media" })).toEqual([["required", "storage.fast"]]);
        expect(faults({ fast: "/mnt/tank/apps", bulk: "tank" })).toEqual([["value", "storage.bulk"]]);
        expect(faults({ fast: "/mnt/tank/kopia-repo/x", bulk: "/mnt/tank/media" })).toEqual([
            ["directories-nested", "backups.repository"],
        ]);
    });
});
