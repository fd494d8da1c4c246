import { stringify, type DocumentOptions, type SchemaOptions, type Tags, type ToStringOptions } from "yaml";

/**
 * YAML that a reader of YAML 1.1 understands as one of 1.2 does. Those of Kubernetes (kubectl, Argo CD, Helm, kubeadm) and of Python are of
 * 1.1: to them an unquoted `on`, `no` or `y` is a boolean, and `0644` a number with another value.
 */
export const yamlText = (value: unknown, options: ToStringOptions = {}): string =>
    stringify(value, { ...options, compat: "yaml-1.1" });

/** How Kubernetes' programs read YAML: as 1.1, but dates and numbers to the base of 60 are text to them. */
export const READ_BY_KUBERNETES = {
    version: "1.1",
    customTags: (tags: Tags) =>
        tags.filter(
            (tag) =>
                typeof tag === "string" ||
                (tag.tag !== "tag:yaml.org,2002:timestamp" && !("format" in tag && tag.format === "TIME")),
        ),
} as const satisfies DocumentOptions & SchemaOptions;
