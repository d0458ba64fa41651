/** The device as a whole: what it answers in each of its stages, and what a person does meanwhile. */

import { concat, equal, toHex } from "../protocol/bytes.ts";
import {
  type DeviceAnswer,
  type DeviceRequest,
  decodeDeviceRequest,
  encodeDeviceAnswer,
  forCore,
  forDevice,
  longestFirmware,
  messagesVersion,
} from "../protocol/device/requests.ts";
import type { Compare } from "../protocol/link/comparison.ts";
import type { Request } from "../protocol/link/requests.ts";
import { invalid, Malformed } from "../protocol/malformed.ts";
import { clip } from "../protocol/outcome.ts";
import type { Secret } from "../protocol/secret.ts";
import { agree, consents, Denied, enterPassphrase, newPassphrase, type Person } from "./entry.ts";
import { done, openFlows, refuse } from "./flows.ts";
import type { Journal, Place } from "./journal.ts";
import { rootIn } from "./ledger.ts";
import type { Panel } from "./panel.ts";
import type { Button, Fact, Screen } from "./screen.ts";
import { fingerprintOf, type Vault } from "./vault.ts";

/** The core over this seed, from an unlocking to the next lock. */
export interface Served {
  answer(request: Uint8Array, about: Request): Promise<Uint8Array>;
  close(): void;
}

/** Undefined where a person is asked something else at this moment. */
export type Consent = (about: Request, title: string, facts: readonly Fact[]) => Promise<boolean | undefined>;

export interface ServeParts {
  /** The caller's, and wiped when it is served. */
  readonly seed: Secret;
  readonly journal: Journal;
  /** Of the pages; the caller's. */
  readonly key: Secret;
  /** Milliseconds that never go back, from any beginning. */
  readonly tick: () => number;
  readonly consent: Consent;
  readonly onFault: (error: unknown) => void;
}
export type Serve = (parts: ServeParts) => Promise<Served>;

export const mostSigners = 8;
/** Milliseconds in which a signer may pair, once a person has opened it. */
export const pairingOpen = 60_000;

export interface DeviceParts {
  readonly journal: Journal;
  readonly vault: Vault;
  readonly panel: Panel;
  readonly random: (length: number) => Uint8Array;
  readonly int: (below: number) => number;
  /** Milliseconds that never go back, from any beginning. */
  readonly tick: () => number;
  readonly serve: Serve;
  /** Its name and version, as it tells them. */
  readonly firmware?: string;
  readonly onFault: (error: unknown) => void;
}

export interface Device {
  /** One decrypted message in, one answer out: the link's `Answer`. It never rejects. */
  answer(request: Uint8Array, about: Request): Promise<Uint8Array>;
  press(button: Button, begunOn: Screen): void;
  readonly pairing: {
    isOpen(): boolean;
    readonly compare: Compare;
    /** Of a signer's static key: in flash when it resolves. */
    store(signer: Uint8Array): Promise<void>;
  };
  signers(): readonly Uint8Array[];
  /** Milliseconds until what it shows at rest is no longer so; undefined where that stays. It has no timers of its own. */
  restsFor(): number | undefined;
  /** Shows how it stands, unless a person is asked something. */
  rest(): void;
  /** Settles when nobody is asked anything. */
  quiet(): Promise<void>;
}

const fingerprintAt: Place = "setting/0";

export const idleScreen = ({ stage }: Vault, isPairingOpen: boolean): Screen => {
  const title = {
    unprovisioned: "No seed yet",
    locked: "Locked",
    seedless: "No seed yet",
    unlocked: "Ready",
  }[stage];
  if (isPairingOpen) return { is: "idle", title: "Pairing is open", hint: "" };
  return { is: "idle", title, hint: stage === "locked" ? "hold: unlock" : "hold: pair" };
};

export const runDevice = (parts: DeviceParts): Device => {
  const { journal, vault, panel, random, int, tick, serve, onFault } = parts;
  const { firmware = "countersign device" } = parts;
  let served: Served | undefined;
  let fingerprint: Uint8Array | undefined;
  let pairingUntil: number | undefined;
  let broken: DeviceAnswer | undefined;
  let flow: Promise<unknown> | undefined;

  const isOpen = (): boolean => pairingUntil !== undefined && tick() < pairingUntil;
  const rest = (): void => panel.show(idleScreen(vault, isOpen()));

  const lock = (): void => {
    served?.close();
    served = undefined;
    fingerprint = undefined;
    pairingUntil = undefined;
    vault.lock();
  };

  /** One at a time has the screen. */
  const withPerson = async <T>(
    about: Request,
    action: (person: Person) => Promise<T>,
  ): Promise<T | undefined> => {
    if (flow !== undefined) return undefined;
    about.waitsForPerson(true);
    const running = action({ panel, signal: about.signal, int });
    flow = running.catch(() => {});
    try {
      return await running;
    } finally {
      flow = undefined;
      about.waitsForPerson(false);
      rest();
    }
  };

  const consent: Consent = (about, title, facts) =>
    withPerson(about, (person) => consents(person, title, facts));

  const { givePin, makeSeed, restore, verify, changePin, wipe } = openFlows({
    vault,
    panel,
    random,
    tick,
    lock,
  });

  /** The first seed that is used stays the one in use: channels follow from it. */
  const serveSeed = async (person: Person, hasPassphrase: boolean): Promise<DeviceAnswer> => {
    const before = journal.get(fingerprintAt);
    const enter = before === undefined ? newPassphrase : (one: Person) => enterPassphrase(one, "Passphrase");
    const passphrase = hasPassphrase ? await enter(person) : undefined;
    panel.show({ is: "busy", title: "Unlocking" });
    const seed = vault.seed(passphrase);
    passphrase?.wipe();
    try {
      const mark = fingerprintOf(seed);
      if (before === undefined) {
        await agree(person, "Use this seed", [
          { label: "Passphrase", value: { is: "word", word: hasPassphrase ? "yes" : "none" } },
          { label: "Fingerprint", value: { is: "word", word: toHex(mark) } },
        ]);
        journal.commit(new Map([[fingerprintAt, mark]]));
      } else if (!equal(before, mark)) {
        lock();
        return refuse("passphrase");
      }
      const key = vault.secret("pages");
      served = await serve({ seed, journal, key, tick, consent, onFault });
      fingerprint = mark;
      return done;
    } catch (error) {
      lock();
      throw error;
    } finally {
      seed.wipe();
    }
  };

  const unlock = async (person: Person, hasPassphrase: boolean): Promise<DeviceAnswer> => {
    const refusal = await givePin(person);
    if (refusal !== undefined) return refusal;
    return vault.stage === "unlocked" ? serveSeed(person, hasPassphrase) : done;
  };

  const hasStage = (...stages: readonly Vault["stage"][]): boolean => stages.includes(vault.stage);

  const manage = async (request: DeviceRequest, about: Request): Promise<DeviceAnswer> => {
    const asking = async (isRight: boolean, action: (person: Person) => Promise<DeviceAnswer>) =>
      isRight ? ((await withPerson(about, action)) ?? refuse("busy")) : refuse("stage");
    switch (request.is) {
      case "info":
        return {
          is: "info",
          info: {
            messages: messagesVersion,
            firmware: clip(firmware, longestFirmware),
            stage: vault.stage === "unlocked" && served === undefined ? "locked" : vault.stage,
            isVerified: vault.isVerified,
            attemptsLeft: vault.attemptsLeft,
            waitMs: vault.waitMs(tick()),
            counter: journal.counter,
            root: rootIn(journal).root,
            fingerprint: fingerprint ?? "unknown",
          },
        };
      case "setup":
        return asking(hasStage("unprovisioned", "seedless"), (person) => makeSeed(person, request.entropy));
      case "restore":
        return asking(hasStage("unprovisioned", "seedless"), restore);
      case "verifyWords":
        return asking(served !== undefined, verify);
      case "unlock":
        return asking(hasStage("locked", "unlocked") && served === undefined, (person) =>
          unlock(person, request.passphrase),
        );
      case "changePin":
        return asking(hasStage("seedless") || served !== undefined, changePin);
      case "wipe":
        return asking(!hasStage("unprovisioned"), wipe);
      case "lock":
        // What a person is asked at this moment may rest on the open vault.
        if (flow !== undefined) return refuse("busy");
        lock();
        rest();
        return done;
    }
  };

  const told = (answer: DeviceAnswer): Uint8Array =>
    concat(Uint8Array.of(forDevice), encodeDeviceAnswer(answer));

  const breakDown = (error: unknown): DeviceAnswer => {
    onFault(error);
    lock();
    broken ??= { is: "fault", sentence: "the device has a fault: start it again" };
    panel.show({
      is: "notice",
      title: "FAULT",
      text: "Nothing is signed any more. Unplug it, and start it again.",
    });
    return broken;
  };

  const failed = (error: unknown, { signal }: Request): DeviceAnswer => {
    if (error instanceof Malformed) return { is: "malformed", path: error.path, reason: error.reason };
    if (error instanceof Denied || (signal.aborted && error === signal.reason)) return refuse("denied");
    return breakDown(error);
  };

  const answer = async (request: Uint8Array, about: Request): Promise<Uint8Array> => {
    if (broken !== undefined) return told(broken);
    try {
      const [addressee] = request;
      const body = request.subarray(1);
      if (addressee === forDevice) return told(await manage(decodeDeviceRequest(body), about));
      if (addressee !== forCore) throw invalid("for nobody that is known");
      if (served === undefined) return told(refuse("stage"));
      return concat(Uint8Array.of(forCore), await served.answer(body, about));
    } catch (error) {
      return told(failed(error, about));
    }
  };

  const signers = (): readonly Uint8Array[] => journal.entries("peer").map(([, key]) => key);

  /** What a person begins, nobody else can break off. */
  const alone: Request = { signal: new AbortController().signal, waitsForPerson: () => {} };

  const begin = (): void => {
    if (vault.stage === "locked") {
      void withPerson(alone, givePin).catch((error: unknown) => {
        if (!(error instanceof Denied)) breakDown(error);
      });
      return;
    }
    pairingUntil = tick() + pairingOpen;
    rest();
  };

  rest();

  return {
    answer,
    press: (button, begunOn) => {
      const isIdle = begunOn === panel.screen && begunOn.is === "idle";
      if (isIdle && button === "hold" && flow === undefined && broken === undefined) begin();
      else panel.press(button, begunOn);
    },
    pairing: {
      isOpen,
      compare: async (code, signal) => {
        if (!isOpen() || broken !== undefined) return false;
        const about: Request = { signal, waitsForPerson: () => {} };
        try {
          const act = await withPerson(about, (person) => person.panel.ask({ is: "pairing", code }, signal));
          return act?.is === "yes";
        } catch (error) {
          if (signal.aborted && error === signal.reason) return false;
          throw error;
        }
      },
      store: async (signer) => {
        const known = journal.entries("peer");
        pairingUntil = undefined;
        if (known.some(([, key]) => equal(key, signer))) return rest();
        if (known.length >= mostSigners) throw new Error("paired with as many signers as it can be");
        const id = known.reduce((next, [one]) => (one >= next ? one + 1n : next), 0n);
        const place: Place = `peer/${id}`;
        journal.commit(new Map([[place, signer]]));
        rest();
      },
    },
    signers,
    restsFor: () => (pairingUntil !== undefined && isOpen() ? pairingUntil - tick() : undefined),
    rest: () => {
      if (flow === undefined && broken === undefined) rest();
    },
    quiet: async () => {
      await flow;
    },
  };
};
