/** Apps on machines by name and by GPU: what is refused before `up`, and what the pods say. */
import { catalogue } from "../../apps";
import { appRules, appsSchema, declaredApps, type Offers } from "../../lab/apps";
import { podsTornApart, shareGpus } from "../../lab/placement";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";
import { deploy, testPlatform } from "./test-platform";

const small = { cpu: "6", memory: "16Gi" };
/** The machines of seed 003, and the one that is planned. */
const HOME: Offers = {
    capacity: [small, small, { cpu: "64", memory: "384Gi" }],
    nodes: [
        { name: "k3s-master1", closed: "runs the control plane only" },
        { name: "k3s1", gpus: { intel: 1 }, capacity: small },
        { name: "k3s2", gpus: { intel: 1 }, capacity: small },
        { name: "k3s3", gpus: { nvidia: 4 }, capacity: { cpu: "64", memory: "384Gi" } },
        { name: "desktop", optional: true },
    ],
    gpus: { nvidia: 4, intel: 2 },
    postgres: false,
    prometheus: true,
    libraries: ["media", "downloads"],
    devices: false,
    addresses: "required",
    mend: {
        ...{ gpu: "add one", postgres: "-", prometheus: "-", library: "-", device: "-", address: "-", network: "-" },
    },
};
const faults = (apps: Record<string, unknown>, offers: Offers = HOME) =>
    appRules(() => offers).flatMap((rule) => rule({ apps: appsSchema.parse(apps) }));

test("sabnzbd on k3s1 or k3s2, jellyfin and ollama where the T4 is (K-APP-03, K-APP-11)", () => {
    const apps = { sabnzbd: { nodes: ["k3s1", "k3s2"] }, jellyfin: { gpu: "nvidia" }, ollama: { gpu: "nvidia" } };
    expect(faults(apps)).toEqual([]);
});

describe("a pod with several apps in it", () => {
    const torn = (blocks: Record<string, unknown>, offers: Offers = HOME) => {
        const declared = declaredApps(appsSchema.parse(blocks));
        const [first, ...rest] = declared;
        if (first === undefined) throw new Error("no app");
        return podsTornApart([[first, ...rest]], declared, offers).map(({ rule, path, got }) => [rule, path, got]);
    };

    test("may be where all of them may", () => {
        expect(torn({ sonarr: { nodes: ["k3s1", "k3s2"] }, radarr: { nodes: ["k3s2"] }, prowlarr: {} })).toEqual([]);
        expect(torn({ sonarr: {}, radarr: {} })).toEqual([]);
        expect(torn({ jellyfin: { gpu: "nvidia" }, sonarr: { nodes: ["k3s3"] } })).toEqual([]);
    });

    test("on machines of which none is for all", () => {
        expect(torn({ jellyfin: { gpu: "nvidia" }, sonarr: { nodes: ["k3s1"] } })).toEqual([
            ["pod-torn-apart", expect.stringMatching(/^apps\./), expect.stringContaining("sonarr on k3s1")],
        ]);
    });

    test("with GPUs of two makers", () => {
        expect(torn({ jellyfin: { gpu: "intel" }, ollama: { gpu: "nvidia" } })).toEqual([
            ["pod-of-two-gpus", expect.stringMatching(/^apps\..*\.gpu$/), expect.stringMatching(/^a GPU by /)],
        ]);
    });
});

describe("refused", () => {
    test("a name that no machine has, with the one that was meant", () => {
        expect(faults({ jellyfin: { nodes: ["k3s2", "k3s-1"] } })).toEqual([
            {
                rule: "node-unknown",
                path: "apps.jellyfin.nodes.1",
                got: '"k3s-1"',
                allowed: "a machine that takes apps: k3s1, k3s2, k3s3, desktop",
                suggestion: "did you mean k3s1?",
            },
        ]);
    });

    test("the server, which takes no apps (K-HW-11)", () => {
        expect(faults({ prowlarr: { nodes: ["k3s-master1"] } })).toMatchObject([
            {
                rule: "node-closed",
                path: "apps.prowlarr.nodes.0",
                allowed: expect.stringContaining("; k3s-master1 runs the control plane only") as unknown,
            },
        ]);
    });

    test("a machine that may be off, alone; with another it may stand", () => {
        expect(faults({ prowlarr: { nodes: ["desktop"] } })).toMatchObject([
            { rule: "nodes-all-optional", suggestion: "add one of k3s1, k3s2, k3s3" },
        ]);
        expect(faults({ prowlarr: { nodes: ["desktop", "k3s3"] } })).toEqual([]);
    });

    test("a GPU of a machine that may be off: refused to who must have one, and not given to who can do without", () => {
        const nodes = HOME.nodes?.map((node) => ({
            ...node,
            gpus: node.name === "desktop" ? { nvidia: 1 } : node.name === "k3s3" ? {} : (node.gpus ?? {}),
        }));
        const away: Offers = { ...HOME, gpus: { nvidia: 0, intel: 2 }, ...(nodes === undefined ? {} : { nodes }) };
        for (const ollama of [{}, { gpu: "nvidia" }, { gpu: "nvidia", nodes: ["desktop", "k3s3"] }]) {
            expect(faults({ ollama }, away)).toMatchObject([
                {
                    rule: "app-need-missing",
                    path: "apps.ollama",
                    suggestion: expect.stringContaining("what desktop has does not count, as it may be off") as unknown,
                },
            ]);
        }
        const jellyfin = { nodes: ["desktop", "k3s3"] };
        expect(faults({ jellyfin }, away)).toEqual([]);
        expect(shareGpus(declaredApps(appsSchema.parse({ jellyfin })), away).given.size).toBe(0);
    });

    test("more memory than any machine that is there for sure", () => {
        const capacity = { cpu: "32", memory: "64Gi" };
        const nodes = HOME.nodes?.map((node) => (node.name === "desktop" ? { ...node, capacity } : node)) ?? [];
        const prowlarr = { memory: "32Gi", nodes: ["desktop", "k3s1"] };
        expect(faults({ prowlarr }, { ...HOME, nodes })).toMatchObject([
            { rule: "memory-exceeds-node", allowed: expect.stringContaining("(k3s1)") as unknown },
        ]);
    });

    test("a GPU and machines that have none of it (K-HW-03)", () => {
        expect(faults({ jellyfin: { gpu: "nvidia", nodes: ["k3s1", "k3s2"] } })).toMatchObject([
            {
                rule: "gpu-not-on-nodes",
                path: "apps.jellyfin.nodes",
                got: '["k3s1","k3s2"]',
                allowed: "a machine with a GPU by nvidia among them: k3s3",
            },
        ]);
        // Without a wish it gets what is there.
        expect(faults({ jellyfin: { nodes: ["k3s1"] } })).toEqual([]);
    });

    test("more apps on a machine's GPU than it serves, though others are free", () => {
        const cards: Offers = {
            ...HOME,
            nodes: ["one", "two"].map((name) => ({ name, gpus: { nvidia: 1 }, capacity: small })),
            gpus: { nvidia: 2 },
        };
        const ollama = { memory: "8Gi", nodes: ["one"] };
        const two = { jellyfin: { gpu: "nvidia", nodes: ["one"] }, ollama };
        expect(faults(two, cards)).toMatchObject([
            {
                rule: "gpus-exceeded",
                path: "apps.ollama",
                allowed: "as many apps with a GPU as there are on one: 1 by nvidia",
            },
        ]);
        // One that may be elsewhere makes way.
        const apart = { jellyfin: { gpu: "nvidia", nodes: ["one", "two"] }, ollama };
        expect(faults(apart, cards)).toEqual([]);
    });

    test("more than a machine has, by those that may be there only (K-HW-05)", () => {
        const tight: Offers = {
            ...HOME,
            nodes: (HOME.nodes ?? []).map((node) =>
                node.name === "k3s3" ? { ...node, capacity: { cpu: "150m", memory: "1Gi" } } : node,
            ),
        };
        const apps = { jellyfin: { gpu: "nvidia", memory: "1Gi" }, ollama: { gpu: "nvidia", memory: "1Gi" } };
        expect(faults(apps, tight)).toMatchObject(
            [
                {
                    got: "0.20 cores by jellyfin, ollama, which may be there only",
                    allowed: /what k3s3 has, 0\.15 cores/,
                },
                { got: "2Gi of memory by jellyfin, ollama, which may be there only", allowed: /what k3s3 has, 1Gi/ },
            ].map((fault) => ({ ...fault, allowed: expect.stringMatching(fault.allowed) as unknown })),
        );
        expect(faults(apps)).toEqual([]);
    });

    test("a limit beyond the machines that an app may be on", () => {
        expect(faults({ prowlarr: { memory: "32Gi", nodes: ["k3s1", "k3s2"] } })).toMatchObject([
            {
                rule: "memory-exceeds-node",
                path: "apps.prowlarr.memory",
                allowed: "at most the memory of the largest machine that it may be on (k3s1, k3s2)",
            },
        ]);
        expect(faults({ prowlarr: { memory: "32Gi" } })).toEqual([]);
    });

    test("any name where machines are no choice", () => {
        const { nodes: _none, ...offers } = HOME;
        expect(faults({ prowlarr: { nodes: ["k3s1"] } }, offers)).toMatchObject([
            { rule: "nodes-without-choice", path: "apps.prowlarr.nodes" },
        ]);
    });

    test.each([
        ["no machine", [], "at least one machine, by name; without the key it may be on any"],
        ["one twice", ["k3s1", "k3s1"], "each machine once"],
    ])("%s", (_what, nodes, message) => {
        expect(appsSchema.safeParse({ prowlarr: { nodes } }).error?.issues).toMatchObject([{ message }]);
    });
});

/** What an app must be told besides, and what it asks for. */
const PARTNERS: Readonly<Record<string, Record<string, unknown>>> = {
    overseerr: { sonarr: {}, radarr: {}, prowlarr: {}, sabnzbd: {} },
    sonarr: { prowlarr: {}, sabnzbd: {} },
    radarr: { prowlarr: {}, sabnzbd: {} },
    recyclarr: { sonarr: {}, radarr: {}, prowlarr: {}, sabnzbd: {} },
    "media-wiring": { sonarr: {}, prowlarr: {}, sabnzbd: {} },
    zigbee2mqtt: { mosquitto: {} },
    jellyseerr: { sonarr: {}, radarr: {}, prowlarr: {}, sabnzbd: {} },
    "arr-stack": { qbittorrent: {} },
    "llm-gateway": { "llama-static-b": { gpu: "none" } },
    "open-webui": { ollama: {} },
    librechat: { ollama: {}, mongodb: {} },
    "rag-api": { "llama-static-b": { gpu: "none" }, "llm-gateway": {} },
    "headscale-ui": { headscale: {} },
    collabora: { nextcloud: {} },
    whiteboard: { nextcloud: {} },
    elasticsearch: { nextcloud: {} },
};
const BLOCKS: Readonly<Record<string, Record<string, unknown>>> = {
    zigbee2mqtt: { device: "/dev/serial/by-id/usb-stick" },
    awair: { rooms: { office: "192.168.0.9" } },
    ...Object.fromEntries(
        ["arr-stack", "arr-lts", "arr-lts2"].map((name) => [name, { vpn: { provider: "protonvpn" } }]),
    ),
    // Of the makers whose GPUs they can use the platform has none.
    ...Object.fromEntries(["llama-static-a", "llama-static-b", "llama-swap"].map((name) => [name, { gpu: "none" }])),
};

/** Main workloads that are not called as their app. */
const MAIN: Readonly<Record<string, string>> = { awair: "awair", immich: "immich-server$" };

test.each(catalogue.map(({ name }) => name))("%s goes where its block says, and nobody else does", async (name) => {
    const apps = { ...PARTNERS[name], [name]: { ...BLOCKS[name], nodes: ["k3s1", "k3s2"] } };
    const resources = await planComponent(() => {
        const namespaces = [...new Set(catalogue.map(({ namespace }) => [namespace, "privileged"] as const))];
        deploy(testPlatform(Object.fromEntries(namespaces)), apps);
    });
    const { all } = lookInto(() => ({ resources }));
    const pod = (workload: { inputs: unknown }) =>
        dig(workload.inputs, "spec", "template", "spec") ??
        dig(workload.inputs, "spec", "jobTemplate", "spec", "template", "spec");
    /** Of one that goes where another is the block says nothing. */
    const affinity = (workload: { inputs: unknown }) =>
        dig(pod(workload), "affinity", "podAffinity") === undefined ? dig(pod(workload), "affinity") : undefined;
    const placed = [...all("apps/v1:Deployment"), ...all(":CronJob")].filter(affinity);
    expect(placed.length).toBeGreaterThan(0);
    for (const workload of placed) {
        expect(workload.name).toMatch(new RegExp(`^${MAIN[name] ?? `${name}$`}`));
        expect(affinity(workload)).toEqual({
            nodeAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: {
                    nodeSelectorTerms: [
                        {
                            matchExpressions: [
                                { key: "kubernetes.io/hostname", operator: "In", values: ["k3s1", "k3s2"] },
                            ],
                        },
                    ],
                },
            },
        });
    }
});
