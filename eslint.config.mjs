import pulumi from "@pulumi/eslint-plugin";
import tseslint from "typescript-eslint";
import floors from "./tools/lint/floors.cjs";

export default tseslint.config(
    { ignores: ["node_modules/", ".sandbox/", "tools/go/"] },
    ...tseslint.configs.recommended,
    {
        files: ["**/*.ts"],
        plugins: { "@pulumi": pulumi },
        languageOptions: { parserOptions: { projectService: true } },
        rules: {
            "@typescript-eslint/no-explicit-any": "error",
            "@typescript-eslint/no-floating-promises": "error",
            "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
            "@pulumi/no-output-in-template-literal": "error",
            "@pulumi/no-output-instance-in-template-literal": "error",
        },
    },
    { plugins: { homelab: { rules: { floors: floors.rule } } }, rules: { "homelab/floors": "error" } },
    {
        files: ["{components,bootstrap,apps,lab,stacks}/**/*.ts"],
        ignores: ["components/cluster/helm-release.ts"],
        rules: {
            "no-restricted-syntax": [
                "error",
                {
                    selector: "NewExpression[callee.property.name='Release']",
                    message:
                        "Make it with helmRelease(), which takes repository and version from components/charts.ts.",
                },
            ],
        },
    },
    {
        files: ["{lib,components,bootstrap,apps,lab,stacks,tools}/**/*.ts"],
        ignores: ["lib/yaml-text.ts"],
        rules: {
            "no-restricted-imports": [
                "error",
                {
                    paths: [
                        {
                            name: "yaml",
                            importNames: ["stringify"],
                            message:
                                "Write it with yamlText() of lib/yaml-text.ts, which quotes what YAML 1.1 takes for a boolean.",
                        },
                    ],
                },
            ],
        },
    },
    // `require` of package.json files and of what the SDK's declarations leave out is deliberate.
    { rules: { "@typescript-eslint/no-require-imports": "off" } },
    { files: ["**/*.cjs", "tools/start/*.js", "*.js"], languageOptions: { sourceType: "commonjs" } },
);
