import { tailnet as controller } from "./controller";
import type { Operator } from "../operator";

export const tailscale: Operator = {
    controllers: ({ tailscale, log }) => (tailscale === undefined ? [] : [controller(tailscale, { log })]),
};
