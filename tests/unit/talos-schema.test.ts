/** Every machine configuration of every stack against Talos' own JSON schema: a decoder that refuses one does so on a machine that is already being changed. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { machineConfigYaml } from "../../bootstrap/talos/machine-config";
import { madeUpTalosSecrets } from "../../sandbox/machines/talos";
import { generate, type Tree } from "../../sandbox/machines/talosctl/config";
import { openStack, recipes, stackNames } from "../../stacks";
import { CONFIG_KEY } from "../../config/parse";
import { PROJECT, readStackValue, ROOT } from "../../stacks/stack-file";
import { refsIn, schemaFaults, type Schema } from "./json-schema";
import { dig } from "./planned";

const SCHEMAS = join(ROOT, "..", "shared", "schemas");
const here = existsSync(SCHEMAS) ? test : test.skip;
const skipped = existsSync(SCHEMAS) ? "" : " (skipped: ../shared/schemas is not here)";
const FIXTURES = join(ROOT, "tests", "fixtures", "valid");

interface MachineConfiguration {
    readonly node: string;
    readonly release: string;
    readonly kubernetes: string;
    readonly patch: string;
}

/** What is handed to `talosctl gen config`, a row a machine; none for a stack that does not run on Talos. */
function machineConfigurations(stack: string, value: unknown): MachineConfiguration[] {
    const machines = openStack(stack, value).machines;
    if (machines.kind !== "talos") return [];
    const { args } = machines;
    return args.nodes.map((node) => ({
        node: node.name,
        release: args.talosVersion,
        kubernetes: args.kubernetesVersion,
        patch: machineConfigYaml(args, node),
    }));
}

/** A secrets bundle with the fields that `talosctl gen secrets` writes. */
function bundle(): string {
    const tree: Tree = {};
    for (const [path, value] of Object.entries(madeUpTalosSecrets())) {
        const keys = path.split(".");
        const last = keys.pop() ?? "";
        const parent = keys.reduce<Tree>((node, key) => (node[key] ??= {}) as Tree, tree);
        parent[last] = value;
    }
    return JSON.stringify(tree);
}

/** Faults of a whole configuration, the patch over what `talosctl gen config` writes without one. */
function faults({ node, release, kubernetes, patch }: MachineConfiguration): string[] {
    const schema = JSON.parse(readFileSync(join(SCHEMAS, `talos-${release}.json`), "utf8")) as Schema & object;
    const [whole] = generate(bundle(), {
        talos: "v1.10.6",
        contract: release,
        ...{ name: "cluster", endpoint: "https://192.0.2.1:6443", kubernetes },
        patches: [patch],
    });
    // talosctl still writes it; the schema leaves it out as deprecated.
    const { persist: _persist, ...config } = whole;
    // Of the type that has no `kind`: of several the fault of another would be told.
    return schemaFaults(config, { $ref: "#/$defs/v1alpha1.Config" }, node, refsIn(schema));
}

const committed = stackNames(ROOT).map(
    (stack) => [`the committed ${stack}`, stack, () => readStackValue(ROOT, stack)] as const,
);
const fixtures = recipes.flatMap(({ name: stack }) =>
    readdirSync(join(FIXTURES, stack)).map(
        (file) =>
            [
                `${stack}/${file}`,
                stack,
                () =>
                    dig(parse(readFileSync(join(FIXTURES, stack, file), "utf8")), "config", `${PROJECT}:${CONFIG_KEY}`),
            ] as const,
    ),
);

here.each([...committed, ...fixtures])(
    `%s: every machine configuration is valid under the schema of its release${skipped}`,
    (_title, stack, value) => {
        const machines = machineConfigurations(stack, value());
        expect(machines.length > 0).toBe(openStack(stack, value()).machines.kind === "talos");
        expect(machines.flatMap(faults)).toEqual([]);
    },
);

here(`the check sees what is wrong${skipped}`, () => {
    const [machine] = machineConfigurations("chongus", readStackValue(ROOT, "chongus"));
    const wrong = (text: string, other: string) => {
        if (machine?.patch.includes(text) !== true) throw new Error(`the configuration has no ${text}`);
        return faults({ ...machine, patch: machine.patch.replace(text, other) });
    };
    expect(wrong("deviceSelector:", "deviceSelektor:")).toEqual([
        "node01.machine.network.interfaces[0].deviceSelektor: there is no such field",
    ]);
    expect(wrong("dhcp: false", "dhcp: off-line")).toEqual([
        'node01.machine.network.interfaces[0].dhcp: got "off-line"; allowed: boolean',
    ]);
    expect(wrong("port: 7445", "port: kubeprism")).toEqual([
        'node01.machine.features.kubePrism.port: got "kubeprism"; allowed: integer',
    ]);
});
