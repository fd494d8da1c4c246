import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

/** Pod Security Standard that a namespace enforces, https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
export type PodSecurity = "privileged" | "baseline" | "restricted";

/**
 * The namespaces of a stack, each declared once with its Pod Security level. Workloads name one; asking for a
 * namespace that the stack did not declare is an error, so no level is chosen by accident.
 */
export class Namespaces extends pulumi.ComponentResource {
    readonly #resources: ReadonlyMap<string, k8s.core.v1.Namespace>;

    constructor(name: string, levels: Readonly<Record<string, PodSecurity>>, opts: pulumi.ComponentResourceOptions) {
        super("homelab:cluster:Namespaces", name, {}, opts);
        this.#resources = new Map(
            Object.entries(levels).map(([namespace, level]) => [
                namespace,
                podSecurityNamespace(namespace, level, { parent: this }),
            ]),
        );
        this.registerOutputs({});
    }

    /** The namespace's name as an Output, so that whoever uses it waits for it. Throws on an undeclared one. */
    name(namespace: string): pulumi.Output<string> {
        const found = this.#resources.get(namespace);
        if (found === undefined) {
            throw new pulumi.RunError(
                `namespace "${namespace}" is not declared; declared are ${[...this.#resources.keys()].join(", ")}. ` +
                    `Add it with its Pod Security level where the stack makes its Namespaces.`,
            );
        }
        return found.metadata.name;
    }
}

/** A namespace that enforces, and warns at, one Pod Security level. `more`: labels besides. */
export function podSecurityNamespace(
    name: string,
    level: PodSecurity,
    opts: pulumi.CustomResourceOptions,
    more: Readonly<Record<string, string>> = {},
): k8s.core.v1.Namespace {
    return new k8s.core.v1.Namespace(
        name,
        {
            metadata: {
                name,
                labels: {
                    "pod-security.kubernetes.io/enforce": level,
                    "pod-security.kubernetes.io/warn": level,
                    ...more,
                },
            },
        },
        opts,
    );
}
