import type { Operator } from "../operator";
import { metricsApi } from "./api";
import { charts } from "./chart";

export const metricsServer: Operator = { charts, apis: { "v1beta1.metrics.k8s.io": metricsApi } };
