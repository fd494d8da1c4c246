/** What a stack's plan says about the world around it: paths and devices on nodes, APIs, provider plugins. */
import type { NodePaths } from "../../bootstrap/machines";
import { isObject, type Json } from "../plan/monitor";
import type { Plan } from "../plan/plan";
import type { PolicyFragment } from "../../components/tailnet/policy";

/** Every hostPath of pods and volumes, and every `local` volume. */
export function nodePaths(plan: Pick<Plan, "resources">): NodePaths {
    const paths = new Set<string>();
    const walk = (value: Json): void => {
        if (Array.isArray(value)) return value.forEach(walk);
        if (!isObject(value)) return;
        for (const [key, item] of Object.entries(value)) {
            if ((key === "hostPath" || key === "local") && isObject(item) && typeof item["path"] === "string") {
                paths.add(item["path"]);
            } else walk(item);
        }
    };
    for (const { type, inputs } of plan.resources) if (type.startsWith("kubernetes:")) walk(inputs);
    const all = [...paths].filter((path) => path.startsWith("/")).sort();
    return {
        directories: all.filter((path) => !path.startsWith("/dev/")),
        devices: all.filter((path) => path.startsWith("/dev/")),
    };
}

/** What the program will ask of the clouds, so what its tokens must allow. */
export interface CloudNeeds {
    readonly dnsRecords: boolean;
    readonly tunnel: boolean;
    readonly policy: boolean;
    /** The stack's entries in the tailnet's policy. */
    readonly policyEntries?: PolicyEntries;
    readonly authKeys: boolean;
    readonly splitDns: boolean;
}

export interface PolicyEntries {
    readonly stack: string;
    readonly fragment: PolicyFragment;
}

/** What the command that writes them is given: components/tailnet/subnet-router.ts. */
function policyEntries(plan: Pick<Plan, "resources">): PolicyEntries | undefined {
    for (const { inputs } of plan.resources) {
        const environment = isObject(inputs) ? inputs["environment"] : undefined;
        const fragment = isObject(environment) ? environment["POLICY_FRAGMENT"] : undefined;
        if (typeof fragment !== "string" || !isObject(environment)) continue;
        return { stack: String(environment["STACK"]), fragment: JSON.parse(fragment) as PolicyFragment };
    }
    return undefined;
}

export function cloudNeeds(plan: Pick<Plan, "resources">): CloudNeeds {
    const has = (ending: string) => plan.resources.some(({ type }) => type.endsWith(`:${ending}`));
    const entries = policyEntries(plan);
    return {
        dnsRecords: has("DnsRecord"),
        tunnel: has("ZeroTrustTunnelCloudflared"),
        policy: entries !== undefined,
        ...(entries === undefined ? {} : { policyEntries: entries }),
        authKeys: has("TailnetKey"),
        splitDns: has("DnsSplitNameservers"),
    };
}

/** Provider packages of a plan with the versions that package.json pins. */
export function pluginsOf(
    plan: Pick<Plan, "resources">,
    dependencies: Readonly<Record<string, string>>,
): Record<string, string> {
    const packages = new Set(
        plan.resources
            .filter(({ custom }) => custom)
            .map(({ type }) => (type.startsWith("pulumi:providers:") ? type.split(":")[2] : type.split(":")[0])),
    );
    const pinned = [...packages].flatMap((name): [string, string][] => {
        const version = name === undefined || name === "pulumi" ? undefined : dependencies[`@pulumi/${name}`];
        return version === undefined || name === undefined ? [] : [[name, version]];
    });
    return Object.fromEntries(pinned.sort(([a], [b]) => (a < b ? -1 : 1)));
}
