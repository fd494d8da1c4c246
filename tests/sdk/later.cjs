"use strict";

/** A module that is loaded when something of it is asked for. `__esModule`: TypeScript's `__importStar` leaves it as it is. */
module.exports = (load) =>
    new Proxy({}, { get: (_, name) => (name === "__esModule" ? true : name === "default" ? load() : load()[name]) });
