/** What a person goes through with the vault: a new seed, its words, the PIN, a wipe. */

import type { DeviceAnswer, DeviceRefusal } from "../protocol/device/requests.ts";
import { Secret } from "../protocol/secret.ts";
import { agree, enterPin, enterWords, knowsWords, newPin, type Person, showWords, tell } from "./entry.ts";
import type { Panel } from "./panel.ts";
import { entropyFrom, entropyLength, mixEntropy, type Vault, wordsOf } from "./vault.ts";

export const refuse = (why: DeviceRefusal, more: { waitMs?: number; left?: number } = {}): DeviceAnswer => ({
  is: "refused",
  why,
  waitMs: more.waitMs ?? 0,
  left: more.left ?? 0,
});
export const done: DeviceAnswer = { is: "done" };

export interface FlowsOptions {
  readonly vault: Vault;
  readonly panel: Panel;
  readonly random: (length: number) => Uint8Array;
  readonly tick: () => number;
  /** Of the device: closes what is served, and the vault. */
  readonly lock: () => void;
}

export const openFlows = ({ vault, panel, random, tick, lock }: FlowsOptions) => {
  /** Undefined: it was the right one. */
  const givePin = async (person: Person): Promise<DeviceAnswer | undefined> => {
    const waitMs = vault.waitMs(tick());
    if (waitMs > 0) return refuse("wait", { waitMs, left: vault.attemptsLeft });
    const pin = await enterPin(person, "PIN");
    panel.show({ is: "busy", title: "PIN" });
    const unlocking = vault.unlock(pin, tick());
    pin.wipe();
    switch (unlocking.is) {
      case "open":
        return undefined;
      case "wait":
        return refuse("wait", { waitMs: unlocking.waitMs, left: vault.attemptsLeft });
      case "wrong":
        return refuse("wrong-pin", { waitMs: unlocking.waitMs, left: unlocking.left });
      case "wiped":
        lock();
        return refuse("wiped");
    }
  };

  const choosePin = async (person: Person): Promise<void> => {
    const pin = await newPin(person);
    panel.show({ is: "busy", title: "PIN" });
    vault.setPin(pin);
    pin.wipe();
  };

  /** No seed that was never given back by the one who should have it. */
  const makeSeed = async (person: Person, host: Uint8Array): Promise<DeviceAnswer> => {
    await agree(person, "New seed", [
      { label: "Have ready", value: { is: "word", word: "paper and a pen" } },
      { label: "Nobody else may see", value: { is: "word", word: "the next 24 words" } },
    ]);
    if (vault.stage === "unprovisioned") await choosePin(person);
    const raw = random(entropyLength);
    const own = new Secret(raw);
    raw.fill(0);
    const entropy = mixEntropy(own, host);
    own.wipe();
    try {
      const words = wordsOf(entropy);
      do await showWords(person, words);
      while (!(await knowsWords(person, words)));
      vault.keepSeed(entropy, true);
    } finally {
      entropy.wipe();
    }
    lock();
    return done;
  };

  const restore = async (person: Person): Promise<DeviceAnswer> => {
    await agree(person, "Restore a seed", [
      { label: "Have ready", value: { is: "word", word: "its 24 words" } },
    ]);
    if (vault.stage === "unprovisioned") await choosePin(person);
    const entropy = entropyFrom(await enterWords(person));
    if (entropy === undefined) {
      await tell(
        person,
        "Not a seed",
        "The words do not fit together: one of them is wrong or out of place.",
      );
      return refuse("words");
    }
    vault.keepSeed(entropy, true);
    entropy.wipe();
    lock();
    return done;
  };

  const verify = async (person: Person): Promise<DeviceAnswer> => {
    const entropy = vault.entropy();
    const words = wordsOf(entropy);
    entropy.wipe();
    if (!(await knowsWords(person, words))) return refuse("words");
    vault.markVerified();
    return done;
  };

  const changePin = async (person: Person): Promise<DeviceAnswer> => {
    const refusal = await givePin(person);
    if (refusal !== undefined) return refusal;
    await choosePin(person);
    return done;
  };

  const wipe = async (person: Person): Promise<DeviceAnswer> => {
    await agree(person, "WIPE EVERYTHING", [
      { label: "Gone for good", value: { is: "word", word: "seed, PIN, pairings" } },
      { label: "Only the words", value: { is: "word", word: "bring keys back" } },
    ]);
    lock();
    vault.wipe();
    return done;
  };

  return { givePin, makeSeed, restore, verify, changePin, wipe };
};
