"use strict";
module.exports = require("./later.cjs")(() => require("../../node_modules/@npmcli/arborist/lib/index.js"));
