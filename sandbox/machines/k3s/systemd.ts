/** systemd of the simulated machines: units of k3s alone. */
import { basename } from "node:path";
import { Refused } from "../k3d/refused";
import { startK3s } from "./k3s";
import type { PlayedMachine } from "./state";

const unitPath = (unit: string): string => `etc/systemd/system/${unit}.service`;

export async function systemctl(machine: PlayedMachine, args: readonly string[]): Promise<string> {
    const [verb = "", ...names] = args.filter((word) => !word.startsWith("-"));
    const unit = basename(names[0] ?? "", ".service");
    if (verb === "daemon-reload") {
        for (const name of ["k3s", "k3s-agent"]) {
            const { loaded: _loaded, ...rest } = machine.unit(name);
            const file = machine.read(unitPath(name));
            machine.change(({ units }) => {
                units[name] = { ...rest, ...(file === undefined ? {} : { loaded: file }) };
            });
        }
        return "";
    }
    const known = machine.unit(unit);
    switch (verb) {
        case "enable":
            if (machine.read(unitPath(unit)) === undefined)
                throw new Refused(`Failed to enable unit: Unit file ${unit}.service does not exist.`);
            machine.setUnit(unit, { enabled: true });
            return "";
        case "disable":
            machine.setUnit(unit, { enabled: false, ...(args.includes("--now") ? { state: "inactive" } : {}) });
            return "";
        case "stop":
            machine.setUnit(unit, { state: "inactive" });
            return "";
        case "restart":
        case "start":
            if (known.loaded === undefined)
                throw new Refused(`Failed to restart ${unit}.service: Unit ${unit}.service not found.`, 5);
            // Type=notify: whoever waits for a server that cannot join waits for ever.
            if (!args.includes("--no-block"))
                throw new Refused(`systemctl ${verb} without --no-block is not simulated`);
            await startK3s(machine, unit, known.loaded);
            return "";
    }
    throw new Refused(`systemctl ${verb} is not simulated`);
}

export function journalctl(machine: PlayedMachine, args: readonly string[]): string {
    const unit = basename(args[args.indexOf("--unit") + 1] ?? "", ".service");
    return machine.unit(unit).log.slice(-3).join("\n");
}
