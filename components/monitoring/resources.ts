/** Requests and the memory limit of a container in a chart's values; CPU has no limit, so that a burst is not throttled. */
export function chartResources(request: string, limit: string, cpu = "25m") {
    return { requests: { cpu, memory: request }, limits: { memory: limit } };
}
