/**
 * Writes protobuf's wire format. Scalars that are zero are left out, as proto3 has it, except by the methods that
 * say so. Fields come out in the order of the calls.
 */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(512);
  #length = 0;

  /** The bytes written so far; a copy that belongs to the caller. */
  finish(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(0, this.#length));
  }

  string(field: number, value: string): void {
    if (value !== "") this.alwaysString(field, value);
  }

  alwaysString(field: number, value: string): void {
    const size = Buffer.byteLength(value);
    this.#tag(field, 2);
    this.#varint(size);
    this.#reserve(size);
    this.#length += this.#bytes.write(value, this.#length, "utf8");
  }

  strings(field: number, values: readonly string[]): void {
    for (const value of values) this.alwaysString(field, value);
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.alwaysBytes(field, value);
  }

  alwaysBytes(field: number, value: Uint8Array): void {
    this.#tag(field, 2);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  bool(field: number, value: boolean): void {
    if (value) this.alwaysInt(field, 1);
  }

  /** A signed or unsigned integer of up to 64 bits; negative ones take ten bytes. */
  int(field: number, value: number | bigint): void {
    if (value !== 0 && value !== 0n) this.alwaysInt(field, value);
  }

  alwaysInt(field: number, value: number | bigint): void {
    this.#tag(field, 0);
    this.#signed(value);
  }

  packedInts(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    this.message(field, () => {
      for (const value of values) this.#signed(value);
    });
  }

  /** A nested message, written even when it is empty. */
  message(field: number, write: () => void): void {
    this.#tag(field, 2);
    this.#reserve(1);
    const start = ++this.#length;
    write();
    const size = this.#length - start;
    let prefix = 1;
    for (let rest = size; rest > 127; rest = Math.floor(rest / 128)) prefix++;
    // Room for the length is made while `#length` still covers the message: growing copies no more than that.
    this.#reserve(16);
    if (prefix > 1) this.#bytes.copyWithin(start - 1 + prefix, start, this.#length);
    this.#length = start - 1;
    this.#varint(size);
    this.#length += size;
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #signed(value: number | bigint): void {
    if (typeof value === "number" && value >= 0) {
      this.#varint(value);
      return;
    }
    this.#reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) this.#bytes[this.#length++] = Number(rest & 127n) | 128;
    this.#bytes[this.#length++] = Number(rest);
  }

  #varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[this.#length++] = (rest % 128) | 128;
    this.#bytes[this.#length++] = rest;
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + size));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
