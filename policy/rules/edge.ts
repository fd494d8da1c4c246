/** The way into a cluster. */
import { isRelease, objectType, settings } from "./kubernetes";
import { items, objects, text, UNKNOWN, type Finding, type Json, type Rule } from "./rule";

/** Gateway that the Cloudflare tunnel leads to, seed 002 (HTTP Routing). */
const EXTERNAL_GATEWAY = "envoy-external";

const ingress: Rule = {
    id: "ingress",
    optIn: true,
    title: "No Ingress objects",
    description:
        "HTTP comes in by HTTPRoutes of the Gateway API, neither by Ingress objects nor by a chart's switch for them.",
    sources: ["C-EDGE-11", "C-EDGE-14"],
    fix: "Expose the workload with `expose`, which makes the HTTPRoute; leave a chart's ingress off.",
    scope: "resource",
    check: (resource) => {
        const object = objectType(resource);
        if (object?.kind === "Ingress" && ["networking.k8s.io", "extensions"].includes(object.group)) {
            return [{ part: "Ingress", message: "it is an Ingress" }];
        }
        if (!isRelease(resource)) return [];
        return [...objects(settings(resource))].flatMap(([path, value]): Finding[] =>
            path.at(-1)?.toLowerCase().endsWith("ingress") === true && value["enabled"] === true
                ? [{ part: path.join("."), message: `the chart makes an Ingress: ${path.join(".")}.enabled is true` }]
                : [],
        );
    },
};

const externalGateway: Rule = {
    id: "external-gateway",
    optIn: true,
    title: "Only what is declared external is on the internet",
    description:
        "A route hangs on envoy-external only if a workload declared its host with `access: external`; everything else is for LAN and tailnet, by envoy-internal.",
    sources: ["C-EDGE-06", "C-EDGE-12"],
    fix: 'Declare `expose: { host, access: "external" }` if the internet really needs it; else hang the route on envoy-internal.',
    scope: "stack",
    check: (resource, { exposures }) => {
        const external = new Set(exposures.filter(({ access }) => access === "external").map(({ host }) => host));
        return [...objects(settings(resource))].flatMap(([, route]): Finding[] => {
            if (items(route["parentRefs"]).every((parent) => text(parent["name"]) !== EXTERNAL_GATEWAY)) return [];
            // A route without a backend, such as the redirect to https, leads to no application.
            if (backends(route["rules"]) === 0) return [];
            const named = route["hostnames"];
            if (named === UNKNOWN) return [];
            const hosts = Array.isArray(named) ? named.map(String) : [];
            if (hosts.length === 0) return [{ part: "*", message: `a route for every host is on ${EXTERNAL_GATEWAY}` }];
            return hosts
                .filter((host) => host !== UNKNOWN && !external.has(host))
                .map((host) => ({
                    part: host,
                    message: `${host} is on ${EXTERNAL_GATEWAY}, and no workload declares it external`,
                }));
        });
    },
};

const externalLogin: Rule = {
    id: "external-login",
    title: "What is on the internet asks for a login",
    description:
        "A host that is reached from the internet asks people who they are: by the identity provider, or by accounts of its own. What may answer anybody is exempt host by host.",
    sources: ["K-SEC-05"],
    fix: "Give the app `auth: forward` or `auth: oidc`, where the cluster has an identity provider, or make its `access` local.",
    scope: "stack",
    check: (resource, { exposures }) => {
        const open = exposures.filter(({ access, auth }) => access === "external" && auth === "none");
        const hosts = routeHosts(settings(resource));
        return open
            .filter(({ host }) => hosts.has(host))
            .map(({ host }) => ({
                part: host,
                message: `${host} is reached from the internet, and nobody asks for a login`,
            }));
    },
};

/** Hosts of every HTTPRoute and Ingress in an object. */
function routeHosts(value: Json | undefined): Set<string> {
    return new Set(
        [...objects(value)].flatMap(([, found]) => {
            const named = found["hostnames"];
            const ruled = items(found["rules"]).map(({ host }) => host);
            return [...(Array.isArray(named) ? named : []), ...ruled].filter((host) => typeof host === "string");
        }),
    );
}

/** A chart's route without rules gets the chart's Service as its backend. */
function backends(rules: Json | undefined): number {
    if (rules === undefined || rules === UNKNOWN) return 1;
    return items(rules).reduce((sum, rule) => sum + items(rule["backendRefs"]).length, 0);
}

export const edgeRules: readonly Rule[] = [ingress, externalGateway, externalLogin];
