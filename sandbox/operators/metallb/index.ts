import { charts } from "./chart";
import { metalLbWebhook as controller } from "./controller";
import type { Operator } from "../operator";

export const metalLb: Operator = { charts, controllers: () => [controller()] };
