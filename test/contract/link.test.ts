/** What every link promises, whatever carries it. */

import { afterEach, describe, expect, test } from "vitest";
import { equal, toHex } from "../../protocol/bytes.ts";
import { type Frame, maxFrame } from "../../protocol/frame.ts";
import { encodeInit, initFrame } from "../../protocol/link/hello.ts";
import {
  type Link,
  LinkError,
  openLink,
  type Request,
  Unplugged,
  usualMessage,
} from "../../protocol/link.ts";
import { packReply, packRequest, unpackReply, unpackRequest } from "../../protocol/operations/index.ts";
import {
  counted,
  deviceKeys,
  filled,
  keysOf,
  linked,
  type Options,
  type Pair,
  severable,
  sha,
  signerKeys,
  type World,
  worlds,
} from "./link.kit.ts";
import { replyOf, requestOf } from "./wires.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error) => error,
  );

describe.each(Object.entries(worlds))("%s", (_, { isVirtual, start }) => {
  let pairs: Pair[] = [];
  const opened = async (): Promise<{ world: World; pair: Pair }> => {
    const world = start();
    const pair = await world.pair();
    pairs.push(pair);
    return { world, pair };
  };
  const open = async (options?: Options) => {
    const { world, pair } = await opened();
    return { world, pair, run: world.clock.run, ...linked(world, pair, options) };
  };
  afterEach(() => {
    for (const pair of pairs) pair.unplug();
    pairs = [];
  });
  const virtually = test.runIf(isVirtual);

  describe("transport", () => {
    test("bytes arrive in order, both ways, and never within the call that sends or listens", async () => {
      const { world, pair } = await opened();
      const size = world.carrier.name === "hid" ? 64 : 50;
      for (const [from, to] of [
        [pair.host, pair.device],
        [pair.device, pair.host],
      ] as const) {
        const sent = Array.from({ length: 20 }, (_, i) => filled(i, size));
        let got = 0;
        const text: string[] = [];
        const all = Promise.withResolvers<void>();
        const first = from.send(sent[0] as Uint8Array);
        to.receive((bytes) => {
          text.push(toHex(bytes));
          got += bytes.length;
          if (got === size * sent.length) all.resolve();
        });
        expect(got).toBe(0);
        const others = sent.slice(1).map((bytes) => from.send(bytes));
        expect(got).toBe(0);
        await world.clock.run(Promise.all([first, ...others, all.promise]));
        const before = got;
        const last = from.send(filled(99, size));
        expect(got).toBe(before);
        await world.clock.run(last);
        expect(text.join("").startsWith(sent.map(toHex).join(""))).toBe(true);
      }
    });

    test("closed by one side: both are told, nothing can be sent, and closing twice is no harm", async () => {
      const { world, pair } = await opened();
      pair.host.receive(() => {});
      pair.device.receive(() => {});
      await world.clock.run(pair.host.close());
      expect(await world.clock.run(pair.host.closed)).toMatchObject({ why: "closed" });
      expect(await world.clock.run(pair.device.closed)).toMatchObject({ why: "gone" });
      for (const side of [pair.host, pair.device])
        expect(await world.clock.run(caught(side.send(filled(1, 64))))).toBeInstanceOf(Unplugged);
      await world.clock.run(Promise.all([pair.host.close(), pair.device.close()]));
    });

    test("unplugged: both are told", async () => {
      const { world, pair } = await opened();
      pair.host.receive(() => {});
      pair.device.receive(() => {});
      pair.unplug();
      for (const side of [pair.host, pair.device]) {
        expect(await world.clock.run(side.closed)).toMatchObject({ why: "gone" });
        expect(await world.clock.run(caught(side.send(filled(1, 64))))).toBeInstanceOf(Unplugged);
      }
    });
  });

  test("messages of every length there and back", async () => {
    const { link, run, troubles } = await open({
      answer: async (request) => sha(request).subarray(0, request.length % 33),
    });
    for (const length of [0, 1, 4064, 4065, 4066, 8130, maxFrame * 3, 100_000]) {
      const request = filled(length & 0xff, length);
      expect(equal(await run(link.ask(request)), sha(request).subarray(0, length % 33))).toBe(true);
    }
    expect(troubles).toEqual([]);
  });

  test("the longest message passes whole, one byte more is told to the caller alone", async () => {
    const { link, run, troubles } = await open();
    const longest = filled(9, usualMessage);
    expect(link.longest()).toBeUndefined();
    expect(equal(await run(link.ask(longest)), longest)).toBe(true);
    expect(link.longest()).toBe(usualMessage);
    expect(await run(caught(link.ask(filled(9, usualMessage + 1))))).toMatchObject({ why: "long" });
    expect(await run(link.ask(utf8("next")))).toEqual(utf8("next"));
    expect(troubles).toEqual([]);
  });

  test("an answer that is too long ends its own request alone", async () => {
    const { link, run } = await open({
      answer: async (request) => (request.length === 1 ? filled(1, 2_000) : request),
      signer: { maxMessage: 1_999 },
    });
    expect(await run(caught(link.ask(utf8("x"))))).toMatchObject({ why: "long" });
    expect(await run(link.ask(utf8("next")))).toEqual(utf8("next"));
  });

  test("operations travel in their packed form", async () => {
    const { link, run } = await open({
      answer: async (request) => {
        const { name } = unpackRequest(request);
        const outcome = replyOf(name);
        return outcome.is === "reply" ? packReply(name, outcome.reply) : utf8("");
      },
    });
    for (const name of ["points", "signCounterpartyCommitment", "signClosing"] as const) {
      const reply = unpackReply(await run(link.ask(packRequest(name, requestOf(name) as never))));
      expect({ is: "reply", reply: reply.body }).toEqual(replyOf(name));
      expect(reply.name).toBe(name);
    }
  });

  test("requests begin in the order of the calls, no more at once than the device takes; each gets its own answer", async () => {
    const began: number[] = [];
    let busy = 0;
    let most = 0;
    const { world, link, run } = await open({
      inFlight: 3,
      answer: async (request) => {
        began.push(request[0] as number);
        most = Math.max(most, ++busy);
        await new Promise<void>(
          (resolve) => void world.clock.after(((request[0] as number) * 7) % 5, resolve),
        );
        busy--;
        return sha(request);
      },
    });
    const ended: number[] = [];
    const asked = Array.from({ length: 40 }, (_, n) =>
      link.ask(Uint8Array.of(n)).then((answer) => {
        ended.push(n);
        return answer;
      }),
    );
    const answers = await run(Promise.all(asked));
    const inOrder = Array.from({ length: 40 }, (_, n) => n);
    expect(answers.map(toHex)).toEqual(inOrder.map((n) => toHex(sha(Uint8Array.of(n)))));
    expect(began).toEqual(inOrder);
    expect(ended).not.toEqual(inOrder);
    expect(most).toBe(3);
  });

  test("what throws in the device is told without its words", async () => {
    const { link, run, faults } = await open({
      answer: async (request) => {
        if (request.length === 0) throw new Error("the seed is abandon abandon");
        return request;
      },
    });
    const error = await run(caught(link.ask(new Uint8Array(0))));
    expect(error).toMatchObject({ name: "LinkError", why: "broken" });
    expect(String(error)).not.toContain("abandon");
    expect(faults).toHaveLength(1);
    expect(await run(link.ask(utf8("next")))).toEqual(utf8("next"));
  });

  test("who gives up frees its place; the device is told", async () => {
    const about: Request[] = [];
    const { link, run } = await open({
      inFlight: 1,
      answer: async (request, one) => {
        about.push(one);
        if (request.length > 0) return request;
        return new Promise(() => {});
      },
    });
    const abort = new AbortController();
    const stuck = caught(
      link.ask(new Uint8Array(0), { signal: abort.signal, onWaiting: () => abort.abort("enough") }),
    );
    const next = link.ask(utf8("next"));
    expect(await run(stuck)).toBe("enough");
    expect(await run(next)).toEqual(utf8("next"));
    expect(about.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    expect(await run(caught(link.ask(utf8("no"), { signal: AbortSignal.abort("before") })))).toBe("before");
  });

  test("unplugged in the middle: what waits ends, the device stops, nothing more can be asked", async () => {
    const begun = Promise.withResolvers<Request>();
    const { link, pair, run } = await open({
      answer: async (_, about) => {
        begun.resolve(about);
        return new Promise(() => {});
      },
    });
    const waiting = caught(link.ask(utf8("one")));
    const { signal } = await run(begun.promise);
    pair.unplug();
    expect(await run(waiting)).toMatchObject({ why: "gone" });
    expect(await run(link.closed)).toMatchObject({ why: "gone" });
    await run(pair.device.closed);
    expect(signal.aborted).toBe(true);
    expect(await run(caught(link.ask(utf8("two"))))).toBeInstanceOf(LinkError);
  });

  test("closed by the signer: the same, and the device stops", async () => {
    const begun = Promise.withResolvers<Request>();
    const { link, pair, run } = await open({
      answer: async (_, about) => {
        begun.resolve(about);
        return new Promise(() => {});
      },
    });
    const waiting = caught(link.ask(utf8("one")));
    const { signal } = await run(begun.promise);
    await run(link.close());
    expect(await run(waiting)).toMatchObject({ why: "closed" });
    await run(pair.device.closed);
    expect(signal.aborted).toBe(true);
  });

  test("a signer that the device does not know is told so", async () => {
    const { link, run } = await open({ signer: { identity: keysOf(9) } });
    expect(await run(caught(link.ask(utf8("one"))))).toMatchObject({ why: "unpaired" });
    expect(await run(link.closed)).toMatchObject({ why: "unpaired" });
  });

  test("another device than the one that was paired is asked nothing, and soon known for what it is", async () => {
    let asked = 0;
    const { link, run, troubles } = await open({
      identity: keysOf(9),
      answer: async (request) => {
        asked++;
        return request;
      },
    });
    expect(await run(caught(link.ask(utf8("one"))))).toMatchObject({ why: "wrong-device" });
    expect(await run(link.closed)).toMatchObject({ why: "wrong-device" });
    expect(troubles).toEqual(["the device complains: handshake", "the device complains: handshake"]);
    expect(asked).toBe(0);
  });

  virtually(
    "handshakes that were tampered with are begun again, and two in a row prove nothing",
    async () => {
      const { world, pair } = await opened();
      const { carrier, clock } = world;
      let spoilt = 2;
      let lost = 0;
      const changed = (frame: Frame): Frame | undefined => {
        if (frame.type === "data" && lost-- > 0) return undefined;
        if (frame.type !== "handshake" || spoilt-- <= 0) return frame;
        return { ...frame, payload: frame.payload.map((byte) => byte ^ 1) };
      };
      const deframer = carrier.deframer();
      const send = async (bytes: Uint8Array): Promise<void> => {
        for (const received of deframer.push(bytes)) {
          const frame = received.is === "frame" ? changed(received.frame) : undefined;
          if (frame !== undefined) for (const piece of carrier.encode(frame)) await pair.host.send(piece);
        }
      };
      const { link, troubles } = linked(world, { ...pair, host: { ...pair.host, send } });
      expect(await clock.run(link.ask(utf8("one")))).toEqual(utf8("one"));
      [spoilt, lost] = [2, 1];
      expect(await clock.run(link.ask(utf8("two")))).toEqual(utf8("two"));
      const misfits = ["the device complains: handshake", "the device complains: handshake"];
      expect(troubles).toEqual([...misfits, "the device fell silent", ...misfits]);
    },
  );

  virtually(
    "a device that says nothing: each request ends in its time, and the link goes on trying",
    async () => {
      const { world, pair } = await opened();
      const link: Link = openLink({
        transport: pair.host,
        carrier: world.carrier,
        identity: signerKeys,
        device: deviceKeys.public,
        ports: { after: world.clock.after, random: counted(1) },
        times: world.times,
      });
      for (const text of ["one", "two"])
        expect(await world.clock.run(caught(link.ask(utf8(text))))).toMatchObject({ why: "silent" });
      const late = linked(world, {
        ...pair,
        host: { ...pair.host, send: async () => {}, receive: () => {} },
      });
      expect(await world.clock.run(link.ask(utf8("three")))).toEqual(utf8("three"));
      expect(late.faults).toEqual([]);
    },
  );

  virtually(
    "a person may take ten minutes: keepalives hold the request, and say what it waits for",
    async () => {
      const said = new Set<string>();
      const { world, link, run, troubles } = await open({
        answer: async (request, about) => {
          about.waitsForPerson(true);
          await new Promise<void>((resolve) => void world.clock.after(600_000, resolve));
          about.waitsForPerson(false);
          await new Promise<void>((resolve) => void world.clock.after(1_000, resolve));
          return request;
        },
      });
      expect(await run(link.ask(utf8("spend"), { onWaiting: (waits) => said.add(waits) }))).toEqual(
        utf8("spend"),
      );
      expect([...said]).toEqual(["person", "work"]);
      expect(troubles).toEqual([]);
    },
  );

  virtually("a transport that takes no bytes and does not say so is given up", async () => {
    const { world, pair } = await opened();
    const { link } = linked(world, {
      ...pair,
      host: { ...pair.host, send: () => new Promise<void>(() => {}) },
    });
    expect(await world.clock.run(caught(link.ask(utf8("one"))))).toMatchObject({ why: "stuck" });
    expect(await world.clock.run(link.closed)).toMatchObject({ why: "stuck" });
  });

  virtually(
    "a device that lost power, and a signer's process that died: what was asked is asked again, of a new session",
    async () => {
      const { world, pair } = await opened();
      const { run } = world.clock;
      const [host, device] = [severable(pair.host), severable(pair.device)];
      const begun = Promise.withResolvers<void>();
      const hang = async (): Promise<Uint8Array> => {
        begun.resolve();
        return new Promise(() => {});
      };
      const first = linked(
        world,
        { ...pair, host: host.transport, device: device.transport },
        { answer: hang },
      );
      const asked = first.link.ask(utf8("one"));
      await run(begun.promise);
      device.die();
      const reborn = severable(pair.device);
      // It shares nothing with the one before but its keys: not even what it takes for random.
      const second = linked(
        world,
        { ...pair, host: severable({ ...pair.host, receive: () => {} }).transport, device: reborn.transport },
        { ports: { after: world.clock.after, random: counted(3) } },
      );
      expect(await run(asked)).toEqual(utf8("one"));
      expect(first.troubles).toHaveLength(1);
      host.die();
      const third = linked(
        world,
        { ...pair, device: severable({ ...pair.device, receive: () => {} }).transport },
        { signer: { ports: { after: world.clock.after, random: counted(4) } } },
      );
      expect(await run(third.link.ask(utf8("two")))).toEqual(utf8("two"));
      expect([...second.faults, ...third.faults, ...third.troubles]).toEqual([]);
    },
  );

  test("an init from elsewhere, noise and recorded frames change nothing for the session in use", async () => {
    const { world, pair } = await opened();
    const { run } = world.clock;
    const recorded: Uint8Array[] = [];
    const host = {
      ...pair.host,
      send: (bytes: Uint8Array) => {
        recorded.push(bytes.slice());
        return pair.host.send(bytes);
      },
    };
    let asked = 0;
    const { link, troubles } = linked(
      world,
      { ...pair, host },
      {
        answer: async (request) => {
          asked++;
          return request;
        },
      },
    );
    expect(await run(link.ask(utf8("one")))).toEqual(utf8("one"));
    const { nonce: _, ...init } = {
      nonce: filled(0, 8),
      purpose: "session" as const,
      lowest: 1,
      highest: 1,
      capabilities: 0,
      maxMessage: 100,
      signer: sha(signerKeys.public).subarray(0, 8),
    };
    const strange = world.carrier.encode(initFrame(encodeInit({ ...init, nonce: filled(7, 8) })));
    const replayed = recorded.slice();
    for (const bytes of [...strange, filled(0x55, 6_400), ...replayed]) await run(pair.host.send(bytes));
    for (const text of ["two", "three"]) expect(await run(link.ask(utf8(text)))).toEqual(utf8(text));
    expect(asked).toBe(3);
    // What the device says to a replay, it says on channels that are nobody's.
    expect(troubles).toEqual([]);
  });

  test("another process of the same signer takes over; what the first one asked is stopped", async () => {
    const { world, pair } = await opened();
    const { run } = world.clock;
    const host = severable(pair.host);
    const begun = Promise.withResolvers<Request>();
    const first = linked(
      world,
      { ...pair, host: host.transport },
      {
        answer: async (request, about) => {
          if (request.length > 1) return request;
          begun.resolve(about);
          return new Promise(() => {});
        },
      },
    );
    const left = caught(first.link.ask(utf8("1")));
    const { signal } = await run(begun.promise);
    expect(signal.aborted).toBe(false);
    host.die();
    const second = linked(
      world,
      { ...pair, device: severable({ ...pair.device, receive: () => {} }).transport },
      { signer: { ports: { after: world.clock.after, random: counted(4) } } },
    );
    expect(await run(second.link.ask(utf8("two")))).toEqual(utf8("two"));
    expect(signal.aborted).toBe(true);
    void left;
  });
});
