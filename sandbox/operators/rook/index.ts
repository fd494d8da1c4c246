import { charts } from "./chart";
import { rook as controller } from "./controller";
import { cephVolumes } from "./volumes";
import type { Operator } from "../operator";

export const rook: Operator = {
    charts,
    controllers: ({ kept }) => [controller(kept("ceph-machines.json")), cephVolumes],
};
