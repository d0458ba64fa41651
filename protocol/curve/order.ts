import { fromHex } from "../bytes.ts";

/** n, the number of points, big-endian like all numbers of the curve. */
export const order = fromHex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
/** n - 1: to multiply by it is to negate. */
export const minusOne = fromHex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140");

/**
 * 32 bytes modulo n. 2 * n is above 2^256: subtracting once is enough. It takes the same steps whatever the bytes
 * are, because a nonce passes here too (BIP340, "Default Signing").
 */
export const modOrder = (bytes: Uint8Array): Uint8Array => {
  const reduced = new Uint8Array(32);
  let borrow = 0;
  for (let i = 31; i >= 0; i--) {
    const difference = (bytes[i] as number) - (order[i] as number) - borrow;
    borrow = (difference >> 8) & 1;
    reduced[i] = difference;
  }
  for (let i = 0; i < 32; i++)
    reduced[i] = ((bytes[i] as number) & -borrow) | ((reduced[i] as number) & (borrow - 1));
  return reduced;
};
