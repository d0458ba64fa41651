/** Remembers what `make` gave for the keys used last, and no more than `limit` of them. */
export const recent = <K, V>(limit: number, make: (key: K) => V): ((key: K) => V) => {
  // A Map keeps the order of insertion: what was used last is always at its end.
  const kept = new Map<K, V>();
  return (key) => {
    const found = kept.get(key);
    const value = found ?? make(key);
    if (found !== undefined) kept.delete(key);
    kept.set(key, value);
    if (kept.size > limit) kept.delete(kept.keys().next().value as K);
    return value;
  };
};
