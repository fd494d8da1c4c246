/** Linkerd, the shaping of what pods send, and the descheduler: what is planned. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { CertManager } from "../../components/edge/cert-manager";
import {
    Linkerd,
    LinkerdViz,
    linkerdControlPlaneValues,
    linkerdVizValues,
    OPAQUE_PORTS,
} from "../../components/mesh/linkerd";
import { trustManagerValues } from "../../components/mesh/linkerd-identity";
import { toBitsPerSecond } from "../../components/network/egress-qos";
import { deschedulerValues } from "../../components/scheduling/descheduler";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";

const cluster = { kubeconfig: pulumi.secret("kubeconfig"), podCidr: "10.42.0.0/16", serviceCidr: "10.43.0.0/16" };

test("Linkerd: CRDs, CNI plugin, control plane, viz, and no key in any value (M-NET-04, M-NET-05, M-APP-33)", async () => {
    const resources = await planComponent(() => {
        const certManager = new CertManager("cert-manager", {}, {});
        const mesh = new Linkerd("linkerd", { cluster, certManager, replicas: 3, anchors: [2, 1] }, {});
        new LinkerdViz("linkerd-viz", { mesh, certManager, host: "linkerd.example.net" }, {});
    });
    const look = lookInto(() => ({ resources }));
    look.inOrder(
        look.find(":Release", "linkerd-crds"),
        look.find(":Release", "linkerd-cni"),
        look.find(":Release", "linkerd"),
        look.find(":Command", "linkerd-injects"),
        look.find(":Release", "linkerd-viz"),
    );
    look.inOrder(look.find(":Bundle", "linkerd-identity-trust-roots"), look.find(":Release", "linkerd"));
    look.inOrder(look.find(":Certificate", "linkerd-identity-issuer"), look.find(":Release", "linkerd"));
    expect(dig(look.find(":ClusterIssuer", "linkerd-identity-signer").inputs, "spec")).toEqual({
        ca: { secretName: "linkerd-trust-anchor-2" },
    });
    expect(dig(look.find(":Bundle", "linkerd-identity-trust-roots").inputs, "spec", "sources")).toEqual([
        { secret: { name: "linkerd-trust-anchor-2", key: "tls.crt" } },
        { secret: { name: "linkerd-trust-anchor-1", key: "tls.crt" } },
    ]);
    expect(JSON.stringify(resources.map(({ inputs }) => inputs))).not.toMatch(/PRIVATE KEY|keyPEM|crtPEM/);
});

test("jobs end, databases' ports are not read, nobody is told of the cluster", () => {
    const values = linkerdControlPlaneValues({ cluster, replicas: 1 });
    expect(values).toMatchObject({ cniEnabled: true, disableHeartBeat: true, proxy: { nativeSidecar: true } });
    for (const port of Object.values(OPAQUE_PORTS).flat()) {
        expect(values.proxy.opaquePorts.split(",")).toContain(String(port));
    }
    const pattern = new RegExp(linkerdVizValues({ host: "linkerd.example.net" }).dashboard.enforcedHostRegexp);
    expect(pattern.test("linkerd.example.net")).toBe(true);
    expect(pattern.test("linkerdxexample.net")).toBe(false);
});

test("the descheduler leaves little behind and moves no pod with a claim (M-OPS-08, M-APP-32)", () => {
    expect(deschedulerValues({ schedule: "17 4 * * *", timezone: "Etc/UTC" })).toMatchObject({
        kind: "CronJob",
        failedJobsHistoryLimit: 2,
        ttlSecondsAfterFinished: 86400,
        deschedulerPolicy: {
            profiles: [{ pluginConfig: [{ args: { podProtections: { extraEnabled: ["PodsWithPVC"] } } }, {}, {}] }],
        },
    });
});

test("pods of the class share the bandwidth; each node writes those of its own (M-NET-06)", () => {
    const pod = (name: string, nodeName: string, phase = "Running") => ({
        metadata: { namespace: "media", name },
        spec: { nodeName },
        status: { phase },
    });
    const pods = [pod("a", "one"), pod("b", "two"), pod("old", "one", "Succeeded")];
    const changes = (settings: object) =>
        JSON.parse(
            execFileSync(
                process.execPath,
                [
                    "--input-type=module",
                    "-e",
                    `const { changes } = await import(${JSON.stringify(join(ROOT, "components/network/egress-shares.mjs"))});
                     console.log(JSON.stringify(changes(${JSON.stringify(pods)}, ${JSON.stringify(settings)})))`,
                ],
                { encoding: "utf8" },
            ),
        ) as unknown;
    const rate = toBitsPerSecond("40M");
    expect(changes({ node: "one", rate, ceil: rate })).toEqual([{ namespace: "media", name: "a", share: "20000000" }]);
    expect(changes({ node: "two", rate, ceil: 5e6 })).toEqual([{ namespace: "media", name: "b", share: "5000000" }]);
    expect(changes({ node: "three", rate, ceil: rate })).toEqual([]);
});

test("trust-manager reads the anchors where cert-manager keeps them, and hands out no public authorities", () => {
    expect(trustManagerValues("cert-manager")).toMatchObject({
        crds: { enabled: true, keep: false },
        defaultPackage: { enabled: false },
        app: { trust: { namespace: "cert-manager" } },
        resources: { limits: { memory: "128Mi" } },
    });
});
