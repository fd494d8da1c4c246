/** Machines with Talos: what the program itself looks at before each run, and extensions and mount point beside it. */
import { UNKNOWN_CLUSTER } from "../../components/cluster/cluster-uid";
import { findingsOf, type Finding } from "../../lib/finding";
import { lastLine, runProgram, type Run } from "../../lib/run-program";
import { PrivateDirectory } from "../private-directory";
import { look, type LookAnswer } from "./look";
import { extensionsFor, schematic } from "./schematic";
import { openSecretsBundle } from "./secrets-bundle";
import { lookRequest, type TalosClusterArgs } from "./talos-cluster";
import { Talosctl, type Surroundings } from "./talosctl";

const say = findingsOf("machines");

/** What a configured machine has beside its disks. */
export interface TalosExtras {
    readonly schematic: string;
    /** Whether the directory of local volumes is there. */
    readonly mounted: boolean;
}

export interface TalosFacts {
    readonly answer: LookAnswer;
    /** By node name; a string says why not. */
    readonly extras: ReadonlyMap<string, TalosExtras | "maintenance" | { readonly silent: string }>;
}

/** talosctl with a client certificate of its own, for as long as `use` takes. */
export async function withTalosctl<T>(
    args: TalosClusterArgs,
    timeout: number,
    use: (talosctl: Talosctl, around: Surroundings) => Promise<T>,
): Promise<T> {
    const directory = new PrivateDirectory();
    const around: Surroundings = {
        run: (program, words, options) =>
            runProgram(program, words, { ...options, timeout: Math.min(options?.timeout ?? timeout, timeout) }),
        directory,
        say: () => undefined,
        sleep: () => Promise.resolve(),
        now: Date.now,
    };
    try {
        const { root, secretsFile, clusterName, endpoint, talosVersion, kubernetesVersion } = lookRequest(args);
        const talosctl = await Talosctl.open(around, await openSecretsBundle(root, secretsFile), {
            CLUSTER_NAME: clusterName,
            CONTROL_PLANE_ENDPOINT: endpoint,
            TALOS_VERSION: talosVersion,
            KUBERNETES_VERSION: kubernetesVersion,
        });
        return await use(talosctl, around);
    } finally {
        directory.remove();
    }
}

export async function lookAtTalosMachines(args: TalosClusterArgs, run: Run, timeout: number): Promise<TalosFacts> {
    const directory = new PrivateDirectory();
    let answer: LookAnswer;
    try {
        answer = await look(
            {
                run: (program, words, options) => run(program, words, { ...options, timeout }),
                directory,
                say: () => undefined,
                sleep: () => Promise.resolve(),
                now: Date.now,
            },
            lookRequest(args),
        );
    } catch (error) {
        answer = {
            secretsHash: "",
            cluster: UNKNOWN_CLUSTER,
            faults: [error instanceof Error ? error.message : String(error)],
            warnings: [],
        };
    } finally {
        directory.remove();
    }
    const extras = new Map<string, TalosExtras | "maintenance" | { silent: string }>();
    // Without tools or certificates no machine can be asked.
    if (answer.secretsHash === "" || answer.faults.some((fault) => /^(talosctl|kubectl) /.test(fault)))
        return { answer, extras };
    await withTalosctl(args, timeout, async (talosctl) => {
        await Promise.all(
            args.nodes.map(async ({ name, address }) => {
                try {
                    const presence = await talosctl.presence(address);
                    if (presence.kind === "maintenance") extras.set(name, "maintenance");
                    else if (presence.kind !== "configured") extras.set(name, { silent: "it does not answer" });
                    else {
                        extras.set(name, {
                            schematic: await talosctl.schematic(address),
                            mounted: await talosctl.has(address, args.localHostpath),
                        });
                    }
                } catch (error) {
                    extras.set(name, { silent: lastLine(error instanceof Error ? error.message : String(error)) });
                }
            }),
        );
    });
    return { answer, extras };
}

type JudgedArgs = Omit<TalosClusterArgs, "root">;

export function judgeTalos(args: JudgedArgs, { answer, extras }: TalosFacts): Finding[] {
    // Every sentence about a machine starts with its name, or has "on <name>" in it.
    const about = (name: string, sentence: string) => new RegExp(`(^|on )${name}\\b`).test(sentence);
    const names = args.nodes.map(({ name }) => name);
    const general = answer.faults.filter((fault) => !names.some((name) => about(name, fault)));
    // Tools and secrets are said in areas of their own; what is left is the machines'.
    const rest = general.filter((fault) => !/^(talosctl|kubectl) /.test(fault) && answer.secretsHash !== "");
    const blocked = general.length > 0 && extras.size === 0;
    return [
        ...rest.map((fault) => finding("talos", fault, say.failure)),
        ...args.nodes.flatMap((node): Finding[] => {
            const { name, address } = node;
            if (blocked)
                return [say.skipped(name, "talosctl or the secrets bundle is not in order: see tools and secrets")];
            const own = [
                ...answer.faults
                    .filter((fault) => about(name, fault))
                    .map((fault) => finding(name, fault, say.failure)),
                ...answer.warnings.filter((line) => about(name, line)).map((line) => finding(name, line, say.warning)),
            ];
            if (own.length > 0) return own;
            const disks = `disks by id (${[node.systemDisk, ...node.osdDisks].length}) and interface ${node.mac} as declared`;
            return [say.ok(name, `${address} answers; ${disks}`), ...extraFindings(args, node, extras.get(name))];
        }),
    ];
}

function extraFindings(
    args: JudgedArgs,
    node: TalosClusterArgs["nodes"][number],
    extras: TalosExtras | "maintenance" | { readonly silent: string } | undefined,
): Finding[] {
    const check = `${node.name} system`;
    if (extras === "maintenance") return [say.skipped(check, "in maintenance mode: pulumi up installs Talos")];
    if (extras === undefined || "silent" in extras) return [say.skipped(check, extras?.silent ?? "not looked at")];
    const wanted = schematic(extensionsFor(node));
    return [
        extras.schematic === wanted.id
            ? say.ok(check, `Talos with the extensions it should have`)
            : say.warning(
                  check,
                  `runs the schematic ${extras.schematic.slice(0, 12) || "of a plain image"}, wanted: ${wanted.id.slice(0, 12)} (${extensionsFor(node).join(", ") || "no extensions"})`,
                  "pulumi up upgrades the machine to it, which reboots it",
              ),
        extras.mounted
            ? say.ok(`${node.name} volumes`, `${args.localHostpath} is there`)
            : say.failure(
                  `${node.name} volumes`,
                  `${args.localHostpath} is missing: OpenEBS has no place for local volumes`,
                  "pulumi up applies the machine configuration that mounts it; docs/talos.md",
              ),
    ];
}

/** A sentence of the look, with the part after its last colon as mend where that is one. */
function finding(
    check: string,
    sentence: string,
    make: (check: string, found: string, fix: string) => Finding,
): Finding {
    const [, found = sentence, mend = ""] =
        /^(.*): ((?:boot|install|correct|restore|upgrade|point|run|docs).*)$/s.exec(sentence) ?? [];
    if (mend !== "") return make(check, found, mend);
    if (sentence.includes("has no disk"))
        return make(check, sentence, "plug the disk in, or put an id that is there into nodes");
    if (sentence.includes("does not answer"))
        return make(check, sentence, "switch the machine on, or look at its console");
    return make(check, sentence, "docs/talos.md");
}
