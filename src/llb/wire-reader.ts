import { BuildError } from "../core/index.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const maxSafe = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Reads protobuf's wire format from bytes that may be hostile: every length is checked against what is there, and
 * whatever does not fit throws `invalid-argument`.
 */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #position = 0;
  #wireType = 0;

  /** `what` names the message in errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** Calls `read` for every field; a field that it does not consume is skipped. Returns when all are read. */
  fields(read: (field: number) => unknown): void {
    while (this.#position < this.#bytes.length) {
      const tag = this.#varint();
      const field = Number(tag >> 3n);
      if (field === 0 || tag > 0xffff_ffffn) this.#fail("field number out of range");
      this.#wireType = Number(tag & 7n);
      const before = this.#position;
      read(field);
      if (this.#position === before) this.#skip();
    }
  }

  bytes(): Uint8Array {
    this.#expect(2);
    return this.#take(this.#size());
  }

  string(): string {
    const bytes = this.bytes();
    try {
      return utf8.decode(bytes);
    } catch {
      return this.#fail("text that is not UTF-8");
    }
  }

  bool(): boolean {
    return this.#unsigned() !== 0n;
  }

  /** A signed integer that a number holds exactly. */
  int(): number {
    const value = this.bigint();
    if (value > maxSafe || value < -maxSafe) this.#fail("integer out of range");
    return Number(value);
  }

  /** An int32: the upper half of what was sent is ignored, as protobuf has it. */
  int32(): number {
    return Number(BigInt.asIntN(32, this.#unsigned()));
  }

  uint32(): number {
    return Number(BigInt.asUintN(32, this.#unsigned()));
  }

  bigint(): bigint {
    return BigInt.asIntN(64, this.#unsigned());
  }

  /** Adds one value or a packed list of them. */
  int32s(into: number[]): void {
    if (this.#wireType !== 2) {
      into.push(this.int32());
      return;
    }
    const packed = new WireReader(this.bytes(), this.#what);
    while (packed.#position < packed.#bytes.length) into.push(Number(BigInt.asIntN(32, packed.#varint())));
  }

  /** A reader of the nested message. */
  message(what: string): WireReader {
    return new WireReader(this.bytes(), what);
  }

  #unsigned(): bigint {
    this.#expect(0);
    return this.#varint();
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) this.#fail("field of the wrong type");
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#position++];
      if (byte === undefined) this.#fail("ends in the middle of a number");
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    return this.#fail("number of more than ten bytes");
  }

  #size(): number {
    const size = this.#varint();
    if (size > BigInt(this.#bytes.length - this.#position)) this.#fail("length beyond the end");
    return Number(size);
  }

  #take(size: number): Uint8Array {
    if (size > this.#bytes.length - this.#position) this.#fail("length beyond the end");
    const start = this.#position;
    this.#position += size;
    return this.#bytes.subarray(start, this.#position);
  }

  #skip(): void {
    if (this.#wireType === 0) this.#varint();
    else if (this.#wireType === 1) this.#take(8);
    else if (this.#wireType === 2) this.#take(this.#size());
    else if (this.#wireType === 5) this.#take(4);
    else this.#fail(`unknown wire type ${this.#wireType}`);
  }

  #fail(message: string): never {
    throw new BuildError("invalid-argument", `malformed ${this.#what}: ${message}`);
  }
}
