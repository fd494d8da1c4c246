/** The recipe magi as strangers have it: each accepted fixture is planned whole. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../stacks/stack-file";
import { planStack } from "../../tools/plan/plan";
import { valueOf } from "./invalid-fixtures";
import { dig } from "./planned";

const FIXTURES = join(__dirname, "..", "fixtures", "valid", "magi");

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
