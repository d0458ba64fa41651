import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { p2wpkh, p2wsh } from "../../protocol/bitcoin/script.ts";
import { decodeTx, encodeTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import {
  deriveKey,
  deriveKeySecret,
  deriveRevocationKey,
  deriveRevocationKeySecret,
} from "../../protocol/bolt/derive.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import {
  emptyShachain,
  insert,
  lookup,
  nextRevealed,
  pointAt,
  type ShachainStore,
  secretAt,
} from "../../protocol/bolt/shachain.ts";
import { reversed, toHex } from "../../protocol/bytes.ts";
import { nobleCurve } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { commitmentNumber, point, revocationSecret } from "../../protocol/units.ts";
import { bytesOf, field, figures, fundingOutpoint } from "./bolt3-figures.ts";

const curve = nobleCurve();
const lastIndex = (1n << 48n) - 1n;
const numberAt = (index: string) => commitmentNumber(lastIndex - BigInt(index));

test("appendix B: the funding transaction", () => {
  const { funding } = figures;
  const { tx, witnesses } = decodeTx(bytesOf(field(funding, "funding_tx")));
  expect(witnesses).toEqual([]);
  expect(tx.outputs[Number(field(funding, "funding_output"))]).toEqual({
    value: BigInt(field(funding, "funding_satoshis")),
    script: p2wsh(
      fundingScript(
        point(bytesOf(field(funding, "remote_funding_pubkey"))),
        point(bytesOf(field(funding, "local_funding_pubkey"))),
      ),
    ),
  });
  // The change goes to the key that the input is spent with.
  const change = point(tx.inputs[0]?.scriptSig?.slice(-33) ?? new Uint8Array());
  expect(tx.outputs[1]).toEqual({ value: BigInt(field(funding, "change_satoshis")), script: p2wpkh(change) });
  expect(toHex(reversed(tx.inputs[0]?.outpoint.txid ?? new Uint8Array()))).toBe(field(funding, "input_txid"));
  expect(txidOf(tx)).toEqual(fundingOutpoint.txid);
  expect(toHex(encodeTx(tx))).toBe(field(funding, "funding_tx"));
});

describe("appendix E: keys", () => {
  const of = (name: string) => bytesOf(field(figures.keys, name));
  const base = { secret: new Secret(of("base_secret")), basepoint: point(of("base_point")) };
  const perCommitment = point(of("per_commitment_point"));
  const revealed = revocationSecret(of("per_commitment_secret"));
  const bytes = (secret: Secret) => secret.use((view) => Uint8Array.from(view));

  test("localkey", () => {
    expect(deriveKey(curve, base.basepoint, perCommitment)).toEqual(of("localpubkey"));
    expect(bytes(deriveKeySecret(curve, base, perCommitment))).toEqual(of("localprivkey"));
  });

  test("revocationkey", () => {
    expect(deriveRevocationKey(curve, base.basepoint, perCommitment)).toEqual(of("revocationpubkey"));
    expect(bytes(deriveRevocationKeySecret(curve, base, revealed))).toEqual(of("revocationprivkey"));
  });

  test("for any secrets, the public and the private road lead to one key", () => {
    const secret = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .filter((candidate) => curve.isSecret(candidate));
    fc.assert(
      fc.property(secret, secret, (a, b) => {
        const own = { secret: new Secret(a), basepoint: curve.publicKey(new Secret(a)) };
        const at = curve.publicKey(new Secret(b));
        expect(curve.publicKey(deriveKeySecret(curve, own, at))).toEqual(deriveKey(curve, own.basepoint, at));
        expect(curve.publicKey(deriveRevocationKeySecret(curve, own, revocationSecret(b)))).toEqual(
          deriveRevocationKey(curve, own.basepoint, at),
        );
      }),
      { numRuns: 20 },
    );
  });
});

describe("appendix D: per-commitment secrets", () => {
  test("every figure is here", () => {
    const { generate, store } = figures.secrets;
    expect([generate.length, store.length]).toEqual([5, 9]);
    expect(store.flatMap(({ steps }) => steps).filter(({ result }) => result === "ERROR").length).toBe(8);
  });

  test.each(figures.secrets.generate)("$name", ({ seed, I, output }) => {
    expect(secretAt(new Secret(bytesOf(seed)), numberAt(I))).toEqual(bytesOf(output));
  });

  test.each(figures.secrets.store)("$name", ({ steps }) => {
    let store: ShachainStore = emptyShachain;
    for (const { I, secret, result } of steps) {
      const next = insert(store, numberAt(I), revocationSecret(bytesOf(secret)));
      expect(next === undefined ? "ERROR" : "OK").toBe(result);
      if (next !== undefined) store = next;
    }
  });
});

describe("the store of revealed secrets", () => {
  const seed = new Secret(new Uint8Array(32).fill(0x5a));
  const at = (number: bigint) => commitmentNumber(number);
  const reveal = (store: ShachainStore, number: bigint): ShachainStore => {
    const next = insert(store, at(number), secretAt(seed, at(number)));
    if (next === undefined) throw new Error(`refused ${number}`);
    return next;
  };
  const count = 300n;
  let full = emptyShachain;
  for (let n = 0n; n < count; n++) full = reveal(full, n);

  test("gives back every secret that it was given, and no other", () => {
    for (let n = 0n; n < count; n++) expect(lookup(full, at(n))).toEqual(secretAt(seed, at(n)));
    for (const n of [count, count + 1n, 1000n, lastIndex]) expect(lookup(full, at(n))).toBeUndefined();
    expect(lookup(emptyShachain, at(0n))).toBeUndefined();
    expect(full.length).toBe(9);
    expect(nextRevealed(full)).toBe(count);
  });

  test("takes a secret again, but no other in its place", () => {
    expect(insert(full, at(7n), secretAt(seed, at(7n)))).toBe(full);
    expect(insert(full, at(7n), secretAt(seed, at(8n)))).toBeUndefined();
  });

  test("takes none out of turn", () => {
    expect(insert(full, at(count + 1n), secretAt(seed, at(count + 1n)))).toBeUndefined();
    expect(insert(emptyShachain, at(1n), secretAt(seed, at(1n)))).toBeUndefined();
  });

  test("leaves the store that it was given as it was", () => {
    const before = structuredClone(full);
    reveal(full, count);
    expect(full).toEqual(before);
  });

  test("refuses a change of any bit, wherever older secrets depend on it", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 254 }).map((n) => 2 * n + 1),
        fc.nat({ max: 255 }),
        (last, bit) => {
          let store = emptyShachain;
          for (let n = 0; n < last; n++) store = reveal(store, BigInt(n));
          const wrong = secretAt(seed, at(BigInt(last)));
          wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          expect(insert(store, at(BigInt(last)), wrong)).toBeUndefined();
        },
      ),
      { numRuns: 20 },
    );
  });

  test("never needs more than 49 entries, to the very last secret", () => {
    let store: ShachainStore = Array.from({ length: 48 }, (_, place) => {
      const number = at(lastIndex - (1n << BigInt(place)));
      return { number, secret: secretAt(seed, number) };
    });
    expect(nextRevealed(store)).toBe(lastIndex);
    store = reveal(store, lastIndex);
    expect(store.length).toBe(49);
    expect(lookup(store, at(0n))).toEqual(secretAt(seed, at(0n)));
  });

  test("pointAt is the public key of secretAt", () => {
    expect(pointAt(curve, seed, at(3n))).toEqual(curve.publicKey(new Secret(secretAt(seed, at(3n)))));
  });
});
