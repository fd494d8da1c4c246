import { annotateSecrets, isObject, isSecret, reveal, revealProps, secret, type Props } from "../values";
import { fromWireKeys, toWireKeys } from "./normalize";

/**
 * The state of a Kubernetes resource: the live object, and beside it the inputs that made it. The official plugin's
 * names, so that a state which one of the two wrote can be read by the other.
 */

const INPUTS = "__inputs";
const INITIAL_VERSION = "__initialApiVersion";
const MANAGER = "__fieldManager";

/** A Secret's payload is secret whether the program says so or not. */
export function annotateObject(object: Props, from: Props): void {
    if (object["kind"] === "Secret") {
        for (const payload of ["data", "stringData"]) {
            if (object[payload] !== undefined) {
                object[payload] = secret(object[payload]);
            }
        }
        return;
    }
    annotateSecrets(object, from);
}

/** The inputs as an object for the API server. */
export function objectOf(inputs: Props): Props {
    return toWireKeys(revealProps(inputs));
}

/** The state to record. `wrapped` is where secrets are marked. */
export function checkpoint(inputs: Props, live: Props, wrapped: Props, manager: string): Props {
    const object = fromWireKeys(live);
    const said = fromWireKeys(inputs);
    annotateObject(object, wrapped);
    annotateObject(said, wrapped);
    const { [MANAGER]: _, ...rest } = object;
    return { ...rest, [INPUTS]: said, [INITIAL_VERSION]: String(inputs["apiVersion"] ?? ""), [MANAGER]: manager };
}

/** The parts of a recorded state, free of secret wrappers. */
export function readCheckpoint(state: Props): { inputs: Props; live: Props; manager?: string } {
    const { [INPUTS]: said, [INITIAL_VERSION]: _, [MANAGER]: manager, ...live } = state;
    const plain = said === undefined ? {} : reveal(said);
    return {
        inputs: isObject(plain) && !isSecret(plain) ? toWireKeys(plain) : {},
        live: toWireKeys(revealProps(live)),
        ...(typeof manager === "string" && { manager }),
    };
}
