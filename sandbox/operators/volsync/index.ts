import { charts } from "./chart";
import { volSync as controller } from "./controller";
import type { Operator } from "../operator";

export const volSync: Operator = { charts, controllers: ({ kept }) => [controller(kept("restic.json"))] };
