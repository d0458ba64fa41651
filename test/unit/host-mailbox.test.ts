import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { type Answered, openDatabase, openMailbox, signerClient, Unanswered } from "../../host/index.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import {
  type ChannelId,
  commitmentNumber,
  msat,
  type NodeId,
  paymentHash,
  point,
} from "../../protocol/units.ts";
import { memoryConnection } from "../../protocol/wire/memory.ts";

const node: NodeId = point(Uint8Array.from([2, ...new Uint8Array(32).fill(5)]));
const revokeOf = (channel: bigint, number: bigint): Request<"revokeHolderCommitment"> => ({
  node,
  channel: channel as ChannelId,
  number: commitmentNumber(number),
});
const reply = { is: "reply", reply: {} } as unknown as Outcome<Name>;
const refusal = (final: boolean): Outcome<Name> => ({
  is: "refusal",
  refusal: { rule: "some-rule", kind: "core", final, sentence: "No.", facts: [], hint: "Wait." },
});
const fault: Outcome<Name> = { is: "fault", fault: { code: "store", sentence: "The disk is full." } };

/** A client whose answers are given by hand; `asked` has the tickets' numbers in the order of sending. */
const byHand = () => {
  const asked: string[] = [];
  const open = new Map<string, ((outcome: Outcome<Name>) => void)[]>();
  const named = ({ channel, number }: Request<"revokeHolderCommitment">) => `${channel}/${number}`;
  return {
    asked,
    outcome: (async (_name: Name, body: Request<"revokeHolderCommitment">) => {
      const { promise, resolve } = Promise.withResolvers<Outcome<Name>>();
      asked.push(named(body));
      open.set(named(body), [...(open.get(named(body)) ?? []), resolve]);
      return await promise;
    }) as never,
    answer: async (which: string, outcome: Outcome<Name>) => {
      const [first, ...rest] = open.get(which) ?? [];
      if (first === undefined) throw new Error(`nobody asked for ${which}`);
      open.set(which, rest);
      first(outcome);
      await turns();
    },
  };
};

const turns = (ms = 2): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const hostWith = (
  answered: (answer: Answered) => void = () => {},
  database = new DatabaseSync(":memory:"),
) => {
  const client = byHand();
  const told: string[] = [];
  const mailbox = openMailbox({
    database,
    client,
    answered: (answer) => {
      answered(answer);
      if (answer.name !== "revokeHolderCommitment") throw new Error("another operation");
      const { body, outcome, settled } = answer;
      told.push(`${body.channel}/${body.number} ${outcome.is}${settled ? "" : ", stays"}`);
    },
  });
  const post = (...numbers: readonly (readonly [bigint, bigint])[]) =>
    mailbox.transaction(() => {
      for (const [channel, number] of numbers)
        mailbox.post("revokeHolderCommitment", revokeOf(channel, number));
    });
  const left = () => mailbox.waiting().map(({ ticket }) => ticket);
  return { client, mailbox, told, post, left, database };
};

describe("a mailbox", () => {
  test("writes state and request together, or neither", () => {
    const { mailbox, database, left } = hostWith();
    database.exec("CREATE TABLE state (number INTEGER) STRICT");
    const step = (fails: boolean) => () => {
      database.exec("INSERT INTO state VALUES (1)");
      mailbox.post("revokeHolderCommitment", revokeOf(1n, 1n));
      if (fails) throw new Error("the host's");
    };
    expect(() => mailbox.transaction(step(true))).toThrow("the host's");
    expect(left()).toEqual([]);
    mailbox.transaction(step(false));
    expect(left()).toEqual([1]);
    expect(database.prepare("SELECT count(*) AS n FROM state").get()).toEqual({ n: 1 });
  });

  test("sends in the order of storing over all channels, and nothing twice that is on its way", async () => {
    const { client, mailbox, post, told, left } = hostWith();
    post([2n, 0n], [1n, 0n], [2n, 1n]);
    const first = mailbox.flush();
    post([1n, 1n]);
    const second = mailbox.flush();
    expect(client.asked).toEqual(["2/0", "1/0", "2/1", "1/1"]);
    for (const which of client.asked) await client.answer(which, reply);
    await Promise.all([first, second]);
    expect(told).toEqual(["2/0 reply", "1/0 reply", "2/1 reply", "1/1 reply"]);
    expect(left()).toEqual([]);
    await mailbox.flush();
    expect(client.asked).toHaveLength(4);
  });

  test("takes the answers of a channel in its order, and lets no channel wait for another", async () => {
    const { client, mailbox, post, told } = hostWith();
    post([1n, 0n], [1n, 1n], [2n, 0n]);
    const done = mailbox.flush();
    await client.answer("1/1", reply);
    await client.answer("2/0", reply);
    expect(told).toEqual(["2/0 reply"]);
    await client.answer("1/0", reply);
    await done;
    expect(told).toEqual(["2/0 reply", "1/0 reply", "1/1 reply"]);
  });

  test("keeps what may pass later, and gives up what is refused for good or not understood", async () => {
    const { client, mailbox, post, told, left } = hostWith();
    post([1n, 0n], [2n, 0n], [3n, 0n], [4n, 0n]);
    const done = mailbox.flush();
    await client.answer("1/0", refusal(false));
    await client.answer("2/0", fault);
    await client.answer("3/0", refusal(true));
    await client.answer("4/0", { is: "malformed", malformed: { path: "number", reason: "too large" } });
    await done;
    expect(told).toEqual(["1/0 refusal, stays", "2/0 fault, stays", "3/0 refusal", "4/0 malformed"]);
    expect(left()).toEqual([1, 2]);
    const again = mailbox.flush();
    await client.answer("1/0", reply);
    await client.answer("2/0", reply);
    await again;
    expect(left()).toEqual([]);
  });

  test("a refusal behind one that stays is no verdict: both are sent again, in their order", async () => {
    const { client, mailbox, post, told, left } = hostWith();
    post([1n, 0n], [1n, 1n], [1n, 2n]);
    const done = mailbox.flush();
    await client.answer("1/1", refusal(true));
    await client.answer("1/0", refusal(false));
    // Behind it too: nothing of the channel is sent before the last of them came back.
    post([1n, 3n]);
    const next = mailbox.flush();
    expect(client.asked).toEqual(["1/0", "1/1", "1/2"]);
    await client.answer("1/2", refusal(true));
    await done;
    expect(told).toEqual(["1/0 refusal, stays", "1/1 refusal, stays", "1/2 refusal, stays"]);
    expect(client.asked.slice(3)).toEqual(["1/0", "1/1", "1/2", "1/3"]);
    for (const which of ["1/0", "1/1", "1/2", "1/3"]) await client.answer(which, reply);
    await next;
    expect(left()).toEqual([]);
  });

  test("requests that name no channel do not wait for each other's", async () => {
    const database = new DatabaseSync(":memory:");
    const outcomes = [refusal(false), refusal(true)];
    const told: boolean[] = [];
    const mailbox = openMailbox({
      database,
      client: { outcome: (async () => outcomes.shift()) as never },
      answered: ({ settled }) => told.push(settled),
    });
    const intent = {
      kind: "keysend",
      amount: msat(1n),
      feeLimit: msat(0n),
      invoice: "",
      source: "",
    } as const;
    mailbox.transaction(() => {
      for (const n of [1, 2])
        mailbox.post("proposePayment", {
          node,
          ...intent,
          hash: paymentHash(new Uint8Array(32).fill(n)),
          payee: node,
        });
    });
    await mailbox.flush();
    expect(told).toEqual([false, true]);
  });

  test("what the host can't store is not settled, and is answered again", async () => {
    let full = true;
    const { client, mailbox, post, told, left, database } = hostWith(() => {
      database.exec("CREATE TABLE IF NOT EXISTS state (number INTEGER) STRICT");
      database.exec("INSERT INTO state VALUES (1)");
      if (full) throw new Error("the host's disk is full");
    });
    post([1n, 0n]);
    const failed = expect(mailbox.flush()).rejects.toThrow("the host's disk is full");
    await client.answer("1/0", reply);
    await failed;
    expect(left()).toEqual([1]);
    expect(database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'state'").get()).toEqual({
      n: 0,
    });
    full = false;
    const done = mailbox.flush();
    await client.answer("1/0", reply);
    await done;
    expect(told).toEqual(["1/0 reply"]);
    expect(left()).toEqual([]);
  });

  test("a client that is closed leaves all of it to the next process, in its order", async () => {
    const database = new DatabaseSync(":memory:");
    const asked: bigint[] = [];
    const connection = (respond: () => Promise<Outcome<Name>>) => async () =>
      memoryConnection({
        caller: { role: "host", node },
        respond: async ({ body }) => {
          if ("number" in body && typeof body.number === "bigint") asked.push(body.number);
          return await respond();
        },
        onFault: () => {},
      });
    const silent = signerClient({ connect: connection(() => new Promise(() => {})) });
    const before = openMailbox({ database, client: silent, answered: () => {} });
    before.transaction(() => {
      for (const n of [0n, 1n]) before.post("revokeHolderCommitment", revokeOf(1n, n));
    });
    const given = expect(before.flush()).rejects.toBeInstanceOf(Unanswered);
    await turns(20);
    await silent.close();
    await given;
    const told: string[] = [];
    const reply = { is: "reply", reply: { secret: new Uint8Array(32).fill(7), points: [node, node] } };
    const client = signerClient({ connect: connection(async () => reply as unknown as Outcome<Name>) });
    const after = openMailbox({ database, client, answered: ({ outcome }) => told.push(outcome.is) });
    await after.flush();
    expect(asked).toEqual([0n, 1n, 0n, 1n]);
    expect(told).toEqual(["reply", "reply"]);
    expect(after.waiting()).toEqual([]);
    await client.close();
  });

  test("a transaction of the host that is open is left alone", async () => {
    const { client, mailbox, post, database, left } = hostWith();
    post([1n, 0n]);
    const failed = expect(mailbox.flush()).rejects.toThrow("transaction");
    database.exec("BEGIN");
    await client.answer("1/0", reply);
    await failed;
    expect(database.isTransaction).toBe(true);
    database.exec("COMMIT");
    expect(left()).toEqual([1]);
  });
});

test("a host's database flushes each commit, and keeps its requests for the next process", () => {
  const home = mkdtempSync(join(tmpdir(), "countersign-mailbox-"));
  try {
    const path = join(home, "host.sqlite");
    const database = openDatabase(path);
    expect(database.prepare("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
    const { post } = hostWith(undefined, database);
    post([1n, 0n], [1n, 1n]);
    // Not closed: as after a kill.
    expect(hostWith(undefined, openDatabase(path)).left()).toEqual([1, 2]);
    database.close();
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
