import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { diffProps } from "./diff";
import { unsupported, type CheckFailure, type Plugin, type Session } from "./plugin";
import { revealProps, secret, UNKNOWN, type Json, type Props } from "./values";

/** What a random resource yields: its id and its outputs. `secrets` names the outputs that are secret. */
interface Kind {
    outputs: readonly string[];
    secrets: readonly string[];
    defaults?: Props;
    check(inputs: Props): CheckFailure[];
    make(inputs: Props): { id: string; outputs: Props };
}

const STRING_DEFAULTS: Props = {
    lower: true,
    upper: true,
    numeric: true,
    special: true,
    minLower: 0,
    minUpper: 0,
    minNumeric: 0,
    minSpecial: 0,
};

const KINDS: Record<string, Kind> = {
    "random:index/randomPassword:RandomPassword": {
        // The hash that the real provider gives besides is read by nothing here.
        outputs: ["result"],
        secrets: ["result"],
        defaults: STRING_DEFAULTS,
        check: checkString,
        make: (inputs) => {
            const result = randomString(inputs);
            return { id: "none", outputs: { result } };
        },
    },
    "random:index/randomString:RandomString": {
        outputs: ["result"],
        secrets: [],
        defaults: STRING_DEFAULTS,
        check: checkString,
        make: (inputs) => {
            const result = randomString(inputs);
            return { id: result, outputs: { result } };
        },
    },
    "random:index/randomBytes:RandomBytes": {
        outputs: ["base64", "hex"],
        secrets: ["base64", "hex"],
        check: ({ length }) => atLeastOne("length", length),
        make: ({ length }) => {
            const bytes = randomBytes(Number(length));
            return { id: "none", outputs: { base64: bytes.toString("base64"), hex: bytes.toString("hex") } };
        },
    },
    "random:index/randomId:RandomId": {
        outputs: ["b64Std", "b64Url", "dec", "hex"],
        secrets: [],
        check: ({ byteLength }) => atLeastOne("byteLength", byteLength),
        make: ({ byteLength, prefix }) => {
            const bytes = randomBytes(Number(byteLength));
            const before = typeof prefix === "string" ? prefix : "";
            const id = bytes.toString("base64url");
            return {
                id,
                outputs: {
                    b64Std: before + bytes.toString("base64"),
                    b64Url: before + id,
                    dec: before + BigInt(`0x${bytes.toString("hex")}`).toString(),
                    hex: before + bytes.toString("hex"),
                },
            };
        },
    },
    "random:index/randomUuid:RandomUuid": {
        outputs: ["result"],
        secrets: [],
        check: () => [],
        make: () => {
            const result = randomUUID();
            return { id: result, outputs: { result } };
        },
    },
};

/** Stand-in for the `random` plugin. Every input replaces, `keepers` included, as in the official one. */
export function randomPlugin(): Plugin {
    const kindOf = (type: string): Kind => {
        const kind = KINDS[type];
        if (kind === undefined) {
            throw unsupported("resource", type);
        }
        return kind;
    };
    const session: Session = {
        check: ({ type, news }) => {
            const inputs = { ...kindOf(type).defaults, ...news };
            return Promise.resolve({ inputs, failures: kindOf(type).check(revealProps(inputs)) });
        },
        diff: ({ oldInputs, news }) =>
            Promise.resolve(
                diffProps(revealProps(oldInputs), revealProps(news), Object.keys({ ...oldInputs, ...news })),
            ),
        create: ({ type, inputs, preview }) => {
            const kind = kindOf(type);
            if (preview) {
                const unknown = Object.fromEntries(kind.outputs.map((name) => [name, UNKNOWN]));
                return Promise.resolve({ id: "", outputs: { ...inputs, ...unknown } });
            }
            const { id, outputs } = kind.make(revealProps(inputs));
            const marked = Object.entries(outputs).map(([name, value]): [string, Json] => [
                name,
                kind.secrets.includes(name) ? secret(value) : value,
            ]);
            return Promise.resolve({ id, outputs: { ...inputs, ...Object.fromEntries(marked) } });
        },
        update: ({ olds, news }) => Promise.resolve({ ...olds, ...news }),
        read: ({ id, state, inputs }) => Promise.resolve({ id, outputs: state, inputs }),
        delete: () => Promise.resolve(),
        invoke: (token) => Promise.reject(unsupported("function", token)),
    };
    return { configure: () => Promise.resolve(session) };
}

function atLeastOne(property: string, value: Json | undefined): CheckFailure[] {
    return typeof value === "number" && value < 1 ? [{ property, reason: `must be at least 1, got ${value}` }] : [];
}

const CLASSES = [
    { flag: "upper", min: "minUpper", characters: "ABCDEFGHIJKLMNOPQRSTUVWXYZ" },
    { flag: "lower", min: "minLower", characters: "abcdefghijklmnopqrstuvwxyz" },
    { flag: "numeric", min: "minNumeric", characters: "0123456789" },
    { flag: "special", min: "minSpecial", characters: "!@#$%&*()-_=+[]{}<>:?" },
] as const;

function classes(inputs: Props) {
    const special = inputs["overrideSpecial"];
    return CLASSES.map(({ flag, min, characters }) => ({
        // `number` is the deprecated name of `numeric`.
        enabled: flag === "numeric" ? (inputs["number"] ?? inputs[flag]) === true : inputs[flag] === true,
        minimum: Number(inputs[min] ?? 0),
        characters: flag === "special" && typeof special === "string" && special !== "" ? special : characters,
    }));
}

function checkString(inputs: Props): CheckFailure[] {
    const { length } = inputs;
    const failures = atLeastOne("length", length);
    const needed = classes(inputs).reduce((sum, each) => sum + each.minimum, 0);
    if (typeof length === "number" && needed > length) {
        failures.push({
            property: "length",
            reason: `must be at least the sum of the minimums, ${needed}, got ${length}`,
        });
    }
    if (classes(inputs).every((each) => !each.enabled)) {
        failures.push({ reason: "at least one of upper, lower, numeric, special must be true" });
    }
    return failures;
}

function randomString(inputs: Props): string {
    const kinds = classes(inputs);
    const pick = (characters: string, count: number) =>
        Array.from({ length: count }, () => characters[randomInt(characters.length)] ?? "");
    const result = kinds.flatMap((kind) => pick(kind.characters, kind.minimum));
    const all = kinds.filter((kind) => kind.enabled).map((kind) => kind.characters);
    result.push(...pick(all.join(""), Number(inputs["length"]) - result.length));
    for (let last = result.length - 1; last > 0; last--) {
        const other = randomInt(last + 1);
        [result[last], result[other]] = [result[other] ?? "", result[last] ?? ""];
    }
    return result.join("");
}
