import { charts } from "./chart";
import { haproxyIngress as controller } from "./controller";
import type { Operator } from "../operator";

export const haproxyIngress: Operator = { charts, controllers: () => [controller] };
