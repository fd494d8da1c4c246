import { charts } from "./chart";
import { authentik as controller } from "./controller";
import type { Operator } from "../operator";

export const authentik: Operator = { charts, controllers: () => [controller] };
