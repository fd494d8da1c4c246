/** Programs of a release on the simulated machines: scripts that say what they are, and the hash that `sha256sum` gives them. */
import { rmSync, writeFileSync } from "node:fs";
import { Refused } from "../k3d/refused";
import { sha256, type PlayedMachine } from "../k3s/state";

const MARK = /^#!\/bin\/sh\n# (kubeadm|kubelet|kubectl) (v\S+)\n/;

/** Release of a program on the machine; undefined where it is none. */
export const releaseOf = (text: string | undefined): string | undefined => MARK.exec(text ?? "")?.[2];

export const minorOf = (version: string): number => Number(version.split(".")[1]);

const VERSION_SAID: Readonly<Record<string, (version: string) => string>> = {
    kubeadm: (version) => `if [ "$1" = version ]; then echo ${version}; exit 0; fi`,
    kubelet: (version) => `if [ "$1" = --version ]; then echo "Kubernetes ${version}"; exit 0; fi`,
    kubectl: (version) =>
        `if [ "$1" = version ]; then printf 'Client Version: ${version}\\nKustomize Version: v5.7.1\\n'; exit 0; fi`,
};

function releaseFile(machine: PlayedMachine, name: string, version: string, hash: string): string {
    const { program } = machine.all.site;
    return `#!/bin/sh
# ${name} ${version}
# sha256 ${hash}
${VERSION_SAID[name]?.(version) ?? ""}
exec ${program} '${machine.all.root}' ${machine.name} ${name} ${version} "$@"
`;
}

/** Of the real file where the configuration says it, which cannot be had here. */
export function releaseHash(machine: PlayedMachine, name: string, version: string): string {
    const { releases } = machine.all.site;
    return releases?.[`${name} ${version}`] ?? sha256(`${name} ${version}`);
}

const URL_OF =
    /^https:\/\/dl\.k8s\.io\/release\/(v\d+\.\d+\.\d+)\/bin\/linux\/amd64\/(kubeadm|kubelet|kubectl)(\.sha256)?$/;

/** Answers for a release's files; undefined: it is another address. */
export function download(machine: PlayedMachine, args: readonly string[]): string | undefined {
    const url = args.find((word) => word.startsWith("https://")) ?? "";
    const [, version, name, list] = URL_OF.exec(url) ?? [];
    if (version === undefined || name === undefined) return undefined;
    if (machine.troubles.noDns === true) throw new Refused("curl: (6) Could not resolve host: dl.k8s.io", 6);
    // Without it curl ends well on the page of an error, and keeps to the first address of a redirection.
    if (!args.includes("--fail") || !args.includes("--location"))
        throw new Refused("curl without --fail and --location is not simulated");
    if (list !== undefined) return releaseHash(machine, name, version);
    const output = args[args.indexOf("--output") + 1];
    if (!args.includes("--output") || output === undefined)
        throw new Refused("curl: (23) binary output can mess up your terminal", 23);
    rmSync(output, { force: true });
    const hash = machine.troubles.tampered === true ? sha256("something else") : releaseHash(machine, name, version);
    writeFileSync(output, releaseFile(machine, name, version, hash));
    return "";
}
