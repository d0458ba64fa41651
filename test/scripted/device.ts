/** A device in software with a person in front of it, and a signer's keyring over a cable to it: all but the cable is real. */

import { randomBytes, randomInt } from "node:crypto";
import { coreBehind } from "../../firmware-sim/core.ts";
import { type FlashSim, memoryMedium, openFlash } from "../../firmware-sim/flash.ts";
import { formatFlash } from "../../firmware-sim/journal.ts";
import { type AutoPerson, openPerson } from "../../firmware-sim/person.ts";
import { type DeviceProcess, linkKeyOf, runDeviceProcess } from "../../firmware-sim/process.ts";
import type { Fact, Screen } from "../../firmware-sim/screen.ts";
import { concat } from "../../protocol/bytes.ts";
import { carriers } from "../../protocol/carrier/index.ts";
import {
  type DeviceAnswer,
  type DeviceRequest,
  decodeDeviceAnswer,
  encodeDeviceRequest,
  forDevice,
} from "../../protocol/device/requests.ts";
import {
  type Carrier,
  type KeyPair,
  keyPair,
  type Link,
  openLink,
  pairLink,
  type Transport,
  Unplugged,
  usualMessage,
} from "../../protocol/link.ts";
import { Secret } from "../../protocol/secret.ts";
import type { NodeId } from "../../protocol/units.ts";
import type { Store } from "../../signer/core/ports.ts";
import { type DeviceKeyring, openDeviceKeyring } from "../../signer/device/keyring.ts";
import { linkPorts } from "../../signer/device/ports.ts";
import { openShelf } from "../../signer/device/shelf.ts";
import { type SoftwareKeyring, softwareKeyring } from "../../signer/keys/software.ts";
import { curve, plainTime } from "./road.ts";

export interface Cable {
  readonly signer: Transport;
  readonly device: Transport;
  unplug(): void;
}

interface Line {
  to?: (bytes: Uint8Array) => void;
  readonly waiting: Uint8Array[];
}

/** Pieces arrive in order, each in a turn of its own. */
const cable = (onPiece: (unplug: () => void) => void): Cable => {
  const gone = new Unplugged("gone", "the cable was pulled");
  const closed = Promise.withResolvers<Unplugged>();
  let isGone = false;
  const [there, back]: [Line, Line] = [{ waiting: [] }, { waiting: [] }];
  const cut = (): void => {
    isGone = true;
    closed.resolve(gone);
  };
  const sideOf = (name: string, mine: Line, others: Line): Transport => ({
    name,
    closed: closed.promise,
    send: async (bytes) => {
      if (isGone) throw gone;
      onPiece(cut);
      setImmediate(() => {
        if (isGone) return;
        if (others.to === undefined) others.waiting.push(bytes);
        else others.to(bytes);
      });
    },
    receive: (listener) => {
      setImmediate(() => {
        mine.to = listener;
        for (const bytes of mine.waiting.splice(0)) listener(bytes);
      });
    },
    close: async () => cut(),
  });
  return { signer: sideOf("signer", back, there), device: sideOf("device", there, back), unplug: cut };
};

export const pin = "4711";

export interface Bench {
  readonly person: AutoPerson;
  /** What a person saw and was asked, in order. */
  readonly asked: { readonly title: string; readonly facts: readonly Fact[] }[];
  readonly faults: unknown[];
  readonly flash: FlashSim;
  device(): DeviceProcess;
  /** Another cable; the one before is pulled. As the signer that is paired, to the device that it is paired with. */
  connect(as?: {
    readonly identity?: KeyPair;
    readonly device?: Uint8Array;
    readonly patienceMs?: number;
  }): Promise<Link>;
  unplug(): void;
  /** Who lingered goes on. */
  goOn(): void;
  manage(request: DeviceRequest): Promise<DeviceAnswer>;
  /** The power goes, and comes back. */
  powerCycle(): Promise<void>;
  keyring(store: Store, options?: { witness?: () => number; patienceMs?: number }): Promise<DeviceKeyring>;
  close(): Promise<void>;
}

export interface BenchOptions {
  readonly consents?: (title: string, facts: readonly Fact[]) => boolean;
  /** Of a question: the person reads it, and presses nothing before `goOn`. */
  readonly lingers?: (title: string) => boolean;
  readonly onShow?: (screen: Screen) => void;
  readonly time?: () => number;
  /** Of the device's core, in milliseconds; else as much passes there. */
  readonly tick?: () => number;
  /** Before each piece, either way, that a cable takes. */
  readonly onPiece?: (unplug: () => void) => void;
  /** In the middle of a write to flash. */
  readonly onPowerCut?: () => void;
  /** Bytes of the longest request that it takes; asked each time it is switched on. */
  readonly maxMessage?: () => number;
  /** Of another seed than that of the rigs. */
  readonly keyringOf?: () => SoftwareKeyring;
  /** In place of one in memory. */
  readonly over?: { readonly carrier: Carrier; cable(): Promise<Cable> };
}

const times = { greetMs: 2_000, pauseMs: 5 };

const rigsKeyring = (): SoftwareKeyring =>
  softwareKeyring({
    seed: new Secret(new Uint8Array(64).fill(7)),
    network: "regtest",
    nodeIndex: 0,
    curve,
    style: "native",
  });

/** Set up and paired, with the seed of the rigs where no other is given. */
export const deviceBench = async ({
  consents = () => true,
  onShow = () => {},
  lingers = () => false,
  time = () => plainTime,
  tick = () => time() * 1_000,
  onPiece = () => {},
  onPowerCut = () => {},
  over = { carrier: carriers.bulk, cable: async () => cable(onPiece) },
  keyringOf = rigsKeyring,
  maxMessage = () => usualMessage,
}: BenchOptions = {}): Promise<Bench> => {
  const identity = keyPair(new Secret(randomBytes(32)));
  const secret = new Secret(randomBytes(32));
  const flash = openFlash({ medium: memoryMedium(32), int: (below) => randomInt(below) });
  formatFlash(flash);
  const asked: Bench["asked"][number][] = [];
  const faults: unknown[] = [];
  const person = openPerson({
    pin,
    consents: (title, facts) => {
      asked.push({ title, facts });
      return consents(title, facts);
    },
  });
  let link: Link | undefined;
  let plugged: Cable | undefined;

  let isReading = true;
  const react = (screen: Screen): void => {
    if (running.screen !== screen) return;
    if (screen.is === "consent" && isReading && lingers(screen.title)) return;
    const button = person.react(screen);
    if (button !== undefined) running.press(button);
  };

  const serve = coreBehind({ curve, keyringOf, software: "countersign test device" });
  const start = (): DeviceProcess => {
    const device: DeviceProcess = runDeviceProcess({
      flash,
      secret,
      int: (below) => randomInt(below),
      tick: () => performance.now(),
      serve: (parts) => serve({ ...parts, tick }),
      ...linkPorts,
      times,
      maxMessage: maxMessage(),
      onFault: (error) => faults.push(error),
      onPowerCut,
      onShow: (screen) => {
        onShow(screen);
        setImmediate(() => react(screen));
      },
    });
    return device;
  };
  let running = start();

  const plug = async (): Promise<Transport> => {
    plugged?.unplug();
    const next = await over.cable();
    plugged = next;
    running.plug(next.device, over.carrier);
    return next.signer;
  };

  const connect: Bench["connect"] = async (as = {}) => {
    link = openLink({
      transport: await plug(),
      carrier: over.carrier,
      identity: as.identity ?? identity,
      device: as.device ?? linkKeyOf(secret).public,
      ports: linkPorts,
      times: as.patienceMs === undefined ? times : { ...times, patienceMs: as.patienceMs },
    });
    return link;
  };

  const manage = async (request: DeviceRequest): Promise<DeviceAnswer> => {
    const asking = await connect();
    const answer = await asking.ask(concat(Uint8Array.of(forDevice), encodeDeviceRequest(request)));
    return decodeDeviceAnswer(answer.subarray(1));
  };

  // A person opens the pairing, and reads the same six digits on both.
  running.press("hold");
  await pairLink({
    transport: await plug(),
    carrier: over.carrier,
    identity,
    ports: linkPorts,
    times,
    compare: async (code) => {
      person.know({ code });
      const { screen } = running;
      if (screen.is === "pairing") running.press(screen.code === code ? "hold" : "both");
      return true;
    },
  });
  const made = await manage({ is: "setup", entropy: new Uint8Array(32).fill(9) });
  if (made.is !== "done") throw new Error(`setup: ${JSON.stringify(made)}`);

  return {
    person,
    asked,
    faults,
    flash,
    device: () => running,
    connect,
    unplug: () => plugged?.unplug(),
    goOn: () => {
      isReading = false;
      react(running.screen);
    },
    manage,
    powerCycle: async () => {
      plugged?.unplug();
      await running.close();
      flash.powerOn();
      running = start();
    },
    keyring: async (store, { witness = () => 0, patienceMs = 5_000 } = {}) =>
      openDeviceKeyring({
        name: "bench",
        node: keyringOf().node as NodeId,
        network: "regtest",
        tier: "full",
        index: 0,
        passphrase: false,
        connect,
        shelf: await openShelf(store, linkKeyOf(secret).public),
        now: time,
        witness,
        onState: () => {},
        report: (error) => faults.push(error),
        times: { patienceMs, retryMs: 20 },
      }),
    close: async () => {
      await link?.close();
      await running.close();
    },
  };
};
