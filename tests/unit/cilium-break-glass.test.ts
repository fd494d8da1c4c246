/** Cilium put back by Helm alone: what is told to Helm, in which order, and what a person reads where it cannot go on. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { charts } from "../../components/charts";
import { readStackValue, ROOT, stackFile } from "../../stacks/stack-file";
import { applyCilium, type BreakGlass } from "../../tools/cilium/apply";
import { planStack } from "../../tools/plan/plan";
import { helmUpgrade, plannedRelease, type PlannedRelease } from "../../tools/plan/release";

jest.setTimeout(120_000);

const release: PlannedRelease = {
    name: "cilium",
    namespace: "kube-system",
    chart: "cilium",
    version: "1.19.1",
    repository: "https://helm.cilium.io/",
    values: { kubeProxyReplacement: true },
};
const NODE = (name: string, ready: boolean) => ({
    metadata: { name },
    status: { conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
});
const said = (stdout = "", code = 0, stderr = "") => ({ code, stdout, stderr });
/** Helm marks what it made with the release's name; a namespace on its way out has a time of deletion. */
const NAMESPACE = (name: string, release?: string, going = false) => ({
    metadata: {
        name,
        ...(release === undefined ? {} : { annotations: { "meta.helm.sh/release-name": release } }),
        ...(going ? { deletionTimestamp: "2026-11-22T08:00:00Z" } : {}),
    },
});
const LEAVING = said(
    JSON.stringify({
        items: [
            NAMESPACE("cilium-secrets", "cilium", true),
            NAMESPACE("cilium-test", "cilium"),
            NAMESPACE("media", undefined, true),
            NAMESPACE("longhorn-system", "longhorn", true),
        ],
    }),
);
const history = (...statuses: string[]) =>
    said(JSON.stringify(statuses.map((status, index) => ({ revision: index + 1, status }))));

/** Runs it; answers by the first words of a command, everything else succeeds. */
async function apply(answers: Record<string, ReturnType<typeof said>> = {}, more: Partial<BreakGlass> = {}) {
    const calls: string[] = [];
    const lines: string[] = [];
    const program = (name: string) => (args: readonly string[]) => {
        const call = [name, ...args].join(" ");
        calls.push(call);
        const known = {
            "kubectl get nodes": said(JSON.stringify({ items: [NODE("a", true)] })),
            "kubectl get namespaces": said(JSON.stringify({ items: [NAMESPACE("kube-system")] })),
            ...answers,
        };
        const found = Object.entries(known).find(([start]) => call.startsWith(start));
        return Promise.resolve(found?.[1] ?? (name === "helm" && args[0] === "history" ? history("deployed") : said()));
    };
    const failure = await applyCilium({
        release,
        valuesFile: "/private/values.yaml",
        helm: program("helm"),
        kubectl: program("kubectl"),
        say: (line) => lines.push(line),
        ...more,
    }).then(
        () => undefined,
        (error: Error) => error.message,
    );
    return { calls, lines, failure };
}

test("asks the API server, reads the history, applies, and waits for agents, operator and nodes", async () => {
    const { calls, failure, lines } = await apply();
    expect(failure).toBeUndefined();
    expect(calls).toEqual([
        "kubectl get --raw /readyz --request-timeout=10s",
        "helm history cilium --namespace kube-system --output json --max 20",
        "kubectl get namespaces --output json",
        "helm upgrade --install cilium cilium --repo https://helm.cilium.io/ --version 1.19.1 --namespace kube-system --values /private/values.yaml",
        "kubectl rollout status daemonset/cilium --namespace kube-system --timeout=600s",
        "kubectl rollout status deployment/cilium-operator --namespace kube-system --timeout=600s",
        "kubectl get nodes --output json",
    ]);
    expect(lines.at(-1)).toMatch(/every node is Ready/);
});

test("nothing of it asks for pods: no exec, no port-forward, no --wait of Helm's", async () => {
    const { calls } = await apply();
    expect(calls.filter((call) => /exec|port-forward|--wait|--atomic/.test(call))).toEqual([]);
});

test("a chart at hand takes the repository's place", () => {
    expect(helmUpgrade(release, "v.yaml", "/home/me/cilium.tgz")).toEqual(
        "upgrade --install cilium /home/me/cilium.tgz --namespace kube-system --values v.yaml".split(" "),
    );
    const { repository: _, ...oci } = { ...release, chart: "oci://example.net/charts/cilium" };
    expect(helmUpgrade(oci, "v.yaml").join(" ")).toContain("oci://example.net/charts/cilium --version 1.19.1");
});

test.each([
    [
        "after an upgrade that was cut off",
        history("superseded", "deployed", "pending-upgrade"),
        "helm rollback cilium 2 ",
    ],
    ["after a first installation that was cut off", history("pending-install"), "helm uninstall cilium "],
])("%s Helm is freed first", async (_name, answer, repair) => {
    const { calls, failure } = await apply({ "helm history": answer });
    expect(failure).toBeUndefined();
    const place = calls.findIndex((call) => call.startsWith(repair));
    expect(place).toBeGreaterThan(0);
    expect(calls[place]).toMatch(/--no-hooks$/);
    expect(calls[place + 1]).toBe("kubectl get namespaces --output json");
    expect(calls[place + 2]).toMatch(/^helm upgrade --install/);
});

test("namespaces that an earlier release takes with it are gone before Helm begins, others are not waited for", async () => {
    const { calls, failure } = await apply({
        "helm history": said("", 1, "Error: release: not found"),
        "kubectl get namespaces": LEAVING,
    });
    expect(failure).toBeUndefined();
    expect(calls.filter((call) => call.startsWith("kubectl wait"))).toEqual([
        "kubectl wait --for=delete namespace/cilium-secrets --timeout=120s",
    ]);
    expect(calls.findIndex((call) => call.startsWith("kubectl wait"))).toBe(
        calls.findIndex((call) => call.startsWith("helm upgrade")) - 1,
    );
});

test("a release that was taken away is installed anew", async () => {
    const { calls, failure, lines } = await apply({ "helm history": said("", 1, "Error: release: not found") });
    expect(failure).toBeUndefined();
    expect(lines).toContain("there is no release cilium");
    expect(calls.some((call) => /helm (rollback|uninstall)/.test(call))).toBe(false);
});

test.each([
    ["no API server", { "kubectl get --raw": said("", 1, "connection refused") }, /needs no Cilium.*--server https/s],
    [
        "a history that cannot be read",
        { "helm history": said("", 1, "Forbidden") },
        /cannot read the release.*Forbidden/,
    ],
    [
        "a namespace that does not end",
        { "kubectl get namespaces": LEAVING, "kubectl wait": said("", 1, "timed out waiting for the condition") },
        /cilium-secrets of an earlier cilium is not gone after 120 s: timed out.*\n.*delete apiservice NAME.*kubectl apply/,
    ],
    ["no way to the chart", { "helm upgrade": said("", 1, "no such host") }, /no such host\n.*--chart FILE/],
    [
        "agents that do not start",
        { "kubectl rollout status daemonset": said("", 1, "timed out") },
        /describe daemonset\/cilium/,
    ],
    [
        "a node that stays away",
        { "kubectl get nodes": said(JSON.stringify({ items: [NODE("a", true), NODE("b", false)] })) },
        /nodes are not: b\. kubectl describe node b/,
    ],
])("%s: what to do next", async (_name, answers, message) => {
    expect((await apply(answers)).failure).toMatch(message);
});

describe("what Helm is told is what the stack's plan has", () => {
    const stacks = ["homelab", "chongus", "k3s-home", "magi"].filter((stack) => {
        try {
            readFileSync(stackFile(ROOT, stack));
            return true;
        } catch {
            return false;
        }
    });
    test.each(stacks)("%s: chart, version and every value, none of them unknown", async (stack) => {
        const plan = await planStack(stack, readStackValue(ROOT, stack), ROOT);
        const found = plannedRelease(plan, "cilium");
        expect(found).toMatchObject({
            namespace: "kube-system",
            chart: charts.cilium.name,
            version: charts.cilium.version,
            repository: charts.cilium.repository,
        });
        expect(found?.values).toMatchObject({ kubeProxyReplacement: true });
        // Without kube-proxy and without cluster DNS the agents must reach the API server by address.
        expect(found?.values["k8sServiceHost"]).toMatch(/^[0-9.]+$|^localhost$/);
    });
});

test("the documented command is one that there is", () => {
    const { scripts } = parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> };
    expect(scripts["cilium"]).toBe("node tools/run.cjs tools/cilium/main.ts");
});
