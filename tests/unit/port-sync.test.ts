/** What tells qBittorrent of its VPN, against fakes of gluetun's control server and of qBittorrent's API. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../stacks/stack-file";

const SCRIPT = join(ROOT, "components/media/port-sync.mjs");
const open: Server[] = [];
let folder: string;
let child: ChildProcess | undefined;
let output: string;

async function serve(handle: (request: IncomingMessage, text: string) => [number, unknown, Record<string, string>?]) {
    const server = createServer((request, response) => {
        let text = "";
        request.on("data", (part) => (text += String(part)));
        request.on("end", () => {
            const [status, value, headers = {}] = handle(request, text);
            response.writeHead(status, headers).end(typeof value === "string" ? value : JSON.stringify(value));
        });
    });
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** As gluetun 3.41: one port alone, none as 0. */
class Gluetun {
    port = 0;
    url = "";
    async start() {
        this.url = await serve(({ method, url }) =>
            method === "GET" && url === "/v1/portforward" ? [200, { port: this.port }] : [401, "Unauthorized"],
        );
    }
}

/** As qBittorrent 5: a session's cookie, 403 without; forgotten at a restart. */
class QBittorrent {
    preferences: Record<string, unknown> = {
        listen_port: 6881,
        current_network_interface: "tun0",
        upnp: true,
        random_port: false,
    };
    readonly set: Record<string, unknown>[] = [];
    logins = 0;
    session = 0;
    url = "";
    constructor(readonly password: string) {}
    async start() {
        this.url = await serve(({ url, headers }, text) => {
            const form = new URLSearchParams(text);
            if (url === "/api/v2/auth/login") {
                this.logins += 1;
                if (form.get("username") !== "admin" || form.get("password") !== this.password) return [200, "Fails."];
                this.session += 1;
                return [200, "Ok.", { "Set-Cookie": `SID=s${this.session}; HttpOnly; path=/` }];
            }
            if (this.session === 0 || headers.cookie !== `SID=s${this.session}`) return [403, "Forbidden"];
            if (url === "/api/v2/app/preferences") return [200, this.preferences];
            if (url !== "/api/v2/app/setPreferences") return [404, ""];
            const sent = JSON.parse(form.get("json") ?? "") as Record<string, unknown>;
            this.set.push(sent);
            this.preferences = { ...this.preferences, ...sent };
            return [200, ""];
        });
    }
}

const gluetun = () => new Gluetun();
let vpn: Gluetun;
let torrents: QBittorrent;

const environment = (more: Record<string, string> = {}) => ({
    ...process.env,
    CONTROL_URL: vpn.url,
    QBITTORRENT_URL: torrents.url,
    QBITTORRENT_PASSWORD: "secret-1",
    TUNNEL: "tun0",
    FORWARDED: "yes",
    STATE_FILE: join(folder, "state"),
    INTERFACES: join(folder, "net"),
    EVERY_SECONDS: "0.05",
    AFTER_REFUSAL_SECONDS: "30",
    ...more,
});
const ready = (more?: Record<string, string>) =>
    spawnSync(process.execPath, [SCRIPT, "ready"], { env: environment(more) }).status;

/** What the kernel would show of the tunnel; undefined: there is none. */
function tunnel(number: number | undefined): void {
    rmSync(join(folder, "net"), { recursive: true, force: true });
    mkdirSync(join(folder, "net"), { recursive: true });
    if (number === undefined) return;
    mkdirSync(join(folder, "net/tun0"));
    writeFileSync(join(folder, "net/tun0/ifindex"), `${number}\n`);
}

function start(more?: Record<string, string>): void {
    child = spawn(process.execPath, [SCRIPT], { env: environment(more), stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (part) => (output += String(part)));
}

async function until(what: () => boolean): Promise<void> {
    const end = Date.now() + 20_000;
    while (!what()) {
        if (Date.now() > end) throw new Error(`did not come about; it said:\n${output}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

beforeEach(async () => {
    output = "";
    folder = mkdtempSync(join(tmpdir(), "port-sync-"));
    vpn = gluetun();
    torrents = new QBittorrent("secret-1");
    await Promise.all([vpn.start(), torrents.start()]);
    tunnel(4);
});
afterEach(async () => {
    if (child !== undefined && child.exitCode === null) {
        const gone = new Promise((resolve) => child?.once("exit", resolve));
        child.kill();
        await gone;
    }
    child = undefined;
    for (const server of open.splice(0)) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
    }
    rmSync(folder, { recursive: true, force: true });
});

test("the forwarded port reaches qBittorrent, and a new one too; ready only then", async () => {
    start();
    await until(() => output.includes("the provider forwards no port yet"));
    expect(ready()).toBe(1);
    vpn.port = 43210;
    await until(() => torrents.preferences["listen_port"] === 43210);
    expect(torrents.preferences).toMatchObject({ current_network_interface: "tun0", upnp: false, random_port: false });
    await until(() => ready() === 0);
    vpn.port = 43211;
    await until(() => torrents.preferences["listen_port"] === 43211);
    // Nothing is set where nothing is new.
    const before = torrents.set.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(torrents.set.length).toBe(before);
    expect(torrents.logins).toBe(1);
    expect(output).not.toContain("secret-1");
});

test("qBittorrent's restart: signed in again, and told again of what it forgot", async () => {
    vpn.port = 43210;
    start();
    await until(() => torrents.preferences["listen_port"] === 43210);
    torrents.session = 0;
    torrents.preferences = { listen_port: 6881, current_network_interface: "tun0", upnp: false, random_port: false };
    await until(() => torrents.preferences["listen_port"] === 43210);
    expect(torrents.logins).toBe(2);
});

test("without a tunnel it is bound to nothing, and to the next tunnel when that is up", async () => {
    vpn.port = 43210;
    start();
    await until(() => torrents.preferences["listen_port"] === 43210);
    tunnel(undefined);
    await until(() => torrents.preferences["current_network_interface"] === "lo");
    await until(() => output.includes("no tunnel: qBittorrent has no way out"));
    tunnel(5);
    await until(() => torrents.preferences["current_network_interface"] === "tun0");
});

test("a new tunnel of the same name with the same port: it is let go and bound anew", async () => {
    vpn.port = 43210;
    start();
    await until(() => torrents.preferences["listen_port"] === 43210);
    torrents.set.splice(0);
    tunnel(9);
    await until(() => torrents.set.length >= 2);
    expect(torrents.set).toEqual([
        { current_network_interface: "lo" },
        { current_network_interface: "tun0", random_port: false, upnp: false, listen_port: 43210 },
    ]);
});

test("a provider that forwards none: bound to the tunnel, and ready for that", async () => {
    start({ FORWARDED: "no" });
    await until(() => output.includes("qBittorrent leaves by tun0"));
    await until(() => ready({ FORWARDED: "no" }) === 0);
    expect(torrents.preferences["listen_port"]).toBe(6881);
});

test("a wrong password is tried once in a long while: five times would shut it out", async () => {
    start({ QBITTORRENT_PASSWORD: "old-password" });
    await until(() => output.includes("qBittorrent refuses the password of the secret store"));
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(torrents.logins).toBe(1);
    expect(output).not.toContain("old-password");
    expect(ready()).toBe(1);
});

test("who does not answer is waited for, and said once", async () => {
    const { url } = vpn;
    vpn.url = "http://127.0.0.1:9";
    start();
    await until(() => output.includes("gluetun does not answer"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(output.split("gluetun does not answer").length).toBe(2);
    vpn.url = url;
});
