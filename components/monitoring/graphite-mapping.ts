/**
 * What graphite-exporter makes of the paths that TrueNAS sends: `<prefix>.<host>.<chart>.<instance>.<dimension>`, as
 * Netdata exports them; a value's unit is its chart's. Without a mapping each disk and interface would be a metric of its
 * own, with no label to ask by.
 * https://github.com/prometheus/graphite_exporter#metric-mapping-and-configuration
 */

/** Prefix to set in TrueNAS (Reporting, Graphite exporter). */
export const GRAPHITE_PREFIX = "truenas";

interface Mapping {
    /** Path with `*` for one component; captured in order. */
    readonly match: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
}

const below = (path: string, name: string, ...labels: string[]): Mapping => ({
    match: `${GRAPHITE_PREFIX}.*.${path}`,
    name: `truenas_${name}`,
    labels: Object.fromEntries(["host", ...labels].map((label, index) => [label, `$${index + 1}`])),
});

/** The first that matches holds. */
const MAPPINGS: readonly Mapping[] = [
    below("smart_log_smart.disktemp.*.*", "disk_temperature_celsius", "disk", "serial"),
    below("system.ram.*", "memory", "kind"),
    below("system.swap.*", "swap", "kind"),
    below("system.load.*", "load", "window"),
    below("system.uptime.*", "uptime", "kind"),
    below("system.*.*", "system", "chart", "dimension"),
    below("mem.*.*", "memory_detail", "chart", "dimension"),
    below("cpu.*.*", "cpu", "cpu", "mode"),
    below("cputemp.temperatures.*", "cpu_temperature_celsius", "core"),
    below("disk.*.*", "disk_io", "disk", "operation"),
    below("disk_ops.*.*", "disk_operations", "disk", "operation"),
    below("disk_busy.*.*", "disk_busy", "disk", "dimension"),
    below("disk_space.*.*", "disk_space", "mount", "kind"),
    below("net.*.*", "network", "interface", "direction"),
    below("zfs.*.*", "zfs", "chart", "dimension"),
    below("nfsd.*.*", "nfsd", "chart", "dimension"),
    // What TrueNAS comes up with next has its chart as a label, not as a name.
    below("*.*.*", "other", "chart", "instance", "dimension"),
];

/** The file, for `--graphite.mapping-config`. */
export function graphiteMapping(): string {
    return `${JSON.stringify({ mappings: MAPPINGS }, undefined, 2)}\n`;
}
