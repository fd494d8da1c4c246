/** What the parts of a platform are together: sums that no recipe writes down by hand. */
import { crds } from "../../components/crds";
import { everySecret, joinParts, type Part } from "../../lab/platform-parts";

interface Config {
    readonly folder: string;
}

const one: Part<Config> = {
    rules: [({ folder }) => [{ rule: "one", path: "folder", got: folder, allowed: "" }]],
    hosts: () => [["one.host", "one"]],
    buckets: ({ folder }, stack) => [["one.bucket", `https://s3.example.net/b01/${folder}/${stack}`]],
    servers: () => [["one.endpoint", "https://s3.example.net"]],
    volumes: () => [{ path: "one.storage", size: "1Gi" }],
    requests: () => [{ what: "one", number: 1, each: { cpu: "1", memory: "1Gi" } }],
    secrets: () => ({ shared: ["b", "a"], own: ["c"] }),
    definitions: () => [crds.gatewayApi],
    namespaces: () => ({ shared: "privileged", own: "restricted" }),
    notes: () => ["one is there."],
};
const other: Part<Config> = {
    hosts: () => [["other.host", "other"]],
    secrets: () => ({ shared: ["a"], more: ["c"] }),
    definitions: () => [crds.gatewayApi, crds.prometheus],
    namespaces: () => ({ shared: "restricted", more: "baseline" }),
};
const config = { folder: "backups" };

test("each part is asked, and one that has none of something says nothing", () => {
    const parts = joinParts(one, other);
    expect(parts.rules.flatMap((rule) => rule(config)).map(({ rule }) => rule)).toEqual(["one"]);
    expect(parts.hosts(config)).toEqual([
        ["one.host", "one"],
        ["other.host", "other"],
    ]);
    expect(parts.buckets(config, "cabin")).toEqual([["one.bucket", "https://s3.example.net/b01/backups/cabin"]]);
    expect(parts.servers(config)).toHaveLength(1);
    expect(parts.volumes(config)).toHaveLength(1);
    expect(parts.requests(config)).toHaveLength(1);
    expect(parts.notes(config)).toEqual(["one is there."]);
    expect(parts.claims(config)).toEqual([]);
});

test("CRDs that two parts need come once", () => {
    expect(joinParts(one, other).definitions(config)).toEqual([crds.gatewayApi, crds.prometheus]);
});

test("in a namespace of two parts both must be able to run, whichever is named last", () => {
    const levels = { shared: "privileged", own: "restricted", more: "baseline" };
    expect(joinParts(one, other).namespaces(config)).toEqual(levels);
    expect(joinParts(other, one).namespaces(config)).toEqual(levels);
});

test("a value is asked once a namespace, and stands in a file once", () => {
    const secrets = joinParts(one, other).secrets(config);
    expect(secrets).toEqual({ shared: ["a", "b"], own: ["c"], more: ["c"] });
    expect(everySecret(secrets)).toEqual(["a", "b", "c"]);
});

test("parts of parts are parts", () => {
    expect(joinParts(joinParts(one), other).hosts(config)).toEqual(joinParts(one, other).hosts(config));
});

test("a recipe without parts has nothing of its own", () => {
    const none = joinParts<Config>();
    expect([none.rules, none.hosts(config), none.namespaces(config), none.secrets(config)]).toEqual([[], [], {}, {}]);
});
