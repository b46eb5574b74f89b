/**
 * What answers on the machine of network-machine.ts. Prints `up`, waits for a line, and prints `listening`. It ends with its
 * standard input.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { addressOfMachine, ports, resolverOfMachine } from "./network-machine.ts";

/** An answer of one address for questions of IPv4, and an empty one for others. */
function answer(question: Buffer): Buffer {
  const end = question.indexOf(0, 12) + 5;
  const isAddress = question.readUInt16BE(end - 4) === 1;
  const header = Buffer.from(question.subarray(0, 12));
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(isAddress ? 1 : 0, 6);
  header.writeUInt32BE(0, 8);
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...addressOfMachine.split(".").map(Number)];
  return Buffer.concat([header, question.subarray(12, end), Buffer.from(isAddress ? record : [])]);
}

async function listen(server: Server, address: string, port: number): Promise<void> {
  server.on("connection", (socket) => socket.on("error", () => {}));
  await once(server.listen(port, address), "listening");
}

process.stdout.write("up\n");
process.stdin.on("end", () => process.exit());
await once(process.stdin, "data");
const greeting = (text: string): Server => createServer((socket) => socket.resume().end(`${text}\n`));
await listen(greeting("the machine"), addressOfMachine, ports.greeting);
await listen(greeting("its loopback"), "127.0.0.1", ports.loopback);
const patient = createServer({ allowHalfOpen: true }, async (socket) => {
  let text = "";
  for await (const data of socket.iterator({ destroyOnReturn: false })) text += data;
  socket.end(`after the end of ${text}`);
});
await listen(patient, addressOfMachine, ports.patient);
const resolver = createSocket("udp4");
resolver.on("message", (question, from) => resolver.send(answer(question), from.port, from.address));
resolver.bind(53, resolverOfMachine);
await once(resolver, "listening");
process.stdout.write("listening\n");
