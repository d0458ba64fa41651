/** What is left of a commitment is brought home: our own output after its delay, and what an HTLC transaction left. */

import { txidOf } from "../../protocol/bitcoin/tx.ts";
import type { MadeTx } from "../scripted/chain.ts";
import { htlcOf } from "../scripted/channel.ts";
import { withPrevTx } from "../scripted/spends.ts";
import type { Story } from "./flow.ts";
import { bumped, type Closing, mineIn, nameIn, pass, propose, reorganise, type Shore } from "./shore.ts";

const delayOf = ({ channel }: Closing): number => channel.shared.terms.counterparty.toSelfDelay;

/** Of `to_local` or `to_remote`, early or late; nothing where we have no output. */
export async function* sweep(shore: Shore, close: Closing): Story {
  const { dice } = shore;
  const { coins, owner, channel } = close;
  const coin = owner === "holder" ? coins["delayed"] : coins["toRemote"];
  if (coin === undefined) return;
  // A host may have it signed before it is valid.
  if (dice.int(3) > 0) await pass(shore, owner === "holder" ? delayOf(close) : 1);
  const shown = dice.int(2) === 0 ? coin : withPrevTx(coin, close.tx.tx);
  const swept = yield* bumped(shore, () => [shown], channel);
  await pass(shore, owner === "holder" ? delayOf(close) : 1);
  await mineIn(shore, [swept]);
  if (dice.int(3) === 0) await reorganise(shore, 1 + dice.int(2));
  yield;
  // Nothing is left to be done: what is new may begin.
  await propose(shore, htlcOf("holder", 1_000_000n, nameIn(shore, "new")));
  // Nobody stops a host that has lost count from asking again.
  if (dice.int(3) === 0) yield* bumped(shore, () => [shown], channel);
}

/** The output of our HTLC transaction, which is delayed as ours is. */
export async function* secondStage(shore: Shore, close: Closing, stage: MadeTx): Story {
  const { delayed } = close.coins;
  const [output] = stage.tx.outputs;
  if (delayed === undefined || output === undefined) return;
  const outpoint = { txid: txidOf(stage.tx), index: 0 };
  const coin = { ...delayed, value: output.value, said: { ...delayed.said, outpoint } };
  const shown = shore.dice.int(2) === 0 ? withPrevTx(coin, stage.tx) : coin;
  await pass(shore, delayOf(close));
  const swept = yield* bumped(shore, () => [shown], close.channel);
  await mineIn(shore, [swept]);
  yield;
}
