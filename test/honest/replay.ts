/** A recording is put to the signer of today: whatever an LDK node was answered then, it must be answered now. */

import { toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import { type AnyRequest, type Name, unpackRequest } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { deviceFor } from "./on-device.ts";
import type { Entry, Recording } from "./record/recording.ts";
import { type Ending, endingOf, openSigner, shownEnding } from "./record/signer.ts";

export interface ReplayOptions {
  /** The keys are on a device, whose person agrees to all that it shows. */
  readonly onDevice?: boolean;
  /** Each request comes twice at once, as after a stream that broke. */
  readonly twice?: boolean;
  /** The signer is opened again from its store before every so many requests. */
  readonly reopenEvery?: number;
}

export interface Replayed {
  readonly requests: number;
  readonly failures: readonly string[];
}

/** Whose answers may be others tomorrow, and why. */
const changing: Partial<Readonly<Record<Name, string>>> = {
  hello: "lists the operations and limits of its time",
  randomBytes: "is fresh each time",
  heartbeat: "words of alarms",
  status: "words of alarms",
  listApprovals: "words of what is shown",
  showPolicy: "words of limits",
  explain: "words of rules",
};

/** What a second asking draws anew, by design: the rest of the recording is about the first. */
const draws = ({ name, body }: AnyRequest): boolean => name === "new" && !isKnown(body.wanted);

const isFinal = (outcome: Outcome<Name>): boolean => outcome.is === "refusal" && outcome.refusal.final;

export const sameEnding = (name: Name, a: Ending, b: Ending): boolean =>
  a.ended === b.ended &&
  a.rule === b.rule &&
  (changing[name] !== undefined || toHex(a.reply) === toHex(b.reply));

const hint = "if the language's bytes were changed on purpose, record again: npm run record";

export const replay = async (
  { entries, start, ...head }: Recording,
  { twice = false, reopenEvery, onDevice = false }: ReplayOptions = {},
): Promise<Replayed> => {
  let time = Number(start);
  let requests = 0;
  const failures: string[] = [];
  const device = onDevice ? deviceFor(() => time) : undefined;
  const signer = await openSigner(head, () => time, device?.through);

  const read = (at: number, { request }: Entry): AnyRequest | undefined => {
    try {
      return unpackRequest(request);
    } catch (error) {
      failures.push(`entry ${at} can't be read: ${(error as Error).message}; ${hint}`);
      return undefined;
    }
  };

  const put = async (at: number, asked: Entry): Promise<void> => {
    const request = read(at, asked);
    if (request === undefined) return;
    const { name } = request;
    requests += 1;
    const again = twice && !draws(request);
    const outcomes = await Promise.all([
      signer.respond(request),
      ...(again ? [signer.respond(structuredClone(request))] : []),
    ]);
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.is === "fault") {
        failures.push(`entry ${at}, ${name}: ${outcome.fault.sentence}: ${signer.faults().join()}`);
        continue;
      }
      const [was, is] = [asked as Ending, endingOf(name, outcome)];
      if (isFinal(outcome) || !(device?.sameEnding ?? sameEnding)(name, was, is)) {
        const facts = outcome.is === "refusal" ? JSON.stringify(outcome.refusal) : "";
        const time = i === 0 ? "" : " the second time";
        failures.push(
          `entry ${at}, ${name}${time}: ${shownEnding(was)} is now ${shownEnding(is)} ${facts}; ${hint}`,
        );
      }
    }
  };

  for (const [at, one] of entries.entries()) {
    time += one.wait;
    if (one.ended === "restart" || (reopenEvery !== undefined && at % reopenEvery === reopenEvery - 1))
      await signer.restart();
    if (one.ended !== "restart") await put(at, one);
  }
  await signer.close();
  await device?.close();
  failures.push(...(device?.faults() ?? []));
  return { requests, failures };
};
