/** The signer's own requests: the same road and rules as a host's, under a name that no certificate has. */

import type { AnyRequest, Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import type { Session } from "../core/session.ts";

/** Callers by certificate are named `countersign:...`, see `protocol/wire/caller.ts`. */
export const internalAsker = "chain";

export type Ask = <N extends Name>(name: N, body: Omit<Request<N>, "node">) => Promise<Outcome<N>>;

export const asking =
  (session: Pick<Session, "node" | "respond">): Ask =>
  async <N extends Name>(name: N, body: Omit<Request<N>, "node">) => {
    const request = { name, body: { node: session.node, ...body } } as unknown as AnyRequest;
    return (await session.respond(request, internalAsker)) as Outcome<N>;
  };
