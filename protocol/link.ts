/** How a signer speaks with a device: transport, frames, sessions, and requests over them. */

export { carriers } from "./carrier/index.ts";
export type { Carrier } from "./frame.ts";
export { type Answering, type AnswerOptions, answerLink } from "./link/answering.ts";
export { type AskOptions, type Link, type LinkOptions, openLink } from "./link/asking.ts";
export type { Compare } from "./link/comparison.ts";
export { LinkError, type LinkWhy } from "./link/failure.ts";
export { capabilities, linkVersion, maxLinkMessage, usualMessage } from "./link/hello.ts";
export { type PairOptions, pairLink } from "./link/pair.ts";
export { freshKeyPair, freshSecret, type LinkPorts, type LinkTimes, usualTimes } from "./link/ports.ts";
export type { Answer, Request } from "./link/requests.ts";
export { type Transport, Unplugged, type UnpluggedWhy } from "./transport.ts";
export { type KeyPair, keyPair } from "./x25519.ts";
