/** signSplice: refused by name. A wrong sum is named first, because a host can mend that today. */

import { judge, refuse } from "../rule.ts";
import { spliceRules } from "../rules/splice.ts";
import { textOf } from "../rules/table.ts";
import { liveOf, noChannel, refused, type Step } from "../step.ts";

export const signSplice: Step<"signSplice", undefined> = {
  prepare: () => undefined,
  decide: ({ body, view }) => {
    const live = liveOf(view.channel);
    if (live === undefined) return noChannel(body.channel, view.channel);
    return refused(
      judge(spliceRules, { live, splice: body }) ??
        refuse(textOf("splice-countersigned"), { funding: body.funding.txid }),
    );
  },
};
