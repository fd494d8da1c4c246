/** Names that a person keeps: in the LAN's resolver, and in public DNS where Let's Encrypt asks for them. */
import { promises as dns } from "node:dns";
import ipaddr from "ipaddr.js";
import { findingsOf, type Finding } from "../../lib/finding";
import type { Told } from "../../lib/told";
import type { Plan } from "../plan/plan";

const say = findingsOf("names");

/** A public resolver, where PUBLIC_DNS names no other. */
const PUBLIC = "1.1.1.1";

/** Addresses of a name; status 404: there is no such name. */
export type Lookup = (host: string) => Promise<Told<readonly string[]>>;

export interface NameWishes {
    /** Hosts with the address that each must have in the LAN. */
    readonly local: readonly { readonly host: string; readonly address: string }[];
    /** Hosts that must be in public DNS. */
    readonly public: readonly string[];
}

export interface NameFacts {
    readonly local: ReadonlyMap<string, Told<readonly string[]>>;
    readonly public: ReadonlyMap<string, Told<readonly string[]>>;
}

export function nameWishes({ dns: records, challenges }: Pick<Plan, "dns" | "challenges">): NameWishes {
    return {
        local: records
            .filter(({ owner }) => owner === "resolver")
            .map(({ name, content }) => ({ host: name, address: content })),
        public: challenges?.hosts ?? [],
    };
}

/** Asks this computer's resolver, or with `server` that one. */
export function resolverAt(server: string | undefined, timeout: number): Lookup {
    const resolver = new dns.Resolver({ timeout, tries: 1 });
    if (server !== undefined) resolver.setServers([server]);
    return async (host) => {
        try {
            return { ok: true, value: await resolver.resolve4(host) };
        } catch (error) {
            const { code = "", message } = error as NodeJS.ErrnoException;
            const unknown = code === "ENOTFOUND" || code === "ENODATA";
            return { ok: false, status: unknown ? 404 : 0, reason: unknown ? "is not known" : message };
        }
    };
}

export const publicServer = (env: NodeJS.ProcessEnv): string => env["PUBLIC_DNS"] ?? PUBLIC;

export async function lookAtNames(wishes: NameWishes, here: Lookup, outside: Lookup): Promise<NameFacts> {
    const ask = async (hosts: readonly string[], lookup: Lookup) =>
        new Map(await Promise.all(hosts.map(async (host) => [host, await lookup(host)] as const)));
    const [local, publicly] = await Promise.all([
        ask(
            wishes.local.map(({ host }) => host),
            here,
        ),
        ask(wishes.public, outside),
    ]);
    return { local, public: publicly };
}

export function judgeNames(wishes: NameWishes, facts: NameFacts): Finding[] {
    return [...judgeLocal(wishes, facts), ...judgePublic(wishes, facts)];
}

const told = (answer: Told<readonly string[]> | undefined) =>
    answer === undefined ? "was not asked" : answer.ok ? `leads to ${answer.value.join(", ")}` : answer.reason;

function judgeLocal({ local }: NameWishes, facts: NameFacts): Finding[] {
    if (local.length === 0) return [];
    const silent = local.flatMap(({ host }) => {
        const answer = facts.local.get(host);
        return answer?.ok === false && answer.status !== 404 ? [answer.reason] : [];
    });
    if (silent.length === local.length)
        return [say.skipped("LAN", `this computer's resolver does not say: ${silent[0]}`)];
    const wrong = local.filter(({ host, address }) => {
        const answer = facts.local.get(host);
        return answer?.ok !== true || !answer.value.includes(address);
    });
    const [first] = wrong;
    return first === undefined
        ? [say.ok("LAN", `${counted(local.length)} to the address that the plan says`)]
        : [
              say.warning(
                  "LAN",
                  `${counted(wrong.length)} elsewhere: ${first.host} ${told(facts.local.get(first.host))}${others(wrong.length)}`,
                  `in the LAN's resolver let it lead to ${first.address}; npm run plan lists every record, and one for *.${domainOf(first.host)} may do for all`,
              ),
          ];
}

function judgePublic({ public: hosts }: NameWishes, facts: NameFacts): Finding[] {
    if (hosts.length === 0) return [];
    const answers = hosts.map((host) => ({ host, answer: facts.public.get(host) }));
    const silent = answers.find(({ answer }) => answer?.ok === false && answer.status !== 404);
    const wrong = answers.filter(({ answer }) =>
        answer?.ok === true ? !answer.value.some(isPublic) : answer?.status === 404,
    );
    const [first] = wrong;
    if (first !== undefined) {
        return [
            say.failure(
                "Let's Encrypt",
                `${counted(wrong.length)} nowhere that the internet reaches: ${first.host} ${told(first.answer)}${others(wrong.length)}`,
                `in public DNS let it lead to your house, or prove the names otherwise (certificates.challenge: dns01, with cloudflare)`,
            ),
        ];
    }
    if (silent !== undefined)
        return [say.skipped("Let's Encrypt", `the public resolver does not say: ${told(silent.answer)}`)];
    return [
        say.ok("Let's Encrypt", `${counted(hosts.length)} to a public address`),
        say.skipped("port 80", "whether your router leads it to the Gateway is seen from the internet only"),
    ];
}

const counted = (count: number) => (count === 1 ? "1 name leads" : `${count} names lead`);
const others = (count: number) => (count > 1 ? `, and ${count - 1} more` : "");
const domainOf = (host: string) => host.split(".").slice(1).join(".");
const isPublic = (address: string) => ipaddr.isValid(address) && ipaddr.parse(address).range() === "unicast";
