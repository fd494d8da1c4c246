import { charts } from "./chart";
import { gpus as devicePlugins, k3sRuntimeClasses } from "./device-plugins";
import { intelGpus } from "./intel";
import type { Operator } from "../operator";

export const gpus: Operator = {
    charts,
    controllers: ({ nodes }) => [intelGpus(nodes), devicePlugins(nodes), k3sRuntimeClasses(nodes)],
};
