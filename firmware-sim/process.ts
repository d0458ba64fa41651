/** A device in software as a process has it: one case, a person in front of it, and as many cables as are plugged in. */

import {
  type Answering,
  answerLink,
  type Carrier,
  capabilities,
  keyPair,
  type LinkPorts,
  type LinkTimes,
  type Transport,
} from "../protocol/link.ts";
import type { Secret } from "../protocol/secret.ts";
import { type BootOptions, boot } from "./boot.ts";
import type { Device } from "./device.ts";
import { type FlashSim, PowerCut } from "./flash.ts";
import type { Button, Screen } from "./screen.ts";
import { deriveSecret } from "./seal.ts";

export interface DeviceProcessOptions
  extends Pick<BootOptions, "int" | "tick" | "serve" | "firmware">,
    LinkPorts {
  readonly flash: FlashSim;
  /** What the factory burnt into the chip. */
  readonly secret: Secret;
  readonly times?: Partial<LinkTimes>;
  /** Bytes of the longest request that it takes. */
  readonly maxMessage?: number;
  readonly onShow?: (screen: Screen) => void;
  readonly onFault: (error: unknown) => void;
  /** The power went in the middle of a write: nothing answers any more. */
  readonly onPowerCut: () => void;
}

export interface DeviceProcess {
  /** By which signers know it. */
  readonly key: Uint8Array;
  readonly screen: Screen;
  /** Counts for the screen that is there. */
  press(button: Button): void;
  /** With more cables than a device has sockets for, it is closed again. */
  plug(transport: Transport, carrier: Carrier): void;
  /** Switches it off. */
  close(): Promise<void>;
}

export const mostCables = 16;

/**
 * From the chip and not from the flash: nothing is written at a first start that a cut could tear, and no copy of the
 * flash can pass for the device. So it outlives a wipe, after which the device knows no signer, and signers know it.
 */
export const linkKeyOf = (secret: Secret) => keyPair(deriveSecret(secret, "link"));

export const runDeviceProcess = (options: DeviceProcessOptions): DeviceProcess => {
  const { flash, secret, random, after, int, tick, serve, firmware } = options;
  const { times, maxMessage, onShow, onFault, onPowerCut } = options;
  const identity = linkKeyOf(secret);
  const cables = new Set<Answering>();
  let isOff = false;
  let stopTimer = (): void => {};

  const switchOff = (): Promise<unknown> => {
    isOff = true;
    stopTimer();
    return Promise.all([...cables].map((cable) => cable.close()));
  };

  const failed = (error: unknown): void => {
    if (isOff) return;
    if (!(error instanceof PowerCut)) {
      onFault(error);
      return;
    }
    // At once, before anything that it says about its fault can leave.
    void switchOff();
    onPowerCut();
  };

  /** What is over by itself leaves the screen, whether or not anybody does anything. */
  const restInTime = (): void => {
    stopTimer();
    const ms = device?.restsFor();
    if (ms !== undefined) stopTimer = after(ms, () => device?.rest());
  };

  const show = (screen: Screen): void => {
    if (isOff) return;
    onShow?.(screen);
    restInTime();
  };

  let device: Device | undefined;
  const booted = boot({
    flash,
    secret,
    random,
    int,
    tick,
    serve,
    onShow: show,
    onFault: failed,
    ...(firmware === undefined ? {} : { firmware }),
  });
  if (booted.is === "running") device = booted.device;

  return {
    key: identity.public,
    get screen() {
      return booted.panel.screen;
    },
    press: (button) => {
      if (isOff) return;
      const { screen } = booted.panel;
      try {
        if (device !== undefined) device.press(button, screen);
        else booted.panel.press(button, screen);
      } catch (error) {
        failed(error);
      }
    },
    plug: (transport, carrier) => {
      if (isOff || cables.size >= mostCables) {
        void transport.close();
        return;
      }
      // Damaged memory answers nothing, and its screen says why.
      if (device === undefined) return;
      const cable = answerLink({
        transport,
        carrier,
        identity,
        signers: device.signers,
        answer: device.answer,
        pairing: device.pairing,
        ports: { random, after },
        capabilities: capabilities.asksPerson,
        onFault: failed,
        ...(times === undefined ? {} : { times }),
        ...(maxMessage === undefined ? {} : { maxMessage }),
      });
      cables.add(cable);
      void cable.closed.then(() => cables.delete(cable));
    },
    close: async () => {
      await switchOff();
    },
  };
};
