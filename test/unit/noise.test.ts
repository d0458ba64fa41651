import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import {
  cipherState,
  type Handshake,
  type HandshakeOptions,
  handshake,
  type NoiseRole,
  type Pattern,
} from "../../protocol/noise.ts";
import { Secret } from "../../protocol/secret.ts";
import { type KeyPair, keyPair, sharedSecret } from "../../protocol/x25519.ts";

interface Vector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_static: string;
  readonly init_ephemeral: string;
  readonly init_remote_static?: string;
  readonly resp_static: string;
  readonly resp_ephemeral: string;
  readonly resp_remote_static?: string;
  readonly handshake_hash: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

const { vectors }: { vectors: readonly Vector[] } = JSON.parse(
  readFileSync(new URL("../vectors/noise.json", import.meta.url), "utf8"),
);

const pairOf = (text: string): KeyPair => keyPair(new Secret(fromHex(text)));
const filled = (n: number): KeyPair => keyPair(new Secret(new Uint8Array(32).fill(n)));
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const sideOf = (vector: Vector, role: NoiseRole): Handshake => {
  const [own, fresh, theirs] =
    role === "initiator"
      ? [vector.init_static, vector.init_ephemeral, vector.init_remote_static]
      : [vector.resp_static, vector.resp_ephemeral, vector.resp_remote_static];
  return handshake({
    pattern: vector.protocol_name.slice(6, 8) as Pattern,
    role,
    prologue: fromHex(vector.init_prologue),
    identity: pairOf(own),
    ephemeral: pairOf(fresh),
    ...(theirs === undefined ? {} : { theirs: fromHex(theirs) }),
  });
};

describe("public vectors", () => {
  test("are of both patterns", () => {
    expect(vectors.map((vector) => vector.protocol_name).toSorted()).toEqual([
      "Noise_KK_25519_ChaChaPoly_SHA256",
      "Noise_XX_25519_ChaChaPoly_SHA256",
    ]);
  });

  test.each(vectors)("$protocol_name", (vector) => {
    const sides = [sideOf(vector, "initiator"), sideOf(vector, "responder")] as const;
    const count = vector.protocol_name.startsWith("Noise_XX") ? 3 : 2;
    vector.messages.slice(0, count).forEach(({ payload, ciphertext }, i) => {
      const [writer, reader] = i % 2 === 0 ? sides : [sides[1], sides[0]];
      expect([writer.turn(), reader.turn()]).toEqual(["write", "read"]);
      expect(toHex(writer.write(fromHex(payload)))).toBe(ciphertext);
      expect(toHex(reader.read(fromHex(ciphertext)))).toBe(payload);
    });
    const [initiator, responder] = [sides[0].split(), sides[1].split()];
    expect(sides.map((side) => side.turn())).toEqual(["over", "over"]);
    expect(toHex(initiator.hash)).toBe(vector.handshake_hash);
    expect(toHex(responder.hash)).toBe(vector.handshake_hash);
    expect(toHex(initiator.theirs)).toBe(toHex(pairOf(vector.resp_static).public));
    expect(toHex(responder.theirs)).toBe(toHex(pairOf(vector.init_static).public));
    vector.messages.slice(count).forEach(({ payload, ciphertext }, i) => {
      const [from, to] = (i + count) % 2 === 0 ? [initiator, responder] : [responder, initiator];
      expect(toHex(from.send.seal(fromHex(payload)))).toBe(ciphertext);
      expect(toHex(to.receive.open(fromHex(ciphertext)))).toBe(payload);
    });
  });
});

const options = (pattern: Pattern, role: NoiseRole, prologue = "one"): HandshakeOptions => ({
  pattern,
  role,
  prologue: utf8(prologue),
  identity: filled(role === "initiator" ? 1 : 2),
  ephemeral: filled(role === "initiator" ? 3 : 4),
  ...(pattern === "KK" ? { theirs: filled(role === "initiator" ? 2 : 1).public } : {}),
});

/** All messages of one handshake, each as `damage` leaves it. */
const run = (
  initiator: Handshake,
  responder: Handshake,
  damage: (message: Uint8Array, step: number) => Uint8Array = (m) => m,
): void => {
  for (let step = 0; initiator.turn() !== "over" || responder.turn() !== "over"; step++) {
    const [writer, reader] = initiator.turn() === "write" ? [initiator, responder] : [responder, initiator];
    reader.read(damage(writer.write(utf8(`payload ${step}`)), step));
  }
};

describe.each(["XX", "KK"] as const)("%s", (pattern) => {
  const messages = pattern === "XX" ? 3 : 2;

  test("another prologue ends in Malformed, before anything is trusted", () => {
    expect(() =>
      run(handshake(options(pattern, "initiator")), handshake(options(pattern, "responder", "two"))),
    ).toThrow(Malformed);
  });

  test("a bit changed anywhere in any message never ends in a session", () => {
    let tried = 0;
    for (let step = 0; step < messages; step++) {
      for (let at = 0; ; at += 5) {
        const initiator = handshake(options(pattern, "initiator"));
        const responder = handshake(options(pattern, "responder"));
        let length = 0;
        const damaged = (): void =>
          run(initiator, responder, (message, i) => {
            if (i !== step) return message;
            length = message.length;
            // Curve25519 has no use for a point's top bit; the transcript does.
            return message.map((byte, j) => (j === at ? byte ^ 0x80 : byte));
          });
        expect(damaged).toThrow(Malformed);
        tried++;
        if (at + 5 >= length) break;
      }
    }
    expect(tried).toBeGreaterThan(20);
  });

  test("a message cut short is Malformed, and that handshake is over", () => {
    for (let step = 0; step < messages; step++) {
      const initiator = handshake(options(pattern, "initiator"));
      const responder = handshake(options(pattern, "responder"));
      expect(() => run(initiator, responder, (m, i) => (i === step ? m.subarray(0, 20) : m))).toThrow(
        expect.objectContaining({ name: "Malformed", path: `message ${step + 1}` }),
      );
      const reader = step % 2 === 0 ? responder : initiator;
      expect(reader.turn()).toBe("over");
      expect(() => reader.split()).toThrow(TypeError);
    }
  });

  test("its ephemeral key is wiped with it", () => {
    const fresh = options(pattern, "initiator");
    const initiator = handshake(fresh);
    run(initiator, handshake(options(pattern, "responder")));
    initiator.split();
    expect(fresh.ephemeral.secret.use((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
    expect(() => initiator.split()).toThrow(TypeError);
  });
});

test("KK does not begin without the key that it is about", () => {
  const { theirs: _, ...rest } = options("KK", "initiator");
  expect(() => handshake(rest)).toThrow(TypeError);
});

test("KK with another's key is Malformed at the first message", () => {
  const stranger = { ...options("KK", "initiator"), identity: filled(9) };
  expect(() => run(handshake(stranger), handshake(options("KK", "responder")))).toThrow(
    expect.objectContaining({ path: "message 1" }),
  );
});

describe("X25519", () => {
  test("RFC 7748 section 6.1", () => {
    const alice = pairOf("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    const bob = pairOf("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    expect(toHex(alice.public)).toBe("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    expect(toHex(bob.public)).toBe("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    for (const shared of [sharedSecret(alice, bob.public), sharedSecret(bob, alice.public)])
      expect(shared.use(toHex)).toBe("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  });

  test("points of low order are no keys", () => {
    const own = filled(1);
    for (const point of [new Uint8Array(32), Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))])
      expect(() => sharedSecret(own, point)).toThrow(Malformed);
    expect(() => sharedSecret(own, new Uint8Array(31))).toThrow(Malformed);
  });
});

describe("a direction of a session", () => {
  const pair = () => {
    const key = new Uint8Array(32).fill(7);
    return [cipherState(new Secret(key)), cipherState(new Secret(key))] as const;
  };

  test("what was repeated, left out or changed does not open, and what follows still does", () => {
    const [send, receive] = pair();
    const [first, second] = [send.seal(utf8("first")), send.seal(utf8("second"))];
    expect(() => receive.open(second)).toThrow(Malformed);
    expect(receive.open(first)).toEqual(utf8("first"));
    expect(() => receive.open(first)).toThrow(Malformed);
    expect(() => receive.open(second.map((byte) => byte ^ 1))).toThrow(Malformed);
    expect(() => receive.open(new Uint8Array(15))).toThrow(Malformed);
    expect(receive.open(second)).toEqual(utf8("second"));
    expect([send.nonce, receive.nonce]).toEqual([2n, 2n]);
  });

  test("after a rekey both go on, with another key", () => {
    const [send, receive] = pair();
    const [kept] = pair();
    send.rekey();
    receive.rekey();
    const sealed = send.seal(utf8("after"));
    expect(receive.open(sealed)).toEqual(utf8("after"));
    expect(toHex(sealed)).not.toBe(toHex(kept.seal(utf8("after"))));
  });

  test("a wiped one has no key", () => {
    const [send, receive] = pair();
    send.wipe();
    expect(() => receive.open(send.seal(utf8("late")))).toThrow(Malformed);
  });
});
