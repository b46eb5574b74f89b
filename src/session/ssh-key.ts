import { createPrivateKey, type JsonWebKey, type KeyObject, sign } from "node:crypto";
import { BuildError } from "../core/index.ts";
import { lengthPrefixed, mpint, type WireReader, wireReader } from "./ssh-wire.ts";

/** A private key as an agent has it. */
export interface SshKey {
  /** The public key as SSH writes it. */
  readonly blob: Buffer;
  readonly comment: string;
  /** A signature as SSH writes it; `flags` choose the hash of an RSA signature. */
  sign(data: Uint8Array, flags: number): Buffer;
}

const magic = "openssh-key-v1\0";
const sha256Flag = 2;
const sha512Flag = 4;

interface Curve {
  readonly name: string;
  readonly jwk: string;
  readonly hash: string;
}

const curves: readonly Curve[] = [
  { name: "nistp256", jwk: "P-256", hash: "sha256" },
  { name: "nistp384", jwk: "P-384", hash: "sha384" },
  { name: "nistp521", jwk: "P-521", hash: "sha512" },
];

/** Reads a private key: OpenSSH's own format or PEM; Ed25519, ECDSA or RSA, without a passphrase. */
export function parseSshKey(text: string, path: string): SshKey {
  try {
    const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END/.exec(text)?.[1];
    if (body !== undefined) return fromOpenSsh(Buffer.from(body, "base64"));
    if (/^Proc-Type: 4,ENCRYPTED$|-----BEGIN ENCRYPTED/m.test(text)) throw new Error(protectedKey);
    return keyOf(createPrivateKey(text), "");
  } catch (error) {
    const { message } = error as Error;
    throw new BuildError("invalid-argument", `failed to parse ${path}: ${message}`, {
      cause: error,
      hint:
        message === protectedKey
          ? `add it to an agent (ssh-add ${path}), and lend that: --ssh default`
          : "a private key in OpenSSH's format or PEM, or the socket of an agent",
    });
  }
}

const protectedKey = "this private key is passphrase protected";

function fromOpenSsh(data: Buffer): SshKey {
  if (!data.subarray(0, magic.length).equals(Buffer.from(magic))) throw new Error("not an OpenSSH key");
  const outer = wireReader(data.subarray(magic.length));
  const cipher = outer.text();
  outer.bytes(); // name of the key derivation
  outer.bytes(); // its options
  if (cipher !== "none") throw new Error(protectedKey);
  if (outer.uint32() !== 1) throw new Error("it holds several keys");
  outer.bytes(); // the public key
  const inner = wireReader(outer.bytes());
  const check = inner.uint32();
  if (check !== inner.uint32()) throw new Error("the key is damaged");
  const jwk = jwkOf(inner.text(), inner);
  return keyOf(createPrivateKey({ key: jwk, format: "jwk" }), inner.text());
}

function jwkOf(type: string, reader: WireReader): JsonWebKey {
  if (type === "ssh-ed25519") {
    const x = reader.bytes();
    return { kty: "OKP", crv: "Ed25519", x: url(x), d: url(reader.bytes().subarray(0, 32)) };
  }
  if (type === "ssh-rsa") {
    const [n, e, d, qi, p, q] = Array.from({ length: 6 }, () => reader.bytes()) as Buffer[];
    const [dp, dq] = [p!, q!].map((prime) => bytesOf(numberOf(d!) % (numberOf(prime) - 1n)));
    const fields = { n, e, d, p, q, dp, dq, qi };
    return {
      kty: "RSA",
      ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, url(unpadded(value!))])),
    };
  }
  const curve = curves.find(({ name }) => type === `ecdsa-sha2-${name}`);
  if (curve === undefined) throw new Error(`keys of type ${JSON.stringify(type)} are not supported`);
  reader.bytes(); // the curve's name
  const point = reader.bytes();
  const size = (point.length - 1) / 2;
  const d = unpadded(reader.bytes());
  return {
    kty: "EC",
    crv: curve.jwk,
    x: url(point.subarray(1, 1 + size)),
    y: url(point.subarray(1 + size)),
    d: url(Buffer.concat([Buffer.alloc(size - d.length), d])),
  };
}

function keyOf(key: KeyObject, comment: string): SshKey {
  const { x = "", y = "", n = "", e = "", crv } = key.export({ format: "jwk" });
  const bytes = (text: string): Buffer => Buffer.from(text, "base64url");
  switch (key.asymmetricKeyType) {
    case "ed25519":
      return {
        comment,
        blob: joined("ssh-ed25519", bytes(x)),
        sign: (data) => joined("ssh-ed25519", sign(null, data, key)),
      };
    case "rsa":
      return {
        comment,
        blob: Buffer.concat([lengthPrefixed("ssh-rsa"), mpint(bytes(e)), mpint(bytes(n))]),
        sign: (data, flags) => rsaSignature(key, data, flags),
      };
    case "ec": {
      const curve = curves.find(({ jwk }) => jwk === crv);
      if (curve === undefined) throw new Error(`the curve ${crv} is not supported`);
      const type = `ecdsa-sha2-${curve.name}`;
      return {
        comment,
        blob: joined(type, curve.name, Buffer.concat([Buffer.of(4), bytes(x), bytes(y)])),
        sign(data) {
          const pair = sign(curve.hash, data, { key, dsaEncoding: "ieee-p1363" });
          const half = pair.length / 2;
          return joined(type, Buffer.concat([mpint(pair.subarray(0, half)), mpint(pair.subarray(half))]));
        },
      };
    }
    default:
      throw new Error(`keys of type ${key.asymmetricKeyType} are not supported`);
  }
}

function rsaSignature(key: KeyObject, data: Uint8Array, flags: number): Buffer {
  if (flags & sha512Flag) return joined("rsa-sha2-512", sign("sha512", data, key));
  if (flags & sha256Flag) return joined("rsa-sha2-256", sign("sha256", data, key));
  return joined("ssh-rsa", sign("sha1", data, key));
}

function joined(...parts: readonly (Uint8Array | string)[]): Buffer {
  return Buffer.concat(parts.map(lengthPrefixed));
}

function url(bytes: Buffer): string {
  return bytes.toString("base64url");
}

function numberOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex") || "0"}`);
}

function bytesOf(number: bigint): Buffer {
  const hex = number.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}

function unpadded(bytes: Buffer): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  return bytes.subarray(start);
}
