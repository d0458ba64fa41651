/**
 * Walks the chain and says where it is broken and how. It has no key: who can write the whole file can forge a whole
 * chain, and only a head that was witnessed elsewhere gives that away.
 */

import { equal } from "../../protocol/bytes.ts";
import { type AuditRow, type ChainEnd, link } from "./chain.ts";

export interface AuditChain {
  readonly genesis: Uint8Array;
  /** Kept apart from the rows, so that a tail cut off is noticed. */
  readonly head: ChainEnd;
  readonly rows: Iterable<AuditRow>;
  /** An end that the chain had once, kept elsewhere. */
  readonly witnessed?: ChainEnd;
}

export type AuditVerdict =
  | { readonly is: "whole"; readonly records: number }
  | {
      readonly is: "broken";
      /** The first record in whose place something is wrong. */
      readonly sequence: number;
      readonly what: "missing" | "changed" | "reordered" | "inserted" | "head" | "witness";
      readonly sentence: string;
    };

type Broken = Extract<AuditVerdict, { is: "broken" }>;

const broken = (what: Broken["what"], sequence: number, sentence: string): Broken => ({
  is: "broken",
  sequence,
  what,
  sentence,
});

const span = (first: number, last: number): string =>
  first === last ? `record ${first} is` : `records ${first} to ${last} are`;

const follows = (previous: Uint8Array, sequence: number, row: AuditRow): boolean =>
  equal(link(previous, sequence, row.bytes), row.hash);

/** Rows behind a break that are looked at for its cause. */
const searched = 100_000;

export const verifyAudit = ({ genesis, head, rows, witnessed }: AuditChain): AuditVerdict => {
  let end: ChainEnd = { sequence: 0, hash: genesis };
  let passed: ChainEnd | undefined = witnessed?.sequence === 0 ? end : undefined;
  let before: Uint8Array | undefined;
  const walk = rows[Symbol.iterator]();
  for (let step = walk.next(); step.done !== true; step = walk.next()) {
    const row = step.value;
    const sequence = end.sequence + 1;
    if (row.sequence > sequence) {
      return broken("missing", sequence, `${span(sequence, row.sequence - 1)} missing`);
    }
    if (row.sequence < sequence) {
      return broken("reordered", row.sequence, `record ${row.sequence} stands behind record ${end.sequence}`);
    }
    if (sequence > head.sequence || !follows(end.hash, sequence, row)) {
      // The rest is read only now: whether the right record is still there tells how the chain was broken.
      const rest: AuditRow[] = [];
      for (let more = walk.next(); more.done !== true && rest.length < searched; more = walk.next()) {
        rest.push(more.value);
      }
      return diagnose({ before, end, row, rest, head });
    }
    before = end.hash;
    end = { sequence, hash: row.hash };
    if (sequence === witnessed?.sequence) passed = end;
  }
  if (end.sequence < head.sequence) {
    return broken("missing", end.sequence + 1, `${span(end.sequence + 1, head.sequence)} missing at the end`);
  }
  if (!equal(end.hash, head.hash)) {
    const sentence = `the chain ends in another hash than the head's: its end, or the head, was written anew`;
    return broken("head", end.sequence, sentence);
  }
  if (witnessed === undefined) return { is: "whole", records: end.sequence };
  if (passed === undefined) {
    const missing = span(end.sequence + 1, witnessed.sequence);
    return broken(
      "witness",
      end.sequence + 1,
      `${missing} missing at the end, and head and chain were cut alike: the witness knows more`,
    );
  }
  if (!equal(passed.hash, witnessed.hash)) {
    const sentence = `record ${witnessed.sequence} is not the one that was witnessed: the chain was written anew`;
    return broken("witness", witnessed.sequence, sentence);
  }
  return { is: "whole", records: end.sequence };
};

/** `row` stands in the place behind `end`, but does not follow from it, or should not be there. */
const diagnose = (found: {
  readonly before: Uint8Array | undefined;
  readonly end: ChainEnd;
  readonly row: AuditRow;
  readonly rest: readonly AuditRow[];
  readonly head: ChainEnd;
}): Broken => {
  const { before, end, row, rest, head } = found;
  const sequence = end.sequence + 1;

  if (before !== undefined && follows(before, end.sequence, row)) {
    const sentence = `record ${end.sequence} was inserted: the one behind it follows from the one before it`;
    return broken("inserted", end.sequence, sentence);
  }

  if (sequence > head.sequence) {
    return broken("inserted", sequence, `record ${sequence} stands behind the head: no signer wrote it`);
  }

  // Is the record that belongs here further down? (By its own hash, or by the one that was left in this place.)
  const at = rest.findIndex(({ bytes, hash }) => {
    const linked = link(end.hash, sequence, bytes);
    return equal(linked, hash) || equal(linked, row.hash);
  });
  const right = rest[at];
  if (right !== undefined) {
    const after = rest[at + 1];
    const shifted =
      after === undefined
        ? head.sequence === sequence && equal(head.hash, right.hash)
        : follows(right.hash, sequence + 1, after);
    if (shifted) {
      const which =
        right.sequence === sequence + 1 ? `record ${sequence} was` : `records from ${sequence} were`;
      return broken("inserted", sequence, `${which} inserted: the right one is now number ${right.sequence}`);
    }
    return broken(
      "reordered",
      sequence,
      `what belongs in place ${sequence} stands in place ${right.sequence}`,
    );
  }

  const cut = renumbered({ row, next: rest[0], head });
  if (cut !== undefined) {
    const sentence = `${span(sequence, sequence + cut - 1)} missing, and what follows was numbered anew`;
    return broken("missing", sequence, sentence);
  }

  const sentence =
    end.sequence === 0
      ? `record ${sequence} was changed, or the chain is another store's`
      : `record ${sequence} does not follow from record ${end.sequence}: one of them was changed`;
  return broken("changed", sequence, sentence);
};

/** How many records were cut out before `row`, if its successor still carries its old number in its hash. */
const renumbered = (found: {
  readonly row: AuditRow;
  readonly next: AuditRow | undefined;
  readonly head: ChainEnd;
}): number | undefined => {
  const { row, next, head } = found;
  if (next === undefined) {
    return head.sequence > row.sequence && equal(head.hash, row.hash)
      ? head.sequence - row.sequence
      : undefined;
  }
  const most = Math.min(head.sequence - row.sequence, searched);
  for (let cut = 1; cut <= most; cut++) {
    if (follows(row.hash, row.sequence + 1 + cut, next)) return cut;
  }
  return undefined;
};
