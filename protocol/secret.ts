/**
 * Bytes that must stay in this process. Printing, logging, serialising or inspecting one shows the word alone:
 * the bytes are a private field, reached by `use` only.
 */
export class Secret {
  readonly #bytes: Uint8Array;

  /** Takes a copy; the caller may wipe what it gave. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Uint8Array.from(bytes);
  }

  /** The view must not outlive the call. */
  use<T>(action: (bytes: Uint8Array) => T): T {
    return action(this.#bytes);
  }

  wipe(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "[secret]";
  }
}
