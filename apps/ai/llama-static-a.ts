import { llamaServer } from "./llama-server";
import { SMALL_CHAT } from "./models";

export const llamaStaticA = llamaServer("llama-static-a", "a language model that is always loaded", SMALL_CHAT);
