/**
 * A device in software: the same core as the signer's, behind a link. So far the link is memory and the keys are the
 * caller's keyring; flash, screen, buttons and real links come with the device protocol.
 */

import type { Connection } from "../protocol/wire/connection.ts";
import { memoryConnection } from "../protocol/wire/memory.ts";
import { openSession, type Road } from "../signer/core/session.ts";

/** Requests and answers pass the same codec as on any other link. */
export const simulateDevice = async (road: Road): Promise<Connection> => {
  const session = await openSession(road);
  return memoryConnection({
    caller: { role: "host", node: session.node },
    respond: (request) => session.respond(request, "device"),
    onFault: road.report,
  });
};
