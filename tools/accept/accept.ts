/** What a stack's state keeps when its cluster was installed anew: everything that was outside of the cluster. */
import { NO_CLUSTER } from "../../components/cluster/cluster-uid";
import { CLUSTER_OUTPUT } from "../../lab/delivered";
import { isRecord, records } from "../../lib/json";
import { textOf } from "../live/get";
import { UserError } from "../../lib/user-error";

/**
 * What lived in the cluster or was done to its machines: objects, releases, commands that count as done. And the key by
 * which the router joined the tailnet: it may have run out, and a router without its Secret needs one that has not.
 */
const GONE = /^((kubernetes|command):|tailscale:index\/tailnetKey:)/;

export interface Accepted {
    /** The whole document, for `pulumi stack import`. */
    readonly document: Readonly<Record<string, unknown>>;
    readonly before: string;
    readonly dropped: number;
    /** What stays, by type and name; components and providers left out. */
    readonly kept: readonly string[];
}

/**
 * The state of a stack without its old cluster, and with the UID of the new one in its outputs; with `none` any cluster
 * will do at the next `up`. Throws a `UserError` where there is nothing to accept.
 */
export function acceptCluster(exported: unknown, uid: string): Accepted {
    const deployment = isRecord(exported) && isRecord(exported["deployment"]) ? exported["deployment"] : {};
    const all = records(deployment["resources"]);
    const stack = all.find((resource) => textOf(resource, "type") === "pulumi:pulumi:Stack");
    const outputs = stack !== undefined && isRecord(stack["outputs"]) ? stack["outputs"] : {};
    const before = outputs[CLUSTER_OUTPUT];
    if (typeof before !== "string") {
        throw new UserError("the state names no cluster, so every one will do: run pulumi up");
    }
    if (before === uid)
        throw new UserError(`${uid} is the cluster that the state is about; there is nothing to accept`);

    const isGone = (resource: Readonly<Record<string, unknown>>) => GONE.test(textOf(resource, "type"));
    const gone = new Set(all.filter(isGone).map((resource) => textOf(resource, "urn")));
    const kept = all.filter((resource) => !isGone(resource));
    const { [CLUSTER_OUTPUT]: _, ...others } = outputs;
    return {
        document: {
            ...(exported as Record<string, unknown>),
            deployment: {
                ...deployment,
                resources: kept.map((resource) => ({
                    ...withoutReferences(resource, gone),
                    ...(resource === stack && {
                        outputs: uid === NO_CLUSTER ? others : { ...others, [CLUSTER_OUTPUT]: uid },
                    }),
                })),
                ...("pending_operations" in deployment && {
                    pending_operations: records(deployment["pending_operations"]).filter(
                        ({ resource }) => !(isRecord(resource) && isGone(resource)),
                    ),
                }),
            },
        },
        before,
        dropped: all.length - kept.length,
        kept: kept
            .filter((resource) => resource["custom"] === true && !textOf(resource, "type").startsWith("pulumi:"))
            .map(
                (resource) =>
                    `${textOf(resource, "type").split(":").at(-1)} ${textOf(resource, "urn").split("::").at(-1)}`,
            )
            .sort(),
    };
}

/** The engine refuses a state in which a resource depends on one that is not there. */
function withoutReferences(
    resource: Readonly<Record<string, unknown>>,
    gone: ReadonlySet<string>,
): Record<string, unknown> {
    const stays = (urn: unknown) => !gone.has(String(urn));
    const urns = (value: unknown): unknown[] => (Array.isArray(value) ? value.filter(stays) : []);
    const { dependencies, propertyDependencies, deletedWith, ...rest } = resource;
    return {
        ...rest,
        ...(dependencies !== undefined && { dependencies: urns(dependencies) }),
        ...(isRecord(propertyDependencies) && {
            propertyDependencies: Object.fromEntries(
                Object.entries(propertyDependencies).map(([property, value]) => [property, urns(value)]),
            ),
        }),
        ...(deletedWith !== undefined && stays(deletedWith) && { deletedWith }),
    };
}
