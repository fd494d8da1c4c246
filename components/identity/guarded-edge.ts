import * as pulumi from "@pulumi/pulumi";
import type { Backend, Edge, Expose } from "../edge/edge";
import type { ForwardAuth, ForwardLogin, IdentityClient } from "./identity";

/**
 * An edge on which a host with `auth: "forward"` leads to the identity provider's proxy, and that on to the workload. The
 * route then stands in the proxy's namespace, so that no reference crosses namespaces; everything else is as before. It works on
 * every edge, since it asks nothing of one but a route.
 */
export function guardedEdge(edge: Edge, forward: ForwardAuth): Edge {
    return {
        domain: edge.domain,
        url: (...asked) => edge.url(...asked),
        dedicatedService: (...asked) => edge.dedicatedService(...asked),
        expose: (name, expose, backend, opts) =>
            edge.expose(
                name,
                expose,
                expose.auth === "forward" ? behindProxy(expose, backend, forward) : backend,
                opts,
            ),
    };
}

function behindProxy(expose: Expose, backend: Backend, { client, proxy }: ForwardAuth): Backend {
    const { workload } = backend;
    if (expose.access === "dedicated") {
        throw new pulumi.RunError(
            `${workload} has auth "forward" and an address of its own, which leads past every proxy; ` +
                "allowed: forward with access local or external, or auth own or none",
        );
    }
    const found = client(expose.host);
    if (found === undefined) {
        throw new pulumi.RunError(
            `${workload} has auth "forward", and the identity provider does not know the host "${expose.host}": ` +
                "it would answer 404. Name it among its clients, where the stack makes it",
        );
    }
    const service = pulumi
        .all([proxy.service, backend.service, backend.namespace])
        .apply(([answering, behind, namespace]) => {
            const fault = elsewhere(found, { ...backend, service: behind, namespace });
            if (fault !== undefined) throw new pulumi.RunError(fault);
            return answering;
        });
    return { workload, namespace: proxy.namespace, service, port: proxy.port };
}

/** That the proxy would lead to something else than what is exposed; undefined: it does not. */
export function elsewhere(
    { host, login: { upstream } }: Pick<IdentityClient, "host"> & { readonly login: ForwardLogin },
    backend: Backend & { readonly service: string; readonly namespace: string },
): string | undefined {
    const { workload, namespace, service, port, tls } = backend;
    const url = `${tls === undefined ? "http" : "https"}://${service}.${namespace}.svc.cluster.local:${port}`;
    return url === upstream
        ? undefined
        : `the identity provider leads people who ask for "${host}" to ${upstream}, and ${workload} answers at ${url}; ` +
              "name that one among its clients";
}
