// `node monitors.mjs <plan.json>`: gives Uptime Kuma a monitor for everything that is reached. Runs in the cluster, again and again: it
// looks first, adds what is missing, sets addresses, and removes monitors of its own that nothing is behind any more. Its own carry its
// tag; all others are a person's and stay as they are. Uptime Kuma has no API for monitors but that of its own pages, which is spoken
// here: Socket.IO 5 over Engine.IO 4, by long polling. The password comes from the environment; it appears in no output.
// What nothing can ask from outside, `checks.mjs` asks of the API server; its answers are pushed to monitors that wait for them, so that
// silence is news as well.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { apiReader, look } from "./checks.mjs";

const [path = ""] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(path, "utf8"));
const password = process.env.UPTIME_KUMA_PASSWORD ?? "";
const WAIT = Number(process.env.PAGES_WAIT_SECONDS ?? "120") * 1000;
const REQUEST_LIMIT = 60_000;
/** Seconds until a monitor that waits for an answer says that none came: three runs of this. */
const SILENCE = 2_700;
const TAG = { name: "homelab", color: "#059669" };

const clean = (text) => (password === "" ? text : text.replaceAll(password, "<password>"));
const say = (text) => console.log(clean(text));
const problems = [];

/** One monitor; a failure is noted and does not keep the others from being done. */
async function step(what, action) {
    try {
        say(`${what}: ${await action()}`);
    } catch (error) {
        problems.push(what);
        say(`${what}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
    }
}

const SEPARATOR = "\u001e";

/** A connection as one of its pages has it. */
async function connect(url) {
    const endpoint = `${url}/socket.io/?EIO=4&transport=polling`;
    const ended = new AbortController();
    const ask = async (address, body) => {
        const response = await fetch(address, {
            ...(body === undefined
                ? {}
                : { method: "POST", body, headers: { "Content-Type": "text/plain;charset=UTF-8" } }),
            signal: AbortSignal.any([ended.signal, AbortSignal.timeout(REQUEST_LIMIT)]),
        });
        const text = await response.text();
        if (!response.ok) throw new Error(`uptime-kuma answers ${response.status}: ${text.slice(0, 200)}`);
        return text;
    };
    const opened = await ask(endpoint);
    if (!opened.startsWith("0")) throw new Error(`uptime-kuma speaks another protocol: ${opened.slice(0, 80)}`);
    const session = `${endpoint}&sid=${encodeURIComponent(JSON.parse(opened.slice(1)).sid)}`;
    const events = new Map();
    const answers = new Map();
    let ready;
    let broken;
    let closed = false;
    const connected = new Promise((resolve, reject) => {
        ready = resolve;
        broken = reject;
    });
    const fail = (error) => {
        broken(error);
        for (const { reject } of answers.values()) reject(error);
        answers.clear();
    };
    const heed = async (packet) => {
        if (packet === "2") return void (await ask(session, "3"));
        if (packet === "1" || packet === "41") throw new Error("uptime-kuma closed the connection");
        if (packet.startsWith("44")) throw new Error(`uptime-kuma refuses the connection: ${packet.slice(2)}`);
        if (packet.startsWith("40")) return ready();
        const [, kind, id, data] = /^4([23])(\d*)(\[.*)$/s.exec(packet) ?? [];
        if (kind === undefined) return;
        const values = JSON.parse(data);
        if (kind === "2") return void events.set(values[0], values[1]);
        answers.get(id)?.resolve(values[0]);
        answers.delete(id);
    };
    const listen = async () => {
        while (!closed) for (const packet of (await ask(session)).split(SEPARATOR)) await heed(packet);
    };
    listen().catch((error) => {
        if (!closed) fail(error);
    });
    await ask(session, "40");
    await connected;
    let count = 0;
    return {
        /** What was last told by this name. */
        told: (name) => events.get(name),
        /** Asks, and waits for the answer. */
        emit: (name, ...values) =>
            new Promise((resolve, reject) => {
                const id = String(count++);
                const limit = setTimeout(() => {
                    answers.delete(id);
                    reject(new Error(`uptime-kuma does not answer to ${name}`));
                }, REQUEST_LIMIT);
                const settled = (settle) => (value) => {
                    clearTimeout(limit);
                    settle(value);
                };
                answers.set(id, { resolve: settled(resolve), reject: settled(reject) });
                ask(session, `42${id}${JSON.stringify([name, ...values])}`).catch(settled(reject));
            }),
        close: async () => {
            closed = true;
            // That it ends is told for politeness: it would notice by itself.
            await ask(session, `41${SEPARATOR}1`).catch(() => undefined);
            ended.abort();
        },
    };
}

/** Until it answers at all: it may be starting. */
async function answering(url) {
    const end = Date.now() + WAIT;
    for (;;) {
        try {
            return await connect(url);
        } catch (error) {
            if (Date.now() >= end)
                throw new Error(`uptime-kuma does not answer at ${url}: ${error.cause?.message ?? error.message}`);
            await new Promise((resolve) => setTimeout(resolve, 2_000));
        }
    }
}

const succeeded = (what, answer) => {
    if (answer?.ok === true) return answer;
    throw new Error(`uptime-kuma refuses ${what}: ${answer?.msg ?? "no reason given"}`);
};

/** The account that a person has, too; of a new Uptime Kuma it is made here, before anybody else can. */
async function signIn(kuma) {
    if (password === "") throw new Error("the password (uptimeKuma.password) is empty");
    if ((await kuma.emit("needSetup")) === true) {
        succeeded("the first account", await kuma.emit("setup", plan.user, password));
        say(`account ${plan.user}: added`);
    }
    const answer = await kuma.emit("login", { username: plan.user, password, token: "" });
    if (answer?.tokenRequired === true)
        throw new Error(
            `the account ${plan.user} asks for a second factor, which a job has not; switch it off, or say monitors: false`,
        );
    if (answer?.ok !== true)
        throw new Error(
            `uptime-kuma refuses the account ${plan.user} with the password of the secret store (${answer?.msg ?? "no reason given"}); ` +
                "whoever changed it there puts the new one into the store",
        );
}

/** Whether a certificate must be one that everybody trusts; of its own making none is. */
const checked = (ownCertificate) => plan.checkCertificates && ownCertificate !== true;

/** What of a monitor follows from what it watches; the rest is a person's to change. */
const derived = ({ url, ownCertificate }) => ({
    type: "http",
    url,
    ignoreTls: !checked(ownCertificate),
    // What asks for a login answers.
    accepted_statuscodes: ["200-299", "300-399", "401", "403"],
});

/** https://github.com/louislam/uptime-kuma: what its own page sends for a new one. */
const fresh = (wanted, notifications) => ({
    ...derived(wanted),
    ...common(wanted, notifications),
    interval: 60,
    retryInterval: 60,
    // A pod that restarts is no news.
    maxretries: 2,
    expiryNotification: checked(wanted.ownCertificate) && wanted.url.startsWith("https:"),
});

/** One that waits to be told. What it is told holds: whoever asked has been patient. */
const waiting = (wanted, notifications) => ({
    ...common(wanted, notifications),
    type: "push",
    url: "https://",
    ignoreTls: false,
    accepted_statuscodes: ["200-299"],
    pushToken: randomUUID().replaceAll("-", ""),
    interval: SILENCE,
    retryInterval: SILENCE,
    maxretries: 0,
    expiryNotification: false,
});

const common = (wanted, notifications) => ({
    name: wanted.name,
    description: null,
    parent: null,
    method: "GET",
    resendInterval: 0,
    timeout: 48,
    notificationIDList: notifications,
    upsideDown: false,
    domainExpiryNotification: false,
    maxredirects: 10,
    dns_resolve_type: "A",
    dns_resolve_server: "",
    proxyId: null,
    authMethod: null,
    oauth_auth_method: "client_secret_basic",
    httpBodyEncoding: "json",
    kafkaProducerBrokers: [],
    kafkaProducerSaslOptions: { mechanism: "None" },
    kafkaProducerSsl: false,
    kafkaProducerAllowAutoTopicCreation: false,
    rabbitmqNodes: [],
    conditions: [],
});

async function ownTag(kuma) {
    const { tags } = succeeded("its tags", await kuma.emit("getTags"));
    const found = tags.find(({ name }) => name === TAG.name);
    return (found ?? succeeded("a tag", await kuma.emit("addTag", TAG)).tag).id;
}

async function add(kuma, tag, key, monitor) {
    const { monitorID } = succeeded("a monitor", await kuma.emit("add", monitor));
    try {
        succeeded("its tag", await kuma.emit("addMonitorTag", tag, monitorID, key));
    } catch (error) {
        // Without its tag it would be a person's, and the next run would add another.
        await kuma.emit("deleteMonitor", monitorID, false);
        throw error;
    }
    return "added";
}

/** Tells a monitor that waits. */
async function push({ pushToken }, { up, text }) {
    const query = new URLSearchParams({ status: up ? "up" : "down", msg: text.slice(0, 1000) });
    const response = await fetch(`${plan.url}/api/push/${pushToken}?${query}`, {
        signal: AbortSignal.timeout(REQUEST_LIMIT),
    });
    const answer = await response.json();
    succeeded("what it is told", answer);
}

/** Asks, and says so on the page. */
async function check(kuma, tag, wanted, found, read, notifications) {
    const monitor = found ?? waiting(wanted, notifications);
    const done = found === undefined ? await add(kuma, tag, wanted.key, monitor) : "unchanged";
    if (found?.active === false) return `${done}, paused by a person`;
    const answer = await look(wanted, read);
    await push(monitor, answer);
    return `${done}, ${answer.up ? "up" : "DOWN"}: ${answer.text}`;
}

async function run() {
    const kuma = await answering(plan.url);
    try {
        await signIn(kuma);
        const tag = await ownTag(kuma);
        const monitors = Object.values(kuma.told("monitorList") ?? {});
        const notifications = Object.fromEntries(
            (kuma.told("notificationList") ?? []).filter(({ isDefault }) => isDefault).map(({ id }) => [id, true]),
        );
        const keyOf = ({ tags }) => (tags ?? []).find(({ tag_id: id }) => id === tag)?.value;
        const own = new Map(monitors.flatMap((one) => (keyOf(one) === undefined ? [] : [[keyOf(one), one]])));
        for (const wanted of plan.monitors) {
            const found = own.get(wanted.key);
            await step(wanted.key, async () => {
                if (found === undefined) return add(kuma, tag, wanted.key, fresh(wanted, notifications));
                const values = derived(wanted);
                if (Object.keys(values).every((key) => JSON.stringify(found[key]) === JSON.stringify(values[key])))
                    return "unchanged";
                succeeded("the change", await kuma.emit("editMonitor", { ...found, ...values }));
                return "updated";
            });
        }
        const checks = plan.checks ?? [];
        const read = apiReader(readFileSync, process.env.PAGES_API, process.env.PAGES_ACCOUNT);
        for (const wanted of checks) {
            await step(wanted.key, () => check(kuma, tag, wanted, own.get(wanted.key), read, notifications));
        }
        const keys = new Set([...plan.monitors, ...checks].map(({ key }) => key));
        for (const [key, { id }] of own) {
            if (keys.has(key)) continue;
            await step(key, async () => {
                succeeded("to remove it", await kuma.emit("deleteMonitor", id, false));
                return "removed: nothing is reached there any more";
            });
        }
    } finally {
        await kuma.close();
    }
}

await step("uptime-kuma", async () => {
    await run();
    const checks = (plan.checks ?? []).length;
    return `${plan.monitors.length} hosts looked at${checks === 0 ? "" : `, ${checks} questions asked of the cluster`}`;
});
if (problems.length > 0) {
    say(`${problems.length} of the steps failed; all is tried again at the next run`);
    process.exitCode = 1;
}
