/**
 * A line whose callers stand still no longer than their neighbours can bear. What LDK is told in place of an answer is never
 * stored and never said: the turn that it belongs to ends without a commit, and the node with it.
 */

import type { Refusal } from "../../../protocol/outcome.ts";
import type { ClientState } from "../../client.ts";
import { Unanswered } from "../../failures.ts";
import type { SignerLine } from "./line.ts";

export interface PatientLine extends SignerLine {
  /** Throws once the signer has kept LDK waiting for too long. */
  check(): void;
  /** Of the line's `onState`. */
  heard(state: ClientState): void;
}

export interface PatientParts {
  readonly line: SignerLine;
  /** Milliseconds; may change from call to call. */
  readonly limit: () => number;
  /** Once, before whoever waited goes on with nothing. */
  readonly gaveUp: () => void;
}

/** Milliseconds between two questions to a signer that has a fault. */
const pause = 200;
const sleeper = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** Nobody hears of it: whoever gets it goes on to where the turn ends. */
const nothing: Refusal = {
  rule: "",
  kind: "core",
  final: false,
  sentence: "the signer did not answer in time",
  facts: [],
  hint: "",
};

export const patientLine = ({ line, limit, gaveUp }: PatientParts): PatientLine => {
  let silent: Unanswered | undefined;
  let awaySince: number | undefined;

  const giveUp = (why: string) => {
    if (silent === undefined) {
      silent = new Unanswered(why);
      gaveUp();
    }
    return { is: "refusal", refusal: nothing } as const;
  };

  return {
    ask: line.ask,
    wait: (name, body) => {
      const most = limit();
      const now = performance.now();
      if (silent !== undefined) return giveUp(silent.message);
      if (awaySince !== undefined && now - awaySince > most) return giveUp("the signer is away");
      const end = now + most;
      for (;;) {
        try {
          const outcome = line.wait(name, body, Math.max(end - performance.now(), 0));
          if (outcome.is !== "fault") return outcome;
          if (performance.now() + pause > end)
            return giveUp(`the signer has a fault: ${outcome.fault.sentence}`);
        } catch (error) {
          if (error instanceof Unanswered) return giveUp(error.message);
          throw error;
        }
        Atomics.wait(sleeper, 0, 0, pause);
      }
    },
    close: line.close,
    check: () => {
      if (silent !== undefined) throw silent;
    },
    heard: ({ is }) => {
      awaySince = is === "connected" ? undefined : (awaySince ?? performance.now());
    },
  };
};
