/** What carries bytes between a signer and a device: a cable, a socket, or memory. */

/**
 * Bytes travel both ways, in order. A transport may lose, damage, repeat or reorder them: the frames above notice. It
 * need not tell where one `send` ended and the next began, except on HID, where a piece is a whole report.
 */
export interface Transport {
  /** For logs and messages: what a person would look for, such as `/dev/ttyACM0`. */
  readonly name: string;
  /**
   * Settles once the bytes are out of this process's hands, in the order of the calls; that they arrived it does not
   * say. Rejects with `Unplugged` when they can't leave any more. It must settle: where a driver forgets its callback,
   * the transport closes itself. The caller does not touch the bytes again.
   */
  send(bytes: Uint8Array): Promise<void>;
  /**
   * The one listener, from now on; what came before is kept for it. It may keep the bytes. It is called neither within this
   * call nor within `send`, nor after `closed`.
   */
  receive(listener: (bytes: Uint8Array) => void): void;
  /**
   * Resolves when nothing moves any more, either way, and says why. There is no half-open state: who can't receive can't
   * send. A cable may also be pulled without anybody being told (a serial port says so at the next write, or never),
   * so a silent transport proves nothing, and every request above has a time limit of its own.
   */
  readonly closed: Promise<Unplugged>;
  /** Safe to call twice, also after an unplug. */
  close(): Promise<void>;
}

/**
 * - closed: by this side.
 * - gone: cable, device or the process at the other end.
 * - stuck: takes no bytes any more and does not say why.
 */
export type UnpluggedWhy = "closed" | "gone" | "stuck";

/** A transport does not come back: after this, another one is opened. */
export class Unplugged extends Error {
  override readonly name = "Unplugged";
  readonly why: UnpluggedWhy;

  constructor(why: UnpluggedWhy, sentence: string) {
    super(sentence);
    this.why = why;
  }
}
