/** The simulated ssh to the Docker host: strict as OpenSSH where nobody can be asked. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { Refused } from "./refused";
import type { DockerHostState } from "./state";

const VALUED = /^-[oplFiJLRESW]$/;

export function ssh(host: DockerHostState, args: readonly string[], stdin: () => string): string {
    if (args[0] === "-V") return "OpenSSH_9.9p2";
    const options: string[] = [];
    const words: string[] = [];
    let port = "22";
    let user = "";
    for (let index = 0; index < args.length; index++) {
        const word = args[index] ?? "";
        if (words.length === 0 && VALUED.test(word)) {
            const value = args[++index] ?? "";
            if (word === "-o") options.push(value);
            if (word === "-p") port = value;
            if (word === "-l") user = value;
        } else if (words.length === 0 && word.startsWith("-")) {
            if (word !== "--") options.push(word);
        } else words.push(word);
    }
    const [destination = "", ...command] = words;
    const at = destination.lastIndexOf("@");
    if (at !== -1) user = destination.slice(0, at);
    const address = destination.slice(at + 1);
    if (options.includes("-G")) {
        // A name stands in the user's configuration with the address of the simulated host.
        const hostname = /^[\d.]+$/.test(address) ? address : host.played.address;
        return `user ${user}\nhostname ${hostname}\nport ${port}`;
    }
    if (!options.includes("BatchMode=yes")) {
        throw new Refused(`${user}@${address}'s password: nobody is there to type one`, 255);
    }
    if (host.troubles.noKey === true)
        throw new Refused(`${user}@${address}: Permission denied (publickey,password).`, 255);
    const line = command.join(" ");
    if (line === "docker system dial-stdio") {
        if (host.troubles.dockerDown !== true) return "";
        throw new Refused(
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        );
    }
    return onHost(host, line === "sh -s" ? stdin() : line);
}

/** Runs a script by the host's shell, with the host's directories in place of this computer's. */
function onHost(host: DockerHostState, script: string): string {
    host.writeTables();
    const place = (text: string) =>
        text.replace(
            /(^|[^A-Za-z0-9_./-])\/(etc|var|mnt|srv|dev|proc\/net|sys)(?=\/|[^A-Za-z0-9_-]|$)/gm,
            (_, before: string, top: string) => `${before}${host.onHost(top)}`,
        );
    const ran = spawnSync("sh", ["-s"], {
        input: place(script),
        encoding: "utf8",
        env: { PATH: `${join(host.root, "bin")}:/usr/local/bin:/usr/bin:/bin` },
    });
    const own = (text: string) => text.replaceAll(host.onHost("/"), "/").trimEnd();
    if (ran.status !== 0) throw new Refused(own(ran.stderr), ran.status ?? 255);
    return own(ran.stdout);
}
