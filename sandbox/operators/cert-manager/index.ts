import { charts } from "./chart";
import { certManager as controller } from "./controller";
import type { Operator } from "../operator";

export const certManager: Operator = { charts, controllers: () => [controller] };
