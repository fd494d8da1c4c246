// `node tiles.mjs <plan.json>`: gives Homarr a tile for everything that is reached, on a board of its own. Runs in the cluster, again and
// again: it looks first, adds what is missing, sets addresses, and removes tiles of its own that nothing is behind any more. Its own apps
// say so in their description; all others, and all other boards, are a person's and stay as they are. The key comes from the
// environment; it appears in no output.
import { readFileSync } from "node:fs";

const [path = ""] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(path, "utf8"));
const key = process.env.HOMARR_API_KEY ?? "";
const WAIT = Number(process.env.PAGES_WAIT_SECONDS ?? "120") * 1000;
const REQUEST_LIMIT = 30_000;

const clean = (text) => (key === "" ? text : text.replaceAll(key, "<key>"));
const say = (text) => console.log(clean(text));
const problems = [];

/** One tile; a failure is noted and does not keep the others from being done. */
async function step(what, action) {
    try {
        say(`${what}: ${await action()}`);
    } catch (error) {
        problems.push(what);
        say(`${what}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
    }
}

async function call(method, address, body) {
    let response;
    try {
        response = await fetch(`${plan.url}${address}`, {
            method,
            headers: {
                Accept: "application/json",
                ApiKey: key,
                ...(body === undefined ? {} : { "Content-Type": "application/json" }),
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
            signal: AbortSignal.timeout(REQUEST_LIMIT),
        });
    } catch (error) {
        throw new Error(`homarr does not answer at ${plan.url}: ${error.cause?.message ?? error.message}`);
    }
    const text = await response.text();
    let value;
    try {
        value = text === "" ? null : JSON.parse(text);
    } catch {
        value = undefined;
    }
    if (response.ok) {
        if (value === undefined) throw new Error(`homarr answers ${method} ${address} with something that is not JSON`);
        return value;
    }
    if (response.status === 401 || response.status === 403)
        throw new Error(
            `homarr refuses the key of the secret store, homarr.apiKey (${response.status}): an administrator makes one under ` +
                "Management, Tools, API, and puts it there",
        );
    const reason = value?.message ?? value?.error?.json?.message ?? text.slice(0, 200);
    throw new Error(`homarr refuses ${method} ${address.split("?")[0]} (${response.status}): ${reason}`);
}

/** What its own pages ask: the documented API takes no tile off a board. */
const trpc = {
    query: async (name, input) => {
        const query = encodeURIComponent(JSON.stringify({ json: input }));
        return (await call("GET", `/api/trpc/${name}?input=${query}`)).result.data;
    },
    mutate: async (name, input) => call("POST", `/api/trpc/${name}`, { json: input }),
};

const MARK = " (kept by homelab)";
const keyOf = ({ description }) => (description?.endsWith(MARK) ? description.slice(0, -MARK.length) : undefined);

async function answering() {
    const end = Date.now() + WAIT;
    for (;;) {
        try {
            const { status } = await fetch(`${plan.url}/api/health/live`, { signal: AbortSignal.timeout(5_000) });
            if (status < 500) return;
        } catch {
            // Not yet; the first step that asks says what is wrong.
        }
        if (Date.now() >= end) return;
        await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
}

async function ownBoard() {
    const find = async () => (await call("GET", "/api/boards")).find(({ name }) => name === plan.board);
    if ((await find()) === undefined) {
        await call("POST", "/api/boards", { name: plan.board, columnCount: 10, isPublic: false });
        say(`board ${plan.board}: added`);
    }
    return trpc.query("board.getBoardByName", { name: plan.board });
}

async function run() {
    if (key === "") throw new Error("the key (homarr.apiKey) is empty");
    const { json: board, meta } = await ownBoard();
    const own = new Map();
    for (const app of await call("GET", "/api/apps")) if (keyOf(app) !== undefined) own.set(keyOf(app), app);
    const shown = new Set(board.items.filter(({ kind }) => kind === "app").map(({ options }) => options.appId));
    for (const wanted of plan.tiles) {
        const found = own.get(wanted.key);
        await step(wanted.key, async () => {
            const done = [];
            let id = found?.id;
            if (found === undefined) {
                const added = await call("POST", "/api/apps", {
                    name: wanted.name,
                    description: `${wanted.key}${MARK}`,
                    iconUrl: wanted.icon,
                    href: wanted.url,
                    pingUrl: "",
                });
                id = added.appId;
                done.push("added");
            } else if (found.href !== wanted.url) {
                const { name, description, iconUrl, pingUrl } = found;
                await call("PATCH", `/api/apps/${encodeURIComponent(id)}`, {
                    name,
                    description,
                    iconUrl,
                    href: wanted.url,
                    pingUrl: pingUrl ?? "",
                });
                done.push("updated");
            }
            if (!shown.has(id)) {
                await call("POST", "/api/boards/items", {
                    boardId: board.id,
                    kind: "app",
                    options: { appId: id },
                    integrationIds: [],
                });
                done.push("put on the board");
            }
            return done.length === 0 ? "unchanged" : done.join(", ");
        });
    }
    const keys = new Set(plan.tiles.map((wanted) => wanted.key));
    const gone = [...own].filter(([host]) => !keys.has(host));
    if (gone.length === 0) return;
    const ids = new Set(gone.map(([, { id }]) => id));
    const leaves = ({ kind, options }) => kind === "app" && ids.has(options.appId);
    await step(`board ${plan.board}`, async () => {
        if (!board.items.some(leaves)) return "unchanged";
        // What JSON cannot say would be written back as something else.
        if (meta?.values !== undefined && Object.keys(meta.values).some((where) => /^(items|sections)\b/.test(where)))
            throw new Error("it has values that this job cannot write back; take the tiles off it by hand");
        const now = (await trpc.query("board.getBoardByName", { name: plan.board })).json;
        await trpc.mutate("board.saveBoard", {
            id: now.id,
            sections: now.sections,
            items: now.items.filter((item) => !leaves(item)),
        });
        return `${now.items.filter(leaves).length} tiles taken off`;
    });
    for (const [host, { id }] of gone) {
        await step(host, async () => {
            await call("DELETE", `/api/apps/${encodeURIComponent(id)}`);
            return "removed: nothing is reached there any more";
        });
    }
}

await answering();
await step("homarr", async () => {
    await run();
    return `${plan.tiles.length} hosts looked at`;
});
if (problems.length > 0) {
    say(`${problems.length} of the steps failed; all is tried again at the next run`);
    process.exitCode = 1;
}
