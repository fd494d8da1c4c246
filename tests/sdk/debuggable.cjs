// Pulumi's promises without the stacks that it writes out for each of them: under Jest, which maps every line of a stack to its
// source, they are more than half of what a plan takes. See lib/typescript.cjs, which does the same for the program.
"use strict";
const debuggable = require("../../node_modules/@pulumi/pulumi/runtime/debuggable.js");

const { debuggablePromise } = debuggable;

module.exports = {
    ...debuggable,
    debuggablePromise(promise, context) {
        const limit = Error.stackTraceLimit;
        Error.stackTraceLimit = 0;
        try {
            return debuggablePromise(promise, context);
        } finally {
            Error.stackTraceLimit = limit;
        }
    },
};
