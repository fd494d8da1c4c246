/**
 * flux-operator: a FluxInstance brings Flux's CRDs, its controllers and, where it has `sync`, the pair of objects that
 * follow a path of Git, and takes them along when it goes. No Git is reachable from a sandbox, and what follows it says so,
 * as it does in life while the repository is away.
 */
import {
    type Action,
    collections,
    type Controller,
    objectPath,
    resources,
    type View,
} from "../../controllers/controller";
import {
    type CustomResource,
    ensure,
    hold,
    isLeaving,
    labelled,
    release,
    running,
    statusOf,
} from "../../controllers/custom-resources";
import { type Deployment, isRolledOut, keyOf, type KubeObject } from "../../controllers/objects";
import { type Crd, missingCrds } from "../../cluster/late-crds";

type FluxInstance = CustomResource<{
    readonly components?: readonly string[];
    readonly distribution: { readonly version: string; readonly registry: string };
    readonly sync?: {
        readonly kind: string;
        readonly url: string;
        readonly ref: string;
        readonly path: string;
        readonly interval?: string;
        readonly name?: string;
        readonly pullSecret?: string;
    };
    readonly wait?: boolean;
    readonly kustomize?: {
        readonly patches?: readonly { readonly patch: string; readonly target?: { name?: string } }[];
    };
}>;

const GROUP = "fluxcd.controlplane.io";
const FINALIZER = `${GROUP}/finalizer`;
const instances = resources(GROUP, "v1", "fluxinstances");
const gitRepositories = resources("source.toolkit.fluxcd.io", "v1", "gitrepositories");
const kustomizations = resources("kustomize.toolkit.fluxcd.io", "v1", "kustomizations");
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const PART_OF = { "app.kubernetes.io/part-of": "flux", "app.kubernetes.io/managed-by": "flux-operator" };
const COMPONENTS = ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"];

/** @param load gives the CRDs of a set. */
export function flux(load: (set: string) => readonly Crd[]): Controller {
    return {
        name: "flux",
        lists: [collections.deployments, instances, gitRepositories, kustomizations],
        async reconcile(view) {
            if (running(view, labelled({ "app.kubernetes.io/name": "flux-operator" })) === undefined) return [];
            const actions: Action[] = unreachable(view);
            for (const instance of view.list<FluxInstance>(instances)) {
                actions.push(
                    ...(isLeaving(instance) ? uninstall(view, instance, load) : await install(view, instance, load)),
                );
            }
            return actions;
        },
    };
}

async function install(
    view: View,
    instance: FluxInstance,
    load: (set: string) => readonly Crd[],
): Promise<readonly Action[]> {
    const held = hold(instances, instance, FINALIZER);
    const ready = (status: "True" | "False", reason: string, message: string) => [
        ...held,
        ...statusOf(instances, instance, view.now, {}, [{ type: "Ready", status, reason, message }]),
    ];
    if (instance.metadata.name !== "flux") return ready("False", "BuildFailed", "the only accepted name is flux");
    const crds = await missingCrds(view, load("flux"));
    if (crds.length > 0) {
        const made = crds.map((crd): Action => {
            const { status: _status, ...definition } = crd;
            const labels = { ...crd.metadata.labels, ...PART_OF };
            return {
                verb: "apply",
                path: `${CRDS}/${crd.metadata.name}`,
                body: { ...definition, metadata: { ...crd.metadata, labels } },
            };
        });
        return [...made, ...ready("False", "Progressing", "Reconciliation in progress")];
    }
    const { namespace = "" } = instance.metadata;
    const deployments = view.list<Deployment>(collections.deployments);
    const wanted = (instance.spec.components ?? COMPONENTS).map((component) =>
        controllerOf(component, namespace, instance),
    );
    const find = (name: string) => deployments.find((one) => keyOf(one) === `${namespace}/${name}`);
    const up = wanted.every(({ metadata }) => {
        const found = find(metadata.name);
        return found !== undefined && isRolledOut(found);
    });
    const verdict = () => {
        if (!up) return ready("False", "Progressing", "Reconciliation in progress");
        // The operator waits for all that it applied, which in `sync` is the repository, too.
        return instance.spec.sync !== undefined && instance.spec.wait === true
            ? ready("False", "ReconciliationFailed", `timeout waiting for: [GitRepository: ${NO_GIT}]`)
            : ready("True", "ReconciliationSucceeded", "Reconciliation finished in 1s");
    };
    return [
        ...wanted.flatMap((deployment) => {
            const found = find(deployment.metadata.name);
            const typed = found === undefined ? undefined : { ...found, apiVersion: "apps/v1", kind: "Deployment" };
            return ensure(collections.deployments, typed, deployment);
        }),
        ...(up ? syncActions(view, instance) : []),
        ...verdict(),
    ];
}

const NO_GIT = "failed to checkout and determine revision: no Git is reachable from a sandbox";

/** What source- and kustomize-controller say of everything that follows Git. */
function unreachable(view: View): Action[] {
    if (running(view, ({ metadata }) => metadata.name === "source-controller") === undefined) return [];
    const fault = (list: string, reason: string, message: string) =>
        view
            .list<CustomResource>(list)
            .flatMap((object) =>
                isLeaving(object)
                    ? []
                    : statusOf(list, object, view.now, {}, [{ type: "Ready", status: "False", reason, message }]),
            );
    return [
        ...fault(gitRepositories, "GitOperationFailed", NO_GIT),
        ...fault(kustomizations, "ArtifactFailed", "Source artifact not found, retrying in 30s"),
    ];
}

/** A controller with the memory limit that a JSON patch of the instance gives it. */
function controllerOf(name: string, namespace: string, { spec }: FluxInstance): KubeObject & { spec: object } {
    const labels = { app: name };
    const patches = (spec.kustomize?.patches ?? []).filter(({ target }) => target?.name === name);
    const memory = patches.flatMap(({ patch }) => memoryOf(patch))[0] ?? "1Gi";
    return {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name, namespace, labels: { ...PART_OF, "app.kubernetes.io/component": name } },
        spec: {
            replicas: 1,
            selector: { matchLabels: labels },
            template: {
                metadata: { labels },
                spec: {
                    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
                    containers: [
                        {
                            name: "manager",
                            image: `${spec.distribution.registry}/${name}`,
                            resources: { limits: { cpu: "1", memory }, requests: { cpu: "100m", memory: "64Mi" } },
                            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
                        },
                    ],
                },
            },
        },
    };
}

function memoryOf(patch: string): string[] {
    try {
        const operations = JSON.parse(patch) as { path?: string; value?: unknown }[];
        return operations.flatMap(({ path = "", value }) =>
            path.endsWith("/resources/limits/memory") && typeof value === "string" ? [value] : [],
        );
    } catch {
        return [];
    }
}

function syncActions(view: View, instance: FluxInstance): Action[] {
    const { sync } = instance.spec;
    const { namespace = "" } = instance.metadata;
    if (sync === undefined) return [];
    const name = sync.name ?? namespace;
    const source: KubeObject & { spec: object } = {
        apiVersion: "source.toolkit.fluxcd.io/v1",
        kind: sync.kind,
        metadata: { name, namespace, labels: PART_OF },
        spec: {
            interval: sync.interval ?? "1m",
            url: sync.url,
            ref: { name: sync.ref },
            ...(sync.pullSecret !== undefined && { secretRef: { name: sync.pullSecret } }),
        },
    };
    const kustomization: KubeObject & { spec: object } = {
        apiVersion: "kustomize.toolkit.fluxcd.io/v1",
        kind: "Kustomization",
        metadata: { name, namespace, labels: PART_OF },
        spec: { interval: "10m", path: sync.path, prune: true, sourceRef: { kind: sync.kind, name } },
    };
    const follow = (list: string, object: KubeObject): Action[] => {
        const found = view.list<CustomResource>(list).find((one) => keyOf(one) === keyOf(object));
        const typed =
            found === undefined
                ? undefined
                : { ...found, apiVersion: object.apiVersion ?? "", kind: object.kind ?? "" };
        return ensure(list, typed, object);
    };
    return sync.kind === "GitRepository"
        ? [...follow(gitRepositories, source), ...follow(kustomizations, kustomization)]
        : [];
}

/** First what follows Git, then the controllers, then the kinds; then the instance may go. */
function uninstall(view: View, instance: FluxInstance, load: (set: string) => readonly Crd[]): Action[] {
    const { namespace = "" } = instance.metadata;
    const inNamespace = (list: string) =>
        view
            .list<KubeObject>(list)
            .filter(
                ({ metadata: { labels = {}, namespace: home } }) =>
                    home === namespace && labels["app.kubernetes.io/managed-by"] === "flux-operator",
            );
    const parts = [kustomizations, gitRepositories, collections.deployments].map((list) =>
        inNamespace(list).map((object): Action => ({ verb: "delete", path: objectPath(list, object.metadata) })),
    );
    const first = parts.find((actions) => actions.length > 0);
    if (first !== undefined) return first.filter(({ path }) => !path.endsWith("/flux-operator"));
    return [
        ...load("flux").map((crd): Action => ({ verb: "delete", path: `${CRDS}/${crd.metadata.name}` })),
        ...release(instances, instance, FINALIZER),
    ];
}
