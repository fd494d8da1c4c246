import { diffProps, pathText } from "../../sandbox/providers/diff";
import {
    annotateSecrets,
    containsSecret,
    containsUnknown,
    equal,
    isSecret,
    redact,
    reveal,
    secret,
    secretTexts,
    UNKNOWN,
    type Props,
} from "../../sandbox/providers/values";

describe("secrets", () => {
    const wire = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value: "hush" };

    test("are wrapped as the engine wraps them, once", () => {
        expect(secret("hush")).toEqual(wire);
        expect(secret(secret("hush"))).toEqual(wire);
        expect(isSecret({ value: "hush" })).toBe(false);
    });

    test("are revealed at any depth", () => {
        expect(reveal({ a: [secret({ b: secret(1) })] })).toEqual({ a: [{ b: 1 }] });
        expect(containsSecret({ a: [{ b: secret(1) }] })).toBe(true);
        expect(containsSecret({ a: [{ b: 1 }] })).toBe(false);
    });

    test("equal what they hold", () => {
        expect(equal({ a: secret("x") }, { a: "x" })).toBe(true);
        expect(equal({ a: secret("x") }, { a: secret("y") })).toBe(false);
        expect(equal({ a: 1, b: undefined as never }, { a: 1 })).toBe(true);
        expect(equal([1, 2], [1])).toBe(false);
    });

    test("are carried from inputs to outputs, an array as a whole", () => {
        const outputs: Props = { spec: { list: [1, 2], open: "a" }, name: "n", added: 1 };
        annotateSecrets(outputs, { spec: { list: [secret(1), 2], open: "a" }, name: secret("n"), gone: secret(1) });
        expect(outputs).toEqual({ spec: { list: secret([1, 2]), open: "a" }, name: secret("n"), added: 1 });
    });

    test("leave no trace in a message", () => {
        const texts = secretTexts({ a: secret({ b: "hush-hush\n" }), c: secret(1), d: "open" });
        expect(redact("failed: hush-hush in open", texts)).toBe("failed: [secret] in open");
    });
});

test("unknown values are found inside of secrets, too", () => {
    expect(containsUnknown({ a: [secret(UNKNOWN)] })).toBe(true);
    expect(containsUnknown({ a: ["04da6b54"] })).toBe(false);
});

test("a diff names each change by its path and says what replaces", () => {
    const diff = diffProps(
        { keep: 1, a: { b: [1, 2] }, old: 1, zone: "z" },
        { keep: 1, a: { b: [1, UNKNOWN] }, new: 1, zone: "y" },
        ["zone"],
    );
    expect(diff.changes).toEqual({
        "a.b[1]": { kind: "update", replace: false },
        old: { kind: "delete", replace: false },
        new: { kind: "add", replace: false },
        zone: { kind: "update", replace: true },
    });
});

test("paths quote keys that have dots", () => {
    expect(pathText(["metadata", "annotations", "a.b/c", 0])).toBe('metadata.annotations["a.b/c"][0]');
});
