import { mnemonicToSeedSync } from "@scure/bip39";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blockLength, type FlashSim, PowerCut } from "../../firmware-sim/flash.ts";
import { type Journal, openJournal } from "../../firmware-sim/journal.ts";
import {
  delayAfter,
  entropyFrom,
  fingerprintOf,
  mixEntropy,
  mostAttempts,
  openVault,
  type Vault,
  wordsOf,
} from "../../firmware-sim/vault.ts";
import { equal, fromHex } from "../../protocol/bytes.ts";
import { Secret } from "../../protocol/secret.ts";
import { random } from "../fuzz/random.ts";
import { steady } from "../steady.ts";
import { freshFlash } from "./firmware.kit.ts";

const device = new Secret(new Uint8Array(32).fill(9));
const pinOf = (digits: string): Secret => new Secret(new TextEncoder().encode(digits));
const right = pinOf("314159");
const wrong = pinOf("271828");
const entropy = new Secret(Uint8Array.from({ length: 32 }, (_, i) => 7 * i));
const bytesOf = (secret: Secret): Uint8Array => secret.use((raw) => raw.slice());

const opened = (flash: FlashSim, tick = 0): { readonly vault: Vault; readonly journal: Journal } => {
  const journal = openJournal(flash);
  return { journal, vault: openVault({ journal, device, random: random(4).bytes, tick }) };
};

const provisioned = (): FlashSim => {
  const flash = freshFlash(1, 4);
  const { vault } = opened(flash);
  vault.setPin(right);
  vault.keepSeed(entropy, true);
  flash.powerOn();
  return flash;
};

const later = (): number => 10 ** 9;

describe("the seed", () => {
  test("is mixed of both entropies: one of them unknown makes all of it unknown", () => {
    const [own, host] = [new Secret(new Uint8Array(32).fill(1)), new Uint8Array(32).fill(2)];
    const mixed = bytesOf(mixEntropy(own, host));
    expect(mixed).toHaveLength(32);
    for (let i = 0; i < 32; i++) {
      expect(bytesOf(mixEntropy(own, host.with(i, 3)))).not.toEqual(mixed);
      expect(bytesOf(mixEntropy(new Secret(bytesOf(own).with(i, 3)), host))).not.toEqual(mixed);
    }
    expect(mixed).not.toEqual(host);
  });

  test("is the words', both ways, and of BIP 39 with and without a passphrase", () => {
    const words = wordsOf(entropy);
    expect(words).toHaveLength(24);
    const back = entropyFrom(words);
    expect(back && bytesOf(back)).toEqual(bytesOf(entropy));
    expect(entropyFrom(words.with(3, words[4] ?? ""))).toBeUndefined();
    expect(entropyFrom(words.slice(1))).toBeUndefined();
    const { vault } = opened(provisioned());
    expect(vault.unlock(right, 0)).toEqual({ is: "open" });
    expect(bytesOf(vault.seed())).toEqual(mnemonicToSeedSync(words.join(" ")));
    const passphrase = new Secret(new TextEncoder().encode("two words"));
    expect(bytesOf(vault.seed(passphrase))).toEqual(mnemonicToSeedSync(words.join(" "), "two words"));
    expect(fingerprintOf(vault.seed())).not.toEqual(fingerprintOf(vault.seed(passphrase)));
  });

  test("of a vector of BIP 39 is the vector's", () => {
    const zero = new Secret(new Uint8Array(32));
    expect(wordsOf(zero).at(-1)).toBe("art");
    const flash = freshFlash(2, 4);
    const { vault } = opened(flash);
    vault.setPin(right);
    vault.keepSeed(zero, true);
    expect(bytesOf(vault.seed(new Secret(new TextEncoder().encode("TREZOR"))))).toEqual(
      fromHex(
        "bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d73245cafa9c3cca8d561a7c3de6f5d4a10be8ed2a5e608d68f92fcc8",
      ),
    );
  });

  test("is nowhere in the flash as it is, nor what opens it", () => {
    const flash = provisioned();
    const { vault } = opened(flash);
    vault.unlock(right, 0);
    const cells = Buffer.from(flash.read(0, flash.blocks * blockLength));
    const hidden = [bytesOf(entropy), bytesOf(vault.seed()), bytesOf(device), bytesOf(right)];
    for (const one of hidden) expect(cells.includes(Buffer.from(one.subarray(0, 6)))).toBe(false);
    for (const word of wordsOf(entropy)) expect(cells.includes(word)).toBe(false);
    // The same flash in another chip, with the right PIN.
    const fork = flash.fork({ int: random(1).int });
    const other = openVault({
      journal: openJournal(fork),
      device: new Secret(new Uint8Array(32).fill(8)),
      random: random(4).bytes,
      tick: 0,
    });
    expect(other.unlock(right, 0).is).toBe("wrong");
  });

  test("can't be had from a locked vault, nor put over another", () => {
    const { vault } = opened(provisioned());
    expect(vault.stage).toBe("locked");
    for (const action of [vault.entropy, vault.seed, () => vault.secret("pages"), () => vault.setPin(wrong)])
      expect(action).toThrow("locked");
    vault.unlock(right, 0);
    expect(() => vault.keepSeed(entropy, false)).toThrow("there is a seed");
    vault.lock();
    expect(vault.entropy).toThrow("locked");
  });
});

describe("a PIN", () => {
  test("is waited for twice as long each time, also after a new start, and a tick that goes back helps nobody", () => {
    const flash = provisioned();
    let { vault } = opened(flash, 0);
    let tick = 0;
    for (let count = 1; count < mostAttempts; count++) {
      expect(vault.unlock(wrong, tick)).toEqual({
        is: "wrong",
        left: mostAttempts - count,
        waitMs: delayAfter(count),
      });
      const waitMs = 1_000 * 2 ** (count - 1);
      expect(vault.unlock(right, tick + waitMs - 1)).toEqual({ is: "wait", waitMs: 1 });
      expect(vault.unlock(right, tick - 10 ** 6)).toMatchObject({ is: "wait" });
      if (count === 4) {
        flash.powerOn();
        tick = 0;
        vault = opened(flash, 0).vault;
        expect(vault.waitMs(0)).toBe(waitMs);
        expect(vault.unlock(right, waitMs - 1)).toEqual({ is: "wait", waitMs: 1 });
      }
      tick += waitMs;
    }
    expect(vault.attemptsLeft).toBe(1);
    expect(vault.unlock(right, tick)).toEqual({ is: "open" });
    expect(vault.attemptsLeft).toBe(mostAttempts);
  });

  test("that is wrong too often wipes everything but the counter", () => {
    const flash = provisioned();
    const { vault, journal } = opened(flash);
    const before = journal.counter;
    for (let count = 1; count < mostAttempts; count++) vault.unlock(wrong, later() * count);
    expect(vault.unlock(wrong, later() * mostAttempts)).toEqual({ is: "wiped" });
    expect(vault.stage).toBe("unprovisioned");
    expect(journal.counter).toBeGreaterThan(before);
    expect(journal.entries("vault")).toEqual([]);
    expect(vault.waitMs(later() * mostAttempts)).toBe(0);
  });

  test("is counted before it is compared: no cut at any write saves an attempt, and the last one wipes", () => {
    for (const used of [0, mostAttempts - 1]) {
      let cuts = 0;
      for (let at = 0; ; at++) {
        const flash = provisioned();
        const first = opened(flash).vault;
        for (let count = 1; count <= used; count++) first.unlock(wrong, later() * count);
        let seen: string | undefined;
        flash.cutAfter(at);
        try {
          seen = first.unlock(wrong, later() * mostAttempts).is;
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
        }
        const isOver = seen !== undefined;
        flash.powerOn();
        const { vault } = opened(flash);
        const left = vault.stage === "unprovisioned" ? 0 : vault.attemptsLeft;
        // Before the attempt is in flash nothing was compared.
        const hadCounted = at >= 5;
        if (hadCounted || isOver) expect(left).toBe(mostAttempts - used - 1);
        if (left === 0) expect(vault.stage).toBe("unprovisioned");
        if (isOver) break;
        cuts++;
      }
      expect(cuts).toBeGreaterThan(used === 0 ? 4 : 8);
    }
  });

  test("is compared only when its attempt is in flash", () => {
    const flash = provisioned();
    const { journal } = opened(flash);
    // A PIN is compared where its salt is read: what does flash say at that moment?
    const counted: number[] = [];
    const watched: Journal = {
      ...journal,
      get: (place) => {
        if (place === "vault/0") counted.push(journal.get("vault/1")?.[0] ?? 0);
        return journal.get(place);
      },
      commit: journal.commit,
    };
    const vault = openVault({ journal: watched, device, random: random(4).bytes, tick: 0 });
    counted.length = 0;
    vault.unlock(wrong, 0);
    // Whether there is one at all, and then the comparison.
    expect(counted).toEqual([0, 1]);
  });

  test("can be changed, and the old one opens nothing", () => {
    const flash = provisioned();
    const { vault } = opened(flash);
    vault.unlock(right, 0);
    vault.setPin(wrong);
    flash.powerOn();
    const again = opened(flash).vault;
    expect(again.unlock(right, 0).is).toBe("wrong");
    expect(again.unlock(wrong, later())).toEqual({ is: "open" });
    expect(equal(bytesOf(again.entropy()), bytesOf(entropy))).toBe(true);
    for (const length of [0, 3, 13])
      expect(() => again.setPin(pinOf("1".repeat(length)))).toThrow(RangeError);
  });

  test("whatever is tried: opens with the right one alone, and never more often than allowed", () => {
    const tries = fc.array(fc.tuple(fc.boolean(), fc.nat(3_000_000), fc.boolean()), { maxLength: 14 });
    steady(
      fc.property(tries, (list) => {
        const flash = provisioned();
        let { vault } = opened(flash);
        let [tick, inRow] = [0, 0];
        for (const [isRight, pause, restarts] of list) {
          if (restarts) {
            flash.powerOn();
            tick = 0;
            vault = opened(flash).vault;
          }
          tick += pause;
          const isWaiting = vault.waitMs(tick) > 0;
          const { is } = vault.unlock(isRight ? right : wrong, tick);
          if (isWaiting) expect(is).toBe("wait");
          else if (isRight) expect(is).toBe("open");
          else expect(is).toBe(++inRow === mostAttempts ? "wiped" : "wrong");
          if (is === "open") inRow = 0;
          if (is === "wiped") return;
          expect(vault.attemptsLeft).toBe(mostAttempts - inRow);
        }
      }),
      { numRuns: 10 },
    );
  });
});

test("nothing secret is printed", () => {
  const { vault } = opened(provisioned());
  vault.unlock(right, 0);
  expect(JSON.stringify([vault.entropy(), vault.seed()])).toBe('["[secret]","[secret]"]');
});
