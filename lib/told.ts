/** What somebody was asked for, or why it did not say. `status`: of HTTP or of a program, 0 where there was none. */
export type Told<T> =
    { readonly ok: true; readonly value: T } | { readonly ok: false; readonly status: number; readonly reason: string };
