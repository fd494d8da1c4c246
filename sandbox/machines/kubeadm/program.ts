/** The simulated programs: `node machines.cjs <root> <machine>|- <program> <arguments>`. */
import { readFileSync } from "node:fs";
import { Refused } from "../k3d/refused";
import { interfaces, tables, umount } from "../k3s/linux";
import { ssh } from "../k3s/ssh";
import { PlayedMachinesState } from "../k3s/state";
import { journalctl } from "../k3s/systemd";
import { kubeadm } from "./kubeadm";
import { kubectl } from "./kubectl";
import { systemctl } from "./kubelet";
import { ctr, curl, modprobe, openssl, ping, sh, sysctl, systemdAnalyze } from "./linux";

async function main([root = "", name = "", program = "", ...args]: readonly string[]): Promise<void> {
    const all = new PlayedMachinesState(root);
    all.note(name, program, args);
    if (program === "ssh") return print(ssh(all, args, () => readFileSync(0, "utf8")));
    const machine = all.machine(name);
    switch (program) {
        case "systemctl":
            return print(systemctl(machine, args));
        case "journalctl":
            return print(journalctl(machine, args));
        case "kubeadm":
            return print(await kubeadm(machine, args));
        case "kubectl":
            return print(kubectl(machine, args.slice(1)));
        case "curl":
            return print(curl(machine, args));
        case "modprobe":
            return print(modprobe(machine, args));
        case "sysctl":
            return print(sysctl(machine, args));
        case "systemd-analyze":
            return print(systemdAnalyze(args));
        case "ping":
            return print(ping(machine, args));
        case "sh":
            return print(sh(machine, args));
        case "openssl":
            return print(openssl(args));
        case "ctr":
            return print(ctr(machine, args));
        case "umount":
            return print(umount(machine, args));
        case "ip":
            return print(interfaces(machine, args));
        case "iptables-save":
        case "iptables-restore":
        case "ip6tables-save":
        case "ip6tables-restore":
            return print(tables(machine, program, () => readFileSync(0, "utf8")));
        default:
            throw new Refused(`${program} is not simulated`);
    }
}

function print(said: string): void {
    if (said !== "") process.stdout.write(said.endsWith("\n") ? said : `${said}\n`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
    if (!(error instanceof Refused)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.code;
});
