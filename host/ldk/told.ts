/** What the node tells its owner: plain objects that cross threads. Ids are hexadecimal; transactions as people read them. */

export type NodeEvent =
  | { readonly is: "started"; readonly node: string; readonly height: number }
  | { readonly is: "block"; readonly height: number }
  | { readonly is: "peerConnected" | "peerDisconnected"; readonly node: string }
  | {
      readonly is: "channelPending";
      readonly channel: string;
      readonly node: string;
      readonly funding: string;
    }
  | { readonly is: "channelReady"; readonly channel: string; readonly node: string }
  | {
      readonly is: "channelClosed";
      readonly channel: string;
      readonly node: string;
      readonly reason: string;
      readonly detail: string;
    }
  | {
      readonly is: "paymentReceived";
      readonly hash: string;
      readonly msat: bigint;
      readonly preimage?: string;
    }
  /** With `holdsPayments`: claimed or rejected before this height, or LDK fails it back. */
  | {
      readonly is: "paymentHeld";
      readonly hash: string;
      readonly msat: bigint;
      readonly deadline: number | undefined;
    }
  | {
      readonly is: "paymentSent";
      readonly id: string;
      readonly hash: string;
      readonly preimage: string;
      readonly feeMsat: bigint;
    }
  | { readonly is: "paymentFailed"; readonly id: string; readonly hash?: string; readonly reason: string }
  | { readonly is: "paymentForwarded"; readonly feeMsat: bigint; readonly onChain: boolean }
  | { readonly is: "spendable"; readonly outputs: number }
  /** Something did not work and is tried again, or needs a person. */
  | { readonly is: "trouble"; readonly what: string; readonly reason: string }
  /** `waits`: it is asked again until it passes, as after an approval. */
  | {
      readonly is: "refused";
      readonly operation: string;
      readonly rule: string;
      readonly sentence: string;
      readonly waits: boolean;
      /** A person is asked: what to type at the signer's machine, and what was asked goes on by itself. */
      readonly command?: string;
    }
  | { readonly is: "signer"; readonly state: "connected" | "disconnected" }
  | { readonly is: "log"; readonly level: string; readonly text: string }
  /** The worker ended, and begins again from what is on disk. */
  | { readonly is: "restarted"; readonly reason: string; readonly times: number }
  /** It ended too often, or could not begin. */
  | { readonly is: "failed"; readonly reason: string }
  | { readonly is: "stopped" };

export type Tell = (event: NodeEvent) => void;

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
