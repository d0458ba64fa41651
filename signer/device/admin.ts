/** What a person asks about the device that has the keys: how it stands, other limits, and the answers of its approvers. */

import { unknown } from "../../protocol/codec.ts";
import type { CoreAnswer, CoreRefusal, CoreRequest } from "../../protocol/device/core.ts";
import type { ConsentBy, Verdict } from "../../protocol/device/limits.ts";
import type { deviceOperations } from "../../protocol/operations/device.ts";
import type { AnyRequest, Name, Reply, Request } from "../../protocol/operations/index.ts";
import { clip } from "../../protocol/outcome.ts";
import { Fault } from "../core/fault.ts";
import { KeysAway } from "../core/ports.ts";
import type { Absence } from "./away.ts";
import type { Shelf } from "./shelf.ts";
import { stepping } from "./stepping.ts";

type DeviceName = keyof typeof deviceOperations;

export interface Reach {
  readonly name: string;
  readonly state: () => { readonly is: Absence | "open"; readonly because: string };
  readonly shelf: Pick<Shelf, "step" | "keep">;
  /** Over whatever cable there is; `KeysAway` where there is none for so long. */
  readonly request: (
    body: () => CoreRequest | Promise<CoreRequest>,
    patienceMs?: number,
  ) => Promise<CoreAnswer>;
  /** Between two steps of the device. */
  readonly inTurn: <T>(action: () => Promise<T>) => Promise<T>;
  /** Tells device and signer what was answered, and whoever waits for it. */
  readonly decided: (approval: Uint8Array, verdict: Verdict, by: ConsentBy) => Promise<void>;
}

export interface DeviceAdmin {
  /** Undefined: it is no matter of the device. */
  reply(request: AnyRequest): Promise<Reply<Name>> | undefined;
}

type Now = Reply<"deviceStanding">["now"];
type Result = Reply<"deviceLimits">["result"];

/** A device that is asked how it stands answers at once, or is away. */
const briefMs = 2_000;

const resultOf: Readonly<Partial<Record<CoreRefusal, Result>>> = {
  busy: "busy",
  denied: "denied",
  unknown: "unknown",
  unsigned: "unsigned",
};

const sentences: Readonly<Record<Result, string>> = {
  done: "",
  none: "",
  away: "The device can't be asked at this moment.",
  busy: "The device asks its person something else: answer that first.",
  denied: "The person at the device said no.",
  unknown: "No such question waits on the device: it was answered, or its time is over.",
  unsigned:
    "Too few of the approvers that the device knows have signed this as it stands now: fetch the question again, and sign that.",
};

const ended = (result: Result, because = sentences[result]): Reply<"deviceLimits"> => ({
  result,
  because: clip(because, 256),
});

const orAway = async <T>(action: () => Promise<T>, away: (reason: string) => T): Promise<T> => {
  try {
    return await action();
  } catch (error) {
    if (error instanceof KeysAway) return away(error.refusal.hint);
    throw error;
  }
};

const refusedBy = (answer: CoreAnswer): Reply<"deviceLimits"> => {
  if (answer.is === "malformed")
    return ended("denied", `${answer.malformed.path}: ${answer.malformed.reason}`);
  const result = answer.is === "refused" ? resultOf[answer.why] : undefined;
  if (result === undefined)
    throw new Fault("keyring", "the device answers something else than what it was asked");
  return ended(result);
};

export const deviceAdmin = ({ name, state, shelf, request, inTurn, decided }: Reach): DeviceAdmin => {
  const stepped = stepping({ shelf, request, inTurn });

  const now = async (): Promise<Now> => {
    const limits = await request(() => ({ is: "limits" }), briefMs);
    const waiting = await request(() => ({ is: "questions" }), briefMs);
    if (limits.is !== "limits" || waiting.is !== "questions") return unknown;
    return { ...limits, ...waiting };
  };

  const standing = async (): Promise<Reply<"deviceStanding">> => {
    const found = state().is === "open" ? await orAway<Now>(now, () => unknown) : unknown;
    const { is, because } = state();
    return { keys: "device", name, standing: is, because: clip(because, 256), now: found };
  };

  const setLimits = async ({ limits, signatures }: Request<"deviceLimits">) => {
    const answer = await stepped((step) => ({ is: "setLimits", step, limits, signatures }));
    return answer.is === "limits" ? ended("done") : refusedBy(answer);
  };

  const answer = async ({ approval, verdict, signatures }: Request<"deviceAnswer">) => {
    const answered = await stepped((step) => ({ is: "answer", step, approval, verdict, signatures }));
    if (answered.is !== "verdict") return refusedBy(answered);
    await decided(approval, answered.verdict, answered.by);
    return ended("done");
  };

  const away = (reason: string) => ended("away", reason);

  return {
    reply: ({ name: asked, body }) => {
      switch (asked as DeviceName) {
        case "deviceStanding":
          return standing();
        case "deviceLimits":
          return orAway(() => setLimits(body as Request<"deviceLimits">), away);
        case "deviceAnswer":
          return orAway(() => answer(body as Request<"deviceAnswer">), away);
        default:
          return undefined;
      }
    },
  };
};
