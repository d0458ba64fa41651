/** How requests of remote keys travel: stored first, in order, again as long as they may pass later. */

import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { SignerLine } from "../../host/ldk/bridge/line.ts";
import type { KeysEvent } from "../../host/ldk/keys/remote-events.ts";
import { openRoad, type Road } from "../../host/ldk/keys/remote-road.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome, Refusal } from "../../protocol/outcome.ts";
import {
  type ChannelId,
  channelId,
  commitmentNumber,
  point,
  revocationSecret,
} from "../../protocol/units.ts";

const node = point(new Uint8Array(33).fill(2));
const revoke = (number: bigint, channel = 7n): Request<"revokeHolderCommitment"> => ({
  node,
  channel: channelId(channel),
  number: commitmentNumber(number),
});
const revoked = (): Outcome<Name> => ({
  is: "reply",
  reply: { secret: revocationSecret(new Uint8Array(32)), points: [] } as never,
});
const refusal = (final: boolean, facts: Refusal["facts"] = []): Refusal => ({
  rule: "revoke-in-order",
  kind: "core",
  final,
  sentence: "",
  facts,
  hint: "",
});

interface Scene {
  readonly road: Road;
  readonly sent: string[];
  readonly events: KeysEvent[];
  /** Numbers of requests that will never pass. */
  readonly lost: bigint[];
  woken: number;
  answer: (number: bigint) => Outcome<Name> | Promise<Outcome<Name>>;
}

const open = (database: DatabaseSync): Scene => {
  const scene: Scene = {
    sent: [],
    events: [],
    lost: [],
    woken: 0,
    answer: revoked,
    road: openRoad({
      database,
      line: {
        ask: async (_name: Name, body: object) => {
          const { number, channel } = body as { number: bigint; channel: ChannelId };
          scene.sent.push(`${channel}/${number}`);
          return scene.answer(number);
        },
      } as unknown as SignerLine,
      tell: (event) => scene.events.push(event),
      lost: ({ body }) => scene.lost.push((body as { number: bigint }).number),
      wake: () => {
        scene.woken += 1;
      },
      answered: () => undefined,
    }),
  };
  return scene;
};

const waiting = (database: DatabaseSync): number =>
  Number(database.prepare("SELECT count(*) AS n FROM outbox").get()?.["n"]);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const turn = async ({ road }: Scene): Promise<void> => {
  road.store();
  road.flush();
  await vi.advanceTimersByTimeAsync(0);
};

test("nothing is sent before it was stored, and nothing is forgotten before its answer was", async () => {
  const database = new DatabaseSync(":memory:");
  const scene = open(database);
  expect(scene.road.reply("revokeHolderCommitment", revoke(0n))).toBeUndefined();
  scene.road.flush();
  await vi.advanceTimersByTimeAsync(0);
  expect(scene.sent).toEqual([]);
  await turn(scene);
  expect(scene.sent).toEqual(["7/0"]);
  expect(scene.woken).toBe(1);
  expect(waiting(database)).toBe(1);
  expect(scene.road.reply("revokeHolderCommitment", revoke(0n))).toMatchObject({ points: [] });
  await turn(scene);
  expect(waiting(database)).toBe(0);
  expect(scene.sent).toEqual(["7/0"]);
});

test("after a crash what waited is sent again, in its order", async () => {
  const database = new DatabaseSync(":memory:");
  const first = open(database);
  first.answer = () => new Promise(() => undefined);
  for (const number of [0n, 1n, 2n]) first.road.put("revokeHolderCommitment", revoke(number));
  await turn(first);
  const second = open(database);
  await second.road.resume();
  expect(second.sent).toEqual(["7/0", "7/1", "7/2"]);
  await turn(second);
  expect(waiting(database)).toBe(0);
});

test("what may pass later holds up its channel alone, is told once, and goes before what was asked after it", async () => {
  const database = new DatabaseSync(":memory:");
  const scene = open(database);
  let allowed = false;
  // The second one is refused for want of the first.
  scene.answer = (number) =>
    number < 2n && !allowed ? { is: "refusal", refusal: refusal(number === 1n) } : revoked();
  scene.road.put("revokeHolderCommitment", revoke(0n));
  await turn(scene);
  scene.road.put("revokeHolderCommitment", revoke(1n));
  scene.road.put("revokeHolderCommitment", revoke(5n, 8n));
  await turn(scene);
  expect(scene.sent).toEqual(["7/0", "8/5"]);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(scene.events).toMatchObject([{ waits: true }, { waits: true }]);
  allowed = true;
  scene.sent.length = 0;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(scene.sent).toEqual(["7/0", "7/1"]);
  await turn(scene);
  expect(waiting(database)).toBe(0);
});

test("a refusal for good is told, never asked again, and LDK hears no for ever", async () => {
  const database = new DatabaseSync(":memory:");
  const scene = open(database);
  scene.answer = () => ({ is: "refusal", refusal: refusal(true) });
  expect(scene.road.reply("revokeHolderCommitment", revoke(0n))).toBeUndefined();
  await turn(scene);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(scene.road.reply("revokeHolderCommitment", revoke(0n))).toBeUndefined();
  await turn(scene);
  expect(scene.sent).toEqual(["7/0"]);
  expect(scene.events).toMatchObject([{ is: "refused", waits: false }]);
  expect(waiting(database)).toBe(0);
});

test("a channel at its end asks for nothing that would move it on", async () => {
  const database = new DatabaseSync(":memory:");
  const scene = open(database);
  scene.answer = () => ({ is: "refusal", refusal: refusal(false) });
  scene.road.put("revokeHolderCommitment", revoke(0n));
  await turn(scene);
  scene.road.abandon(channelId(7n));
  await turn(scene);
  scene.sent.length = 0;
  await vi.advanceTimersByTimeAsync(120_000);
  expect(scene.sent).toEqual([]);
  expect(waiting(database)).toBe(0);
});

test("what a person has denied is not asked again", async () => {
  const database = new DatabaseSync(":memory:");
  const scene = open(database);
  let standing = "pending";
  scene.answer = () => ({
    is: "refusal",
    refusal: refusal(false, [{ name: "standing", value: standing }]),
  });
  scene.road.put("revokeHolderCommitment", revoke(0n));
  await turn(scene);
  expect(scene.lost).toEqual([]);
  standing = "denied";
  await vi.advanceTimersByTimeAsync(2_000);
  expect(scene.lost).toEqual([0n]);
  scene.sent.length = 0;
  await turn(scene);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(scene.sent).toEqual([]);
  expect(waiting(database)).toBe(0);
});

test("a channel that never came about asks for nothing, also not for what is on its way", async () => {
  const database = new DatabaseSync(":memory:");
  const scene = open(database);
  const answer = Promise.withResolvers<Outcome<Name>>();
  scene.answer = () => answer.promise;
  scene.road.put("revokeHolderCommitment", revoke(0n));
  await turn(scene);
  scene.road.put("validateCounterpartyRevocation", {
    ...revoke(1n),
    secret: revocationSecret(new Uint8Array(32)),
  });
  scene.road.drop(channelId(7n));
  await turn(scene);
  answer.resolve({ is: "refusal", refusal: refusal(false) });
  await vi.advanceTimersByTimeAsync(120_000);
  await turn(scene);
  expect(scene.sent).toEqual(["7/0"]);
  expect([scene.events, scene.lost]).toEqual([[], []]);
  expect(waiting(database)).toBe(0);
});

test("what may pass later is asked at once when something has changed", async () => {
  const database = new DatabaseSync(":memory:");
  const scene = open(database);
  let allowed = false;
  scene.answer = () => (allowed ? revoked() : { is: "refusal", refusal: refusal(false) });
  scene.road.put("revokeHolderCommitment", revoke(0n));
  await turn(scene);
  await vi.advanceTimersByTimeAsync(20_000);
  allowed = true;
  scene.sent.length = 0;
  scene.road.again();
  await vi.advanceTimersByTimeAsync(0);
  expect(scene.sent).toEqual(["7/0"]);
  await turn(scene);
  expect(waiting(database)).toBe(0);
});
