/**
 * cert-manager's challenges over plain HTTP, answered through the Gateway API: a Service and a route for each, and a look at what
 * the gateway makes of the request, redirects followed. By pkg/issuer/acme/http of cert-manager 1.21.
 *
 * The world outside is one in which names lead to the gateway's address and the router leads port 80 there: what the plan asks for.
 */
import { createHash } from "node:crypto";
import { type Action, collectionIn, collections, objectPath, resources, type View } from "../../controllers/controller";
import {
    type CustomResource,
    hold,
    isLeaving,
    isTrue,
    ownedBy,
    release,
    statusOf,
} from "../../controllers/custom-resources";
import {
    type Gateway,
    gatewayOf,
    type HttpRoute,
    type ParentReference,
    type ReferenceGrant,
} from "../gateway-api/routes";
import { GATEWAY_API, gatewayList, grantsOf, httpRoutes } from "../gateway-api/gateways";
import { type Answer, answerOf } from "../gateway-api/http-routing";
import { keyOf, type KubeObject, type Secret, type Service } from "../../controllers/objects";

export interface Solver {
    readonly selector?: { readonly dnsNames?: readonly string[]; readonly dnsZones?: readonly string[] };
    readonly dns01?: object;
    readonly http01?: {
        readonly ingress?: object;
        readonly gatewayHTTPRoute?: { readonly parentRefs?: readonly ParentReference[] };
    };
}

export type Challenge = CustomResource<{
    readonly dnsName: string;
    readonly token: string;
    readonly solver: Solver;
    readonly type: string;
    readonly [field: string]: unknown;
}>;

export const challenges = resources("acme.cert-manager.io", "v1", "challenges");
const grants = grantsOf("v1");

export const http01Lists = [challenges, gatewayList, httpRoutes, grants, collections.services, collections.namespaces];

const FINALIZER = "acme.cert-manager.io/finalizer";
const SOLVER_PORT = 8089;
const CERTIFICATE = "sandbox.cert-manager.io/certificate";

/** The solver for a name: the one whose selector says most of it. */
export function solverOf(dnsName: string, solvers: readonly Solver[]): Solver | undefined {
    const zoneLength = ({ selector }: Solver) =>
        Math.max(
            -1,
            ...(selector?.dnsZones ?? [])
                .filter((zone) => dnsName === zone || dnsName.endsWith(`.${zone}`))
                .map(({ length }) => length),
        );
    const named = solvers.find(({ selector }) => selector?.dnsNames?.includes(dnsName) === true);
    const [zoned] = solvers
        .filter((one) => zoneLength(one) >= 0)
        .sort((one, other) => zoneLength(other) - zoneLength(one));
    return (
        named ??
        zoned ??
        solvers.find(({ selector }) => selector?.dnsNames === undefined && selector?.dnsZones === undefined)
    );
}

/** Challenges of a certificate, the names of which are to be proven so. */
export function challengesOf(view: View, certificate: KubeObject): Challenge[] {
    return view
        .list<Challenge>(challenges)
        .filter(
            ({ metadata }) =>
                metadata.namespace === certificate.metadata.namespace &&
                metadata.annotations?.[CERTIFICATE] === certificate.metadata.uid,
        );
}

/** The challenge that is missing for a name. */
export function newChallenge(
    certificate: KubeObject,
    dnsName: string,
    issuerRef: object,
    server: string,
    solver: Solver,
): Action {
    const { name, namespace = "", uid = "" } = certificate.metadata;
    const hash = createHash("sha256").update(`${uid}/${dnsName}`).digest("hex");
    const { origin } = new URL(server);
    return {
        verb: "create",
        path: collectionIn(challenges, namespace),
        body: {
            apiVersion: "acme.cert-manager.io/v1",
            kind: "Challenge",
            metadata: {
                name: `${name}-1-${parseInt(hash.slice(0, 8), 16)}`,
                namespace,
                finalizers: [FINALIZER],
                annotations: { [CERTIFICATE]: uid },
                // Between them stand a CertificateRequest and an Order, which are not played.
                ownerReferences: ownedBy(certificate, "cert-manager.io/v1", "Certificate"),
            },
            spec: {
                authorizationURL: `${origin}/acme/authz/${hash.slice(8, 16)}`,
                url: `${origin}/acme/chall/${hash.slice(8, 16)}`,
                dnsName,
                issuerRef,
                key: `${hash.slice(16, 48)}.sandbox`,
                solver,
                token: hash.slice(16, 48),
                type: "HTTP-01",
                wildcard: false,
            },
        },
    };
}

export const removal = (challenge: Challenge): Action => ({
    verb: "delete",
    path: objectPath(challenges, challenge.metadata),
});

/** What becomes of a challenge. `gatewayApi`: whether the controller is told to answer by routes. */
export function challengeActions(view: View, challenge: Challenge, gatewayApi: boolean): Action[] {
    if (isLeaving(challenge)) return release(challenges, challenge, FINALIZER);
    if (challenge.status?.["state"] === "valid") return [];
    const pending = (reason: string, presented = true) =>
        statusOf(challenges, challenge, view.now, { processing: true, presented, state: "pending", reason });
    const { name, namespace = "" } = challenge.metadata;
    const { parentRefs } = challenge.spec.solver.http01?.gatewayHTTPRoute ?? {};
    if (parentRefs === undefined) {
        return pending(`couldn't Present challenge ${namespace}/${name}: by Ingress no challenge is played`, false);
    }
    if (!gatewayApi) {
        return pending(`couldn't Present challenge ${namespace}/${name}: gateway api is not enabled`, false);
    }
    const made = { service: solverService(challenge), route: solverRoute(challenge, parentRefs) };
    const there = {
        service: view.list<Service>(collections.services).find((one) => keyOf(one) === keyOf(made.service)),
        route: view.list<HttpRoute>(httpRoutes).find((one) => keyOf(one) === keyOf(made.route)),
    };
    const missing: Action[] = [
        ...(there.service === undefined ? [made.service] : []),
        ...(there.route === undefined ? [made.route] : []),
    ].map((body) => ({
        verb: "create",
        path: collectionIn(body.kind === "Service" ? collections.services : httpRoutes, namespace),
        body,
    }));
    const failure = missing.length > 0 ? "it is not presented yet" : selfCheck(view, challenge, parentRefs);
    return [
        ...hold(challenges, challenge, FINALIZER),
        ...missing,
        ...(failure === undefined
            ? statusOf(challenges, challenge, view.now, {
                  processing: false,
                  presented: true,
                  state: "valid",
                  reason: "Successfully authorized domain",
              })
            : pending(`Waiting for HTTP-01 challenge propagation: ${failure}`)),
    ];
}

const solverName = ({ metadata: { name } }: Challenge) =>
    `cm-acme-http-solver-${createHash("sha256").update(name).digest("hex").slice(0, 5)}`;

function solverMetadata(challenge: Challenge) {
    return {
        name: solverName(challenge),
        namespace: challenge.metadata.namespace ?? "",
        labels: { "acme.cert-manager.io/http01-solver": "true" },
        ownerReferences: ownedBy(challenge, "acme.cert-manager.io/v1", "Challenge"),
    };
}

const solverService = (challenge: Challenge) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: solverMetadata(challenge),
    spec: {
        type: "ClusterIP",
        selector: { "acme.cert-manager.io/http01-solver": "true" },
        ports: [{ name: "http", port: SOLVER_PORT, targetPort: SOLVER_PORT }],
    },
});

/** Host and whole path, by which it is before any route for everything below a path. */
const solverRoute = (challenge: Challenge, parentRefs: readonly ParentReference[]) => ({
    apiVersion: `${GATEWAY_API}/v1`,
    kind: "HTTPRoute",
    metadata: solverMetadata(challenge),
    spec: {
        parentRefs,
        hostnames: [challenge.spec.dnsName],
        rules: [
            {
                matches: [{ path: { type: "Exact", value: pathOf(challenge) } }],
                backendRefs: [{ name: solverName(challenge), port: SOLVER_PORT }],
            },
        ],
    },
});

const pathOf = ({ spec }: Challenge) => `/.well-known/acme-challenge/${spec.token}`;

/** The reason why the challenge is not answered; undefined: it is. */
function selfCheck(view: View, challenge: Challenge, parentRefs: readonly ParentReference[]): string | undefined {
    const { namespace = "" } = challenge.metadata;
    const { dnsName: host } = challenge.spec;
    const around = {
        routes: view.list<HttpRoute>(httpRoutes),
        namespaces: view.list<KubeObject>(collections.namespaces),
        secrets: view.list<Secret>(collections.secrets),
        grants: view.list<ReferenceGrant>(grants),
    };
    const [gateway] = parentRefs.flatMap(
        (parent) => gatewayOf(parent, namespace, view.list<Gateway>(gatewayList)) ?? [],
    );
    const url = `http://${host}${pathOf(challenge)}`;
    const failed = (why: string) => `failed to perform self check GET request '${url}': ${why}`;
    if (gateway === undefined || !isTrue(gateway, "Programmed")) return failed("no route to host");
    const ask = (scheme: "http" | "https") => answerOf(gateway, { scheme, host, path: pathOf(challenge) }, around);
    const first = ask("http");
    const last: Answer = first.kind === "redirect" && first.scheme === "https" ? ask("https") : first;
    switch (last.kind) {
        case "reset":
            return failed(`EOF (${last.why})`);
        case "redirect":
            return failed("stopped after 10 redirects");
        case "404":
            return "wrong status code '404', expected '200'";
        default:
            return last.namespace === namespace && last.service === solverName(challenge)
                ? undefined
                : `did not get expected response when querying endpoint: ${last.namespace}/${last.service} answered`;
    }
}
