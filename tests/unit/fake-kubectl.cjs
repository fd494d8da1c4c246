// A kubectl with nodes and secrets in a file, for tests of what a step asks the API server: the file is its first argument.
// Only what the steps use, and that as kubectl does it; everything else is refused. tests/unit/resident-server.cjs runs it.
"use strict";
const { readFileSync, writeFileSync, appendFileSync, existsSync } = require("node:fs");

function fail(said) {
    throw Object.assign(new Error(said), { code: 1 });
}

exports.play = ([file, ...given], stdin) => {
    const state = existsSync(file)
        ? JSON.parse(readFileSync(file, "utf8"))
        : { nodes: {}, secrets: {}, refuseDrain: false };
    const save = () => writeFileSync(file, JSON.stringify(state, null, 1));
    const words = given.filter((word, index, all) => word !== "--kubeconfig" && all[index - 1] !== "--kubeconfig");
    appendFileSync(`${file}.calls`, `${words.join(" ")}\n`);
    const flag = (name) => words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
    const plain = words.filter((word) => !word.startsWith("-"));
    const [verb, kind, name, ...rest] = plain;

    let said = "";
    const say = (text) => {
        said = text;
    };
    function node() {
        const found = state.nodes[name];
        if (found === undefined) fail(`Error from server (NotFound): nodes "${name}" not found`);
        return found;
    }
    const ready = { type: "Ready", status: state.notReady ? "False" : "True" };

    if (words.includes("--raw")) say("ok");
    else if (verb === "get" && kind === "namespace") say("11111111-2222-3333-4444-555555555555");
    else if (verb === "get" && kind === "nodes")
        say(
            Object.keys(state.nodes)
                .map((one) => `node/${one}`)
                .join("\n"),
        );
    else if (verb === "get" && kind === "secrets") {
        if (state.refuseSecrets)
            fail('Error from server (Forbidden): secrets is forbidden: User "x" cannot list resource');
        const [key, value] = flag("selector").split("=");
        const items = (state.objects ?? []).filter(
            ({ metadata }) => metadata.namespace === flag("namespace") && metadata.labels?.[key] === value,
        );
        say(JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    } else if (verb === "apply") {
        const given = JSON.parse(flag("filename") === "-" ? stdin() : readFileSync(flag("filename"), "utf8"));
        for (const item of given.items ?? [
            { ...given, metadata: { namespace: flag("namespace"), ...given.metadata } },
        ]) {
            const { name, namespace, uid, resourceVersion } = item.metadata;
            if (uid !== undefined || resourceVersion !== undefined) fail(`error: ${name}: Precondition failed`);
            const same = ({ metadata: one }) => one.name === name && one.namespace === namespace;
            state.objects = [...(state.objects ?? []).filter((one) => !same(one)), item];
        }
    } else if (verb === "get" && kind === "node") {
        const found = state.nodes[name];
        if (found === undefined)
            return words.includes("--ignore-not-found")
                ? ""
                : fail(`Error from server (NotFound): nodes "${name}" not found`);
        if (flag("output") === "name") say(`node/${name}`);
        else say(JSON.stringify({ ...found, status: { ...found.status, conditions: [ready] } }));
    } else if (verb === "get" && kind === "secret") {
        const hash = state.secrets[name];
        if (hash !== undefined) say(Buffer.from(hash).toString("base64"));
    } else if (verb === "create" && kind === "secret") {
        state.secrets[rest[0]] = flag("from-literal").replace("hash=", "");
    } else if (verb === "create") {
        const made = JSON.parse(stdin());
        state.nodes[made.metadata.name] = made;
    } else if (verb === "patch") {
        node().status.nodeInfo = { ...node().status.nodeInfo, ...JSON.parse(flag("patch")).status.nodeInfo };
    } else if (verb === "label" || verb === "annotate") {
        const map = (node().metadata[verb === "label" ? "labels" : "annotations"] ??= {});
        for (const word of rest) {
            if (word.endsWith("-")) delete map[word.slice(0, -1)];
            else {
                const [key, ...value] = word.split("=");
                map[key] = value.join("=");
            }
        }
    } else if (verb === "taint") {
        const id = ({ key, effect }) => `${key}:${effect}`;
        const taints = (node().spec.taints ??= []);
        for (const word of rest) {
            const [, key, value = "", effect] = /^([^=:]+)(?:=([^:]*))?:(\w+)-?$/.exec(word);
            const others = taints.filter((one) => id(one) !== `${key}:${effect}`);
            taints.splice(0, taints.length, ...others, ...(word.endsWith("-") ? [] : [{ key, value, effect }]));
        }
    } else if (["cordon", "uncordon", "drain"].includes(verb)) {
        const found = state.nodes[kind];
        if (found === undefined) fail(`Error from server (NotFound): nodes "${kind}" not found`);
        found.spec.unschedulable = verb !== "uncordon";
        save();
        if (verb === "drain" && state.refuseDrain) {
            fail(
                'error when evicting pods/"instance-manager" -n "longhorn-system": Cannot evict pod as it would violate the pod\'s disruption budget.\nerror: drain did not complete within 900s',
            );
        }
    } else if (verb === "delete" && kind === "node") {
        node();
        delete state.nodes[name];
    } else if (verb === "delete" && kind === "secret") delete state.secrets[name];
    else fail(`kubectl ${words.join(" ")} is not simulated`);
    save();
    return said;
};
