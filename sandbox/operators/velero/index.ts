import { charts } from "./chart";
import { velero as controller } from "./controller";
import type { Operator } from "../operator";

export const velero: Operator = { charts, controllers: ({ kept }) => [controller(kept("velero.json"))] };
