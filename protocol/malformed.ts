/**
 * Bytes that are no request. Thrown by every decoder with the path of the field, and never mixed with a refusal
 * (a rule said no) or a fault (something broke).
 */
export class Malformed extends Error {
  override readonly name = "Malformed";
  readonly path: string;
  readonly reason: string;

  constructor(path: string, reason: string) {
    super(path === "" ? reason : `${path}: ${reason}`);
    this.path = path;
    this.reason = reason;
  }

  /** The same, one field further out. */
  within(outer: string): Malformed {
    const joined =
      this.path === "" ? outer : this.path.startsWith("[") ? outer + this.path : `${outer}.${this.path}`;
    return new Malformed(joined, this.reason);
  }
}

/** What `read` finds Malformed is so in the field `path`. */
export const within = <T>(path: string, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    throw error instanceof Malformed ? error.within(path) : error;
  }
};

export const invalid = (reason: string): Malformed => new Malformed("", reason);
