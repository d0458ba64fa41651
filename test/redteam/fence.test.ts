/** Red-team 12: two signers with one seed and one store. */

import { expect, test } from "vitest";
import { memoryDisk } from "../../signer/store/memory.ts";
import { add, htlcOf } from "../scripted/channel.ts";
import { rig } from "../scripted/road.ts";
import { scene } from "../scripted/scene.ts";
import { attack } from "../scripted/tally.ts";

test("the one that opened the store last goes on; the other signs nothing more", async () => {
  const disk = memoryDisk();
  const older = await scene({ signer: await rig({ disk }) });
  await older.advance(0n, older.start);
  const newer = older.on(await rig({ disk }));
  const held = add(older.start, htlcOf("holder", 1_000_000n, "a"));
  const { sign, validate, revoke } = await older.at(1n, held);

  // Whatever would have to be durable first is a fault; also a repetition, which writes an audit record.
  await attack("the older one signs", async () =>
    expect(await older.signer.outcome("signCounterpartyCommitment", sign)).toMatchObject({
      is: "fault",
      fault: { code: "stale" },
    }),
  );
  for (const [name, body] of [
    ["signCounterpartyCommitment", sign],
    ["validateHolderCommitment", validate],
    ["revokeHolderCommitment", revoke],
  ] as const)
    await attack(`the older one answers ${name}`, async () =>
      expect((await older.signer.outcome(name, body as never)).is).toBe("fault"),
    );
  expect(older.signer.session.fault()).toBeDefined();

  // The honest neighbour.
  await newer.advance(1n, held);
  expect(newer.signer.faults).toEqual([]);
});

test("two that race over one store: no number is signed twice over", async () => {
  const disk = memoryDisk();
  const first = await scene({ signer: await rig({ disk }) });
  await first.advance(0n, first.start);
  const one = await first.at(1n, add(first.start, htlcOf("holder", 1_000_000n, "a")));
  const other = await first.at(1n, add(first.start, htlcOf("holder", 2_000_000n, "b")));
  const second = await rig({ disk });
  const outcomes = await Promise.all([
    first.signer.outcome("signCounterpartyCommitment", one.sign),
    second.outcome("signCounterpartyCommitment", other.sign),
  ]);
  await attack("both sign", () => expect(outcomes.map(({ is }) => is)).toEqual(["fault", "reply"]));
});

test("a record that changed under a session is a fault, and never overwritten", async () => {
  const on = await scene();
  await on.advance(0n, on.start);
  const { store, session } = on.signer;
  const [[key, stored] = []] = [...(await store.load(session.node))].filter(([name]) =>
    name.includes("/channel/"),
  );
  if (key === undefined || stored === undefined) throw new Error("there is one");
  const write = { key, was: stored.version, bytes: stored.bytes };
  await store.commit({ epoch: store.epoch, writes: [write], audit: [] });
  const { sign } = await on.at(1n, on.start);
  await attack("signed over what another wrote", async () =>
    expect((await on.signer.outcome("signCounterpartyCommitment", sign)).is).toBe("fault"),
  );
});
