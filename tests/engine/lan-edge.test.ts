/**
 * MetalLB, HAProxy and a bridge by themselves on the real engine and API server: the gate that waits for a webhook, addresses
 * and statuses, and a destroy that does not leave a Service behind without its address.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { CustomResourceDefinitions } from "../../components/cluster/custom-resource-definitions";
import { Namespaces } from "../../components/cluster/namespaces";
import { crds } from "../../components/crds";
import { Bridges } from "../../components/edge/bridges";
import { composeEdge } from "../../components/edge/edge";
import { Exposures } from "../../components/edge/exposures";
import { HAPROXY, HaproxyIngress } from "../../components/edge/haproxy";
import { haproxyRoutes } from "../../components/edge/haproxy-routes";
import { textRange } from "../../components/network/addresses";
import { MetalLb } from "../../components/network/metallb";
import { CONTROL_PLANE_TOOLS, findTool, type ToolName } from "../../lib/toolchain";
import { chartDirectories, crdDirectory } from "../../sandbox/chart-source";
import { ControlPlane, type ToolPaths } from "../../sandbox/control-plane";
import { allControllers } from "../../sandbox/operators";
import { openKube } from "../../sandbox/controllers/kube";
import { runControllers, type Running } from "../../sandbox/controllers/runner";
import { attachProviders, Engine, engineEnvironment, type Operation } from "../../sandbox/engine";
import { sandboxLayout } from "../../sandbox/layout";
import { pluginVersions } from "../../sandbox/plugins";
import { freePorts } from "../../sandbox/ports";
import { startProviders, type RunningProviders } from "../../sandbox/providers";
import { ROOT } from "../../stacks/stack-file";

jest.setTimeout(10 * 60_000);

const base = mkdtempSync(join(tmpdir(), "homelab-lan-edge-test-"));
const layout = sandboxLayout("edge", { SANDBOX_HOME: base });
const SHARED = join(ROOT, "..", "shared");
const given = (folder: string) => (existsSync(join(SHARED, folder)) ? join(SHARED, folder) : undefined);
const closers: (() => unknown)[] = [];
let engine: Engine;
let controlPlane: ControlPlane;
let substitutes: Parameters<Engine["operate"]>[2];

const program = () => {
    const provider = new k8s.Provider("edge", { kubeconfig: layout.kubeconfig, enableServerSideApply: true });
    const opts = { providers: [provider] };
    const after = (...dependsOn: pulumi.Resource[]) => ({ ...opts, dependsOn });
    const cluster = {
        kubeconfig: pulumi.secret(
            pulumi.output(import("node:fs").then((fs) => fs.readFileSync(layout.kubeconfig, "utf8"))),
        ),
        lan: "192.168.1.0/24",
        podCidr: "10.244.0.0/16",
    };
    const definitions = new CustomResourceDefinitions("crds", { cluster, bundles: [crds.prometheus] }, opts);
    const namespaces = new Namespaces("namespaces", { [HAPROXY.namespace]: "restricted", other: "restricted" }, opts);
    const nas = {
        address: "192.168.1.10",
        port: 443,
        scheme: "https",
        namespace: "other",
        host: "nas",
        access: "local",
    } as const;
    const bridges = new Bridges("bridges", { bridges: { nas }, namespaces }, opts);
    const metalLb = new MetalLb(
        "metallb",
        { cluster, pool: textRange("192.168.1.230-192.168.1.250") },
        after(definitions),
    );
    const haproxy = new HaproxyIngress(
        "haproxy-ingress",
        {
            ...{ cluster, namespace: namespaces.name(HAPROXY.namespace), loadBalancer: metalLb.loadBalancer },
            ...{ address: "192.168.1.230", certificate: "edge-tls", server: "self-signed", nodes: 1 },
        },
        after(metalLb, definitions),
    );
    for (const [name, protocol] of [
        ["unifi-tcp", "TCP"],
        ["unifi-udp", "UDP"],
    ] as const) {
        new k8s.core.v1.Service(
            name,
            {
                metadata: {
                    name,
                    namespace: namespaces.name("other"),
                    annotations: metalLb.loadBalancer.pin("192.168.1.235", "unifi"),
                },
                spec: { type: "LoadBalancer", ports: [{ port: 8080, protocol }] },
            },
            { provider, dependsOn: metalLb },
        );
    }
    const edge = composeEdge({
        domain: "lab.example",
        exposures: new Exposures(),
        loadBalancer: metalLb.loadBalancer,
        routes: haproxyRoutes({ haproxy, address: "192.168.1.230" }),
        names: { tunnel: false },
    });
    bridges.expose(edge, { deliver: () => pulumi.output(""), refer: () => pulumi.output("") }, { provider });
    return Promise.resolve({});
};

beforeAll(async () => {
    const bin = join(layout.tools, "bin");
    for (const folder of [bin, layout.project, layout.daemon, join(base, "run")]) {
        mkdirSync(folder, { recursive: true });
    }
    const names: ToolName[] = [...CONTROL_PLANE_TOOLS, "helm", "pulumi"];
    for (const name of names) {
        const found = await findTool(name);
        if (found === undefined) throw new Error(`no ${name}: \`npm run tools\` gets it`);
        symlinkSync(found, join(bin, name));
    }
    const tools = Object.fromEntries(names.map((name) => [name, join(bin, name)])) as ToolPaths;
    writeFileSync(join(layout.project, "Pulumi.yaml"), "name: homelab-infrastructure\nruntime: nodejs\n");
    process.env["KWOK_WORKDIR"] = layout.kwok;
    const [port = 0] = await freePorts(1);
    controlPlane = new ControlPlane(layout, tools, port);
    closers.push(() => controlPlane.delete());
    await controlPlane.start();
    const kube = openKube(layout.kubeconfig);
    closers.push(kube.close);
    const capacity = { cpu: "8", memory: "32Gi", pods: "110" };
    const nodes = [{ name: "melchior-1", address: "192.168.1.13", capacity }];
    const running: Running = runControllers(
        kube,
        allControllers({ nodes, crds: given("crds"), log: () => undefined }),
        {
            log: () => undefined,
        },
    );
    closers.push(() => running.stop());
    await controlPlane.nodesReady(["melchior-1"]);
    const env = {
        PATH: [bin, process.env["PATH"]].join(delimiter),
        HOME: base,
        XDG_RUNTIME_DIR: join(base, "run"),
        ...engineEnvironment(layout),
        PULUMI_CONFIG_PASSPHRASE: "test",
        PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
        HELM_CACHE_HOME: join(base, "helm"),
    };
    const providers: RunningProviders = await startProviders(["kubernetes", "command"], {
        ...{ env, versions: pluginVersions(), helm: tools.helm, cwd: layout.project },
    });
    closers.push(() => providers.stop());
    engine = new Engine(layout, tools.pulumi, { ...env, ...attachProviders(providers.ports) }, program);
    expect(await engine.run(["stack", "select", "--create", "edge", "--secrets-provider", "passphrase"], true)).toBe(0);
    const [directory, real] = [given("charts-full"), given("crds")];
    const options = {
        charts: directory === undefined ? ("stand-in" as const) : { directory },
        ...(real === undefined ? {} : { crds: real }),
        ...(directory === undefined ? {} : { localCharts: directory }),
    };
    const charts = chartDirectories(options, layout.charts, () => undefined);
    substitutes = { charts: (name) => charts[name], crds: crdDirectory(options, layout.charts), metrics: "" };
});

afterAll(async () => {
    for (const close of closers.reverse()) await close();
    rmSync(base, { recursive: true, force: true });
});

/** Its exit code, and what it complained of. */
const operate = async (operation: Operation, ...flags: string[]) => {
    const { code, events } = await engine.operate(operation, flags, substitutes);
    const errors = events.flatMap(({ diagnosticEvent: said }) => (said?.severity === "error" ? [said.message] : []));
    return { code, errors };
};
const WELL = { code: 0, errors: [] };
const ask = async (...args: string[]) => (await controlPlane.kubectl(args)).stdout.trim();
const IP = "jsonpath={.status.loadBalancer.ingress[0].ip}";

test("addresses come after the webhook, a route shows where it is served, and nothing is left behind", async () => {
    expect(await operate("up")).toEqual(WELL);
    expect(await ask("get", "service", "haproxy-ingress", "-n", "ingress-haproxy", "-o", IP)).toBe("192.168.1.230");
    for (const half of ["unifi-tcp", "unifi-udp"]) {
        expect(await ask("get", "service", half, "-n", "other", "-o", IP)).toBe("192.168.1.235");
    }
    await ask("wait", "ingress/nas", "-n", "other", `--for=${IP}=192.168.1.230`, "--timeout=60s");
    expect(
        await ask(
            "get",
            "endpointslices",
            "-n",
            "other",
            "-l",
            "kubernetes.io/service-name=nas",
            "-o",
            "jsonpath={.items[*].endpoints[*].addresses[*]}",
        ),
    ).toBe("192.168.1.10");
    // The webhook has its certificate, and refuses no more.
    expect(await ask("get", "validatingadmissionpolicies", "-o", "name")).toBe("");
    expect(await operate("up", "--expect-no-changes")).toEqual(WELL);

    // Somebody else's Service goes with a delay, and is waited for.
    await ask("create", "service", "loadbalancer", "stranger", "--tcp=99", "-n", "default");
    const gone = new Promise((done) => setTimeout(done, 20_000)).then(() =>
        ask("delete", "service", "stranger", "-n", "default"),
    );
    expect(await operate("destroy")).toEqual(WELL);
    await gone;
    for (const kind of ["ingressclasses", "crd", "validatingwebhookconfigurations", "validatingadmissionpolicies"]) {
        expect([
            kind,
            (await ask("get", kind, "-o", "name")).split("\n").filter((name) => /metallb|haproxy/.test(name)),
        ]).toEqual([kind, []]);
    }
});
