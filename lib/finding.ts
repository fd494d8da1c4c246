/** What doctor says: one line for each thing it looked at. */

/** `skipped` is for what could not be looked at: never `ok`. */
export type Verdict = "ok" | "warning" | "failure" | "skipped";

export const AREAS = [
    "tools",
    "secrets",
    "state",
    "machines",
    "cluster",
    "storage",
    "names",
    "cloudflare",
    "tailscale",
    "doppler",
    "bitwarden",
    "vault",
] as const;
export type Area = (typeof AREAS)[number];

export interface Finding {
    readonly area: Area;
    /** What was looked at, in a word or two. */
    readonly check: string;
    readonly verdict: Verdict;
    /** What was found, or why nothing was looked at. */
    readonly found: string;
    /** What to do; every warning and failure has one. */
    readonly fix?: string;
}

/** Findings of one area. */
export function findingsOf(area: Area) {
    return {
        ok: (check: string, found: string): Finding => ({ area, verdict: "ok", check, found }),
        warning: (check: string, found: string, fix: string): Finding => ({
            area,
            verdict: "warning",
            check,
            found,
            fix,
        }),
        failure: (check: string, found: string, fix: string): Finding => ({
            area,
            verdict: "failure",
            check,
            found,
            fix,
        }),
        skipped: (check: string, found: string): Finding => ({ area, verdict: "skipped", check, found }),
    };
}

export function hasFailure(findings: readonly Finding[]): boolean {
    return findings.some(({ verdict }) => verdict === "failure");
}

/** Areas in order; within one as they were found. */
export function inOrder(findings: readonly Finding[]): Finding[] {
    return AREAS.flatMap((area) => findings.filter((finding) => finding.area === area));
}
