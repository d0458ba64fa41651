/** From power to a device: its flash is found in order, or it says what is wrong and does nothing. */

import type { Secret } from "../protocol/secret.ts";
import { FlashFault } from "./bank.ts";
import { type Device, type DeviceParts, runDevice } from "./device.ts";
import type { Flash } from "./flash.ts";
import { type Journal, openJournal } from "./journal.ts";
import { openPanel, type Panel } from "./panel.ts";
import type { Screen } from "./screen.ts";
import { openVault } from "./vault.ts";

export interface BootOptions
  extends Pick<DeviceParts, "random" | "int" | "tick" | "serve" | "firmware" | "onFault"> {
  readonly flash: Flash;
  /** 32 bytes that the factory burnt into the chip, outside of the flash. */
  readonly secret: Secret;
  readonly onShow?: (screen: Screen) => void;
}

export type Booted =
  | { readonly is: "running"; readonly panel: Panel; readonly journal: Journal; readonly device: Device }
  /** Its memory is damaged: the words, and what the signer keeps, are what is left. */
  | { readonly is: "damaged"; readonly panel: Panel; readonly fault: FlashFault };

const sentences = {
  blank: "This device has no memory. It was never finished, or lost it.",
  corrupt: "The memory is damaged. Use the words on another device.",
  full: "The memory is full.",
  broken: "The memory is worn out. Use the words on another device.",
} as const;

export const boot = ({ flash, secret, onShow, ...parts }: BootOptions): Booted => {
  const panel = openPanel({ is: "busy", title: "Countersign" }, onShow);
  try {
    const journal = openJournal(flash);
    const vault = openVault({ journal, device: secret, random: parts.random, tick: parts.tick() });
    return { is: "running", panel, journal, device: runDevice({ ...parts, journal, vault, panel }) };
  } catch (error) {
    if (!(error instanceof FlashFault)) throw error;
    panel.show({ is: "notice", title: "FAULT", text: sentences[error.why] });
    return { is: "damaged", panel, fault: error };
  }
};
