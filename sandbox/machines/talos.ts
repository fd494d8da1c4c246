/**
 * Machines with Talos for the sandbox: `talosctl` on the engine's PATH answers from files (sandbox/machines/talosctl/), and
 * `curl` knows the Image Factory. The program under test speaks to them as to real ones: same commands, same answers.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { TALOS_SECRETS } from "../../bootstrap/talos/secrets-bundle";
import type { PlayedMachines } from "./machines";
import { Machines } from "./talosctl/machines";

export const talosMachines: PlayedMachines = {
    install: (bin, { node, kubeconfig }, nodes, machines) =>
        installTalosctl(bin, {
            root: node,
            kubeconfig,
            ...(machines.kind === "talos" ? { release: machines.args.talosVersion } : {}),
            nodes: nodes.map(({ name, address, hardware = { disks: [], mac: "" } }) => ({
                name,
                address,
                ...hardware,
            })),
        }),
};

export interface TalosMachines {
    /** Folder for the machines' files; what is there already is left alone. */
    readonly root: string;
    /** File with the kubeconfig that the machines hand out. */
    readonly kubeconfig: string;
    /** Release of talosctl, as a household installs that of its machines; absent: the seed's. */
    readonly release?: string;
    readonly nodes: readonly {
        readonly name: string;
        readonly address: string;
        readonly mac: string;
        /** By id: the system disk and Ceph's. */
        readonly disks: readonly string[];
    }[];
}

/** Writes `talosctl` and `curl` into `bin`, and makes every machine that is not there yet, in maintenance mode. */
export function installTalosctl(bin: string, { root, nodes, ...household }: TalosMachines): void {
    mkdirSync(root, { recursive: true });
    const machines = new Machines(root);
    machines.install(household);
    for (const node of nodes) if (!machines.has(node.name)) machines.save(node);

    // Bundled once: a cluster's bring-up is a hundred calls, and a TypeScript loader takes half a second for each.
    const program = join(root, "talosctl.cjs");
    execFileSync(require.resolve("esbuild/bin/esbuild"), [
        join(__dirname, "talosctl", "program.ts"),
        ...["--bundle", "--platform=node", "--format=cjs", "--log-level=error", `--outfile=${program}`],
    ]);
    const run = `'${process.execPath}' '${program}' '${root}'`;
    script(join(bin, "talosctl"), `exec ${run} talosctl "$@"`);
    script(
        join(bin, "curl"),
        `case "$*" in *https://factory.talos.dev/*) exec ${run} curl "$@" ;; esac
PATH=$(printf '%s' "$PATH" | tr ':' '\\n' | grep -vxF '${bin}' | paste -sd: -)
exec curl "$@"`,
    );
}

/** Every call so far, in order. */
export function talosCalls(root: string): { program: string; args: string[] }[] {
    const file = join(root, "calls.jsonl");
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { program: string; args: string[] });
}

/** A secrets bundle of made-up values, by dotted path, as `secretsDocument` takes it. */
export function madeUpTalosSecrets(): Record<string, string> {
    return Object.fromEntries(TALOS_SECRETS.map((path) => [path, randomBytes(24).toString("base64")]));
}

function script(path: string, body: string): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
}
