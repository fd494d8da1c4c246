/** What a command's process is told by its environment. */

/** Reads the named variables. Throws with those that are missing. */
export function readSpec<S extends { readonly [K in keyof S]: string }>(
    env: NodeJS.ProcessEnv,
    names: readonly (keyof S & string)[],
): S {
    const missing = names.filter((name) => env[name] === undefined);
    if (missing.length > 0) throw new Error(`the step lacks ${missing.join(", ")} in its environment`);
    return Object.fromEntries(names.map((name) => [name, env[name] ?? ""])) as S;
}
