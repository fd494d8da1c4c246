// Under Jest, which looks up the source of every line of a stack, those of promises are more than half of what a plan takes.
"use strict";
const { withoutStacks } = require("../../lib/spared.cjs");

module.exports = withoutStacks(require("../../node_modules/@pulumi/pulumi/runtime/debuggable.js"));
