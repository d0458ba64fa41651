/**
 * Writes records-v2.json, while version 2 is not released. Afterwards its bytes are on people's disks, as those of
 * records-v1.json are.
 */

import { writeFileSync } from "node:fs";
import { toHex } from "../../protocol/bytes.ts";
import { packAllowlist, packApproval, packNode, packOutpoint, packPayment } from "../../signer/core/node-records.ts";
import { packChannel } from "../../signer/core/records.ts";
import { readable } from "./example.ts";
import { allowlistState, approvalStates, channelStates, nodeState, outpointStates, paymentStates } from "./records.ts";

const frozenOf = <T>(states: Readonly<Record<string, T>>, pack: (state: T) => Uint8Array) =>
  Object.fromEntries(
    Object.entries(states).map(([name, state]) => [
      name,
      { state: readable(state), bytes: toHex(pack(state)) },
    ]),
  );

const frozen = {
  nodes: frozenOf({ node: nodeState }, packNode),
  channels: frozenOf(channelStates, packChannel),
  payments: frozenOf(paymentStates, packPayment),
  approvals: frozenOf(approvalStates, packApproval),
  outpoints: frozenOf(outpointStates, packOutpoint),
  allowlists: frozenOf({ allowlist: allowlistState }, packAllowlist),
};

writeFileSync(new URL("./records-v2.json", import.meta.url), `${JSON.stringify(frozen, null, 1)}\n`);
