/** What a session writes of the chain: a view of real blocks, and each form of what the chain says of a channel. */

import { sha256 } from "../../protocol/hash.ts";
import type { Shape } from "../../protocol/codec.ts";
import * as f from "../../protocol/operations/fields.ts";
import { commitmentNumber, height } from "../../protocol/units.ts";
import type { Coin } from "../../signer/core/chain/coins.ts";
import { connectBlocks } from "../../signer/core/chain/connect.ts";
import type { Closer, Onchain, Output, Role, Way } from "../../signer/core/chain/onchain.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import type { ChainView } from "../../signer/core/chain/view.ts";
import { genesis, headerOf, mineEmpty, whole } from "../scripted/chain.ts";
import { curve } from "../scripted/road.ts";
import { exampleOf } from "./example.ts";

const counter = { at: 0 };
const of = <T>(field: { readonly shape: Shape }): T => exampleOf(field.shape, counter) as T;
const digest = (): Uint8Array => of({ shape: { kind: "bytes", length: 32, unit: "hash" } });

const [first, second, third] = mineEmpty(genesis, 3);
if (first === undefined || second === undefined || third === undefined) throw new Error("no blocks");

const shown = (evidences: Parameters<typeof connectBlocks>[1]): ChainView => {
  const watches = { outpoints: [], scripts: [] };
  const terms = { watches, curve, challenge: undefined, latest: 0xffff_ffff };
  const movement = connectBlocks(startAt("regtest"), evidences, terms);
  if (movement.is === "refused") throw new Error(JSON.stringify(movement.refusal));
  return movement.view;
};

export const viewStates: Readonly<Record<string, ChainView>> = {
  begun: startAt("bitcoin"),
  followed: shown([headerOf(first), whole(second), whole(third)]),
};

const output = (role: Role, way?: Way): Output => ({
  outpoint: of(f.outpoint),
  value: of(f.sat),
  role,
  height: height(101),
  spent: way === undefined ? undefined : { txid: of(f.txid), height: height(102), way },
});

const closed = (closer: Closer, outputs: readonly Output[]): Onchain => ({
  funding: { is: "confirmed", height: height(99) },
  close: { txid: of(f.txid), height: height(101), closer, delayed: of(f.script), outputs },
});

export const onchainStates: Readonly<Record<string, Onchain>> = {
  unseen: { funding: { is: "unseen" }, close: undefined },
  false: { funding: { is: "false", height: height(98) }, close: undefined },
  mutual: closed({ is: "mutual" }, []),
  holder: closed({ is: "holder", number: commitmentNumber(7n), content: digest() }, [
    output({ is: "delayed" }, { is: "plain" }),
    output({ is: "htlc", htlc: of(f.htlc) }, { is: "preimage", preimage: sha256(Uint8Array.of(1)) as never }),
    output({ is: "htlc", htlc: of(f.htlc) }, { is: "timeout" }),
    output({ is: "second", of: 3 }),
  ]),
  counterparty: closed({ is: "counterparty", number: commitmentNumber(8n), content: digest() }, [
    output({ is: "remote" }),
  ]),
  revoked: closed({ is: "counterparty", number: commitmentNumber(2n), content: "unknown" }, [
    output({ is: "delayed" }, { is: "revocation" }),
    output({ is: "unlisted" }),
  ]),
  unknown: closed({ is: "unknown", number: commitmentNumber(9n) }, []),
};

const coin: Coin = {
  outpoint: of(f.outpoint),
  value: of(f.sat),
  place: { account: 1, branch: 2, index: 3 },
  height: height(104),
  spent: "unknown",
  pays: [],
  since: height(105),
};

export const coinStates: Readonly<Record<string, Coin>> = {
  there: coin,
  promised: { ...coin, pays: [of(f.outpoint), of(f.outpoint)] },
  spent: { ...coin, spent: height(106) },
};
