/** The simulated programs: `node machines.cjs <root> <machine>|- <program> <arguments>`. */
import { Refused } from "../k3d/refused";
import { k3s } from "./k3s";
import { curl, interfaces, tables, umount } from "./linux";
import { runPlayed } from "./run";
import { ssh } from "./ssh";
import { PlayedMachinesState } from "./state";
import { journalctl, systemctl } from "./systemd";

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
            return await systemctl(machine, args);
        case "journalctl":
            return journalctl(machine, args);
        case "k3s":
            return k3s(machine, args);
        case "curl":
            return curl(machine, args);
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
