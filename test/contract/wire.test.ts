/** What every wire promises to a host, whatever carries it. */

import { afterEach, describe, expect, test } from "vitest";
import { type Name, namesOf } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { sat } from "../../protocol/units.ts";
import { type Connection, Disconnected, TimedOut } from "../../protocol/wire/connection.ts";
import {
  type Behaviour,
  host,
  numbered,
  numberOf,
  replyOf,
  requestOf,
  stranger,
  type Wire,
  wires,
} from "./wires.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 2000 && !holds(); i++) await sleep(1);
  expect(holds()).toBe(true);
};
const gate = () => Promise.withResolvers<void>();
const rejection = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("no rejection");
};

const refusal: Outcome<Name> = {
  is: "refusal",
  refusal: {
    rule: "commitment-previous-revoked",
    kind: "core",
    final: false,
    sentence: "x".repeat(512),
    facts: Array.from({ length: 32 }, (_, i) => ({
      name: `fact ${i}`.padEnd(64, "é").slice(0, 35),
      value: "v".repeat(256),
    })),
    hint: "h".repeat(512),
  },
};
const fault: Outcome<Name> = { is: "fault", fault: { code: "store", sentence: "the disk is full" } };
const malformed: Outcome<Name> = {
  is: "malformed",
  malformed: { path: "points[1]", reason: "not on the curve" },
};

describe.each(Object.entries(wires))("%s", (_, start) => {
  let wire: Wire | undefined;
  const open = async (behaviour: Behaviour): Promise<Connection> => {
    wire = await start(behaviour);
    return wire.open();
  };
  afterEach(async () => {
    await wire?.stop();
    wire = undefined;
  });

  const ways = ["call", "unary"] as const;

  test.each(ways)("%s: every operation there and back, with its caller", async (way) => {
    const seen: unknown[] = [];
    const connection = await open({
      respond: async (request, caller) => {
        seen.push(request, caller);
        return replyOf(request.name);
      },
    });
    for (const name of namesOf("host"))
      expect(await connection[way](name, requestOf(name))).toStrictEqual(replyOf(name));
    expect(seen).toStrictEqual(namesOf("host").flatMap((name) => [{ name, body: requestOf(name) }, host]));
  });

  test.each(ways)("%s: a refusal, a malformed answer and a fault are told apart", async (way) => {
    let next: Outcome<Name> = refusal;
    const connection = await open({ respond: async () => next });
    expect(await connection[way]("points", numbered(1))).toStrictEqual(refusal);
    next = fault;
    expect(await connection[way]("points", numbered(1))).toStrictEqual(fault);
    next = malformed;
    expect(await connection[way]("points", numbered(1))).toStrictEqual(malformed);
  });

  test.each(ways)(
    "%s: what throws in the signer is a fault without its words, and no more than that",
    async (way) => {
      const faults: unknown[] = [];
      let behave: () => Promise<Outcome<Name>> = async () => {
        throw new Error("the seed is abandon abandon");
      };
      const connection = await open({ respond: () => behave(), onFault: (error) => faults.push(error) });
      const broken = await connection[way]("points", numbered(1));
      expect(broken).toMatchObject({ is: "fault", fault: { code: "internal" } });
      expect(JSON.stringify(broken)).not.toContain("abandon");
      behave = () => {
        throw new Error("at once");
      };
      expect(await connection[way]("points", numbered(1))).toStrictEqual(broken);
      behave = async () => ({ is: "reply", reply: { points: [new Uint8Array(3)] } }) as never;
      expect(await connection[way]("points", numbered(1))).toStrictEqual(broken);
      expect(faults.map((error) => (error as Error).message)).toEqual([
        "the seed is abandon abandon",
        "at once",
        "3 bytes where 33 belong",
      ]);
      behave = async () => replyOf("points");
      expect(await connection[way]("points", numbered(1))).toStrictEqual(replyOf("points"));
    },
  );

  test("decisions begin in the order of the stream, answers come when they are ready, each to its call", async () => {
    const began: number[] = [];
    const connection = await open({
      respond: async (request) => {
        const n = numberOf(request);
        began.push(n);
        await sleep((n * 7) % 5);
        return { is: "refusal", refusal: { ...refusal.refusal, facts: [], rule: `rule ${n}` } };
      },
    });
    const ended: number[] = [];
    const calls = Array.from({ length: 100 }, async (_, n) => {
      const outcome = await connection.call("points", numbered(n));
      ended.push(n);
      expect(outcome).toMatchObject({ refusal: { rule: `rule ${n}` } });
    });
    await Promise.all(calls);
    const inOrder = Array.from({ length: 100 }, (_, n) => n);
    expect(began).toEqual(inOrder);
    expect(ended).not.toEqual(inOrder);
    expect(ended.toSorted((a, b) => a - b)).toEqual(inOrder);
  });

  test("2,000 calls may wait at once, though the signer takes no more than its limit", async () => {
    const release = gate();
    let busy = 0;
    let most = 0;
    const connection = await open({
      limits: { inFlight: 100 },
      respond: async (request) => {
        most = Math.max(most, ++busy);
        await release.promise;
        busy--;
        return { is: "fault", fault: { code: "overload", sentence: `${numberOf(request)}` } };
      },
    });
    const calls = Array.from({ length: 2000 }, (_, n) => connection.call("points", numbered(n)));
    await until(() => busy === 100);
    await sleep(30);
    release.resolve();
    const outcomes = await Promise.all(calls);
    expect(outcomes.map((outcome) => outcome.is === "fault" && Number(outcome.fault.sentence))).toEqual(
      Array.from({ length: 2000 }, (_, n) => n),
    );
    expect(most).toBe(100);
  });

  test("a stream is not read while too many bytes wait for an answer", async () => {
    const release = gate();
    let began = 0;
    const connection = await open({
      limits: { inFlightBytes: 300_000 },
      respond: async () => {
        began++;
        await release.promise;
        return replyOf("signClosing");
      },
    });
    const body = { ...requestOf("signClosing"), expected: new Uint8Array(90_000) };
    const calls = Array.from({ length: 20 }, () => connection.call("signClosing", body));
    await until(() => began >= 4);
    await sleep(30);
    expect(began).toBe(4);
    release.resolve();
    expect((await Promise.all(calls)).every((outcome) => outcome.is === "reply")).toBe(true);
    expect(began).toBe(20);
  });

  test("after a malformed answer that stream ends, and only that one", async () => {
    const first = await open({
      respond: async (request) => (numberOf(request) === 666 ? malformed : replyOf("points")),
    });
    const second = await wire?.open();
    const before = await first.call("points", numbered(1));
    const bad = first.call("points", numbered(666));
    const after = first.call("points", numbered(2));
    expect(before.is).toBe("reply");
    expect(await bad).toStrictEqual(malformed);
    await after.catch((error) => expect(error).toMatchObject({ why: "malformed" }));
    expect(await first.closed).toMatchObject({ why: "malformed" });
    expect(await rejection(first.call("points", numbered(3)))).toBeInstanceOf(Disconnected);
    expect((await second?.call("points", numbered(4)))?.is).toBe("reply");
    const third = await wire?.open();
    expect((await third?.call("points", numbered(5)))?.is).toBe("reply");
  });

  test("a host that names another's node is denied, and the signer does not hear of it", async () => {
    let asked = 0;
    const connection = await open({
      respond: async () => {
        asked++;
        return replyOf("points");
      },
    });
    const foreign = { ...numbered(1), node: stranger };
    expect(await rejection(connection.unary("points", foreign))).toMatchObject({
      name: "Disconnected",
      why: "denied",
    });
    expect((await connection.call("points", numbered(1))).is).toBe("reply");
    expect(await rejection(connection.call("points", foreign))).toMatchObject({ why: "denied" });
    expect(await connection.closed).toMatchObject({ why: "denied" });
    expect(asked).toBe(1);
  });

  test.each(ways)("%s: who gives up waiting hears so, and the stream goes on", async (way) => {
    const release = gate();
    const connection = await open({
      respond: async (request) => {
        if (numberOf(request) === 1) await release.promise;
        return replyOf("points");
      },
    });
    expect(await rejection(connection[way]("points", numbered(1), { timeoutMs: 20 }))).toBeInstanceOf(
      TimedOut,
    );
    const abort = new AbortController();
    const aborted = connection[way]("points", numbered(1), { signal: abort.signal });
    abort.abort(new Error("enough"));
    expect(await rejection(aborted)).toMatchObject({ message: "enough" });
    expect(await rejection(connection[way]("points", numbered(1), { signal: abort.signal }))).toMatchObject({
      message: "enough",
    });
    release.resolve();
    for (let n = 2; n < 20; n++) expect((await connection.call("points", numbered(n))).is).toBe("reply");
  });

  test("a request that can't be encoded is the host's own error, and nothing is sent", async () => {
    const connection = await open({ respond: async () => replyOf("signClosing") });
    const body = { ...requestOf("signClosing"), expected: new Uint8Array(100_001) };
    expect(await rejection(connection.call("signClosing", body))).toBeInstanceOf(RangeError);
    expect(await rejection(connection.unary("signClosing", body))).toBeInstanceOf(RangeError);
    const good = { ...body, expected: new Uint8Array(100_000), toHolder: sat(1n) };
    expect((await connection.call("signClosing", good)).is).toBe("reply");
  });

  test("closing rejects what is open, once and for all", async () => {
    const connection = await open({ respond: () => new Promise(() => undefined) });
    const waiting = connection.call("points", numbered(1));
    const seen = rejection(waiting);
    await connection.close();
    await connection.close();
    expect(await seen).toMatchObject({ name: "Disconnected", why: "closed" });
    expect(await connection.closed).toMatchObject({ why: "closed" });
    expect(await rejection(connection.call("points", numbered(1)))).toMatchObject({ why: "closed" });
  });
});
