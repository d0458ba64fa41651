/** What a host remembers, as JSON: with bytes, big numbers, and `unknown` as it is. */

export const write = (state: unknown): string =>
  JSON.stringify(state, (_, value: unknown) => {
    if (typeof value === "bigint") return { $n: String(value) };
    if (value instanceof Uint8Array) return { $b: Buffer.from(value).toString("hex") };
    return value;
  });

export const read = (text: string): unknown =>
  JSON.parse(text, (_, value: { $n?: string; $b?: string } | null) => {
    if (value?.$n !== undefined) return BigInt(value.$n);
    if (value?.$b !== undefined) return Uint8Array.from(Buffer.from(value.$b, "hex"));
    return value;
  });
