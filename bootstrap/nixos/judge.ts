/** The NixOS machine: reached over SSH, k3s as Cilium needs it, its key, its directories and devices. */
import { findingsOf, type Finding } from "../../lib/finding";
import { lastLine, type Run } from "../../lib/run-program";
import type { Told } from "../../lib/told";
import { knownFlags, missingFlags, nixosOption, RECOMMENDED_FLAGS } from "../k3s-flags";
import type { NodePaths } from "../machines";
import { deviceMend, nodeFaultList, type NixosK3sArgs, type NodePart } from "../nixos-k3s";
import { parseFacts, probeScript, type NodeFacts } from "../node-facts";
import { overSsh } from "../ssh";

const say = findingsOf("machines");

/** What is looked for beyond what the program itself looks for: everything that some pod takes from the machine. */
function wanted(args: NixosK3sArgs, paths: NodePaths) {
    const unique = (list: readonly string[]) => [...new Set(list)];
    return {
        directories: unique([...args.requiredDirectories, ...args.directories, ...paths.directories]),
        devices: unique([...args.requiredDevices, ...paths.devices]),
    };
}

export async function lookAtNixos(
    args: NixosK3sArgs,
    paths: NodePaths,
    run: Run,
    timeout: number,
): Promise<Told<NodeFacts>> {
    const { address, ssh } = args.node;
    const script = probeScript({
        ...(args.ageKeyPath === undefined ? {} : { ageKeyPath: args.ageKeyPath }),
        ...wanted(args, paths),
    });
    const ran = await overSsh(run, { address, ...ssh }, "sh -s", timeout, script);
    if (ran.code !== 0)
        return { ok: false, status: ran.code, reason: lastLine(ran.stderr) || `ssh ended with code ${ran.code}` };
    try {
        return { ok: true, value: parseFacts(ran.stdout) };
    } catch (error) {
        return { ok: false, status: 0, reason: error instanceof Error ? error.message : String(error) };
    }
}

const PARTS: Readonly<Record<NodePart, (args: NixosK3sArgs) => string | undefined>> = {
    name: ({ node }) => `is ${node.name}, as node.name says`,
    networks: ({ podCidr, serviceCidr }) => `pods ${podCidr}, Services ${serviceCidr}`,
    k3s: () => "runs, with every flag it must have",
    kubeconfig: () => "is there",
    "age key": ({ ageKeyPath }) => (ageKeyPath === undefined ? undefined : `is there: ${ageKeyPath}`),
    // Both are said one by one.
    directories: () => undefined,
    devices: () => undefined,
};

export function judgeNixos(args: NixosK3sArgs, paths: NodePaths, told: Told<NodeFacts>): Finding[] {
    const { node } = args;
    const where = `${node.ssh.user}@${node.address}`;
    if (!told.ok) {
        return [
            say.failure(
                "ssh",
                `${where} cannot be looked at: ${told.reason}`,
                `try  ssh -p ${node.ssh.port} ${where} true  : the machine must be on, its host key known, your key in its authorized_keys` +
                    (node.ssh.user === "root" ? "" : ", and sudo without a password"),
            ),
            ...[...Object.keys(PARTS)].map((part) => say.skipped(part, "the machine cannot be looked at")),
        ];
    }
    const facts = told.value;
    const faults = nodeFaultList(args, { ...facts, missingDirectories: [], missingDevices: [] });
    const parts = (Object.keys(PARTS) as NodePart[]).flatMap((part): Finding[] => {
        const own = faults.filter((fault) => fault.part === part);
        if (own.length > 0) return own.map(({ fault, mend }) => say.failure(part, trimEnd(fault), mend));
        const good = PARTS[part](args);
        return good === undefined ? [] : [say.ok(part, good)];
    });
    const { flags, fault } = knownFlags(facts);
    const recommended = (fault === undefined ? missingFlags(flags, RECOMMENDED_FLAGS) : []).map((flag) =>
        say.warning("k3s", `runs without ${flag.flag}: ${flag.why}`, `NixOS: ${nixosOption(flag)}`),
    );
    return [
        say.ok("ssh", `${where} answers`),
        ...parts,
        ...recommended,
        ...directoryFindings(args, paths, facts),
        ...deviceFindings(args, paths, facts),
    ];
}

function directoryFindings(args: NixosK3sArgs, paths: NodePaths, { missingDirectories }: NodeFacts): Finding[] {
    const { directories } = wanted(args, paths);
    const there = directories.filter((path) => !missingDirectories.includes(path));
    const missing = directories
        .filter((path) => missingDirectories.includes(path))
        .map((path) => {
            if (args.requiredDirectories.includes(path)) {
                return say.failure(
                    "directory",
                    `${path} is missing`,
                    `is the data disk mounted? On a new machine make it: mkdir -p ${path}`,
                );
            }
            // Its parent is reported; one finding is enough.
            if (
                args.requiredDirectories.some(
                    (parent) => missingDirectories.includes(parent) && path.startsWith(`${parent}/`),
                )
            ) {
                return undefined;
            }
            return args.directories.includes(path)
                ? say.warning(
                      "directory",
                      `${path} is not there yet`,
                      "pulumi up makes it; where it was there before, look for the data first",
                  )
                : say.failure(
                      "directory",
                      `${path} is missing, and a pod mounts it`,
                      `make it, or mount its disk: mkdir -p ${path}`,
                  );
        })
        .filter((finding) => finding !== undefined);
    return [
        ...(there.length === 0 ? [] : [say.ok("directories", `${there.length} of ${directories.length} are there`)]),
        ...missing,
    ];
}

function deviceFindings(args: NixosK3sArgs, paths: NodePaths, { missingDevices }: NodeFacts): Finding[] {
    return wanted(args, paths).devices.map((path) =>
        missingDevices.includes(path)
            ? say.failure("device", `${path} is missing`, deviceMend(path))
            : say.ok("device", `${path} is there`),
    );
}

/** A fault's sentence without the link to its mend. */
function trimEnd(sentence: string): string {
    return sentence.trim().replace(/[:.]$/, "");
}
