/** One process of this signer speaks with a device at a time: two would break each other's sessions off. */

import { createHmac } from "node:crypto";
import { createServer } from "node:net";
import type { KeyPair } from "../../protocol/link.ts";
import { codeOf } from "../private-file.ts";

export interface Hold {
  release(): Promise<void>;
}

/** Nobody without the signer's key can tell it beforehand, and so stand in its way. */
const nameOf = (identity: KeyPair, device: Uint8Array): string =>
  identity.secret.use((key) =>
    createHmac("sha256", key).update("countersign device hold\0").update(device).digest("hex"),
  );

const retryMs = 50;

/**
 * Undefined where another process has it for the whole of `patienceMs`. A name in Linux's abstract sockets: it is gone
 * with its process, however that ends, and leaves no file behind. Other systems have none, and there each gets it.
 */
export const holdDevice = async (
  identity: KeyPair,
  device: Uint8Array,
  patienceMs = 0,
): Promise<Hold | undefined> => {
  if (process.platform !== "linux") return { release: async () => {} };
  const path = `\0countersign-device-${nameOf(identity, device)}`;
  for (let waited = 0; ; waited += retryMs) {
    const server = createServer((socket) => socket.destroy());
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    server.once("error", (error) => (codeOf(error) === "EADDRINUSE" ? resolve(false) : reject(error)));
    server.listen({ path }, () => resolve(true));
    if (await promise) {
      server.unref();
      return { release: () => new Promise((done) => server.close(() => done())) };
    }
    if (waited >= patienceMs) return undefined;
    await new Promise((done) => setTimeout(done, retryMs));
  }
};
