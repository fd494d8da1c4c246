/** What is written for others as YAML is read by YAML 1.1 (kubectl, Argo CD, kubeadm, Helm, Python) and by 1.2 alike. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { READ_BY_KUBERNETES, yamlText } from "../../lib/yaml-text";
import { ROOT } from "../../stacks/stack-file";
import { documentOf } from "../../tools/render/objects";

const read = (text: string, version: "1.1" | "1.2"): unknown =>
    parseAllDocuments(text, { version }).map((document) => document.toJS() as unknown);

const WORDS = ["on", "off", "yes", "no", "y", "N", "True", "~", "null", "0644", "0o17", "0x1f", "1_000", "1:30", "+1"];
const OTHERS = ["", "2026-01-01", "<<", "a: b", "- c", "two\nlines\n", "aa:bb:cc:dd:ee:ff"];

test.each([...WORDS, ...OTHERS])("%j is that text to both, as a value and as a key", (word) => {
    const value = { value: word, list: [word], [word]: "key" };
    for (const version of ["1.1", "1.2"] as const) expect(read(yamlText(value), version)).toEqual([value]);
});

test("numbers and booleans stay what they are, and the writer's own options count", () => {
    expect(yamlText({ mode: 420, is: true, none: null })).toBe("mode: 420\nis: true\nnone: null\n");
    expect(
        yamlText({ text: `${"word ".repeat(30)}end` }, { lineWidth: 0 })
            .trim()
            .split("\n"),
    ).toHaveLength(1);
});

test("an object that goes to Git says of an environment that it is text", () => {
    const object = { kind: "Deployment", env: [{ name: "VPN_PORT_FORWARDING", value: "on" }] };
    expect(read(documentOf("magi", object), "1.1")).toEqual([object]);
});

test("every committed file for Git says one thing to both", () => {
    const folder = "cluster";
    const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).filter((file) =>
        file.endsWith(".yaml"),
    );
    expect(files.length).toBeGreaterThan(5);
    const texts = files.map((file): [string, string] => [file, readFileSync(join(ROOT, folder, file), "utf8")]);
    const differing = texts.filter(
        ([, text]) => JSON.stringify(read(text, "1.1")) !== JSON.stringify(read(text, "1.2")),
    );
    expect(differing.map(([file]) => file)).toEqual([]);
});

test("Kubernetes' own reading: words of 1.1 are booleans, 0644 is octal, dates and 1:30 are text", () => {
    const text = "a: on\nb: 0644\nc: 2026-01-01\nd: 1:30\ne: &e { x: no }\nf: { <<: *e, z: 1 }\n";
    expect(parse(text, READ_BY_KUBERNETES)).toEqual({
        ...{ a: true, b: 420, c: "2026-01-01", d: "1:30" },
        ...{ e: { x: false }, f: { x: false, z: 1 } },
    });
});
