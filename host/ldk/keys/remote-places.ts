/** Which key of the wallet a script belongs to: of addresses that were given out, and of what channels close to. */

import { HDKey } from "@scure/bip32";
import { p2wpkh } from "../../../protocol/bitcoin/script.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import type { Network } from "../../../protocol/operations/fields.ts";
import type { Reply } from "../../../protocol/operations/index.ts";
import type { Place } from "../../../protocol/operations/spend.ts";
import { type ChannelId, type Point, point, type Script } from "../../../protocol/units.ts";

export interface Places {
  /** Where a fresh address is: an account with a branch for receiving. */
  at(index: number): Place;
  script(place: Place): Script | undefined;
  /** Of those whose scripts are P2WPKH. */
  key(place: Place): Point | undefined;
  /** Of a script that was learned. */
  find(script: Uint8Array): Place | undefined;
  learn(script: Uint8Array, place: Place): void;
  /** A channel closes to a key of its own, or all do to the same: both are tried. */
  ofChannel(id: ChannelId, closing: Script): Place | undefined;
}

/** Of BIP 32: "xpub" on bitcoin, "tpub" elsewhere. */
const versionsOf = (network: Network): { readonly private: number; readonly public: number } =>
  network === "bitcoin"
    ? { private: 0x0488_ade4, public: 0x0488_b21e }
    : { private: 0x0435_8394, public: 0x0435_87cf };

const indices = 1n << 31n;

export const openPlaces = ({ network, accounts }: Reply<"identity">): Places => {
  const keys = accounts.map(({ xpub }) => HDKey.fromExtendedKey(xpub, versionsOf(network)));
  const learned = new Map<string, Place>();

  const keyAt = ({ account, branch, index }: Place): Point | undefined => {
    const key = keys[account];
    const plan = accounts[account];
    if (key === undefined || plan === undefined) return undefined;
    const { publicKey } = plan.branches.length === 0 ? key : key.deriveChild(branch).deriveChild(index);
    return publicKey === null ? undefined : point(Uint8Array.from(publicKey));
  };

  const key = (place: Place): Point | undefined => {
    const branches = accounts[place.account]?.branches;
    const kind = branches?.length === 0 ? "p2wpkh" : branches?.[place.branch];
    return kind === "p2wpkh" ? keyAt(place) : undefined;
  };

  const script = (place: Place): Script | undefined => {
    const found = key(place);
    return found === undefined ? undefined : p2wpkh(found);
  };

  const receiving = accounts.findIndex(({ branches }) => branches[0] === "p2wpkh");

  return {
    at: (index) => ({ account: receiving, branch: 0, index }),
    script,
    key,
    find: (wanted) => learned.get(toHex(wanted)),
    learn: (known, place) => void learned.set(toHex(known), place),
    ofChannel: (id, closing) => {
      for (const account of accounts.keys())
        for (const index of [Number(id % indices), 0]) {
          const place = { account, branch: 0, index };
          const made = script(place);
          if (made !== undefined && equal(made, closing)) return place;
        }
      return undefined;
    },
  };
};
