/** Red-team 13 and 4: what the signer's core refuses is refused by the device's, which a stolen signer asks directly. */

import { onDevices } from "../scripted/on-devices.ts";

onDevices();
for (const name of [
  ...["revocation", "variants", "identity", "gossip", "lies", "hostile"],
  ...["payments", "limits", "onchain", "onchain-approvals"],
])
  await import(`./${name}.test.ts`);
