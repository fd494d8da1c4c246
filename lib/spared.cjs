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

module.exports = { deferred, withoutStacks };
