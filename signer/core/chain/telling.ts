/** Alarms, in words for a person who was woken by one. */

import { toHex } from "../../../protocol/bytes.ts";
import { unknown } from "../../../protocol/codec.ts";
import type { Reply } from "../../../protocol/operations/index.ts";
import { clip } from "../../../protocol/outcome.ts";
import type { Alarm } from "./alarms.ts";
import { readable } from "./view.ts";

const verbs = {
  close: "publish our commitment, for",
  claim: "claim with its preimage",
  timeout: "take back after its expiry",
} as const;

export const sentenceOf = (alarm: Alarm): string => {
  switch (alarm.kind) {
    case "stale":
      return `The last block is ${alarm.age} seconds old, and may be ${alarm.limit}.`;
    case "behind":
      return `Blocks were taken back to height ${alarm.tip}; a heavier chain reached ${alarm.best}.`;
    case "unproven":
      return `Of the blocks up to height ${alarm.tip} only headers were shown: go on with whole blocks.`;
    case "breach-unanswered": {
      const { number, txid, open } = alarm.breach;
      const first = open.reduce((least, { until }) => Math.min(least, until ?? least), 2 ** 32);
      const by = first === 2 ** 32 ? "soon" : `before height ${first}`;
      return `Revoked commitment ${number} is on the chain: punish ${open.length} outputs of ${readable(txid)} ${by}.`;
    }
    case "htlc-deadline": {
      const { what, htlc, by } = alarm.deadline;
      return `Before height ${by} ${verbs[what]} the HTLC of ${htlc.amount} msat with hash ${toHex(htlc.hash)}.`;
    }
    case "funding-false":
      return `The output at height ${alarm.height} that should fund the channel is not the channel's.`;
  }
};

const kinds = {
  stale: "stale",
  behind: "behind",
  unproven: "unproven",
  "breach-unanswered": "breachUnanswered",
  "htlc-deadline": "htlcDeadline",
  "funding-false": "fundingFalse",
} as const;

export const toldOf = (alarm: Alarm): Reply<"heartbeat">["alarms"][number] => ({
  kind: kinds[alarm.kind],
  channel: "channel" in alarm ? alarm.channel : unknown,
  text: clip(sentenceOf(alarm), 256),
});
