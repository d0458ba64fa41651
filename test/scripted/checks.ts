/** What a counterparty would check of the signer's answers, built from the requests alone. */

import { commitmentKeys } from "../../protocol/bolt/derive.ts";
import { isKnown } from "../../protocol/codec.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import type { Reply, Request } from "../../protocol/operations/index.ts";
import type { Opened } from "./channel.ts";
import { commitmentOf, type Peer } from "./peer.ts";

/** Names of the signatures that do not verify. */
export const verifyOf = (
  curve: Curve,
  { shared }: Pick<Opened, "shared">,
  peer: Peer,
  request: Request<"signCounterpartyCommitment">,
  reply: Reply<"signCounterpartyCommitment">,
): readonly string[] => {
  const content = { ...request, trimmed: isKnown(request.trimmed) ? request.trimmed : [] };
  const { commitment, digests } = commitmentOf(curve, shared, "counterparty", request.point, content);
  const { countersignatoryHtlc } = commitmentKeys(curve, {
    broadcaster: peer.basepoints,
    countersignatory: shared.holder,
    point: request.point,
  });
  const bad: string[] = [];
  if (!curve.verify({ digest: commitment.digest, signature: reply.signature, key: shared.holder.funding }))
    bad.push("commitment");
  if (reply.htlcSignatures.length !== digests.length)
    bad.push(`${reply.htlcSignatures.length} HTLC signatures`);
  for (const [at, digest] of digests.entries()) {
    const signature = reply.htlcSignatures[at];
    if (signature === undefined || !curve.verify({ digest, signature, key: countersignatoryHtlc }))
      bad.push(`HTLC ${at}`);
  }
  return bad;
};
