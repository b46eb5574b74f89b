import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import { claimPorts, parsePublished, portText, publishExposed } from "./ports.ts";

const tcp = { hostAddress: "0.0.0.0", hostPort: 0, containerPort: 80, protocol: "tcp" } as const;

describe("what -p takes", () => {
  for (const [text, expected] of [
    ["80", [tcp]],
    ["80/", [tcp]],
    ["80/TCP", [tcp]],
    ["0:80", [tcp]],
    ["8080:80", [{ ...tcp, hostPort: 8080 }]],
    ["127.0.0.1:8080:80", [{ ...tcp, hostAddress: "127.0.0.1", hostPort: 8080 }]],
    ["[127.0.0.1]:8080:80", [{ ...tcp, hostAddress: "127.0.0.1", hostPort: 8080 }]],
    ["127.0.0.1::80", [{ ...tcp, hostAddress: "127.0.0.1" }]],
    ["53:53/udp", [{ ...tcp, hostPort: 53, containerPort: 53, protocol: "udp" }]],
    [
      "8080-8081:80-81",
      [
        { ...tcp, hostPort: 8080 },
        { ...tcp, hostPort: 8081, containerPort: 81 },
      ],
    ],
    ["80-81", [tcp, { ...tcp, containerPort: 81 }]],
  ] as const)
    test(text, () => assert.deepEqual(parsePublished(text), expected));

  for (const [text, message] of [
    ["", /no port specified/],
    ["8080:", /no port specified/],
    ["/udp", /no port specified/],
    ["0", /invalid port 0/],
    ["65536", /invalid port 65536/],
    ["81-80", /invalid port 81-80/],
    ["http", /invalid port http/],
    ["8080:80/icmp", /invalid proto: icmp/],
    ["300.0.0.1:8080:80", /invalid IP address: 300\.0\.0\.1/],
    ["8080-8081:80-82", /invalid ranges specified for container and host Ports: 80-82 and 8080-8081/],
  ] as const)
    test(`not ${JSON.stringify(text)}`, () =>
      assert.throws(() => parsePublished(text), { code: "invalid-argument", message }));

  for (const text of ["[::1]:8080:80", "::1:8080:80", "80/sctp", "8000-8010:80"])
    test(`not yet ${text}`, () => assert.throws(() => parsePublished(text), { code: "unimplemented" }));
});

test("what an image exposes, and how ports are shown", () => {
  const ports = publishExposed(["8080/tcp", "53/udp"]);
  assert.deepEqual(ports.map(portText), ["0.0.0.0:0->8080/tcp", "0.0.0.0:0->53/udp"]);
});

describe("claiming ports of the machine", () => {
  const local = { ...tcp, hostAddress: "127.0.0.1" };

  test("any that is free, a different one each time", async () => {
    const claimed = await claimPorts([local, local, { ...local, protocol: "udp" }]);
    assert.equal(new Set(claimed.map(({ hostPort, protocol }) => `${hostPort}/${protocol}`)).size, 3);
    assert.ok(claimed.every(({ hostPort }) => hostPort > 0));
    assert.deepEqual(await claimPorts(claimed), claimed);
  });

  test("not one that somebody listens on, nor the same one twice; TCP and UDP are two things", async () => {
    const server = createServer();
    const socket = createSocket("udp4");
    try {
      await once(server.listen(0, "127.0.0.1"), "listening");
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      const tcpPort = (server.address() as AddressInfo).port;
      const udpPort = socket.address().port;
      for (const taken of [
        { ...local, hostPort: tcpPort },
        { ...local, hostPort: udpPort, protocol: "udp" as const },
      ])
        await assert.rejects(claimPorts([taken]), {
          code: "failed-precondition",
          message: `Bind for 127.0.0.1:${taken.hostPort} failed: port is already allocated`,
        });
      const [free] = await claimPorts([local]);
      await assert.rejects(claimPorts([free!, free!]), /port is already allocated/);
      assert.equal((await claimPorts([free!, { ...free!, protocol: "udp" }])).length, 2);
    } finally {
      server.close();
      socket.close();
    }
  });

  test("not on an address that the machine does not have", async () => {
    await assert.rejects(claimPorts([{ ...local, hostAddress: "203.0.113.7" }]), {
      code: "failed-precondition",
      message: /^Bind for 203\.0\.113\.7:0 failed: /,
    });
  });
});
