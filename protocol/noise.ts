/**
 * Noise_XX and Noise_KK with 25519, ChaChaPoly and SHA256, by revision 34 of the Noise Protocol Framework. Sections are
 * those of its text, and functions bear its words.
 */

import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { concat } from "./bytes.ts";
import { sha256 } from "./hash.ts";
import { invalid, Malformed } from "./malformed.ts";
import { Secret } from "./secret.ts";
import { type KeyPair, keyLength, sharedSecret } from "./x25519.ts";

export const tagLength = 16;
/** Section 3. */
export const maxNoiseMessage = 65_535;
/** Never used to seal: section 4.2 keeps it for the new key. */
const rekeyNonce = 0xffff_ffff_ffff_ffffn;

const nonceOf = (n: bigint): Uint8Array => {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, n, true);
  return nonce;
};

const encrypt = (key: Secret, n: bigint, ad: Uint8Array, plain: Uint8Array): Uint8Array =>
  key.use((bytes) => {
    const cipher = createCipheriv("chacha20-poly1305", bytes, nonceOf(n), { authTagLength: tagLength });
    cipher.setAAD(ad, { plaintextLength: plain.length });
    const body = cipher.update(plain);
    cipher.final();
    return concat(body, cipher.getAuthTag());
  });

const decrypt = (key: Secret, n: bigint, ad: Uint8Array, sealed: Uint8Array): Uint8Array =>
  key.use((bytes) => {
    if (sealed.length < tagLength) throw invalid("shorter than its tag");
    const end = sealed.length - tagLength;
    const cipher = createDecipheriv("chacha20-poly1305", bytes, nonceOf(n), { authTagLength: tagLength });
    cipher.setAAD(ad, { plaintextLength: end });
    cipher.setAuthTag(sealed.subarray(end));
    // What is not authentic is not given to anyone.
    const plain = cipher.update(sealed.subarray(0, end));
    try {
      cipher.final();
    } catch {
      plain.fill(0);
      throw invalid("not authentic");
    }
    return Uint8Array.from(plain);
  });

/** One direction of a session (section 5.1). The nonce never goes back, and a failed `open` does not move it. */
export interface CipherState {
  readonly nonce: bigint;
  seal(plain: Uint8Array, ad?: Uint8Array): Uint8Array;
  /** Malformed where the bytes are not what the other side sealed under this nonce. */
  open(sealed: Uint8Array, ad?: Uint8Array): Uint8Array;
  /** Section 11.3: what was sealed before can't be opened with what is kept from now on. */
  rekey(): void;
  wipe(): void;
}

const none = new Uint8Array(0);

/** Takes the key over. */
export const cipherState = (given: Secret): CipherState => {
  let key = given;
  let n = 0n;
  const turn = (): bigint => {
    if (n >= rekeyNonce) throw new RangeError("this key has no nonces left");
    return n;
  };
  return {
    get nonce() {
      return n;
    },
    seal: (plain, ad = none) => {
      const sealed = encrypt(key, turn(), ad, plain);
      n++;
      return sealed;
    },
    open: (sealed, ad = none) => {
      const plain = decrypt(key, turn(), ad, sealed);
      n++;
      return plain;
    },
    rekey: () => {
      const next = encrypt(key, rekeyNonce, none, new Uint8Array(keyLength));
      key.wipe();
      key = new Secret(next.subarray(0, keyLength));
      next.fill(0);
    },
    wipe: () => key.wipe(),
  };
};

const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer => {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest();
};

/** HKDF of section 4.3 with two outputs. */
const hkdf = (chaining: Secret, input: Uint8Array): readonly [Secret, Secret] => {
  const temporary = chaining.use((key) => hmac(key, input));
  const first = hmac(temporary, Uint8Array.of(1));
  const second = hmac(temporary, first, Uint8Array.of(2));
  const outputs = [new Secret(first), new Secret(second)] as const;
  for (const bytes of [temporary, first, second]) bytes.fill(0);
  return outputs;
};

/** Section 5.2. */
const symmetricState = (name: string) => {
  const label = new TextEncoder().encode(name);
  let h = label.length <= 32 ? concat(label, new Uint8Array(32 - label.length)) : sha256(label);
  let chaining = new Secret(h);
  let cipher: CipherState | undefined;
  const mixHash = (bytes: Uint8Array): void => {
    h = sha256(concat(h, bytes));
  };
  return {
    hash: (): Uint8Array => Uint8Array.from(h),
    mixHash,
    mixKey: (shared: Secret): void => {
      const [next, key] = shared.use((bytes) => hkdf(chaining, bytes));
      shared.wipe();
      chaining.wipe();
      cipher?.wipe();
      chaining = next;
      cipher = cipherState(key);
    },
    encryptAndHash: (plain: Uint8Array): Uint8Array => {
      const sealed = cipher?.seal(plain, h) ?? plain;
      mixHash(sealed);
      return sealed;
    },
    decryptAndHash: (sealed: Uint8Array): Uint8Array => {
      const plain = cipher?.open(sealed, h) ?? Uint8Array.from(sealed);
      mixHash(sealed);
      return plain;
    },
    sealedLength: (plain: number): number => (cipher === undefined ? plain : plain + tagLength),
    split: (): readonly [CipherState, CipherState] => {
      const [first, second] = hkdf(chaining, none);
      return [cipherState(first), cipherState(second)];
    },
    wipe: (): void => {
      chaining.wipe();
      cipher?.wipe();
    },
  };
};

type Token = "e" | "s" | "ee" | "es" | "se" | "ss";

/** Section 7.5. What `known` says, both sides knew before. */
const patterns = {
  XX: {
    known: false,
    messages: [["e"], ["e", "ee", "s", "es"], ["s", "se"]],
  },
  KK: {
    known: true,
    messages: [
      ["e", "es", "ss"],
      ["e", "ee", "se"],
    ],
  },
} as const satisfies Readonly<
  Record<string, { readonly known: boolean; readonly messages: readonly (readonly Token[])[] }>
>;

export type Pattern = keyof typeof patterns;
export type NoiseRole = "initiator" | "responder";

export interface HandshakeOptions {
  readonly pattern: Pattern;
  readonly role: NoiseRole;
  /** What both sides must agree on and said in the clear. */
  readonly prologue: Uint8Array;
  readonly identity: KeyPair;
  /** Fresh for this handshake; wiped with it. */
  readonly ephemeral: KeyPair;
  /** Known before in KK, learnt in XX. */
  readonly theirs?: Uint8Array;
}

/** A finished handshake. */
export interface Split {
  readonly send: CipherState;
  readonly receive: CipherState;
  /** The other side's static key. */
  readonly theirs: Uint8Array;
  /** Of the whole transcript: the same on both sides only if nobody was between them. */
  readonly hash: Uint8Array;
}

export interface Handshake {
  /** Whose turn it is, or that there is none left. */
  turn(): "write" | "read" | "over";
  write(payload: Uint8Array): Uint8Array;
  /** Malformed where the bytes are not this message; then nothing more can be done with this handshake. */
  read(message: Uint8Array): Uint8Array;
  /** Once, after the last message. */
  split(): Split;
  wipe(): void;
}

export const handshake = (options: HandshakeOptions): Handshake => {
  const { pattern, role, prologue, identity, ephemeral } = options;
  const { known, messages } = patterns[pattern];
  const isInitiator = role === "initiator";
  let theirs = options.theirs;
  let theirEphemeral: Uint8Array | undefined;
  let step = 0;
  let isOver = false;

  const state = symmetricState(`Noise_${pattern}_25519_ChaChaPoly_SHA256`);
  state.mixHash(prologue);
  if (known) {
    if (theirs === undefined) throw new TypeError(`${pattern} needs the other side's key`);
    for (const key of isInitiator ? [identity.public, theirs] : [theirs, identity.public]) state.mixHash(key);
  }

  const wipe = (): void => {
    isOver = true;
    state.wipe();
    ephemeral.secret.wipe();
  };

  const required = (key: Uint8Array | undefined): Uint8Array => {
    if (key === undefined) throw new TypeError("a key is used before it is known");
    return key;
  };

  /** The first letter names the initiator's key, the second the responder's. */
  const mix = (token: Exclude<Token, "e" | "s">): void => {
    const [first, second] = token;
    const ours = (isInitiator ? first : second) === "e" ? ephemeral : identity;
    const other = (isInitiator ? second : first) === "e" ? theirEphemeral : theirs;
    state.mixKey(sharedSecret(ours, required(other)));
  };

  const turn = (): ReturnType<Handshake["turn"]> => {
    if (isOver || step >= messages.length) return "over";
    return (step % 2 === 0) === isInitiator ? "write" : "read";
  };

  const expect = (wanted: "write" | "read"): readonly Token[] => {
    const tokens: readonly Token[] | undefined = messages[step];
    if (turn() !== wanted || tokens === undefined) throw new TypeError(`not this side's turn to ${wanted}`);
    step++;
    return tokens;
  };

  const readTokens = (tokens: readonly Token[], message: Uint8Array): Uint8Array => {
    if (message.length > maxNoiseMessage) throw invalid("longer than a Noise message can be");
    let at = 0;
    const take = (length: number): Uint8Array => {
      const bytes = message.subarray(at, at + length);
      if (bytes.length < length) throw invalid("too short");
      at += length;
      return bytes;
    };
    for (const token of tokens) {
      if (token === "e") {
        theirEphemeral = Uint8Array.from(take(keyLength));
        state.mixHash(theirEphemeral);
      } else if (token === "s") theirs = state.decryptAndHash(take(state.sealedLength(keyLength)));
      else mix(token);
    }
    return state.decryptAndHash(message.subarray(at));
  };

  return {
    turn,
    write: (payload) => {
      const parts: Uint8Array[] = [];
      for (const token of expect("write")) {
        if (token === "e") {
          parts.push(ephemeral.public);
          state.mixHash(ephemeral.public);
        } else if (token === "s") parts.push(state.encryptAndHash(identity.public));
        else mix(token);
      }
      return concat(...parts, state.encryptAndHash(payload));
    },
    read: (message) => {
      const number = step + 1;
      const tokens = expect("read");
      try {
        return readTokens(tokens, message);
      } catch (error) {
        wipe();
        throw error instanceof Malformed ? error.within(`message ${number}`) : error;
      }
    },
    split: () => {
      if (isOver || step < messages.length)
        throw new TypeError("the handshake is not finished, or split before");
      const [first, second] = state.split();
      const hash = state.hash();
      wipe();
      const [send, receive] = isInitiator ? [first, second] : [second, first];
      return { send, receive, theirs: required(theirs), hash };
    },
    wipe,
  };
};
