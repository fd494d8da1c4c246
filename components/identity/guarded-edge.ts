import * as pulumi from "@pulumi/pulumi";
import type { Backend, Edge, Expose } from "../edge/edge";
import type { ForwardAuth } from "./identity";

/**
 * An edge on which a host with `auth: "forward"` leads to the identity provider's proxy, and that on to the workload. The
 * route then stands in the proxy's namespace, so that no reference crosses namespaces; everything else is as before. It works on
 * every edge, since it asks nothing of one but a route.
 */
export function guardedEdge(edge: Edge, forward: ForwardAuth): Edge {
    return {
        domain: edge.domain,
        url: (host) => edge.url(host),
        dedicatedService: (address, host) => edge.dedicatedService(address, host),
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
    const { upstream } = found.login;
    const service = pulumi
        .all([proxy.service, backend.service, backend.namespace])
        .apply(([answering, behind, namespace]) => {
            const url = `http://${behind}.${namespace}.svc.cluster.local:${backend.port}`;
            if (url === upstream) return answering;
            throw new pulumi.RunError(
                `the identity provider leads people who ask for "${expose.host}" to ${upstream}, and ${workload} answers at ${url}; ` +
                    "name that one among its clients",
            );
        });
    return { workload, namespace: proxy.namespace, service, port: proxy.port };
}
