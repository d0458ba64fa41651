/** Records step by step: pages, root, and what is in flash, under a fixed key. */

import { openJournal } from "../../firmware-sim/journal.ts";
import { openLedger, type RecordChange, rootIn } from "../../firmware-sim/ledger.ts";
import { decodePage } from "../../firmware-sim/page.ts";
import { deriveSecret } from "../../firmware-sim/seal.ts";
import type { Standing } from "../../firmware-sim/standing.ts";
import { emptyTree } from "../../firmware-sim/tree.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import { commitmentNumber as number } from "../../protocol/units.ts";
import { freshFlash } from "../unit/firmware.kit.ts";
import { filled } from "./link.kit.ts";

const rootKey = filled(0x5a, 32);
export const pagesKeyOf = (root: Uint8Array): Secret =>
  deriveSecret(deriveSecret(new Secret(root), "other"), "pages");

const standing = (
  holder: bigint,
  counterparty: bigint,
  revealed: bigint,
  revoked: bigint,
  broadcast?: bigint,
): Standing => ({
  format: 1,
  holder: number(holder),
  counterparty: number(counterparty),
  revealed: number(revealed),
  revoked: number(revoked),
  broadcast: broadcast === undefined ? unknown : number(broadcast),
});

const put = (key: string, version: number, bytes: Uint8Array): RecordChange => ({ key, version, bytes });
const gone = (key: string, version: number): RecordChange => ({ key, version, bytes: undefined });

/** Two of these keys share a bucket. */
export const shared = ["payment/03", "payment/05"] as const;

const steps: readonly { readonly witness: bigint; readonly changes: readonly RecordChange[] }[] = [
  { witness: 1n, changes: [put("node", 1, filled(1, 5))] },
  {
    witness: 3n,
    changes: [
      { ...put("channel/1", 1, filled(2, 70)), channel: { id: 1n, standing: standing(1n, 1n, 0n, 0n) } },
      put("node", 2, new Uint8Array(0)),
    ],
  },
  { witness: 2n, changes: [put(shared[1], 1, filled(3, 9)), put(shared[0], 1, filled(3, 9))] },
  {
    witness: 4n,
    changes: [
      { ...put("channel/1", 2, filled(4, 71)), channel: { id: 1n, standing: standing(2n, 2n, 1n, 1n, 1n) } },
    ],
  },
  { witness: 9n, changes: [gone(shared[1], 2), gone("never/there", 1)] },
  { witness: 9n, changes: [{ ...gone("channel/1", 3), channel: { id: 1n, standing: undefined } }] },
];

const flashOf = (journal: ReturnType<typeof openJournal>) => ({
  counter: journal.counter,
  root: journal.get("tree/0"),
  standings: journal.entries("channel").map(([channel, bytes]) => ({ channel, bytes })),
});

export const recordVectors = () => {
  const journal = openJournal(freshFlash(1));
  const ledger = openLedger({ journal, key: pagesKeyOf(rootKey) });
  const begun = ledger.begin();
  if (begun.is !== "begun") throw new Error(begun.why);
  return {
    rootKey,
    pagesKey: pagesKeyOf(rootKey).use(toHex),
    emptyRoot: emptyTree.root,
    steps: steps.map(({ witness, changes }) => {
      const before = ledger.step;
      const taken = ledger.take(changes, witness);
      if (taken.is === "refused") throw new Error(taken.why);
      return {
        step: ledger.step,
        witness,
        changes: changes.map(({ key, version, bytes, channel }) => ({
          key,
          version,
          content: bytes ?? "forgotten",
          ...(channel === undefined
            ? {}
            : { channel: { ...channel, standing: channel.standing ?? "forgotten" } }),
        })),
        pages: (ledger.since(before) ?? []).map(({ key, page }) =>
          isKnown(page)
            ? { key, nonce: decodePage(page).nonce, page, leaf: sha256(page) }
            : { key, page: "forgotten" },
        ),
        root: rootIn(journal).root,
        flash: flashOf(journal),
      };
    }),
  };
};
