import * as pulumi from "@pulumi/pulumi";
import { composeEdge, type Edge, type Expose, type Route, type Routes } from "../../components/edge/edge";
import { Exposures } from "../../components/edge/exposures";
import { exposureNotes } from "../../components/edge/exposure-notes";
import { directHosts, dnsRows, resolverRows, tunnelRules, type Names } from "../../components/edge/names";

const backend = { workload: "app", namespace: "apps", service: "app", port: 8080 };

/** Routes at two doors that keep what they are asked for. */
class KeptRoutes implements Routes {
    readonly asked: Route[] = [];
    constructor(
        readonly scheme: Routes["scheme"],
        readonly port: number,
    ) {}
    address(access: Route["access"]): string {
        return access === "external" ? "10.0.0.2" : "10.0.0.1";
    }
    route(_name: string, route: Route): pulumi.Resource {
        this.asked.push(route);
        return {} as pulumi.Resource;
    }
}

function edgeOf(names: Names, scheme: Routes["scheme"] = "https", port = 443) {
    const routes = new KeptRoutes(scheme, port);
    const exposures = new Exposures();
    const loadBalancer = { pin: (address: string) => ({ "test/address": address }) };
    const edge = composeEdge({ domain: "example.net", exposures, loadBalancer, routes, names });
    const expose = (how: Expose, opts: pulumi.CustomResourceOptions | undefined = {}): ReturnType<Edge["expose"]> =>
        edge.expose("app", how, backend, opts);
    return { edge, routes, exposures, expose };
}

const heard: Names = {
    tunnel: true,
    route: (access) => ({ "test/access": access }),
    service: (host) => ({ "test/host": host }),
};

test("an exposure comes in by its routes' door for its access, and its route says what the names need", () => {
    const { expose, exposures, routes } = edgeOf(heard);
    expose({ host: "app", access: "local" });
    expose({ host: "www", access: "external" });
    expect(exposures.seal()).toEqual([
        { workload: "app", host: "app.example.net", access: "local", auth: "none", address: "10.0.0.1", port: 443 },
        { workload: "app", host: "www.example.net", access: "external", auth: "none", address: "10.0.0.2", port: 443 },
    ]);
    expect(routes.asked).toEqual([
        { host: "app.example.net", access: "local", backend, annotations: { "test/access": "local" } },
        { host: "www.example.net", access: "external", backend, annotations: { "test/access": "external" } },
    ]);
});

test("past the tunnel: a record of the house's own, everybody's class, and no rule of the tunnel's (M-APP-28)", () => {
    for (const tunnel of [true, false]) {
        const { expose, exposures, routes } = edgeOf({ tunnel });
        expose({ host: "vpn", access: "external", direct: true });
        const rows = exposures.seal();
        expect(rows).toMatchObject([{ host: "vpn.example.net", access: "external", direct: true }]);
        expect(routes.asked).toMatchObject([{ access: "external" }]);
        expect([dnsRows(rows), directHosts(rows)]).toEqual([[], ["vpn.example.net"]]);
        expect(tunnelRules(rows, "http://edge:80")).toEqual([{ service: "http_status:404" }]);
    }
});

test("without a tunnel an external host is a local one", () => {
    const { expose, exposures, routes } = edgeOf({ tunnel: false });
    expose({ host: "www", access: "external" });
    expect(exposures.seal()).toMatchObject([{ access: "local", asked: "external", address: "10.0.0.1" }]);
    expect(routes.asked).toMatchObject([{ access: "local", annotations: {} }]);
    expect(exposureNotes(exposures.rows, "example.net")).toEqual([
        expect.stringMatching(/no tunnel leads in.*\(app\)/),
    ]);
    expect(resolverRows(exposures.rows)).toEqual([
        { name: "www.example.net", type: "A", content: "10.0.0.1", proxied: false },
    ]);
});

test("Cloudflare's certificate is for a zone and its first level: whose domain may be below is told", () => {
    const notes = (domain: string, ...how: Expose[]) => {
        const { expose, exposures } = edgeOf(heard);
        for (const one of how) expose(one);
        return exposureNotes(exposures.seal(), domain);
    };
    const www: Expose = { host: "www", access: "external" };
    expect(notes("lab.example.net", www)).toEqual([expect.stringContaining("Total TLS")]);
    expect(notes("example.net", www)).toEqual([]);
    expect(notes("lab.example.net", { host: "app", access: "local" }, { ...www, direct: true })).toEqual([]);
});

test("an address of its own passes the routes: the load balancer pins it, the names hear of it", () => {
    const { edge, expose, exposures, routes } = edgeOf(heard);
    expect(expose({ host: "dns", access: "dedicated", address: "10.0.0.9" })).toBeUndefined();
    expect(exposures.seal()).toMatchObject([{ host: "dns.example.net", address: "10.0.0.9", port: 8080 }]);
    expect(routes.asked).toEqual([]);
    expect(edge.dedicatedService("10.0.0.9", "dns")).toEqual({
        annotations: { "test/address": "10.0.0.9", "test/host": "dns.example.net" },
        spec: { type: "LoadBalancer" },
    });
});

test("a route that is made elsewhere is noted all the same", () => {
    const { edge, exposures, routes } = edgeOf(heard);
    expect(edge.expose("app", { host: "app", access: "local" }, backend, undefined)).toBeUndefined();
    expect(exposures.seal()).toHaveLength(1);
    expect(routes.asked).toEqual([]);
});

test("a URL names the port where it is not its scheme's own", () => {
    expect(edgeOf({ tunnel: false }).edge.url("app", "local")).toBe("https://app.example.net");
    expect(edgeOf({ tunnel: false }, "http", 80).edge.url("app", "local")).toBe("http://app.example.net");
    expect(edgeOf({ tunnel: false }, "https", 8443).edge.url("app", "local")).toBe("https://app.example.net:8443");
});

test("by the tunnel people come by https and without a port, whatever the edge speaks", () => {
    for (const [scheme, port, local] of [
        ["http", 80, "http://www.example.net"],
        ["https", 8443, "https://www.example.net:8443"],
    ] as const) {
        expect(edgeOf(heard, scheme, port).edge.url("www", "external")).toBe("https://www.example.net");
        expect(edgeOf(heard, scheme, port).edge.url("www", "local")).toBe(local);
        expect(edgeOf({ tunnel: false }, scheme, port).edge.url("www", "external")).toBe(local);
    }
});

describe("the ledger of exposures", () => {
    test("is not read before it is sealed", () => {
        const { expose, exposures } = edgeOf(heard);
        expect(() => exposures.rows).toThrow("read while more may come (so far: none); call seal()");
        expose({ host: "app", access: "local" });
        expect(() => exposures.rows).toThrow("(so far: app.example.net)");
        exposures.seal();
        expect(exposures.rows).toHaveLength(1);
    });

    test("takes nothing after it is sealed", () => {
        const { expose, exposures } = edgeOf(heard);
        exposures.seal();
        expect(() => expose({ host: "app", access: "local" })).toThrow(
            "app is exposed as app.example.net after the exposures are sealed",
        );
        expect(exposures.rows).toEqual([]);
    });
});
