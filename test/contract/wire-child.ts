/** A signer in a process of its own, to be killed: answers `points` and hangs on the channel 0. */

import { Secret } from "../../protocol/secret.ts";
import type { TcpAddress } from "../../protocol/wire/address.ts";
import { serve } from "../../protocol/wire/server.ts";
import { numberOf, replyOf } from "./wires.ts";

const given: { readonly ca: string; readonly certificate: string; readonly key: string } = JSON.parse(
  process.env["CREDENTIALS"] ?? "{}",
);
const served = await serve({
  address: { host: "127.0.0.1", port: 0 },
  credentials: { ...given, key: new Secret(Buffer.from(given.key)) },
  respond: (request) =>
    numberOf(request) === 0 ? new Promise(() => undefined) : Promise.resolve(replyOf("points")),
  onFault: () => undefined,
});
process.stdout.write(`${(served.address as TcpAddress).port}\n`);
