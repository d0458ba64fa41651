/**
 * The seed and what guards it. A root key is sealed under the PIN, the seed's entropy under the root, so that a new PIN
 * leaves all else as it is. An attempt is counted in flash before the PIN is compared: whoever cuts the power when he
 * sees that it was wrong has used up an attempt.
 */

import { entropyToMnemonic, mnemonicToEntropy, mnemonicToSeedSync } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { bool, fixed, message, u8, unpack } from "../protocol/codec.ts";
import type { DeviceStage } from "../protocol/device/requests.ts";
import { sha256 } from "../protocol/hash.ts";
import { invalid, Malformed } from "../protocol/malformed.ts";
import { Secret } from "../protocol/secret.ts";
import type { Journal, Place } from "./journal.ts";
import { deriveSecret, nonceLength, seal, sealKeyLength, stretchPin, tagLength, unseal } from "./seal.ts";

export const entropyLength = 32;
export const wordCount = 24;
export const pinLengths = { least: 4, most: 12 } as const;
/** The wrong PIN so often, and everything is wiped. */
export const mostAttempts = 10;
/** Milliseconds from one attempt to the next: after the first wrong one a second, then twice as long each time. */
export const delayAfter = (wrong: number): number => (wrong === 0 ? 0 : 1_000 * 2 ** (wrong - 1));

const lockAt: Place = "vault/0";
const attemptsAt: Place = "vault/1";
const seedAt: Place = "vault/2";

const bytes = (unit: string, length: number) => fixed(unit, length, (raw) => raw);
const version = u8("version", (n) => {
  if (n !== 1) throw invalid(`${n} is not known to this firmware`);
  return n;
});
const saltLength = 16;
const lockRecord = message("VaultLock", {
  version,
  salt: bytes("of the PIN", saltLength),
  root: bytes("sealed root key", sealKeyLength + tagLength),
}).packed;
const seedRecord = message("VaultSeed", {
  version,
  /** Whether its owner gave words of it back. */
  isVerified: bool,
  nonce: bytes("of the seal", nonceLength),
  entropy: bytes("sealed entropy", entropyLength + tagLength),
}).packed;

/** A key that is used once needs no nonce: the salt is new with each PIN. */
const once = new Uint8Array(nonceLength);
const aboutRoot = new TextEncoder().encode("countersign device root/1");
const aboutSeed = (isVerified: boolean): Uint8Array =>
  new TextEncoder().encode(`countersign device seed/1/${isVerified}`);

/** From both sources: who knows or chooses one of them knows nothing of the result. */
export const mixEntropy = (own: Secret, host: Uint8Array): Secret => deriveSecret(own, "entropy", host);

export const wordsOf = (entropy: Secret): readonly string[] =>
  entropy.use((raw) => entropyToMnemonic(raw, wordlist)).split(" ");

/** Undefined where the words do not fit together. */
export const entropyFrom = (words: readonly string[]): Secret | undefined => {
  if (words.length !== wordCount) return undefined;
  let raw: Uint8Array;
  try {
    raw = mnemonicToEntropy(words.join(" "), wordlist);
  } catch {
    return undefined;
  }
  const entropy = new Secret(raw);
  raw.fill(0);
  return entropy;
};

/** BIP 39; without a passphrase the same as the signer's own seeds. */
const seedFrom = (entropy: Secret, passphrase: Secret | undefined): Secret => {
  const extra = passphrase?.use((raw) => new TextDecoder().decode(raw)) ?? "";
  const raw = mnemonicToSeedSync(wordsOf(entropy).join(" "), extra);
  const seed = new Secret(raw);
  raw.fill(0);
  return seed;
};

/** Tells seeds apart that passphrases make of the same words; shown, and written beside them. */
export const fingerprintOf = (seed: Secret): Uint8Array => {
  const raw = deriveSecret(seed, "fingerprint");
  return raw.use((key) => sha256(key).slice(0, 4));
};

/**
 * - unprovisioned: no PIN. - locked: it has one. - seedless: the PIN was given, and there is no seed. - unlocked: it was,
 * and there is one.
 */

export type Unlocking =
  | { readonly is: "open" }
  | { readonly is: "wrong"; readonly left: number; readonly waitMs: number }
  | { readonly is: "wait"; readonly waitMs: number }
  | { readonly is: "wiped" };

export interface Vault {
  readonly stage: DeviceStage;
  readonly attemptsLeft: number;
  readonly isVerified: boolean;
  /** Until a PIN is compared again. */
  waitMs(tick: number): number;
  /** The first one, or in the place of the one that was given. */
  setPin(pin: Secret): void;
  unlock(pin: Secret, tick: number): Unlocking;
  lock(): void;
  /** The vault keeps a copy of its own. */
  keepSeed(entropy: Secret, isVerified: boolean): void;
  markVerified(): void;
  /** Both are the caller's, to be wiped. */
  entropy(): Secret;
  seed(passphrase?: Secret): Secret;
  /** Of the device with this PIN's root, for what it seals beside. */
  secret(label: string): Secret;
  /** Everything in the journal but its counter. */
  wipe(): void;
}

export interface VaultOptions {
  readonly journal: Journal;
  /** Burnt into the chip, and not in the flash. */
  readonly device: Secret;
  readonly random: (length: number) => Uint8Array;
  /** Milliseconds that never go back, from any beginning: delays begin again with each start. */
  readonly tick: number;
}

export const openVault = ({ journal, device, random, tick: started }: VaultOptions): Vault => {
  let root: Secret | undefined;

  const read = <T>(place: Place, unpacked: (raw: Uint8Array) => T): T | undefined => {
    const raw = journal.get(place);
    if (raw === undefined) return undefined;
    try {
      return unpacked(raw);
    } catch (error) {
      // Its sum held, so this firmware or another one wrote it so: no bytes of somebody else's.
      if (error instanceof Malformed) throw new Error(`${place} can't be read: ${error.message}`);
      throw error;
    }
  };
  const lockNow = () => read(lockAt, (raw) => unpack(lockRecord, raw));
  const seedNow = () => read(seedAt, (raw) => unpack(seedRecord, raw));
  const wrongNow = (): number => journal.get(attemptsAt)?.[0] ?? 0;
  const setWrong = (count: number): void => {
    journal.commit(new Map([[attemptsAt, count === 0 ? undefined : Uint8Array.of(count)]]));
  };

  let notBefore = started + delayAfter(wrongNow());

  /** A tick may have a fraction, and less than a millisecond is still a wait. */
  const waitMs = (tick: number): number => Math.ceil(Math.max(0, notBefore - tick));

  const opened = (): Secret => {
    if (root === undefined) throw new Error("the vault is locked");
    return root;
  };

  const lock = (): void => {
    root?.wipe();
    root = undefined;
  };

  const wipe = (): void => {
    lock();
    journal.wipe();
    notBefore = started;
  };

  const under = <T>(label: string, action: (key: Secret) => T): T => {
    const key = deriveSecret(opened(), label);
    try {
      return action(key);
    } finally {
      key.wipe();
    }
  };

  const writeSeed = (entropy: Secret, isVerified: boolean): void => {
    const nonce = random(nonceLength);
    const sealed = under("seed", (key) =>
      entropy.use((raw) => {
        if (raw.length !== entropyLength) throw new RangeError(`an entropy of ${raw.length} bytes`);
        return seal(key, nonce, aboutSeed(isVerified), raw);
      }),
    );
    const record = seedRecord.encode({ version: 1, isVerified, nonce, entropy: sealed });
    journal.commit(new Map([[seedAt, record]]));
  };

  const entropy = (): Secret => {
    const stored = seedNow();
    if (stored === undefined) throw new Error("there is no seed");
    const raw = under("seed", (key) =>
      unseal(key, stored.nonce, aboutSeed(stored.isVerified), stored.entropy),
    );
    const secret = new Secret(raw);
    raw.fill(0);
    return secret;
  };

  const withEntropy = <T>(action: (secret: Secret) => T): T => {
    const secret = entropy();
    try {
      return action(secret);
    } finally {
      secret.wipe();
    }
  };

  const rootUnder = (pin: Secret): Secret | undefined => {
    const stored = lockNow();
    if (stored === undefined) return undefined;
    const key = stretchPin(pin, stored.salt, device);
    try {
      const raw = unseal(key, once, aboutRoot, stored.root);
      const found = new Secret(raw);
      raw.fill(0);
      return found;
    } catch (error) {
      if (error instanceof Malformed) return undefined;
      throw error;
    } finally {
      key.wipe();
    }
  };

  const stage = (): DeviceStage => {
    if (lockNow() === undefined) return "unprovisioned";
    if (root === undefined) return "locked";
    return seedNow() === undefined ? "seedless" : "unlocked";
  };

  // Cut off after the last attempt was counted, and before it was wiped.
  if (wrongNow() >= mostAttempts) wipe();

  return {
    get stage() {
      return stage();
    },
    get attemptsLeft() {
      return mostAttempts - wrongNow();
    },
    get isVerified() {
      return seedNow()?.isVerified ?? false;
    },
    waitMs,
    setPin: (pin) => {
      const length = pin.use((digits) => digits.length);
      if (length < pinLengths.least || length > pinLengths.most)
        throw new RangeError("not the length of a PIN");
      if (lockNow() === undefined) {
        const raw = random(sealKeyLength);
        root = new Secret(raw);
        raw.fill(0);
      }
      const salt = random(saltLength);
      const key = stretchPin(pin, salt, device);
      const sealed = opened().use((raw) => seal(key, once, aboutRoot, raw));
      key.wipe();
      journal.commit(new Map([[lockAt, lockRecord.encode({ version: 1, salt, root: sealed })]]));
    },
    unlock: (pin, tick) => {
      if (lockNow() === undefined) throw new Error("there is no PIN");
      if (waitMs(tick) > 0) return { is: "wait", waitMs: waitMs(tick) };
      const wrong = wrongNow() + 1;
      setWrong(wrong);
      const found = rootUnder(pin);
      if (found !== undefined) {
        setWrong(0);
        lock();
        root = found;
        return { is: "open" };
      }
      if (wrong >= mostAttempts) {
        wipe();
        return { is: "wiped" };
      }
      notBefore = tick + delayAfter(wrong);
      return { is: "wrong", left: mostAttempts - wrong, waitMs: delayAfter(wrong) };
    },
    lock,
    keepSeed: (fresh, isVerified) => {
      if (seedNow() !== undefined) throw new Error("there is a seed");
      writeSeed(fresh, isVerified);
    },
    markVerified: () => withEntropy((secret) => writeSeed(secret, true)),
    entropy,
    seed: (passphrase) => withEntropy((secret) => seedFrom(secret, passphrase)),
    secret: (label) => under("other", (key) => deriveSecret(key, label)),
    wipe,
  };
};
