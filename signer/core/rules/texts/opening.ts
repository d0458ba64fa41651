/** What an opening costs at most, and who agrees to it. */

import type { Texts } from "./text.ts";

const answer = "Let an approver decide: `countersign approvals list`, then `approve` or `deny`.";

export const openingTexts = {
  "channel-peer-limits": {
    kind: "limit",
    sentence: "The channels that are set up, and their total value, stay within the policy's limits.",
    hint: "Close channels, or raise maxChannels and maxChannelsValue.",
  },
  "velocity-funding": {
    kind: "limit",
    sentence: "What we put into channels within a day stays within the policy's limit.",
    hint: "Wait until an hour of yesterday is over, or raise maxFundedPerDay.",
  },
  "onchain-no-fund-inbound": {
    kind: "consent",
    sentence:
      "What we put into a channel, whoever opens it, is within the policy's limit, or a person agreed to it; and others pay for their share.",
    hint: `${answer} Where a funding transaction is refused: bring the previous transactions of others' inputs, which pay for what is theirs.`,
  },
} as const satisfies Texts;
