/** Every decoder that bytes from outside, or from the disk, can reach. */

import type { Target } from "./check.ts";
import { bitcoinTargets } from "./targets/bitcoin.ts";
import { chainTargets } from "./targets/chain.ts";
import { deviceTargets } from "./targets/device.ts";
import { deviceProcessTargets } from "./targets/device-process.ts";
import { boltTargets } from "./targets/invoices.ts";
import { ldkTargets } from "./targets/ldk.ts";
import { linkTargets } from "./targets/link.ts";
import { nodeTargets } from "./targets/node.ts";
import { onchainTargets } from "./targets/onchain.ts";
import { protocolTargets } from "./targets/protocol.ts";
import { recordingTargets } from "./targets/recordings.ts";
import { signerTargets } from "./targets/signer.ts";
import { usbTargets } from "./targets/usb.ts";

export const targets: readonly Target[] = [
  ...protocolTargets,
  ...bitcoinTargets,
  ...chainTargets,
  ...deviceTargets,
  ...deviceProcessTargets,
  ...boltTargets,
  ...onchainTargets,
  ...ldkTargets,
  ...nodeTargets,
  ...signerTargets,
  ...linkTargets,
  ...usbTargets,
  ...recordingTargets,
];

export const targetOf = (name: string): Target | undefined => targets.find((one) => one.name === name);
