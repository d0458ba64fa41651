/** The node key: what it signs, and with whom it shares secrets. */

import type { Texts } from "./text.ts";

export const nodeTexts = {
  "gossip-parsed": {
    kind: "core",
    sentence:
      "Gossip that is signed parses whole, encodes to the same bytes, and names this chain, node, channel and its keys.",
    hint: "The host's announcement is of another channel, node or network, or has fields that the signer can't read.",
  },
  "message-domain": {
    kind: "core",
    sentence:
      "Free text is signed under its own prefix and too short to be gossip; a bare root only under the tag of BOLT 12.",
    hint: "Sign a hash of a long text; let a host of tier `full` bring a BOLT 12 message whole.",
  },
  "ecdh-not-own-keys": {
    kind: "core",
    sentence: "The node key shares secrets with others' points, never with itself.",
    hint: "No protocol has one key at both ends: treat what brought this point as unreadable.",
  },
  "invoice-is-ours": {
    kind: "core",
    sentence:
      "What is signed as an invoice, or asks for one, parses whole, is ours and of our network; what we issue is remembered.",
    hint: "The host's invoice is not one of this node; or wait until some of those that are remembered have expired.",
  },
} as const satisfies Texts;
