/** What one node's session knows of the chain: the view, each channel's part of it, and a block that is under way. */

import { toHex } from "../../../protocol/bytes.ts";
import type { Network } from "../../../protocol/operations/fields.ts";
import type { ChannelId, Script } from "../../../protocol/units.ts";
import { Fault } from "../fault.ts";
import type { OpenLedger } from "../payments/ledger.ts";
import { linesOf, settledBy, variantsOf } from "../payments/lines.ts";
import type { ChannelState } from "../state.ts";
import { type Change, liveOf } from "../step.ts";
import { deep, depthAt } from "./depths.ts";
import type { Onchain } from "./onchain.ts";
import { packOnchain, packView, unpackOnchain, unpackView } from "./records.ts";
import { type Checkpoint, startAt } from "./start.ts";
import { type ChainView, heightOf } from "./view.ts";

/** Whoever shows blocks, host or source, is believed in nothing that they do not prove. */
export interface ChainSettings {
  readonly checkpoint?: Checkpoint;
  /** The weaker mode: the host may show blocks in part, and what it leaves out is not missed. */
  readonly inPart?: boolean;
  /** The signer has a source of its own: hosts' blocks are not looked at. */
  readonly own?: boolean;
  /** Of a signet, and of no other network. */
  readonly challenge?: Script;
}

/** Parts of one block, in order. */
export interface Upload {
  readonly hash: Uint8Array;
  readonly parts: readonly Uint8Array[];
}

export interface ChainState {
  /** Undefined where none is followed. */
  readonly view: ChainView | undefined;
  /** Of channels that the chain has said anything of. */
  readonly onchain: ReadonlyMap<ChannelId, Onchain>;
  readonly upload: Upload | undefined;
}

export interface Book {
  readonly chain: ChainState;
  /** False for a record that is of another kind. */
  load(kind: string | undefined, id: string | undefined, bytes: Uint8Array): boolean;
  keep(upload: Upload): void;
  /** Records by their place under the node; what was never written need not be forgotten. */
  apply(change: Change): readonly (readonly [place: string, bytes: Uint8Array | undefined])[];
  /** What closed channels say of their hashes changes with each block. */
  touch(world: Touched): void;
}

export interface Touched {
  readonly change: Change;
  readonly channels: ReadonlyMap<ChannelId, ChannelState>;
  readonly ledger: OpenLedger;
}

export const openBook = ({
  network,
  chain: settings,
}: {
  readonly network: Network;
  readonly chain?: ChainSettings;
}): Book => {
  let view = settings === undefined ? undefined : startAt(network, settings.checkpoint);
  const onchain = new Map<ChannelId, Onchain>();
  let upload: Upload | undefined;

  const load = (kind: string | undefined, id: string | undefined, bytes: Uint8Array): boolean => {
    if (kind === "chain") {
      const stored = unpackView(bytes);
      if (stored.network !== network)
        throw new Fault(
          "store",
          `its blocks are of ${stored.network}, and the signer's network is ${network}`,
        );
      // Kept for the day on which it is followed again, and believed by nobody meanwhile.
      if (settings !== undefined) view = stored;
      return true;
    }
    if (kind !== "onchain" || id === undefined) return false;
    onchain.set(BigInt(id) as ChannelId, unpackOnchain(bytes));
    return true;
  };

  return {
    get chain() {
      return { view, onchain, upload };
    },
    load,
    keep: (next) => {
      upload = next;
    },
    apply: (change) => {
      const records: (readonly [string, Uint8Array | undefined])[] = [];
      if (change.chain !== undefined) {
        view = change.chain;
        upload = undefined;
        records.push(["chain", packView(view)]);
      }
      for (const [id, value] of change.onchain ?? []) {
        if (value === undefined ? !onchain.delete(id) : onchain.set(id, value) === undefined) continue;
        records.push([`onchain/${id}`, value === undefined ? undefined : packOnchain(value)]);
      }
      return records;
    },
    touch: ({ change, channels, ledger }) => {
      if (change.chain === undefined) return;
      const tip = heightOf(change.chain);
      for (const [id, { funding, close }] of onchain) {
        const live = liveOf(channels.get(id));
        // What came in on a funding counts from some depth on.
        const isYoung = funding.is === "confirmed" && depthAt(funding.height, tip) <= deep;
        if (live === undefined || (close === undefined && !isYoung && !change.onchain?.has(id))) continue;
        for (const variant of variantsOf(live)) {
          for (const hash of linesOf(variant).keys()) ledger.touch(hash);
          for (const hash of settledBy(variant).keys()) ledger.touch(hash);
        }
      }
    },
  };
};

/** As one name of an outpoint. */
export const nameOf = (txid: Uint8Array, index: number): string => `${toHex(txid)}:${index}`;
