/** The same recordings with the keys on a device: what was signed then is signed there to the same byte. */

import type { Name } from "../../protocol/operations/index.ts";
import type { SoftwareKeyring } from "../../signer/keys/software.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { type Bench, deviceBench } from "../scripted/device.ts";
import type { Ending, Keyed } from "./record/signer.ts";
import { sameEnding } from "./replay.ts";

/** Their answer depends on a person: here on the one at the device, who was not there when it was recorded. */
const asked: ReadonlySet<Name> = new Set<Name>([
  ...(["proposePayment", "checkPayment", "withdrawPayment", "decideApproval"] as const),
]);

export const deviceFor = (now: () => number) => {
  const disk = memoryDisk();
  let bench: Bench | undefined;
  return {
    through: async (keys: SoftwareKeyring): Promise<Keyed> => {
      bench ??= await deviceBench({ time: now, keyringOf: () => ({ ...keys, close: () => {} }) });
      const keyring = await bench.keyring(grouped(disk.open()));
      return { keyring, close: () => keyring.close() };
    },
    sameEnding: (name: Name, was: Ending, is: Ending): boolean =>
      sameEnding(name, was, is) || (asked.has(name) && is.ended !== "malformed"),
    faults: (): readonly string[] => (bench?.faults ?? []).map(String),
    close: async (): Promise<void> => bench?.close(),
  };
};
