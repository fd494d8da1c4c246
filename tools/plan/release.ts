/** A Helm release of a plan as Helm itself would be told of it. */
import { UserError } from "../../lib/user-error";
import { isObject, type Json } from "./monitor";
import type { Plan } from "./plan";

export interface PlannedRelease {
    readonly name: string;
    readonly namespace: string;
    /** Name in the repository, or a whole oci:// reference. */
    readonly chart: string;
    readonly version: string;
    /** URL; absent: the chart is an OCI reference. */
    readonly repository?: string;
    readonly values: { readonly [key: string]: Json };
}

/**
 * The release of that name; undefined: the plan has none. Throws a `UserError` where a value of it cannot be known without
 * the cluster.
 */
export function plannedRelease({ stack, resources }: Pick<Plan, "stack" | "resources">, name: string) {
    const found = resources.find(
        ({ type, inputs }) => type === "kubernetes:helm.sh/v3:Release" && isObject(inputs) && inputs["name"] === name,
    );
    if (found === undefined || !isObject(found.inputs)) return undefined;
    const { namespace, chart, version, repositoryOpts, values } = found.inputs;
    const repository = isObject(repositoryOpts) ? repositoryOpts["repo"] : undefined;
    const release: PlannedRelease = {
        name,
        namespace: String(namespace),
        chart: String(chart),
        version: String(version),
        ...(typeof repository === "string" && { repository }),
        values: isObject(values) ? values : {},
    };
    const unknown = unknownIn({ namespace: release.namespace, values: release.values });
    if (unknown !== undefined) {
        throw new UserError(`the release ${name} of ${stack} has a value at ${unknown} that only an up can know`);
    }
    return release;
}

function unknownIn(value: Json, path = ""): string | undefined {
    if (value === "[unknown]" || value === "[secret]") return path;
    const inside: [string, Json][] = Array.isArray(value)
        ? value.map((item, index) => [String(index), item])
        : isObject(value)
          ? Object.entries(value)
          : [];
    for (const [key, item] of inside) {
        const found = unknownIn(item, path === "" ? key : `${path}.${key}`);
        if (found !== undefined) return found;
    }
    return undefined;
}

/** Arguments of `helm upgrade --install`; `chart`: a file or folder in place of the repository's. */
export function helmUpgrade(release: PlannedRelease, valuesFile: string, chart?: string): string[] {
    const { name, namespace, version, repository } = release;
    return [
        ...["upgrade", "--install", name, chart ?? release.chart],
        ...(chart === undefined
            ? [...(repository === undefined ? [] : ["--repo", repository]), "--version", version]
            : []),
        ...["--namespace", namespace, "--values", valuesFile],
    ];
}
