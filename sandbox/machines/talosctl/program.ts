/**
 * The simulated talosctl: what bootstrap/talos sends, answered from the machines' files as talosctl 1.10 answers it,
 * refusals included. `node program.cjs <root> talosctl|curl <arguments>`.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { authority, check, compare, digest, documents, generate, install, tree, written, type Tree } from "./config";
import { flag, isSet, needed, parseCommandLine, Refused, type CommandLine } from "./flags";
import { Machines, type SimulatedMachine } from "./machines";

const [root = "", program = "", ...args] = process.argv.slice(2);
const machines = new Machines(root);

function talosctl(line: CommandLine): void {
    switch (line.command) {
        case "version":
            if (isSet(line, "client")) return print(`Client:\nTalos ${machines.release}`);
            return print(JSON.stringify({ version: { tag: configured(line).installed.version } }));
        case "gen config":
            return genConfig(line);
        case "validate":
            needed(line, "mode");
            check(readFileSync(needed(line, "config"), "utf8"), machines.release);
            return print(`${needed(line, "config")} is valid for metal mode`);
        case "apply-config":
            return applyConfig(line);
        case "bootstrap":
            return bootstrap(line);
        case "get":
            return get(line);
        case "list":
            return print(`.\n${isMember(configured(line)) ? "member\n" : ""}NODE   NAME`);
        case "read":
            return print(`boot-${configured(line).installed.boot}`);
        case "etcd members": {
            const self = configured(line);
            if (!isMember(self)) throw new Refused("rpc error: code = Unavailable desc = etcd is not running");
            const rows = members().map(
                ({ name, address }) =>
                    `${self.address} ${digest(name).slice(0, 16)} ${name} https://${address}:2380 https://${address}:2379 false`,
            );
            return print(["NODE ID HOSTNAME PEER URLS CLIENT URLS LEARNER", ...rows].join("\n"));
        }
        case "service": {
            const healthy = isMember(configured(line));
            return print(
                `NODE     ${target(line).address}\nID       etcd\nSTATE    ${healthy ? "Running" : "Preparing"}\nHEALTH   ${healthy ? "OK" : "?"}`,
            );
        }
        case "upgrade":
            return upgrade(line);
        case "upgrade-k8s":
            return upgradeKubernetes(line);
        case "kubeconfig":
            if (line.words[0] !== "-" || flag(line, "merge") !== "false") {
                throw new Refused("a kubeconfig is only printed here: kubeconfig - --merge=false");
            }
            configured(line);
            return print(machines.kubeconfig.trimEnd());
    }
}

function genConfig(line: CommandLine): void {
    const [name = "", endpoint = ""] = line.words;
    if (!endpoint.startsWith("https://"))
        throw new Refused("the control plane endpoint URL should have scheme https://");
    const output = needed(line, "output");
    if (existsSync(output) && !isSet(line, "force")) {
        throw new Refused(`file "${output}" already exists, use --force to overwrite`);
    }
    const config = generate(readFileSync(needed(line, "with-secrets"), "utf8"), {
        name,
        endpoint,
        talos: machines.release,
        contract: flag(line, "talos-version") ?? machines.release,
        kubernetes: needed(line, "kubernetes-version"),
        patches: (line.flags.get("config-patch-control-plane") ?? []).map((patch) => {
            if (!patch.startsWith("@")) throw new Refused("patches are read from files");
            return readFileSync(patch.slice(1), "utf8");
        }),
    });
    const context = { context: name, contexts: { [name]: { endpoints: [], ca: authority(config) } } };
    writeFileSync(output, needed(line, "output-types") === "talosconfig" ? stringify(context) : written(config));
    process.stderr.write(`generating PKI and tokens\nCreated ${output}\n`);
}

function applyConfig(line: CommandLine): void {
    const text = readFileSync(needed(line, "file"), "utf8");
    if (needed(line, "mode") !== "auto") throw new Refused("only --mode auto is simulated");
    const machine = isSet(line, "insecure") ? maintenance(line) : configured(line);
    // One in maintenance mode was booted from the image of talosctl's release.
    const config = check(text, machine.installed?.version ?? machines.release);
    if (machine.installed === undefined) {
        const { disk, image } = install(config[0]);
        if (!machine.disks.includes(disk))
            throw new Refused(`rpc error: code = InvalidArgument desc = no disk ${disk}`);
        machines.save({ ...machine, installed: { ...fromImage(image), config: text, disk, boot: 1, etcd: false } });
        return;
    }
    const effect = compare(documents(machine.installed.config), config);
    const said = `Applied configuration ${effect === "reboot" ? "with" : "without"} a reboot`;
    if (isSet(line, "dry-run")) {
        const diff = effect === "nothing" ? "No changes." : "--- a\n+++ b\n@@ -1 +1 @@";
        process.stderr.write(`Dry run summary:\n${said} (skipped in dry-run).\nConfig diff:\n\n${diff}\n`);
        return;
    }
    const boot = machine.installed.boot + (effect === "reboot" ? 1 : 0);
    machines.save({ ...machine, installed: { ...machine.installed, config: text, boot } });
    process.stderr.write(`${said}\n`);
}

function bootstrap(line: CommandLine): void {
    const machine = configured(line);
    if (isMember(machine)) {
        throw new Refused(
            "error executing bootstrap: rpc error: code = AlreadyExists desc = etcd data directory is not empty",
        );
    }
    machines.save({ ...machine, installed: { ...machine.installed, etcd: true } });
}

function get(line: CommandLine): void {
    if (needed(line, "output") !== "yaml") throw new Refused("only --output yaml is simulated");
    const insecure = isSet(line, "insecure");
    const machine = insecure ? maintenance(line) : configured(line);
    const [type = "", id] = line.words;
    const resources = RESOURCES[type]?.(machine);
    if (resources === undefined) throw new Refused(`no resources found for "${type}"`);
    if (insecure && !["disks", "addresses", "links"].includes(type)) {
        throw new Refused("rpc error: code = PermissionDenied desc = not authorized");
    }
    const found = Object.entries(resources).filter(([key]) => id === undefined || key === id);
    print(
        found
            .map(([key, spec]) => stringify({ node: machine.address, metadata: { id: key }, spec }))
            .join("---\n")
            .trimEnd(),
    );
}

const RESOURCES: Readonly<Record<string, (machine: SimulatedMachine) => Tree>> = {
    disks: ({ disks }) =>
        Object.fromEntries(
            disks.map((link, index) => [
                device(index).slice("/dev/".length),
                { dev_path: device(index), pretty_size: "2.0 TB", model: "SIMULATED", symlinks: [link] },
            ]),
        ),
    systemdisk: ({ disks, installed }) => ({
        "system-disk": { diskID: "system", devPath: device(disks.indexOf(installed?.disk ?? "")) },
    }),
    addresses: ({ address }) => ({
        "lo/127.0.0.1/8": { address: "127.0.0.1/8", linkName: "lo" },
        [`eno1/${address}/24`]: { address: `${address}/24`, linkName: "eno1" },
    }),
    links: ({ mac }) => ({ eno1: { hardwareAddr: mac }, lo: { hardwareAddr: "00:00:00:00:00:00" } }),
    machineconfig: ({ installed }) => ({ v1alpha1: installed?.config }),
    extensions: ({ installed }) => ({ "0": { metadata: { name: "schematic", version: installed?.schematic } } }),
    machinestatus: () => ({ machine: { stage: "running", status: { ready: true, unmetConditions: [] } } }),
};

function device(index: number): string {
    return `/dev/sd${String.fromCharCode("a".charCodeAt(0) + index)}`;
}

function upgrade(line: CommandLine): void {
    const machine = configured(line);
    if (!isSet(line, "wait")) throw new Refused("an upgrade that is not waited for is not simulated");
    if (!isMember(machine)) throw new Refused("error validating etcd for upgrade: etcd is not running");
    const next = { ...machine.installed, ...fromImage(needed(line, "image")), boot: machine.installed.boot + 1 };
    machines.save({ ...machine, installed: next });
}

/** Release and schematic of an installer image; one that the factory never heard of cannot be pulled. */
function fromImage(image: string): { version: string; schematic: string } {
    const [, schematic = "", version = ""] =
        /^factory\.talos\.dev\/metal-installer\/([0-9a-f]{64}):(v\d+\.\d+\.\d+)$/.exec(image) ?? [];
    if (!machines.schematics.includes(schematic)) {
        throw new Refused(`error validating installer image "${image}": failed to pull image: not found`);
    }
    return { version, schematic };
}

function upgradeKubernetes(line: CommandLine): void {
    configured(line);
    const version = needed(line, "to");
    for (const machine of machines.all) {
        if (machine.installed === undefined) continue;
        const [config, ...beside] = documents(machine.installed.config);
        const next = (part: unknown) => {
            const { image, ...rest } = tree(part);
            return { ...rest, image: String(image).replace(/:v[^:]*$/, `:v${version}`) };
        };
        const own = tree(config["machine"]);
        const cluster = tree(config["cluster"]);
        const images = ["apiServer", "controllerManager", "scheduler", "proxy"].map((part) => [
            part,
            next(cluster[part]),
        ]);
        const main = {
            ...config,
            machine: { ...own, kubelet: next(own["kubelet"]) },
            cluster: { ...cluster, ...(Object.fromEntries(images) as Tree) },
        };
        machines.save({ ...machine, installed: { ...machine.installed, config: written([main, ...beside]) } });
    }
}

/** A configured machine joins as soon as etcd has been founded anywhere. */
function isMember({ installed }: SimulatedMachine): boolean {
    return installed !== undefined && (installed.etcd || machines.all.some((other) => other.installed?.etcd === true));
}

function members(): SimulatedMachine[] {
    return machines.all.filter(isMember);
}

/** The one machine that a call is for, when it is switched on. */
function target(line: CommandLine): SimulatedMachine {
    const address = needed(line, "nodes");
    const machine = machines.at(address);
    if (machine === undefined || machine.silent === true) {
        throw new Refused(
            unavailable(`transport: Error while dialing: dial tcp ${address}:50000: connect: no route to host`),
        );
    }
    return machine;
}

function maintenance(line: CommandLine): SimulatedMachine {
    const machine = target(line);
    if (machine.installed !== undefined) {
        throw new Refused(unavailable("error reading server preface: remote error: tls: certificate required"));
    }
    return machine;
}

function configured(line: CommandLine): SimulatedMachine & Required<Pick<SimulatedMachine, "installed">> {
    if (isSet(line, "insecure")) throw new Refused("rpc error: code = Unimplemented desc = not in maintenance mode");
    const machine = target(line);
    const { context, contexts } = tree(parse(readFileSync(needed(line, "talosconfig"), "utf8")));
    const { ca } = tree(tree(contexts)[String(context)]);
    const { installed } = machine;
    if (installed === undefined || authority(documents(installed.config)) !== ca) {
        throw new Refused(
            unavailable(
                "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority",
            ),
        );
    }
    return { ...machine, installed };
}

function unavailable(reason: string): string {
    return `rpc error: code = Unavailable desc = connection error: desc = "${reason}"`;
}

/** The Image Factory behind curl: it keeps what is posted under the hash of its canonical form. */
function factory(curl: readonly string[]): void {
    if (curl.at(-1) !== "https://factory.talos.dev/schematics" || !curl.includes("--data-binary")) {
        throw new Refused("curl: (22) The requested URL returned error: 404");
    }
    const extensions = tree(tree(tree(parse(readFileSync(0, "utf8")))["customization"])["systemExtensions"]);
    const names = Array.isArray(extensions["officialExtensions"]) ? extensions["officialExtensions"].map(String) : [];
    const customization =
        names.length === 0
            ? " {}\n"
            : `\n    systemExtensions:\n        officialExtensions:\n${names.map((name) => `            - ${name}\n`).join("")}`;
    const id = digest(`customization:${customization}`);
    machines.register(id);
    print(JSON.stringify({ id }));
}

function print(text: string): void {
    process.stdout.write(`${text}\n`);
}

try {
    machines.log({ program, args });
    if (program === "curl") factory(args);
    else talosctl(parseCommandLine(args));
} catch (error) {
    if (!(error instanceof Refused)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
}
