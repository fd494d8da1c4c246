import type { Answer } from "./answer";

/** A failure that a test orders: the next `times` requests that match get it instead of an answer. */
export interface Fault {
    /** Regular expression over `METHOD /path`, e.g. `^POST .*dns_records$`. */
    readonly match: string;
    readonly status: number;
    readonly times: number;
    /** Body to send; the cloud's own error shape when absent. */
    readonly body?: unknown;
    /** Seconds for the `Retry-After` header. */
    readonly retryAfter?: number;
}

/** The faults still to be dealt out. */
export class FaultTable {
    private faults: Fault[] = [];

    list(): readonly Fault[] {
        return this.faults;
    }

    /** Takes an order such as `{match: "^POST", status: 429, times: 2, retryAfter: 1}`; `times` defaults to 1. */
    add(order: Record<string, unknown> | undefined): Answer {
        const { match, status, times = 1, body, retryAfter } = order ?? {};
        if (
            typeof match !== "string" ||
            !isExpression(match) ||
            typeof status !== "number" ||
            typeof times !== "number"
        ) {
            return {
                status: 400,
                body: {
                    message:
                        "a fault is {match: regular expression, status: number, times?: number, body?, retryAfter?}",
                },
            };
        }
        if (retryAfter !== undefined && typeof retryAfter !== "number") {
            return { status: 400, body: { message: "retryAfter is a number of seconds" } };
        }
        this.faults.push({
            match,
            status,
            times,
            ...(body !== undefined && { body }),
            ...(retryAfter !== undefined && { retryAfter }),
        });
        return { status: 200, body: { faults: this.faults.length } };
    }

    clear(): Answer {
        this.faults = [];
        return { status: 200, body: { faults: 0 } };
    }

    /** The fault for this request, if one is due; counts it down. */
    take(method: string, path: string): Fault | undefined {
        const fault = this.faults.find((candidate) => new RegExp(candidate.match).test(`${method} ${path}`));
        if (fault !== undefined) {
            this.faults = this.faults.flatMap((other) =>
                other !== fault ? [other] : fault.times > 1 ? [{ ...fault, times: fault.times - 1 }] : [],
            );
        }
        return fault;
    }
}

function isExpression(text: string): boolean {
    try {
        return new RegExp(text) instanceof RegExp;
    } catch {
        return false;
    }
}
