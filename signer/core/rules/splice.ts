/** What a splice must keep to. Nothing passes them all yet: no commitment on a new funding can be validated. */

import type { Request } from "../../../protocol/operations/index.ts";
import type { Rule } from "../rule.ts";
import type { Live } from "../state.ts";
import { rule } from "./table.ts";

export interface SpliceView {
  readonly live: Live;
  readonly splice: Request<"signSplice">;
}

export const spliceRules: readonly Rule<SpliceView>[] = [
  rule("splice-balance", ({ splice: { before, added, leaving, fee, after } }) => {
    const due = before + added - leaving - fee;
    return after === due ? undefined : { after, due };
  }),
];
