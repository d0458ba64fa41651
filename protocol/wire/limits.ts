/** What one peer can take up. Every figure bounds memory or time that a hostile one would otherwise choose. */

export interface Limits {
  /** Requests of one stream whose answer has not left: above it the stream is not read. */
  readonly inFlight: number;
  /** The same in bytes, of requests and of answers that the peer does not read. */
  readonly inFlightBytes: number;
  /** Streams of one caller on all its connections; unary calls do not count. */
  readonly conversations: number;
  /** HTTP/2 streams of one connection, unary calls included. */
  readonly streams: number;
  readonly connectionsOfCaller: number;
  /** Of all callers and of those who have not yet shown who they are. */
  readonly connections: number;
  readonly handshakeMs: number;
  /** A connection without a stream. */
  readonly idleMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

export const defaultLimits: Limits = {
  inFlight: 1024,
  inFlightBytes: 8 * 1024 * 1024,
  conversations: 8,
  streams: 32,
  connectionsOfCaller: 8,
  connections: 512,
  handshakeMs: 10_000,
  idleMs: 60_000,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
};
