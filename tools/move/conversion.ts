/** What seed 002 has done before an app is deployed to its new cluster (Migrating App from Bitty to Chongus, 1 to 6). */
import { toBytes } from "../../config/quantities";
import type { Leftover, Move, Step, Verdict } from "./steps";

type Finding = Omit<Step, "part">;

/** Steps 1 to 6 of the seed: most of what they convert is the program's by now, and is looked at all the same. */
export function conversion(move: Move): Step[] {
    return [
        { part: 1, ...reviewed(move) },
        { part: 2, ...routed(move) },
        { part: 3, ...sourced(move) },
        { part: 4, ...secretsStored(move) },
        { part: 5, ...substituted(move) },
        { part: 6, ...placed(move) },
    ];
}

/** What differs between both declarations may be meant so; a person has to say. */
function reviewed({ app, from, to }: Move): Finding {
    const title = `${app} is declared on ${to.stack} as it was on ${from.stack}`;
    const keys = [...new Set([...Object.keys(from.settings), ...Object.keys(to.settings)])].sort();
    const said = (value: unknown) => (value === undefined ? "the default" : JSON.stringify(value));
    const settings = keys
        .filter((key) => JSON.stringify(from.settings[key]) !== JSON.stringify(to.settings[key]))
        .map((key) => `${key}: ${said(from.settings[key])} on ${from.stack}, ${said(to.settings[key])} on ${to.stack}`);
    const devices = from.workloads.flatMap(({ name, devices: had }) => {
        const has = to.workloads.find((one) => one.name === name)?.devices ?? [];
        return had.join() === has.join()
            ? []
            : [`${name} had ${had.join(", ") || "no device"} and gets ${has.join(", ") || "none"}`];
    });
    const differs = [...settings, ...devices];
    return differs.length === 0
        ? { title, verdict: "done", found: "the same settings and devices", fix: [] }
        : {
              title,
              verdict: "unseen",
              found: "only you can say whether it is meant so",
              fix: differs.map((line) => `  ${line}`),
          };
}

/** Objects of the old tree on either side that have what is asked for, as `<path> on <stack>`. */
function left({ from, to, seen }: Move, ends: RegExp, has: (one: Leftover) => string | undefined): string[] {
    return [from, to].flatMap(({ stack }, index) =>
        Object.entries((index === 0 ? seen.from : seen.to).tree).flatMap(([path, object]) => {
            const what = object === null || !ends.test(path) ? undefined : has(object);
            return what === undefined
                ? []
                : [`${path.replace(/^\/apis\/[^/]+\/[^/]+\/namespaces\//, "")} on ${stack}${what}`];
        }),
    );
}

/** What was seen of both clusters: something in the way, nothing, or not looked at. */
function judged({ seen }: Move, lines: readonly string[]): Verdict {
    if (lines.length > 0) return "todo";
    return seen.from.silent === undefined && seen.to.silent === undefined ? "done" : "unseen";
}

const unseenReason = ({ seen }: Move) =>
    [seen.from.silent, seen.to.silent].filter((one) => one !== undefined).join("; ");

const FROM_TREE = "take it out of the tree in Git, so that one owner is left: docs/flux-apps.md";

function routed(move: Move): Finding {
    const { app, from, to } = move;
    const title = `${app} has its way in on ${to.stack}, and no Ingress beside it`;
    if (from.routes.length > 0 && to.routes.length === 0) {
        return {
            title,
            verdict: "todo",
            found: `${from.routes.map(({ host }) => host).join(", ")} would lead nowhere: ${to.stack} has no route for it`,
            fix: [`declare a host below apps.${app} in Pulumi.${to.stack}.yaml`],
        };
    }
    const lines = left(move, /\/ingresses\/[^/]+$/, () => "");
    const verdict = judged(move, lines);
    const kinds = to.routes.map(({ host, object, address }) =>
        object === undefined ? `${host} by a Service at ${address}` : `${host} by ${kindOf(object)}`,
    );
    if (verdict === "unseen") return { title, verdict, found: unseenReason(move), fix: [] };
    return lines.length === 0
        ? { title, verdict, found: kinds.join(", ") || "nobody reaches it from outside, there as here", fix: [] }
        : { title, verdict, found: `the old way is still there: ${lines.join(", ")}`, fix: [FROM_TREE] };
}

const kindOf = (path: string) => (path.includes("/httproutes/") ? "HTTPRoute" : "Ingress");

function sourced(move: Move): Finding {
    const title = `no shared HelmRepository delivers ${move.app}`;
    const lines = left(move, /\/helmreleases\/[^/]+$/, ({ helmRepository }) =>
        helmRepository === undefined ? undefined : ` takes its chart from HelmRepository ${helmRepository}`,
    );
    const verdict = judged(move, lines);
    if (verdict === "unseen") return { title, verdict, found: unseenReason(move), fix: [] };
    return lines.length === 0
        ? { title, verdict, found: `its declaration is in apps/, one for both clusters`, fix: [] }
        : {
              title,
              verdict,
              found: lines.join(", "),
              fix: [
                  `apps/ declares it, without a chart: ${FROM_TREE}.`,
                  "A chart that stays in the tree gets an OCIRepository of its own.",
              ],
          };
}

function secretsStored({ app, to, seen }: Move): Finding {
    const title = `the store of ${to.stack} has the secrets of ${app}`;
    const wanted = to.secrets.filter(({ keys }) => keys.length > 0);
    if (wanted.length === 0) return { title, verdict: "done", found: "it takes none from a store", fix: [] };
    const keys = [...new Set(wanted.flatMap((secret) => secret.keys))].sort().join(", ");
    const missing = wanted.filter(({ name }) => seen.to.secrets[name] !== true);
    if (to.declared && seen.to.silent === undefined && missing.length === 0) {
        return { title, verdict: "done", found: `${keys} arrived`, fix: [] };
    }
    // Before it is declared nobody asks the store.
    const asked = to.declared && seen.to.silent === undefined;
    return {
        title,
        verdict: asked ? "todo" : "unseen",
        found: asked
            ? `not filled: ${missing.map(({ namespace, name }) => `ExternalSecret ${namespace}/${name}`).join(", ")}`
            : (seen.to.silent ?? `nobody has asked for ${keys} yet`),
        fix: [`the store must hold ${keys}; the values are in what ${app} had before (docs/secrets.md)`],
    };
}

function substituted(move: Move): Finding {
    const title = `nothing is substituted into ${move.app} from a Secret`;
    const lines = left(move, /\/kustomizations\/[^/]+$/, ({ substitutes }) =>
        substitutes === undefined ? undefined : ` substitutes from Secret ${substitutes.join(", ")}`,
    );
    const verdict = judged(move, lines);
    if (verdict === "unseen") return { title, verdict, found: unseenReason(move), fix: [] };
    return lines.length === 0
        ? { title, verdict, found: "no Kustomization of its name does", fix: [] }
        : { title, verdict, found: lines.join(", "), fix: ["remove postBuild.substituteFrom there", FROM_TREE] };
}

function placed({ app, from, to }: Move): Finding {
    const title = `${app} has its namespace and its backed-up volumes on ${to.stack}`;
    const missing = from.data.flatMap(({ workload, size }) => {
        const there = to.data.find((one) => one.workload === workload);
        if (there === undefined) return [`no data volume for ${workload}: without it the data would stay behind`];
        return toBytes(there.size) < toBytes(size)
            ? [`${there.size} for ${workload}, which has ${size} on ${from.stack}: a restore may not fit`]
            : [];
    });
    const unmade = to.workloads.map(({ namespace }) => namespace).filter((one) => !to.namespaces.includes(one));
    const faults = [...missing, ...new Set(unmade.map((one) => `nobody makes the namespace ${one}`))];
    const volumes = to.data.map(({ workload, size, kept }) =>
        kept.by === "volsync"
            ? `${size} for ${workload}, backed up to ${Object.keys(kept.sources).sort().join(" and ")}`
            : `${size} for ${workload} in ${kept.path}`,
    );
    return faults.length > 0
        ? {
              title,
              verdict: "todo",
              found: faults.join("; "),
              fix: [`in apps/ or below apps.${app} in Pulumi.${to.stack}.yaml`],
          }
        : {
              title,
              verdict: "done",
              found: [`namespace ${to.namespaces.join(", ")}`, ...volumes].join("; "),
              fix: [],
          };
}
