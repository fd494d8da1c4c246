import { charts } from "./chart";
import { longhorn as controller } from "./controller";
import { longhornClaims } from "./volumes";
import type { Operator } from "../operator";

export const longhorn: Operator = {
    charts,
    controllers: ({ kept }) => [controller(kept("longhorn-machines.json")), longhornClaims],
};
