/** The keys of an object whose value is there, for types whose optional keys are absent or have a value. */
export const present = <T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
    Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
        [K in keyof T]?: Exclude<T[K], undefined>;
    };
