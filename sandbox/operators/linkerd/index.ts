import { charts } from "./chart";
import { linkerd as controller } from "./controller";
import type { Operator } from "../operator";

export const linkerd: Operator = { charts, controllers: () => [controller] };
