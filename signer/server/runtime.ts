/** All nodes of one signer process over one store: requests find their session, refusals find the disk. */

import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import {
  type AnyRequest,
  contentHash,
  type Name,
  operations,
  type Reply,
} from "../../protocol/operations/index.ts";
import type { Outcome, Fault as Told } from "../../protocol/outcome.ts";
import { record } from "../audit.ts";
import { type ChainNode, type OwnSource, openOwnChain } from "../chain/own.ts";
import type { Clock } from "../clock.ts";
import type { Keyring, Verify } from "../core/ports.ts";
import { refuse } from "../core/rule.ts";
import { textOf } from "../core/rules/table.ts";
import { openSession, type Session } from "../core/session.ts";
import type { Settings } from "../core/step.ts";
import type { DeviceAdmin } from "../device/admin.ts";
import { journal } from "../journal.ts";
import type { OpenStore } from "../store/store.ts";

export interface RuntimeNode {
  readonly keyring: Keyring;
  readonly settings: Settings;
  /** Where the keys are on a device: what a person asks about it, beside the road. */
  readonly device?: DeviceAdmin;
}

export interface RuntimeParts {
  readonly nodes: readonly RuntimeNode[];
  /** For the audit log: what runs. */
  readonly software: string;
  readonly store: OpenStore;
  readonly clock: Clock;
  readonly verify: Verify;
  readonly report: (error: unknown) => void;
  /** Where the signer follows the chain by itself. */
  readonly own?: OwnSource;
  /** Milliseconds between two looks at whether refusals wait too long. */
  readonly flushEvery?: number;
}

export interface Runtime {
  respond(request: AnyRequest, host: string): Promise<Outcome<Name>>;
  fault(): Told | undefined;
  channels(): number;
  /** Writes what waits, and closes the store. */
  close(): Promise<void>;
}

export const openRuntime = async (parts: RuntimeParts): Promise<Runtime> => {
  const { nodes, software, store, clock, verify, report, flushEvery = 1_000 } = parts;
  const log = journal(clock);
  const sessions = new Map<string, Session>();
  const followed: ChainNode[] = [];
  const devices = new Map<string, DeviceAdmin>();
  for (const { keyring, settings, device } of nodes) {
    if (device !== undefined) devices.set(toHex(keyring.node), device);
    const session = await openSession({
      settings,
      store,
      keyring,
      journal: log,
      verify,
      now: () => Math.floor(clock.now() / 1000),
      report,
    });
    sessions.set(toHex(session.node), session);
    followed.push({ session, maxFeerate: settings.policy.maxSweepFeerate });
  }
  const all = [...sessions.values()];
  let broken: Told | undefined;
  const fault = (): Told | undefined =>
    broken ?? all.map((one) => one.fault()).find((told) => told !== undefined);

  const write = async (audit: readonly Uint8Array[]): Promise<void> => {
    if (audit.length === 0) return;
    try {
      await store.commit({ epoch: store.epoch, writes: [], audit });
    } catch (error) {
      report(error);
      broken ??= { code: "store", sentence: "the audit log can't be written: see the signer's log" };
    }
  };

  await write([record({ kind: "start", time: clock.now(), detail: software })]);
  const timer = setInterval(() => {
    const now = clock.now();
    if (log.refusals.due(now) && fault() === undefined) void write(log.refusals.drain(now));
  }, flushEvery);
  timer.unref();
  const own = parts.own === undefined ? undefined : openOwnChain({ ...parts.own, nodes: followed });

  const besides = async (reply: Promise<Reply<Name>>): Promise<Outcome<Name>> => {
    try {
      return { is: "reply", reply: await reply };
    } catch (error) {
      report(error);
      return { is: "fault", fault: { code: "keyring", sentence: "the device can't be asked: see the log" } };
    }
  };

  return {
    respond: async (request, host) => {
      const told = fault();
      if (told !== undefined && request.name !== "status") return { is: "fault", fault: told };
      const session = sessions.get(toHex(request.body.node));
      if (session === undefined) {
        const { name, body } = request;
        const asked = {
          host,
          node: body.node,
          operation: operations[name].number,
          channel: unknown,
        } as const;
        log.refused({ ...asked, content: contentHash(name, body) }, "node-known");
        return { is: "refusal", refusal: refuse(textOf("node-known"), { node: body.node }) };
      }
      const outcome = await (own?.respond(session, request, host) ?? session.respond(request, host));
      // Audited by then, as what it is; the device has the last word on it.
      const beside =
        outcome.is === "reply"
          ? devices.get(toHex(session.node))?.reply(request, session.isForgotten)
          : undefined;
      if (beside !== undefined) return besides(beside);
      // One broken session stops all of them, and what broke may be none of theirs.
      if (request.name !== "status" || outcome.is !== "reply") return outcome;
      return { is: "reply", reply: { ...outcome.reply, fault: fault()?.sentence ?? "" } } as Outcome<Name>;
    },
    fault,
    channels: () => all.reduce((sum, one) => sum + one.channels(), 0),
    close: async () => {
      await own?.close();
      clearInterval(timer);
      const now = clock.now();
      if (fault() === undefined) {
        const stop = record({ kind: "stop", time: now, detail: software });
        await write([...log.refusals.drain(now, "last"), stop]);
      }
      await store.close();
    },
  };
};
