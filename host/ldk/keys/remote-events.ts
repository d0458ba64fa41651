/** What whoever runs the node has to hear of its signer. */

import type { Name } from "../../../protocol/operations/index.ts";
import type { Fault, Refusal } from "../../../protocol/outcome.ts";
import type { ChannelId } from "../../../protocol/units.ts";
import type { ClientState } from "../../client.ts";

export type KeysEvent =
  /** `waits`: it is asked again until it passes. Else the channel, if it is about one, signs nothing that follows. */
  | {
      readonly is: "refused";
      readonly operation: Name;
      readonly channel: ChannelId | undefined;
      readonly refusal: Refusal;
      readonly waits: boolean;
    }
  /** The signer is broken, or the two do not understand each other. */
  | { readonly is: "trouble"; readonly operation: Name; readonly fault: Pick<Fault, "sentence"> }
  /** A callback of LDK that could not be served; what it was for is told as failed. */
  | { readonly is: "defect"; readonly where: string; readonly error: unknown }
  /** Blocks that can't be shown to the signer, or that it does not take; they are shown again. */
  | { readonly is: "feed"; readonly reason: string }
  | { readonly is: "signer"; readonly state: ClientState };

export type Tell = (event: KeysEvent) => void;
