import type { Duplex } from "node:stream";

/** The data types of SSH (RFC 4251, section 5), and messages of the agent protocol. */

/** Bytes with their length before them. */
export function lengthPrefixed(data: Uint8Array | string): Buffer {
  const bytes = Buffer.from(data);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** A number in four bytes. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A positive number of any size. */
export function mpint(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start++;
  const number = Buffer.from(bytes.subarray(start));
  return lengthPrefixed((number[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.of(0), number]) : number);
}

/** Reads one value after the other; throws a RangeError when there is no more. */
export interface WireReader {
  uint32(): number;
  /** Length-prefixed bytes. */
  bytes(): Buffer;
  text(): string;
  /** What is left. */
  rest(): Buffer;
}

/** Reads the fields of a message one after the other. */
export function wireReader(data: Buffer): WireReader {
  let at = 0;
  const take = (length: number): Buffer => {
    if (length > data.length - at) throw new RangeError("the data ends too early");
    at += length;
    return data.subarray(at - length, at);
  };
  const reader: WireReader = {
    uint32: () => take(4).readUInt32BE(),
    bytes: () => take(reader.uint32()),
    text: () => reader.bytes().toString("utf8"),
    rest: () => data.subarray(at),
  };
  return reader;
}

/** No message of an agent is larger (OpenSSH has the same limit), in bytes. */
const largestMessage = 256 * 1024;

/** Calls `onMessage` for each message that arrives, without its length. One that is too large ends the connection. */
export function readMessages(stream: Duplex, onMessage: (message: Buffer) => void): void {
  let held = Buffer.alloc(0);
  stream.on("data", (data: Buffer) => {
    held = Buffer.concat([held, data]);
    while (held.length >= 4) {
      const length = held.readUInt32BE();
      if (length > largestMessage) {
        stream.destroy();
        return;
      }
      if (held.length < 4 + length) return;
      const message = held.subarray(4, 4 + length);
      held = held.subarray(4 + length);
      onMessage(message);
    }
  });
}
