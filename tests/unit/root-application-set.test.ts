/** What Argo CD makes of the names of directories. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { applicationSetSpec } from "../../components/gitops/root-application-set";
import { ROOT } from "../../stacks/stack-file";

const GROUPS = ["infra", "apps", "media"];
const { template } = applicationSetSpec({
    repository: "https://git.example/x",
    revision: "main",
    path: "k8s/argocd-homelab",
    groups: GROUPS,
    ownedByPulumi: [],
    rendered: { tree: "gitops/homelab", apps: [] },
});

/** `basenameNormalized`: Argo CD's SanitizeName (applicationset/utils). */
const normalized = (name: string) =>
    name
        .toLowerCase()
        .replaceAll(/[^-a-z0-9.]/g, "-")
        .slice(0, 253)
        .replaceAll(/^[-.]+|[-.]+$/g, "");

/** The few functions of sprig that the templates use. */
const functions: Record<string, (value: string, ...args: string[]) => string> = {
    replace: (value, from = "", to = "") => value.replaceAll(from, to),
    trunc: (value, length) => value.slice(0, Number(length)),
    trimSuffix: (value, suffix = "") => (value.endsWith(suffix) ? value.slice(0, -suffix.length) : value),
};

function rendered(text: string, directory: string): string {
    return text.replaceAll(/\{\{ \.path\.basenameNormalized(.*?) \}\}/g, (_, pipeline: string) =>
        pipeline
            .split(" | ")
            .slice(1)
            .reduce((value, call) => {
                const [name = "", ...args] = call.trim().split(" ");
                const apply = functions[name];
                if (apply === undefined) throw new Error(`the test knows no function ${name}`);
                return apply(value, ...args.map((arg) => arg.replaceAll('"', "")));
            }, normalized(directory)),
    );
}

const application = (directory: string) => rendered(template.metadata.name, directory);
const namespace = (directory: string) => rendered(template.spec.destination.namespace, directory);

test.each([
    ["podinfo", "podinfo", "podinfo"],
    ["node_exporter.extra", "node-exporter.extra", "node-exporter-extra"],
    ["Grafana", "grafana", "grafana"],
    ["v1.2.", "v1.2", "v1-2"],
    ["a".repeat(62) + ".b", "a".repeat(62) + ".b", "a".repeat(62)],
])("%s: an Application's name and a namespace that Kubernetes takes", (directory, name, space) => {
    expect([application(directory), namespace(directory)]).toEqual([name, space]);
    expect(application(directory)).toMatch(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/);
    expect(namespace(directory)).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
});

test("equal names in two groups are one name: Argo CD refuses the second, as the README of the tree says", () => {
    // The group is in no name, so that an app keeps its Application and namespace when it moves from one to another.
    expect(new Set(["infra/redis", "media/redis"].map((path) => application(path.split("/")[1] ?? ""))).size).toBe(1);
    expect(application("node_exporter")).toBe(application("node-exporter"));
    const readme = readFileSync(join(ROOT, "k8s/argocd-homelab/README.md"), "utf8");
    expect(readme).toContain("A name stands once in all three groups");
});

test("the committed tree has each name once", () => {
    const tree = join(ROOT, "k8s/argocd-homelab");
    const present = readdirSync(tree);
    const names = GROUPS.filter((group) => present.includes(group)).flatMap((group) =>
        readdirSync(join(tree, group), { withFileTypes: true })
            .filter((entry) => entry.isDirectory())
            .map(({ name }) => namespace(name)),
    );
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});
