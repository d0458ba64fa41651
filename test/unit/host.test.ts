import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import {
  type ClientState,
  NotUnderstood,
  openOutbox,
  Refused,
  SignerFault,
  signerClient,
  Unanswered,
} from "../../host/index.ts";
import { isKnown } from "../../protocol/codec.ts";
import type { AnyRequest, Name } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { type ChannelId, type CommitmentNumber, type NodeId, point } from "../../protocol/units.ts";
import { type Connection, Disconnected } from "../../protocol/wire/connection.ts";
import { memoryConnection } from "../../protocol/wire/memory.ts";
import { ask } from "../scripted/channel.ts";

const node: NodeId = point(Uint8Array.from([2, ...new Uint8Array(32).fill(5)]));
const pointsOf = (channel: bigint) =>
  ({ node, channel: channel as ChannelId, numbers: [1n as CommitmentNumber] }) as const;
const yes: Outcome<Name> = { is: "reply", reply: { points: [node] } };
const fast = { first: 1, most: 4 };

type Answer = (request: AnyRequest) => Promise<Outcome<Name>>;

/** A signer that can be taken away and brought back; `asked` has every request that reached it. */
const signerIn = (answer: Answer) => {
  const asked: bigint[] = [];
  const open = new Set<Connection>();
  let attempts = 0;
  let there = true;
  return {
    asked,
    attempts: () => attempts,
    connect: async (): Promise<Connection> => {
      attempts++;
      if (!there) throw new Disconnected("lost", "nobody there");
      const connection = memoryConnection({
        caller: { role: "host", node },
        respond: async (request) => {
          if ("channel" in request.body && isKnown(request.body.channel)) asked.push(request.body.channel);
          return await answer(request);
        },
        onFault: () => {},
      });
      open.add(connection);
      return connection;
    },
    leave: async () => {
      there = false;
      for (const connection of open) await connection.close();
      open.clear();
    },
    comeBack: () => {
      there = true;
    },
  };
};

const turns = (ms = 20): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("a client", () => {
  test("says at once that a request can't be written down, and goes on with the others", async () => {
    const signer = signerIn(async () => yes);
    const client = signerClient({ connect: signer.connect, backoff: fast });
    const { numbers: _, ...incomplete } = pointsOf(1n);
    await expect(client.call("points", incomplete as never)).rejects.toThrow();
    expect(await client.call("points", pointsOf(2n))).toEqual({ points: [node] });
    expect(signer.asked).toEqual([2n]);
    await client.close();
  });

  test("tells why it was sent away, so that nobody waits for a certificate to mend itself", async () => {
    const states: ClientState[] = [];
    const client = signerClient({
      connect: async () => {
        throw new Disconnected("denied", "this certificate is not taken");
      },
      backoff: fast,
      onState: (state) => states.push(state),
    });
    const waiting = client.outcome("points", pointsOf(1n)).catch((error: Error) => error.name);
    await expect.poll(() => states.length).toBeGreaterThan(0);
    expect(states[0]).toMatchObject({
      is: "disconnected",
      why: "denied",
      reason: expect.stringContaining("certificate"),
    });
    await client.close();
    expect(await waiting).toBe("Unanswered");
  });

  test("gives replies as they are, and everything else by its name", async () => {
    const outcomes: Record<string, Outcome<Name>> = {
      "1": yes,
      "2": {
        is: "refusal",
        refusal: {
          rule: "some-rule",
          kind: "limit",
          final: false,
          sentence: "No.",
          facts: [],
          hint: "Wait.",
        },
      },
      "3": { is: "malformed", malformed: { path: "numbers[0]", reason: "too many" } },
      "4": { is: "fault", fault: { code: "store", sentence: "The disk is full." } },
    };
    const signer = signerIn(
      async ({ body }) => outcomes[String("channel" in body ? body.channel : 0)] ?? yes,
    );
    const client = signerClient({ connect: signer.connect, backoff: fast });
    expect(await client.call("points", pointsOf(1n))).toEqual({ points: [node] });
    const refused = await client.call("points", pointsOf(2n)).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect((refused as Refused).refusal).toMatchObject({ rule: "some-rule", final: false });
    await expect(client.call("points", pointsOf(4n))).rejects.toBeInstanceOf(SignerFault);
    await expect(client.call("points", pointsOf(3n))).rejects.toBeInstanceOf(NotUnderstood);
    // What was malformed ended its stream; the next call finds a new one.
    expect(await client.call("points", pointsOf(1n))).toEqual({ points: [node] });
    await client.close();
  });

  test("sends what was not answered again, in its order and before anything new", async () => {
    const gates: (() => void)[] = [];
    const signer = signerIn((request) => {
      if (request.name === "points" && request.body.channel < 3n && gates.length < 2)
        return new Promise((resolve) => gates.push(() => resolve(yes)));
      return Promise.resolve(yes);
    });
    const states: ClientState["is"][] = [];
    const client = signerClient({
      connect: signer.connect,
      backoff: fast,
      onState: ({ is }) => states.push(is),
    });
    const answers = [1n, 2n].map((channel) => client.call("points", pointsOf(channel)));
    await expect.poll(() => signer.asked, { timeout: 10_000 }).toEqual([1n, 2n]);
    await signer.leave();
    answers.push(client.call("points", pointsOf(3n)));
    await turns();
    signer.comeBack();
    await Promise.all(answers);
    expect(signer.asked).toEqual([1n, 2n, 1n, 2n, 3n]);
    expect(states[0]).toBe("connected");
    expect(states.at(-1)).toBe("connected");
    expect(states).toContain("disconnected");
    await client.close();
  });

  test("asks ever more slowly at a door that nobody opens", async () => {
    const signer = signerIn(async () => yes);
    await signer.leave();
    const waits: number[] = [];
    const client = signerClient({
      connect: signer.connect,
      backoff: { first: 1, most: 8 },
      onState: (state) => {
        if (state.is === "disconnected") waits.push(state.retryIn);
      },
    });
    const answer = client.call("points", pointsOf(1n));
    while (waits.length < 6) await turns(5);
    expect(waits.slice(0, 6)).toEqual([1, 2, 4, 8, 8, 8]);
    signer.comeBack();
    expect(await answer).toEqual({ points: [node] });
    await client.close();
  });

  test("gives up a call at its deadline or its signal, and does not send it again", async () => {
    const signer = signerIn(() => new Promise(() => {}));
    const client = signerClient({ connect: signer.connect, backoff: fast });
    await expect(client.call("points", pointsOf(1n), { timeoutMs: 200 })).rejects.toBeInstanceOf(Unanswered);
    const stop = new AbortController();
    const given = client.call("points", pointsOf(2n), { signal: stop.signal });
    const told = expect(given).rejects.toBeInstanceOf(Unanswered);
    await expect.poll(() => signer.asked, { timeout: 10_000 }).toEqual([1n, 2n]);
    stop.abort();
    await told;
    await signer.leave();
    signer.comeBack();
    await turns();
    expect(signer.asked).toEqual([1n, 2n]);
    await client.close();
  });

  test("closed, leaves nobody waiting, and takes no more calls", async () => {
    const signer = signerIn(() => new Promise(() => {}));
    const client = signerClient({ connect: signer.connect, backoff: fast });
    const answer = client.call("points", pointsOf(1n));
    const told = expect(answer).rejects.toBeInstanceOf(Unanswered);
    await turns();
    await client.close();
    await told;
    await expect(client.call("points", pointsOf(1n))).rejects.toBeInstanceOf(Unanswered);
    const attempts = signer.attempts();
    await turns();
    expect(signer.attempts()).toBe(attempts);
  });
});

describe("an outbox", () => {
  const requests = [1n, 2n, 3n].map((channel) => ask("points", pointsOf(channel)));

  test("keeps requests with the host's own state: both are written, or neither", () => {
    const database = new DatabaseSync(":memory:");
    database.exec("CREATE TABLE state (number INTEGER) STRICT");
    const outbox = openOutbox(database);
    const step = (ends: "COMMIT" | "ROLLBACK") => {
      database.exec("BEGIN");
      database.exec("INSERT INTO state VALUES (1)");
      outbox.add(requests[0] as AnyRequest);
      database.exec(ends);
    };
    step("ROLLBACK");
    expect(outbox.waiting()).toEqual([]);
    step("COMMIT");
    expect(outbox.waiting().map(({ request }) => request)).toEqual([requests[0]]);
    expect(database.prepare("SELECT count(*) AS n FROM state").get()).toEqual({ n: 1 });
  });

  test("gives back what was not settled, oldest first, also to the next process", () => {
    const database = new DatabaseSync(":memory:");
    const first = openOutbox(database);
    const tickets = requests.map((request) => first.add(request));
    first.settle(tickets[1] as number);
    const second = openOutbox(database);
    expect(second.waiting()).toEqual([
      { ticket: tickets[0], request: requests[0] },
      { ticket: tickets[2], request: requests[2] },
    ]);
    // A ticket is never given twice, so a late settlement can't take away another request.
    for (const { ticket } of second.waiting()) second.settle(ticket);
    expect(second.add(requests[0] as AnyRequest)).toBeGreaterThan(tickets[2] as number);
  });

  test("is delivered in its order by a client, each answer to its ticket", async () => {
    const signer = signerIn(async () => yes);
    const client = signerClient({ connect: signer.connect, backoff: fast });
    const outbox = openOutbox(new DatabaseSync(":memory:"));
    const tickets = requests.map((request) => outbox.add(request));
    const answered: number[] = [];
    await client.deliver(outbox.waiting(), (_request, outcome, ticket) => {
      expect(outcome).toEqual(yes);
      answered.push(ticket);
      outbox.settle(ticket);
    });
    expect(signer.asked).toEqual([1n, 2n, 3n]);
    expect(answered.toSorted((a, b) => a - b)).toEqual(tickets);
    expect(outbox.waiting()).toEqual([]);
    await client.close();
  });
});
