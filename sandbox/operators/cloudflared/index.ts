import { tunnels as controller } from "./controller";
import type { Operator } from "../operator";

export const cloudflared: Operator = {
    controllers: ({ cloudflare, log }) => (cloudflare === undefined ? [] : [controller(cloudflare, { log })]),
};
