/** Files of language models: named by a configuration, fetched once into the cluster's shared directory of models. */
import { z } from "zod";
import type { ServedModel } from "../app";
import type { InitStep } from "../../components/pod";
import type { Platform } from "../../components/platform";
import { shared, type Volume } from "../../components/storage/volumes";
import { spelled, whole } from "../../config/fields";

/** A model as one file of a repository at Hugging Face, and how it is served. */
export interface Model {
    readonly name: string;
    readonly repository: string;
    readonly file: string;
    readonly revision: string;
    readonly sha256?: string | undefined;
    readonly context: number;
    readonly embeddings: boolean;
    readonly pooling?: "mean" | "cls" | "last" | undefined;
}

/** The name of a model of any server: ollama's have a tag. */
export const modelName = spelled(
    "a model by the name that requests give, such as qwen3-embedding-0.6b or nomic-embed-text:latest",
    /^[A-Za-z0-9][A-Za-z0-9._/-]*(?::[A-Za-z0-9._-]+)?$/,
);

/** The name that requests give; also an argument of a command line and a key of YAML. */
const servedName = spelled(
    "a name for requests such as qwen3-4b: letters, digits, dots and hyphens",
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
);

/**
 * A model of a configuration. Without `sha256` what the repository gives for the revision is taken; a branch such as `main` may
 * give something else tomorrow, and what is there is kept.
 */
export const model = z.strictObject({
    name: servedName,
    /** Owner and repository, e.g. Qwen/Qwen3-4B-GGUF. Only those that ask for no account. */
    repository: spelled(
        "an owner and a repository of huggingface.co, such as Qwen/Qwen3-4B-GGUF",
        /^[A-Za-z0-9][A-Za-z0-9._-]*\/[A-Za-z0-9][A-Za-z0-9._-]*$/,
    ),
    /** A model in one file. */
    file: spelled(
        "a file of the repository such as Qwen3-4B-Q4_K_M.gguf",
        /^(?:[A-Za-z0-9][A-Za-z0-9._-]*\/)*[A-Za-z0-9][A-Za-z0-9._-]*\.gguf$/,
    ).refine((file) => !/-\d{5}-of-\d{5}\.gguf$/.test(file), {
        error: "a file with the whole model: this is one part of several",
        params: {
            rule: "model-in-parts",
            suggestion:
                "take a file of fewer bits; or join the parts by llama-gguf-split --merge, name the result, and put it where docs/ai.md says",
        },
    }),
    /** Commit, tag or branch of the repository. */
    revision: spelled("a commit, tag or branch of the repository", /^[A-Za-z0-9][A-Za-z0-9._-]*$/).default("main"),
    sha256: spelled("64 hexadecimal digits, as sha256sum prints them", /^[0-9a-f]{64}$/).optional(),
    /** Tokens of question and answer together; the more, the more of the GPU's memory each request takes. */
    context: whole(256, 1048576).default(8192),
    /** True: it makes vectors of texts, for search. */
    embeddings: z.boolean({ error: "true or false" }).default(false),
    /** How the vector of a text is made of its tokens', where the file does not say it itself; another way gives useless vectors. */
    pooling: z.enum(["mean", "cls", "last"], { error: "mean, cls or last" }).optional(),
});

/** 2.5 GB. Commit and checksum: cutelizebin/zebtrace, Sources/ZebTraceAnalysis/LocalModelStore.swift at 7585240f. */
export const SMALL_CHAT = {
    name: "qwen3-4b",
    repository: "Qwen/Qwen3-4B-GGUF",
    file: "Qwen3-4B-Q4_K_M.gguf",
    revision: "bc640142c66e1fdd12af0bd68f40445458f3869b",
    sha256: "7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5",
} as const;

/** 0.6 GB. Commit and checksum: omnesis-dev/Omnesis, scripts/test-embedder.sh at 7490fd30. */
export const SMALL_EMBEDDINGS = {
    name: "qwen3-embedding-0.6b",
    repository: "Qwen/Qwen3-Embedding-0.6B-GGUF",
    file: "Qwen3-Embedding-0.6B-Q8_0.gguf",
    revision: "370f27d7550e0def9b39c1f16d3fbaa13aa67728",
    sha256: "06507c7b42688469c4e7298b0a1e16deff06caf291cf0a5b278c308249c3e439",
    embeddings: true,
    pooling: "last",
} as const;

/** What says which model it is; the first three must, where one does. */
const IDENTITY = ["name", "repository", "file", "revision", "sha256"] as const;

/** A model of a configuration; one that does not say which it is is `standard`, with another context, say. */
export const modelOr = (standard: z.input<typeof model>) => {
    const { shape } = model;
    const usual = model.parse(standard);
    return model
        .extend({
            name: shape.name.optional(),
            repository: shape.repository.optional(),
            file: shape.file.optional(),
            revision: shape.revision.unwrap().optional(),
            embeddings: shape.embeddings.unwrap().optional(),
        })
        .superRefine((said, context) => {
            if (IDENTITY.every((key) => said[key] === undefined)) return;
            for (const key of IDENTITY.slice(0, 3).filter((one) => said[one] === undefined)) {
                const message = shape[key].safeParse(undefined).error?.issues[0]?.message ?? key;
                context.addIssue({ code: "custom", path: [key], message });
            }
        })
        .transform(({ name, repository, file, revision = "main", embeddings, ...said }): Model => {
            if (name !== undefined && repository !== undefined && file !== undefined) {
                return { ...said, name, repository, file, revision, embeddings: embeddings ?? false };
            }
            const { context, pooling = usual.pooling } = said;
            return { ...usual, context, embeddings: embeddings ?? usual.embeddings, pooling };
        });
};

/** Seconds in which a pod's models must be there, and the first loaded: 20 GB at 50 Mbit/s. */
export const PATIENCE = 3600;

/** Why a server of models is in no service mesh. */
export const FETCHES_FIRST =
    "the step that fetches its models runs before the mesh's proxy, which all that the pod sends would go through";

/** Where the shared directory is in a workload's files; paths of it end with the workload's volumes. */
export const modelVolume = (platform: Platform): Readonly<Record<string, Volume>> => ({
    [platform.storage.path("models")]: shared("models"),
});

/** Another revision is another file. */
export const modelPath = (platform: Platform, { repository, revision, file }: Model): string =>
    [platform.storage.path("models"), repository, revision, file].join("/");

/** A model as who asks for models sees it. */
export const served = ({ name, embeddings, repository, revision, file }: Model): ServedModel => ({
    name,
    embeddings,
    source: `${repository}/${file} at ${revision}`,
});

/** The step before a server that fetches what of its models is not there. */
export function modelFetch(platform: Platform, models: readonly Model[]): Readonly<Record<string, InitStep>> {
    const path = platform.storage.path("models");
    return {
        "model-fetch": {
            command: [
                ...["bash", "-euo", "pipefail", "-c", FETCH, "model-fetch"],
                ...models.flatMap((one) => [
                    `https://huggingface.co/${one.repository}/resolve/${one.revision}/${one.file}`,
                    modelPath(platform, one),
                    one.sha256 ?? "",
                ]),
            ],
            mounts: { [path]: path },
        },
    };
}

/**
 * Arguments: URL, path and checksum (or nothing) of each model. A download that was broken off goes on where it ended; a file gets its
 * name only when it is whole. One pod at a time: others that want the same file find it when it is their turn.
 */
export const FETCH = `
while [ "$#" -gt 0 ]; do
  url=$1 path=$2 sum=$3
  shift 3
  mkdir -p "$(dirname "$path")"
  exec 9> "$path.lock"
  flock 9
  if [ -e "$path" ]; then
    echo "$path: there"
  else
    echo "$path: fetching $url"
    code=$(curl --location --silent --show-error --fail --retry 5 --continue-at - --write-out '%{http_code}' --output "$path.part" "$url") || {
      # Nothing is left to fetch: it ended between the last byte and the name.
      [ "$code" = 416 ] || exit 1
    }
    if [ "$(head --bytes=4 "$path.part")" != GGUF ]; then
      rm "$path.part"
      echo "$url is no model in the format GGUF: does the repository ask for an account?" >&2
      exit 1
    fi
    if [ -n "$sum" ] && ! echo "$sum  $path.part" | sha256sum --check --status; then
      has=$(sha256sum "$path.part")
      rm "$path.part"
      echo "$url has the checksum \${has%% *}, and the configuration says $sum: correct sha256, or name the revision that has it" >&2
      exit 1
    fi
    mv "$path.part" "$path"
    echo "$path: fetched"
  fi
  exec 9>&-
done
`.trim();
