import { charts } from "./chart";
import { flux as controller } from "./controller";
import type { Operator } from "../operator";

export const flux: Operator = { charts, controllers: ({ crds }) => [controller(crds)] };
