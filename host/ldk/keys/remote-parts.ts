import type { Curve } from "../../../protocol/curve/curve.ts";
import type { Place } from "../../../protocol/operations/spend.ts";
import type { ChannelId, NodeId, Signature } from "../../../protocol/units.ts";
import type { SignerLine } from "../bridge/line.ts";
import type { RemoteChannels } from "./remote-channels.ts";
import type { Tell } from "./remote-events.ts";
import type { Handshakes } from "./remote-handshake.ts";
import type { Road } from "./remote-road.ts";
import type { RemoteStore } from "./remote-store.ts";

/** What all parts of remote keys share. */
export interface Remote {
  readonly node: NodeId;
  readonly line: SignerLine;
  readonly road: Road;
  readonly store: RemoteStore;
  readonly channels: RemoteChannels;
  readonly handshakes: Handshakes;
  readonly curve: Curve;
  readonly tell: Tell;
  /** Of a script that the wallet gave out, or that a channel closes to. */
  place(script: Uint8Array): Place | undefined;
  /** Both signatures of a channel's announcement, or why not was told. */
  announce(message: Uint8Array, channel: ChannelId): Announced | undefined;
}

export interface Announced {
  readonly nodeSignature: Signature;
  readonly fundingSignature: Signature | undefined;
}
