import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

/** What containers of a namespace get that say nothing themselves, such as those of a chart that has no values for them. */
export const defaultLimits = (
    name: string,
    namespace: pulumi.Input<string>,
    { memory }: { readonly memory: string },
    opts: pulumi.CustomResourceOptions,
): k8s.core.v1.LimitRange =>
    new k8s.core.v1.LimitRange(
        name,
        {
            metadata: { name: "default-limits", namespace },
            spec: {
                limits: [
                    {
                        type: "Container",
                        defaultRequest: { cpu: "10m", memory: "32Mi" },
                        default: { memory },
                    },
                ],
            },
        },
        opts,
    );
