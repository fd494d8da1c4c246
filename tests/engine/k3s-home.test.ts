/**
 * A stranger's cluster of the recipe k3s-home, from bare Ubuntu machines: nothing secret in sight, Longhorn that never holds up
 * a destroy, volumes back from Velero in a new cluster before their apps start, and another release of k3s machine by machine.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, parseDocument, stringify } from "yaml";
import { CONFIG_KEY } from "../../config/parse";
import { RESTORED_FROM } from "../../sandbox/operators/rook/volumes";
import { CONTENTS } from "../../sandbox/operators/velero/controller";
import type { Buckets } from "../../sandbox/operators/velero/bucket";
import { PlayedMachinesState } from "../../sandbox/machines/k3s/state";
import { openStack } from "../../stacks";
import { PROJECT, readStackValue, stackFile } from "../../stacks/stack-file";
import { expectSuccess, named, SandboxHarness } from "./harness";

jest.setTimeout(15 * 60_000);

const STACK = "barn";
const NEXT = "v1.32.6+k3s1";
const MINIO = "https://minio.barn.example";
const FACTS = {
    recipe: "k3s-home",
    domain: "barn.example",
    nodes: [
        { name: "head", address: "192.168.5.10", role: "server" },
        { name: "w1", address: "192.168.5.11", disks: [{ path: "/srv/one" }] },
        { name: "w2", address: "192.168.5.12", disks: [{ path: "/srv/one" }, { path: "/srv/fast", tier: "fast" }] },
        { name: "desk", address: "192.168.5.13", optional: true },
    ],
    k3s: { snapshots: { s3: { endpoint: MINIO, bucket: "etcd" } } },
    network: { pool: "192.168.5.192/27" },
    storage: { nfs: { server: "192.168.5.2", media: "/tank/media", downloads: "/tank/downloads" } },
    backups: { minio: { endpoint: MINIO, bucket: "velero" } },
    certificates: { email: "me@barn.example", challenge: "http01" },
    apps: { "echo-server": {}, prowlarr: {}, sonarr: { tier: "fast" }, sabnzbd: {} },
};

const files = mkdtempSync(join(tmpdir(), "k3s-home-stack-"));
const file = stackFile(files, STACK);
writeFileSync(file, stringify({ config: { [`${PROJECT}:${CONFIG_KEY}`]: FACTS } }));
const sandbox = new SandboxHarness(
    { SANDBOX_STACK_FILES: files, SANDBOX_CHARTS: "stand-in", SANDBOX_SETTLE_SECONDS: "2" },
    STACK,
    420,
);
afterAll(async () => {
    await sandbox.remove();
    rmSync(files, { recursive: true, force: true });
});

const machines = () => new PlayedMachinesState(sandbox.node(""));
const get = (path: string, ...args: string[]) => sandbox.kubectl("get", ...args, "-o", `jsonpath=${path}`);
const uid = () => get("{.metadata.uid}", "namespace", "kube-system");
const isReady = "{.items[*].status.conditions[?(@.type=='Ready')].status}";

interface Call {
    readonly machine: string;
    readonly program: string;
    readonly args: readonly string[];
}
const calls = (): Call[] =>
    readFileSync(sandbox.node("calls.jsonl"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Call);

/** What was done to k3s on the machines since, in its order. */
const steps = (from: number): string[] =>
    calls()
        .slice(from)
        .flatMap(({ machine, program, args }) => {
            if (program === "systemctl") return args.includes("restart") ? [`restart ${machine}`] : [];
            if (program !== "k3s") return [];
            const [, verb = "", what = "", name = ""] = args;
            if (verb === "etcd-snapshot") return [`snapshot ${machine}`];
            return verb === "kubectl" && ["cordon", "drain", "uncordon"].includes(what) ? [`${what} ${name}`] : [];
        });

interface State {
    checkpoint: { latest: { resources: { urn: string; type: string; created?: string; inputs?: object }[] } };
}
const stateFile = () => join(sandbox.home, "state", ".pulumi", "stacks", PROJECT, `${STACK}.json`);
/** When the engine had made a resource. */
function made(type: RegExp, name: string): string {
    const { resources } = (JSON.parse(readFileSync(stateFile(), "utf8")) as State).checkpoint.latest;
    const found = resources.filter((one) => type.test(one.type) && one.urn.endsWith(`::${name}`));
    if (found.length !== 1) throw new Error(`${found.length} resources ${name} of ${type} in the state`);
    return found[0]?.created ?? "";
}
const COMMAND = /:Command$/;
const RELEASE = /:Release$/;

const volumeOf = (app: string) => get("{.spec.volumeName}", "-n", "media", "persistentvolumeclaim", app);
const annotation = (app: string, key: string) =>
    sandbox.json<{ metadata: { annotations?: Record<string, string> } }>("get", "persistentvolume", volumeOf(app))
        .metadata.annotations?.[key];
const write = (app: string, contents: string) =>
    sandbox.kubectl("annotate", "--overwrite", "persistentvolume", volumeOf(app), `${CONTENTS}=${contents}`);
const bucket = () =>
    (JSON.parse(readFileSync(join(sandbox.home, "daemon", "velero.json"), "utf8")) as Buckets).buckets[
        `${MINIO}/velero`
    ];

/** Objects that have the same name in each life of the cluster. */
const lasting = () =>
    named(sandbox.objects()).filter(
        (object) => !/^(Backup|Restore) velero\/|^(Replica|Volume) longhorn-system\/|^VolumeAttachment /.test(object),
    );

let built: string[];
let first: string;

test("up founds the cluster, joins the agents, and builds everything in its order; the absent machine is a warning", async () => {
    const result = await sandbox.run("up", STACK);
    expectSuccess(result);
    expect(result.stdout + result.stderr).toMatch(/desk[^\n]*192\.168\.5\.13|192\.168\.5\.13[^\n]*desk/);
    expect(steps(0)).toEqual(["restart head", "restart w1", "restart w2"]);
    expect(get("{.items[*].metadata.name}", "nodes")).toBe("head w1 w2");
    expect(get(isReady, "nodes")).toBe("True True True");
    const order = [
        ...["k3s-head", "k3s-w1", "k3s-w2", "k3s-kubeconfig", "crds-gateway-api"].map((name) => made(COMMAND, name)),
        ...["cilium", "cert-manager", "longhorn", "velero"].map((name) => made(RELEASE, name)),
        made(/apps\/v1:Deployment$/, "sonarr"),
    ];
    expect(order).toEqual([...order].sort());
    [built, first] = [lasting(), uid()];
});

test("each host has its certificate, asked for on port 80 through the Gateway", () => {
    const { items } = sandbox.json<{
        items: {
            metadata: { name: string };
            spec: { dnsNames: string[] };
            status?: { conditions?: { type: string; status: string }[] };
        }[];
    }>("get", "certificates", "--all-namespaces");
    const hosts = items
        .filter(({ spec }) => spec.dnsNames.some((name) => name.endsWith(".barn.example")))
        .map(({ spec, status }) => [
            ...spec.dnsNames,
            status?.conditions?.find(({ type }) => type === "Ready")?.status,
        ]);
    for (const app of ["echo-server", "prowlarr", "sonarr", "sabnzbd"]) {
        expect(hosts).toContainEqual([`${app}.barn.example`, "True"]);
    }
    expect(hosts.filter(([, ready]) => ready !== "True")).toEqual([]);
    expect(get("{.items[*].spec.acme.solvers[*].http01}", "clusterissuers")).toContain("gatewayHTTPRoute");
    expect(sandbox.kubectl("get", "challenges", "--all-namespaces", "-o", "name")).toBe("");
});

test("volumes are of their tier, with the replicas that its machines allow", () => {
    const replicas = (name: string) => get("{.parameters.numberOfReplicas}", "storageclass", name);
    expect([replicas("longhorn"), replicas("longhorn-fast")]).toEqual(["2", "1"]);
    const className = (app: string) => get("{.spec.storageClassName}", "-n", "media", "persistentvolumeclaim", app);
    expect([className("prowlarr"), className("sonarr")]).toEqual(["longhorn", "longhorn-fast"]);
});

test("a second up changes nothing", async () => {
    expectSuccess(await sandbox.run("up", STACK, "--expect-no-changes"));
});

test("no secret is in state, logs, arguments or the project in the clear", () => {
    const refs = openStack(STACK, readStackValue(files, STACK)).secrets.flatMap((one) => one.refs);
    expect(refs).toContain("k3s.token");
    const kubeconfig = parse(readFileSync(join(sandbox.home, "kubeconfig.yaml"), "utf8")) as {
        users: { user: Record<string, string> }[];
    };
    const [own] = kubeconfig.users;
    const key = own?.user["client-key-data"] ?? readFileSync(own?.user["client-key"] ?? "", "base64");
    const secrets = [...refs.map((ref) => `sandbox-${ref.replaceAll(".", "-")}`), key.slice(0, 200)];
    const forms = secrets.flatMap((one) => [
        one,
        Buffer.from(one)
            .toString("base64")
            .replace(/.{0,2}=*$/, ""),
    ]);
    // What it was kept in on its machine, so that a value that is never there would not pass for a hidden one.
    expect(machines().machine("head").read("etc/rancher/k3s/token")).toContain("sandbox-k3s-token");
    const places = new Map([
        ["everything printed", sandbox.transcript],
        ["arguments on the machines", readFileSync(sandbox.node("calls.jsonl"), "utf8")],
        ...sandbox.files(join(sandbox.home, "state")),
        ...sandbox.files(join(sandbox.home, "project")),
    ]);
    expect([...places.keys()]).toContain(stateFile());
    for (const [place, text] of places) {
        expect([place, forms.filter((one) => text.includes(one))]).toEqual([place, []]);
    }
});

test("destroy takes the last backups, lets Longhorn go, and leaves machines without k3s and with their disks", async () => {
    write("sonarr", "season-1");
    write("prowlarr", "indexers");
    expectSuccess(await sandbox.run("destroy", STACK));
    const contents = Object.values(bucket()?.backups ?? {}).flatMap(({ claims }) =>
        claims.map(({ name, moved }) => [name, moved?.contents]),
    );
    expect(contents).toContainEqual(["sonarr", "season-1"]);
    expect(contents).toContainEqual(["prowlarr", "indexers"]);
    for (const name of ["head", "w1", "w2"]) {
        const machine = machines().machine(name);
        expect([name, machine.unit("k3s").state, machine.unit("k3s-agent").state]).toEqual([
            ...[name, "inactive", "inactive"],
        ]);
        const left = [
            "usr/local/bin/k3s",
            "etc/rancher/k3s",
            "var/lib/rancher/k3s/server",
            "var/lib/rancher/k3s/agent",
        ];
        expect([name, left.filter((path) => existsSync(machine.path(path)))]).toEqual([name, []]);
    }
    const kept = sandbox.objects().filter((object) => /longhorn|velero|^Persistent|^Namespace \/media/.test(object));
    expect(kept).toEqual([]);
});

test("the next up founds another cluster, and each volume has its content again before its app starts", async () => {
    const from = calls().length;
    expectSuccess(await sandbox.run("up", STACK));
    expect(steps(from)).toEqual(["restart head", "restart w1", "restart w2"]);
    expect(uid()).not.toBe(first);
    expect(lasting()).toEqual(built);
    for (const [app, contents] of [
        ["sonarr", "season-1"],
        ["prowlarr", "indexers"],
    ] as const) {
        expect([app, annotation(app, CONTENTS)]).toEqual([app, contents]);
        expect(annotation(app, RESTORED_FROM)).toContain(`media-${app}-before-destroy`);
        const { items } = sandbox.json<{
            items: { spec: { backupName: string }; status: { completionTimestamp: string } }[];
        }>("get", "restores.velero.io", "-n", "velero");
        const restored = items.find(({ spec }) => spec.backupName.startsWith(`media-${app}-`))?.status
            .completionTimestamp;
        const started = get(
            "{.items[0].metadata.creationTimestamp}",
            ...["-n", "media", "pods", "-l", `app.kubernetes.io/name=${app}`],
        );
        expect(Date.parse(started)).toBeGreaterThanOrEqual(Date.parse(restored ?? ""));
    }
});

test("another release of k3s: the server first, then one agent at a time, drained; a machine that has come joins", async () => {
    const document = parseDocument(readFileSync(file, "utf8"));
    document.setIn(["config", `${PROJECT}:${CONFIG_KEY}`, "k3s", "version"], NEXT);
    writeFileSync(file, document.toString());
    machines()
        .machine("desk")
        .change((record) => {
            record.off = false;
        });
    const [before, from] = [uid(), calls().length];
    expectSuccess(await sandbox.run("up", STACK));
    expect(steps(from)).toEqual([
        ...["snapshot head", "cordon head", "restart head", "uncordon head"],
        ...["cordon w1", "drain w1", "restart w1", "uncordon w1"],
        ...["cordon w2", "drain w2", "restart w2", "uncordon w2"],
        "restart desk",
    ]);
    expect(get("{.items[*].metadata.name}", "nodes")).toBe("desk head w1 w2");
    expect(get("{.items[*].status.nodeInfo.kubeletVersion}", "nodes")).toBe([NEXT, NEXT, NEXT, NEXT].join(" "));
    expect(get("{.items[*].spec.unschedulable}", "nodes")).toBe("");
    expect([uid(), annotation("sonarr", CONTENTS)]).toEqual([before, "season-1"]);
    expectSuccess(await sandbox.run("up", STACK, "--expect-no-changes"));
});
