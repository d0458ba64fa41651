/** A channel from its opening to its end with its keys on a device, and what each of its requests met there. */

import type { FlashSim } from "../../firmware-sim/flash.ts";
import type { CoreAnswer, CoreRequest } from "../../protocol/device/core.ts";
import { unpackRequest } from "../../protocol/operations/index.ts";
import { random } from "../fuzz/random.ts";
import { add, htlcOf, keysendOf, plainTerms, preimageOf, remove } from "./channel.ts";
import { closeOf } from "./close.ts";
import { type Core, openCore, rigOver } from "./device-rig.ts";
import type { Rig } from "./road.ts";
import { evenTerms, scene } from "./scene.ts";

/** A device has room for so many. */
export const deviceTerms = evenTerms({
  type: "anchors",
  holder: { ...plainTerms().holder, maxAcceptedHtlcs: 50 },
});

/** Opening, updates with HTLCs either way, a payment that a person agrees to, and a mutual close. */
export const wholeLife = async (rig: Rig): Promise<void> => {
  const { node } = rig.session;
  const on = await scene({ signer: rig, terms: deviceTerms });
  const out = htlcOf("holder", 50_000_000n, "a");
  const into = htlcOf("counterparty", 20_000_000n, "b");
  await on.advance(0n, on.start);
  await rig.call("proposePayment", keysendOf(node, out));
  const first = add(on.start, out);
  await on.advance(1n, first);
  const both = add(first, into);
  await on.advance(2n, both);
  const paid = remove(both, out, "fulfil");
  await on.advance(3n, paid, [preimageOf("a")]);
  const last = remove(paid, into, "fail");
  await on.advance(4n, last);
  const close = closeOf(on.opened, last, 400n);
  if (close === undefined) throw new Error("the opener can pay");
  await rig.call("signClosing", close);
};

/** One request, what was there before it, and its answer. */
export interface Moment {
  readonly request: CoreRequest & { readonly is: "judge" };
  readonly flash: FlashSim;
  readonly pages: ReadonlyMap<string, Uint8Array>;
  readonly step: bigint;
  /** Questions that the person said yes to, and nothing was done with. */
  readonly agreed: readonly Uint8Array[];
  readonly answer: CoreAnswer;
  /** Words that it programmed, and blocks that it erased. */
  readonly writes: number;
}

export interface Recorded {
  readonly moments: readonly Moment[];
  readonly core: Core;
}

export const recordLife = async (life: (rig: Rig) => Promise<void> = wholeLife): Promise<Recorded> => {
  const core = await openCore();
  const begun = await core.load();
  if (begun.is !== "begun") throw new Error(begun.is);
  const moments: Moment[] = [];
  const agreed: Uint8Array[] = [];
  const watched: Core = {
    ...core,
    judge: async (asked, now) => {
      const before = {
        flash: core.flash.fork({ int: random(1).int }),
        pages: new Map(core.pages),
        step: core.step,
      };
      const writes = core.flash.steps;
      const { request, answer } = await core.shown(asked, now);
      moments.push({ request, ...before, agreed: [...agreed], answer, writes: core.flash.steps - writes });
      return answer;
    },
    ask: async (request) => {
      const answer = await core.ask(request);
      if (request.is === "consult" && answer.is === "verdict") agreed.push(request.approval);
      return answer;
    },
  };
  await life(
    rigOver(watched, { proposes: false, withPerson: true }, () => Promise.reject(new Error("no restart"))),
  );
  return { moments, core };
};

export const nameOf = ({ request }: Moment): string => unpackRequest(request.request).name;
