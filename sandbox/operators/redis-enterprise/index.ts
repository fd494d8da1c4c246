import { redisEnterprise as controller } from "./controller";
import type { Operator } from "../operator";

export const redisEnterprise: Operator = { controllers: () => [controller] };
