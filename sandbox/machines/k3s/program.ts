/** The simulated programs: `node machines.cjs <root> <machine>|- <program> <arguments>`. */
import { readFileSync } from "node:fs";
import { Refused } from "../k3d/refused";
import { k3s } from "./k3s";
import { curl, interfaces, tables, umount } from "./linux";
import { ssh } from "./ssh";
import { PlayedMachinesState } from "./state";
import { journalctl, systemctl } from "./systemd";

async function main([root = "", name = "", program = "", ...args]: readonly string[]): Promise<void> {
    const all = new PlayedMachinesState(root);
    all.note(name, program, args);
    if (program === "ssh") return print(ssh(all, args, () => readFileSync(0, "utf8")));
    const machine = all.machine(name);
    const stdin = () => readFileSync(0, "utf8");
    switch (program) {
        case "systemctl":
            return print(await systemctl(machine, args));
        case "journalctl":
            return print(journalctl(machine, args));
        case "k3s":
            return print(k3s(machine, args));
        case "curl":
            return print(curl(machine, args));
        case "umount":
            return print(umount(machine, args));
        case "ip":
            return print(interfaces(machine, args));
        case "iptables-save":
        case "iptables-restore":
        case "ip6tables-save":
        case "ip6tables-restore":
            return print(tables(machine, program, stdin));
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
