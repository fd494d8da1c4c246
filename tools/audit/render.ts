/** An audit for people. */
import { table } from "../../lib/table";
import type { Audited } from "./audit";
import { PLACES, type Place } from "./things";

const TITLES: Readonly<Record<Place, string>> = {
    zone: "DNS zone",
    tunnels: "tunnel list",
    tailnet: "tailnet",
    cluster: "cluster",
};

export function renderAudit({ plan, audit, state, seen, inPart, notLookedAt, hidden, absent }: Audited): string {
    const rows = <T extends { place: Place }>(list: readonly T[], row: (one: T) => string[]) =>
        PLACES.flatMap((place) => list.filter((one) => one.place === place).map((one) => [TITLES[place], ...row(one)]));
    const made = (known: boolean | undefined) =>
        known === undefined ? "" : known ? "in the state: gone since" : "not in the state: not made yet";
    const looked = [...seen].map((place) => TITLES[place] + (inPart.has(place) ? " (not all of it)" : ""));
    // "None" is said only of what was looked at.
    const partly = notLookedAt.length === 0 ? "" : ", as far as it could be looked at";
    return [
        `Audit of ${plan.stack}: nothing was changed`,
        "",
        `Looked at: ${looked.join(", ") || "nothing"}.` +
            (absent.length === 0 ? "" : ` Not of this stack: ${absent.map((place) => TITLES[place]).join(", ")}.`),
        stateSentence(state),
        "",
        table(
            `There, and declared by no stack${partly}`,
            ["where", "what", "seems to be"],
            rows(audit.undeclared, (one) => [
                one.title,
                [one.inState ? "in the state, so the next up deletes it" : "", one.hint ?? ""]
                    .filter(Boolean)
                    .join("; "),
            ]),
        ),
        table(
            `Declared, and not there${partly}`,
            ["where", "what", "state"],
            rows(audit.gone, (one) => [
                one.title,
                one.fromGit === true ? "Git's: not pushed, or not applied yet" : made(one.made),
            ]),
        ),
        ...(audit.adoptable.length === 0
            ? []
            : [
                  table(
                      "Declared and there, and not in the state: up would make it again (--import FILE adopts it)",
                      ["where", "what"],
                      rows(
                          audit.adoptable.map(({ declared }) => declared),
                          (one) => [one.title],
                      ),
                  ),
              ]),
        ...(notLookedAt.length + hidden.length === 0
            ? []
            : [["Not looked at", ...[...notLookedAt, ...hidden].map((line) => `  ${line}`), ""].join("\n")]),
        `${audit.matched} things are as declared. Left out, as they are somebody's: ${leftOut(audit.left)}.`,
        "",
    ].join("\n");
}

function stateSentence(state: Audited["state"]): string {
    switch (state.kind) {
        case "read":
            return `State: ${state.resources.length} resources.`;
        case "none":
            return `State: none (${state.reason}).`;
        case "not read":
            return `State: not read (${state.reason}), so whether something was made or is still to be made is not known.`;
    }
}

function leftOut(left: ReadonlyMap<string, number>): string {
    const entries = [...left].sort(([, a], [, b]) => b - a).map(([owner, count]) => `${owner} ${count}`);
    return entries.length === 0 ? "nothing" : entries.join(", ");
}

/** The same for programs. */
export function auditJson({ plan, audit, state, seen, inPart, notLookedAt, hidden, absent }: Audited): unknown {
    return {
        stack: plan.stack,
        lookedAt: [...seen],
        lookedAtInPart: [...inPart],
        notLookedAt,
        hidden,
        absent,
        state: state.kind === "read" ? { kind: state.kind, resources: state.resources.length } : state,
        undeclared: audit.undeclared.map(({ place, title, hint, inState, import: adopt }) => ({
            place,
            title,
            hint,
            inState,
            import: adopt,
        })),
        gone: audit.gone.map(({ place, title, urn, made, fromGit }) => ({ place, title, urn, made, fromGit })),
        adoptable: audit.adoptable.map(({ declared, live }) => ({
            place: declared.place,
            title: declared.title,
            urn: declared.urn,
            import: live.import,
        })),
        asDeclared: audit.matched,
        leftOut: Object.fromEntries(audit.left),
    };
}
