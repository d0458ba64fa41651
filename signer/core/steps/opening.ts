/** hello, new, check, setup, points. */

import { p2wsh } from "../../../protocol/bitcoin/script.ts";
import { fundingScript } from "../../../protocol/bolt/scripts.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import { invalid, Malformed } from "../../../protocol/malformed.ts";
import type { Terms } from "../../../protocol/operations/fields.ts";
import { namesOf, operations, protocolVersion, type Request } from "../../../protocol/operations/index.ts";
import {
  type ChannelId,
  type CommitmentNumber,
  commitmentNumber,
  type Script,
  toMsat,
} from "../../../protocol/units.ts";
import { type Asked, approvedFor, ask as askPerson, type Question } from "../approvals.ts";
import { boundsOf } from "../policy.ts";
import { judge, refuse } from "../rule.ts";
import { openingConsent, type SetupView, setupRules } from "../rules/setup.ts";
import { type RuleName, textOf } from "../rules/table.ts";
import type { ChannelState, Live, Setup } from "../state.ts";
import {
  type Change,
  type Decision,
  given,
  liveOf,
  noChannel,
  refused,
  type Settings,
  type Step,
  type View,
} from "../step.ts";
import { charge } from "../velocity.ts";

const firstPoints: readonly CommitmentNumber[] = [commitmentNumber(0n), commitmentNumber(1n)];

export const hello: Step<"hello", undefined> = {
  prepare: () => undefined,
  decide: ({ body, settings }) => {
    const { network, tier, policy, software } = settings;
    if (body.version === 0) throw new Malformed("version", "versions begin at 1");
    if (body.network !== network)
      return refused(refuse(textOf("node-network"), { host: body.network, signer: network }));
    return {
      is: "told",
      reply: () => ({
        version: Math.min(body.version, protocolVersion),
        network,
        tier,
        software,
        operations: namesOf("host").map((name) => operations[name].number),
        bounds: boundsOf(policy),
      }),
    };
  },
};

/** Far above any count of channels, and far enough below the codec's bound for the next one to fit. */
const lastWanted = 1n << 62n;

export const newChannel: Step<"new", undefined> = {
  prepare: () => undefined,
  decide: ({ body, view }) => {
    const { nextChannel } = view.node;
    const { wanted } = body;
    if (isKnown(wanted) && wanted >= lastWanted)
      throw new Malformed("wanted", "an id this high leaves none for later");
    const channel = isKnown(wanted) ? wanted : nextChannel;
    const reply: (Decision<"new"> & { is: "kept" })["reply"] = ({ basepoints, points, closingScript }) => ({
      channel,
      basepoints: given(basepoints, "basepoints"),
      points,
      closingScript: given(closingScript, "closing script"),
    });
    const needs = { channel, basepoints: true, closingScript: true, points: firstPoints };
    if (channel >= nextChannel)
      return {
        is: "kept",
        change: { node: { ...view.node, nextChannel: (channel + 1n) as ChannelId } },
        needs,
        reply,
      };
    // Asked for again before anything was agreed: the reply may have been lost.
    if (view.channel?.phase === "stub") return { is: "kept", change: {}, needs, reply };
    return refused(
      refuse(textOf("channel-original-channel-id-reuse"), { wanted: channel, next: nextChannel }),
    );
  },
};

const others = (view: View): SetupView["others"] => {
  let count = 0;
  let value = 0n;
  for (const channel of view.channels.values()) {
    const live = liveOf(channel);
    if (live === undefined) continue;
    count += 1;
    value += live.setup.terms.value;
  }
  return { count, value };
};

const setupView = (
  { view, settings: { policy, tier } }: { readonly view: View; readonly settings: Settings },
  terms: Terms,
  closingScript: Script,
): SetupView => ({
  terms,
  tier,
  policy,
  closingScript,
  node: view.node,
  now: view.now,
  others: others(view),
});

/** Bound to terms, peer and channel: what a person agreed to is opened once. */
const questionOf = ({ node, channel, peer, terms }: Request<"check">): Question => ({
  subject: "opening",
  content: operations.check.packedRequest.encode({ node, channel, peer, terms }),
  amount: toMsat(terms.contribution),
  shown: [
    { name: "peer", value: toHex(peer) },
    { name: "value", value: `${terms.value} sat` },
    { name: "weFund", value: `${terms.contribution} sat` },
    { name: "push", value: `${terms.push} msat` },
    { name: "opener", value: terms.opener },
  ],
});

/** Limits first, which no person can wave through; then what a person has to agree to. */
const allowed = (
  scene: { readonly view: View; readonly settings: Settings },
  body: Request<"check">,
  closingScript: Script,
): Asked | undefined => {
  const subject = setupView(scene, body.terms, closingScript);
  const refusal = scene.view.outlook.trouble ?? judge(setupRules, subject);
  if (refusal !== undefined) return refused(refusal);
  for (const rule of openingConsent) {
    const facts = rule.check(subject);
    const question = questionOf(body);
    if (facts !== undefined && approvedFor(scene.view, question) === undefined)
      return askPerson(scene.view, question, rule.name as RuleName, facts);
  }
  return undefined;
};

/** Its keys were used, and what became of them nobody here remembers. */
const forgotten = (channel: ChannelId) =>
  refused(refuse(textOf("channel-original-channel-id-reuse"), { channel, forgotten: true }));

export const check: Step<"check", undefined> = {
  needs: ({ channel }) => ({ channel, closingScript: true }),
  prepare: () => undefined,
  decide: ({ body, view, known, settings }) => {
    if (view.channel === undefined) return noChannel(body.channel, view.channel);
    if (view.channel.phase === "forgotten") return forgotten(body.channel);
    const closingScript = given(known.closingScript, "closing script");
    return allowed({ view, settings }, body, closingScript) ?? { is: "told", reply: () => ({}) };
  },
};

/**
 * Every key of the other side is one, and none is ours: a 2-of-2 with ourselves protects nobody, and what pays our key in a
 * commitment has to tell whose it is.
 */
const checkKeys = (setup: Setup, isPoint: (bytes: Uint8Array) => boolean): void => {
  for (const [name, key] of Object.entries(setup.counterparty)) {
    if (!isPoint(key)) throw new Malformed(`counterparty.${name}`, "not a point of the curve");
    if (Object.values(setup.holder).some((own) => equal(own, key)))
      throw invalid(`counterparty.${name} is the holder's key`);
  }
};

const opened = (setup: Setup): ChannelState => {
  const zero = commitmentNumber(0n);
  const none = { variants: [], past: { hashes: [] } } as const;
  const live: Live = {
    setup,
    holder: { ...none, revealed: zero, broadcast: [] },
    counterparty: { ...none, revoked: zero, secrets: [] },
  };
  return { phase: "open", ...live };
};

const funded = ({ node, now }: View, { contribution }: Terms): Change =>
  contribution === 0n
    ? {}
    : {
        node: {
          ...node,
          time: now,
          windows: { ...node.windows, funded: charge(node.windows.funded, now, toMsat(contribution)) },
        },
      };

export const setup: Step<"setup", undefined> = {
  needs: ({ channel }) => ({ channel, basepoints: true, closingScript: true }),
  prepare: () => undefined,
  decide: ({ body, hash, view, known, settings }) => {
    if (view.channel === undefined) return noChannel(body.channel, view.channel);
    if (view.channel.phase === "forgotten") return forgotten(body.channel);
    const holder = given(known.basepoints, "basepoints");
    const reply = () => ({ fundingScript: p2wsh(fundingScript(holder.funding, body.counterparty.funding)) });
    const before = liveOf(view.channel);
    if (before !== undefined) {
      return equal(before.setup.content, hash)
        ? { is: "kept", change: {}, reply }
        : refused(
            refuse(textOf("channel-setup-immutable"), {
              channel: body.channel,
              funding: before.setup.funding.txid,
            }),
          );
    }
    const closingScript = given(known.closingScript, "closing script");
    const asked = allowed({ view, settings }, body, closingScript);
    if (asked !== undefined) return asked;
    const { peer, terms, counterparty, funding } = body;
    const fixed: Setup = { content: hash, peer, terms, holder, counterparty, funding, closingScript };
    checkKeys(fixed, settings.curve.isPoint);
    return { is: "kept", change: { channel: opened(fixed), ...funded(view, terms) }, reply };
  },
};

/** Points are public, and a peer picks the numbers at reestablishment: every one is answered. */
export const points: Step<"points", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { channel, numbers }, view }) =>
    view.channel === undefined
      ? noChannel(channel, view.channel)
      : {
          is: "told",
          needs: { channel, points: numbers },
          reply: (known) => ({ points: known.points }),
        },
};
