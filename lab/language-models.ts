/** What must hold of the language models of a cluster. */
import type { AppConfig, Partner, Role, ServedModel } from "../apps/app";
import { didYouMean, type Fault } from "../config/parse";
import type { Declared } from "./apps";

/** Servers of models as who asks for them sees them. */
type PartnersOf = (role: Role) => readonly Partner[];

/** What a dead end is at run time: nobody to talk to, nothing that makes vectors, or one name for two models. */
export function modelFaults(declared: readonly Declared[], partners: PartnersOf): Fault[] {
    return [
        ...declared.flatMap((one) => modelMissing(one, partners)),
        ...nameTaken(
            declared.flatMap(({ app }) => (app.asks ?? []).map(({ role }) => role)),
            partners,
        ),
    ];
}

function modelMissing({ app, config }: Declared, partners: PartnersOf): Fault[] {
    const ask = app.asks?.find(({ role }) => role === "models");
    const servers = ask === undefined ? [] : partners(ask.role);
    // A missing partner is another rule's matter.
    if (ask === undefined || servers.length === 0) return [];
    const models = servers.flatMap(({ serves }) => serves?.models ?? []);
    const names = models.map(({ name }) => name);
    const all = names.length === 0 ? "none that is named" : names.join(", ");
    if (ask.embeddings !== true) {
        // People pull into ollama what no configuration names.
        const open = servers.some(({ serves }) => serves?.api === "ollama");
        return open || models.some(({ embeddings }) => !embeddings)
            ? []
            : [
                  {
                      rule: "chat-model-missing",
                      path: `apps.${app.name}`,
                      got: `models that only make vectors: ${all}`,
                      allowed: "at least one model that answers",
                      suggestion: "give one of their servers a model without  embeddings: true",
                  },
              ];
    }
    const { model } = config as AppConfig & { readonly model?: string };
    if (model !== undefined) {
        const wanted = { path: `apps.${app.name}.model`, got: `"${model}"` };
        if (!names.includes(model)) {
            return [
                {
                    ...wanted,
                    rule: "model-unknown",
                    allowed: `one of the models that are served: ${all}`,
                    ...didYouMean(model, names),
                },
            ];
        }
        // Ollama makes vectors by whatever model it is asked for; other servers by those that were started for it.
        const able = servers.flatMap(({ serves }) =>
            (serves?.models ?? []).filter(({ embeddings }) => embeddings || serves?.api === "ollama"),
        );
        return able.some(({ name }) => name === model)
            ? []
            : [
                  {
                      ...wanted,
                      rule: "model-without-vectors",
                      allowed: `a model that makes vectors: ${able.map(({ name }) => name).join(", ") || "none is served"}`,
                      suggestion: "set  embeddings: true  where its server names it, if it is a model for that",
                  },
              ];
    }
    return models.some(({ embeddings }) => embeddings)
        ? []
        : [
              {
                  rule: "embeddings-missing",
                  path: `apps.${app.name}`,
                  got: `no model that makes vectors; served: ${all}`,
                  allowed: "one, by whoever serves the models",
                  suggestion: `set  embeddings: true  at the model that makes them (llama-static-b has one by default), or name it: apps.${app.name}.model`,
              },
          ];
}

/** The gateway shares requests out among all who serve a name. */
function nameTaken(roles: readonly Role[], partners: PartnersOf): Fault[] {
    if (!roles.includes("model-servers")) return [];
    const seen = new Map<string, { readonly app: string; readonly source: ServedModel["source"] }>();
    return partners("model-servers").flatMap(({ app, serves }) =>
        (serves?.models ?? []).flatMap(({ name, source }): Fault[] => {
            const other = seen.get(name);
            if (other === undefined) seen.set(name, { app, source });
            if (other === undefined || other.source === source) return [];
            return [
                {
                    rule: "model-name-taken",
                    path: `apps.${app}`,
                    got: `"${name}", which is ${source}`,
                    allowed: `a name of its own: apps.${other.app} serves another model by it, ${other.source}`,
                },
            ];
        }),
    );
}
