/** Looks at the machines and judges what it finds, from the network upwards. Changes nothing. */

/** What is looked at, from below: a fault of one makes those after it on the machine meaningless. */
export const PARTS = ["network", "ssh", "dns", "api", "kubernetes", "system", "storage", "leftovers"] as const;
export type Part = (typeof PARTS)[number];

/** `found` and `mend` make one sentence with a colon between them. */
export interface MachineFinding {
    readonly node: string;
    readonly part: Part;
    readonly found: string;
    readonly mend: string;
}

export interface LookAnswer {
    /** UID of namespace kube-system, `NO_CLUSTER` or `UNKNOWN_CLUSTER`. */
    readonly cluster: string;
    /** Control plane by which the API is reached from here; "" where none answers. */
    readonly answers: string;
    /** Nothing may be done while there is one. */
    readonly faults: readonly MachineFinding[];
    /** What the person should know. */
    readonly warnings: readonly MachineFinding[];
}

export const sentence = ({ node, found, mend }: MachineFinding): string => `${node}: ${found}: ${mend}`;
