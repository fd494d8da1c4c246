/** Flux, which takes over what the program does not declare: its part of the schema. */
import { z } from "zod";
import { gitRevision, httpsRepository, relativePath, spelled } from "../config/fields";

/** `gitops` of a schema. */
export const fluxKeys = z.strictObject({
    /** Read without credentials, so over https. */
    repository: httpsRepository,
    revision: gitRevision.default("refs/heads/main"),
    /** Directory that Flux starts from; what Pulumi owns is left out of it. docs/flux-apps.md */
    path: relativePath,
    /** Set: Flux decrypts what the tree has encrypted with SOPS, by an age key that this computer has. */
    decryption: z
        .strictObject({
            /** Public half of that key; default: the key that opens `secrets.sopsFile`. */
            recipient: spelled("an age recipient (age1...)", /^age1[0-9a-z]{58}$/).optional(),
        })
        .optional(),
});
