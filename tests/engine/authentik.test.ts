/**
 * authentik on a real API server, which enforces the strictest Pod Security level: the chart with the program's values comes up,
 * and the Job that applies the blueprint ends as the sandbox's authentik says. No engine: objects are made in the plan's order.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { charts } from "../../components/charts";
import { Authentik } from "../../components/identity/authentik";
import { AUTHENTIK_ADMINS } from "../../components/identity/blueprints";
import { runProgram } from "../../lib/run-program";
import { assembleCharts } from "../../sandbox/charts/assemble";
import { ControlPlane, type ToolPaths } from "../../sandbox/control-plane";
import { authentik } from "../../sandbox/operators/authentik/controller";
import { openKube, type Kube } from "../../sandbox/controllers/kube";
import { nodes } from "../../sandbox/cluster/nodes";
import { runControllers, type Running } from "../../sandbox/controllers/runner";
import { sandboxLayout } from "../../sandbox/layout";
import { freePorts } from "../../sandbox/ports";
import { ROOT } from "../../stacks/stack-file";
import type { PlannedResource } from "../../tools/plan/plan";
import { planComponent } from "../unit/component-plan";
import { lookInto, type Inputs } from "../unit/planned";
import { testPlatform } from "../unit/test-platform";
import { toolPaths } from "./harness";

jest.setTimeout(5 * 60_000);

const base = mkdtempSync(join(tmpdir(), "homelab-authentik-test-"));
const layout = sandboxLayout("authentik", { SANDBOX_HOME: base });
const WHOLE = join(ROOT, "..", "shared", "charts-full", `authentik-${charts.authentik.version}.tgz`);
const NAMESPACE = "authentik";

let tools: ToolPaths;
let plane: ControlPlane;
let kube: Kube;
let running: Running;
let resources: PlannedResource[];
const look = lookInto(() => ({ resources }));

async function run(program: string, args: readonly string[], stdin?: object): Promise<string> {
    const ran = await runProgram(program, args, {
        env: { KUBECONFIG: plane.kubeconfig, HOME: base },
        timeout: 180_000,
        ...(stdin === undefined ? {} : { stdin: JSON.stringify(stdin) }),
    });
    if (ran.code !== 0) throw new Error(`${program} ${args.join(" ")}: ${ran.stderr}`);
    return ran.stdout;
}
const kubectl = (args: readonly string[], stdin?: object) => run(tools.kubectl, args, stdin);
const apply = (object: object) => kubectl(["apply", "--server-side", "-f", "-"], object);

const secret = (name: string, stringData: Record<string, string>) =>
    apply({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NAMESPACE }, stringData });

const configMap = (data: Record<string, string>) =>
    apply({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "authentik-blueprints", namespace: NAMESPACE },
        data,
    });

/** What the program puts into the ConfigMap. */
const ours = () => (look.find(":ConfigMap", "authentik-blueprints").inputs as { data: Record<string, string> }).data;

/** The plan's Job under a name of the test's: the real one holds a digest of secrets that no plan knows. */
const job = async (name: string) => {
    const { metadata, spec } = look.find(":Job", "authentik-blueprints").inputs as { metadata: Inputs; spec: Inputs };
    await apply({ apiVersion: "batch/v1", kind: "Job", metadata: { ...metadata, name }, spec });
};

beforeAll(async () => {
    mkdirSync(layout.home, { recursive: true });
    tools = await toolPaths();
    const [port = 0] = await freePorts(1);
    plane = new ControlPlane(layout, tools, port);
    await plane.start();
    kube = openKube(plane.kubeconfig);
    const machine = { name: "n1", address: "10.0.0.1", capacity: { cpu: "8", memory: "16Gi" } };
    running = runControllers(kube, [nodes([machine]), authentik], {
        intervalMs: 200,
        log: () => undefined,
    });
    resources = await planComponent(() => {
        const platform = testPlatform({ [NAMESPACE]: "restricted" });
        const { databases } = platform;
        if (databases === undefined) throw new Error("the test platform has databases");
        new Authentik(
            "authentik",
            {
                ...{ cluster: platform.cluster, namespace: platform.namespaces.name(NAMESPACE), host: "authentik" },
                ...{ access: "local", replicas: 2, mfa: true, groups: ["family"], operators: AUTHENTIK_ADMINS },
                ...{ databases, secrets: platform.secrets, edge: platform.edge, monitored: false },
                clients: [
                    {
                        name: "grafana",
                        title: "Grafana",
                        host: "grafana",
                        groups: ["family"],
                        login: { kind: "oidc", redirects: ["/login/generic_oauth"] },
                    },
                ],
            },
            {},
        );
    });
});
afterAll(async () => {
    await running.stop();
    kube.close();
    if (existsSync(plane.kubeconfig)) await plane.delete();
    rmSync(base, { recursive: true, force: true });
});

test("the chart comes up in a namespace that enforces restricted", async () => {
    await apply({
        apiVersion: "v1",
        kind: "Namespace",
        ...(look.find("core/v1:Namespace", NAMESPACE).inputs as object),
    });
    await secret("authentik-secret", { AUTHENTIK_SECRET_KEY: "made-up" });
    await secret("authentik-postgres", { password: "made-up" });
    await secret("authentik-oidc", { grafana: "made-up" });
    await configMap(ours());
    const values = join(base, "values.json");
    writeFileSync(values, JSON.stringify(look.values("authentik")));
    const chart = existsSync(WHOLE) ? WHOLE : (assembleCharts({ out: join(base, "charts") })["authentik"] ?? "");
    await run(tools.helm, [
        ...["install", "authentik", chart, "--namespace", NAMESPACE, "--values", values],
        ...["--wait", "--timeout", "120s"],
    ]);
    const pods = await kubectl(["-n", NAMESPACE, "get", "pods", "--output=jsonpath={.items[*].status.phase}"]);
    expect(pods).toBe("Running Running Running Running");
});

test("the blueprint is applied", async () => {
    await job("ours");
    await kubectl(["-n", NAMESPACE, "wait", "job/ours", "--for=condition=Complete", "--timeout=60s"]);
});

test("a broken one ends its pods with what is wrong, and the Job is not complete", async () => {
    await configMap({ "homelab.yaml": (ours()["homelab.yaml"] ?? "").replace("redirect_uris:", "redirect_urls:") });
    await job("broken");
    await kubectl([
        ...["-n", NAMESPACE, "wait", "pod", "--selector=job-name=broken"],
        ...["--for=jsonpath={.status.phase}=Failed", "--timeout=60s"],
    ]);
    const said = await kubectl([
        ...["-n", NAMESPACE, "get", "pods", "--selector=job-name=broken"],
        "--output=jsonpath={.items[0].status.containerStatuses[0].state.terminated.message}",
    ]);
    expect(said).toContain("redirect_urls: there is no such field");
    expect(said).toContain("redirect_uris: This field is required.");
    const complete = '--output=jsonpath={.status.conditions[?(@.type=="Complete")].status}';
    expect(await kubectl(["-n", NAMESPACE, "get", "job", "broken", complete])).toBe("");
});
