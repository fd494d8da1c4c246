/** An answer; an object body is sent as JSON, a string as it is. */
export interface Answer {
    readonly status: number;
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
}
