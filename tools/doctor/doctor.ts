/** Looks at everything that a stack's program will need, all at once, and judges it. Changes nothing. */
import { runProgram } from "../../lib/run-program";
import type { Told } from "../../lib/told";
import { localKey, type KeyFact } from "./local-key";
import { openStack, type OpenStack } from "../../stacks";
import type { Examined, ToolWish } from "../../bootstrap/machines";
import { credential, openSecrets } from "../live/reach";
import { readState } from "../live/state";
import { planStack, type Plan } from "../plan/plan";
import { judgeCloudflare, lookAtCloudflare } from "./cloudflare";
import { judgeCluster, lookAtCluster } from "./cluster";
import { databaseServers, judgeDatabases, lookAtDatabases } from "./databases";
import { judgeDoppler, lookAtDoppler } from "./doppler";
import { findingsOf, inOrder, type Area, type Finding } from "../../lib/finding";
import { judgeNames, lookAtNames, nameWishes, publicServer, resolverAt } from "./names";
import { cloudNeeds, nodePaths, pluginsOf, type CloudNeeds } from "./needs";
import { judgeBitwarden, lookAtBitwarden } from "./bitwarden";
import { judgeClusterKey, judgeSecretsFile, lookAtSecretsFile, sopsRules, type ClusterKey } from "./secrets";
import { judgeState } from "./state";
import { judgeStorage, lookAtStorage, storageNeeds } from "./storage";
import { judgeTailscale, lookAtTailscale } from "./tailscale";
import { judgeVault, lookAtVault } from "./vault";
import { judgeNode, judgePlugins, judgeTool, lookAtPlugins, lookAtTool, pluginsOnPath, toolWishes } from "./tools";

export interface Surroundings {
    readonly root: string;
    readonly env: NodeJS.ProcessEnv;
    /** For each question, in milliseconds. */
    readonly timeout: number;
}

const { dependencies, engines } = require("../../package.json") as {
    dependencies: Readonly<Record<string, string>>;
    engines: { node: string };
};

/** Throws `ConfigError` on a faulty stack file: nothing can be looked at before that is mended. */
export async function examine(name: string, value: unknown, around: Surroundings): Promise<Finding[]> {
    const stack = openStack(name, value);
    // The plan first: it has the SDK of this process for itself.
    const plan = await planStack(name, value, around.root);
    const { machines } = stack;
    const secrets = openSecrets(stack, around.root, around.env);
    const kubeconfig = machines.kubeconfig(around);
    const examined = machines.examine(around, nodePaths(plan));
    // Whoever waits for it last must still find the reason.
    examined.catch(() => undefined);
    const findings = await Promise.all([
        area("tools", () => tools(machines.tools, pluginsOf(plan, dependencies), around)),
        area("secrets", async () => secretsFindings(stack, around, await secrets, examined)),
        area("state", async () =>
            judgeState(name, await readState(name, around.root, runProgram, around.timeout), around.env),
        ),
        area("machines", async () => [...(await examined).findings]),
        area("cluster", async () => judgeCluster(stack.nodes, await lookAtCluster(await kubeconfig, around.timeout))),
        area("cluster", async () =>
            judgeDatabases(await lookAtDatabases(databaseServers(plan), await kubeconfig, around.timeout)),
        ),
        area("storage", () => storage(plan, kubeconfig, around)),
        area("names", () => names(plan, around)),
        ...clouds(stack, cloudNeeds(plan), secrets, around),
        area("vault", async () => {
            const { vault } = stack.clouds;
            if (vault === undefined) return [];
            return judgeVault(name, vault, await lookAtVault(vault, await kubeconfig, around.env, around.timeout));
        }),
    ]);
    return inOrder(findings.flat());
}

async function storage(
    plan: Plan,
    kubeconfig: Promise<Told<string>>,
    { env, timeout }: Surroundings,
): Promise<Finding[]> {
    const needs = storageNeeds(plan);
    if (!needs.ceph && !needs.volsync && needs.bridges.length === 0) return [];
    return judgeStorage(await lookAtStorage(needs, await kubeconfig, env, timeout), Date.now());
}

async function names(plan: Plan, { env, timeout }: Surroundings): Promise<Finding[]> {
    const wishes = nameWishes(plan);
    if (wishes.local.length + wishes.public.length === 0) return [];
    const server = publicServer(env);
    if (server === "") return [findingsOf("names").skipped("LAN", "PUBLIC_DNS is empty: there is no DNS here")];
    return judgeNames(wishes, await lookAtNames(wishes, resolverAt(undefined, timeout), resolverAt(server, timeout)));
}

/** A look that fails in a way nobody thought of is a finding of its own; the others go on. */
async function area(name: Area, look: () => Promise<Finding[]>): Promise<Finding[]> {
    try {
        return await look();
    } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return [
            findingsOf(name).failure(
                name,
                `cannot be looked at: ${reason}`,
                "see the sentence; the other findings stand",
            ),
        ];
    }
}

async function tools(
    ofMachines: readonly ToolWish[],
    plugins: Readonly<Record<string, string>>,
    { env, timeout }: Surroundings,
): Promise<Finding[]> {
    const [programs, installed] = await Promise.all([
        Promise.all(
            toolWishes(ofMachines).map(async (wish) => judgeTool(wish, await lookAtTool(wish, runProgram, timeout))),
        ),
        lookAtPlugins(runProgram, timeout),
    ]);
    return [
        judgeNode(process.version, engines.node),
        ...programs,
        ...(installed === undefined
            ? [findingsOf("tools").skipped("provider plugins", "pulumi does not list them")]
            : judgePlugins(plugins, installed, pluginsOnPath(Object.keys(plugins), env))),
    ];
}

async function secretsFindings(
    stack: OpenStack,
    { root }: Surroundings,
    opened: Awaited<ReturnType<typeof openSecrets>>,
    examined: Promise<Examined>,
): Promise<Finding[]> {
    const rules = sopsRules(root);
    const closed = { ok: false, status: 0, reason: "not opened" } as const;
    const facts = stack.secrets.map((file) => ({
        file,
        fact: lookAtSecretsFile(root, file.path, opened.get(file.path) ?? closed),
    }));
    const files = facts.flatMap(({ file, fact }) => judgeSecretsFile(file, fact, rules));
    const [first] = facts;
    if (stack.ageKey === undefined || first === undefined) return files;
    const { from, path } = stack.ageKey;
    const key =
        from === "file" ? ofFile(path, await localKey(path, root, first.file.path)) : await ofMachines(path, examined);
    return [...files, judgeClusterKey(first.file.path, key, first.fact, rules)];
}

function ofFile(where: string, fact: KeyFact): ClusterKey {
    if (!fact.found) return { kind: "missing", where };
    if (fact.opens !== undefined) return { kind: "tried", where, recipient: fact.recipient, opens: fact.opens };
    return fact.recipient === "" ? { kind: "nameless", where } : { kind: "known", where, recipient: fact.recipient };
}

/** What went wrong with the look is said where the machines are. */
async function ofMachines(path: string, examined: Promise<Examined>): Promise<ClusterKey> {
    const { ageKey } = await examined.catch((): Examined => ({ findings: [] }));
    return ageKey ?? { kind: "not looked at", reason: `${path} is on the machines, which cannot be looked at` };
}

function clouds(
    stack: OpenStack,
    needs: CloudNeeds,
    secrets: ReturnType<typeof openSecrets>,
    { env, timeout }: Surroundings,
): Promise<Finding[]>[] {
    const { cloudflare, tailscale, doppler, bitwarden } = stack.clouds;
    const from = async (ref: string) => credential(stack, await secrets, ref);
    return [
        area("cloudflare", async () => {
            if (cloudflare === undefined) return [];
            const token = await from(cloudflare.apiToken);
            if (!token.ok) return [findingsOf("cloudflare").skipped("token", token.reason)];
            return judgeCloudflare(cloudflare, needs, await lookAtCloudflare(cloudflare, token.value, env, timeout));
        }),
        area("tailscale", async () => {
            if (tailscale === undefined) return [];
            const [id, secret] = await Promise.all([from(tailscale.clientId), from(tailscale.clientSecret)]);
            if (!id.ok) return [findingsOf("tailscale").skipped("OAuth client", id.reason)];
            if (!secret.ok) return [findingsOf("tailscale").skipped("OAuth client", secret.reason)];
            const account = { tailnet: tailscale.tailnet, clientId: id.value, clientSecret: secret.value };
            return judgeTailscale(tailscale, needs, await lookAtTailscale(account, env, timeout));
        }),
        area("doppler", async () => {
            if (doppler === undefined) return [];
            if (env["DOPPLER_API_HOST"] === "") {
                return [
                    findingsOf("doppler").skipped(
                        "service token",
                        "DOPPLER_API_HOST is empty: there is no Doppler here",
                    ),
                ];
            }
            const token = await from(doppler.serviceToken);
            if (!token.ok) return [findingsOf("doppler").skipped("service token", token.reason)];
            return judgeDoppler(doppler, await lookAtDoppler(doppler, token.value, env, timeout));
        }),
        area("bitwarden", async () => {
            if (bitwarden === undefined) return [];
            if (env["BWS_SERVER_URL"] === "") {
                return [
                    findingsOf("bitwarden").skipped(
                        "access token",
                        "BWS_SERVER_URL is empty: there is no Bitwarden here",
                    ),
                ];
            }
            const token = await from(bitwarden.accessToken);
            if (!token.ok) return [findingsOf("bitwarden").skipped("access token", token.reason)];
            return judgeBitwarden(bitwarden, await lookAtBitwarden(bitwarden, token.value, timeout));
        }),
    ];
}
