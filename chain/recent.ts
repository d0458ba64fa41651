/** What was fetched lately, and what is being fetched: whoever asks for the same gets the same promise. */

export interface Recent<Key, Value> {
  get(key: Key): Promise<Value>;
  /** Known from elsewhere. */
  put(key: Key, value: Value): void;
  clear(): void;
}

export interface RecentOptions<Key, Value> {
  readonly fetch: (key: Key) => Promise<Value>;
  /** As a map tells keys apart. */
  readonly nameOf: (key: Key) => string | number;
  readonly sizeOf: (value: Value) => number;
  /** The longest unused go first; the newest stays, whatever its size. */
  readonly most: number;
}

interface Kept<Value> {
  readonly value: Promise<Value>;
  /** Nothing while it is under way. */
  size: number;
}

export const recent = <Key, Value>(options: RecentOptions<Key, Value>): Recent<Key, Value> => {
  const { fetch, nameOf, sizeOf, most } = options;
  const kept = new Map<string | number, Kept<Value>>();
  let total = 0;

  const drop = (name: string | number, entry: Kept<Value>): void => {
    if (kept.get(name) !== entry) return;
    kept.delete(name);
    total -= entry.size;
  };

  const trim = (newest: Kept<Value>): void => {
    for (const [name, entry] of kept) {
      if (total <= most) return;
      if (entry !== newest && entry.size > 0) drop(name, entry);
    }
  };

  const arrived = (name: string | number, entry: Kept<Value>, value: Value): void => {
    if (kept.get(name) !== entry) return;
    entry.size = sizeOf(value);
    total += entry.size;
    trim(entry);
  };

  return {
    get: (key) => {
      const name = nameOf(key);
      const found = kept.get(name);
      if (found !== undefined) {
        kept.delete(name);
        kept.set(name, found);
        return found.value;
      }
      const entry: Kept<Value> = { value: fetch(key), size: 0 };
      kept.set(name, entry);
      entry.value.then(
        (value) => arrived(name, entry, value),
        () => drop(name, entry),
      );
      return entry.value;
    },
    put: (key, value) => {
      const name = nameOf(key);
      const old = kept.get(name);
      if (old !== undefined) drop(name, old);
      const entry: Kept<Value> = { value: Promise.resolve(value), size: 0 };
      kept.set(name, entry);
      arrived(name, entry, value);
    },
    clear: () => {
      kept.clear();
      total = 0;
    },
  };
};
