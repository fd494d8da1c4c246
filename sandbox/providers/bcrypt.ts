import { randomBytes } from "node:crypto";

/**
 * bcrypt (Provos and Mazieres, 1999), for the hash that a random password yields next to its text; Argo CD and others take
 * passwords only so. Node has no bcrypt, and Blowfish's tables are the digits of pi, so they are calculated.
 */

const ROUNDS = 16;
const BOX_WORDS = 4 * 256;

interface State {
    subkeys: Uint32Array;
    boxes: Uint32Array;
}

let digits: Uint32Array | undefined;

/** The first words of pi's fraction, by Machin's formula in fixed-point arithmetic. */
function piWords(): Uint32Array {
    if (digits !== undefined) {
        return digits;
    }
    const words = ROUNDS + 2 + BOX_WORDS;
    const guard = 64n;
    const one = 1n << (BigInt(words * 32) + guard);
    const arctanOfInverse = (x: bigint): bigint => {
        let power = one / x;
        let sum = power;
        for (let divisor = 3n, sign = -1n; power > 0n; divisor += 2n, sign = -sign) {
            power /= x * x;
            sum += (sign * power) / divisor;
        }
        return sum;
    };
    const pi = 4n * (4n * arctanOfInverse(5n) - arctanOfInverse(239n));
    const hex = ((pi - 3n * one) >> guard).toString(16).padStart(words * 8, "0");
    digits = Uint32Array.from({ length: words }, (_, index) => parseInt(hex.slice(index * 8, index * 8 + 8), 16));
    return digits;
}

function encipher({ subkeys, boxes }: State, pair: Uint32Array): void {
    let left = pair[0] ?? 0;
    let right = pair[1] ?? 0;
    for (let round = 0; round < ROUNDS; round++) {
        left ^= subkeys[round] ?? 0;
        const a = boxes[left >>> 24] ?? 0;
        const b = boxes[256 + ((left >>> 16) & 255)] ?? 0;
        const c = boxes[512 + ((left >>> 8) & 255)] ?? 0;
        const d = boxes[768 + (left & 255)] ?? 0;
        right ^= (((a + b) ^ c) + d) | 0;
        [left, right] = [right, left];
    }
    pair[0] = right ^ (subkeys[ROUNDS + 1] ?? 0);
    pair[1] = left ^ (subkeys[ROUNDS] ?? 0);
}

/** Reads big-endian words from bytes, around and around. */
function cycle(bytes: Uint8Array): () => number {
    let at = 0;
    return () => {
        let word = 0;
        for (let count = 0; count < 4; count++) {
            word = (word << 8) | (bytes[at++ % bytes.length] ?? 0);
        }
        return word;
    };
}

/** Blowfish's key schedule; with a salt, the blocks that are enciphered are mixed with it. */
function expand(state: State, key: Uint8Array, salt?: Uint8Array): void {
    const nextKey = cycle(key);
    for (let index = 0; index < state.subkeys.length; index++) {
        state.subkeys[index] = (state.subkeys[index] ?? 0) ^ nextKey();
    }
    const nextSalt = salt === undefined ? () => 0 : cycle(salt);
    const pair = new Uint32Array(2);
    for (const target of [state.subkeys, state.boxes]) {
        for (let index = 0; index < target.length; index += 2) {
            pair[0] = (pair[0] ?? 0) ^ nextSalt();
            pair[1] = (pair[1] ?? 0) ^ nextSalt();
            encipher(state, pair);
            target.set(pair, index);
        }
    }
}

const ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** bcrypt's base64 is the usual one with another alphabet. */
function encode(bytes: Uint8Array): string {
    const usual = Buffer.from(bytes).toString("base64").replace(/=+$/, "");
    return [...usual].map((character) => ALPHABET[STANDARD.indexOf(character)] ?? "").join("");
}

/** `$2a$` hash of a password, of which bcrypt uses the first 72 bytes. */
export function bcrypt(password: string, cost = 10, salt: Uint8Array = randomBytes(16)): string {
    const key = Buffer.concat([Buffer.from(password, "utf8"), Buffer.of(0)]).subarray(0, 72);
    const pi = piWords();
    const state: State = { subkeys: pi.slice(0, ROUNDS + 2), boxes: pi.slice(ROUNDS + 2) };
    expand(state, key, salt);
    for (let round = 0; round < 2 ** cost; round++) {
        expand(state, key);
        expand(state, salt);
    }
    const next = cycle(Buffer.from("OrpheanBeholderScryDoubt"));
    const out = Buffer.alloc(24);
    for (let block = 0; block < 3; block++) {
        const pair = Uint32Array.of(next(), next());
        for (let time = 0; time < 64; time++) {
            encipher(state, pair);
        }
        out.writeUInt32BE(pair[0] ?? 0, block * 8);
        out.writeUInt32BE(pair[1] ?? 0, block * 8 + 4);
    }
    return `$2a$${String(cost).padStart(2, "0")}$${encode(salt)}${encode(out.subarray(0, 23))}`;
}
