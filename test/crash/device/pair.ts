/** A new device is paired with a signer that is not there yet, and given the words of a seed. */

import { randomBytes } from "node:crypto";
import { concat, toHex } from "../../../protocol/bytes.ts";
import { decodeDeviceAnswer, encodeDeviceRequest, forDevice } from "../../../protocol/device/requests.ts";
import { carriers, keyPair, openLink, pairLink } from "../../../protocol/link.ts";
import { Secret } from "../../../protocol/secret.ts";
import { connectSocket } from "../../../protocol/wire/links/socket.ts";
import { linkPorts } from "../../../signer/device/ports.ts";
import type { Child } from "../child.ts";
import type { Act, Case, Told } from "./orders.ts";

export type DeviceProcess = Child<Act | Case, Told>;

export interface Paired {
  readonly key: Uint8Array;
  /** Of the signer's half of the link, by hex. */
  readonly identity: string;
}

export const pairDevice = async (device: DeviceProcess, cable: string): Promise<Paired> => {
  const bytes = Uint8Array.from(randomBytes(32));
  const identity = keyPair(new Secret(bytes));
  const shown = device.next(({ is }) => is === "code");
  device.say({ do: "press", button: "hold" });
  const common = { carrier: carriers.bulk, identity, ports: linkPorts, times: { greetMs: 60_000 } } as const;
  const key = await pairLink({
    ...common,
    transport: await connectSocket({ path: cable }),
    compare: async (digits) => {
      await shown;
      device.say({ do: "code", digits });
      return true;
    },
  });
  const link = openLink({ ...common, device: key, transport: await connectSocket({ path: cable }) });
  const answer = await link.ask(concat(Uint8Array.of(forDevice), encodeDeviceRequest({ is: "restore" })));
  const restored = decodeDeviceAnswer(answer.subarray(1));
  await link.close();
  if (restored.is !== "done") throw new Error(`the words: ${JSON.stringify(restored)}`);
  return { key, identity: toHex(bytes) };
};
