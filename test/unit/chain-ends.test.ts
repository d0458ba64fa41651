/** What is still to be taken of channels that have ended, and until when. */

import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown, type Maybe, unknown } from "../../protocol/codec.ts";
import { type ChannelId, commitmentNumber, height, sat, type Txid } from "../../protocol/units.ts";
import { inclusion } from "../../signer/core/chain/depths.ts";
import { endsIn } from "../../signer/core/chain/ends.ts";
import type { Close, Closer, Onchain, Output, Role, Spent } from "../../signer/core/chain/onchain.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import { openLedger } from "../../signer/core/payments/ledger.ts";
import { type ChannelState, freshPayment, type Payment } from "../../signer/core/state.ts";
import { htlcOf, preimageOf } from "../scripted/channel.ts";
import { strangersScript } from "../scripted/spends.ts";
import { testChannel } from "./chain-channel.ts";

const [id, sister] = [1n, 2n] as ChannelId[] as [ChannelId, ChannelId];
const content = new Uint8Array(32).fill(4);
const txid = new Uint8Array(32).fill(6) as Txid;
const number = commitmentNumber(3n);
const view = startAt("regtest");
/** The holder asks the counterparty to wait for 144 blocks, and the counterparty us for 720. */
const live = testChannel().live({ revoked: 3n });
const open: ChannelState = { phase: "open", ...live };

const closers: Readonly<Record<"mutual" | "holder" | "counterparty" | "revoked" | "unknown", Closer>> = {
  mutual: { is: "mutual" },
  holder: { is: "holder", number, content },
  counterparty: { is: "counterparty", number, content },
  revoked: { is: "counterparty", number: commitmentNumber(2n), content },
  unknown: { is: "unknown", number },
};
type By = keyof typeof closers;

const [offered, received] = [htlcOf("holder", 1n, "out", 500), htlcOf("counterparty", 1n, "in", 600)];
const ledger = openLedger();
const shown = new Map([
  [toHex(received.hash), { ...freshPayment(received.hash), preimage: preimageOf("in") }],
]);
const spentBy = (way: Spent["way"]): Spent => ({ txid, height: height(22), way });
const output = (role: Role, at = 20, spent?: Spent): Output => ({
  ...{ outpoint: { txid, index: at }, value: sat(900n), role, height: height(at), spent },
});
const closed = (by: By, outputs: readonly Output[]): Onchain => {
  const close: Close = { txid, height: height(9), closer: closers[by], delayed: strangersScript(1), outputs };
  return { funding: { is: "confirmed", height: height(1) }, close };
};
const ends = (
  onchain: ReadonlyMap<ChannelId, Onchain>,
  channels: ReadonlyMap<ChannelId, ChannelState> = new Map([
    [id, open],
    [sister, open],
  ]),
  payments: ReadonlyMap<string, Payment> = new Map(),
) =>
  endsIn({
    channels,
    payments,
    ledger,
    chain: { view, onchain, upload: undefined },
    purse: { coins: new Map() },
  });

/** From which height on it is ours, and from which another's. */
const times = (by: By, role: Role, at = 20): Maybe<readonly (number | undefined)[]> => {
  const [one, ...others] = ends(new Map([[id, closed(by, [output(role, at)])]])).channels;
  expect(others).toEqual([]);
  if (one === undefined) return unknown;
  expect(one).toMatchObject({ channel: id, is: by, txid });
  expect(one.open.map(({ outpoint }) => outpoint)).toEqual([{ txid, index: at }]);
  return one.open.flatMap(({ since, until }) => [since, until]);
};

const all = ["holder", "counterparty", "revoked", "unknown"] as const;
const some = (by: By, role: Role): boolean => isKnown(times(by, role));

describe("an output is for us to take", () => {
  test("at once where it pays our payment key, unless the commitment is ours and the key is theirs", () => {
    expect(all.filter((by) => some(by, { is: "remote" }))).toEqual(["counterparty", "revoked", "unknown"]);
    for (const by of ["counterparty", "revoked", "unknown"] as const)
      expect(times(by, { is: "remote" })).toEqual([20, undefined]);
  });

  test.each<Role>([{ is: "delayed" }, { is: "second", of: 1 }])(
    "after our delay where it is our own, and before theirs where it is a cheat's: $is",
    (role) => {
      expect(all.filter((by) => some(by, role))).toEqual(["holder", "revoked"]);
      expect(times("holder", role)).toEqual([20 + 720, undefined]);
      expect(times("revoked", role)).toEqual([20, 20 + 144]);
    },
  );

  test("of an HTLC that we offered, from its expiry and its block on, and soon", () => {
    const role: Role = { is: "htlc", htlc: offered };
    for (const by of ["holder", "counterparty"] as const) {
      expect(times(by, role)).toEqual([500, 500 + inclusion]);
      expect(times(by, role, 501)).toEqual([501, 501 + inclusion]);
    }
    expect(times("revoked", role)).toEqual([20, 20 + inclusion]);
  });

  test("of an HTLC that we received, until its expiry, with its preimage and not without", () => {
    const role: Role = { is: "htlc", htlc: received };
    for (const by of ["holder", "counterparty"] as const) {
      expect(times(by, role)).toBe(unknown);
      const onchain = new Map([[id, closed(by, [output(role)])]]);
      expect(ends(onchain, undefined, shown).channels).toMatchObject([{ open: [{ since: 20, until: 600 }] }]);
    }
    // A cheat is punished without a preimage.
    expect(times("revoked", role)).toEqual([20, 20 + inclusion]);
  });

  test("not where nobody remembers what it is", () => {
    expect(all.filter((by) => some(by, { is: "unlisted" }))).toEqual([]);
  });
});

describe("of the channels", () => {
  const taken = output({ is: "remote" }, 21, spentBy({ is: "plain" }));
  const left = output({ is: "remote" });
  const known = closed("counterparty", [taken, left]);

  test("only those are listed that have ended with something that is not spent", () => {
    const onchain = new Map([
      [id, known],
      [sister, closed("counterparty", [taken])],
    ]);
    expect(ends(onchain).channels).toEqual([
      {
        channel: id,
        is: "counterparty",
        txid,
        open: [{ outpoint: left.outpoint, since: 20, until: undefined }],
      },
    ]);
    expect(ends(new Map([[id, { ...known, close: undefined }]])).channels).toEqual([]);
    expect(ends(new Map([[id, known]]), new Map([[id, { phase: "forgotten" }]])).channels).toEqual([]);
  });

  test("nothing is listed where no chain is followed", () => {
    const chain = { view: undefined, onchain: new Map([[id, known]]), upload: undefined };
    expect(
      endsIn({
        channels: new Map([[id, open]]),
        payments: shown,
        ledger,
        chain,
        purse: { coins: new Map() },
      }),
    ).toEqual({
      ...{ height: undefined, channels: [], stirred: 0 },
    });
  });
});
