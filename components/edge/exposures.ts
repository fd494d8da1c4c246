import { RunError } from "@pulumi/pulumi";
import type { Exposure } from "./edge";

/**
 * Everything that a stack exposes, in order of declaration. Records, tunnel rules, tailnet grants and tables are derived
 * from the whole of it: whoever read too early would leave hosts out without a word, so it is sealed first.
 */
export class Exposures {
    readonly #rows: Exposure[] = [];
    #sealed = false;
    #seal: (rows: readonly Exposure[]) => void = () => undefined;
    /** All of it, once it is sealed: for what is declared before and told of it. */
    readonly sealed: Promise<readonly Exposure[]> = new Promise((resolve) => {
        this.#seal = resolve;
    });

    /** Throws a `RunError` when the ledger is sealed. */
    add(exposure: Exposure): void {
        if (this.#sealed) {
            throw new RunError(
                `${exposure.workload} is exposed as ${exposure.host} after the exposures are sealed: its record, tunnel rule ` +
                    "and tailnet grant would be missing. Expose it before seal()",
            );
        }
        this.#rows.push(exposure);
    }

    /** Ends the declarations. Call it when all is exposed, before anything is derived. */
    seal(): readonly Exposure[] {
        this.#sealed = true;
        this.#seal(this.#rows);
        return this.#rows;
    }

    /** Throws a `RunError` while the ledger is open. */
    get rows(): readonly Exposure[] {
        if (!this.#sealed) {
            throw new RunError(
                `the exposures are read while more may come (so far: ${this.#rows.map(({ host }) => host).join(", ") || "none"}); ` +
                    "call seal() when all is exposed",
            );
        }
        return this.#rows;
    }
}
