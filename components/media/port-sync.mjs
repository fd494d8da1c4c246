// `node port-sync.mjs`: tells qBittorrent, again and again, by which network interface it leaves and at which port of the VPN
// others reach it. Runs beside it and gluetun in one pod. `node port-sync.mjs ready`: ends with 0 when that was so just now.
import { readFileSync, writeFileSync } from "node:fs";

const { CONTROL_URL, QBITTORRENT_URL, QBITTORRENT_PASSWORD = "", TUNNEL, FORWARDED } = process.env;
const STATE = process.env.STATE_FILE ?? "/tmp/port-sync";
const INTERFACES = process.env.INTERFACES ?? "/sys/class/net";
const EVERY = Number(process.env.EVERY_SECONDS ?? "5") * 1000;
/** qBittorrent shuts out who gives a wrong password five times. */
const AFTER_REFUSAL = Number(process.env.AFTER_REFUSAL_SECONDS ?? "300") * 1000;
const FRESH = 60_000;
const LIMIT = 10_000;

if (process.argv[2] === "ready") process.exit(isReady() ? 0 : 1);

function isReady() {
    try {
        return Date.now() - Number(readFileSync(STATE, "utf8")) < FRESH;
    } catch {
        return false;
    }
}

class Refused extends Error {}

let cookie = "";
/** What was said last: the same is not said twice. */
let said = "";
/** The tunnel that qBittorrent was told of; another one has the same name. */
let bound;

function say(text) {
    if (text === said) return;
    said = text;
    console.log(text);
}

async function ask(what, url, init = {}) {
    try {
        return await fetch(url, { ...init, signal: AbortSignal.timeout(LIMIT) });
    } catch (error) {
        throw new Error(`${what} does not answer: ${error.cause?.message ?? error.message}`);
    }
}

/** Number of the tunnel's interface, another one at each start of the VPN; undefined: there is no tunnel. */
function tunnelNumber() {
    try {
        return readFileSync(`${INTERFACES}/${TUNNEL}/ifindex`, "utf8").trim();
    } catch {
        return undefined;
    }
}

/** The forwarded port; undefined: there is none (yet). */
async function forwardedPort() {
    const response = await ask("gluetun", `${CONTROL_URL}/v1/portforward`);
    if (!response.ok) throw new Error(`gluetun refuses to name the forwarded port (${response.status})`);
    const { port, ports } = await response.json();
    const [first] = ports ?? [port];
    return Number.isInteger(first) && first > 0 ? first : undefined;
}

async function signIn() {
    const response = await ask("qBittorrent", `${QBITTORRENT_URL}/api/v2/auth/login`, {
        method: "POST",
        body: new URLSearchParams({ username: "admin", password: QBITTORRENT_PASSWORD }),
    });
    const text = await response.text();
    const cookies = response.headers.getSetCookie().map((one) => one.split(";")[0]);
    if (!response.ok || text.startsWith("Fails") || cookies.length === 0) {
        throw new Refused(
            `qBittorrent refuses the password of the secret store (${response.status}); it reads it when it starts: restart it`,
        );
    }
    cookie = cookies.join("; ");
}

/** An answer of qBittorrent's API; signs in where it must. */
async function qbittorrent(path, body) {
    const request = () =>
        ask("qBittorrent", `${QBITTORRENT_URL}/api/v2/${path}`, {
            headers: { Cookie: cookie },
            ...(body === undefined ? {} : { method: "POST", body: new URLSearchParams(body) }),
        });
    let response = await request();
    // A restart of qBittorrent forgets who had signed in.
    if (response.status === 401 || response.status === 403) {
        await response.arrayBuffer();
        await signIn();
        response = await request();
    }
    if (!response.ok) throw new Error(`qBittorrent refuses ${path} (${response.status})`);
    return response;
}

const set = (preferences) => qbittorrent("app/setPreferences", { json: JSON.stringify(preferences) });

/** One look and what follows from it; true when qBittorrent is reached through the VPN as it is now. */
async function sync() {
    const tunnel = tunnelNumber();
    const port = tunnel === undefined || FORWARDED !== "yes" ? undefined : await forwardedPort();
    const current = await (await qbittorrent("app/preferences")).json();
    if (tunnel === undefined) {
        // It would hold on to the interface that is gone, and not listen at the next one.
        if (current.current_network_interface !== "lo") await set({ current_network_interface: "lo" });
        bound = undefined;
        say("no tunnel: qBittorrent has no way out");
        return false;
    }
    const wanted = {
        current_network_interface: TUNNEL,
        random_port: false,
        upnp: false,
        ...(port === undefined ? {} : { listen_port: port }),
    };
    if (bound !== tunnel && current.current_network_interface === TUNNEL) {
        await set({ current_network_interface: "lo" });
        await set(wanted);
    } else if (Object.keys(wanted).some((key) => current[key] !== wanted[key])) {
        await set(wanted);
    }
    bound = tunnel;
    if (FORWARDED !== "yes") {
        say(`qBittorrent leaves by ${TUNNEL}`);
        return true;
    }
    say(
        port === undefined
            ? `qBittorrent leaves by ${TUNNEL}; the provider forwards no port yet`
            : `qBittorrent leaves by ${TUNNEL} and is reached at port ${port}`,
    );
    return port !== undefined;
}

for (;;) {
    let pause = EVERY;
    try {
        if (await sync()) writeFileSync(STATE, String(Date.now()));
    } catch (error) {
        say(error.message);
        if (error instanceof Refused) pause = AFTER_REFUSAL;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
}
