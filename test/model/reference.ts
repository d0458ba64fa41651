/**
 * The rules on payments as the list states them, told from the whole history at once: nothing is carried, folded or
 * forgotten as in the signer. It has an opinion where only HTLCs and settlements explain a commitment.
 */

import type { Side } from "../../protocol/operations/fields.ts";
import { type Base, type ChannelOf, hashOf, indexOf, type Meant, pool, type World } from "./world.ts";

export interface Verdict {
  readonly verdict: "taken" | "refused";
  readonly why: string;
}

const minDelta = 6;

const sum = (meant: Meant, at: number, by: Side, from: number): bigint =>
  meant.balances.htlcs.reduce(
    (total, one) =>
      one.offeredBy === by && indexOf(one) === at && one.expiry >= from ? total + one.amount : total,
    0n,
  );

const offered = (meant: Meant, at: number, from = 0): bigint => sum(meant, at, "holder", from);
const received = (meant: Meant, at: number, from = 0): bigint => sum(meant, at, "counterparty", from);

type Book = readonly (readonly Meant[])[];

const bookOf = (
  { channels }: World,
  changed?: { readonly channel: ChannelOf; readonly meant: Meant },
): Book =>
  channels.map((channel) => {
    const all = [...channel.live.holder, ...channel.live.counterparty];
    return changed?.channel === channel ? [...all, changed.meant] : all;
  });

const most = (values: readonly bigint[]): bigint => values.reduce((a, b) => (b > a ? b : a), values[0] ?? 0n);
const least = (values: readonly bigint[]): bigint =>
  values.reduce((a, b) => (b < a ? b : a), values[0] ?? 0n);

export const outOf = ({ channels, paid }: World, book: Book, at: number): bigint =>
  book.reduce(
    (total, live, n) =>
      total +
      most(live.map((one) => offered(one, at) + (one.settledOut.get(at) ?? 0n))) -
      (channels[n]?.base.get(at)?.out ?? 0n),
    paid.get(at) ?? 0n,
  );

export const inOf = ({ channels }: World, book: Book, at: number, from = 0): bigint =>
  book.reduce(
    (total, live, n) =>
      total +
      least(live.map((one) => received(one, at, from) + (one.settledIn.get(at) ?? 0n))) -
      (channels[n]?.base.get(at)?.in ?? 0n),
    0n,
  );

const pending = (book: Book, at: number, from: number): bigint =>
  book.reduce((total, live) => total + most(live.map((one) => offered(one, at, from))), 0n);

const expiriesOf = (book: Book, at: number): readonly number[] =>
  book
    .flat()
    .flatMap(({ balances }) =>
      balances.htlcs.flatMap((one) =>
        one.offeredBy === "holder" && indexOf(one) === at ? [one.expiry] : [],
      ),
    );

/** What is out and not covered: in all, and from each expiry on by what lasts longer. */
const shortOf = (world: World, book: Book, at: number): bigint =>
  most([
    outOf(world, book, at) - inOf(world, book, at),
    ...expiriesOf(book, at).map((from) => pending(book, at, from) - inOf(world, book, at, from + minDelta)),
  ]);

/** Since nothing of it was on its way. */
const settledMost = ({ channels }: World, book: Book, at: number): bigint =>
  book.reduce((sum, live, n) => {
    const base = channels[n]?.base.get(at)?.out ?? 0n;
    return sum + most(live.map((one) => one.settledOut.get(at) ?? 0n)) - base;
  }, 0n);

const settledOn = (live: readonly Meant[], at: number): { out: bigint; in: bigint } | undefined => {
  const [first] = live;
  if (first === undefined) return undefined;
  const [out, inn] = [first.settledOut.get(at) ?? 0n, first.settledIn.get(at) ?? 0n];
  const agreed = live.every(
    (one) =>
      offered(one, at) === 0n &&
      received(one, at, 0) === 0n &&
      (one.settledOut.get(at) ?? 0n) === out &&
      (one.settledIn.get(at) ?? 0n) === inn,
  );
  return agreed ? { out, in: inn } : undefined;
};

/** A hash of which nothing is on its way begins anew, but for what an approval has paid. */
export const square = (world: World): void => {
  const book = bookOf(world);
  for (let at = 0; at < pool.length; at++) {
    const settled = book.map((live) => settledOn(live, at));
    if (settled.some((one) => one === undefined)) continue;
    const gone = outOf(world, book, at) - inOf(world, book, at);
    const approved = world.approved.get(at);
    for (const [n, channel] of world.channels.entries()) channel.base.set(at, settled[n] as Base);
    if (approved !== undefined) world.paid.set(at, gone < 0n ? 0n : gone > approved ? approved : gone);
  }
};

export const judgeHonestly = (world: World, channel: ChannelOf, _owner: Side, meant: Meant): Verdict => {
  const before = bookOf(world);
  const after = bookOf(world, { channel, meant });
  for (let at = 0; at < pool.length; at++) {
    const live = before[world.channels.indexOf(channel)] ?? [];
    const outs = (one: Meant): bigint => offered(one, at) + (one.settledOut.get(at) ?? 0n);
    const rises =
      offered(meant, at) > 0n &&
      (live.every((one) => outs(one) < outs(meant)) ||
        expiriesOf([[meant]], at).some((from) =>
          live.every((one) => offered(one, at, from) < offered(meant, at, from)),
        ));
    const short = shortOf(world, after, at);
    const falls = short > shortOf(world, before, at);
    if (!rises && !falls) continue;
    const approved = world.approved.get(at) ?? 0n;
    const settled = (world.paid.get(at) ?? 0n) + settledMost(world, after, at);
    if (rises && approved > 0n && settled > 0n && settled >= approved && short > 0n)
      return { verdict: "refused", why: "paid once" };
    if (short > approved)
      return {
        verdict: "refused",
        why: `${Buffer.from(hashOf(at)).toString("hex").slice(0, 8)}: short ${short}, approved ${approved}`,
      };
  }
  return { verdict: "taken", why: "covered" };
};
