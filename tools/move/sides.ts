/** What an app is on one cluster, as far as the plan says: its workloads, its data, and how it is reached. */
import { deliveredByGit } from "../plan/git";
import { isObject, listOf, type Json } from "../plan/monitor";
import type { Plan, PlannedResource } from "../plan/plan";

/** A workload of the app that has a volume of its own. */
export interface DataVolume {
    readonly workload: string;
    readonly namespace: string;
    /** Size of the claim, as a Kubernetes quantity. */
    readonly size: string;
    readonly kept:
        | { readonly by: "directory"; readonly node: string; readonly path: string }
        | {
              readonly by: "volsync";
              readonly claim: string;
              /** ReplicationSource by backend. */
              readonly sources: Readonly<Record<string, string>>;
              /** ReplicationDestination that fills a new claim; absent: one that goes again once it has restored in place. */
              readonly destination?: string;
              /** Backend that it restores from. */
              readonly restoreFrom: string;
              /** restic repository by backend. */
              readonly repositories: Readonly<Record<string, string>>;
          };
}

export interface Route {
    readonly host: string;
    readonly address: string;
    readonly access: string;
    /** API path of the object that makes it; undefined for a Service with an address of its own. */
    readonly object?: string;
}

/** A database of the app on a server that it shares. */
export interface SharedDatabase {
    readonly name: string;
    readonly owner: string;
    readonly namespace: string;
    /** Service of the server's primary. */
    readonly service: string;
}

/** A Secret of the app that a store fills. */
export interface StoredSecret {
    readonly namespace: string;
    /** Of the ExternalSecret. */
    readonly name: string;
    /** Keys in the store. */
    readonly keys: readonly string[];
}

/** What a stack's file says of an app. */
export interface Declaration {
    /** False: the plan was made as though the stack's file declared the app. */
    readonly declared: boolean;
    /** The app's block in the file, as it stands there. */
    readonly settings: Readonly<Record<string, unknown>>;
    /** True where the stack is phased out and lists the app among those that may stay. */
    readonly frozen: boolean;
}

export interface Side extends Declaration {
    readonly stack: string;
    /** True when Git delivers it: then scaling by hand does not last. */
    readonly byGit: boolean;
    readonly workloads: readonly PlannedWorkload[];
    readonly data: readonly DataVolume[];
    readonly databases: readonly SharedDatabase[];
    readonly routes: readonly Route[];
    readonly secrets: readonly StoredSecret[];
    /** Namespaces of the workloads that the program makes. */
    readonly namespaces: readonly string[];
}

export interface PlannedWorkload {
    readonly namespace: string;
    readonly name: string;
    readonly replicas: number;
    /** Devices that its first container gets, e.g. gpu.intel.com/i915. */
    readonly devices: readonly string[];
}

/** Workloads are named after their app: the app's own name, and what goes before it with a dash. */
const belongsTo = (app: string) => (name: string) => name === app || name.startsWith(`${app}-`);

export function sideOf(plan: Plan, app: string, declaration: Declaration): Side {
    const own = belongsTo(app);
    const inputs = (resource: PlannedResource) => resource.inputs;
    const ofType = (type: string) => plan.resources.filter((resource) => resource.type.endsWith(type));
    const git = deliveredByGit(plan);
    const deployments = ofType("apps/v1:Deployment").filter(({ inputs: object }) =>
        own(text(object, "metadata", "name")),
    );
    const workloads = deployments.map(inputs).map((object) => ({
        namespace: text(object, "metadata", "namespace"),
        name: text(object, "metadata", "name"),
        replicas: Number(at(object, "spec", "replicas") ?? 1),
        devices: devicesOf(at(object, "spec", "template", "spec", "containers", 0, "resources", "limits")),
    }));
    const data = workloads.flatMap(({ namespace, name }): DataVolume[] => {
        const claim = claimOf(plan, namespace, name);
        return claim === undefined
            ? []
            : [
                  {
                      workload: name,
                      namespace,
                      size: text(claim, "spec", "resources", "requests", "storage"),
                      kept: keptBy(plan, namespace, claim),
                  },
              ];
    });
    const routes = plan.exposures
        .filter(({ workload }) => own(workload))
        .map(({ workload, host, address, access }): Route => {
            const object = routeObject(plan, workload);
            return { host, address, access, ...(object === undefined ? {} : { object }) };
        });
    // https://cloudnative-pg.io/documentation/current/declarative_database_management/
    const databases = ofType("postgresql.cnpg.io/v1:Database")
        .map(inputs)
        .filter((object) => own(text(object, "spec", "name")))
        .map((object) => ({
            name: text(object, "spec", "name"),
            owner: text(object, "spec", "owner"),
            namespace: text(object, "metadata", "namespace"),
            service: `${text(object, "spec", "cluster", "name")}-rw`,
        }));
    const secrets = ofType(":ExternalSecret")
        .map(inputs)
        .filter((object) => own(text(object, "metadata", "name")))
        .map((object) => ({
            namespace: text(object, "metadata", "namespace"),
            name: text(object, "metadata", "name"),
            keys: listOf(at(object, "spec", "data"))
                .map((item) => text(item, "remoteRef", "key"))
                .sort(),
        }));
    const made = ofType("core/v1:Namespace").map(({ inputs: object }) => text(object, "metadata", "name"));
    const namespaces = [...new Set(workloads.map(({ namespace }) => namespace))].filter((name) => made.includes(name));
    const byGit = deployments.some(({ urn }) => git.has(urn));
    return {
        stack: plan.stack,
        ...declaration,
        ...{ byGit, workloads, data, databases, routes, secrets, namespaces },
    };
}

/** Extended resources have a domain in their name. */
const devicesOf = (limits: Json | undefined) =>
    isObject(limits) ? Object.keys(limits).filter((name) => name.includes("/")) : [];

/** The claim of a workload's data volume: the one that is filled from a backup or bound to a directory. */
function claimOf(plan: Plan, namespace: string, workload: string): Json | undefined {
    const mounted = plan.volumes.some((row) => row.workload === workload && row.kind === "data");
    if (!mounted) return undefined;
    return plan.resources
        .filter(({ type }) => type.endsWith("core/v1:PersistentVolumeClaim"))
        .map(({ inputs }) => inputs)
        .find(
            (claim) =>
                text(claim, "metadata", "namespace") === namespace &&
                [workload, `${workload}-config`].includes(text(claim, "metadata", "name")),
        );
}

function keptBy(plan: Plan, namespace: string, claim: Json): DataVolume["kept"] {
    const name = text(claim, "metadata", "name");
    const objects = (kind: string) =>
        plan.resources
            .filter(({ type }) => type.endsWith(`:${kind}`))
            .map(({ inputs }) => inputs)
            .filter((object) => kind === "PersistentVolume" || text(object, "metadata", "namespace") === namespace);
    const sources = objects("ReplicationSource").filter((one) => text(one, "spec", "sourcePVC") === name);
    if (sources.length === 0) {
        const volume = objects("PersistentVolume").find((one) => text(one, "spec", "claimRef", "name") === name);
        const node = ["spec", "nodeAffinity", "required", "nodeSelectorTerms", 0, "matchExpressions", 0, "values", 0];
        return {
            by: "directory",
            node: String(at(volume, ...node) ?? ""),
            path: text(volume, "spec", "hostPath", "path"),
        };
    }
    const destination = text(claim, "spec", "dataSourceRef", "name");
    const backendOf = (secret: string) => secret.replace(`${name}-volsync-`, "");
    const repository = (secret: string) => {
        const found = objects("ExternalSecret").find((one) => text(one, "metadata", "name") === secret);
        return text(found, "spec", "target", "template", "data", "RESTIC_REPOSITORY");
    };
    const secretOf = (one: Json | undefined) => text(one, "spec", "restic", "repository");
    const restorer =
        destination === ""
            ? inPlace(plan, namespace, name)
            : objects("ReplicationDestination").find((one) => text(one, "metadata", "name") === destination);
    return {
        by: "volsync",
        claim: name,
        sources: Object.fromEntries(sources.map((one) => [backendOf(secretOf(one)), text(one, "metadata", "name")])),
        ...(destination === "" ? {} : { destination }),
        restoreFrom: backendOf(secretOf(restorer)),
        repositories: Object.fromEntries(sources.map((one) => [backendOf(secretOf(one)), repository(secretOf(one))])),
    };
}

/** The ReplicationDestination that a command makes and takes away again (components/backup/backed-up-volume.ts). */
function inPlace(plan: Plan, namespace: string, claim: string): Json | undefined {
    const environment = plan.resources
        .filter(({ type }) => type.endsWith(":Command"))
        .map(({ inputs }) => at(inputs, "environment"))
        .filter((one) => text(one, "CLAIM") === claim && text(one, "NAMESPACE") === namespace)
        .find((one) => text(one, "DESTINATION") !== "");
    return environment === undefined ? undefined : (JSON.parse(text(environment, "DESTINATION")) as Json);
}

/** API path of the Ingress or HTTPRoute of a workload. */
function routeObject(plan: Plan, workload: string): string | undefined {
    for (const [kind, path] of [
        ["Ingress", "/apis/networking.k8s.io/v1/namespaces/%/ingresses/"],
        ["HTTPRoute", "/apis/gateway.networking.k8s.io/v1/namespaces/%/httproutes/"],
    ] as const) {
        const found = plan.resources.find(
            ({ type, inputs }) => type.endsWith(`:${kind}`) && text(inputs, "metadata", "name") === workload,
        );
        if (found !== undefined) return path.replace("%", text(found.inputs, "metadata", "namespace")) + workload;
    }
    return undefined;
}

function at(value: Json | undefined, ...path: (string | number)[]): Json | undefined {
    return path.reduce<Json | undefined>((node, part) => {
        if (Array.isArray(node)) return typeof part === "number" ? node[part] : undefined;
        return isObject(node) ? node[part] : undefined;
    }, value);
}

function text(value: Json | undefined, ...path: string[]): string {
    const found = at(value, ...path);
    return typeof found === "string" ? found : "";
}
