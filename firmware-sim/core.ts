/**
 * The core behind the device's keys: the one of the signer, over this device's own records, with its own limits. What a
 * person has to agree to is asked here, on the screen, whatever the signer was told.
 */

import { equal, toHex } from "../protocol/bytes.ts";
import { packedFields, u8, u16, unpack } from "../protocol/codec.ts";
import type { Curve } from "../protocol/curve/curve.ts";
import {
  type CoreAnswer,
  type CoreRefusal,
  type CoreRequest,
  decodeCoreRequest,
  encodeCoreAnswer,
} from "../protocol/device/core.ts";
import type { Request as About } from "../protocol/link/requests.ts";
import { invalid, Malformed } from "../protocol/malformed.ts";
import * as f from "../protocol/operations/fields.ts";
import { type AnyRequest, unpackRequest } from "../protocol/operations/index.ts";
import type { Refusal } from "../protocol/outcome.ts";
import { Secret } from "../protocol/secret.ts";
import { channelId, msat } from "../protocol/units.ts";
import { Fault } from "../signer/core/fault.ts";
import { unpackApproval } from "../signer/core/node-records.ts";
import type { Policy } from "../signer/core/policy.ts";
import type { Keyring } from "../signer/core/ports.ts";
import { judgedTwice } from "../signer/core/second.ts";
import { openSession, type Session } from "../signer/core/session.ts";
import { publicOf, saidOf } from "./answers.ts";
import { type Open, openDesk, type Settling } from "./desk.ts";
import type { Serve, Served } from "./device.ts";
import type { Place } from "./journal.ts";
import { type Ledger, openLedger, vouchAt } from "./ledger.ts";
import { devicePolicy, mostAccepted, mostHtlcs } from "./limits.ts";
import { channelsHeld } from "./over.ts";
import { policyIn, setLimits } from "./own-limits.ts";
import { acceptedIn, htlcsIn, noRebalance, noRoom, notAgreed } from "./refusals.ts";
import { NotTaken, storeOver } from "./store.ts";
import { openTime, timeFacts } from "./time.ts";

export interface OwnKeyring extends Keyring {
  close(): void;
}

export interface CoreParts {
  readonly curve: Curve;
  readonly keyringOf: (root: {
    readonly seed: Secret;
    readonly network: f.Network;
    readonly nodeIndex: number;
  }) => OwnKeyring;
  readonly software: string;
  /** What this firmware is built with, where that is not `limits.ts`. */
  readonly policy?: (network: f.Network) => Policy;
}

const nodeAt: Place = "setting/1";
const nodeForm = packedFields({
  format: u8("version of the format", (n) => {
    if (n !== 1) throw invalid(`${n} is not known to this firmware`);
    return n;
  }),
  network: f.network,
  tier: f.tier,
  index: u16("which of the seed's nodes", (n) => n),
});

const refused = (why: CoreRefusal): CoreAnswer => ({ is: "refused", why });
const told = (network: f.Network): string => (network === "bitcoin" ? "bitcoin: real money" : network);

export const coreBehind =
  ({ curve, keyringOf, software, policy = devicePolicy }: CoreParts): Serve =>
  async ({ seed: given, journal, key: pagesKey, tick, consent, onFault }) => {
    const seed = given.use((bytes) => new Secret(bytes));
    const key = pagesKey.use((bytes) => new Secret(bytes));
    let keyring: OwnKeyring | undefined;
    let loading: Ledger | undefined;
    let open: Open | undefined;
    /** As the request says that is judged: a step that is taken again must not depend on those before it. */
    let clock = 0;
    let witness = 0n;
    let isClosed = false;
    let turn: Promise<unknown> = Promise.resolve();
    const time = openTime(journal, tick);

    const settings = (network: f.Network, tier: f.Tier) => ({
      isDeep: (channel: bigint) => journal.get(vouchAt(channel)) !== undefined,
      isOver: (channel: bigint) => desk.isOver(channel),
      network,
      tier,
      policy: policyIn(journal, policy(network)),
      clockless: true,
      curve,
      software,
    });

    const settingIn = () => {
      const bytes = journal.get(nodeAt);
      return bytes === undefined ? undefined : unpack(nodeForm, bytes);
    };

    const network = (): f.Network => settingIn()?.network ?? "bitcoin";
    const desk = openDesk({
      ...{ journal, curve, consent, network },
      policy: () => policy(network()),
      open: () => (isClosed ? undefined : open),
    });

    /** Loaded anew from what is in flash. */
    const reset = (): void => {
      open?.ledger.wipe();
      loading?.wipe();
      open = undefined;
      loading = undefined;
    };

    const keep = async (
      { network, tier, index, now }: CoreRequest & { is: "open" },
      about: About,
    ): Promise<CoreAnswer> => {
      // The sums of a lesser tier hold in windows of a day, and what a day is begins with the signer's word.
      if (tier !== "full") return refused("tier");
      const known = settingIn();
      if (known !== undefined && (known.network !== network || known.tier !== tier || known.index !== index))
        return refused("network");
      if (known === undefined) {
        const agreed = await consent(about, "Keep node keys", [
          { label: "Network", value: { is: "word", word: told(network) } },
          { label: "The host tells", value: { is: "word", word: tier } },
          { label: "Which of the seed's", value: { is: "count", count: BigInt(index), unit: "" } },
          ...timeFacts(now),
        ]);
        if (agreed !== true) return refused(agreed === undefined ? "busy" : "denied");
        const node = nodeForm.encode({ format: 1, network, tier, index });
        time.agreed(now, new Map([[nodeAt, node]]));
      } else if (!time.fits(now)) {
        const agreed = await consent(about, "Is it this time?", timeFacts(now, time.span));
        if (agreed !== true) return refused(agreed === undefined ? "busy" : "denied");
        time.agreed(now);
      } else if (!time.isCounting) time.begin(now);
      // Whose time was over before this unlocking waits for nobody.
      clock = Number(now);
      keyring ??= keyringOf({ seed, network, nodeIndex: index });
      if (open === undefined) {
        reset();
        loading = openLedger({ journal, key });
      }
      const ledger = open?.ledger ?? loading;
      const { step, witness: highest } = ledger ?? openLedger({ journal, key });
      return { is: "opened", node: keyring.node, step, witness: highest, isOpen: open !== undefined };
    };

    const sessionOver = async (ledger: Ledger): Promise<Session | undefined> => {
      const setting = settingIn();
      if (keyring === undefined || setting === undefined) return undefined;
      return openSession({
        settings: settings(setting.network, setting.tier),
        store: storeOver(ledger, keyring.node, () => witness),
        keyring,
        journal: { decided: () => [], refused: () => {} },
        verify: async (jobs) => curve.verifyBatch(jobs),
        now: () => clock,
        report: (error) => {
          // The core tells of its store's troubles in words of its own.
          const cause = error instanceof Fault ? (error.cause ?? error) : error;
          if (!isClosed && !(cause instanceof NotTaken)) onFault(cause);
        },
      });
    };

    const begin = async (): Promise<CoreAnswer> => {
      if (loading === undefined) return refused("order");
      const ledger = loading;
      const begun = ledger.begin();
      if (begun.is === "refused") {
        reset();
        return begun;
      }
      const session = await sessionOver(ledger);
      if (session === undefined) return refused("order");
      open = { session, ledger };
      loading = undefined;
      return { is: "begun", step: ledger.step, isBehind: ledger.isBehind };
    };

    /** Undefined: it is for the core to say. */
    const unfit = (request: AnyRequest, ledger: Ledger): Refusal | undefined => {
      // The approver's own word: whatever is decided at the signer alone stays there.
      if (!judgedTwice.has(request.name) && request.name !== "decideApproval")
        throw new Malformed("request", `${request.name} is not for a device`);
      if (request.name === "proposePayment" && request.body.kind === "rebalance") return noRebalance;
      const [htlcs, accepted] = [htlcsIn(request), acceptedIn(request)];
      if (htlcs > mostHtlcs)
        return noRoom(
          false,
          [{ name: "htlcs", value: String(htlcs) }],
          "Let the host accept fewer HTLCs in a channel.",
        );
      if (accepted > mostAccepted)
        return noRoom(
          true,
          [{ name: "maxAcceptedHtlcs", value: String(accepted) }],
          `Let the host accept at most ${mostAccepted} HTLCs in a channel.`,
        );
      if (request.name !== "decideApproval" || request.body.verdict !== "approve" || ledger.isBehind)
        return undefined;
      const id = toHex(request.body.id);
      const record = ledger.records().get(`approval/${id}`);
      const approval = record === undefined ? undefined : unpackApproval(record.bytes);
      // What was decided before stays so, whoever asks again.
      if (approval?.standing !== "pending") return undefined;
      return desk.isApproved(approval.id, BigInt(approval.asked)) ? undefined : notAgreed(id);
    };

    /** Undefined where the signer keeps all pages of the last step: else it is to keep them first. */
    const unkept = (step: bigint, ledger: Ledger): CoreAnswer | undefined => {
      const { isBehind } = ledger;
      if (step === (isBehind ? ledger.step - 1n : ledger.step)) return undefined;
      const pages = isBehind ? undefined : ledger.since(step);
      if (pages === undefined) return refused(step > ledger.step ? "pages-ahead" : "pages-old");
      return { is: "pages", step: ledger.step, pages };
    };

    const judge = async ({
      step,
      now,
      request,
      ...said
    }: CoreRequest & { is: "judge" }): Promise<CoreAnswer> => {
      if (open === undefined) return refused("order");
      const { session, ledger } = open;
      const { isBehind } = ledger;
      const first = unkept(step, ledger);
      if (first !== undefined) return first;
      // A step that is taken again comes out as it did, or not at all.
      if (!isBehind && !time.fits(now)) return refused("clock");
      const asked = unpackRequest(request);
      const refusal = unfit(asked, ledger);
      if (refusal !== undefined) return { is: "refusal", step, pages: [], refusal };
      clock = Number(now);
      witness = said.witness;
      const outcome = await session.respond(asked, "signer");
      // Locked meanwhile: whatever it was going to say, the keys are gone.
      if (isClosed) return refused("order");
      const fault = session.fault();
      const { notTaken } = ledger;
      // It was the step that had been cut off, or nothing of it leaves.
      if (ledger.isBehind || (isBehind && fault !== undefined)) {
        reset();
        return refused("page-differs");
      }
      // The session goes on from a step that is not in flash, so it is opened anew.
      if (notTaken === "room") {
        reset();
        return {
          is: "refusal",
          step,
          pages: [],
          refusal: noRoom(false, [], "Close channels, or ask for less at once."),
        };
      }
      if (fault !== undefined) return { is: "fault", fault };
      if (asked.name === "decideApproval") desk.forget(asked.body.id);
      return saidOf(asked, outcome, { step: ledger.step, pages: ledger.since(step) ?? [] });
    };

    /** Judged by them from the next request on: never a step that is taken again, which was judged before. */
    const change = async (
      { step, limits }: CoreRequest & { is: "setLimits" },
      mark: Uint8Array,
    ): Promise<CoreAnswer> => {
      if (open === undefined || keyring === undefined || open.ledger.isBehind) return refused("order");
      const { ledger } = open;
      const first = unkept(step, ledger);
      if (first !== undefined) return first;
      if (!equal(desk.limits().mark, mark)) return refused("busy");
      setLimits(journal, { mark: await keyring.random(16), limits });
      desk.limitsChanged();
      const session = await sessionOver(ledger);
      if (session === undefined || isClosed) return refused("order");
      open = { session, ledger };
      return { is: "limits", ...toldLimits() };
    };

    const settle = async (step: bigint, settling: Settling): Promise<CoreAnswer> => {
      if (open === undefined || open.ledger.isBehind) return refused("order");
      return unkept(step, open.ledger) ?? desk.settle(settling);
    };
    const settled = (
      step: bigint,
      about: About,
      found: CoreAnswer | Settling,
    ): Promise<CoreAnswer> | CoreAnswer =>
      found.is === "settling" ? inTurn(about, () => settle(step, found)) : found;

    const toldLimits = () => {
      const { mark, limits, left } = desk.limits();
      return { mark, limits, left: msat(left) };
    };

    /** One after the other: each is judged on what the one before left, and none for a signer that is gone. */
    const inTurn = ({ signal }: About, action: () => Promise<CoreAnswer>): Promise<CoreAnswer> => {
      const mine = turn.then(() => (isClosed || signal.aborted ? refused("order") : action()));
      turn = mine.catch(() => {});
      return mine;
    };

    const load = async (pages: readonly Uint8Array[]): Promise<CoreAnswer> => {
      if (loading === undefined) return refused("order");
      for (const page of pages) {
        const why = loading.load(page);
        if (why !== undefined) return why;
      }
      return { is: "done" };
    };

    const answerTo = async (request: CoreRequest, about: About): Promise<CoreAnswer> => {
      switch (request.is) {
        case "open":
          return inTurn(about, () => keep(request, about));
        case "load":
          return inTurn(about, () => load(request.pages));
        case "begin":
          return inTurn(about, begin);
        case "judge":
          return inTurn(about, () => judge(request));
        case "consult":
          return desk.consult(request, about);
        case "vouch":
          return settled(request.step, about, await desk.vouch(about));
        case "over":
          return desk.over(request, about);
        case "channels":
          if (open === undefined) return refused("order");
          return { is: "channels", channels: channelsHeld(open.ledger).map(channelId) };
        case "limits":
          return settingIn() === undefined ? refused("order") : { is: "limits", ...toldLimits() };
        case "setLimits": {
          const mark = await desk.mayChange(request, about);
          return mark instanceof Uint8Array ? inTurn(about, () => change(request, mark)) : mark;
        }
        case "questions":
          return desk.questions();
        case "answer":
          return settled(request.step, about, await desk.answer(request));
        case "basepoints":
        case "points":
        case "closingScript":
        case "walletKey":
        case "identity":
        case "ecdh":
        case "payerKey":
        case "random":
          return keyring === undefined ? refused("order") : publicOf(keyring, request);
      }
    };

    return {
      answer: async (bytes, about) => encodeCoreAnswer(await answerTo(decodeCoreRequest(bytes), about)),
      close: () => {
        isClosed = true;
        reset();
        keyring?.close();
        keyring = undefined;
        seed.wipe();
        key.wipe();
        desk.close();
      },
    } satisfies Served;
  };
