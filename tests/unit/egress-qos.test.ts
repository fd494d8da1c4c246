/** The shaping of what pods send: what its script asks of an API server, and what its account may do there. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { Cilium } from "../../components/network/cilium";
import { EgressQos } from "../../components/network/egress-qos";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";

jest.setTimeout(60_000);

const SCRIPT = join(ROOT, "components/network/egress-shares.mjs");
const ANNOTATION = "kubernetes.io/egress-bandwidth";

interface Pod {
    metadata: { namespace: string; name: string; annotations?: Record<string, string>; deletionTimestamp?: string };
    spec: { nodeName?: string; hostNetwork?: boolean };
    status?: { phase: string };
}

const pod = (name: string, nodeName: string, changes: Partial<Pod> = {}): Pod => ({
    metadata: { namespace: "media", name },
    spec: { nodeName },
    status: { phase: "Running" },
    ...changes,
});

describe("the script", () => {
    let server: Server;
    let account: string;
    let pods: Pod[];
    /** Answers other than a pod's own to a patch, by name. */
    let refuse: Record<string, number>;
    let asked: string[];

    /** As an API server: a token, a merge patch by its content type, 404 for a pod that is not there. */
    beforeEach(async () => {
        account = mkdtempSync(join(tmpdir(), "egress-"));
        asked = [];
        refuse = {};
        writeFileSync(join(account, "token"), "first\n");
        server = createServer((request, response) => {
            let text = "";
            request.on("data", (part) => (text += String(part)));
            request.on("end", () => {
                const end = (status: number, body: unknown) => response.writeHead(status).end(JSON.stringify(body));
                const { method, headers } = request;
                const url = new URL(request.url ?? "", "http://api");
                asked.push(`${method} ${url.pathname}`);
                if (headers.authorization !== "Bearer first") return end(401, { message: "Unauthorized" });
                if (method === "GET") {
                    return url.pathname === "/api/v1/pods" && url.searchParams.get("labelSelector") === "tier=bulk"
                        ? end(200, { items: pods })
                        : end(403, { message: "forbidden: that list" });
                }
                const [, namespace, name] = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)$/.exec(url.pathname) ?? [];
                const own = pods.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
                const refused = refuse[name ?? ""] ?? (own === undefined ? 404 : undefined);
                if (method !== "PATCH") return end(405, {});
                if (headers["content-type"] !== "application/merge-patch+json") return end(415, {});
                if (refused !== undefined || own === undefined) return end(refused ?? 404, { message: "not this one" });
                const { metadata, ...rest } = JSON.parse(text) as Pod;
                expect([Object.keys(metadata), rest]).toEqual([["annotations"], {}]);
                own.metadata.annotations = { ...own.metadata.annotations, ...metadata.annotations };
                return end(200, own);
            });
        });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    });
    afterEach(async () => {
        rmSync(account, { recursive: true, force: true });
        await new Promise((resolve) => server.close(resolve));
    });

    const run = (program: string, env: NodeJS.ProcessEnv = {}) =>
        new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
            const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
                env: { ...process.env, ...env },
            });
            let stdout = "";
            let stderr = "";
            child.stdout.on("data", (part) => (stdout += String(part)));
            child.stderr.on("data", (part) => (stderr += String(part)));
            child.on("close", (code) => resolve({ code, stdout, stderr }));
        });

    /** Passes of node `one`, each after a line of code; what each wrote. */
    function pass(...between: readonly string[]) {
        const api = JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, account });
        const settings = JSON.stringify({ node: "one", rate: 40e6, ceil: 30e6, selector: "tier=bulk" });
        return run(
            `import { writeFileSync } from "node:fs";
             const { pass } = await import(${JSON.stringify(SCRIPT)});
             ${["", ...between].map((line) => `${line}; console.log(await pass(${api}, ${settings}));`).join("\n")}`,
        );
    }
    const shares = () => pods.map(({ metadata: { name, annotations } }) => [name, annotations?.[ANNOTATION]]);

    test("writes the share of its node's pods once, counts those of all nodes, and leaves other annotations", async () => {
        pods = [
            pod("a", "one", { metadata: { namespace: "media", name: "a", annotations: { other: "stays" } } }),
            pod("b", "two"),
            pod("done", "one", { status: { phase: "Succeeded" } }),
            pod("failed", "one", { status: { phase: "Failed" } }),
            pod("host", "one", { spec: { nodeName: "one", hostNetwork: true } }),
            pod("going", "one", { metadata: { namespace: "media", name: "going", deletionTimestamp: "2026-01-01" } }),
            // It will send, and is nobody's yet.
            pod("pending", "", { spec: {}, status: { phase: "Pending" } }),
        ];
        const { code, stdout, stderr } = await pass("");
        expect({ code, stdout, stderr }).toEqual({
            code: 0,
            stdout: "media/a: 13333333 bits per second\n1\n0\n",
            stderr: "",
        });
        expect(asked).toEqual(["GET /api/v1/pods", "PATCH /api/v1/namespaces/media/pods/a", "GET /api/v1/pods"]);
        expect(shares().filter(([, share]) => share !== undefined)).toEqual([["a", "13333333"]]);
        expect(pods[0]?.metadata.annotations).toMatchObject({ other: "stays" });
    });

    test("one alone gets no more than one may have, and the token is read anew each time: the kubelet changes it", async () => {
        pods = [pod("a", "one")];
        const first = await pass();
        expect(first.code).toBe(0);
        expect(shares()).toEqual([["a", "30000000"]]);
        const file = JSON.stringify(join(account, "token"));
        const changed = await pass(`writeFileSync(${file}, "second")`);
        expect(changed.code).toBe(1);
        expect(changed.stderr).toMatch(/GET \/api\/v1\/pods\?labelSelector=tier%3Dbulk: 401 .*Unauthorized/);
    });

    test("a pod that has gone meanwhile is passed over; a refusal is an error with what was refused", async () => {
        pods = [pod("a", "one"), pod("b", "one")];
        refuse = { a: 404 };
        expect((await pass()).code).toBe(0);
        expect(shares()).toEqual([
            ["a", undefined],
            ["b", "20000000"],
        ]);
        refuse = { a: 422 };
        const { code, stderr } = await pass();
        expect(code).toBe(1);
        expect(stderr).toMatch(/PATCH \/api\/v1\/namespaces\/media\/pods\/a: 422 .*not this one/);
    });

    test("a pass that fails ends the container", async () => {
        const { code, stderr } = await run(`await import(${JSON.stringify(SCRIPT)})`, {
            RUN: "egress-qos",
            KUBERNETES_SERVICE_HOST: "127.0.0.1",
            KUBERNETES_SERVICE_PORT: "1",
        });
        expect(code).toBe(1);
        expect(stderr).toContain("/var/run/secrets/kubernetes.io/serviceaccount/token");
    });
});

test("what its account may do is bounded before it may do it, and nothing runs before Cilium (M-NET-06)", async () => {
    let annotations: unknown;
    const resources = await planComponent(() => {
        const cilium = new Cilium(
            "cilium",
            {
                cluster: {
                    kubeconfig: pulumi.secret("kubeconfig"),
                    podCidr: "10.42.0.0/16",
                    serviceCidr: "10.43.0.0/16",
                } as never,
                apiServer: { host: "192.168.7.9", port: 6443 },
                nodeCount: 3,
                profile: { kind: "pod-network", meshed: false, shaped: true },
            },
            {},
        );
        annotations = new EgressQos("egress-qos", { cilium, rate: "40M", ceil: "512k" }, {}).annotations;
    });
    const look = lookInto(() => ({ resources }));
    look.inOrder(
        look.find(":ValidatingAdmissionPolicy", "egress-qos"),
        look.find(":ValidatingAdmissionPolicyBinding", "egress-qos"),
        look.find(":ClusterRoleBinding", "egress-qos"),
        look.find(":DaemonSet", "egress-qos"),
    );
    look.inOrder(look.find(":Command", "cilium-ready"), look.find(":DaemonSet", "egress-qos"));
    expect(dig(look.find(":ClusterRole", "egress-qos").inputs, "rules")).toEqual([
        { apiGroups: [""], resources: ["pods"], verbs: ["list", "patch"] },
    ]);
    expect(dig(look.find(":ValidatingAdmissionPolicyBinding", "egress-qos").inputs, "spec")).toEqual({
        policyName: "egress-qos",
        validationActions: ["Deny"],
    });
    const policy = dig(look.find(":ValidatingAdmissionPolicy", "egress-qos").inputs, "spec");
    expect(policy).toMatchObject({
        failurePolicy: "Fail",
        matchConstraints: {
            resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["UPDATE"], resources: ["pods"] }],
        },
        matchConditions: [{ expression: 'request.userInfo.username == "system:serviceaccount:egress-qos:egress-qos"' }],
    });
    const same = (field: string) =>
        `has(object.metadata.${field}) == has(oldObject.metadata.${field}) && (!has(object.metadata.${field}) || object.metadata.${field} == oldObject.metadata.${field})`;
    expect((dig(policy, "validations") as { expression: string }[]).map(({ expression }) => expression)).toEqual([
        ["object.spec == oldObject.spec", same("labels"), same("ownerReferences"), same("finalizers")].join(" && "),
        [
            'has(object.metadata.labels) && "traffic-tier" in object.metadata.labels && object.metadata.labels["traffic-tier"] == "bulk-seed"',
            `(!has(object.metadata.annotations) || object.metadata.annotations.all(key, key == "${ANNOTATION}" || (has(oldObject.metadata.annotations) && key in oldObject.metadata.annotations && oldObject.metadata.annotations[key] == object.metadata.annotations[key])))`,
            `(!has(oldObject.metadata.annotations) || oldObject.metadata.annotations.all(key, key == "${ANNOTATION}" || (has(object.metadata.annotations) && key in object.metadata.annotations)))`,
        ].join(" && "),
    ]);
    const container = dig(look.find(":DaemonSet", "egress-qos").inputs, "spec", "template", "spec", "containers", 0);
    expect(dig(container, "env")).toEqual(
        expect.arrayContaining([
            { name: "RUN", value: "egress-qos" },
            { name: "RATE", value: "40000000" },
            { name: "CEIL", value: "512000" },
            { name: "SELECTOR", value: "traffic-tier=bulk-seed" },
            { name: "NODE_EXTRA_CA_CERTS", value: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt" },
        ]),
    );
    expect(annotations).toEqual({ "bulk-seed": { [ANNOTATION]: "512000" } });
});
