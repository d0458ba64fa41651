/** The core's Store over the device's records: one commit is one step of the flash, and nothing else ever writes them. */

import { toHex } from "../protocol/bytes.ts";
import type { CoreRefusal } from "../protocol/device/core.ts";
import type { Key, Store, Stored, Write } from "../signer/core/ports.ts";
import { unpackChannel } from "../signer/core/records.ts";
import type { Ledger, RecordChange } from "./ledger.ts";
import { standingOf } from "./standing.ts";

/** Nothing of the step is in flash, and nothing of it may leave. */
export class NotTaken extends Error {
  override readonly name = "NotTaken";
  readonly why: CoreRefusal;

  constructor(why: CoreRefusal) {
    super(`a step of the records was refused: ${why}`);
    this.why = why;
  }
}

export const channelIn = (key: string): bigint | undefined => {
  const [kind, id] = key.split("/");
  return kind === "channel" && id !== undefined ? BigInt(id) : undefined;
};

const changeOf = ({ key, was, bytes }: Write, prefix: string): RecordChange => {
  const name = key.slice(prefix.length);
  const id = channelIn(name);
  const change = { key: name, version: was + 1, bytes };
  return id === undefined
    ? change
    : {
        ...change,
        channel: { id, standing: bytes === undefined ? undefined : standingOf(unpackChannel(bytes)) },
      };
};

export const storeOver = (ledger: Ledger, node: Uint8Array, witness: () => bigint): Store => {
  const prefix = `${toHex(node)}/`;
  return {
    epoch: 1,
    load: async () =>
      new Map(
        [...ledger.records()].map(([key, { version, bytes }]): readonly [Key, Stored] => [
          `${prefix}${key}`,
          { version, bytes },
        ]),
      ),
    commit: async ({ writes }) => {
      if (writes.length > 0) {
        const result = ledger.take(
          writes.map((write) => changeOf(write, prefix)),
          witness(),
        );
        if (result.is === "refused") throw new NotTaken(result.why);
      }
      // The step that is repeated changed something: what changes nothing is another one.
      else if (ledger.isBehind) throw new NotTaken("page-differs");
      return "done";
    },
    close: async () => {},
  };
};
