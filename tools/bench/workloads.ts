/**
 * `workloads.ts <count>`: plans a cluster with that many workloads in this process and prints what it took. Run with
 * --expose-gc. Each workload has a volume, a Secret, a Service, a route and a DNS record, as an app of apps/ has.
 */
import * as cloudflare from "@pulumi/cloudflare";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { Namespaces } from "../../components/cluster/namespaces";
import { ciliumIngressRoutes } from "../../components/edge/cilium-ingress-routes";
import { CloudflareDns } from "../../components/edge/cloudflare-dns";
import { composeEdge } from "../../components/edge/edge";
import { Exposures } from "../../components/edge/exposures";
import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { SopsSecretStore } from "../../components/secrets/sops";
import { NodeDirectories } from "../../components/storage/node-directories";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import type { StackSummary } from "../../lab/context";
import { planProgram } from "../plan/plan";
import { runMain, UserError } from "../../lib/user-error";

export interface WorkloadsResult {
    readonly workloads: number;
    readonly resources: number;
    /** From the program's first line to the finished plan; loading the SDKs is before that. */
    readonly seconds: number;
    /** Processor time in those seconds: what other work on the machine changes least. */
    readonly cpuSeconds: number;
    /** Highest resident memory of the whole process, as the operating system counted it. */
    readonly peakMiB: number;
    /** Heap that is still in use when the plan is there, garbage collected. */
    readonly heapMiB: number;
}

const STACK = "many-workloads";

/** A cluster of nothing but workloads, on the components that the homelab stack builds its platform from. */
function manyWorkloads(count: number): StackSummary {
    const lab = {
        providers: [
            new k8s.Provider("cluster", { kubeconfig: pulumi.secret("-"), clusterIdentifier: STACK }),
            new cloudflare.Provider("cloudflare", { apiToken: pulumi.secret("-") }),
        ],
    };
    const namespaces = new Namespaces("namespaces", { apps: "restricted" }, lab);
    const storage = new NodeDirectories({
        node: "node",
        configs: "/var/data/configs",
        libraries: {},
        owner: { uid: 1000, gid: 1000 },
        className: pulumi.output("local-path"),
    });
    const ledger = new Exposures();
    const edge = composeEdge({
        domain: "example.org",
        exposures: ledger,
        loadBalancer: { pin: (address) => ({ "lbipam.cilium.io/ips": address }) },
        routes: ciliumIngressRoutes("192.0.2.1"),
        names: { tunnel: true },
    });
    const platform: Platform = {
        cluster: {
            name: STACK,
            timezone: "Etc/UTC",
            kubeconfig: pulumi.secret("-"),
            lan: "192.0.2.0/24",
            podCidr: "10.42.0.0/16",
            serviceCidr: "10.43.0.0/16",
        },
        opts: { ...lab, dependsOn: namespaces },
        namespaces,
        storage,
        secrets: new SopsSecretStore("secrets.yaml", () => "[secret]"),
        edge,
    };
    for (let index = 0; index < count; index++) {
        const name = `app-${index}`;
        new Workload(
            name,
            {
                namespace: "apps",
                group: "apps",
                image: images.echoServer,
                ports: { http: 8080 },
                env: { HTTP_PORT: "8080" },
                secrets: { TOKEN: `apps.token${index}` },
                volumes: { "/config": data("1Gi"), "/tmp": scratch() },
                expose: { host: name, access: index % 10 === 0 ? "external" : "local" },
                health: { http: "/" },
                cpu: "10m",
                memory: { request: "32Mi", limit: "128Mi" },
                security: "owner",
            },
            platform,
        );
    }
    const exposures = ledger.seal();
    new CloudflareDns(
        "dns",
        {
            zoneId: "0".repeat(32),
            exposures,
            tunnelHostname: pulumi.output("tunnel.example.org"),
            stack: STACK,
        },
        lab,
    );
    return {
        kubeconfig: pulumi.secret("-"),
        exposures,
        volumes: storage.rows,
        delivery: {},
        stages: [],
    };
}

if (require.main === module) {
    runMain(async () => {
        const count = Number(process.argv[2]);
        if (!Number.isInteger(count) || count < 1) throw new UserError("usage: workloads.ts <number of workloads>");
        const [started, cpu] = [performance.now(), process.cpuUsage()];
        const plan = await planProgram({ name: STACK, recipe: STACK, machinesText: "", special: "" }, () =>
            Promise.resolve(manyWorkloads(count)),
        );
        const seconds = (performance.now() - started) / 1000;
        const { user, system } = process.cpuUsage(cpu);
        globalThis.gc?.();
        const result: WorkloadsResult = {
            workloads: count,
            resources: plan.resources.length,
            seconds,
            cpuSeconds: (user + system) / 1e6,
            peakMiB: process.resourceUsage().maxRSS / 1024,
            heapMiB: process.memoryUsage().heapUsed / 1024 ** 2,
        };
        console.log(JSON.stringify(result));
    });
}
