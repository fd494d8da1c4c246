/** Which alerts another makes pointless, for both forms that Alertmanager's configuration has here. */

interface Match {
    readonly name: string;
    /** Several: any of them. */
    readonly values: readonly string[];
}

interface Inhibition {
    readonly source: Match;
    readonly target: Match;
    /** Labels that both must have alike. */
    readonly equal: readonly string[];
}

/** The chart's own, which either form takes the place of. */
const COMMON: readonly Inhibition[] = [
    {
        source: { name: "severity", values: ["critical"] },
        target: { name: "severity", values: ["warning", "info"] },
        equal: ["namespace", "alertname"],
    },
    {
        source: { name: "severity", values: ["warning"] },
        target: { name: "severity", values: ["info"] },
        equal: ["namespace", "alertname"],
    },
    {
        source: { name: "alertname", values: ["InfoInhibitor"] },
        target: { name: "severity", values: ["info"] },
        equal: ["namespace"],
    },
];

/**
 * A node whose network is gone has sick volumes and pods: they are told of by their cause alone. Alerts without a label `node` have
 * none alike in Alertmanager's eyes too, so the source names only alerts that have it.
 */
const NETWORK_FIRST: readonly Inhibition[] = [
    {
        source: { name: "alertname", values: ["NodeNetworkUnreachable", "NodeNetworkIsolated"] },
        target: { name: "layer", values: ["storage", "pods"] },
        equal: ["node"],
    },
];

const inhibitions = (networkFirst: boolean) => [...COMMON, ...(networkFirst ? NETWORK_FIRST : [])];

/** `inhibitRules` of an AlertmanagerConfig. */
export const inhibitRules = (networkFirst: boolean) =>
    inhibitions(networkFirst).map(({ source, target, equal }) => ({
        sourceMatch: [matcher(source.name, source.values)],
        targetMatch: [matcher(target.name, target.values)],
        equal: [...equal],
    }));

/** `inhibit_rules` of Alertmanager's own configuration. */
export const inhibitRulesOfChart = (networkFirst: boolean) => [
    ...inhibitions(networkFirst).map(({ source, target, equal }) => ({
        source_matchers: [text(source)],
        target_matchers: [text(target)],
        equal: [...equal],
    })),
    // It is for other rules alone.
    { target_matchers: ["alertname = InfoInhibitor"] },
];

/** A matcher of an AlertmanagerConfig. */
export const matcher = (name: string, values: readonly string[]) =>
    values.length === 1
        ? { name, value: values[0], matchType: "=" }
        : { name, value: values.join("|"), matchType: "=~" };

const text = ({ name, values }: Match) => `${name} ${values.length === 1 ? "=" : "=~"} "${values.join("|")}"`;
