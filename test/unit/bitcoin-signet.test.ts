import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scanBlock } from "../../protocol/bitcoin/block.ts";
import { witnessSignature } from "../../protocol/bitcoin/der.ts";
import { branchOf, merkleRoot } from "../../protocol/bitcoin/merkle.ts";
import { script as assembled, op } from "../../protocol/bitcoin/script.ts";
import { sighash } from "../../protocol/bitcoin/sighash.ts";
import { checkSignet, defaultChallenge, type SignetBlock } from "../../protocol/bitcoin/signet.ts";
import { encodeTx, type Tx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { sizedLength, Writer } from "../../protocol/bitcoin/writer.ts";
import { concat, fromHex } from "../../protocol/bytes.ts";
import { nobleCurve } from "../../protocol/curve/index.ts";
import { doubleSha256 } from "../../protocol/hash.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { Secret } from "../../protocol/secret.ts";
import { type Script, type Signature, sat, script, signature } from "../../protocol/units.ts";
import { blockOf, coinbaseFor, publicChains, rawOf } from "./bitcoin-blocks.ts";

const curve = nobleCurve();

const partsOf = (bytes: Uint8Array, challenge = defaultChallenge): SignetBlock => {
  const { header, coinbase, txids } = scanBlock(bytes, { outpoints: [], scripts: [] });
  return { header, coinbase, coinbaseSiblings: branchOf(txids, 0), challenge };
};

const real = publicChains.signet.map((text) => partsOf(fromHex(text)));

describe("the public signet's blocks", () => {
  test.each(real.map((parts, i) => [i, parts] as const))("number %s is solved", (_, parts) => {
    expect(checkSignet(parts, curve)).toEqual({ is: "solved" });
  });

  test("a solution is for its header alone, but for what work changes", () => {
    for (const parts of real) {
      const { header } = parts;
      const verdict = (change: object) =>
        checkSignet({ ...parts, header: { ...header, ...change } }, curve).is;
      expect(verdict({ version: header.version + 1 })).toBe("unsolved");
      expect(verdict({ time: header.time + 1 })).toBe("unsolved");
      expect(verdict({ previous: new Uint8Array(32) })).toBe("unsolved");
      expect(verdict({ nonce: header.nonce + 1, bits: 1 })).toBe("solved");
      expect(() => verdict({ merkleRoot: new Uint8Array(32) })).toThrow(
        "coinbase: its branch leads to another root",
      );
    }
  });

  test("other keys, or a block without any solution", () => {
    const [parts] = real as [SignetBlock];
    const other = script(Uint8Array.from(defaultChallenge, (byte, i) => (i === 20 ? byte ^ 1 : byte)));
    expect(checkSignet({ ...parts, challenge: other }, curve)).toEqual({
      is: "unsolved",
      why: "not signed by the challenge's keys",
    });
    const old = partsOf(fromHex(publicChains.block100000));
    expect(checkSignet(old, curve)).toEqual({ is: "unsolved", why: "no solution in the coinbase" });
  });

  test.each([
    ["anyone's", "51"],
    ["nothing", ""],
    ["a witness program", `0014${"00".repeat(20)}`],
    ["a key that is not compressed", `41${"04".repeat(65)}ac`],
    ["more signatures than keys", `5221${"02".repeat(33)}51ae`],
    ["a key and more", `21${"02".repeat(33)}ac00`],
    ["keys and more", `5121${"02".repeat(33)}5100ae`],
  ])("a challenge that would need an interpreter: %s", (_, challenge) => {
    const [parts] = real as [SignetBlock];
    expect(checkSignet({ ...parts, challenge: script(fromHex(challenge)) }, curve)).toEqual({
      is: "unsupported challenge",
    });
  });
});

const secrets = [1, 2, 3].map((n) => new Secret(new Uint8Array(32).fill(n)));
const keys = secrets.map((secret) => curve.publicKey(secret));
const multisig = (needed: number): Script =>
  assembled(op[1] + needed - 1, ...keys, op[1] + keys.length - 1, op.checkmultisig);

const commitment = concat(fromHex("6a24aa21a9ed"), new Uint8Array(32).fill(5));
const withCommitment = (tail: Uint8Array): Tx => {
  const { tx } = coinbaseFor([]);
  return { ...tx, outputs: [...tx.outputs, { value: sat(0n), script: script(concat(commitment, tail)) }] };
};

/** BIP 325 from its text, with none of the code under test but for the transactions' own. */
const digestFor = (tx: Tx, challenge: Script): Uint8Array => {
  const { header } = blockOf([{ tx, witnesses: [] }]);
  const data = new Writer(72)
    .u32(header.version)
    .raw(header.previous)
    .raw(merkleRoot([txidOf(tx)]))
    .u32(header.time).bytes;
  const spent = concat(
    fromHex(`00000000 01 ${"00".repeat(32)} ffffffff 4a 00 48`.replaceAll(" ", "")),
    data,
    fromHex("00000000010000000000000000"),
    new Writer(sizedLength(challenge)).sized(challenge).bytes,
    fromHex("00000000"),
  );
  const spending = concat(
    fromHex("0000000001"),
    doubleSha256(spent),
    fromHex("00000000"),
    new Writer(sizedLength(challenge)).sized(challenge).bytes,
    fromHex("000000000100000000000000000" + "16a" + "00000000"),
    fromHex("01000000"),
  );
  return doubleSha256(spending);
};

const push = (bytes: Uint8Array): Uint8Array =>
  bytes.length < 76
    ? concat(Uint8Array.of(bytes.length), bytes)
    : concat(Uint8Array.of(0x4c, bytes.length), bytes);

const head = fromHex("ecc7daa2");

const solvedBy = (
  challenge: Script,
  solve: (digest: Uint8Array) => readonly Uint8Array[],
  witness: Uint8Array = Uint8Array.of(0),
): SignetBlock => {
  const digest = digestFor(withCommitment(push(head)), challenge);
  const scriptSig = concat(...solve(digest).map(push));
  const solution = concat(new Writer(sizedLength(scriptSig)).sized(scriptSig).bytes, witness);
  const tx = withCommitment(push(concat(head, solution)));
  const { header } = blockOf([{ tx, witnesses: [] }]);
  return { header, coinbase: encodeTx(tx), coinbaseSiblings: [], challenge };
};

const signed = (digest: Uint8Array, ...by: readonly number[]): readonly Uint8Array[] =>
  by.map((n) => witnessSignature(curve.sign({ digest, key: secrets[n] as Secret, lowR: true }), sighash.all));

describe("a signet of one's own", () => {
  const none = new Uint8Array();

  test.each([{ by: [0, 1] }, { by: [0, 2] }, { by: [1, 2] }])("two of three: $by", ({ by }) => {
    const parts = solvedBy(multisig(2), (digest) => [none, ...signed(digest, ...by)]);
    expect(checkSignet(parts, curve)).toEqual({ is: "solved" });
  });

  test("a single key", () => {
    const challenge = assembled(keys[0] as Uint8Array, op.checksig);
    const solved = solvedBy(challenge, (digest) => signed(digest, 0));
    expect(checkSignet(solved, curve)).toEqual({ is: "solved" });
    const other = solvedBy(challenge, (digest) => signed(digest, 1));
    expect(checkSignet(other, curve).is).toBe("unsolved");
  });

  test("a high s is as good as a low one", () => {
    const order = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n;
    const raised = (given: Signature): Signature => {
      const s = order - BigInt(`0x${given.subarray(32).toHex()}`);
      return signature(concat(given.subarray(0, 32), fromHex(s.toString(16).padStart(64, "0"))));
    };
    const challenge = assembled(keys[0] as Uint8Array, op.checksig);
    const parts = solvedBy(challenge, (digest) => [
      witnessSignature(raised(curve.sign({ digest, key: secrets[0] as Secret, lowR: true })), sighash.all),
    ]);
    expect(checkSignet(parts, curve)).toEqual({ is: "solved" });
  });

  test.each<[string, (digest: Uint8Array) => readonly Uint8Array[]]>([
    ["one signature of two", (digest) => [none, ...signed(digest, 0)]],
    ["the same twice", (digest) => [none, ...signed(digest, 0, 0)]],
    ["in another order than the keys", (digest) => [none, ...signed(digest, 1, 0)]],
    ["one too many", (digest) => [none, ...signed(digest, 0, 1, 2)]],
    ["without the item that nothing uses", (digest) => signed(digest, 0, 1)],
    ["with something in that item", (digest) => [Uint8Array.of(1), ...signed(digest, 0, 1)]],
    [
      "another type",
      (digest) => [none, ...signed(digest, 0, 1).map((s) => concat(s.subarray(0, -1), Uint8Array.of(2)))],
    ],
    ["no signatures", () => [none, none, none]],
    ["of another block", () => [none, ...signed(new Uint8Array(32).fill(1), 0, 1)]],
  ])("unsolved: %s", (_, solve) => {
    expect(checkSignet(solvedBy(multisig(2), solve), curve).is).toBe("unsolved");
  });

  test("a witness has no place there, nor has anything behind it", () => {
    const solve = (digest: Uint8Array) => [none, ...signed(digest, 0, 1)];
    for (const witness of ["0100", "0000", ""])
      expect(checkSignet(solvedBy(multisig(2), solve, fromHex(witness)), curve).is).toBe("unsolved");
  });

  test("hostile solutions are unsolved or Malformed", () => {
    const parts = solvedBy(multisig(2), (digest) => [none, ...signed(digest, 0, 1)]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isSection) => {
        const tx = withCommitment(isSection ? push(concat(head, bytes)) : bytes);
        const { header } = blockOf([{ tx, witnesses: [] }]);
        expect(checkSignet({ ...parts, header, coinbase: encodeTx(tx) }, curve).is).toBe("unsolved");
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (coinbase) => {
        expect(() => checkSignet({ ...parts, coinbase }, curve)).toThrow(Malformed);
      }),
    );
    expect(() => checkSignet({ ...parts, coinbaseSiblings: [new Uint8Array(32)] }, curve)).toThrow(Malformed);
    expect(rawOf({ tx: withCommitment(none), witnesses: [] }).length).toBeGreaterThan(100);
  });
});
