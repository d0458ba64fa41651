/** Writes records-v1.json, while version 1 is not released. Afterwards its bytes are on people's disks. */

import { writeFileSync } from "node:fs";
import { toHex } from "../../protocol/bytes.ts";
import { packChannel, packNode } from "../../signer/core/records.ts";
import { readable } from "./example.ts";
import { channelStates, nodeState } from "./records.ts";

const frozen = {
  node: { state: readable(nodeState), bytes: toHex(packNode(nodeState)) },
  channels: Object.fromEntries(
    Object.entries(channelStates).map(([name, state]) => [
      name,
      { state: readable(state), bytes: toHex(packChannel(state)) },
    ]),
  ),
};

writeFileSync(new URL("./records-v1.json", import.meta.url), `${JSON.stringify(frozen, null, 1)}\n`);
