import * as pulumi from "@pulumi/pulumi";
import type { LoadBalancer } from "./load-balancer";

/**
 * k3s' own: a Service of type LoadBalancer has its ports on every node, and the nodes' addresses.
 * https://docs.k3s.io/networking/networking-services#service-load-balancer
 */
export const serviceLb: LoadBalancer = {
    /** Throws a `RunError`: there are no addresses but the nodes'. */
    pin: (address) => {
        throw new pulumi.RunError(
            `${address} cannot be the address of one app: this cluster's load balancer (k3s' servicelb) has the nodes' own ` +
                'addresses only. Expose the app by its host name (access: "local" or "external"), or give it a network of its own',
        );
    },
};
