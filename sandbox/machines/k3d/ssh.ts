/** The simulated ssh to the Docker host: strict as OpenSSH where nobody can be asked. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { readSshWords } from "../ssh-words";
import { Refused } from "./refused";
import type { DockerHostState } from "./state";

export function ssh(host: DockerHostState, args: readonly string[], stdin: () => string): string {
    if (args[0] === "-V") return "OpenSSH_9.9p2";
    const { user, address, port, options, line } = readSshWords(args);
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
