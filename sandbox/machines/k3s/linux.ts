/** Programs of the simulated machines that are Linux' own. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { Refused } from "../k3d/refused";
import { apiAnswers } from "./k3s";
import { sha256, type PlayedMachine } from "./state";

/** `ip link delete <name>` */
export function interfaces(machine: PlayedMachine, [noun, verb, name = ""]: readonly string[]): string {
    if (noun !== "link" || verb !== "delete") throw new Refused(`ip ${noun} ${verb} is not simulated`);
    const link = `sys/class/net/${name}`;
    if (!existsSync(machine.path(link))) throw new Refused(`Cannot find device "${name}"`);
    machine.remove(link);
    return "";
}

export function tables(machine: PlayedMachine, program: string, stdin: () => string): string {
    const [family = "", verb] = program.split("-");
    const file = `${family}.rules`;
    if (verb === "save") return machine.read(file) ?? "*filter\nCOMMIT\n";
    machine.write(file, stdin());
    return "";
}

export function umount(machine: PlayedMachine, args: readonly string[]): string {
    const path = args.find((word) => !word.startsWith("-")) ?? "";
    const own = path.replace(machine.folder, "");
    if (machine.troubles.stuckMount === own) throw new Refused(`umount: ${own}: target is busy.`, 32);
    const mounts = (machine.read("proc/self/mounts") ?? "").split("\n");
    const left = mounts.filter((line) => line.split(" ")[1] !== path && line.split(" ")[1] !== own);
    if (left.length === mounts.length) throw new Refused(`umount: ${own}: not mounted.`, 32);
    machine.write("proc/self/mounts", left.join("\n"));
    return "";
}

/** First lines of a release's file, by which the simulation knows it. */
const MARK = /^#!\/bin\/sh\n# k3s (v\S+)\n/;

/** Release of a binary on the machine; undefined where it is none. */
export function releaseOf(text: string | undefined): string | undefined {
    return MARK.exec(text ?? "")?.[1];
}

/** The release's file: a script that plays it, and says the hash that `sha256sum` of the machine gives it. */
function releaseFile(machine: PlayedMachine, version: string, hash: string): string {
    const { program } = machine.all.site;
    return `#!/bin/sh
# k3s ${version}
# sha256 ${hash}
if [ "$1" = --version ]; then printf 'k3s version ${version} (simulated)\\ngo version go1.23.8\\n'; exit 0; fi
exec ${program} '${machine.all.root}' ${machine.name} k3s ${version} "$@"
`;
}

/** Of the real file where the configuration says it, which cannot be had here. */
function releaseHash(machine: PlayedMachine, version: string): string {
    const { release } = machine.all.site;
    return release?.version === version ? release.sha256 : sha256(`k3s ${version}`);
}

const RELEASE =
    /^https:\/\/github\.com\/k3s-io\/k3s\/releases\/download\/(v[0-9.]+(?:-rc\d+)?%2Bk3s\d+)\/(k3s|sha256sum-amd64\.txt)$/;

export function curl(machine: PlayedMachine, args: readonly string[]): string {
    const url = args.find((word) => word.startsWith("https://")) ?? "";
    const output = args[args.indexOf("--output") + 1] ?? "";
    const cacerts = /^https:\/\/([^:/]+):6443\/cacerts$/.exec(url);
    if (cacerts !== null) {
        const address = cacerts[1] ?? "";
        const server = machine.all.at(address);
        if (!args.includes("--insecure"))
            throw new Refused("curl: (60) SSL certificate problem: unable to get local issuer certificate", 60);
        if (server === undefined || machine.troubles.cutOff?.includes(address) === true) {
            throw new Refused(`curl: (28) Connection timed out`, 28);
        }
        if (!apiAnswers(server)) throw new Refused(`curl: (7) Failed to connect to ${address} port 6443`, 7);
        return machine.all.cluster?.authority ?? "";
    }
    const [, encoded, file] = RELEASE.exec(url) ?? [];
    if (encoded === undefined || file === undefined) throw new Refused(`curl ${url} is not simulated`);
    if (machine.troubles.noDns === true) throw new Refused("curl: (6) Could not resolve host: github.com", 6);
    // Without it curl ends well on the page of an error, and keeps to the first address of a redirection.
    if (!args.includes("--fail") || !args.includes("--location"))
        throw new Refused("curl without --fail and --location is not simulated");
    const version = decodeURIComponent(encoded);
    if (file !== "k3s") {
        return `${sha256("images")}  k3s-airgap-images-amd64.tar\n${releaseHash(machine, version)}  k3s\n`;
    }
    if (!args.includes("--output")) throw new Refused("curl: (23) binary output can mess up your terminal", 23);
    rmSync(output, { force: true });
    const hash = machine.troubles.tampered === true ? sha256("something else") : releaseHash(machine, version);
    writeFileSync(output, releaseFile(machine, version, hash));
    return "";
}
