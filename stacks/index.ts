/** Stack name to stack: the one list of clusters. Program, plan, sandbox and tests read it. */
import type { z } from "zod";
import { ConfigError, parseConfig, show, type CrossRule } from "./config";
import type { StackContext, StackSummary } from "./context";
import { homelab } from "./homelab";
import { homelabRules, homelabSchema, type HomelabConfig } from "./homelab.config";

/** A machine as the sandbox shows it to the API server. */
export interface NodeInfo {
    readonly name: string;
    readonly address: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly capacity: { readonly cpu: string; readonly memory: string };
}

/** A cluster: how its configuration is read and what it becomes. */
export interface Stack<Config = unknown> {
    readonly name: string;
    /** Throws `ConfigError` with every fault of the value. */
    parse(value: unknown): Config;
    run(config: Config, context: StackContext): Promise<StackSummary>;
    nodes(config: Config): NodeInfo[];
}

function defineStack<S extends z.ZodType>(definition: {
    name: string;
    schema: S;
    rules: readonly CrossRule<z.output<S>>[];
    run(config: z.output<S>, context: StackContext): Promise<StackSummary>;
    nodes(config: z.output<S>): NodeInfo[];
}): Stack<z.output<S>> {
    const { name, schema, rules, run, nodes } = definition;
    return { name, run, nodes, parse: (value) => parseConfig(name, schema, rules, value) };
}

export const homelabStack = defineStack({
    name: "homelab",
    schema: homelabSchema,
    rules: homelabRules,
    run: homelab,
    nodes: ({ node }: HomelabConfig): NodeInfo[] => [
        {
            name: node.name,
            address: node.address,
            labels: {
                "kubernetes.io/hostname": node.name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "node-role.kubernetes.io/control-plane": "true",
                "node.kubernetes.io/instance-type": "k3s",
            },
            capacity: node.capacity,
        },
    ],
});

const all = [homelabStack] as const;

export const stackNames: readonly string[] = all.map(({ name }) => name);

/** A stack by name with its parsed configuration. Throws `ConfigError` on an unknown name or a faulty value. */
export function openStack(name: string, value: unknown): { run(context: StackContext): Promise<StackSummary>; nodes: NodeInfo[]; config: unknown } {
    const stack = all.find((candidate) => candidate.name === name);
    if (stack === undefined) {
        throw new ConfigError(name, [
            { rule: "unknown-stack", path: "stack", got: show(name), allowed: `one of ${stackNames.join(", ")}` },
        ]);
    }
    const config = stack.parse(value);
    return { run: (context) => stack.run(config, context), nodes: stack.nodes(config), config };
}
