/** What the tests of the stores share: places to put one, things to write, ways to compare. */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { type NodeId, point } from "../../protocol/units.ts";
import { genesis, record, verifyAudit } from "../../signer/audit.ts";
import type { Group, Write } from "../../signer/core/ports.ts";
import { createStore } from "../../signer/store/sqlite.ts";
import type { CommitHook, OpenStore, StoreTrouble } from "../../signer/store/store.ts";

/** Gone when the test file is done. */
export const root = mkdtempSync(join(tmpdir(), "countersign-store-"));
let folders = 0;
export const newFolder = (): string => {
  folders += 1;
  const folder = join(root, String(folders));
  mkdirSync(folder);
  return folder;
};
export const newPath = (): string => {
  const path = join(newFolder(), "store.db");
  createStore(path);
  return path;
};
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

export const node = point(new Uint8Array(33).fill(2));
export const neighbour = point(Uint8Array.from(node).fill(3, 32));
export const key = (name: string, of: NodeId = node): string => `${toHex(of)}/${name}`;
export const audit = (detail: string): Uint8Array => record({ kind: "admin", time: 1, detail });
export const filled = (n: number, length = 500): Uint8Array => new Uint8Array(length).fill(n);
export const write = (name: string, was: number, bytes = filled(was + 1)): Write => ({
  key: key(name),
  was,
  bytes,
});
export const forget = (name: string, was: number): Write => ({ key: key(name), was, bytes: undefined });
export const groupOf = (
  store: OpenStore,
  writes: readonly Write[],
  ...details: readonly string[]
): Group => ({
  epoch: store.epoch,
  writes,
  audit: details.map(audit),
});
export const trouble = (what: StoreTrouble) => expect.objectContaining({ name: "StoreFault", trouble: what });

/** Everything a store holds, as text that can be compared. */
export const contents = async (store: OpenStore): Promise<unknown> => ({
  records: [...(await store.load(node)), ...(await store.load(neighbour))]
    .map(([name, { version, bytes }]) => `${name} ${version} ${toHex(bytes)}`)
    .sort(),
  head: store.head(),
  audit: await store.audit(0, 100_000),
});
export const expectWhole = async (store: OpenStore): Promise<void> => {
  const rows = await store.audit(0, 100_000);
  const verdict = verifyAudit({ genesis: genesis(store.id), head: store.head(), rows });
  expect(verdict).toEqual({ is: "whole", records: store.head().sequence });
};

export type Open = (options?: { readonly at?: CommitHook }) => Promise<OpenStore>;
