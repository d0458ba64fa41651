/** The async signer for a host: `countersign/host`. */

export { type Bundle, connectTo, readBundle } from "./bundle.ts";
export {
  type Backoff,
  type CallOptions,
  type ClientOptions,
  type ClientState,
  type SignerClient,
  signerClient,
} from "./client.ts";
export { openDatabase } from "./database.ts";
export { NotUnderstood, Refused, SignerFault, Unanswered } from "./failures.ts";
export { type FeedEvent, type Feeder, type FeedOptions, feedSigner } from "./feeder.ts";
export { type Answered, type Mailbox, type MailboxOptions, openMailbox } from "./mailbox.ts";
export { type Outbox, openOutbox, type Ticket, type Waiting } from "./outbox.ts";
export { spendFromPsbt, withSignatures } from "./psbt.ts";
