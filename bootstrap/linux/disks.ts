/** Disks that a configuration names, against those that a machine has. */
import type { LinuxDisk } from "./probe";

/** Every disk that is to hold volumes is there, they are different disks, and the system is on none of them. */
export function diskFaults(
    wanted: readonly string[],
    disks: readonly LinuxDisk[],
): readonly { readonly found: string; readonly mend: string }[] {
    const at = (id: string) => disks.find(({ path, ids }) => path === id || ids.includes(id));
    const name = ({ path, ids, model, bytes }: LinuxDisk) =>
        `${ids.find((id) => !/\/(wwn|nvme-eui|scsi)-/.test(id)) ?? ids[0] ?? path} (${[model, `${Math.round(bytes / 1e9)} GB`].filter(Boolean).join(", ")})`;
    const missing = wanted.filter((id) => at(id) === undefined);
    const system = wanted.filter((id) => at(id)?.system === true);
    const twice = wanted.filter(
        (id, index) => at(id) !== undefined && wanted.slice(0, index).some((one) => at(one) === at(id)),
    );
    const free = disks.filter(({ system: root }) => !root).map(name);
    return [
        ...missing.map((id) => ({
            found: `it has no disk ${id}`,
            mend: `it has ${free.join(", ") || "none beside the system's"}: name one of them`,
        })),
        ...system.map((id) => ({
            found: `${id} is the disk that the system is on`,
            mend: `volumes must not be there: it has ${free.join(", ") || "no other"}`,
        })),
        ...twice.map((id) => ({
            found: `${id} is a disk that is named already, by another name`,
            mend: "name each disk once",
        })),
    ];
}
