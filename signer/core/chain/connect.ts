/** Blocks come and go. Whatever a host shows, the view changes to a chain that is proven, or not at all. */

import {
  blockHash,
  connect,
  decodeHeader,
  type Header,
  type ChainView as HeaderView,
} from "../../../protocol/bitcoin/header.ts";
import { checkSignet } from "../../../protocol/bitcoin/signet.ts";
import { outputsIn, rangeOfTx } from "../../../protocol/bitcoin/tx-range.ts";
import type { Watches } from "../../../protocol/bitcoin/watch.ts";
import { equal } from "../../../protocol/bytes.ts";
import type { Curve } from "../../../protocol/curve/curve.ts";
import { within } from "../../../protocol/malformed.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import { type Height, height, type Outpoint, type Script } from "../../../protocol/units.ts";
import { type Facts, refuse } from "../rule.ts";
import { textOf } from "../rules/table.ts";
import { type Evidence, examine, headerIn, type SeenBlock, type Shown } from "./evidence.ts";
import { type ChainView, findBlock, type KnownBlock, maxKept, oldestOf, readable, tipOf } from "./view.ts";

export interface ConnectTerms {
  readonly watches: Watches;
  readonly curve: Curve;
  /** Of a signet, and of no other network. */
  readonly challenge: Script | undefined;
  /** The weaker mode: blocks may be shown in part at any time. */
  readonly inPart?: boolean;
  /** A header's time is at most this: two hours ahead of a clock, which the core does not have. */
  readonly latest: number;
}

/** Facts of blocks above `fork` are no more, then those of `seen` hold, in this order; some may be known already. */
export interface Moved {
  readonly is: "moved";
  readonly view: ChainView;
  readonly fork: Height;
  readonly seen: readonly SeenBlock[];
}

export type Movement = Moved | { readonly is: "refused"; readonly refusal: Refusal };

/** A better source, a later hour or a longer branch may show the same block again and be believed. */
const refused = (facts: Facts): Movement & { readonly is: "refused" } => ({
  is: "refused",
  refusal: { ...refuse(textOf("chain-validated"), facts), final: false },
});

const unprovenAfter = (before: Height, { at, coverage }: Pick<KnownBlock, "at" | "coverage">): Height =>
  coverage === "whole" ? before : at.height;

/** A block that was shown in part and comes whole proves absence from there on, up to the next such gap. */
const covered = (blocks: readonly KnownBlock[], index: number): KnownBlock[] => {
  const now: KnownBlock[] = [];
  for (const [i, block] of blocks.entries()) {
    const coverage = i === index ? "whole" : block.coverage;
    const before = now.at(-1)?.unproven;
    const unproven =
      before !== undefined
        ? unprovenAfter(before, { at: block.at, coverage })
        : i === index
          ? height(Math.max(0, block.at.height - 1))
          : block.unproven;
    now.push({ ...block, coverage, unproven });
  }
  return now;
};

const solved = (
  { network }: ChainView,
  { header, at }: { readonly header: Header; readonly at: HeaderView },
  { coinbase }: Shown,
  { challenge, curve }: ConnectTerms,
): Facts | undefined => {
  if (network !== "signet") return undefined;
  const facts = (found: string): Facts => ({ broken: "signet", height: at.height, found });
  if (challenge === undefined) return facts("no challenge is configured");
  if (coinbase === undefined) return facts("a header without its coinbase");
  const verdict = checkSignet(
    { header, coinbase: coinbase.raw, coinbaseSiblings: coinbase.siblings, challenge },
    curve,
  );
  switch (verdict.is) {
    case "solved":
      return undefined;
    case "unsolved":
      return facts(verdict.why);
    case "unsupported challenge":
      return facts(verdict.is);
  }
};

/** The next blocks of a batch may spend what this one made of a watched output. */
const descendants = ({ found }: Shown): readonly Outpoint[] =>
  found.flatMap(({ txid, raw, spends, creations }) =>
    spends.length === 0
      ? creations.map(({ outpoint }) => outpoint)
      : outputsIn(raw, rangeOfTx(raw)).map((_, index) => ({ txid, index })),
  );

/** Of one call: blocks are appended in place, because the first batches have thousands. */
interface Draft {
  readonly view: ChainView;
  readonly terms: ConnectTerms;
  blocks: KnownBlock[];
  fork: Height;
  seen: SeenBlock[];
  watches: Watches;
}

const look = (draft: Draft, evidence: Evidence, { header, at }: Pick<KnownBlock, "header" | "at">): Shown => {
  const shown = examine(evidence, header.merkleRoot, draft.watches);
  const { coverage, found } = shown;
  draft.seen.push({ height: at.height, hash: at.hash, coverage, found });
  const outpoints = descendants(shown);
  if (outpoints.length > 0)
    draft.watches = { ...draft.watches, outpoints: [...draft.watches.outpoints, ...outpoints] };
  return shown;
};

const repeat = (draft: Draft, evidence: Evidence, index: number, block: KnownBlock): void => {
  const { coverage } = look(draft, evidence, block);
  if (coverage === "whole" && block.coverage === "part") draft.blocks = covered(draft.blocks, index);
};

const cut = (draft: Draft, parent: number, at: Height): void => {
  draft.blocks.length = parent + 1;
  draft.seen = draft.seen.filter((one) => one.height <= at);
  draft.fork = height(Math.min(draft.fork, at));
};

const extend = (
  draft: Draft,
  evidence: Evidence,
  { header, parent }: { readonly header: Header; readonly parent: KnownBlock },
): Facts | undefined => {
  const { view, terms } = draft;
  const connected = connect(view.network, parent.at, header);
  if (connected.is === "broken")
    return {
      broken: connected.rule,
      height: parent.at.height + 1,
      expected: connected.expected,
      found: connected.found,
    };
  const at = connected.view;
  if (header.time > terms.latest)
    return { broken: "time", height: at.height, expected: `at most ${terms.latest}`, found: header.time };
  const shown = look(draft, evidence, { header, at });
  const unsolved = solved(view, { header, at }, shown, terms);
  if (unsolved !== undefined) return unsolved;
  const { coverage } = shown;
  const { wholeFrom } = view;
  if (coverage === "part" && terms.inPart !== true && wholeFrom !== undefined && at.height >= wholeFrom)
    return { broken: "coverage", height: at.height, wholeFrom };
  draft.blocks.push({ header, at, coverage, unproven: unprovenAfter(parent.unproven, { at, coverage }) });
  return undefined;
};

const take = (draft: Draft, evidence: Evidence): Facts | undefined => {
  const header = decodeHeader(headerIn(evidence));
  const tip = tipOf(draft);
  if (equal(header.previous, tip.at.hash)) return extend(draft, evidence, { header, parent: tip });
  const known = findBlock(draft.blocks, blockHash(header));
  if (known !== undefined) {
    repeat(draft, evidence, known.index, known.block);
    return undefined;
  }
  const parent = findBlock(draft.blocks, header.previous);
  if (parent === undefined)
    return {
      broken: "previous",
      expected: readable(tip.at.hash),
      found: readable(header.previous),
      tip: tip.at.height,
      oldest: oldestOf(draft).at.height,
    };
  cut(draft, parent.index, parent.block.at.height);
  return extend(draft, evidence, { header, parent: parent.block });
};

/**
 * In the order of the chain, from any block that is still kept. Blocks that are known are looked at again: a host may
 * have restarted, or show in whole what it had shown in part. A branch beside the tip is taken all at once, if it is
 * heavier. Malformed where the bytes are no such block.
 */
export const connectBlocks = (
  view: ChainView,
  evidences: readonly Evidence[],
  terms: ConnectTerms,
): Movement => {
  const was = tipOf(view).at;
  const draft: Draft = {
    ...{ view, terms, blocks: [...view.blocks], fork: was.height },
    ...{ seen: [], watches: terms.watches },
  };
  for (const [i, evidence] of evidences.entries()) {
    const facts = within(`[${i}]`, () => take(draft, evidence));
    if (facts !== undefined) return refused(facts);
  }
  const blocks = draft.blocks.slice(-(maxKept + 1));
  const { at } = tipOf({ blocks });
  if (draft.fork < was.height && at.work <= was.work)
    return refused({ broken: "branch", fork: draft.fork, tip: was.height, height: at.height });
  const best = at.work > view.best.work ? { height: at.height, hash: at.hash, work: at.work } : view.best;
  const first = draft.seen.find(({ coverage }) => coverage === "whole")?.height;
  const whole = view.wholeFrom === undefined && first !== undefined ? { wholeFrom: first } : {};
  return { is: "moved", view: { ...view, ...whole, blocks, best }, fork: draft.fork, seen: draft.seen };
};

/**
 * Takes back the tip, as hosts do in a reorganisation before they connect what replaces it. `best` remembers what was
 * there, so that a host gains no more by it than by silence.
 */
export const disconnectBlock = (view: ChainView, hash: Uint8Array): Movement => {
  const found = findBlock(view.blocks, hash);
  const { at } = tipOf(view);
  // It was taken back before: the host asks again after a crash.
  if (found === undefined) return { is: "moved", view, fork: at.height, seen: [] };
  if (found.index < view.blocks.length - 1)
    return refused({ broken: "tip", expected: readable(at.hash), found: readable(hash) });
  if (found.index === 0) return refused({ broken: "depth", oldest: at.height });
  const blocks = view.blocks.slice(0, -1);
  return { is: "moved", view: { ...view, blocks }, fork: height(at.height - 1), seen: [] };
};
