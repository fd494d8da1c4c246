/** The recipe magi as strangers have it: each accepted fixture is planned whole. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../stacks/stack-file";
import { planStack } from "../../tools/plan/plan";
import { valueOf } from "./invalid-fixtures";
import { dig } from "./planned";

const FIXTURES = join(__dirname, "..", "fixtures", "valid", "magi");

test("control planes beside workers: Ceph takes their disks, nobody waits for their GPUs", async () => {
    const value = valueOf(join(FIXTURES, "five-machines.yaml")) as { nodes: Record<string, unknown>[] };
    const nodes = value.nodes.map((node, index) => (index === 0 ? { ...node, gpus: { amd: 1 } } : node));
    const { resources, notes } = await planStack("stranger", { ...value, nodes }, ROOT);
    const ceph = resources.find(({ type, name }) => type.endsWith(":Release") && name === "ceph");
    expect(dig(ceph?.inputs, "values", "cephClusterSpec", "placement", "all", "tolerations")).toHaveLength(1);
    const offered = dig(resources.find(({ name }) => name === "amd-gpus-offered")?.inputs, "environment");
    expect(JSON.stringify(offered)).toContain("four");
    expect(JSON.stringify(offered)).not.toContain("one");
    expect(notes?.[0]).toMatch(/^1 GPU by AMD/);
});

test.each(readdirSync(FIXTURES))(
    "%s: a plan with its machines, its pod network, its way in, and each app",
    async (file) => {
        const value = valueOf(join(FIXTURES, file)) as { apps: Readonly<Record<string, unknown>>; nodes: unknown[] };
        const { resources } = await planStack("stranger", value, ROOT);
        const names = (type: string) =>
            resources.filter((one) => one.type.endsWith(type)).map(({ inputs }) => dig(inputs, "metadata", "name"));
        expect(resources.filter(({ name }) => /^kubeadm-/.test(name)).length).toBeGreaterThan(value.nodes.length);
        for (const release of ["cilium", "metallb", "haproxy-ingress"]) {
            expect(resources.some(({ type, name }) => type.endsWith(":Release") && name === release)).toBe(true);
        }
        expect(names("apps/v1:Deployment")).toEqual(expect.arrayContaining(Object.keys(value.apps)));
    },
);
