/** Cloudflare's API v4, read only. https://developers.cloudflare.com/api/ */
import { records } from "../../lib/json";
import { get, objectOf, textOf } from "./get";
import type { Told } from "../../lib/told";

export interface CloudflareReader {
    /** `path` below /client/v4. Throws `Unreachable`. */
    one(path: string): Promise<Told<Record<string, unknown>>>;
    /** Every page of a list. Throws `Unreachable`. */
    list(path: string): Promise<Told<Record<string, unknown>[]>>;
}

const PAGE = 100;

/** CLOUDFLARE_BASE_URL is what the provider reads, too. */
export function cloudflareReader(token: string, env: NodeJS.ProcessEnv, timeout: number): CloudflareReader {
    const base = (env["CLOUDFLARE_BASE_URL"] ?? "https://api.cloudflare.com/client/v4").replace(/\/+$/, "");
    const call = async (path: string): Promise<Told<unknown> & { pages?: number }> => {
        const answer = await get(base + path, { headers: { authorization: `Bearer ${token}` }, timeout });
        const envelope = objectOf(answer);
        if (answer.status < 300 && envelope?.["success"] === true) {
            const info = envelope["result_info"];
            const pages =
                typeof info === "object" && info !== null && "total_pages" in info ? Number(info.total_pages) : 1;
            return { ok: true, value: envelope["result"], pages };
        }
        const errors = records(envelope?.["errors"]).map(
            (error) => `${String(error["code"])} ${textOf(error, "message")}`,
        );
        return { ok: false, status: answer.status, reason: [answer.status, ...errors].join(", ") };
    };
    return {
        one: async (path) => {
            const told = await call(path);
            if (!told.ok) return told;
            const [value] = records([told.value]);
            return value === undefined
                ? { ok: false, status: 200, reason: "an answer without a result" }
                : { ok: true, value };
        },
        list: async (path) => {
            const all: Record<string, unknown>[] = [];
            for (let page = 1; ; page++) {
                const told = await call(`${path}${path.includes("?") ? "&" : "?"}page=${page}&per_page=${PAGE}`);
                if (!told.ok) return told;
                const items = records(told.value);
                all.push(...items);
                if (items.length === 0 || page >= (told.pages ?? 1)) return { ok: true, value: all };
            }
        },
    };
}
