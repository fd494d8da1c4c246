/** Who asks people for a login before an app answers: what an app supports, what a cluster gives, what its configuration says. */
import type { AnyApp, AppAuth } from "../apps/app";
import type { Auth, IdentityClient } from "../components/identity/identity";
import { show, type Fault } from "../config/parse";
import type { Declared, Offers } from "./apps";

/** Of an app that says nothing of it. */
const OPEN: AppAuth = { own: false, forward: { open: [] }, preferred: "none" };

const signIn = ({ app }: Declared): AppAuth => app.auth ?? OPEN;

/** Who asks for a login where nobody else does it for the app. */
const bare = ({ own }: AppAuth): Auth => (own ? "own" : "none");

/** Who asks people for a login before the app answers. `identity`: whether the cluster has an identity provider. */
export function authOf(one: Declared, identity: boolean): Auth {
    const declared = signIn(one);
    // An address of its own leads past the proxy.
    const pastProxy = declared.preferred === "forward" && one.config.address !== undefined;
    return one.config.auth ?? (identity && !pastProxy ? declared.preferred : bare(declared));
}

/** Where its main workload answers in the cluster. */
export function urlOf({ name, namespace, ports }: AnyApp): string {
    const [port] = Object.values(ports);
    return `http://${name}.${namespace}.svc.cluster.local:${port}`;
}

/** What an identity provider must know of an app that it signs people in for; undefined: it does not. */
export function clientOf(one: Declared): IdentityClient | undefined {
    const { app, config } = one;
    const { oidc, forward } = signIn(one);
    if (app.reach === undefined || config.host === undefined) return undefined;
    const common = {
        name: app.name,
        title: titleCase(app.name),
        host: config.host,
        ...((config.access ?? app.reach) === "external" ? { access: "external" as const } : {}),
        groups: config.groups ?? [],
    };
    const auth = authOf(one, true);
    if (auth === "oidc" && oidc !== undefined) return { ...common, login: { kind: "oidc", redirects: oidc.redirects } };
    if (auth !== "forward" || typeof forward === "string") return undefined;
    return { ...common, login: { kind: "forward", upstream: urlOf(app), open: forward.open } };
}

/** `open-webui` as people read it. */
const titleCase = (name: string) =>
    name
        .split("-")
        .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
        .join(" ");

/** A login that the app does not know, or that nobody there gives; groups of people whom nobody looks up. */
export function loginsImpossible(declared: readonly Declared[], { identity = false, mend }: Offers): Fault[] {
    return declared.flatMap((one): Fault[] => {
        const { app, config } = one;
        const { auth, groups = [] } = config;
        const can = signIn(one);
        const able: Auth[] = [
            bare(can),
            ...(typeof can.forward === "string" ? [] : (["forward"] as const)),
            ...(can.oidc === undefined ? [] : (["oidc"] as const)),
        ];
        // What people come to past the entrance has neither its proxy nor the URL that they are sent back to.
        const supported = config.address === undefined ? able : [bare(can)];
        const path = `apps.${app.name}.auth`;
        if (auth !== undefined && !supported.includes(auth)) {
            const why =
                auth === "forward" && typeof can.forward === "string"
                    ? can.forward
                    : able.includes(auth)
                      ? `take apps.${app.name}.address out: an address of its own leads past the entrance`
                      : undefined;
            return [
                {
                    rule: "auth-unsupported",
                    path,
                    got: show(auth),
                    allowed: `what ${app.name} supports: ${supported.join(", ")}`,
                    ...(why === undefined ? {} : { suggestion: why }),
                },
            ];
        }
        if (!identity && (auth === "oidc" || auth === "forward")) {
            return [
                {
                    rule: "app-need-missing",
                    path,
                    got: `${app.name}, which needs an identity provider`,
                    allowed: "only on a cluster that has it; this one has none",
                    suggestion: `${mend.identity ?? NO_IDENTITY}, or apps.${app.name}.auth: ${bare(can)}`,
                },
            ];
        }
        const effective = authOf(one, identity);
        if (groups.length === 0 || effective === "oidc" || effective === "forward") return [];
        return [
            {
                rule: "groups-without-login",
                path: `apps.${app.name}.groups`,
                got: show(groups),
                allowed: `groups only where the identity provider signs in; ${app.name} has auth ${effective}`,
            },
        ];
    });
}

/** What a person enters once where the provider signs people in for an app that takes no such setting from outside. */
export function loginNotes(declared: readonly Declared[]): string[] {
    return declared.flatMap((one) => {
        const page = signIn(one).oidc?.byHand;
        if (page === undefined || authOf(one, true) !== "oidc") return [];
        return [`${one.app.name} asks authentik only once it is told of it, by hand: ${page}.`];
    });
}

const NO_IDENTITY = "put it on a cluster of a recipe with an identity provider, such as k3s-home";
