import { isObject, isSecret, isUnknown, pluck, text, type Json, type Props } from "../values";
import { isBuiltIn, isCrd } from "./kinds";

/**
 * Gives inputs of built-in kinds the form in which the API server stores them, so that `cpu: 0.5` is no difference to
 * `500m`. Custom resources are stored as they are sent. Objects here are free of secret wrappers.
 */
export function normalize(input: Props): Props {
    const object = structuredClone(input);
    if (isObject(object["metadata"])) {
        for (const readOnly of [
            ...["creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields"],
            ...["resourceVersion", "uid"],
        ]) {
            delete object["metadata"][readOnly];
        }
    }
    const apiVersion = text(object, "apiVersion") ?? "";
    if (isCrd(object)) {
        delete object["status"];
        if (isObject(object["spec"]) && object["spec"]["preserveUnknownFields"] === false) {
            delete object["spec"]["preserveUnknownFields"];
        }
        return object;
    }
    if (apiVersion === "v1" && object["kind"] === "Secret") {
        return normalizeSecret(object);
    }
    return isBuiltIn(apiVersion) ? (quantities(object) as Props) : object;
}

/** The API server turns `stringData` into `data`. */
function normalizeSecret(object: Props): Props {
    const { stringData, data } = object;
    if (!isObject(stringData) || Object.values(stringData).some((value) => isUnknown(value) || isSecret(value))) {
        return object;
    }
    const encoded = Object.entries(stringData).map(([key, value]): [string, Json] => [
        key,
        Buffer.from(String(value)).toString("base64"),
    ]);
    const { stringData: _, ...rest } = object;
    return { ...rest, data: { ...(isObject(data) && data), ...Object.fromEntries(encoded) } };
}

const QUANTITY_MAPS = new Set([
    ...["requests", "limits", "capacity", "allocatable", "hard", "default", "defaultRequest", "max", "min"],
    ...["maxLimitRequestRatio", "podFixed"],
]);
const QUANTITIES = new Set(["sizeLimit", "divisor", "averageValue"]);

function quantities(value: Json): Json {
    if (Array.isArray(value)) {
        return value.map(quantities);
    }
    if (!isObject(value)) {
        return value;
    }
    return Object.fromEntries(
        Object.entries(value).map(([key, inner]): [string, Json] => {
            if (QUANTITY_MAPS.has(key) && isObject(inner)) {
                return [key, Object.fromEntries(Object.entries(inner).map(([k, v]) => [k, canonicalQuantity(v)]))];
            }
            return [key, QUANTITIES.has(key) ? canonicalQuantity(inner) : quantities(inner)];
        }),
    );
}

const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/** A quantity in the canonical form: no fraction, the largest suffix that leaves none. Others stay as they are. */
export function canonicalQuantity(value: Json): Json {
    if (typeof value !== "string" && typeof value !== "number") {
        return value;
    }
    const match = /^([+-]?)(\d*)\.?(\d*)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|)$/.exec(String(value));
    const [, sign, whole, fraction, suffix] = match ?? [];
    if (sign === undefined || fraction === undefined || suffix === undefined || `${whole}${fraction}` === "") {
        return value;
    }
    const digits = BigInt(`${whole}${fraction}`);
    if (digits === 0n) {
        return "0";
    }
    const negative = sign === "-" ? "-" : "";
    const shift = 10n ** BigInt(fraction.length);
    if (BINARY.includes(suffix) && suffix !== "") {
        let amount = digits * 1024n ** BigInt(BINARY.indexOf(suffix));
        if (amount % shift !== 0n) {
            return value;
        }
        amount /= shift;
        let power = 0;
        while (amount % 1024n === 0n && power < BINARY.length - 1) {
            amount /= 1024n;
            power++;
        }
        return `${negative}${amount}${BINARY[power]}`;
    }
    // Counted in nano, the smallest step there is; what is finer is rounded up, as the server does.
    const nano = digits * 1000n ** BigInt(DECIMAL.indexOf(suffix));
    let amount = (nano + shift - 1n) / shift;
    let power = 0;
    while (amount % 1000n === 0n && power < DECIMAL.length - 1) {
        amount /= 1000n;
        power++;
    }
    return `${negative}${amount}${DECIMAL[power]}`;
}

const UNDERSCORED = [
    ...["embedded_resource", "int_or_string", "list_map_keys", "list_type", "map_type", "preserve_unknown_fields"],
    "validations",
].map((name) => `x_kubernetes_${name}`);
const TO_WIRE = new Map(UNDERSCORED.map((name) => [name, name.replaceAll("_", "-")]));
const FROM_WIRE = new Map(UNDERSCORED.map((name) => [name.replaceAll("_", "-"), name]));

function renameKeys(value: Json, names: Map<string, string>): Json {
    if (Array.isArray(value)) {
        return value.map((item) => renameKeys(item, names));
    }
    if (isObject(value)) {
        return Object.fromEntries(
            Object.entries(value).map(([key, inner]) => [names.get(key) ?? key, renameKeys(inner, names)]),
        );
    }
    return value;
}

/** The SDKs write the x-kubernetes-… keys of a CRD's schema with underscores. */
export function toWireKeys(object: Props): Props {
    return renameKeys(object, TO_WIRE) as Props;
}

/** The reverse of {@link toWireKeys}. */
export function fromWireKeys(object: Props): Props {
    return renameKeys(object, FROM_WIRE) as Props;
}

/** An object's annotation, or undefined. */
export function annotation(object: Props, name: string): string | undefined {
    const annotations = pluck(object, "metadata", "annotations");
    return isObject(annotations) ? text(annotations, name) : undefined;
}

/** Is an annotation set to "true"? */
export function flagged(object: Props, name: string): boolean {
    return annotation(object, name) === "true";
}
