/** The simulated programs: `node machines.cjs <root> <machine>|- <program> <arguments>`. */
import { Refused } from "../k3d/refused";
import { interfaces, tables, umount } from "../k3s/linux";
import { runPlayed } from "../k3s/run";
import { ssh } from "../k3s/ssh";
import { PlayedMachinesState } from "../k3s/state";
import { journalctl } from "../k3s/systemd";
import { kubeadm } from "./kubeadm";
import { kubectl } from "./kubectl";
import { systemctl } from "./kubelet";
import { ctr, curl, modprobe, openssl, ping, sh, sysctl, systemdAnalyze } from "./linux";

/** What a program says; throws what it refuses. */
export async function play(
    [root = "", name = "", program = "", ...args]: readonly string[],
    stdin: () => string,
): Promise<string> {
    const all = new PlayedMachinesState(root);
    all.note(name, program, args);
    if (program === "ssh") return ssh(all, args, stdin);
    const machine = all.machine(name);
    switch (program) {
        case "systemctl":
            return systemctl(machine, args);
        case "journalctl":
            return journalctl(machine, args);
        case "kubeadm":
            return await kubeadm(machine, args);
        case "kubectl":
            return kubectl(machine, args.slice(1), stdin);
        case "curl":
            return curl(machine, args);
        case "modprobe":
            return modprobe(machine, args);
        case "sysctl":
            return sysctl(machine, args);
        case "systemd-analyze":
            return systemdAnalyze(args);
        case "ping":
            return ping(machine, args);
        case "sh":
            return sh(machine, args);
        case "openssl":
            return openssl(args);
        case "ctr":
            return ctr(machine, args);
        case "umount":
            return umount(machine, args);
        case "ip":
            return interfaces(machine, args);
        case "iptables-save":
        case "iptables-restore":
        case "ip6tables-save":
        case "ip6tables-restore":
            return tables(machine, program, stdin);
        default:
            throw new Refused(`${program} is not simulated`);
    }
}

if (require.main === module) runPlayed(play);
