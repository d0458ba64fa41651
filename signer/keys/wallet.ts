/** The on-chain wallet of a node: accounts of BIP 32. Secrets are derived from the seed for each use. */

import { op, p2wpkh, script } from "../../protocol/bitcoin/script.ts";
import { p2trOf, tapTweak } from "../../protocol/bitcoin/taproot.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { hash160 } from "../../protocol/hash.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import type { Secret } from "../../protocol/secret.ts";
import type { ChannelId, Point, Script } from "../../protocol/units.ts";
import type { Account } from "../core/ports.ts";
import {
  type ExtendedPoint,
  type ExtendedSecret,
  keyAt,
  type Path,
  type PublicAccount,
  pathText,
  publicAccount,
  publicChildOf,
  wipe,
} from "./bip32.ts";

/** `p2tr` has no script tree (BIP 86). */
export type AccountKind = Account["branches"][number];

/** Where a key of the wallet is. That of an account without branches is at branch 0, index 0. */
export interface WalletPlace {
  readonly account: number;
  readonly branch: number;
  readonly index: number;
}

export interface Wallet {
  readonly accounts: readonly Account[];
  /** Undefined where the wallet has no such place. */
  point(place: WalletPlace): Point | undefined;
  script(place: WalletPlace): Script | undefined;
  form(place: WalletPlace): AccountKind | undefined;
  /** What signs for the script at that place; with `p2tr`, the secret of the output key. */
  secret(place: WalletPlace): Secret | undefined;
}

export interface AccountPlan {
  /** `seed`: the BIP 39 seed's own master key, so that any wallet finds the account. */
  readonly master: { readonly name: string; readonly open: () => ExtendedSecret };
  readonly path: Path;
  /** 0 for receiving, 1 for change. None: the account's own key alone, as P2WPKH. */
  readonly branches: Account["branches"];
}

export interface WalletOptions {
  readonly curve: Curve;
  readonly network: Network;
  readonly accounts: readonly AccountPlan[];
}

const indices = 1n << 31n;
/** Ids above 2^31 share an index with a lower one: no money is lost by that, only privacy. */
export const indexOf = (id: ChannelId): number => Number(id % indices);

export const openWallet = ({ curve, network, accounts: plans }: WalletOptions): Wallet => {
  const withMaster = <T>({ master }: AccountPlan, action: (master: ExtendedSecret) => T): T => {
    const opened = master.open();
    try {
      return action(opened);
    } finally {
      wipe(opened);
    }
  };
  const known = plans.map((plan) => ({
    plan,
    open: withMaster(plan, (master) => publicAccount(curve, master, plan.path, network)),
  }));

  interface Found {
    readonly plan: AccountPlan;
    readonly open: PublicAccount;
    readonly kind: AccountKind;
    readonly below: Path;
  }
  const find = ({ account, branch, index }: WalletPlace): Found | undefined => {
    const found = known[account];
    if (found === undefined || !Number.isInteger(index) || index < 0 || index >= indices) return undefined;
    const { branches } = found.plan;
    if (branches.length === 0)
      return branch === 0 && index === 0 ? { ...found, kind: "p2wpkh", below: [] } : undefined;
    const kind = branches[branch];
    return kind === undefined ? undefined : { ...found, kind, below: [branch, index] };
  };

  const pointAt = ({ open, below }: Found): Point =>
    below.reduce<ExtendedPoint>((at, step) => publicChildOf(curve, at, step), open).point;

  const scriptAt = (found: Found): Script => {
    const point = pointAt(found);
    switch (found.kind) {
      case "p2wpkh":
        return p2wpkh(point);
      case "p2sh-p2wpkh":
        return script(op.hash160, hash160(p2wpkh(point)), op.equal);
      case "p2tr":
        return p2trOf(curve, point.subarray(1));
    }
  };

  const secretAt = ({ plan, kind, below }: Found): Secret => {
    const key = withMaster(plan, (master) => keyAt(curve, master, [...plan.path, ...below]));
    if (kind !== "p2tr") return key;
    try {
      return curve.tweakSecret(key, tapTweak(curve.publicKeyX(key)));
    } finally {
      key.wipe();
    }
  };

  const at =
    <T>(look: (found: Found) => T) =>
    (place: WalletPlace): T | undefined => {
      const found = find(place);
      return found === undefined ? undefined : look(found);
    };

  return {
    accounts: known.map(({ plan: { master, path, branches }, open: { xpub } }) => ({
      master: master.name,
      path: pathText(path),
      branches,
      xpub,
    })),
    point: at(pointAt),
    script: at(scriptAt),
    form: at(({ kind }) => kind),
    secret: at(secretAt),
  };
};
