/**
 * `npm run move -- <app> <from> <to>`: the steps by which an app changes clusters, each verified against both. Changes
 * nothing; run it again after each step.
 */
import { existsSync, readFileSync } from "node:fs";
import { openStack, stackNames } from "../../stacks";
import { ConfigError, didYouMean } from "../../config/parse";
import { Unreachable } from "../live/get";
import { timeoutOf } from "../live/options";
import { commandLine } from "../../lib/command-line";
import type { Told } from "../../lib/told";
import { kubeReader } from "../live/kube";
import { planStack } from "../plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { runMain, UserError } from "../../lib/user-error";
import { observe, silent } from "./observe";
import { renderChecklist } from "./render";
import { sideOf, type Side } from "./sides";
import { checklist, type Seen } from "./steps";

const USAGE =
    "usage: npm run move -- <app> <from> <to> [--from-kubeconfig FILE] [--to-kubeconfig FILE] [--root DIR] [--timeout SECONDS] [--json]";

runMain(async () => {
    const { app, stacks, root, kubeconfigs, timeout, json } = options();
    // One after the other: a process has one monitor of resources.
    const from = await side(stacks.from, app, root, false);
    const to = await side(stacks.to, app, root, true);
    if (!from.declared && !to.declared) {
        throw new UserError(
            `neither Pulumi.${stacks.from}.yaml nor Pulumi.${stacks.to}.yaml declares ${app}: is that its name below apps?`,
        );
    }
    const [seenFrom, seenTo] = await Promise.all([
        look(from, root, kubeconfigs.from, timeout),
        look(to, root, kubeconfigs.to, timeout),
    ]);
    const move = { app, from, to, seen: { from: seenFrom, to: seenTo } };
    const steps = checklist(move);
    process.stdout.write(
        json
            ? `${JSON.stringify({ app, from: from.stack, to: to.stack, steps }, null, 2)}\n`
            : renderChecklist(move, steps),
    );
    if (steps.some(({ verdict }) => verdict === "todo")) return 2;
    return [seenFrom, seenTo].some(({ silent: reason }) => reason !== undefined) ? 3 : 0;
});

/** What of a stack's file the move reads itself; the rest is the plan's. */
interface StackValue {
    readonly apps?: Readonly<Record<string, Record<string, unknown>>>;
    readonly phaseOut?: { readonly to?: string; readonly apps?: readonly string[] };
}

/** The app as the stack's file declares it, or as it would be if the file did. */
async function side(stack: string, app: string, root: string, into: boolean): Promise<Side> {
    const value = readStackValue(root, stack) as StackValue;
    const { phaseOut } = value;
    if (into && phaseOut?.to !== undefined) {
        throw new UserError(
            `${stack} is being phased out: apps move from it to ${phaseOut.to}, never to it (phaseOut in Pulumi.${stack}.yaml)`,
        );
    }
    const settings = value.apps?.[app];
    const declared = settings !== undefined;
    const { to = "", apps: frozen = [] } = phaseOut ?? {};
    const supposed = declared
        ? value
        : {
              ...value,
              apps: { ...value.apps, [app]: {} },
              // One that has left may be looked at as though it had not.
              ...(phaseOut === undefined ? {} : { phaseOut: { to, apps: [...frozen, app] } }),
          };
    try {
        openStack(stack, supposed);
    } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        const unknown = error.faults.some(({ rule, path }) => rule === "unknown-key" && path === `apps.${app}`);
        if (!unknown) {
            throw new UserError(
                `${app} needs more in Pulumi.${stack}.yaml before it can be planned there:\n${error.message}`,
            );
        }
        const known = Object.keys(value.apps ?? {});
        const hint = didYouMean(app, known).suggestion;
        throw new UserError(
            `the program has no ${app} for ${stack}${hint === undefined ? "" : ` (${hint})`}; declared there are ${known.join(", ")}. docs/day-2.md says how an app is added`,
        );
    }
    const declaration = { declared, settings: settings ?? {}, frozen: frozen.includes(app) };
    return sideOf(await planStack(stack, supposed, root), app, declaration);
}

async function look(of: Side, root: string, file: string | undefined, timeout: number): Promise<Seen> {
    const kubeconfig = await kubeconfigOf(of.stack, root, file, timeout);
    if (!kubeconfig.ok) return silent(`${of.stack} was not looked at: ${kubeconfig.reason}`);
    try {
        return await observe(kubeReader(kubeconfig.value, timeout), of);
    } catch (error) {
        if (error instanceof Unreachable) return silent(`${of.stack} was not looked at: ${error.message}`);
        throw error;
    }
}

/** From a file, or from the cluster's own machines as the program itself takes it. */
async function kubeconfigOf(
    stack: string,
    root: string,
    file: string | undefined,
    timeout: number,
): Promise<Told<string>> {
    if (file === undefined) return openStack(stack, readStackValue(root, stack)).machines.kubeconfig({ root, timeout });
    if (!existsSync(file)) throw new UserError(`the kubeconfig ${file} of ${stack} does not exist`);
    return { ok: true, value: readFileSync(file, "utf8") };
}

function options() {
    const { values, positionals } = commandLine(process.argv.slice(2), USAGE, {
        "from-kubeconfig": { type: "string" },
        "to-kubeconfig": { type: "string" },
        root: { type: "string", default: ROOT },
        timeout: { type: "string", default: "20" },
        json: { type: "boolean", default: false },
    });
    const [app, from, to, ...more] = positionals;
    if (app === undefined || from === undefined || to === undefined || more.length > 0) {
        throw new UserError(`an app and two stacks are needed, of ${stackNames(ROOT).join(", ")}; ${USAGE}`);
    }
    if (from === to) throw new UserError(`from ${from} to ${to} is no move; ${USAGE}`);
    return {
        app,
        stacks: { from, to },
        root: values.root,
        kubeconfigs: { from: values["from-kubeconfig"], to: values["to-kubeconfig"] },
        timeout: timeoutOf(values.timeout),
        json: values.json,
    };
}
