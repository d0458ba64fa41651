/** A signer and a device, each a process of its own, with a cable between them; each can be started again over what it left. */

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { memoryMedium, openFlash } from "../../../firmware-sim/flash.ts";
import { formatFlash } from "../../../firmware-sim/journal.ts";
import { toHex } from "../../../protocol/bytes.ts";
import type { NodeId } from "../../../protocol/units.ts";
import { spawnChild } from "../child.ts";
import { begin, type SignerProcess, spawnSigner } from "../run.ts";
import type { Told as SignerTold } from "../signer.ts";
import type { Stage } from "../stage.ts";
import { type Cable, openCable } from "./cable.ts";
import { blocks, type Told } from "./orders.ts";
import { type DeviceProcess, type Paired, pairDevice } from "./pair.ts";

export interface MachinesOptions {
  readonly stage: Stage;
  readonly node: NodeId;
  /** Of the device's seed. */
  readonly words: readonly string[];
  /** Of what a power cut leaves. */
  readonly seed: string;
  /** The power went; it comes back by itself. */
  readonly onPowerCut: () => void;
  /** What no crash may lead to. */
  readonly onTrouble: (what: string) => void;
}

export interface Machines {
  readonly signer: SignerProcess;
  readonly device: DeviceProcess;
  readonly cable: Cable;
  readonly flash: string;
  readonly key: Uint8Array;
  startSigner(witness: string | null): Promise<boolean>;
  /** `cut`: the power goes after so many writes, from the start on. */
  startDevice(cut: number | null): Promise<void>;
  /** What is said of the device from here on counts. */
  forget(): void;
  /** The signer says that its device is open: unlocked, and of the same story. */
  isOpen(withinMs: number): Promise<boolean>;
  /** With both of them stopped, and the device's power on. */
  still<T>(action: () => T): Promise<T>;
  close(): Promise<void>;
}

const lookMs = 5;

const freshFlash = (path: string): void => {
  const medium = memoryMedium(blocks);
  formatFlash(openFlash({ medium, int: () => 0 }));
  writeFileSync(path, medium.read(0, medium.length), { mode: 0o600 });
};

export const openMachines = async (options: MachinesOptions): Promise<Machines> => {
  const { stage, node, words, seed, onPowerCut, onTrouble } = options;
  const { dir, store } = stage;
  const [flash, secret] = [join(dir, "flash.bin"), toHex(Uint8Array.from(randomBytes(32)))];
  freshFlash(flash);
  const cable = await openCable(join(dir, "cable.sock"));
  let lives = 0;
  let isOn = false;
  let isOpen = false;

  const onDevice = (line: Told, mine: DeviceProcess): void => {
    if (line.is === "damaged") onTrouble(`the device says: ${line.why}`);
    isOn = line.is === "ready" || (isOn && line.is !== "power-cut");
    if (line.is !== "power-cut") return;
    onPowerCut();
    setTimeout(() => mine.say({ do: "on" }), 5);
  };
  /** Loads while another one works, so that a cycle costs little more than what is tested. */
  const nextDevice = (): DeviceProcess => {
    const mine: DeviceProcess = spawnChild(join(import.meta.dirname, "process.ts"), (line: Told) => {
      if (mine === device) onDevice(line, mine);
    });
    return mine;
  };
  const nextSigner = (): SignerProcess => {
    const mine: SignerProcess = spawnSigner((line: SignerTold) => {
      if (mine !== signer || line.is !== "device") return;
      isOpen = line.state === "open";
      if (line.state === "records" || line.state === "broken" || line.state === "wrong-device")
        onTrouble(`the signer says that its device is ${line.state}: ${line.what}`);
    });
    return mine;
  };
  let signer: SignerProcess | undefined;
  let device: DeviceProcess | undefined;
  let [spareSigner, spareDevice] = [nextSigner(), nextDevice()];
  let paired: Paired | undefined;

  const current = <T>(one: T | undefined): T => {
    if (one === undefined) throw new Error("not started");
    return one;
  };

  const on = async (): Promise<void> => {
    const mine = current(device);
    while (!isOn && !mine.isOver) await Promise.race([mine.next(({ is }) => is === "ready"), pause(100)]);
  };

  const startDevice = async (cut: number | null): Promise<void> => {
    const mine = spareDevice;
    device = mine;
    isOn = false;
    spareDevice = nextDevice();
    const socket = join(dir, `device-${++lives}.sock`);
    cable.plug(socket);
    mine.say({ flash, socket, secret, words, cut, seed: `${seed} ${lives}` });
    await on();
  };

  const startSigner = async (witness: string | null): Promise<boolean> => {
    const { key, identity } = current(paired);
    const mine = spareSigner;
    signer = mine;
    isOpen = false;
    spareSigner = nextSigner();
    const sockets = { host: join(dir, `${++lives}.sock`), admin: join(dir, `${lives}.admin`) };
    const began = await begin(mine, {
      ...{ store, socket: sockets.host, desk: sockets.admin, witness, kill: null },
      device: { cable: cable.path, key: toHex(key), identity, node: toHex(node) },
    });
    if (began) stage.asks(sockets);
    return began;
  };

  await startDevice(null);
  paired = await pairDevice(current(device), cable.path);
  if (!(await startSigner(null))) throw new Error("the signer does not start");
  return {
    get signer() {
      return current(signer);
    },
    get device() {
      return current(device);
    },
    ...{ cable, flash, key: paired.key, startSigner, startDevice },
    forget: () => {
      isOpen = false;
    },
    isOpen: async (withinMs) => {
      for (const since = performance.now(); !isOpen && performance.now() < since + withinMs; ) await pause(5);
      return isOpen;
    },
    still: async (action) => {
      for (;;) {
        await on();
        const going = await Promise.all([current(signer).stop(), current(device).stop()]);
        try {
          // What they said until then is read.
          await pause(lookMs);
          if (isOn || current(device).isOver) return action();
        } finally {
          for (const go of going) go();
        }
      }
    },
    close: async () => {
      await Promise.all([signer, device, spareSigner, spareDevice].map(async (one) => one?.kill()));
      await cable.close();
    },
  };
};
