/** How each of a signer's devices stands, for `list` and `watch`: looked at for a moment, and never waited for long. */

import type { DeviceStage } from "../../protocol/device/requests.ts";
import { type KeyPair, LinkError, type LinkTimes } from "../../protocol/link.ts";
import type { PairedDevice } from "../../signer/device/pairing.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { Unable } from "../exit.ts";
import { reach } from "./reach.ts";
import { stageText } from "./sentences.ts";

/**
 * - in-use: another command or a signer has it. - unreachable: `why` says what hinders. - fault: it answers that it has one.
 */
export type Standing =
  | { readonly is: DeviceStage }
  | { readonly is: "in-use" }
  | { readonly is: "fault" | "unreachable"; readonly why: string };

/** A device that does not answer at once is not there: nobody wants to wait for a list. */
const times: Partial<LinkTimes> = { patienceMs: 2_000, stuckMs: 1_000 };

export const standingOf = async (dir: string, identity: KeyPair, device: PairedDevice): Promise<Standing> => {
  try {
    return await reach({ dir, identity, device, patienceMs: 0, times }, async ({ ask }) => {
      const answer = await ask({ is: "info" });
      if (answer.is === "info") return { is: answer.info.stage };
      return { is: "fault", why: answer.is === "fault" ? answer.sentence : "it answers what was not asked" };
    });
  } catch (error) {
    if (error instanceof SetupError && error.problem === "unavailable") return { is: "in-use" };
    if (error instanceof Unable || error instanceof LinkError)
      return { is: "unreachable", why: error.message };
    throw error;
  }
};

export const standingText = (standing: Standing): string => {
  switch (standing.is) {
    case "in-use":
      return "in use: a signer or another command has it";
    case "fault":
      return `FAULT: ${standing.why}`;
    case "unreachable":
      return `not reachable: ${standing.why}`;
    case "unprovisioned":
    case "seedless":
    case "locked":
    case "unlocked":
      return stageText[standing.is];
  }
};
