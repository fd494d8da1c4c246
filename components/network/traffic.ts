/** Classes of what pods send, and how a cluster that shapes traffic sees them. */

/** `bulk-seed`: uploads that nobody waits for, such as a torrent's; whatever else wants the uplink comes first. */
export const TRAFFIC_TIERS = ["bulk-seed"] as const;

export type TrafficTier = (typeof TRAFFIC_TIERS)[number];

/** Label of pods by which shaping finds them (seed 004, Platform Foundation). */
export const TRAFFIC_LABEL = "traffic-tier";

/** How a cluster shapes what pods of a class send. */
export interface TrafficShaping {
    /** Annotations with which a pod of the class starts. */
    readonly annotations: Readonly<Record<TrafficTier, Readonly<Record<string, string>>>>;
}
