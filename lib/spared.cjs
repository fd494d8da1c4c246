// What packages do that nobody here asks for: for lib/typescript.cjs, and for Jest, which loads modules by a way of its own.
"use strict";

/** Modules of the SDK that were changed already. */
const changed = new WeakSet();

/** A module that is loaded when something of it is asked for. */
function deferred(load) {
    return new Proxy(
        {},
        {
            // As the module that TypeScript's __importStar makes of it, which it then leaves as it is.
            get: (_, name) => (name === "__esModule" ? true : name === "default" ? load() : load()[name]),
            has: (_, name) => name in load(),
            ownKeys: () => Reflect.ownKeys(load()),
            getOwnPropertyDescriptor: (_, name) =>
                Object.hasOwn(load(), name)
                    ? { value: load()[name], configurable: true, enumerable: true, writable: false }
                    : undefined,
        },
    );
}

/**
 * The SDK has the stack written out for each of its promises, four for each input of each resource, for the message of
 * PULUMI_DEBUG_PROMISE_LEAKS. Where nobody asks for that they are left out. Errors keep theirs.
 */
function withoutStacks(debuggable) {
    if (changed.has(debuggable) || debuggable.debugPromiseLeaks) return debuggable;
    changed.add(debuggable);
    const { debuggablePromise } = debuggable;
    debuggable.debuggablePromise = (promise, context) => {
        const limit = Error.stackTraceLimit;
        Error.stackTraceLimit = 0;
        try {
            return debuggablePromise(promise, context);
        } finally {
            Error.stackTraceLimit = limit;
        }
    };
    return debuggable;
}

/**
 * The SDK has the whole stack of each resource written out and reads its places from that text again. `placeOf` gives the place of
 * a call site: `uri`, `line` and `column`, undefined where it has none.
 */
function withPlaces(resource, placeOf) {
    const { Resource } = resource;
    if (Resource?.stackTrace === undefined || changed.has(Resource)) return resource;
    changed.add(Resource);
    Resource.stackTrace = (skip) => {
        const { prepareStackTrace, stackTraceLimit } = Error;
        Error.prepareStackTrace = (_, sites) => sites;
        Error.stackTraceLimit = Number.POSITIVE_INFINITY;
        try {
            return new Error().stack.slice(skip).map(placeOf);
        } finally {
            Object.assign(Error, { prepareStackTrace, stackTraceLimit });
        }
    };
    return resource;
}

module.exports = { deferred, withoutStacks, withPlaces };
