import {
  channel,
  commitment,
  number,
  outpoint,
  point,
  points,
  revocationSecret,
  signature,
  signatures,
  txid,
} from "./fields.ts";
import { operation, ratchet } from "./operation.ts";

export const commitmentOperations = {
  signCounterpartyCommitment: ratchet(
    0x20,
    "Signs the counterparty's next commitment and, in output order, its HTLC transactions.",
    { channel, point, ...commitment },
    { signature, htlcSignatures: signatures },
  ),
  validateHolderCommitment: ratchet(
    0x21,
    "Checks the counterparty's signatures on the holder's next commitment, and keeps what was signed.",
    { channel, ...commitment, signature, htlcSignatures: signatures },
    {},
  ),
  revokeHolderCommitment: ratchet(
    0x22,
    "Releases the secret of a holder commitment whose successor was validated, and brings the next two points.",
    { channel, number },
    { secret: revocationSecret, points },
  ),
  validateCounterpartyRevocation: ratchet(
    0x23,
    "Takes the counterparty's secret of a commitment that it has left behind.",
    { channel, number, secret: revocationSecret },
    {},
  ),
  signHolderCommitment: operation(
    0x24,
    "Signs the holder's own commitment for broadcast; its secret stays here from then on.",
    { channel, funding: outpoint, number, txid },
    { signature },
  ),
};
