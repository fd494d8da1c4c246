/** Certificates that are real ones, as far as somebody looks into them: X.509 by hand, for the engine has no maker of them. */
import { createSign, generateKeyPairSync, randomBytes } from "node:crypto";

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
    const body = Buffer.concat(parts);
    const { length } = body;
    const size =
        length < 128
            ? Buffer.from([length])
            : length < 256
              ? Buffer.from([0x81, length])
              : Buffer.from([0x82, length >> 8, length & 255]);
    return Buffer.concat([Buffer.from([tag]), size, body]);
}

const sequence = (...parts: readonly Buffer[]) => der(0x30, ...parts);
/** ecdsa-with-SHA256 */
const ALGORITHM = sequence(Buffer.from("06082a8648ce3d040302", "hex"));
const name = (common: string) =>
    sequence(der(0x31, sequence(Buffer.from("0603550403", "hex"), der(0x0c, Buffer.from(common)))));
/** `YYMMDDhhmmssZ`: UTCTime. */
const time = (at: Date) => der(0x17, Buffer.from(`${at.toISOString().slice(2, 19).replace(/[-T:]/g, "")}Z`));

/** Signed by itself. `days` from now. Both as PEM. */
export function selfSigned(common: string, days: number, now = Date.now()): { certificate: string; key: string } {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const serial = randomBytes(8);
    serial[0] = ((serial[0] ?? 0) & 0x7f) | 1;
    const body = sequence(
        der(0xa0, der(0x02, Buffer.from([2]))),
        der(0x02, serial),
        ALGORITHM,
        name(common),
        sequence(time(new Date(now)), time(new Date(now + days * 86_400_000))),
        name(common),
        publicKey.export({ type: "spki", format: "der" }),
    );
    const signature = createSign("sha256").update(body).sign(privateKey);
    const whole = sequence(body, ALGORITHM, der(0x03, Buffer.from([0]), signature));
    const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
    return {
        certificate: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
        key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
}
