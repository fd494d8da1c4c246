/**
 * The rules as a policy pack: `pulumi preview --policy-pack policy`, likewise `up`. A rule that needs one resource judges
 * it before it is made; one that needs the whole stack runs at the end of the preview.
 */
import { join } from "node:path";
import { PolicyPack, type Policies } from "@pulumi/policy";
import { recipeIn } from "../config/stack-files";
import { violationsOf } from "./evaluate";
import { rules } from "./rules";
import { dig, items, UNKNOWN, type Context, type Finding, type Json, type Rule, type Subject } from "./rules/rule";
import { recipePolicies, severityOf, type Severity } from "./stacks";

// The engine starts a pack for one operation on one stack and names it so.
const stack = process.env["PULUMI_NODEJS_STACK"] ?? "";
// An unknown one is held to everything.
const recipe = recipeIn(join(__dirname, ".."), stack);
const everything = Object.fromEntries(rules.map(({ id }) => [id, "mandatory" as const]));
const policy = recipePolicies[recipe] ?? { severity: everything, exemptions: [] };

const LEVELS = { mandatory: "mandatory", advisory: "advisory", off: "disabled" } as const satisfies Record<
    Severity,
    string
>;

/**
 * Inputs of the resources that the engine has asked about. At the end it shows outputs, and before the cluster is there a
 * preview has none of its objects.
 */
const asked = new Map<string, Subject>();

new PolicyPack("homelab", {
    policies: rules.map((rule): Policies[number] => {
        const about = {
            name: rule.id,
            description: `${rule.title} (${rule.sources.join(", ")})`,
            enforcementLevel: LEVELS[severityOf(rule, policy)],
        };
        return rule.scope === "resource"
            ? {
                  ...about,
                  validateResource: (args, report) => {
                      const resource = subject(args);
                      asked.set(resource.urn, resource);
                      const context = { stack, recipe, resources: [resource], exposures: [] };
                      for (const finding of violationsOf(rule, resource, context, policy))
                          report(sentence(rule, finding));
                  },
              }
            : {
                  ...about,
                  validateStack: (args, report) => {
                      const outputs = args.resources.map(subject);
                      const resources = outputs.map((resource) => asked.get(resource.urn) ?? resource);
                      const context = { stack, recipe, resources, exposures: exposures(outputs) };
                      for (const resource of resources) {
                          for (const finding of violationsOf(rule, resource, context, policy)) {
                              report(sentence(rule, finding), resource.urn);
                          }
                      }
                  },
              };
    }),
});

function sentence(rule: Rule, finding: Finding): string {
    return `${finding.message}; fix: ${rule.fix}`;
}

function subject(resource: { urn: string; type: string; name: string; props: Record<string, unknown> }): Subject {
    return { urn: resource.urn, type: resource.type, name: resource.name, inputs: known(resource.props) };
}

/** What the program says is reachable: the stack's output of that name. */
function exposures(resources: readonly Subject[]): Context["exposures"] {
    const outputs = resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.inputs;
    return items(dig(outputs, "reachable")).map(({ host, access, auth }) => ({
        host: String(host),
        access: String(access),
        auth: String(auth),
    }));
}

/** Properties as plain data. The SDK throws at a value that only the update will know; a rule takes it as unknown. */
function known(value: unknown): Json {
    // Not map, which reads every element itself.
    if (Array.isArray(value)) return Array.from({ length: value.length }, (_, index) => read(value, index));
    if (typeof value === "object" && value !== null) {
        return Object.fromEntries(Object.keys(value).map((key) => [key, read(value, key)]));
    }
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}

function read(container: object, key: PropertyKey): Json {
    let value: unknown;
    try {
        value = (container as Record<PropertyKey, unknown>)[key];
    } catch (error) {
        if (error instanceof Error && error.constructor.name === "UnknownValueError") return UNKNOWN;
        throw error;
    }
    return known(value);
}
