/** What a configuration says of GPUs, and what follows from it for apps and for who reads the plan. */
import { gpuKeys, gpuNotes, gpusOf, gpuSum } from "../../lab/gpus";
import { gpuRules, k3sGpus } from "../../lab/k3s-gpus";
import * as pulumi from "@pulumi/pulumi";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";

/** The machines of seed 003. */
const nodes = [
    { name: "k3s1", gpus: { nvidia: 0, intel: 1 } },
    { name: "k3s2", gpus: { nvidia: 0, intel: 1 } },
    { name: "k3s3", gpus: { nvidia: 1, intel: 0 } },
];
const gpus = (value: unknown) => gpuKeys.parse(value);
const home = { nodes, gpus: gpus({ nvidia: { shares: 4, memory: "16Gi" }, intel: { renderGroup: 109 } }) };

test("shares are what apps can have: 4 of one T4, one of each QuickSync (K-HW-15)", () => {
    expect([gpuSum(home, "nvidia"), gpuSum(home, "intel")]).toEqual([4, 2]);
    expect(nodes.map((node) => gpusOf(node, home))).toEqual([
        { nvidia: 0, intel: 1 },
        { nvidia: 0, intel: 1 },
        { nvidia: 4, intel: 0 },
    ]);
    // Without the key each serves one.
    expect(gpuSum({ nodes }, "nvidia")).toBe(1);
});

test("the plan says that nothing isolates the memory of the shares, and how much there is (K-HW-16)", () => {
    expect(gpuNotes(home)).toEqual([expect.stringMatching(/serves 4 apps by turns.*isolates.*share its 16Gi/)]);
    expect(gpuNotes({ ...home, gpus: gpus({}) })).toEqual([]);
    expect(gpuNotes({ nodes: nodes.slice(0, 2), gpus: home.gpus })).toEqual([]);
});

test("a container that cannot open the device would transcode on the processor: the group is asked for", () => {
    const faults = (config: typeof home) => gpuRules.flatMap((rule) => rule(config));
    expect(faults(home)).toEqual([]);
    expect(faults({ ...home, gpus: gpus({}) })).toMatchObject([{ path: "gpus.intel.renderGroup", got: "nothing" }]);
    expect(faults({ nodes: nodes.slice(2), gpus: gpus({}) })).toEqual([]);
});

test.each([0, 49, 1.5, "4"])("%j shares are refused", (shares) => {
    expect(gpuKeys.safeParse({ nvidia: { shares } }).error?.issues).toMatchObject([
        { message: "a whole number from 1 to 48" },
    ]);
});

test("Intel's plugin has its definitions, its operator and that one's webhook before it, on the machines that have one (K-HW-08, K-GITOPS-03)", async () => {
    let offered: Record<string, unknown> = {};
    const resources = await planComponent(() => {
        const cluster = {
            ...{ name: "test", timezone: "Etc/UTC", kubeconfig: pulumi.secret("clusters: []"), lan: "192.168.10.0/24" },
            ...{ podCidr: "10.42.0.0/16", serviceCidr: "10.43.0.0/16" },
        };
        offered = k3sGpus(home, cluster, {}).gpus;
    });
    const look = lookInto(() => ({ resources }));
    expect(Object.keys(offered)).toEqual(["nvidia", "intel"]);
    look.inOrder(
        look.find(":Release", "intel-gpus-operator"),
        look.find(":Command", "intel-gpus-webhook"),
        look.find(":Release", "intel-gpus"),
        look.find(":Command", "intel-gpus-offered"),
    );
    expect(dig(look.find(":Command", "intel-gpus-offered").inputs, "environment", "WANTED")).toBe("k3s1=1 k3s2=1");
    expect(dig(look.find(":Command", "intel-gpus-offered").inputs, "create")).not.toContain("talosctl");
    expect(dig(look.find(":Command", "nvidia-offered").inputs, "environment", "WANTED")).toBe("k3s3=4");
});
