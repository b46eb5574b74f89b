import { type Duplex, duplexPair } from "node:stream";
import type { SshKey } from "./ssh-key.ts";
import { lengthPrefixed, readMessages, uint32, wireReader } from "./ssh-wire.ts";

/** Messages of the agent protocol (draft-miller-ssh-agent) that a step may use, and their answers. */
const message = { failure: 5, list: 11, identities: 12, sign: 13, signature: 14 } as const;

/** A connection to an agent of our own that has these keys. */
export function connectToKeys(keys: readonly SshKey[]): Duplex {
  const [client, server] = duplexPair();
  server.on("error", () => {});
  server.on("end", () => server.end());
  readMessages(server, (request) => server.write(lengthPrefixed(answer(keys, request))));
  return client;
}

function answer(keys: readonly SshKey[], request: Buffer): Buffer {
  try {
    if (request[0] === message.list) return identities(keys);
    if (request[0] === message.sign) return signature(keys, request.subarray(1));
  } catch {
    // A request that makes no sense.
  }
  return Buffer.of(message.failure);
}

function identities(keys: readonly SshKey[]): Buffer {
  const entries = keys.flatMap(({ blob, comment }) => [lengthPrefixed(blob), lengthPrefixed(comment)]);
  return Buffer.concat([Buffer.of(message.identities), uint32(keys.length), ...entries]);
}

function signature(keys: readonly SshKey[], request: Buffer): Buffer {
  const reader = wireReader(request);
  const blob = reader.bytes();
  const data = reader.bytes();
  const key = keys.find((candidate) => candidate.blob.equals(blob));
  if (key === undefined) return Buffer.of(message.failure);
  return Buffer.concat([
    Buffer.of(message.signature),
    lengthPrefixed(key.sign(data, wireReader(reader.rest()).uint32())),
  ]);
}

/**
 * The same connection, but for what would change the agent or ask more of it than keys and signatures: that is answered
 * with a failure and never reaches it.
 */
export function restricted(agent: Duplex): Duplex {
  const [client, server] = duplexPair();
  const end = (): void => {
    agent.destroy();
    server.destroy();
  };
  // An agent answers one request after the other; a refusal has to wait for its turn.
  let turn: Promise<void> = Promise.resolve();
  let answered = (): void => {};
  readMessages(agent, (reply) => {
    server.write(lengthPrefixed(reply));
    answered();
  });
  readMessages(server, (request) => {
    const allowed = request[0] === message.list || request[0] === message.sign;
    turn = turn.then(
      () =>
        new Promise((resolve) => {
          answered = resolve;
          if (allowed) agent.write(lengthPrefixed(request));
          else {
            server.write(lengthPrefixed(Buffer.of(message.failure)));
            resolve();
          }
        }),
    );
  });
  server.on("error", end).on("end", end).on("close", end);
  agent.on("error", end).on("end", end).on("close", end);
  return client;
}
