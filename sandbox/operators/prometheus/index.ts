import { charts } from "./chart";
import { prometheusOperator as controller } from "./controller";
import type { Operator } from "../operator";

export const prometheus: Operator = { charts, controllers: () => [controller] };
