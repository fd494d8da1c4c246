/** The Doppler service token. https://docs.doppler.com/reference/auth-me */
import type { CloudAccounts } from "../../lab/context";
import { isRecord, records } from "../../lib/json";
import { get, objectOf, orReason, textOf } from "../live/get";
import type { Told } from "../../lib/told";
import { findingsOf, type Finding } from "../../lib/finding";

const say = findingsOf("doppler");

type Account = NonNullable<CloudAccounts["doppler"]>;

/** What the token is for, as Doppler says. */
export interface DopplerFact {
    readonly me: Told<{ readonly type: string; readonly project: string; readonly config: string }>;
    /** Names of the secrets it reads; no values are asked for. */
    readonly names: Told<readonly string[]>;
}

/** DOPPLER_API_HOST is what Doppler's own tool reads, too. */
export async function lookAtDoppler(
    { project, config }: Account,
    token: string,
    env: NodeJS.ProcessEnv,
    timeout: number,
): Promise<DopplerFact> {
    const base = (env["DOPPLER_API_HOST"] ?? "https://api.doppler.com").replace(/\/+$/, "");
    const ask = (path: string) =>
        orReason(
            (async (): Promise<Told<Record<string, unknown>>> => {
                const answer = await get(base + path, { headers: { authorization: `Bearer ${token}` }, timeout });
                const value = answer.status < 300 ? objectOf(answer) : undefined;
                if (value !== undefined) return { ok: true, value };
                const messages = objectOf(answer)?.["messages"];
                const said = Array.isArray(messages) ? messages.map(String) : [];
                return { ok: false, status: answer.status, reason: [answer.status, ...said].join(", ") };
            })(),
        );
    const query = new URLSearchParams({ project, config });
    const [me, names] = await Promise.all([ask("/v3/me"), ask(`/v3/configs/config/secrets/names?${query.toString()}`)]);
    const scope = me.ok && isRecord(me.value["scope"]) ? me.value["scope"] : me.ok ? me.value : {};
    return {
        me: me.ok
            ? {
                  ok: true,
                  value: {
                      type: textOf(me.value, "type"),
                      project: textOf(scope, "project"),
                      config: textOf(scope, "config"),
                  },
              }
            : me,
        names: names.ok
            ? {
                  ok: true,
                  value: Array.isArray(names.value["names"])
                      ? names.value["names"].map(String)
                      : records([]).map(String),
              }
            : names,
    };
}

export function judgeDoppler({ project, config }: Account, { me, names }: DopplerFact): Finding[] {
    const mend = `make a service token of ${project}/${config} (dashboard.doppler.com, the config's Access tab) and set it:  sops set`;
    if (!me.ok) {
        return [
            me.status === 0
                ? say.failure("service token", me.reason, "see to this computer's way to the internet")
                : say.failure("service token", `Doppler refuses it (${me.reason})`, mend),
            say.skipped("secrets", "the token was not accepted"),
        ];
    }
    const elsewhere =
        (me.value.project !== "" && me.value.project !== project) ||
        (me.value.config !== "" && me.value.config !== config);
    return [
        elsewhere
            ? say.failure(
                  "service token",
                  `is for ${me.value.project}/${me.value.config}, secrets.doppler says ${project}/${config}`,
                  mend,
              )
            : say.ok("service token", `is accepted${me.value.type === "" ? "" : ` (${me.value.type})`}`),
        names.ok
            ? say.ok("secrets", `${names.value.length} can be read in ${project}/${config}`)
            : say.failure("secrets", `those of ${project}/${config} cannot be listed (${names.reason})`, mend),
    ];
}
