import { charts } from "./chart";
import { cloudNativePg as controller } from "./controller";
import type { Operator } from "../operator";

export const cloudNativePg: Operator = {
    charts,
    controllers: ({ kept }) => [controller(kept("postgres-archives.json"))],
};
