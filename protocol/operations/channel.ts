import { bool, list, maybe } from "../codec.ts";
import {
  basepoints,
  channel,
  node,
  number,
  outpoint,
  point,
  points,
  revocationSecret,
  script,
  terms,
} from "./fields.ts";
import { operation, ratchet } from "./operation.ts";

export const channelOperations = {
  new: operation(
    0x10,
    "Opens a fresh channel id: answers with its keys, its first two points and a script to be paid to at a mutual close.",
    {
      /** A host with a numbering of its own brings it; it may only grow. */
      wanted: maybe(channel),
    },
    {
      channel,
      basepoints,
      points,
      /** Of the signer's own wallet: where a mutual close may always pay the holder. */
      closingScript: script,
    },
  ),
  check: operation(
    0x11,
    "Asks whether an opening on these terms would be allowed, before the host commits to it.",
    { channel, peer: node, terms },
    {},
  ),
  setup: ratchet(
    0x12,
    "Fixes the terms, the counterparty's keys and the funding outpoint of a channel; they never change afterwards.",
    { channel, peer: node, terms, counterparty: basepoints, funding: outpoint },
    {
      /** The funding output's script, for the host to compare with its funding transaction. */
      fundingScript: script,
    },
  ),
  points: operation(
    0x13,
    "Answers with the holder's per-commitment points of the numbers asked for; points are public.",
    { channel, numbers: list(number, 64) },
    { points: list(point, 64) },
  ),
  checkFutureSecret: operation(
    0x14,
    "Says whether a secret is the holder's own of that number, by which a peer proves that our state is behind (BOLT 2).",
    { channel, number, secret: revocationSecret },
    { matches: bool },
  ),
  forget: ratchet(
    0x15,
    "Forgets a channel of which nothing can happen any more: settled on the chain for good, or never funded. Its id stays used.",
    { channel },
    {},
  ),
};
