/** Display and buttons: one screen at a time, and whoever asks by it waits for what a person does. */

import { type Act, type Button, press, render, type Screen } from "./screen.ts";

export interface Panel {
  readonly screen: Screen;
  readonly lines: readonly string[];
  /** It counts for the screen on which it began: nobody can slip another one under a finger. */
  press(button: Button, begunOn: Screen): void;
  show(screen: Screen): void;
  /** Shows it until an act comes of it; rejects with the signal's reason when nobody waits for the answer any more. */
  ask(screen: Screen, signal: AbortSignal): Promise<Act>;
}

/** `onShow` hears of each screen that is drawn: a display, or a person in a test. */
export const openPanel = (first: Screen, onShow: (screen: Screen) => void = () => {}): Panel => {
  let shown = first;
  let waiting: ((act: Act) => void) | undefined;

  const show = (screen: Screen): void => {
    shown = screen;
    onShow(screen);
  };

  return {
    get screen() {
      return shown;
    },
    get lines() {
      return render(shown);
    },
    press: (button, begunOn) => {
      if (begunOn !== shown) return;
      const { screen, act } = press(shown, button);
      if (screen !== shown) show(screen);
      if (act !== undefined) waiting?.(act);
    },
    show,
    ask: (screen, signal) =>
      new Promise((resolve, reject) => {
        if (waiting !== undefined) throw new Error("another screen waits for an answer");
        signal.throwIfAborted();
        const stop = (): void => {
          waiting = undefined;
          signal.removeEventListener("abort", given);
        };
        const given = (): void => {
          stop();
          reject(signal.reason);
        };
        waiting = (act) => {
          stop();
          resolve(act);
        };
        signal.addEventListener("abort", given);
        show(screen);
      }),
  };
};
