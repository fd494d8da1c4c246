"use strict";
module.exports = require("./later.cjs")(() => require("../../node_modules/@pulumi/pulumi/typescript-shim.js"));
