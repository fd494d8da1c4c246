"use strict";
const { deferred } = require("../../lib/spared.cjs");

module.exports = deferred(() => require("../../node_modules/@npmcli/arborist/lib/index.js"));
