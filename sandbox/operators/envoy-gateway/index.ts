import { charts } from "./chart";
import { envoyGateway as controller } from "./controller";
import type { Operator } from "../operator";

export const envoyGateway: Operator = { charts, controllers: () => [controller] };
