import { charts } from "./chart";
import { externalDns as controller } from "./controller";
import type { Operator } from "../operator";

export const externalDns: Operator = {
    charts,
    controllers: ({ cloudflare, log }) => (cloudflare === undefined ? [] : [controller(cloudflare, { log })]),
};
