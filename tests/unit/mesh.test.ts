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
import { egressQosKeys, egressQosRules } from "../../lab/egress-qos";
import { linkerdKeys, linkerdRules } from "../../lab/linkerd";
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
    const spec = (name: string) => dig(look.find(":Certificate", name).inputs, "spec") as Record<string, unknown>;
    // Proxies trust an anchor as long as it keeps its key; the issuer below it has a new one each time.
    expect(spec("linkerd-identity-anchor-2")).toMatchObject({
        isCA: true,
        commonName: "root-2.linkerd.cluster.local",
        privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Never" },
    });
    expect(spec("linkerd-identity-anchor-1")).toMatchObject({ commonName: "root.linkerd.cluster.local" });
    expect(spec("linkerd-identity-issuer")).toMatchObject({
        isCA: true,
        commonName: "identity.linkerd.cluster.local",
        usages: ["cert sign", "crl sign", "server auth", "client auth"],
        issuerRef: { kind: "ClusterIssuer", name: "linkerd-trust-anchor" },
        duration: "720h",
        renewBefore: "360h",
        privateKey: { rotationPolicy: "Always" },
    });
    const roots = dig(look.find(":Bundle", "linkerd-identity-trust-roots").inputs, "spec", "target");
    expect(roots).toMatchObject({
        configMap: { key: "ca-bundle.crt" },
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "linkerd" } },
    });
    // Bundles are refused until trust-manager's webhook has its authority, and are read only where there are anchors.
    look.inOrder(
        look.find(":Release", "linkerd-identity-trust-manager"),
        look.find(":Command", "linkerd-identity-trust-manager-answers"),
        look.find(":Bundle", "linkerd-identity-trust-roots"),
    );
    for (const generation of [1, 2]) {
        look.inOrder(
            look.find(":Certificate", `linkerd-identity-anchor-${generation}`),
            look.find(":Bundle", "linkerd-identity-trust-roots"),
        );
    }
    look.inOrder(
        look.find(":Certificate", "linkerd-identity-anchor-2"),
        look.find(":ClusterIssuer", "linkerd-identity-signer"),
        look.find(":Certificate", "linkerd-identity-issuer"),
    );
    // Each release after the certificates of its webhooks.
    const webhooks = {
        linkerd: ["proxy-injector", "sp-validator", "policy-validator"],
        "linkerd-viz": ["tap-injector"],
    };
    for (const [release, names] of Object.entries(webhooks)) {
        for (const webhook of names) {
            const certificate = look.find(":Certificate", `${release}-linkerd-${webhook}-certificate`);
            look.inOrder(certificate, look.find(":Release", release));
            expect(dig(certificate.inputs, "spec")).toMatchObject({
                dnsNames: [`${webhook === "tap-injector" ? "" : "linkerd-"}${webhook}.${release}.svc`],
                usages: ["server auth"],
            });
        }
    }
    look.inOrder(look.find(":LimitRange", "linkerd-viz-limits"), look.find(":Release", "linkerd-viz"));
});

test("jobs end, databases' ports are not read, nobody is told of the cluster", () => {
    const values = linkerdControlPlaneValues({ cluster, replicas: 1 });
    expect(values).toMatchObject({ cniEnabled: true, disableHeartBeat: true, proxy: { nativeSidecar: true } });
    expect(values).toMatchObject({
        clusterNetworks: "10.42.0.0/16,10.43.0.0/16",
        identity: { externalCA: true, issuer: { scheme: "kubernetes.io/tls" } },
        webhookFailurePolicy: "Ignore",
        ...{ controllerReplicas: 1, enablePodAntiAffinity: false, enablePodDisruptionBudget: false },
        proxy: { defaultInboundPolicy: "all-unauthenticated" },
    });
    expect(linkerdControlPlaneValues({ cluster, replicas: 3 })).toMatchObject({
        ...{ controllerReplicas: 3, enablePodAntiAffinity: true, enablePodDisruptionBudget: true },
    });
    for (const port of Object.values(OPAQUE_PORTS).flat()) {
        expect(values.proxy.opaquePorts.split(",")).toContain(String(port));
    }
    const pattern = new RegExp(linkerdVizValues({ host: "linkerd.example.net" }).dashboard.enforcedHostRegexp);
    expect(pattern.test("linkerd.example.net")).toBe(true);
    expect(pattern.test("linkerdxexample.net")).toBe(false);
    expect(pattern.test("linkerd.example.net:8084")).toBe(true);
    expect(pattern.test("evil.linkerd.example.net")).toBe(false);
});

test("copies of Linkerd are on machines of their own; one pod's bandwidth is a part of all", () => {
    const mesh = (replicas?: 1 | 3) =>
        linkerdRules(() => 1).flatMap((rule) =>
            rule({ domain: "example.net", mesh: linkerdKeys.parse({ replicas }) }).map(({ path }) => path),
        );
    expect([mesh(3), mesh(1), mesh()]).toEqual([["mesh.replicas"], [], []]);
    for (const anchors of [[], [1, 1], [1, 2, 3, 4], [0]]) {
        expect([anchors, linkerdKeys.safeParse({ anchors }).success]).toEqual([anchors, false]);
    }
    const shaping = (egressQos: object) =>
        egressQosRules.flatMap((rule) => rule({ egressQos: egressQosKeys.parse(egressQos) }).map(({ path }) => path));
    expect(shaping({ rate: "40M", ceil: "41M" })).toEqual(["egressQos.ceil"]);
    expect([shaping({ rate: "40M", ceil: "40000k" }), shaping({ rate: "40M" })]).toEqual([[], []]);
    expect([egressQosKeys.safeParse({ rate: "0M" }).success, egressQosKeys.safeParse({ rate: "40" }).success]).toEqual([
        false,
        false,
    ]);
});

test("the descheduler leaves little behind and moves no pod with a claim (M-OPS-08, M-APP-32)", () => {
    expect(deschedulerValues({ schedule: "17 4 * * *", timezone: "Etc/UTC" })).toMatchObject({
        kind: "CronJob",
        failedJobsHistoryLimit: 2,
        ttlSecondsAfterFinished: 86400,
        ...{ schedule: "17 4 * * *", timeZone: "Etc/UTC", activeDeadlineSeconds: 600, successfulJobsHistoryLimit: 1 },
        deschedulerPolicy: {
            maxNoOfPodsToEvictPerNode: 5,
            profiles: [
                {
                    pluginConfig: [
                        {
                            name: "DefaultEvictor",
                            args: {
                                ...{ nodeFit: true, minReplicas: 2 },
                                podProtections: { extraEnabled: ["PodsWithPVC"] },
                                labelSelector: {
                                    matchExpressions: [
                                        {
                                            key: "app",
                                            operator: "NotIn",
                                            values: ["mon", "osd", "mgr", "mds", "rgw"].map(
                                                (one) => `rook-ceph-${one}`,
                                            ),
                                        },
                                    ],
                                },
                            },
                        },
                        { name: "RemoveDuplicates", args: { namespaces: { exclude: ["kube-system", "rook-ceph"] } } },
                        { name: "RemovePodsViolatingNodeAffinity" },
                    ],
                },
            ],
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
