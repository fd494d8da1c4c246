/** Which cluster is behind a name: what refuses another one, and how one that was installed anew is accepted. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { NO_CLUSTER, UNKNOWN_CLUSTER } from "../../components/cluster/cluster-uid";
import { assertSameCluster } from "../../components/cluster/identity";
import { stackNames } from "../../stacks";
import { acceptCluster } from "../../tools/accept/accept";
import { planStack, type PlannedResource } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";

const OURS = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";

describe("the look before anything else", () => {
    const warn = jest.spyOn(pulumi.log, "warn").mockResolvedValue();
    beforeEach(() => warn.mockClear());
    afterAll(() => warn.mockRestore());
    const seen = (found: string, known: string | undefined, silent: "refuse" | "warn" = "refuse") =>
        assertSameCluster({ stack: "homelab", machines: "node homelab (192.168.0.28)", found, known, silent });

    test("lets the cluster of the last up in, and any where nothing was up", async () => {
        await seen(OURS, OURS);
        await seen(OTHER, undefined);
        await seen(NO_CLUSTER, undefined);
        await seen(UNKNOWN_CLUSTER, undefined);
        expect(warn).not.toHaveBeenCalled();
    });

    test("refuses another one, names both, and says how to accept it", async () => {
        const refused = seen(OTHER, OURS);
        await expect(refused).rejects.toBeInstanceOf(pulumi.RunError);
        await expect(refused).rejects.toThrow(
            new RegExp(
                `^node homelab \\(192.168.0.28\\): this is not the cluster .* of homelab built; nothing was touched\\.\\n` +
                    `.*UID ${OTHER}, the stack's has ${OURS}(.|\\n)*npm run accept -- homelab ${OTHER} `,
            ),
        );
    });

    test("refuses machines whose cluster is gone", async () => {
        await expect(seen(NO_CLUSTER, OURS, "warn")).rejects.toThrow(
            /There is no cluster on it any more(.|\n)*npm run accept -- homelab none /,
        );
    });

    test("an API server that does not answer is refused or warned of, as the machines have it", async () => {
        await expect(seen(UNKNOWN_CLUSTER, OURS)).rejects.toThrow(/does not answer, .* nothing was touched\.$/);
        await seen(UNKNOWN_CLUSTER, OURS, "warn");
        expect(warn.mock.calls).toEqual([[expect.stringContaining(`(kube-system ${OURS}) is not known`)]]);
    });
});

describe("destroy, which runs no program", () => {
    let guard: PlannedResource;
    const folder = mkdtempSync(join(tmpdir(), "homelab-identity-test-"));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test.each(stackNames(ROOT))("deletes the guard of %s before anything else", async (name) => {
        const plan = await planStack(name, readStackValue(ROOT, name), ROOT);
        const found = plan.resources.filter((resource) => resource.name === "cluster-identity");
        expect(found).toHaveLength(1);
        guard = found[0] as PlannedResource;
        const rest = plan.resources.filter(
            ({ custom, type, urn }) =>
                // What Git has, a plan alone shows.
                custom && !type.startsWith("pulumi:") && !urn.includes("homelab:gitops:Objects$") && urn !== guard.urn,
        );
        expect(rest.length).toBeGreaterThan(50);
        expect(rest.filter(({ urn }) => !guard.dependsOn.includes(urn)).map(({ urn }) => urn)).toEqual([]);
        // A trigger would replace it, and so run its delete script: but for the one of everything in a cluster that is made anew.
        expect(guard.inputs).toEqual(expect.objectContaining({ delete: expect.any(String) }));
        const all = plan.resources.map(({ inputs }) => JSON.stringify((inputs as { triggers?: unknown }).triggers));
        const own = JSON.stringify((guard.inputs as { triggers?: unknown }).triggers);
        const madeHere = plan.resources.some(({ type }) => type === "homelab:bootstrap:K3dCluster");
        expect(own !== undefined).toBe(madeHere);
        if (madeHere) expect(all.filter((one) => one === own).length).toBeGreaterThan(5);
    });

    /** Runs a script of the guard as the engine's provider would, against a cluster with that UID. */
    function runScript(script: "create" | "update" | "delete", found: string, known?: string) {
        const kubectl = join(folder, "kubectl");
        writeFileSync(
            kubectl,
            `#!/bin/sh
[ "$*" = "get namespace kube-system --output=jsonpath={.metadata.uid} --request-timeout=10s" ] || { echo "unknown: $*" >&2; exit 2; }
[ -n "${found}" ] || { echo "connection refused" >&2; exit 1; }
printf '%s' "${found}"
`,
        );
        chmodSync(kubectl, 0o755);
        const inputs = guard.inputs as Record<string, string> & { interpreter: string[] };
        const [shell = "", ...flags] = inputs.interpreter;
        const { status, stdout, stderr } = spawnSync(shell, [...flags, inputs[script] ?? ""], {
            env: {
                PATH: [folder, process.env["PATH"]].join(delimiter),
                // Without it bash takes its standard input for a network connection.
                SHLVL: "1",
                CLUSTER_KUBECONFIG: "",
                STACK: "homelab",
                ...(known === undefined ? {} : { PULUMI_COMMAND_STDOUT: known }),
            },
            encoding: "utf8",
        });
        return { status, stdout, stderr };
    }

    test("its scripts note the UID, and refuse another one", () => {
        expect(runScript("create", OURS)).toEqual({ status: 0, stdout: OURS, stderr: "" });
        expect(runScript("update", OURS, OURS)).toEqual({ status: 0, stdout: OURS, stderr: "" });
        expect(runScript("delete", OURS, OURS)).toEqual({ status: 0, stdout: "", stderr: "" });
        for (const script of ["update", "delete"] as const) {
            const { status, stderr } = runScript(script, OTHER, OURS);
            expect(status).toBe(1);
            expect(stderr).toContain(
                `its kube-system has the UID ${OTHER}, the stack's has ${OURS}. Nothing was touched.`,
            );
            expect(stderr).toContain(`npm run accept -- homelab ${OTHER} `);
        }
    });

    test("an API server that does not answer is not emptied", () => {
        const { status, stderr } = runScript("delete", "", OURS);
        expect(status).toBe(1);
        expect(stderr).toContain("The API server does not say which cluster it is; nothing was touched.");
        expect(stderr).toContain("npm run accept -- homelab none ");
    });
});

describe("accepting a cluster that was installed anew", () => {
    const urn = (type: string, name: string) => `urn:pulumi:homelab::homelab-infrastructure::${type}::${name}`;
    const provider = urn("pulumi:providers:kubernetes", "homelab");
    const [kubeconfig, secret] = [
        urn("command:local:Command", "node-kubeconfig"),
        urn("kubernetes:core/v1:Secret", "token"),
    ];
    const tunnel = urn("cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared", "tunnel");
    const resource = (of: string, more: object = {}) => ({ urn: of, type: of.split("::")[2], custom: true, ...more });
    const exported = {
        version: 3,
        deployment: {
            manifest: { version: "v3.250.0" },
            resources: [
                {
                    urn: urn("pulumi:pulumi:Stack", "homelab"),
                    type: "pulumi:pulumi:Stack",
                    outputs: { cluster: OURS, delivery: { sonarr: "pulumi" } },
                },
                resource(kubeconfig),
                resource(provider, { dependencies: [kubeconfig], propertyDependencies: { kubeconfig: [kubeconfig] } }),
                resource(secret, { provider: `${provider}::1`, dependencies: [tunnel] }),
                resource(tunnel, { dependencies: [secret], deletedWith: secret }),
                resource(urn("tailscale:index/tailnetKey:TailnetKey", "tailnet")),
            ],
            pending_operations: [
                { type: "creating", resource: resource(secret) },
                { type: "creating", resource: resource(tunnel) },
            ],
        },
    };

    test("forgets what was in the cluster, keeps what was outside, and depends on nothing that is gone", () => {
        const { document, before, dropped, kept } = acceptCluster(exported, OTHER);
        expect({ before, dropped, kept }).toEqual({
            before: OURS,
            dropped: 3,
            kept: ["ZeroTrustTunnelCloudflared tunnel"],
        });
        const { deployment, version } = document as typeof exported;
        expect(version).toBe(3);
        expect(deployment.manifest).toEqual({ version: "v3.250.0" });
        expect(deployment.resources).toEqual([
            expect.objectContaining({ outputs: { cluster: OTHER, delivery: { sonarr: "pulumi" } } }),
            resource(provider, { dependencies: [], propertyDependencies: { kubeconfig: [] } }),
            resource(tunnel, { dependencies: [] }),
        ]);
        expect(deployment.pending_operations).toEqual([{ type: "creating", resource: resource(tunnel) }]);
    });

    test("`none` lets any cluster in", () => {
        const { document } = acceptCluster(exported, NO_CLUSTER);
        expect((document as typeof exported).deployment.resources[0]).toMatchObject({
            outputs: { delivery: { sonarr: "pulumi" } },
        });
        expect(JSON.stringify(document)).not.toContain(OURS);
    });

    test("says so when there is nothing to accept", () => {
        expect(() => acceptCluster(exported, OURS)).toThrow(`${OURS} is the cluster that the state is about`);
        expect(() => acceptCluster({ version: 3, deployment: { resources: [] } }, OTHER)).toThrow("names no cluster");
        expect(() => acceptCluster({ version: 3 }, OTHER)).toThrow("names no cluster");
    });
});
