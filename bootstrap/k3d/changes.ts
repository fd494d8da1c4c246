/** What differs between two clusters as k3d would make them, for a person who reads a plan. */
import { parse } from "yaml";
import type { FixedConfig } from "./cluster-config";

/** Of the triggers of the command that makes a cluster; undefined for those of any other. */
export function readFixedConfig(triggers: unknown): FixedConfig | undefined {
    const [text]: unknown[] = Array.isArray(triggers) ? triggers : [];
    if (typeof text !== "string" || !text.startsWith("apiVersion: k3d.io/")) return undefined;
    return parse(text) as FixedConfig;
}

/** One short sentence for each thing that k3d fixes and that is another one; empty when nothing is. */
export function configChanges(before: FixedConfig, after: FixedConfig): string[] {
    const one = (what: string, was: string | number, is: string | number) =>
        was === is ? [] : [`${what} ${was} becomes ${is}`];
    const many = (what: string, was: readonly string[], is: readonly string[]) => [
        ...was.filter((item) => !is.includes(item)).map((item) => `${what} ${item} goes`),
        ...is.filter((item) => !was.includes(item)).map((item) => `${what} ${item} comes`),
    ];
    const paths = ({ volumes }: FixedConfig, devices: boolean) =>
        volumes
            .map(({ volume }) => volume.split(":")[0] ?? volume)
            .filter((path) => path.startsWith("/dev/") === devices);
    const ports = (config: FixedConfig) => config.ports.map(({ port }) => port);
    const flags = ({ options }: FixedConfig) =>
        options.k3s.extraArgs.map(({ arg }) => arg).filter((arg) => !arg.startsWith("--tls-san="));
    return [
        ...one("cluster", before.metadata.name, after.metadata.name),
        ...one("image", before.image, after.image),
        ...one("address", before.kubeAPI.host, after.kubeAPI.host),
        ...one("number of servers", before.servers, after.servers),
        ...one("number of agents", before.agents, after.agents),
        ...many("mount", paths(before, false), paths(after, false)),
        ...many("device", paths(before, true), paths(after, true)),
        ...many("port", ports(before), ports(after)),
        ...many("k3s", flags(before), flags(after)),
    ];
}
