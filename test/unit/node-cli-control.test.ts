/** The control socket, with a desk of the test's own behind it: what it answers, and what it bears. */

import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { withNode } from "../../cli/node/client.ts";
import { controlNames, longestRequest, parseControlReply } from "../../cli/node/control.ts";
import { linesOf } from "../../cli/node/lines.ts";
import { type Control, type Desk, openControl } from "../../cli/node/server.ts";
import { eventText, flat, isForPeople } from "../../cli/node/told.ts";
import { openStream } from "../../host/ldk/stream.ts";
import { CommandFailed } from "../../host/ldk/supervise.ts";
import type { NodeEvent } from "../../host/ldk/told.ts";

const node = `02${"ab".repeat(32)}`;
let folder: string;
let path: string;
let control: Control;
let stream = openStream<NodeEvent>();
let asked: string[];
let held: (() => void)[];

const fails = (name: string, reason: string) => () => Promise.reject(new CommandFailed(name, reason));

const desk = {
  ...Object.fromEntries(
    controlNames.map((name) => [
      name,
      async () => {
        asked.push(name);
        return {};
      },
    ]),
  ),
  info: async () => ({ node, network: "regtest", height: 7, peers: [], listening: undefined }),
  balance: async () => ({
    ...{ wallet: { confirmed: 2n ** 50n, immature: 0n, taken: 0n } },
    ...{ channelsMsat: 1n, closingSat: 0n, sweepingSat: 0n },
  }),
  address: async () => ({ address: "x".repeat(1_000_000) }),
  pay: fails("NotApproved", "the payment waits for approval ab: countersign approvals approve ab"),
  keysend: fails("Refused", "refused by rule: sentence (facts)"),
  close: fails("TypeError", "a bug\u001b[2J"),
  sync: () => new Promise((resolve) => void held.push(() => resolve({ height: 1 }))),
} as unknown as Desk;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "cs-"));
  path = join(folder, "control.sock");
  stream = openStream();
  asked = [];
  held = [];
  writeFileSync(
    join(folder, "node.toml"),
    'schema = 1\nsigner = "host"\n[chain]\nkind = "esplora"\nurl = "http://127.0.0.1:1"\n',
    { mode: 0o600 },
  );
  control = await openControl({ path, desk, events: () => stream.listen() });
});
afterEach(async () => {
  await control.close();
  rmSync(folder, { recursive: true, force: true });
});

const dial = async () => {
  const socket = connect(path);
  await once(socket, "connect");
  socket.on("error", () => undefined);
  const lines: string[] = [];
  createInterface({ input: socket }).on("line", (line) => void lines.push(line));
  const closed = once(socket, "close");
  return { socket, lines, closed };
};

const said = async (...bytes: readonly (string | Uint8Array)[]): Promise<readonly unknown[]> => {
  const { socket, lines, closed } = await dial();
  for (const one of bytes) socket.write(one);
  socket.end();
  await closed;
  return lines.map((line) => JSON.parse(line) as unknown);
};

const isWell = async (): Promise<void> => {
  expect(await said('{"id":9,"ask":"info"}\n')).toEqual([
    { id: 9, is: "answer", answer: { node, network: "regtest", height: 7, peers: [] } },
  ]);
};

describe("requests", () => {
  test("are answered under their ids, the slow ones last", async () => {
    const { socket, lines } = await dial();
    socket.write('{"id":1,"ask":"sync"}\n{"id":2,"ask":"balance"}\n');
    await expect.poll(() => lines.length).toBe(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      id: 2,
      answer: { wallet: { confirmed: "1125899906842624" }, channelsMsat: "1" },
    });
    for (const release of held) release();
    await expect.poll(() => lines.length).toBe(2);
    expect(JSON.parse(lines[1] ?? "")).toEqual({ id: 1, is: "answer", answer: { height: 1 } });
    socket.destroy();
  });

  test("may come in pieces, and end with the connection's half", async () => {
    expect(await said('{"id":1,', '"ask":"off', 'er","description":"ü"}\n{"id":2')).toEqual([
      { id: 1, is: "answer", answer: {} },
    ]);
    expect(asked).toEqual(["offer"]);
  });

  test("that fail say of what kind", async () => {
    const kinds = (await said(
      '{"id":1,"ask":"pay","invoice":"lnbc"}\n',
      `{"id":2,"ask":"keysend","node":"${node}","msat":"1"}\n`,
      '{"id":3,"ask":"close","channel":"ab"}\n',
    )) as readonly { readonly id: number; readonly kind: string }[];
    expect(kinds.toSorted((a, b) => a.id - b.id).map(({ kind }) => kind)).toEqual([
      "notApproved",
      "refused",
      "fault",
    ]);
  });
});

describe("what is no request", () => {
  test.each([
    ["nothing", "\n"],
    ["no JSON", "{\n"],
    ["no object", "[]\n"],
    ["null", "null\n"],
    ["depth", `${"[".repeat(30_000)}\n`],
    ["no name", '{"id":3}\n'],
    ["no id", '{"ask":"info"}\n'],
    ["a foreign name", '{"id":3,"ask":"__proto__"}\n'],
    ["a name of every object", '{"id":3,"ask":"constructor"}\n'],
    ["a field too many", '{"id":3,"ask":"stop","now":true}\n'],
    ["an amount below nothing", `{"id":3,"ask":"keysend","node":"${node}","msat":-1}\n`],
    ["an amount with a part", `{"id":3,"ask":"keysend","node":"${node}","msat":1.5}\n`],
    ["an amount above all", `{"id":3,"ask":"keysend","node":"${node}","msat":"9999999999999999999"}\n`],
    ["an amount that is a list", `{"id":3,"ask":"keysend","node":"${node}","msat":["1"]}\n`],
    ["no node", '{"id":3,"ask":"disconnect","node":"02ab"}\n'],
    ["no channel", '{"id":3,"ask":"close","channel":"%"}\n'],
    ["too long a text", `{"id":3,"ask":"offer","description":"${"x".repeat(1_001)}"}\n`],
  ])("is told, and changes nothing: %s", async (_, line) => {
    expect(await said(line, '{"id":4,"ask":"info"}\n')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ is: "malformed" }),
        expect.objectContaining({ id: 4, is: "answer" }),
      ]),
    );
    expect(asked).toEqual([]);
  });

  test.each([
    ["a line without an end", "x".repeat(longestRequest + 1)],
    ["a line too long", `"${"x".repeat(longestRequest)}"\n{"id":1,"ask":"stop"}\n`],
    ["bytes that are no text", Uint8Array.of(0xff, 0xfe, 0x0a)],
  ])("ends its connection alone: %s", async (_, bytes) => {
    const { socket, lines, closed } = await dial();
    socket.write(bytes);
    await closed;
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ id: 0, is: "malformed" }),
    ]);
    expect(asked).toEqual([]);
    await isWell();
  });

  test("comes from many at once", async () => {
    const junk = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7_919) % 256);
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const { socket } = await dial();
        socket.write(junk.subarray(i));
        socket.destroy();
      }),
    );
    await isWell();
  });
});

describe("whoever does not read", () => {
  test("is not answered without end, and keeps nobody else waiting", async () => {
    const { socket } = await dial();
    socket.pause();
    socket.write('{"id":1,"ask":"address"}\n'.repeat(500));
    await isWell();
    const stopped = performance.now();
    await control.close();
    expect(performance.now() - stopped).toBeLessThan(4_000);
    socket.destroy();
    control = await openControl({ path, desk, events: () => stream.listen() });
  });

  test("has as much under way as one connection may", async () => {
    const { socket } = await dial();
    socket.write('{"id":1,"ask":"sync"}\n'.repeat(100));
    await expect.poll(() => held.length).toBe(32);
    for (const release of held.splice(0)) release();
    await expect.poll(() => held.length).toBe(32);
    socket.destroy();
  });
});

describe("events", () => {
  test("come to each who follows, from the answer on, once a connection", async () => {
    const [first, second] = [await dial(), await dial()];
    for (const { socket } of [first, second]) socket.write('{"id":5,"ask":"events"}\n');
    await expect.poll(() => [first.lines.length, second.lines.length]).toEqual([1, 1]);
    stream.push({ is: "paymentReceived", hash: "ab".repeat(32), msat: 1_250n });
    await expect.poll(() => [first.lines.length, second.lines.length]).toEqual([2, 2]);
    expect(parseControlReply(first.lines[1] ?? "")).toEqual({
      ...{ id: 5, is: "event", text: "Received 1.250 sat under abababababababab…." },
      event: { is: "paymentReceived", hash: "ab".repeat(32), msat: "1250" },
    });
    first.socket.write('{"id":6,"ask":"events"}\n{"id":7,"ask":"info"}\n');
    await expect.poll(() => first.lines.length).toBe(4);
    expect(first.lines[2]).toContain("follows the events already");
    first.socket.destroy();
    await first.closed;
    stream.push({ is: "block", height: 8 });
    stream.end();
    await expect.poll(() => second.lines.length).toBe(3);
    second.socket.destroy();
  });

  test("are one line each, whatever a stranger wrote", () => {
    const closed = {
      is: "channelClosed",
      channel: "ab",
      node,
      reason: "PeerSaid",
      detail: "bye\u001b[2J\nREFUSED\u202e",
    } as const;
    expect(eventText(closed)).toBe(
      `Channel ab with ${node.slice(0, 16)}… is closed: PeerSaid (bye\\u{1b}[2J\\u{a}REFUSED\\u{202e}).`,
    );
    expect(flat(closed)).toMatchObject({ event: "channelClosed", node });
    expect([isForPeople({ is: "block" }), isForPeople(closed)]).toEqual([false, true]);
  });
});

describe("the socket", () => {
  test("is its owner's alone, goes with the node, and takes the place of one that was killed", async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await expect(openControl({ path, desk, events: () => stream.listen() })).rejects.toThrow("EADDRINUSE");
    await isWell();
    await control.close();
    expect(existsSync(path)).toBe(false);
    // A file that nobody listens at, as SIGKILL leaves it.
    writeFileSync(path, "");
    control = await openControl({ path, desk, events: () => stream.listen() });
    await isWell();
  });
});

describe("a command", () => {
  const ask = (name: "pay" | "keysend" | "close"): Promise<void> =>
    withNode(folder, async (client) => {
      if (name === "pay") await client.ask(name, { invoice: "lnbc" });
      else if (name === "keysend") await client.ask(name, { node, msat: 1n });
      else await client.ask(name, { channel: "ab" });
    });

  test.each([
    ["pay", "refused", "countersign approvals approve ab\nThat is typed where the signer is"],
    ["keysend", "refused", "refused by rule: sentence (facts)"],
    ["close", "fault", "a bug\\u{1b}[2J"],
  ] as const)("%s that fails says why, and ends as %s", async (name, exit, message) => {
    await expect(ask(name)).rejects.toMatchObject({
      exit,
      message: expect.stringContaining(message) as unknown,
    });
  });

  test("gets amounts as amounts", async () => {
    await withNode(folder, async (client) => {
      expect((await client.ask("balance", {})).wallet.confirmed).toBe(2n ** 50n);
    });
  });

  test("says so where no node runs, or ends on the way", async () => {
    const waiting = withNode(folder, async (client) => void (await client.ask("sync", {})));
    await expect.poll(() => held.length).toBe(1);
    await control.close();
    await expect(waiting).rejects.toThrow("ended the connection before it answered");
    await expect(ask("pay")).rejects.toMatchObject({ problem: "unavailable" });
    control = await openControl({ path, desk, events: () => stream.listen() });
  });

  test("is not led astray by what answers it", async () => {
    await control.close();
    const replies = [
      '{"id":1,"is":"answer","answer":{"wallet":{}}}',
      '{"id":1,"is":"answer"',
      '{"id":77,"is":"answer","answer":{}}\n{"id":1,"is":"nonsense"}',
    ];
    let at = 0;
    const liar = createServer((socket: Socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end(`${replies[at++]}\n`));
    }).listen(path);
    await once(liar, "listening");
    for (const _ of replies)
      await expect(
        withNode(folder, async (client) => void (await client.ask("balance", {}))),
      ).rejects.toMatchObject({ name: expect.stringMatching(/^(Malformed|Unable)$/) as unknown });
    await new Promise((resolve) => liar.close(resolve));
    control = await openControl({ path, desk, events: () => stream.listen() });
  });
});

test("lines are the same however the bytes are cut", async () => {
  const bytes = new TextEncoder().encode("a\n\nüber\n{}\nrest");
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    const lines = await Array.fromAsync(
      linesOf(
        (async function* () {
          yield* chunks;
        })(),
        10,
      ),
    );
    expect(lines).toEqual(["a", "", "über", "{}"]);
  }
});
