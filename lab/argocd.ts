/** Argo CD with the age key of its ksops: their part of the schema. */
import { z } from "zod";
import { absolutePath, gitRepository, gitRevision, relativePath } from "../config/fields";

/** `secrets.ageKey` of a schema. */
export const ageKeyPlace = z.discriminatedUnion(
    "from",
    [
        z.strictObject({ from: z.literal("node"), path: absolutePath }),
        z.strictObject({ from: z.literal("file"), path: absolutePath }),
    ],
    { error: "from: node (the key is on the machine) or from: file (it is on this computer)" },
);

/** `gitops` of a schema. */
export const argoCdKeys = z.strictObject({
    repository: gitRepository,
    revision: gitRevision.default("main"),
    /** Tree whose directories `<path>/{infra,apps,media}/<app>` become Argo CD applications. */
    path: relativePath,
});
