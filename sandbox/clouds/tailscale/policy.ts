import { parseHuJson } from "./hujson";

/** The part of a tailnet policy that the sandbox understands. */
export interface Policy {
    readonly tagOwners?: Readonly<Record<string, readonly string[]>>;
    readonly groups?: Readonly<Record<string, readonly string[]>>;
    readonly hosts?: Readonly<Record<string, string>>;
    readonly autoApprovers?: {
        readonly routes?: Readonly<Record<string, readonly string[]>>;
        readonly exitNode?: readonly string[];
    };
}

/** The policy of a tailnet that nobody has touched. */
export const DEFAULT_POLICY = `// Example/default ACLs for unrestricted connections.
{
    "grants": [
        {"src": ["*"], "dst": ["*"], "ip": ["*"]},
    ],
    "ssh": [
        {
            "action": "check",
            "src":    ["autogroup:member"],
            "dst":    ["autogroup:self"],
            "users":  ["autogroup:nonroot", "root"],
        },
    ],
}
`;

/** The policy of a person whose devices have these tags, and may give routes to any house. */
export function policyOf(tags: readonly string[]): string {
    const names = tags.map((tag) => `tag:${tag}`);
    const houses = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    const policy: Policy & object = {
        tagOwners: Object.fromEntries(names.map((name) => [name, ["autogroup:admin"]])),
        autoApprovers: { routes: Object.fromEntries(houses.map((house) => [house, names])) },
    };
    return JSON.stringify({ grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }], ...policy }, undefined, 4);
}

/** Top-level keys of a policy file, compared without case as the API does. https://tailscale.com/kb/1337/policy-syntax */
const TOP_LEVEL = [
    "acls",
    "attrConfig",
    "autoApprovers",
    "defaultSrcPosture",
    "derpMap",
    "disableIPv4",
    "grants",
    "groups",
    "hosts",
    "ipsets",
    "nodeAttrs",
    "oneCGNATRoute",
    "postures",
    "randomizeClientPort",
    "ssh",
    "sshTests",
    "tagOwners",
    "tests",
].map((key) => key.toLowerCase());

/**
 * Reads a policy file.
 *
 * @throws Error with the message the API would answer: bad syntax, an unknown key, a tag without owner, a group without members.
 */
export function parsePolicy(text: string): Policy {
    const value = parseHuJson(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw new Error("policy file must be a JSON object");
    }
    const entries = Object.entries(value);
    for (const [key] of entries) {
        if (!TOP_LEVEL.includes(key.toLowerCase())) {
            throw new Error(`json: unknown field "${key}"`);
        }
    }
    const get = (name: string): unknown => entries.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
    const section = (name: string): Record<string, unknown> => {
        const found = get(name);
        if (found !== undefined && (typeof found !== "object" || found === null || Array.isArray(found))) {
            throw new Error(`json: cannot unmarshal ${name}: want an object`);
        }
        return { ...(found as object | undefined) };
    };
    const tagOwners = lists(section("tagOwners"), "tagOwners");
    const groups = lists(section("groups"), "groups");
    for (const tag of Object.keys(tagOwners)) {
        if (!/^tag:[a-z][a-z0-9-]*$/i.test(tag)) {
            throw new Error(`invalid tag name: "${tag}"`);
        }
    }
    for (const name of namesUsed(value)) {
        if (name.startsWith("tag:") && !(name in tagOwners)) {
            throw new Error(`tag not found: "${name}"`);
        }
        if (name.startsWith("group:") && !(name in groups)) {
            throw new Error(`group not found: "${name}"`);
        }
    }
    const approvers = section("autoApprovers");
    return {
        tagOwners,
        groups,
        autoApprovers: {
            routes: lists({ ...(approvers["routes"] as object | undefined) }, "autoApprovers.routes"),
            exitNode: Array.isArray(approvers["exitNode"]) ? approvers["exitNode"].map(String) : [],
        },
    };
}

function lists(section: Record<string, unknown>, name: string): Record<string, string[]> {
    return Object.fromEntries(
        Object.entries(section).map(([key, value]) => {
            if (!Array.isArray(value)) {
                throw new Error(`json: cannot unmarshal ${name}["${key}"]: want a list of strings`);
            }
            return [key, value.map(String)];
        }),
    );
}

/** Every `tag:x` and `group:x` that stands anywhere in the policy as a value, or before a port (`tag:x:443`). */
function namesUsed(value: unknown): string[] {
    if (typeof value === "string") {
        const name = /^((?:tag|group):[A-Za-z0-9_.@-]+)(?::[\d,*-]+)?$/.exec(value)?.[1];
        return name === undefined ? [] : [name];
    }
    return typeof value === "object" && value !== null ? Object.values(value).flatMap(namesUsed) : [];
}
