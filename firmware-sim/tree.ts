/**
 * One hash over all records that the device ever gave out and did not forget. Leaves lie in 256 buckets by the hash of
 * their key, so that a step hashes its own buckets and the row of buckets, however many records there are.
 */

import { concat } from "../protocol/bytes.ts";
import { sha256 } from "../protocol/hash.ts";

const buckets = 256;
const utf8 = new TextEncoder();
const empty = new Uint8Array(32);

export interface Tree {
  readonly root: Uint8Array;
  /** As it would be; undefined forgets. The leaf is the hash of the page. */
  with(changes: ReadonlyMap<string, Uint8Array | undefined>): Tree;
  readonly size: number;
}

type Bucket = ReadonlyMap<string, Uint8Array>;

const bucketOf = (key: string): number => sha256(utf8.encode(key))[0] ?? 0;

const hashOf = (bucket: Bucket): Uint8Array => {
  if (bucket.size === 0) return empty;
  const leaves = [...bucket].toSorted(([a], [b]) => (a < b ? -1 : 1));
  // A length before each key, so that no two contents of a bucket are the same bytes.
  return sha256(
    concat(
      Uint8Array.of(0),
      ...leaves.flatMap(([key, leaf]) => {
        const name = utf8.encode(key);
        return [Uint8Array.of(name.length), name, leaf];
      }),
    ),
  );
};

const treeOf = (contents: readonly Bucket[], hashes: readonly Uint8Array[]): Tree => ({
  root: sha256(concat(Uint8Array.of(1), ...hashes)),
  size: contents.reduce((count, one) => count + one.size, 0),
  with: (changes) => {
    const next = [...contents];
    const after = [...hashes];
    const touched = new Map<number, Map<string, Uint8Array>>();
    for (const [key, leaf] of changes) {
      const at = bucketOf(key);
      const bucket = touched.get(at) ?? new Map(next[at]);
      touched.set(at, bucket);
      if (leaf === undefined) bucket.delete(key);
      else bucket.set(key, leaf);
    }
    for (const [at, bucket] of touched) {
      next[at] = bucket;
      after[at] = hashOf(bucket);
    }
    return treeOf(next, after);
  },
});

export const emptyTree: Tree = treeOf(
  Array.from({ length: buckets }, () => new Map()),
  Array.from({ length: buckets }, () => empty),
);
