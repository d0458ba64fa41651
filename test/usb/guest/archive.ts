/** The archive that a kernel unpacks into its first root: "newc" of cpio (Documentation/driver-api/early-userspace). */

import { gzipSync } from "node:zlib";

export interface Entry {
  /** Without a leading slash; its folders must come before it. */
  readonly path: string;
  /** With the bits of its type, as of `lstat`. */
  readonly mode: number;
  /** A link's target, a file's content, nothing for a folder. */
  readonly content: Uint8Array;
}

export const folder = (path: string): Entry => ({ path, mode: 0o040755, content: new Uint8Array(0) });
export const file = (path: string, content: Uint8Array, isExecutable = false): Entry => ({
  path,
  mode: isExecutable ? 0o100755 : 0o100644,
  content,
});

const padded = (bytes: Uint8Array): readonly Uint8Array[] => [bytes, new Uint8Array(-bytes.length & 3)];

const member = ({ path, mode, content }: Entry, inode: number): readonly Uint8Array[] => {
  const name = new TextEncoder().encode(`${path}\0`);
  const numbers = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const head = `070701${numbers.map((n) => n.toString(16).padStart(8, "0")).join("")}`;
  return [...padded(Buffer.concat([Buffer.from(head), name])), ...padded(content)];
};

export const packArchive = (entries: readonly Entry[]): Uint8Array => {
  const last: Entry = { path: "TRAILER!!!", mode: 0, content: new Uint8Array(0) };
  return gzipSync(Buffer.concat([...entries, last].flatMap((entry, i) => [...member(entry, i + 1)])), {
    level: 1,
  });
};
