/** What a person asks about the device that has the keys: how it stands, other limits, and the answers of its approvers. */

import { unknown } from "../../protocol/codec.ts";
import type { CoreAnswer, CoreRequest } from "../../protocol/device/core.ts";
import type { ConsentBy, Verdict } from "../../protocol/device/limits.ts";
import type { deviceOperations } from "../../protocol/operations/device.ts";
import type { AnyRequest, Name, Reply, Request } from "../../protocol/operations/index.ts";
import { clip, type Outcome } from "../../protocol/outcome.ts";
import type { ChannelId, NodeId } from "../../protocol/units.ts";
import { KeysAway } from "../core/ports.ts";
import type { Absence } from "./away.ts";
import { forgetting } from "./forgetting.ts";
import { ended, notKept, refusedBy } from "./results.ts";
import type { Shelf } from "./shelf.ts";
import { stepping } from "./stepping.ts";

type DeviceName = keyof typeof deviceOperations;

export interface Reach {
  readonly name: string;
  readonly node: NodeId;
  readonly state: () => { readonly is: Absence | "open"; readonly because: string };
  readonly shelf: Pick<Shelf, "step" | "keep">;
  /** Over whatever cable there is; `KeysAway` where there is none for so long. */
  readonly request: (
    body: () => CoreRequest | Promise<CoreRequest>,
    patienceMs?: number,
  ) => Promise<CoreAnswer>;
  /** Between two steps of the device. */
  readonly inTurn: <T>(action: () => Promise<T>) => Promise<T>;
  /** A request of the table, in a step of the device. */
  readonly judge: (request: AnyRequest) => Promise<Outcome<Name>>;
  /** Tells device and signer what was answered, and whoever waits for it. False: the signer can't keep it now. */
  readonly decided: (approval: Uint8Array, verdict: Verdict, by: ConsentBy) => Promise<boolean>;
}

export interface DeviceAdmin {
  /** Undefined: it is no matter of the device. `isForgotten`: what this signer says of a channel. */
  reply(request: AnyRequest, isForgotten: (channel: ChannelId) => boolean): Promise<Reply<Name>> | undefined;
}

type Now = Reply<"deviceStanding">["now"];

/** A device that is asked how it stands answers at once, or is away. */
const briefMs = 2_000;

const orAway = async <T>(action: () => Promise<T>, away: (reason: string) => T): Promise<T> => {
  try {
    return await action();
  } catch (error) {
    if (error instanceof KeysAway) return away(error.refusal.hint);
    throw error;
  }
};

export const deviceAdmin = (reach: Reach): DeviceAdmin => {
  const { name, state, shelf, request, inTurn, decided } = reach;
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
    const isKept = await decided(approval, answered.verdict, answered.by);
    return isKept ? ended("done") : ended("busy", notKept);
  };

  const away = (reason: string) => ended("away", reason);

  return {
    reply: ({ name: asked, body }, isForgotten) => {
      switch (asked as DeviceName) {
        case "deviceStanding":
          return standing();
        case "deviceLimits":
          return orAway(() => setLimits(body as Request<"deviceLimits">), away);
        case "deviceAnswer":
          return orAway(() => answer(body as Request<"deviceAnswer">), away);
        case "deviceForget":
          return orAway(
            () => forgetting({ ...reach, isForgotten }, body as Request<"deviceForget">),
            (because) => ({ ...away(because), channels: [] }),
          );
        default:
          return undefined;
      }
    },
  };
};
