/** The engine's state: can it be read, and was the last run brought to its end. */
import type { State } from "../live/state";
import { findingsOf, type Finding } from "../../lib/finding";

const say = findingsOf("state");

/** `env`: where the engine looks for what encrypts the stack's secrets. */
export function judgeState(stack: string, state: State, env: NodeJS.ProcessEnv): Finding[] {
    switch (state.kind) {
        case "not read":
            return /not on the PATH/.test(state.reason)
                ? [say.skipped("state", state.reason)]
                : [
                      say.failure(
                          "state",
                          `cannot be read: ${state.reason}`,
                          "pulumi login, or set PULUMI_BACKEND_URL; then  pulumi stack ls",
                      ),
                  ];
        case "none":
            return [
                say.warning("state", `there is none yet: ${state.reason}`, `pulumi stack select ${stack} --create`),
                ...passphrase(env),
            ];
        case "read":
            return [
                state.unfinished === 0
                    ? say.ok("state", `${state.resources.length} resources`)
                    : say.warning(
                          "state",
                          `${state.unfinished} operations of an earlier run never ended`,
                          `pulumi refresh --stack ${stack}  looks at what became of them`,
                      ),
                ...passphrase(env),
            ];
    }
}

function passphrase(env: NodeJS.ProcessEnv): Finding[] {
    const given = ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"].find((name) => env[name] !== undefined);
    return [
        given === undefined
            ? say.warning(
                  "passphrase",
                  "PULUMI_CONFIG_PASSPHRASE is not set: the engine will ask for it",
                  "export it, or name a file in PULUMI_CONFIG_PASSPHRASE_FILE; a stack with a cloud secrets provider needs neither",
              )
            : say.ok("passphrase", `${given} is set`),
    ];
}
