/** Workloads of the house, and what they need of a pod: steps before it, second network cards, devices. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { Multus } from "../../components/network/multus";
import { derivedMac } from "../../components/network/networks";
import type { Platform } from "../../components/platform";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { deploy, testPlatform } from "./test-platform";

async function plan(apps: Record<string, unknown>, change: Partial<Platform> = {}) {
    const resources = await planComponent(() => {
        const platform = testPlatform({ media: "baseline", productivity: "baseline", "home-automation": "privileged" });
        const networks = new Multus(
            "multus",
            {
                cluster: "test",
                networks: {
                    iot: { interface: "eth1", addresses: "dhcp" },
                    lab: { interface: "eth2", addresses: "static" },
                },
            },
            {},
        );
        Object.assign(platform.storage, { nodeSelector: { "kubernetes.io/hostname": "agent-0" } });
        deploy({ ...platform, networks, ...change }, apps);
    });
    return { ...lookInto(() => ({ resources })), resources };
}

const env = (container: Inputs) =>
    Object.fromEntries(
        (container["env"] as { name: string; value?: string; valueFrom?: Inputs }[]).map(
            ({ name, value, valueFrom }) => [name, value ?? dig(valueFrom, "secretKeyRef")],
        ),
    );
const step = (pod: Inputs, name: string) =>
    (pod["initContainers"] as Inputs[] | undefined)?.find((one) => one["name"] === name);

describe("paperless", () => {
    const paperless = { database: "sqlite", languages: ["deu", "chi-sim"] };

    test("runs as the household's user; of its pod the step tesseract-langs alone, and what prepares s6's directory, is root (T-APP-03, T-POL-08)", async () => {
        const look = await plan({ paperless });
        const pod = look.pod("paperless");
        expect(pod["securityContext"]).toMatchObject({
            runAsNonRoot: true,
            runAsUser: 1000,
            runAsGroup: 1001,
            fsGroup: 1001,
        });
        const container = look.container("paperless");
        expect(container["securityContext"]).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: false,
            capabilities: { drop: ["ALL"] },
        });
        for (const name of ["run-directory", "tesseract-langs"]) {
            expect(step(pod, name)?.["securityContext"]).toEqual({
                runAsUser: 0,
                runAsGroup: 0,
                runAsNonRoot: false,
                allowPrivilegeEscalation: false,
            });
        }
        expect(step(pod, "run-directory")).toMatchObject({
            command: ["chown", "1000:1001", "/run-of-paperless"],
            volumeMounts: [{ name: "run", mountPath: "/run-of-paperless" }],
        });
        expect(container["volumeMounts"]).toContainEqual({ name: "run", mountPath: "/run" });
    });

    test("languages are fetched once, into its data, and read from there", async () => {
        const look = await plan({ paperless });
        const script = String((step(look.pod("paperless"), "tesseract-langs")?.["command"] as string[])[2]);
        expect(script).toContain("tesseract-ocr-deu tesseract-ocr-chi-sim");
        expect(script).toContain("/data/tessdata/chi_sim.traineddata");
        expect(env(look.container("paperless"))).toMatchObject({
            PAPERLESS_OCR_LANGUAGE: "deu+chi_sim",
            TESSDATA_PREFIX: "/data/tessdata",
        });
        // With everything there nothing is asked of the internet.
        const folder = mkdtempSync(join(tmpdir(), "tessdata-"));
        try {
            for (const language of ["deu", "chi_sim"]) writeFileSync(join(folder, `${language}.traineddata`), "");
            const here = script.replaceAll("/data/tessdata", folder).replace("apt-get --quiet update", "exit 9");
            expect(spawnSync("/bin/bash", ["-euc", here]).status).toBe(0);
            rmSync(join(folder, "deu.traineddata"));
            expect(spawnSync("/bin/bash", ["-euc", here]).status).toBe(9);
        } finally {
            rmSync(folder, { recursive: true });
        }
    });

    test("with SQLite it asks no server; English needs no step", async () => {
        const look = await plan({ paperless: { database: "sqlite" } }, { databases: undefined } as never);
        expect(env(look.container("paperless"))["PAPERLESS_DBENGINE"]).toBe("sqlite");
        expect(env(look.container("paperless"))).not.toHaveProperty("PAPERLESS_DBHOST");
        expect(step(look.pod("paperless"), "tesseract-langs")).toBeUndefined();
    });
});

describe("images with s6 of LinuxServer (T-POL-03, T-POL-05, T-POL-06)", () => {
    test.each([
        ["plex", {}],
        ["qbittorrent", {}],
    ])(
        "%s starts as root, drops by PUID and PGID, and its pod says of users only the group of its files",
        async (name, config) => {
            const look = await plan({ [name]: config });
            expect(look.pod(name)["securityContext"]).toEqual({
                fsGroup: 1001,
                fsGroupChangePolicy: "OnRootMismatch",
                seccompProfile: { type: "RuntimeDefault" },
            });
            for (const field of ["runAsNonRoot", "runAsUser", "runAsGroup"]) {
                expect(look.container(name)["securityContext"]).not.toHaveProperty(field);
            }
            expect(env(look.container(name))).toMatchObject({ PUID: "1000", PGID: "1001" });
        },
    );
});

describe("the house", () => {
    const house = {
        mosquitto: { network: { name: "iot" } },
        zigbee2mqtt: { device: "/dev/ttyUSB0", adapter: "ember" },
        "home-assistant": { network: { name: "lab", address: "192.168.7.60/24", mac: "02:00:00:00:00:01" } },
    };

    test("devices of the house reach the broker by an address, where it is given one", async () => {
        const service = async (config: object) => {
            const look = await plan({ mosquitto: config });
            const found = look.resources.find(({ type, name }) => type.endsWith(":Service") && name === "mosquitto");
            return dig(found?.inputs, "spec");
        };
        expect(await service({ address: "192.168.1.9" })).toMatchObject({
            type: "LoadBalancer",
            ports: [{ name: "mqtt", port: 1883 }],
        });
        expect(await service({})).not.toHaveProperty("type", "LoadBalancer");
    });

    test("zigbee2mqtt gets the stick as a character device, on the node that has it (T-HW-07, T-APP-04)", async () => {
        const look = await plan(house);
        const pod = look.pod("zigbee2mqtt");
        expect(pod["volumes"]).toContainEqual({
            name: "dev-ttyusb0",
            hostPath: { path: "/dev/ttyUSB0", type: "CharDevice" },
        });
        const container = look.container("zigbee2mqtt");
        expect(container["volumeMounts"]).toContainEqual({ name: "dev-ttyusb0", mountPath: "/dev/ttyUSB0" });
        expect(pod["nodeSelector"]).toEqual({ "kubernetes.io/hostname": "agent-0" });
        expect(container["securityContext"]).toEqual({ privileged: true, readOnlyRootFilesystem: true });
        expect(pod["securityContext"]).toMatchObject({ runAsUser: 1000, supplementalGroups: [20] });
        expect(env(container)).toMatchObject({
            ZIGBEE2MQTT_CONFIG_MQTT_SERVER: "mqtt://mosquitto.home-automation.svc.cluster.local:1883",
            ZIGBEE2MQTT_CONFIG_MQTT_USER: "household",
            ZIGBEE2MQTT_CONFIG_MQTT_PASSWORD: { name: "zigbee2mqtt", key: "ZIGBEE2MQTT_CONFIG_MQTT_PASSWORD" },
            ZIGBEE2MQTT_CONFIG_SERIAL_PORT: "/dev/ttyUSB0",
            ZIGBEE2MQTT_CONFIG_SERIAL_ADAPTER: "ember",
        });
        // In the environment each start would make new keys, and no paired device would know them.
        expect(JSON.stringify(container["env"])).not.toMatch(/NETWORK_KEY|GENERATE/);
        expect(look.pod("mosquitto")).not.toHaveProperty("nodeSelector");
    });

    test("what is made in Home Assistant's pages is read again; a house that ran before keeps its files", async () => {
        const look = await plan(house);
        const first = step(look.pod("home-assistant"), "configuration");
        const [, , script = ""] = first?.["command"] as string[];
        const given = look.resources.find(({ type, name }) => type.endsWith(":ConfigMap") && name === "home-assistant");
        const folder = mkdtempSync(join(tmpdir(), "home-assistant-"));
        const config = join(folder, "config");
        mkdirSync(config);
        const files = (at: string) =>
            Object.fromEntries(readdirSync(at).map((name) => [name, readFileSync(join(at, name), "utf8")]));
        const start = () =>
            execFileSync("sh", [
                "-ec",
                script.replaceAll(/ \/config\//g, ` ${config}/`).replaceAll("/etc/homelab", folder),
            ]);
        try {
            const mounts = first?.["volumeMounts"] as { mountPath: string; subPath?: string }[];
            for (const { mountPath, subPath } of mounts.filter((mount) => mount.mountPath.startsWith("/etc/homelab/")))
                writeFileSync(
                    mountPath.replace("/etc/homelab", folder),
                    String(dig(given?.inputs, "data", subPath ?? "")),
                );
            start();
            const begun = files(config);
            const included = [...(begun["configuration.yaml"] ?? "").matchAll(/^(\w+): !include (\S+)$/gm)];
            expect(included.map(([, kind, file]) => [kind, parse(begun[file ?? ""] ?? "absent")])).toEqual([
                ["automation", []],
                ["script", {}],
                ["scene", []],
            ]);
            expect(Object.keys(begun)).toHaveLength(4);
            // A first start that was cut short goes on, and what is there stays.
            rmSync(join(config, "configuration.yaml"));
            writeFileSync(join(config, "automations.yaml"), "- alias: mine\n");
            start();
            expect(files(config)).toEqual({ ...begun, "automations.yaml": "- alias: mine\n" });
            for (const name of Object.keys(begun)) rmSync(join(config, name));
            writeFileSync(join(config, "configuration.yaml"), "default_config:\n");
            start();
            expect(files(config)).toEqual({ "configuration.yaml": "default_config:\n" });
        } finally {
            rmSync(folder, { recursive: true });
        }
    });

    test("the broker lets nobody in without the password, which is hashed where no process list shows it", async () => {
        const look = await plan(house);
        const [, , script = ""] = step(look.pod("mosquitto"), "passwords")?.["command"] as string[];
        expect(script).not.toMatch(/mosquitto_passwd -b/);
        const hashed = (password: string) => {
            const folder = mkdtempSync(join(tmpdir(), "mosquitto-"));
            const here = script.replaceAll("/mosquitto/secret", folder).replace("mosquitto_passwd -U", "cat");
            const { status, stdout, stderr } = spawnSync("/bin/sh", ["-ec", here], {
                env: { ...process.env, MQTT_PASSWORD: password },
                encoding: "utf8",
            });
            rmSync(folder, { recursive: true });
            return { status, stdout, said: stderr !== "" };
        };
        expect(hashed("a b%s'\"$")).toEqual({ status: 0, stdout: "household:a b%s'\"$\n", said: false });
        // Cut or trimmed without a word, it would lock every device out.
        for (const wrong of ["", "ab:cd", " ab", "ab ", "ab\n"])
            expect(hashed(wrong)).toEqual({ status: 1, stdout: "", said: true });
        // mosquitto_passwd -U makes its file in /tmp, and the root of the container is read-only.
        const mounts = step(look.pod("mosquitto"), "passwords")?.["volumeMounts"] as Record<string, unknown>[];
        expect(mounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath)).toEqual([
            "/mosquitto/secret",
            "/tmp",
        ]);
        const files = look.resources.find(({ type, name }) => type.endsWith(":ConfigMap") && name === "mosquitto");
        const text = Object.values(dig(files?.inputs, "data") as Record<string, string>).join();
        expect(text).toMatch(/allow_anonymous false\npassword_file \/mosquitto\/secret\/passwords\n/);
    });

    test("a second card: the derived hardware address stays, a given one and an address are handed on (T-NET-07, T-NET-08)", async () => {
        const look = await plan(house);
        const cards = (workload: string): unknown =>
            JSON.parse(
                String(
                    dig(
                        look.resources.find(({ type, name }) => type.endsWith(":Deployment") && name === workload)
                            ?.inputs,
                        ..."spec.template.metadata.annotations".split("."),
                        "k8s.v1.cni.cncf.io/networks",
                    ),
                ),
            );
        expect(cards("mosquitto")).toEqual([
            { name: "iot", namespace: "kube-system", mac: derivedMac("test", "mosquitto") },
        ]);
        expect(cards("home-assistant")).toEqual([
            { name: "lab", namespace: "kube-system", mac: "02:00:00:00:00:01", ips: ["192.168.7.60/24"] },
        ]);
        expect(derivedMac("test", "mosquitto")).toMatch(/^02(:[0-9a-f]{2}){5}$/);
        expect(derivedMac("test", "mosquitto")).not.toBe(derivedMac("test", "home-assistant"));
        expect(derivedMac("test", "mosquitto")).not.toBe(derivedMac("cabin", "mosquitto"));
    });

    test("macvlan networks with DHCP or static addresses, and a DHCP client only where one is asked for", async () => {
        const look = await plan(house);
        const definition = (name: string): unknown =>
            JSON.parse(
                String(
                    dig(
                        look.resources.find(
                            ({ inputs }) =>
                                dig(inputs, "kind") === "NetworkAttachmentDefinition" &&
                                dig(inputs, "metadata", "name") === name,
                        )?.inputs,
                        "spec",
                        "config",
                    ),
                ),
            );
        expect(definition("iot")).toEqual({
            cniVersion: "1.0.0",
            name: "iot",
            type: "macvlan",
            master: "eth1",
            mode: "bridge",
            capabilities: { mac: true },
            ipam: { type: "dhcp" },
        });
        expect(definition("lab")).toMatchObject({ capabilities: { mac: true, ips: true }, ipam: { type: "static" } });
        const daemon = look.resources.find(({ type }) => type.endsWith(":DaemonSet"));
        const pod = dig(daemon?.inputs, "spec", "template", "spec") as Inputs;
        expect((pod["containers"] as Inputs[]).map((one) => one["name"])).toEqual(["multus", "dhcp"]);
        expect(pod["volumes"]).toEqual([
            {
                name: "configuration",
                hostPath: { path: "/var/lib/rancher/k3s/agent/etc/cni/net.d", type: "Directory" },
            },
            { name: "plugins", hostPath: { path: "/var/lib/rancher/k3s/data/cni", type: "Directory" } },
        ]);
    });
});

describe("qbittorrent.py", () => {
    const python = spawnSync("python3", ["--version"]);
    const here = python.status === 0 ? test : test.skip;
    const script = join(__dirname, "../../components/media/qbittorrent.py");
    let folder: string;
    let file: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "qbittorrent-"));
        file = join(folder, "qBittorrent.conf");
    });
    afterEach(() => rmSync(folder, { recursive: true }));
    const run = (password: string, more: Record<string, string> = {}) =>
        execFileSync("python3", [script, file], {
            encoding: "utf8",
            env: {
                ...process.env,
                ...more,
                QBITTORRENT_PASSWORD: password,
                DOWNLOADS: "/downloads-of-the-house",
                PUID: String(process.getuid?.()),
                PGID: String(process.getgid?.()),
            },
        });

    here("a new one gets user, hashed password and the house's directories; the next start changes nothing", () => {
        expect(run("pa:ss word")).toBe("");
        const text = readFileSync(file, "utf8");
        expect(text).toMatch(
            /^\[Preferences\]\nWebUI\\Username=admin\nWebUI\\Password_PBKDF2="@ByteArray\([\w+/=]{24}:[\w+/=]{88}\)"$/m,
        );
        expect(text).toContain("Session\\DefaultSavePath=/downloads-of-the-house/complete\n");
        expect(text).not.toContain("pa:ss");
        run("pa:ss word");
        expect(readFileSync(file, "utf8")).toBe(text);
        run("another");
        expect(readFileSync(file, "utf8")).not.toBe(text);
    });

    // https://github.com/linuxserver/docker-qbittorrent: what its image starts with names them as qBittorrent once did, which
    // at its first start takes these over any other.
    here("of the image's own file nothing is left that would win over the house's directories", () => {
        const old = "Downloads\\SavePath=/downloads/\nDownloads\\TempPath=/downloads/incomplete/\n";
        writeFileSync(file, `[AutoRun]\nenabled=false\n\n[Preferences]\n${old}WebUI\\Port=8080\n`);
        run("");
        const text = readFileSync(file, "utf8");
        expect(text).not.toContain("Downloads\\");
        expect(text).toContain("Session\\DefaultSavePath=/downloads-of-the-house/complete\n");
        expect(text).toContain("Session\\TempPath=/downloads-of-the-house/incomplete\n");
        expect(text).toContain("[AutoRun]\nenabled=false\n");
        run("");
        expect(readFileSync(file, "utf8")).toBe(text);
    });

    here("what a person set in a version of old is taken over; after qBittorrent's migration it is dead", () => {
        const old = "[Preferences]\nDownloads\\SavePath=/mine\n\n";
        writeFileSync(file, old);
        run("");
        expect(readFileSync(file, "utf8")).toContain("Session\\DefaultSavePath=/mine\n");
        writeFileSync(file, `${old}[Meta]\nMigrationVersion=4\n\n[BitTorrent]\nSession\\DefaultSavePath=/later\n`);
        run("");
        expect(readFileSync(file, "utf8")).toContain("Session\\DefaultSavePath=/later\n");
        expect(readFileSync(file, "utf8")).not.toContain("/mine");
    });

    here("behind a VPN it is bound to the tunnel at every start, whatever it was told before", () => {
        writeFileSync(file, "[BitTorrent]\nSession\\Interface=lo\nSession\\InterfaceName=lo\nSession\\Port=43210\n");
        run("", { INTERFACE: "tun0" });
        const text = readFileSync(file, "utf8");
        expect(text).toContain("Session\\Interface=tun0\n");
        expect(text).toContain("Session\\InterfaceName=tun0\n");
        expect(text).toContain("Session\\Port=43210\n");
        run("");
        expect(readFileSync(file, "utf8")).toBe(text);
    });

    here("what a person set stays, with the file's mode", () => {
        writeFileSync(
            file,
            "[BitTorrent]\nSession\\DefaultSavePath=/mine\nSession\\TempPath=/downloads/incomplete/\n\n[Preferences]\nWebUI\\Port=8080\nGeneral\\Locale=de\n",
            { mode: 0o644 },
        );
        run("");
        const text = readFileSync(file, "utf8");
        expect(text).toContain("Session\\DefaultSavePath=/mine\n");
        expect(text).toContain("Session\\TempPath=/downloads-of-the-house/incomplete\n");
        expect(text).toContain("General\\Locale=de\n");
        expect(text).not.toContain("Password");
        expect(statSync(file).mode & 0o777).toBe(0o644);
    });
});
