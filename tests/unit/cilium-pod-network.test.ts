/** Cilium as pod network alone, below somebody else's addresses, HTTP and mesh. */
import { ciliumValues } from "../../components/network/cilium";

const values = (meshed: boolean) =>
    ciliumValues({
        cluster: { podCidr: "10.42.0.0/16" },
        apiServer: { host: "192.168.1.12", port: 6443 },
        nodeCount: 3,
        profile: { kind: "pod-network", meshed },
    });

describe("Cilium as pod network alone", () => {
    test("kube-proxy is replaced by the API's own address, pods get addresses of the cluster's network, flows are seen", () => {
        expect(values(false)).toMatchObject({
            kubeProxyReplacement: true,
            k8sServiceHost: "192.168.1.12",
            k8sServicePort: 6443,
            ipam: { operator: { clusterPoolIPv4PodCIDRList: ["10.42.0.0/16"] } },
            operator: { replicas: 2 },
            hubble: { enabled: true, relay: { enabled: true }, ui: { enabled: true } },
        });
    });

    test("it announces nothing and serves no HTTP", () => {
        for (const key of ["l2announcements", "bgpControlPlane", "gatewayAPI", "ingressController"]) {
            expect(values(true)).not.toHaveProperty(key);
        }
    });

    test("what pods send is shaped where that is asked for, and only there", () => {
        const shaped = ciliumValues({
            cluster: { podCidr: "10.42.0.0/16" },
            apiServer: { host: "192.168.1.12", port: 6443 },
            nodeCount: 3,
            profile: { kind: "pod-network", meshed: true, shaped: true },
        });
        expect(shaped).toMatchObject({ bandwidthManager: { enabled: true } });
        expect(values(true)).not.toHaveProperty("bandwidthManager");
    });

    test("below a mesh it leaves other plugins' configuration, and Services' addresses to the proxies", () => {
        expect(values(true)).toMatchObject({ cni: { exclusive: false }, socketLB: { hostNamespaceOnly: true } });
        expect(values(false)).not.toHaveProperty("cni");
        expect(values(false)).not.toHaveProperty("socketLB");
    });
});
