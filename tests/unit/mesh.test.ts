/** Linkerd, the shaping of what pods send, and the descheduler: what is planned. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { CertManager } from "../../components/edge/cert-manager";
import {
    Linkerd,
    LinkerdViz,
    linkerdCniValues,
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
    const signer = look.find(":ClusterIssuer", "linkerd-identity-signer-2");
    expect(dig(signer.inputs, "spec")).toEqual({ ca: { secretName: "linkerd-trust-anchor-2" } });
    // By its name cert-manager knows that the certificate is to be signed anew.
    expect([
        dig(signer.inputs, "metadata", "name"),
        dig(look.find(":Certificate", "linkerd-identity-issuer").inputs, "spec", "issuerRef", "name"),
    ]).toEqual(["linkerd-trust-anchor-2", "linkerd-trust-anchor-2"]);
    // All are trusted, and everything in the mesh has read them, before another signs.
    look.inOrder(
        look.find(":Command", "linkerd-identity-kept"),
        look.find(":Bundle", "linkerd-identity-trust-roots"),
        look.find(":Command", "linkerd-identity-read"),
        signer,
        look.find(":Certificate", "linkerd-identity-issuer"),
    );
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
        issuerRef: { kind: "ClusterIssuer", name: "linkerd-trust-anchor-2" },
        duration: "720h",
        renewBefore: "360h",
        privateKey: { rotationPolicy: "Always" },
    });
    expect(dig(look.find(":Bundle", "linkerd-identity-trust-roots").inputs, "metadata", "annotations")).toEqual({
        "pulumi.com/waitFor": "condition=Synced",
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
        look.find(":ClusterIssuer", "linkerd-identity-signer-2"),
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

describe("another trust anchor", () => {
    let folder: string;
    beforeAll(() => {
        folder = mkdtempSync(join(tmpdir(), "linkerd-anchors-"));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    const planned = new Map<string, ReturnType<typeof plan>>();
    function scripts(anchors: readonly number[]) {
        const key = anchors.join();
        const found = planned.get(key) ?? plan(anchors);
        planned.set(key, found);
        return found;
    }
    async function plan(anchors: readonly number[]) {
        const resources = await planComponent(() => {
            const certManager = new CertManager("cert-manager", {}, {});
            new Linkerd("linkerd", { cluster, certManager, replicas: 3, anchors }, {});
        });
        const look = lookInto(() => ({ resources }));
        return (name: "kept" | "read") =>
            look.find(":Command", `linkerd-identity-${name}`).inputs as {
                create: string;
                triggers: string[];
                environment: Record<string, string>;
            };
    }

    /** Runs a command's script with a kubectl that answers by what it is asked for. */
    async function run(anchors: readonly number[], name: "kept" | "read", answers: Readonly<Record<string, string>>) {
        const { create, environment } = (await scripts(anchors))(name);
        const asked = join(folder, "asked");
        writeFileSync(asked, "");
        const cases = Object.entries(answers).map(
            ([words, said]) =>
                `*${JSON.stringify(words)}*) printf '%s\\n' ${said
                    .split("\n")
                    .map((line) => `'${line}'`)
                    .join(" ")} ;;`,
        );
        writeFileSync(
            join(folder, "kubectl"),
            `#!/bin/bash\necho "$*" >> ${asked}\ncase "$*" in\n${cases.join("\n")}\nesac\n`,
        );
        chmodSync(join(folder, "kubectl"), 0o755);
        const ran = spawnSync("bash", ["-euo", "pipefail", "-c", create], {
            encoding: "utf8",
            stdio: ["ignore", "pipe", "pipe"],
            env: {
                PATH: `${folder}:${process.env["PATH"] ?? ""}`,
                HOME: folder,
                TMPDIR: folder,
                ...environment,
                CLUSTER_KUBECONFIG: "{}",
            },
        });
        return { ...ran, asked: readFileSync(asked, "utf8").trim().split("\n") };
    }

    const CRD = { "get crd bundles": "customresourcedefinition/bundles" };
    const trusted = (...names: number[]) => ({
        "get bundles": names.map((one) => `linkerd-trust-anchor-${one}`).join(" "),
    });
    const signed = (by: number, since: string) => ({ "get certificate": `linkerd-trust-anchor-${by} ${since}` });

    test.each([
        ["the first time", [1], {}],
        ["one more", [2, 1], { ...CRD, ...trusted(1), ...signed(1, "2020-01-01T00:00:00Z") }],
        ["the same in another order", [2, 1], { ...CRD, ...trusted(1, 2), ...signed(1, "2999-01-01T00:00:00Z") }],
        ["the old one, long after", [2], { ...CRD, ...trusted(1, 2), ...signed(2, "2020-01-01T00:00:00Z") }],
    ])("%s is taken", async (_what, anchors, answers) => {
        const { status, stderr } = await run(anchors, "kept", answers);
        expect([status, stderr]).toEqual([0, ""]);
    });

    test.each([
        ["the one that signs", [2], { ...CRD, ...trusted(1), ...signed(1, "2020-01-01T00:00:00Z") }, "as in [2, 1]"],
        [
            "the old one, too early",
            [2],
            { ...CRD, ...trusted(1, 2), ...signed(2, "2999-01-01T00:00:00Z") },
            "a day after",
        ],
        ["the old one, nobody knows when", [2], { ...CRD, ...trusted(1, 2), ...signed(2, "") }, "an unknown time"],
    ])("%s may not go", async (_what, anchors, answers, said) => {
        const { status, stderr } = await run(anchors, "kept", answers);
        expect([status, stderr]).toEqual([1, expect.stringContaining(said)]);
    });

    test("nobody is restarted the first time, and everybody in the mesh for another list", async () => {
        expect((await run([1], "read", {})).asked).toHaveLength(1);
        const { status, stderr, asked } = await run([2, 1], "read", {
            "get deployment linkerd-proxy-injector": "deployment.apps/linkerd-proxy-injector",
            "get configmap": "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----",
            "get deployments,statefulsets,daemonsets": "media Deployment/sonarr\nlinkerd-viz Deployment/web",
        });
        expect([status, stderr]).toEqual([0, expect.stringContaining("has read the 2 trust anchors")]);
        const restarted = asked.filter((line) => line.includes("rollout restart"));
        expect(restarted).toEqual([
            ...["identity", "destination", "proxy-injector"].map(
                (part) => `--namespace linkerd rollout restart deployment/linkerd-${part}`,
            ),
            "--namespace media rollout restart Deployment/sonarr",
            "--namespace linkerd-viz rollout restart Deployment/web",
        ]);
        // One after the other.
        expect(asked.filter((line) => line.includes("rollout status"))).toHaveLength(restarted.length);
        // Only pods of the mesh, by what the injector goes by; a jsonpath that the shell leaves alone.
        expect(asked.find((line) => line.includes("daemonsets"))).toContain(
            String.raw`annotations.linkerd\.io/inject=="enabled"`,
        );
    });

    test("the order of the list restarts nobody, for the same are trusted", async () => {
        const [one, other] = [(await scripts([1, 2]))("read"), (await scripts([2, 1]))("read")];
        expect(one.triggers[0]).toBe(other.triggers[0]);
        expect((await scripts([2]))("read").triggers[0]).not.toBe(one.triggers[0]);
    });
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
    // Without it a pod that was there before the plugin stays outside the mesh, and nobody sees it.
    expect(linkerdCniValues()).toMatchObject({
        repairController: { enabled: true },
        priorityClassName: "system-node-critical",
        iptablesMode: "nft",
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
    const values = deschedulerValues({ schedule: "17 4 * * *", timezone: "Etc/UTC" });
    for (const { plugins, pluginConfig } of values.deschedulerPolicy.profiles)
        expect(pluginConfig.map(({ name }) => name)).toEqual(
            expect.arrayContaining(Object.values(plugins).flatMap(({ enabled }) => enabled)),
        );
    expect(values).toMatchObject({
        kind: "CronJob",
        failedJobsHistoryLimit: 2,
        ttlSecondsAfterFinished: 86400,
        startingDeadlineSeconds: 3600,
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
                        { name: "RemovePodsViolatingNodeTaints" },
                        { name: "RemovePodsViolatingTopologySpreadConstraint" },
                    ],
                    plugins: {
                        balance: { enabled: ["RemoveDuplicates", "RemovePodsViolatingTopologySpreadConstraint"] },
                        deschedule: { enabled: ["RemovePodsViolatingNodeTaints", "RemovePodsViolatingNodeAffinity"] },
                    },
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
