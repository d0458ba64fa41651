/**
 * A device in software. `boot` is what is inside of the case: flash, vault, screen, buttons, and the stages between them.
 * `simulateDevice` is the core behind a link in memory, with the caller's keyring; the two are not joined yet.
 */

import type { Connection } from "../protocol/wire/connection.ts";
import { memoryConnection } from "../protocol/wire/memory.ts";
import { openSession, type Road } from "../signer/core/session.ts";

export {
  type DeviceAnswer,
  type DeviceRequest,
  decodeDeviceAnswer,
  decodeDeviceRequest,
  encodeDeviceAnswer,
  encodeDeviceRequest,
  forCore,
  forDevice,
} from "../protocol/device/requests.ts";
export { type Booted, type BootOptions, boot } from "./boot.ts";
export { type CoreParts, coreBehind, type OwnKeyring } from "./core.ts";
export type {
  Consent,
  Device,
  Serve,
  Served,
  ServeParts,
} from "./device.ts";
export { type Flash, type FlashSim, fileMedium, memoryMedium, openFlash, PowerCut } from "./flash.ts";
export { formatFlash } from "./journal.ts";
export { type Button, render, type Screen } from "./screen.ts";

/** Requests and answers pass the same codec as on any other link. */
export const simulateDevice = async (road: Road): Promise<Connection> => {
  const session = await openSession(road);
  return memoryConnection({
    caller: { role: "host", node: session.node },
    respond: (request) => session.respond(request, "device"),
    onFault: road.report,
  });
};
