/** Two projects: `unit` needs nothing but Node; `engine` runs the real Pulumi engine on the sandbox. */
const shared = {
    testEnvironment: "node",
    // What Jest looks through at each start: the packages are a hundred times as many files.
    roots: ["<rootDir>/tests"],
    transform: { "^.+\\.[cm]?[jt]sx?$": "<rootDir>/tests/transform.cjs" },
    moduleNameMapper: {
        "^@npmcli/arborist$": "<rootDir>/tests/sdk/arborist.cjs",
        "/typescript-shim$": "<rootDir>/tests/sdk/typescript-shim.cjs",
        "/debuggable$": "<rootDir>/tests/sdk/debuggable.cjs",
    },
    // ESM-only packages that the program imports; Jest loads CommonJS.
    transformIgnorePatterns: [
        "/node_modules/(?!(sops-age|age-encryption|@hpcc-js|@noble|@scure|hpke|@hpke|bech32-buffer)/)",
    ],
};

module.exports = {
    projects: [
        { ...shared, displayName: "unit", testMatch: ["<rootDir>/tests/unit/**/*.test.ts"] },
        { ...shared, displayName: "engine", testMatch: ["<rootDir>/tests/engine/**/*.test.ts"] },
    ],
};
