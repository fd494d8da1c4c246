import { charts } from "./chart";
import { istio as controller } from "./controller";
import type { Operator } from "../operator";

export const istio: Operator = { charts, controllers: () => [controller] };
