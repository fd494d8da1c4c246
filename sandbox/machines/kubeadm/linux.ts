/** Programs of the simulated machines that are Linux' own. */
import { spawnSync } from "node:child_process";
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Refused } from "../k3d/refused";
import { placed } from "../k3s/ssh";
import type { PlayedMachine } from "../k3s/state";
import { apiAt, etcdHealth, holderOf, saveCluster, type PlayedKubeadmCluster } from "./cluster";
import { download } from "./release";

export function modprobe(machine: PlayedMachine, [name = ""]: readonly string[]): string {
    if (machine.troubles.missingModules?.includes(name) === true) {
        throw new Refused(`modprobe: FATAL: Module ${name} not found in directory /lib/modules/6.12.1-arch1-1`);
    }
    const loaded = (machine.read("loaded-modules") ?? "").split("\n").filter(Boolean);
    machine.write("loaded-modules", `${[...new Set([...loaded, name])].join("\n")}\n`);
    return "";
}

export function sysctl(machine: PlayedMachine, args: readonly string[]): string {
    const file = args.find((word) => word.endsWith(".conf"));
    const content = file !== undefined && existsSync(file) ? readFileSync(file, "utf8") : undefined;
    if (!args.includes("--load") || content === undefined) throw new Refused(`sysctl: cannot open "${file ?? ""}"`);
    if (content.includes("bridge-nf-call") && machine.read("loaded-modules")?.includes("br_netfilter") !== true) {
        throw new Refused(
            "sysctl: cannot stat /proc/sys/net/bridge/bridge-nf-call-iptables: No such file or directory",
        );
    }
    machine.write("sysctl-loaded", content);
    return "";
}

/** A field of a calendar expression of systemd; its words are not simulated. */
const CALENDAR = /^([A-Za-z,.-]+ )?([0-9*,/.~-]+ )?[0-9*,/.]+(:[0-9*,/.]+){1,2}$|^(hourly|daily|weekly|monthly)$/;

export function systemdAnalyze([verb, expression = ""]: readonly string[]): string {
    if (verb !== "calendar") throw new Refused(`systemd-analyze ${verb ?? ""} is not simulated`);
    if (!CALENDAR.test(expression))
        throw new Refused(`Failed to parse calendar specification '${expression}': Invalid argument`);
    // Not when that is: six hours from now, in a zone that is not UTC, as it says both there.
    const next = new Date(Date.now() + 6 * 3_600_000);
    const said = (ahead: number, zone: string) =>
        `${new Date(next.getTime() + ahead).toUTCString().slice(0, 3)} ${new Date(next.getTime() + ahead).toISOString().slice(0, 19).replace("T", " ")} ${zone}`;
    return [
        `  Original form: ${expression}`,
        `Normalized form: ${expression}`,
        `    Next elapse: ${said(3_600_000, "CET")}`,
        `       (in UTC): ${said(0, "UTC")}`,
        "       From now: 5h 59min left",
    ].join("\n");
}

export function ping(machine: PlayedMachine, args: readonly string[]): string {
    const address = args.at(-1) ?? "";
    const own = machine.all.at(address);
    const answers =
        machine.troubles.cutOff?.includes(address) !== true &&
        (own === undefined
            ? holderOf(machine.all, address) !== undefined || machine.all.site.strangers?.includes(address) === true
            : !own.record.off);
    if (!answers) throw new Refused(`1 packets transmitted, 0 received, 100% packet loss`);
    return "1 packets transmitted, 1 received, 0% packet loss";
}

/** A script that was written onto the machine runs there. */
export function sh(machine: PlayedMachine, [file = "", ...args]: readonly string[]): string {
    if (!existsSync(file)) throw new Refused(`sh: ${file}: No such file or directory`, 127);
    const ran = spawnSync("/bin/sh", ["-s", ...args], {
        input: placed(machine, readFileSync(file, "utf8")),
        encoding: "utf8",
        env: { PATH: `${machine.path("bin")}:/usr/bin:/bin`, HOME: machine.path("root") },
    });
    if (ran.status !== 0) throw new Refused(ran.stderr.trim(), ran.status ?? 1);
    return ran.stdout;
}

export function curl(machine: PlayedMachine, args: readonly string[]): string {
    const released = download(machine, args);
    if (released !== undefined) return released;
    const url = args.find((word) => /^https?:\/\//.test(word)) ?? "";
    const { hostname, port, pathname } = new URL(url);
    if (port === "2381" && pathname === "/health") {
        const healthy = etcdHealth(machine);
        if (healthy === undefined) throw new Refused("curl: (7) Failed to connect to 127.0.0.1 port 2381", 7);
        return JSON.stringify({ health: String(healthy), reason: "" });
    }
    if (port === "6443" && pathname === "/livez") {
        if (!args.includes("--insecure"))
            throw new Refused("curl: (60) SSL certificate problem: unable to get local issuer certificate", 60);
        if (apiAt(machine, hostname) === undefined)
            throw new Refused(`curl: (7) Failed to connect to ${hostname} port 6443`, 7);
        return "ok";
    }
    return store(machine, args, url);
}

/** The S3 server, a folder beside the machines: whoever comes with the right credentials may write. */
function store(machine: PlayedMachine, args: readonly string[], url: string): string {
    const config = args[args.indexOf("--config") + 1] ?? "";
    if (!args.includes("--config") || !existsSync(config))
        throw new Refused(`curl ${url} without credentials is not simulated`);
    if ((statSync(config).mode & 0o077) !== 0) throw new Refused(`${config} can be read by everybody`);
    if (!args.includes("--fail")) throw new Refused("curl without --fail takes a refusal for an answer");
    const text = readFileSync(config, "utf8");
    const user = /^user = "(.*)"$/m.exec(text)?.[1]?.replace(/\\(.)/g, "$1");
    if (!/^aws-sigv4 = "aws:amz:[a-z0-9-]+:s3"$/m.test(text) || user === undefined) {
        throw new Refused("curl: (22) The requested URL returned error: 403", 22);
    }
    // Nobody tells the folder its keys: the first that comes is right, every other one after it is not.
    const { root } = machine.all;
    const known = join(root, "store", ".user");
    mkdirSync(join(root, "store"), { recursive: true });
    if (!existsSync(known)) writeFileSync(known, user);
    if (readFileSync(known, "utf8") !== user) throw new Refused("curl: (22) The requested URL returned error: 403", 22);
    const object = join(root, "store", new URL(url).pathname);
    if (args.includes("--upload-file")) {
        const file = args[args.indexOf("--upload-file") + 1] ?? "";
        mkdirSync(join(object, ".."), { recursive: true });
        writeFileSync(object, readFileSync(file));
        return "";
    }
    if (args[args.indexOf("--request") + 1] === "DELETE") {
        rmSync(object, { force: true });
        return "";
    }
    const output = args[args.indexOf("--output") + 1];
    if (!args.includes("--output") || output === undefined || !existsSync(object))
        throw new Refused("curl: (22) The requested URL returned error: 404", 22);
    writeFileSync(output, readFileSync(object));
    return "";
}

const MAGIC = Buffer.from("Salted__");

/** `openssl enc` with a password from a file. */
export function openssl(args: readonly string[]): string {
    const value = (flag: string) => args[args.indexOf(flag) + 1] ?? "";
    if (args[0] !== "enc" || !args.includes("-aes-256-cbc") || !args.includes("-pbkdf2")) {
        throw new Refused(`openssl ${args.join(" ")} is not simulated`);
    }
    const file = value("-pass").replace(/^file:/, "");
    if (!value("-pass").startsWith("file:") || (statSync(file).mode & 0o077) !== 0) {
        throw new Refused("a password on the command line, or one that everybody reads, is not simulated");
    }
    const password = readFileSync(file, "utf8").split("\n")[0] ?? "";
    const input = readFileSync(value("-in"));
    const derived = (salt: Buffer) => pbkdf2Sync(password, salt, 10_000, 48, "sha256");
    if (args.includes("-d")) {
        if (!input.subarray(0, 8).equals(MAGIC)) throw new Refused("bad magic number");
        const key = derived(input.subarray(8, 16));
        const decipher = createDecipheriv("aes-256-cbc", key.subarray(0, 32), key.subarray(32));
        try {
            writeFileSync(value("-out"), Buffer.concat([decipher.update(input.subarray(16)), decipher.final()]), {
                mode: 0o600,
            });
        } catch {
            throw new Refused("bad decrypt");
        }
        return "";
    }
    const salt = randomBytes(8);
    const key = derived(salt);
    const cipher = createCipheriv("aes-256-cbc", key.subarray(0, 32), key.subarray(32));
    writeFileSync(value("-out"), Buffer.concat([MAGIC, salt, cipher.update(input), cipher.final()]), { mode: 0o600 });
    return "";
}

/** containerd's client: containers of static pods, and etcdutl of etcd's image for a restore. */
export function ctr(machine: PlayedMachine, args: readonly string[]): string {
    const line = args.join(" ");
    if (line.includes("tasks list")) return "";
    if (!line.includes("etcdutl snapshot restore")) throw new Refused(`ctr ${line} is not simulated`);
    const path = args.find((word) => word.endsWith(".db")) ?? "";
    const value = (flag: string) => args.find((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1) ?? "";
    if (!existsSync(path)) throw new Refused(`Error: open ${basename(path)}: no such file or directory`);
    if (machine.unit("kubelet").state === "active")
        throw new Refused("etcd still runs, and its data directory is in use: stop the kubelet first");
    if (existsSync(machine.path("var/lib/etcd/member")))
        throw new Refused('Error: data-dir "/var/lib/etcd" not empty or could not be read');
    const { address } = machine.record;
    if (value("--name") !== machine.name || value("--initial-advertise-peer-urls") !== `https://${address}:2380`) {
        throw new Refused("Error: the member's name or peer URL is another machine's");
    }
    const saved = JSON.parse(readFileSync(path, "utf8")) as PlayedKubeadmCluster;
    // etcd has what the cluster was; its members are new.
    saveCluster(machine.all, { ...saved, members: [machine.name] });
    machine.write("var/lib/etcd/member/snap", "");
    return "";
}
