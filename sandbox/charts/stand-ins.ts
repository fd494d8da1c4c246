/**
 * Charts that the sandbox installs where the published ones are not at hand. They make the Deployments, Services,
 * ServiceAccounts, CRDs and classes that the program or another chart refers to, with upstream's names, labels and
 * values. ServiceMonitors, RBAC, probes and security settings are left out: no container of a sandbox runs.
 */
import { operators } from "../operators";
import { clusterCharts } from "./cluster";
import type { StandIn } from "./generator";
import { observabilityCharts } from "./observability";
import { storageCharts } from "./storage";

export const STAND_INS: Readonly<Record<string, StandIn>> = Object.assign(
    {},
    clusterCharts,
    storageCharts,
    observabilityCharts,
    ...operators.map(({ charts }) => charts),
);
