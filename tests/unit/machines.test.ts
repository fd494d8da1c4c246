/** Machines as one interface: what asks of them knows no kind, and each kind answers. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { MachinesOfKind } from "../../bootstrap/machines";
import { PLAYED } from "../../sandbox/machines";
import { openStack } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";

const homelab = openStack("homelab", readStackValue(ROOT, "homelab"));
const chongus = openStack("chongus", readStackValue(ROOT, "chongus"));

const sources = ["lab", "tools", "sandbox", "config", "policy"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => join(folder, file)),
);

test.each(Object.keys(PLAYED))("nobody but its own files asks whether machines are %s", (kind) => {
    const own = (file: string) => file.startsWith("sandbox/machines/");
    const asking = sources.filter((file) => !own(file) && readFileSync(join(ROOT, file), "utf8").includes(`"${kind}"`));
    expect(asking).toEqual([]);
});

test("what people and workflows need follows from the machines", () => {
    const asked = ({ tools, nodes, kubernetesVersion, lookScript }: MachinesOfKind) => ({
        tools: tools.map(({ name }) => name),
        nodes: nodes.map(({ name }) => name),
        kubernetesVersion,
        ssh: lookScript !== undefined,
    });
    expect(asked(homelab.machines)).toEqual({
        tools: ["ssh"],
        nodes: homelab.nodes.map(({ name }) => name),
        kubernetesVersion: undefined,
        ssh: true,
    });
    expect(asked(chongus.machines)).toMatchObject({ tools: ["talosctl"], kubernetesVersion: "1.33.0", ssh: false });
});

test("an age key is asked for only where something in the cluster gets it", () => {
    const value = readStackValue(ROOT, "homelab") as Record<string, unknown>;
    const { gitops: _gitops, ...without } = value;
    expect(homelab.ageKey).toEqual({ from: "node", path: "/var/lib/sops-nix/keys.txt" });
    expect(openStack("homelab", without).ageKey).toBeUndefined();
    expect(chongus.ageKey).toBeUndefined();
});
