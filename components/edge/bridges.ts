import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { valueAfter } from "../cluster/cluster-command";
import type { Namespaces } from "../cluster/namespaces";
import type { AppDelivery } from "../gitops/delivery";
import type { SecretRef, SecretStore } from "../secrets/secret-store";
import type { BackendTls, Edge } from "./edge";

/** A port of a machine outside the cluster that the cluster knows by a name. */
export interface Bridge {
    readonly address: string;
    readonly port: number;
    readonly scheme: "http" | "https";
    readonly namespace: string;
    /** Host label at the edge; absent: for the cluster alone. */
    readonly host?: string | undefined;
    readonly access: "local" | "external";
    /** For https: what its certificate must be of; absent: any is taken, as machines of a house sign their own. */
    readonly verify?: { readonly authority: SecretRef; readonly serverName: string } | undefined;
}

/** By this name and port pods reach it: `http://minio-api.other.svc.cluster.local:9000`. */
export const bridgeUrl = (name: string, { scheme, namespace, port }: Pick<Bridge, "scheme" | "namespace" | "port">) =>
    `${scheme}://${name}.${namespace}.svc.cluster.local:${port}`;

export interface BridgesArgs {
    /** By the name of the Service. */
    bridges: Readonly<Record<string, Bridge>>;
    namespaces: Namespaces;
}

/**
 * Machines outside the cluster as Services without a selector, whose EndpointSlices this program writes: no controller
 * does for such a Service. They need no edge, so that what backs up through one can depend on this alone.
 * https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors
 */
export class Bridges extends pulumi.ComponentResource {
    readonly #args: BridgesArgs;
    readonly #services = new Map<string, pulumi.Output<string>>();

    constructor(
        private readonly name: string,
        args: BridgesArgs,
        opts: pulumi.ComponentResourceOptions,
    ) {
        super("homelab:edge:Bridges", name, {}, opts);
        this.#args = args;
        for (const [bridge, what] of Object.entries(args.bridges)) {
            this.#services.set(bridge, this.service(bridge, what, args.namespaces.name(what.namespace)));
        }
        this.registerOutputs({});
    }

    private service(
        bridge: string,
        { address, port, scheme }: Bridge,
        namespace: pulumi.Output<string>,
    ): pulumi.Output<string> {
        const labels = { "app.kubernetes.io/name": bridge };
        const protocol = "TCP";
        const service = new k8s.core.v1.Service(
            `${this.name}-${bridge}`,
            {
                metadata: { name: bridge, namespace, labels },
                spec: { type: "ClusterIP", ports: [{ name: scheme, port, targetPort: port, protocol }] },
            },
            { parent: this },
        );
        const slice = new k8s.discovery.v1.EndpointSlice(
            `${this.name}-${bridge}-endpoints`,
            {
                metadata: {
                    name: bridge,
                    namespace,
                    labels: {
                        ...labels,
                        "kubernetes.io/service-name": service.metadata.name,
                        // The cluster's own controller leaves slices of others alone.
                        "endpointslice.kubernetes.io/managed-by": "pulumi",
                    },
                },
                addressType: "IPv4",
                // By the name of the Service's port.
                ports: [{ name: scheme, port, protocol }],
                endpoints: [{ addresses: [address], conditions: { ready: true } }],
            },
            { parent: this },
        );
        return valueAfter(slice, service.metadata.name);
    }

    /**
     * Records each that has a host, and makes its route. `how`: who delivers the routes; the Services stay, for Argo CD looks at
     * no EndpointSlice.
     */
    expose(edge: Edge, secrets: SecretStore, opts: pulumi.CustomResourceOptions, how?: AppDelivery): void {
        for (const [bridge, { host, access, namespace: home, port, scheme, verify }] of Object.entries(
            this.#args.bridges,
        )) {
            const service = this.#services.get(bridge);
            if (host === undefined || service === undefined) continue;
            const namespace = this.#args.namespaces.name(home);
            const name = `${this.name}-${bridge}-route`;
            const delivery = how?.begin(this, `${this.name}-${bridge}`, home);
            const objects = delivery === undefined ? opts : delivery.beside(opts);
            const tls = (): BackendTls => {
                if (verify === undefined || objects === undefined) return {};
                const authority = secrets.deliver(
                    `${this.name}-${bridge}-authority`,
                    { name: `${bridge}-authority`, namespace, data: { "ca.crt": verify.authority } },
                    objects,
                );
                return { authority, serverName: verify.serverName };
            };
            const route = edge.expose(
                name,
                { host, access },
                {
                    workload: bridge,
                    namespace,
                    service,
                    port,
                    outside: true,
                    ...(scheme === "https" ? { tls: tls() } : {}),
                },
                objects,
            );
            delivery?.settled([route?.urn]);
        }
    }
}
