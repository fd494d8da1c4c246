/** Renovate's expressions, applied to the files as they are: every chart, image and bundle of CRDs is found, once. */
import { readFileSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { charts } from "../../components/charts";
import { crds } from "../../components/crds";
import { images, tagOnlyImages, type Image } from "../../components/images";
import { stackNames } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { TOOLS } from "../../lib/toolchain";

interface Manager {
    readonly managerFilePatterns: readonly string[];
    readonly matchStrings: readonly string[];
    readonly datasourceTemplate?: string;
    readonly depNameTemplate?: string;
    readonly packageNameTemplate?: string;
    readonly depTypeTemplate?: string;
    readonly extractVersionTemplate?: string;
}

interface Rule {
    readonly matchDepNames?: readonly string[];
    readonly matchDepTypes?: readonly string[];
    readonly groupName?: string;
    readonly pinDigests?: boolean;
}

const config = JSON.parse(readFileSync(join(ROOT, ".github", "renovate.json"), "utf8")) as {
    readonly customManagers: readonly Manager[];
    readonly packageRules: readonly Rule[];
    readonly extends: readonly string[];
};

interface Found {
    readonly text: string;
    readonly datasource: string;
    readonly depType: string | undefined;
    readonly depName: string;
    readonly packageName: string;
    readonly version: string;
    readonly digest: string | undefined;
    readonly registryUrl: string | undefined;
}

/** What Renovate would extract from a file: groups of the expression, and templates filled from them. */
function extract(file: string): Found[] {
    const text = readFileSync(join(ROOT, file), "utf8");
    return config.customManagers
        .filter(({ managerFilePatterns }) => managerFilePatterns.some((pattern) => matchesGlob(file, pattern)))
        .flatMap((manager) =>
            manager.matchStrings.flatMap((expression) =>
                [...text.matchAll(new RegExp(expression, "g"))].map(({ 0: match, groups = {} }): Found => {
                    const fill = (template: string | undefined) =>
                        template?.replaceAll(/\{\{\{(\w+)\}\}\}/g, (_, name: string) => groups[name] ?? "");
                    const depName = fill(manager.depNameTemplate) ?? groups["depName"] ?? "";
                    return {
                        ...{
                            text: match,
                            datasource: manager.datasourceTemplate ?? groups["datasource"] ?? "",
                            depType: manager.depTypeTemplate,
                            depName,
                        },
                        packageName: fill(manager.packageNameTemplate) ?? groups["packageName"] ?? depName,
                        version: groups["currentValue"] ?? "",
                        ...{ digest: groups["currentDigest"], registryUrl: groups["registryUrl"] },
                    };
                }),
            ),
        );
}

const sorted = <T>(list: readonly T[]) => list.map((item) => JSON.stringify(item)).sort();

test("charts: all, from the right kind of repository", () => {
    const found = extract("components/charts.ts").map(({ datasource, depName, packageName, registryUrl, version }) => ({
        ...{ datasource, depName, version, where: registryUrl ?? packageName },
    }));
    const wanted = Object.values(charts).map(({ name, repository, version }) => {
        const oci = repository.startsWith("oci://");
        return {
            ...{ datasource: oci ? "docker" : "helm", depName: name, version },
            where: oci ? `${repository.replace("oci://", "")}/${name}` : repository,
        };
    });
    expect(sorted(found)).toEqual(sorted(wanted));
});

test("images: all, those with a digest by it, the others as exceptions", () => {
    const found = extract("components/images.ts").map(
        ({ datasource, depName, depType, packageName, version, digest }) => ({
            ...{ datasource, depName, depType, packageName, version, digest },
        }),
    );
    const wanted = Object.entries<Image>(images).map(([name, { repository, tag, digest }]) => ({
        ...{ datasource: "docker", depName: name, depType: name in tagOnlyImages ? "image-by-tag" : "image" },
        ...{ packageName: repository.replace("mirror.gcr.io/", ""), version: tag, digest },
    }));
    expect(sorted(found)).toEqual(sorted(wanted));
});

test("CRDs: all, and a match covers every place in which the version stands", () => {
    const found = extract("components/crds.ts");
    const wanted = Object.values(crds).map(({ project, version, repository }) => ({
        ...{ depName: `${project}/crds`, version, packageName: repository },
    }));
    expect(sorted(found.map(({ depName, version, packageName }) => ({ depName, version, packageName })))).toEqual(
        sorted(wanted),
    );
    const rest = found.reduce(
        (text, match) => text.replace(match.text, ""),
        readFileSync(join(ROOT, "components/crds.ts"), "utf8"),
    );
    expect(rest).not.toMatch(/\d+\.\d+\.\d+/);
});

test("Talos and Kubernetes of a stack, and the engine of the workflows", () => {
    const found = stackNames(ROOT).flatMap((stack) => extract(`Pulumi.${stack}.yaml`));
    const said = stackNames(ROOT).flatMap((stack) => {
        const { talos } = readStackValue(ROOT, stack) as { talos?: { version: string; kubernetes: string } };
        return talos === undefined
            ? []
            : [
                  ["siderolabs/talos", talos.version],
                  ["kubernetes/kubernetes", talos.kubernetes],
              ];
    });
    expect(said.length).toBeGreaterThan(0);
    expect(found.map(({ depName, version }) => [depName, version])).toEqual(said);
    expect(
        extract(".github/actions/reach-cluster/action.yaml").map(({ depName, version }) => [depName, version]),
    ).toEqual([["pulumi/pulumi", TOOLS.pulumi.version]]);
});

test("what the lint job runs: every version of it", () => {
    const file = ".github/workflows/test.yaml";
    const versions = readFileSync(join(ROOT, file), "utf8").match(/[A-Z_]+_VERSION: (\S+)/g) ?? [];
    const found = extract(file).map(({ datasource, depName, version }) => `${datasource} ${depName} ${version}`);
    expect(found).toHaveLength(versions.length);
    expect(found).toEqual([
        expect.stringMatching(/^go github\.com\/rhysd\/actionlint v\d/),
        expect.stringMatching(/^pypi pre-commit \d/),
        expect.stringMatching(/^npm renovate \d/),
        expect.stringMatching(/^pypi yamllint \d/),
    ]);
});

test("groups name what there is: an app's parts, each in one group", () => {
    const known = new Set(
        [
            "components/charts.ts",
            "components/images.ts",
            "components/crds.ts",
            "Pulumi.chongus.yaml",
            ".github/actions/reach-cluster/action.yaml",
            ".github/workflows/test.yaml",
        ]
            .flatMap(extract)
            .map(({ depName }) => depName),
    );
    // A hook goes by the end of its repository's address.
    const packages =
        ["package.json", ".mise.toml"].map((file) => readFileSync(join(ROOT, file), "utf8")).join("") +
        readFileSync(join(ROOT, ".pre-commit-config.yaml"), "utf8").replaceAll(/https:\/\/github\.com\/(\S+)/g, '"$1"');
    const grouped = config.packageRules.flatMap(({ groupName, matchDepNames = [] }) =>
        groupName === undefined ? [] : matchDepNames,
    );
    expect(grouped.filter((name) => !known.has(name) && !packages.includes(`"${name}"`))).toEqual([]);
    expect(new Set(grouped).size).toBe(grouped.length);
});

test("digests are pinned, but of charts and of the listed images; expressions are such as RE2 takes", () => {
    expect(config.extends).toEqual(expect.arrayContaining(["docker:pinDigests", "helpers:pinGitHubActionDigests"]));
    const pins = config.packageRules.flatMap(({ pinDigests, matchDepTypes }) =>
        pinDigests === undefined ? [] : [[matchDepTypes, pinDigests]],
    );
    expect(pins).toEqual([
        [["image"], true],
        [["image-by-tag"], false],
        [["chart"], false],
    ]);
    const expressions = config.customManagers.flatMap(({ matchStrings }) => matchStrings);
    expect(expressions.filter((expression) => /\(\?<?[=!]|\\[1-9]/.test(expression))).toEqual([]);
});
