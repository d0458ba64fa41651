/**
 * A rig whose requests go straight to a device's core, as a compromised signer would send them: in their packed form, over
 * the device's own records in its flash. A restart is a power cut, after which all that was given out is loaded again.
 */

import { coreBehind } from "../../firmware-sim/core.ts";
import type { Served } from "../../firmware-sim/device.ts";
import { type FlashSim, memoryMedium, openFlash } from "../../firmware-sim/flash.ts";
import { formatFlash, openJournal } from "../../firmware-sim/journal.ts";
import { devicePolicy } from "../../firmware-sim/limits.ts";
import { decodePage, openPage } from "../../firmware-sim/page.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import {
  type CoreAnswer,
  type CoreRequest,
  decodeCoreAnswer,
  encodeCoreRequest,
} from "../../protocol/device/core.ts";
import { Malformed } from "../../protocol/malformed.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import {
  type AnyRequest,
  type Name,
  packRequest,
  type Reply,
  type Request,
  unpackReply,
} from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { Secret } from "../../protocol/secret.ts";
import { msat } from "../../protocol/units.ts";
import { unpackApproval } from "../../signer/core/node-records.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import type { Store } from "../../signer/core/ports.ts";
import { judgedTwice } from "../../signer/core/second.ts";
import { questionOf } from "../../signer/device/questions.ts";
import { type SoftwareKeyring, softwareKeyring } from "../../signer/keys/software.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { random } from "../fuzz/random.ts";
import { ask } from "./channel.ts";
import { curve, offeredIn, plainTime, plenty, type Rig, type RigOptions } from "./road.ts";
import { attempted, honestPassed } from "./tally.ts";

export const keyringOf = (): SoftwareKeyring =>
  softwareKeyring({
    seed: new Secret(new Uint8Array(64).fill(7)),
    network: "regtest",
    nodeIndex: 0,
    curve,
    style: "native",
  });

export interface Core {
  readonly flash: FlashSim;
  readonly faults: unknown[];
  /** What the person at the device was asked. */
  readonly asked: string[];
  /** As it was given out, by key. */
  readonly pages: Map<string, Uint8Array>;
  /** What is in them, which only the device can read. */
  records(): ReadonlyMap<string, Uint8Array>;
  step: bigint;
  /** Keeps the pages of the answer, as a signer does. */
  ask(request: CoreRequest, signal?: AbortSignal): Promise<CoreAnswer>;
  judge(request: AnyRequest, now?: number): Promise<CoreAnswer>;
  /** The same, and the request as it was shown there. */
  shown(
    request: AnyRequest,
    now?: number,
  ): Promise<{ readonly request: CoreRequest & { readonly is: "judge" }; readonly answer: CoreAnswer }>;
  /** From now on the person looks, and presses nothing. */
  holdScreen(): void;
  /** When they look at the next question. */
  onScreen(): Promise<void>;
  /** They press what they would have pressed. */
  goOn(): void;
  /** Off and on; nothing is loaded. */
  powerCycle(): Promise<void>;
  /** Opened, with these pages or all that were given out. */
  load(pages?: Iterable<Uint8Array>): Promise<CoreAnswer>;
}

export interface CoreOptions {
  readonly flash?: FlashSim;
  readonly pagesKey?: number;
  readonly policy?: Parameters<typeof coreBehind>[0]["policy"];
  readonly consents?: (title: string) => boolean | undefined;
  readonly tier?: RigOptions["tier"];
  readonly watch?: RigOptions["watch"];
  /** Of the device, in milliseconds; else as much passes there as the signer says. */
  readonly tick?: () => number;
}

const freshFlash = (): FlashSim => {
  const flash = openFlash({ medium: memoryMedium(32), int: random(1).int });
  formatFlash(flash);
  return flash;
};

export const openCore = async ({
  flash = freshFlash(),
  pagesKey = 5,
  policy = devicePolicy,
  consents = () => true,
  tier = "full",
  watch = (keyring) => keyring,
  tick,
}: CoreOptions = {}): Promise<Core> => {
  let latest = plainTime;
  const ticks = tick ?? (() => latest * 1_000);
  const faults: unknown[] = [];
  const asked: string[] = [];
  const pages = new Map<string, Uint8Array>();
  const own = () => {
    const keyring = keyringOf();
    return { ...watch(keyring), close: keyring.close };
  };
  const serve = coreBehind({ curve, keyringOf: own, software: "countersign test device", policy });
  const sealKey = new Secret(new Uint8Array(32).fill(pagesKey));
  let served: Served | undefined;
  let isHeld = false;
  let goOn = (): void => {};
  const looked = Promise.withResolvers<void>();
  const start = async (): Promise<void> => {
    served?.close();
    flash.powerOn();
    served = await serve({
      seed: new Secret(new Uint8Array(64).fill(7)),
      journal: openJournal(flash),
      key: sealKey,
      tick: ticks,
      consent: async ({ signal }, title, facts) => {
        // Where a test says nothing of time, its person agrees to every one.
        if (tick === undefined && title === "Is it this time?") return true;
        asked.push([title, ...facts.map(({ label }) => label)].join(", "));
        if (!isHeld) return consents(title);
        looked.resolve();
        return new Promise((answer, fail) => {
          goOn = () => answer(consents(title));
          signal.addEventListener("abort", () => fail(signal.reason));
        });
      },
      onFault: (error) => faults.push(error),
    });
  };
  await start();
  const core: Core = {
    flash,
    faults,
    asked,
    pages,
    records: () =>
      new Map(
        [...pages].map(([key, page]) => [key, openPage(sealKey, decodePage(page)) ?? new Uint8Array(0)]),
      ),
    step: 0n,
    ask: async (request, signal = new AbortController().signal) => {
      if (served === undefined) throw new Error("off");
      const about = { signal, waitsForPerson: () => {} };
      const answer = decodeCoreAnswer(await served.answer(encodeCoreRequest(request), about));
      if (!("pages" in answer)) return answer;
      core.step = answer.step;
      for (const { key, page } of answer.pages)
        if (isKnown(page)) pages.set(key, page);
        else pages.delete(key);
      return answer;
    },
    judge: async (asked, now) => (await core.shown(asked, now)).answer,
    shown: async ({ name, body }, now = plainTime) => {
      const packed = packRequest(name, body as never);
      latest = Math.max(latest, now);
      const request = {
        is: "judge",
        step: core.step,
        now: BigInt(now),
        witness: 0n,
        request: packed,
      } as const;
      const answer = await core.ask(request);
      // As a signer goes on whose clock was set back: the person agrees.
      if (tick !== undefined || answer.is !== "refused" || answer.why !== "clock") return { request, answer };
      await core.ask({ is: "open", network: "regtest", tier, index: 0, now: BigInt(now) });
      return { request, answer: await core.ask(request) };
    },
    holdScreen: () => {
      isHeld = true;
    },
    onScreen: () => looked.promise,
    goOn: () => {
      isHeld = false;
      goOn();
    },
    powerCycle: start,
    load: async (some = pages.values()) => {
      const opened = await core.ask({ is: "open", network: "regtest", tier, index: 0, now: BigInt(latest) });
      if (opened.is !== "opened" || opened.isOpen) return opened;
      for (const page of some) {
        const loaded = await core.ask({ is: "load", pages: [page] });
        if (loaded.is !== "done") return loaded;
      }
      return core.ask({ is: "begin" });
    },
  };
  return core;
};

export const outcomeOf = (answer: CoreAnswer): Outcome<Name> => {
  if (answer.is === "reply") return { is: "reply", reply: unpackReply(answer.reply).body };
  if (answer.is === "refusal") return { is: "refusal", refusal: answer.refusal };
  if (answer.is === "malformed") return { is: "malformed", malformed: answer.malformed };
  const told = JSON.stringify(answer, (_, one: unknown) => (typeof one === "bigint" ? String(one) : one));
  throw new Error(`the device: ${told}`);
};

/** Play channels say 483, which the device takes for more than it has room for. */
export const fitting = (request: AnyRequest): AnyRequest => {
  if (request.name !== "check" && request.name !== "setup") return request;
  const { terms } = request.body;
  const holder = { ...terms.holder, maxAcceptedHtlcs: 50 };
  return { ...request, body: { ...request.body, terms: { ...terms, holder } } } as AnyRequest;
};

/** With the device's own limits, but for what a test says, and for the person, who is asked only where a test says so. */
export const policyOf = (changes: RigOptions["policy"] = {}) => {
  const { unattendedFunding, unattendedPayment } = defaultPolicy("regtest");
  return (network: Network) => ({
    ...devicePolicy(network),
    ...{ unattendedFunding, unattendedPayment },
    ...changes,
  });
};

/** No device is asked for it: from its records. */
const listed = (core: Core, now: number, state: string): Reply<"listApprovals"> => ({
  approvals: [...core.records()].flatMap(([key, bytes]) => {
    if (!key.startsWith("approval/")) return [];
    const { id, subject, standing, amount, shown, asked, until, by } = unpackApproval(bytes);
    if (state === "pending" && standing !== "pending") return [];
    const isOver = standing !== "denied" && until < now;
    return [
      {
        ...{ id, subject, shown, by, amount: msat(amount), standing: isOver ? "expired" : standing },
        ...{ asked: BigInt(asked), until: BigInt(until) },
      },
    ];
  }),
  more: 0,
});

type Option = "chain" | "wrap" | "disk" | "verify";
interface Elsewhere {
  /** What a test needs that a device has not: it is about something else, and proves nothing here. */
  leave(what: string): never;
  /** Options that change nothing of what is tested. */
  readonly ignored: readonly Option[];
}
let elsewhere: Elsewhere = {
  leave: (what) => {
    throw new Error(what);
  },
  ignored: [],
};
export const testsElsewhere = (found: Elsewhere): void => {
  elsewhere = found;
};

/** `withPerson`: what waits for one is shown at the device, and asked again. */
export const rigOver = (
  core: Core,
  options: RigOptions & { readonly withPerson?: boolean },
  reopen: (policy: RigOptions["policy"]) => Promise<Core>,
): Rig => {
  const { time = () => plainTime, proposes = true, withPerson = false } = options;
  const keyring = keyringOf();
  const { node } = keyring;
  const once = async (request: AnyRequest): Promise<Outcome<Name>> => {
    try {
      if (request.name === "points") {
        const { channel, numbers } = request.body;
        const told = await core.ask({ is: "points", channel, numbers });
        if (told.is !== "points") throw new Error(told.is);
        return { is: "reply", reply: told };
      }
      if (request.name === "listApprovals")
        return { is: "reply", reply: listed(core, time(), request.body.state) };
      if (request.name === "proposePayment" && request.body.kind === "rebalance")
        return elsewhere.leave("a device takes no rebalance");
      if (!judgedTwice.has(request.name) && request.name !== "decideApproval")
        return elsewhere.leave(`a device is not asked for ${request.name}`);
      // An administrator's yes is worth nothing there: a person at the device has to say it.
      if (request.name === "decideApproval" && request.body.verdict === "approve")
        await core.ask({ is: "consult", approval: request.body.id });
      for (;;) {
        const answer = await core.judge(fitting(request), time());
        // Another request came between.
        if (answer.is !== "pages") return outcomeOf(answer);
      }
    } catch (error) {
      if (error instanceof Malformed)
        return { is: "malformed", malformed: { path: error.path, reason: error.reason } };
      throw error;
    }
  };
  /** As a signer does that puts what waits before the person, and asks again. */
  const respond = async (request: AnyRequest): Promise<Outcome<Name>> => {
    const outcome = await once(request);
    const id = withPerson ? questionOf(outcome) : undefined;
    if (id === undefined) return outcome;
    const approval = fromHex(id);
    const answer = await core.ask({ is: "consult", approval });
    if (answer.is !== "verdict") return outcome;
    const { verdict } = answer;
    await once(
      ask("decideApproval", { node, id: approval, verdict, by: "the person at the device" } as never),
    );
    return once(request);
  };
  const proposed = new Set<string>();
  const answer = async <N extends Name>(name: N, body: Request<N>): Promise<Outcome<N>> => {
    const request = ask(name, body);
    for (const [key, hash] of proposes ? offeredIn(request) : []) {
      if (proposed.has(key)) continue;
      proposed.add(key);
      const intent = { node, kind: "keysend", hash, amount: plenty, feeLimit: msat(0n) } as const;
      await respond(ask("proposePayment", { ...intent, invoice: "", source: "", payee: unknown }));
    }
    return (await respond(request)) as Outcome<N>;
  };
  const store: Store = {
    epoch: 1,
    load: async () =>
      new Map([...core.records()].map(([key, bytes]) => [`${toHex(node)}/${key}`, { version: 1, bytes }])),
    commit: () => Promise.reject(new Error("the device's own")),
    close: async () => {},
  };
  return {
    session: {
      node,
      respond: (request) => respond(request),
      fault: () => (core.faults.length > 0 ? { code: "internal", sentence: "of the device" } : undefined),
      channels: () => [...core.pages.keys()].filter((key) => key.startsWith("channel/")).length,
      isForgotten: () => false,
      ends: () => ({ height: undefined, channels: [], stirred: 0 }),
    },
    keyring,
    store,
    disk: memoryDisk(),
    faults: core.faults,
    outcome: async (name, body) => {
      const result = await answer(name, body);
      if (result.is === "refusal" || result.is === "malformed") attempted(true);
      return result;
    },
    call: async (name, body) => {
      const result = await answer(name, body);
      if (result.is !== "reply")
        throw new Error(`${name}: ${JSON.stringify(result)} ${core.faults.map(String)}`);
      honestPassed();
      return result.reply;
    },
    refusal: async (name, body) => {
      const result = await answer(name, body);
      attempted(result.is === "refusal");
      if (result.is === "refusal") return result.refusal;
      throw new Error(`${name} was not refused but ${result.is} ${core.faults.map(String)}`);
    },
    restart: async (changes) => rigOver(await reopen(changes), options, reopen),
  };
};

export const deviceRig = async (options: RigOptions = {}): Promise<Rig> => {
  for (const what of ["chain", "wrap", "disk", "verify"] as const)
    if (options[what] !== undefined && !elsewhere.ignored.includes(what))
      elsewhere.leave(`a device has its own ${what}, or none`);
  if (options.tier !== undefined && options.tier !== "full")
    elsewhere.leave("a device keeps nodes of tier full alone");
  let now = options.policy;
  const core = await openCore({
    policy: (network) => policyOf(now)(network),
    ...(options.tier === undefined ? {} : { tier: options.tier }),
    ...(options.watch === undefined ? {} : { watch: options.watch }),
  });
  const begin = async (): Promise<void> => {
    const begun = await core.load();
    if (begun.is !== "begun") throw new Error(`begin: ${JSON.stringify(begun)}`);
  };
  await begin();
  return rigOver(core, options, async (changes) => {
    now = changes ?? now;
    await core.powerCycle();
    await begin();
    return core;
  });
};
