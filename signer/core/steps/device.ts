/** deviceStanding, deviceLimits, deviceAnswer, deviceForget: the road's share. The device is asked beside it: see `signer/device/admin.ts`. */

import { toHex } from "../../../protocol/bytes.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import { limitsFault } from "../../../protocol/device/limits.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { Step } from "../step.ts";

export const withoutDevice = "the keys of this node are on no device";

export const deviceStanding: Step<"deviceStanding", undefined> = {
  prepare: () => undefined,
  decide: () => ({
    is: "told",
    reply: () => ({ keys: "sealed", name: "", standing: "open", because: "", now: unknown }),
  }),
};

export const deviceLimits: Step<"deviceLimits", undefined> = {
  prepare: ({ limits }) => {
    const fault = limitsFault(limits);
    if (fault !== undefined) throw new Malformed("limits", fault);
  },
  decide: ({ body: { limits, signatures } }) => ({
    is: "kept",
    change: {},
    detail: `${limits.approvers.length} approvers, ${limits.allowance} msat unasked; ${signatures.length} signatures`,
    reply: () => ({ result: "none", because: withoutDevice }),
  }),
};

export const deviceAnswer: Step<"deviceAnswer", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { approval, verdict, signatures } }) => ({
    is: "kept",
    change: {},
    detail: `${verdict} ${toHex(approval)}; ${signatures.length} signatures`,
    reply: () => ({ result: "none", because: withoutDevice }),
  }),
};

export const deviceForget: Step<"deviceForget", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { channel } }) => {
    const reply = () => ({ result: "none", because: withoutDevice, channels: [] }) as const;
    return isKnown(channel)
      ? { is: "kept", change: {}, detail: `channel ${channel}`, reply }
      : { is: "told", reply };
  },
};
