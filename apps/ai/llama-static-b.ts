import { llamaServer } from "./llama-server";
import { SMALL_EMBEDDINGS } from "./models";

/** Its default is what search in documents needs. */
export const llamaStaticB = llamaServer(
    "llama-static-b",
    "a second language model that is always loaded",
    SMALL_EMBEDDINGS,
);
