/**
 * A stranger's cluster of the recipe magi, from bare Linux machines: kubeadm on three, the mesh before what is in it, values
 * from Vault before who reads them, Git's hand-off last; another release of Kubernetes machine by machine; destroy, and the
 * same again with what Vault and the databases had.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDocument, stringify } from "yaml";
import { CONFIG_KEY } from "../../config/parse";
import { openStack } from "../../stacks";
import { PROJECT, readStackValue, stackFile } from "../../stacks/stack-file";
import { expectSuccess, named, SandboxHarness } from "./harness";

jest.setTimeout(15 * 60_000);

const STACK = "attic";
const NEXT = "v1.35.2";
const S3 = "http://192.168.6.2:9000";
const FACTS = {
    recipe: "magi",
    domain: "attic.example",
    nodes: [
        { name: "one", address: "192.168.6.11" },
        { name: "two", address: "192.168.6.12" },
        { name: "three", address: "192.168.6.13" },
    ],
    kubeadm: { virtualAddress: "192.168.6.20" },
    secrets: {
        vault: {
            recipients: ["age19mm0eavqper82auwu58upcwamwk4rqgf6tjnsyg0swql48d8fuhsnwhkrg"],
            snapshots: { endpoint: S3, bucket: "vault" },
        },
    },
    bridges: { nas: { address: "192.168.6.2", port: 9000 } },
    postgres: { storage: "5Gi", backup: { endpoint: "http://nas.other.svc.cluster.local:9000", bucket: "databases" } },
    mesh: { replicas: 1 },
    descheduler: {},
    gitops: { repository: "https://git.attic.example/home.git" },
    delivery: "pulumi",
    apps: { "echo-server": {}, vaultwarden: { database: "postgres" }, prowlarr: { delivery: "gitops" } },
};

const files = mkdtempSync(join(tmpdir(), "magi-stack-"));
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

const get = (path: string, ...args: string[]) => sandbox.kubectl("get", ...args, "-o", `jsonpath=${path}`);
const uid = () => get("{.metadata.uid}", "namespace", "kube-system");

interface State {
    checkpoint: { latest: { resources: { urn: string; type: string; created?: string }[] } };
}
const stateFile = () => join(sandbox.home, "state", ".pulumi", "stacks", PROJECT, `${STACK}.json`);
/** When the engine had made a resource. */
function made(type: RegExp, name: string): string {
    const { resources } = (JSON.parse(readFileSync(stateFile(), "utf8")) as State).checkpoint.latest;
    const found = resources.filter((one) => type.test(one.type) && one.urn.endsWith(`::${name}`));
    if (found.length !== 1) throw new Error(`${found.length} resources ${name} of ${type} in the state`);
    return found[0]?.created ?? "";
}

/** Archives of the one server of databases: its own, and that which it came from. */
const life = () =>
    ["{.items[*].spec.plugins[0].parameters.serverName}", "{.items[*].spec.bootstrap.recovery.source}"].map((path) =>
        get(path, "-n", "database", "clusters.postgresql.cnpg.io"),
    );

/** Objects that have the same name in each life of the cluster. */
const lasting = () => named(sandbox.objects()).filter((object) => !object.startsWith("Backup "));

let built: string[];
let first: string;

test("up founds the cluster, joins the others, and builds everything in its order", async () => {
    expectSuccess(await sandbox.run("up", STACK));
    expect(get("{.items[*].metadata.name}", "nodes").split(" ").sort()).toEqual(["one", "three", "two"]);
    const [command, release] = [/:Command$/, /:Release$/];
    const order = [
        ...["kubeadm-one", "kubeadm-kubeconfig"].map((name) => made(command, name)),
        ...["cilium", "cert-manager", "linkerd-crds", "linkerd-cni", "linkerd", "vault"].map((name) =>
            made(release, name),
        ),
        made(/:ClusterSecretStore$/, "vault-stores-productivity"),
        made(/apps\/v1:Deployment$/, "vaultwarden"),
    ];
    expect(order).toEqual([...order].sort());
    expect(get("{.spec.source.path}", "-n", "argocd", "application", "root")).toBe("cluster/platform/gitops/argocd");
    expect(life()).toEqual([expect.stringMatching(/-v1$/), ""]);
    [built, first] = [lasting(), uid()];
});

test("a second up changes nothing", async () => {
    expectSuccess(await sandbox.run("up", STACK, "--expect-no-changes"));
});

test("no secret is in state, logs or arguments in the clear", () => {
    const refs = openStack(STACK, readStackValue(files, STACK)).secrets.flatMap((one) => one.refs);
    expect(refs).toContain("kubeadm.encryptionKey");
    const secrets = refs.map((ref) => `sandbox-${ref.replaceAll(".", "-")}`);
    const forms = secrets.flatMap((one) => [
        one,
        Buffer.from(one)
            .toString("base64")
            .replace(/.{0,2}=*$/, ""),
    ]);
    const places = new Map([
        ["everything printed", sandbox.transcript],
        ["arguments on the machines", readFileSync(sandbox.node("calls.jsonl"), "utf8")],
        ...sandbox.files(join(sandbox.home, "state")),
    ]);
    for (const [place, text] of places) {
        expect([place, forms.filter((one) => text.includes(one))]).toEqual([place, []]);
    }
});

test("another release of Kubernetes goes machine by machine, and the cluster stays", async () => {
    const document = parseDocument(readFileSync(file, "utf8"));
    document.setIn(["config", `${PROJECT}:${CONFIG_KEY}`, "kubeadm", "version"], NEXT);
    writeFileSync(file, document.toString());
    const before = uid();
    expectSuccess(await sandbox.run("up", STACK));
    expect(get("{.items[*].status.nodeInfo.kubeletVersion}", "nodes")).toBe([NEXT, NEXT, NEXT].join(" "));
    expect(get("{.items[*].spec.unschedulable}", "nodes")).toBe("");
    expect(uid()).toBe(before);
    expectSuccess(await sandbox.run("up", STACK, "--expect-no-changes"));
});

test("destroy resets what it made, and the next up finds Vault's values and the databases and builds the same", async () => {
    expectSuccess(await sandbox.run("destroy", STACK));
    expect(existsSync(sandbox.node("one/etc/kubernetes/admin.conf"))).toBe(false);
    expectSuccess(await sandbox.run("up", STACK));
    expect(uid()).not.toBe(first);
    expect(life()).toEqual([expect.stringMatching(/-v2$/), expect.stringMatching(/-v1$/)]);
    expect(lasting()).toEqual(built);
});
