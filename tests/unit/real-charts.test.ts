/**
 * Every release of every stack, rendered from the whole chart with the plan's values: what Helm will send to the API server is
 * held against schemas, namespaces' Pod Security, the policy and the rest of the plan.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MachinesOfKind } from "../../bootstrap/machines";
import { podSecurityFaults, type PodSecurityLevel } from "../../policy/pod-security";
import { rules } from "../../policy/rules";
import { podOf } from "../../policy/rules/kubernetes";
import type { Subject } from "../../policy/rules/rule";
import { assembleCharts } from "../../sandbox/charts/assemble";
import { recipePolicies, severityOf } from "../../policy/stacks";
import { openStack, stackNames } from "../../stacks";
import { planStack, type Plan } from "../../tools/plan/plan";
import type { RenderedObject } from "../../tools/plan/rendered";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { TOOLS } from "../../lib/toolchain";
import { crdFaults, haveCrds } from "./crd-schema";
import { builtInFaults, haveOpenApi } from "./kubernetes-schema";
import { dig, lookInto } from "./planned";
import { BY_CHART } from "./references";
import { cannotRender, renderReleases, type RenderedRelease } from "./rendered-charts";

jest.setTimeout(300_000);

let missing: string | undefined;
const plans = new Map<string, Plan>();
const rendered = new Map<string, readonly RenderedRelease[]>();

beforeAll(async () => {
    missing = await cannotRender();
    if (missing !== undefined) console.warn(`skipped: ${missing}`);
    for (const stack of stackNames(ROOT)) {
        const plan = await planStack(stack, readStackValue(ROOT, stack), ROOT);
        plans.set(stack, plan);
        if (missing === undefined) rendered.set(stack, await renderReleases(plan, kubernetesOf(stack)));
    }
});

/** Kubernetes of a stack: Talos' is in its file, k3s' is NixOS' matter and taken to be the sandbox's. */
function kubernetesOf(stack: string): string {
    const { kubernetesVersion }: MachinesOfKind = openStack(stack, readStackValue(ROOT, stack)).machines;
    return kubernetesVersion ?? TOOLS.kubectl.version;
}

/** Cluster-wide kinds of Kubernetes among what charts make. */
const CLUSTER_WIDE =
    /^(Namespace|ClusterRole|ClusterRoleBinding|StorageClass|IngressClass|GatewayClass|PriorityClass|RuntimeClass|APIService|(Mutating|Validating)WebhookConfiguration|ValidatingAdmissionPolicy|ValidatingAdmissionPolicyBinding|VolumeSnapshotClass|CiliumLoadBalancerIPPool|CSIDriver)$/;

/** Values that decide on containers, where an exemption names the value. */
const MADE_BY: Readonly<Record<string, string>> = {
    "Job kube-prometheus-stack-admission-create/create": "prometheusOperator.admissionWebhooks.patch.resources",
    "Job kube-prometheus-stack-admission-patch/patch": "prometheusOperator.admissionWebhooks.patch.resources",
};

const titleOf = ({ kind, metadata }: RenderedObject) => `${kind} ${metadata.name}`;
const namespaceOf = (object: RenderedObject, release: RenderedRelease) =>
    CLUSTER_WIDE.test(object.kind) ? undefined : (object.metadata.namespace ?? release.namespace);

/** The object as a rule of the policy sees it. */
function subject(object: RenderedObject, { release }: RenderedRelease): Subject {
    const version = object.apiVersion.includes("/") ? object.apiVersion : `core/${object.apiVersion}`;
    return {
        urn: release.urn,
        type: `kubernetes:${version}:${object.kind}`,
        name: object.metadata.name,
        inputs: object,
    };
}

const isMade = ({ metadata }: RenderedObject): boolean =>
    !/\btest\b/.test(String(dig(metadata, "annotations", "helm.sh/hook")));

/** Runs a check over every object of a stack's releases; what it finds is told with release and object. */
function overObjects(
    stack: string,
    check: (object: RenderedObject, release: RenderedRelease) => readonly string[],
): string[] {
    return (rendered.get(stack) ?? []).flatMap((release) =>
        // What only `helm test` would make is never made.
        release.objects
            .filter(isMade)
            .flatMap((object) =>
                check(object, release).map((fault) => `${release.release.name}, ${titleOf(object)}: ${fault}`),
            ),
    );
}

describe.each(stackNames(ROOT))("%s", (stack) => {
    test("every release makes something", () => {
        if (missing !== undefined) return;
        const releases = rendered.get(stack) ?? [];
        expect(releases.length).toBeGreaterThan(3);
        for (const { release, objects, definitions } of releases) {
            expect([release.name, objects.length + definitions.length > 0]).toEqual([release.name, true]);
        }
    });

    test("every field of Kubernetes' own objects is known and of its type", () => {
        if (missing !== undefined) return;
        if (!haveOpenApi)
            return console.warn("skipped: Go's cache has no sources of Kubernetes; npm run tools brings them");
        expect(overObjects(stack, (object) => builtInFaults(object) ?? [])).toEqual([]);
    });

    test("custom resources are valid under their definitions", () => {
        if (missing !== undefined) return;
        if (!haveCrds || !haveOpenApi)
            return console.warn("skipped: ../shared/crds or Kubernetes' sources are not here");
        expect(overObjects(stack, (object) => (builtInFaults(object) === undefined ? crdFaults(object) : []))).toEqual(
            [],
        );
    });

    test("objects go into namespaces that are there", () => {
        if (missing !== undefined) return;
        const releases = rendered.get(stack) ?? [];
        const made = releases.flatMap(({ objects }) => objects.filter(({ kind }) => kind === "Namespace"));
        const known = new Set([
            ...["default", "kube-system"],
            ...lookInto(() => plans.get(stack) as Plan)
                .all("core/v1:Namespace")
                .map(({ inputs }) => String(dig(inputs, "metadata", "name"))),
            ...made.map(({ metadata }) => metadata.name),
        ]);
        expect(
            overObjects(stack, (object, release) => {
                const namespace = namespaceOf(object, release);
                return namespace === undefined || known.has(namespace) ? [] : [`there is no namespace ${namespace}`];
            }),
        ).toEqual([]);
    });

    const levelsOf = () =>
        new Map(
            lookInto(() => plans.get(stack) as Plan)
                .all("core/v1:Namespace")
                .map(({ inputs }) => [
                    String(dig(inputs, "metadata", "name")),
                    String(dig(inputs, "metadata", "labels", "pod-security.kubernetes.io/enforce")) as PodSecurityLevel,
                ]),
        );

    test("the program's own pods keep the Pod Security level of their namespace", () => {
        const levels = levelsOf();
        const faults = (plans.get(stack)?.resources ?? []).flatMap((resource) => {
            const pod = podOf(resource);
            const level = levels.get(String(dig(resource.inputs, "metadata", "namespace")));
            if (pod === undefined || level === undefined) return [];
            return podSecurityFaults(level, pod.spec).map((fault) => `${resource.name}: ${fault}`);
        });
        expect(faults).toEqual([]);
    });

    test("pods of charts keep the Pod Security level of their namespace", () => {
        if (missing !== undefined) return;
        const levels = levelsOf();
        expect(
            overObjects(stack, (object, release) => {
                const pod = podOf(subject(object, release));
                const level = levels.get(namespaceOf(object, release) ?? "");
                return pod === undefined || level === undefined ? [] : podSecurityFaults(level, pod.spec);
            }),
        ).toEqual([]);
    });

    test("what charts make keeps the policy, but for what is exempt", () => {
        if (missing !== undefined) return;
        const policy = recipePolicies[plans.get(stack)?.recipe ?? ""];
        // The others judge what a person writes: names, where objects come from, who made them.
        // Where a namespace says what a container without a limit gets, there is none.
        const limited = lookInto(() => plans.get(stack) as Plan)
            .all("core/v1:LimitRange")
            .filter(({ inputs }) => dig(inputs, "spec", "limits", 0, "default", "memory") !== undefined)
            .map(({ inputs }) => String(dig(inputs, "metadata", "namespace")));
        const wanted = rules.filter(({ id }) => ["memory-limit", "abandoned-source", "velero"].includes(id));
        expect(
            overObjects(stack, (object, release) =>
                wanted
                    .filter((rule) => policy === undefined || severityOf(rule, policy) === "mandatory")
                    .filter(({ id }) => id !== "memory-limit" || !limited.includes(namespaceOf(object, release) ?? ""))
                    .flatMap((rule) => {
                        const exempt = (part: string) =>
                            policy?.exemptions.some(
                                ({ rule: id, match }) =>
                                    id === rule.id &&
                                    [release.release.name, dig(release.release.inputs, "name")].includes(match.name) &&
                                    (match.part === undefined || match.part === MADE_BY[part]),
                            ) === true;
                        const context = { stack, recipe: stack, resources: [], exposures: [] };
                        return rule
                            .check(subject(object, release), context)
                            .filter(({ part }) => !exempt(`${titleOf(object)}/${part}`))
                            .map(({ message }) => message);
                    }),
            ),
        ).toEqual([]);
    });

    test("each object has one owner", () => {
        if (missing !== undefined) return;
        const owners = new Map<string, string[]>();
        const own = (owner: string, ...key: (string | undefined)[]) => {
            const id = key.join(" ");
            owners.set(id, [...(owners.get(id) ?? []), owner]);
        };
        const group = (apiVersion: string) => (apiVersion.includes("/") ? apiVersion.split("/")[0] : "");
        for (const release of rendered.get(stack) ?? []) {
            for (const object of release.objects) {
                own(
                    release.release.name,
                    group(object.apiVersion),
                    object.kind,
                    namespaceOf(object, release),
                    object.metadata.name,
                );
            }
            for (const name of release.definitions) own(release.release.name, "CustomResourceDefinition", name);
        }
        for (const { urn, inputs, type } of plans.get(stack)?.resources ?? []) {
            const [apiVersion, kind, name, namespace] = [
                dig(inputs, "apiVersion"),
                dig(inputs, "kind"),
                dig(inputs, "metadata", "name"),
                dig(inputs, "metadata", "namespace"),
            ].map((value) => (typeof value === "string" ? value : undefined));
            if (type.startsWith("kubernetes:") && apiVersion !== undefined && name !== undefined) {
                own(urn, group(apiVersion), kind, namespace, name);
            }
            const bundle = dig(inputs, "environment", "CRD_NAMES");
            if (typeof bundle === "string") {
                for (const definition of bundle.split(" ")) own(urn, "CustomResourceDefinition", definition);
            }
        }
        expect([...owners].filter(([, who]) => who.length > 1)).toEqual([]);
    });

    test("what brings an aggregated API goes before every namespace", () => {
        if (missing !== undefined) return;
        const { all, waitsFor } = lookInto(() => plans.get(stack) as Plan);
        const bringers = (rendered.get(stack) ?? []).filter(({ objects }) =>
            objects.some(({ kind }) => kind === "APIService"),
        );
        for (const { release } of bringers) {
            const waited = waitsFor(release.urn);
            const after = all("core/v1:Namespace").filter(({ urn }) => !waited.has(urn));
            expect([release.name, after.map(({ name }) => name)]).toEqual([release.name, []]);
        }
        expect(stack !== "chongus" || bringers.length === 1).toBe(true);
    });
});

test("what references.ts says that charts make, they make, and others make what it says of others", () => {
    if (missing !== undefined) return;
    const made = new Map<string, Set<string>>();
    for (const release of [...rendered.values()].flat()) {
        const chart = String(dig(release.release.inputs, "chart")).split("/").at(-1) ?? "";
        const objects = made.get(chart) ?? new Set();
        for (const object of release.objects.filter(isMade)) objects.add(titleOf(object));
        made.set(chart, objects);
    }
    const wrong = Object.entries(BY_CHART).flatMap(([chart, said]) =>
        said
            .filter(([kind, name, by]) => (made.get(chart)?.has(`${kind} ${name}`) ?? false) === (by !== undefined))
            .map(
                ([kind, name, by]) =>
                    `${chart}: ${kind} ${name} ${by === undefined ? "is not made" : `is not by ${by}`}`,
            ),
    );
    expect(wrong).toEqual([]);
});

test("the check sees what is wrong with an object of Kubernetes itself", () => {
    if (!haveOpenApi)
        return console.warn("skipped: Go's cache has no sources of Kubernetes; npm run tools brings them");
    const container = { name: "app", image: "app", ressources: {}, ports: [{ containerPort: "http" }] };
    const template = { metadata: { labels: { app: 1 } }, spec: { containers: [container] } };
    const deployment = { apiVersion: "apps/v1", kind: "Deployment", spec: { template, replicas: null } };
    expect(builtInFaults(deployment)).toEqual([
        "Deployment.spec.selector: is required",
        "Deployment.spec.template.metadata.labels.app: got 1; allowed: string",
        "Deployment.spec.template.spec.containers[0].ressources: there is no such field",
        'Deployment.spec.template.spec.containers[0].ports[0].containerPort: got "http"; allowed: integer',
    ]);
    expect(builtInFaults({ apiVersion: "cilium.io/v2", kind: "CiliumNode" })).toBeUndefined();
});

/** Where a stand-in is kinder than its chart on purpose, or names what nothing here waits for. */
const UNLIKE: Readonly<Record<string, readonly string[]>> = {
    thanos: ["Service thanos-store-gateway", "Service thanos-compact"],
    "rook-ceph-cluster": ["ServiceAccount rook-ceph-tools"],
    "rook-ceph": ["ServiceAccount ceph-csi-controller-manager"],
    authentik: ["ServiceAccount authentik-server", "ServiceAccount authentik-worker"],
    longhorn: ["ServiceAccount longhorn-driver-deployer"],
    velero: ["ServiceAccount node-agent"],
};

test("what stand-ins make is in the whole charts, too, Services with the same ports", async () => {
    if (missing !== undefined) return;
    const out = mkdtempSync(join(tmpdir(), "stand-ins-"));
    try {
        const directories = assembleCharts({ out, ...(haveCrds ? { crds: join(ROOT, "..", "shared", "crds") } : {}) });
        const faults: string[] = [];
        for (const stack of stackNames(ROOT)) {
            const standIns = await renderReleases(plans.get(stack) as Plan, kubernetesOf(stack), directories);
            for (const { release, objects } of standIns) {
                const chart = String(dig(release.inputs, "chart")).split("/").at(-1) ?? "";
                const whole = rendered.get(stack)?.find((one) => one.release.urn === release.urn)?.objects ?? [];
                for (const object of objects) {
                    const title = titleOf(object);
                    const real = whole.find((one) => titleOf(one) === title);
                    if (real === undefined) {
                        if (UNLIKE[chart]?.includes(title) !== true) faults.push(`${chart}: it makes no ${title}`);
                        continue;
                    }
                    const ports = (of: RenderedObject) =>
                        ((dig(of, "spec", "ports") ?? []) as { name?: string; port: number }[]).map(
                            ({ name, port }) => `${name ?? ""} ${port}`,
                        );
                    if (object.kind === "Service") {
                        const others = ports(object).filter((port) => !ports(real).includes(port));
                        faults.push(...others.map((port) => `${chart}: ${title} has no port ${port}`));
                    }
                }
            }
        }
        expect(faults).toEqual([]);
    } finally {
        rmSync(out, { recursive: true });
    }
});
