"use strict";
const { deferred } = require("../../lib/spared.cjs");

module.exports = deferred(() => require("../../node_modules/@pulumi/pulumi/typescript-shim.js"));
