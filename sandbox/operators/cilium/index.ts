import { ciliumBgp } from "./bgp";
import { charts } from "./chart";
import { ciliumGateway } from "./gateway";
import type { Operator } from "../operator";

export const cilium: Operator = {
    charts,
    controllers: () => [ciliumBgp, ciliumGateway()],
    registers: {
        project: "cilium",
        deployment: "kube-system/cilium-operator",
        delayMs: 3000,
        // The schema version of Cilium 1.20's development line; the operator compares it to decide about updates.
        labels: { "io.cilium.k8s.crd.schema.version": "1.33.0" },
    },
};
